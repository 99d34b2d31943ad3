"""Dominoes: an MNIST digit above a Fashion-MNIST garment; the garment is the class.

Class 0 is a coat and goes with the digit 0, class 1 is a dress and goes with the digit 1, for the
share `correlation` of each class in train and validation (exact counts); test has the four groups in
equal numbers. With a correlation of 1 the minority groups are declared empty in train and validation.
"""

from collections.abc import Mapping
from pathlib import Path
from typing import Literal

import numpy as np
from pydantic import Field, model_validator

from bam.data.draws import attributes_with_counts, balanced_attributes
from bam.data.examples import SPLITS, Examples, Sizes, Split, SplitExamples
from bam.data.idx import read_labelled
from bam.randomness import numpy_generator
from bam.strict import Strict

RAW = ("mnist", "fashion-mnist")
VALIDATION = "as_train"
PER_SEED_DRAW = (
    "each seed draws and pairs digits and garments of the same published training and test sets anew; test sets share "
    "most images, so intervals over seeds omit part of the sampling error"
)
GARMENTS = {"coat": 4, "dress": 3}
PER_CLASS = {"train": 4720, "val": 1180, "test": 980}  # MNIST has 5,923 zeros to train on and 980 to test on


class Settings(Strict):
    """The `datasets:` entry of a study."""

    kind: Literal["dominoes"]
    correlation: float = Field(gt=0.5, le=1, description="share of a class with its own digit, train and val")
    data_seed: int = Field(ge=0, description="seed of the draw and of the pairs, or `per_seed`")

    @model_validator(mode="after")
    def _is_one_or_leaves_every_group_an_image(self) -> "Settings":
        n_left = PER_CLASS["val"] - round(self.correlation * PER_CLASS["val"])
        if n_left == 0 and self.correlation < 1:
            raise ValueError(
                f"correlation {self.correlation:g} leaves a minority group no validation image; lower it, or write 1.0"
            )
        return self


def sizes(settings: Settings) -> Sizes:
    """Return the sizes that the splits have."""
    return Sizes(
        n_examples={split: 2 * PER_CLASS[split] for split in SPLITS},
        input_shape=(1, 56, 28),
        n_classes=2,
        n_minority=2 * (PER_CLASS["train"] - round(settings.correlation * PER_CLASS["train"])),
    )


def read_examples(raw: Mapping[str, Path], settings: Settings) -> Examples:
    """Draw garments and digits and stack them.

    Returns
    -------
    Examples with inputs uint8 of shape (n, 1, 56, 28), the digit above the garment

    Raises
    ------
    DataError
        If a raw file is not what MNIST's or Fashion-MNIST's is.
    """
    splits: dict[Split, SplitExamples] = {}
    parts: tuple[tuple[str, tuple[Split, ...]], ...] = (("train", ("train", "val")), ("t10k", ("test",)))
    for part, names in parts:
        garments, digits = read_labelled(raw["fashion-mnist"], part), read_labelled(raw["mnist"], part)
        generator = numpy_generator(settings.data_seed, f"draw/{part}")
        coats, dresses = (generator.permutation(np.flatnonzero(garments.classes == k)) for k in GARMENTS.values())
        by_digit = [generator.permutation(np.flatnonzero(digits.classes == k)) for k in (0, 1)]
        for split in names:
            n = PER_CLASS[split]
            # Each image is used once: what a split takes is cut off.
            rows, coats, dresses = np.concatenate([coats[:n], dresses[:n]]), coats[n:], dresses[n:]
            labels = np.repeat([0, 1], n)
            shown = _digits(labels, split, settings, generator)
            digit_rows = np.empty(len(labels), dtype=np.int64)
            for digit in (0, 1):
                here = np.flatnonzero(shown == digit)
                digit_rows[here], by_digit[digit] = by_digit[digit][: len(here)], by_digit[digit][len(here) :]
            order = generator.permutation(len(labels))
            stacked = np.concatenate([digits.images[digit_rows], garments.images[rows]], axis=1)[:, None]
            splits[split] = SplitExamples(stacked[order], labels[order], {"digit": shown[order]})
    minority = frozenset({(0, 1), (1, 0)})
    return Examples(
        splits=splits,
        class_names=tuple(GARMENTS),
        attribute=("digit", ("0", "1")),
        minority=minority,
        declared_empty=minority if settings.correlation == 1 else frozenset(),
    )


def _digits(labels: np.ndarray, split: Split, settings: Settings, generator: np.random.Generator) -> np.ndarray:
    if split == "test":
        return balanced_attributes(labels, 2, generator)
    n_own = round(settings.correlation * PER_CLASS[split])
    return attributes_with_counts(labels, [n_own, n_own], 2, generator)
