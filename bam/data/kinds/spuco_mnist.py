"""SpuCoMNIST (Joshi et al. 2023, arXiv 2306.11957): five pairs of digits on a coloured background.

The colour of a class's own goes with it for floor(correlation * n_c) images of train and of
validation, the others cycle over the other four colours; test has all 25 groups in equal numbers.
`difficulty` says how much of the background is coloured: all of it, a corner of 4 x 4 pixels, or
of 2 x 2.
"""

import math
from collections.abc import Mapping
from pathlib import Path
from typing import Literal

import numpy as np
from pydantic import Field, model_validator

from bam.data.digit_pairs import CLASSES, MINORITY, class_counts, read_splits
from bam.data.draws import attributes_with_counts, balanced_attributes
from bam.data.examples import SPLITS, Examples, Sizes, Split, SplitExamples
from bam.data.hues import HUES, palette
from bam.randomness import numpy_generator
from bam.strict import Strict

RAW = ("mnist",)
VALIDATION = "as_train"
PER_SEED_DRAW = (
    "each seed splits and colours MNIST's 60,000 training digits anew; the 10,000 test digits are the same for all "
    "seeds, in other colours, so intervals over seeds omit part of the sampling error"
)
CORNER = {"large": 28, "medium": 4, "small": 2}
N_OTHERS = len(HUES) - 1


class Settings(Strict):
    """The `datasets:` entry of a study."""

    kind: Literal["spuco_mnist"]
    difficulty: Literal["large", "medium", "small"] = Field(description="how much of the background is coloured")
    correlation: float = Field(gt=0.2, lt=1, description="ρ, share of a class in its own colour, train and val")
    data_seed: int = Field(ge=0, description="seed of the split and the colours, or `per_seed`")

    @model_validator(mode="after")
    def _leaves_every_group_an_image(self) -> "Settings":
        fewest = min(n - math.floor(self.correlation * n) for n in class_counts()["val"])
        if fewest < N_OTHERS:
            raise ValueError(
                f"correlation {self.correlation:g} leaves a class {fewest} validation images for {N_OTHERS} groups; "
                "lower it"
            )
        return self


def sizes(settings: Settings) -> Sizes:
    """Return the sizes that the splits have."""
    counts = class_counts()
    return Sizes(
        n_examples={split: sum(counts[split]) for split in SPLITS},
        input_shape=(3, 28, 28),
        n_classes=len(CLASSES),
        n_minority=sum(n - math.floor(settings.correlation * n) for n in counts["train"]),
    )


def read_examples(raw: Mapping[str, Path], settings: Settings) -> Examples:
    """Split the digits and colour their background.

    Returns
    -------
    Examples with inputs uint8 of shape (n, 3, 28, 28), channels red, green and blue

    Raises
    ------
    DataError
        If a raw file is not what MNIST's is.
    """
    splits: dict[Split, SplitExamples] = {}
    for split, part in read_splits(raw["mnist"], settings.data_seed).items():
        labels = part.classes.astype(np.int64)
        generator = numpy_generator(settings.data_seed, f"colors/{split}")
        if split == "test":
            colors = balanced_attributes(labels, len(HUES), generator)
        else:
            n_own = [math.floor(settings.correlation * int(n)) for n in np.bincount(labels, minlength=len(CLASSES))]
            colors = attributes_with_counts(labels, n_own, len(HUES), generator)
        inputs = _on_background(part.images, colors, CORNER[settings.difficulty])
        splits[split] = SplitExamples(inputs, labels, {"background": colors})
    return Examples(
        splits=splits,
        class_names=CLASSES,
        attribute=("background", HUES),
        minority=MINORITY,
    )


def _on_background(images: np.ndarray, colors: np.ndarray, corner: int) -> np.ndarray:
    """Colour the pixels of intensity 0 within the corner; the digit stays grey."""
    grey = np.repeat(images[:, None], 3, axis=1)
    part = grey[:, :, :corner, :corner]
    is_background = images[:, None, :corner, :corner] == 0
    np.copyto(part, palette()[colors][:, :, None, None], where=is_background)
    return grey
