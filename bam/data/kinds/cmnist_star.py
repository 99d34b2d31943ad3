"""CMNIST* of Correct-n-Contrast (Zhang et al. 2022, arXiv 2203.01517): five pairs of digits, coloured.

Pixels of the digit of intensity 120 or more get a colour: on train the class's own with probability
`correlation`, else one of the other four; on validation and test any of the five at random, so
validation looks like test. Each image is enlarged to 40 x 40 and cropped to 32 x 32 at a random
place, drawn once, while the original draws a new crop at every visit.
"""

from collections.abc import Mapping
from pathlib import Path
from typing import Literal

import numpy as np
from pydantic import Field

from bam.data.digit_pairs import CLASSES, MINORITY, class_counts, read_splits
from bam.data.examples import SPLITS, Examples, Sizes, Split, SplitExamples
from bam.data.hues import HUES, palette
from bam.randomness import numpy_generator
from bam.strict import Strict

RAW = ("mnist",)
VALIDATION = "as_test"
PER_SEED_DRAW = (
    "each seed splits, colours and crops MNIST's 60,000 training digits anew; the 10,000 test digits are the same for "
    "all seeds, in other colours, so intervals over seeds omit part of the sampling error"
)
BRIGHT = 120
ENLARGED, CROPPED = 40, 32


class Settings(Strict):
    """The `datasets:` entry of a study."""

    kind: Literal["cmnist_star"]
    correlation: float = Field(gt=0.2, lt=1, description="probability that a training image has its class's colour")
    data_seed: int = Field(ge=0, description="seed of split, colours and crops, or `per_seed`")


def sizes(settings: Settings) -> Sizes:
    """Return the sizes that the splits have; the number of minority examples is an expectation."""
    counts = class_counts()
    return Sizes(
        n_examples={split: sum(counts[split]) for split in SPLITS},
        input_shape=(3, CROPPED, CROPPED),
        n_classes=len(CLASSES),
        n_minority=round((1 - settings.correlation) * sum(counts["train"])),
    )


def read_examples(raw: Mapping[str, Path], settings: Settings) -> Examples:
    """Split, colour, enlarge and crop the digits.

    Returns
    -------
    Examples with inputs uint8 of shape (n, 3, 32, 32), channels red, green and blue

    Raises
    ------
    DataError
        If a raw file is not what MNIST's is.
    """
    splits: dict[Split, SplitExamples] = {}
    for split, part in read_splits(raw["mnist"], settings.data_seed).items():
        labels = part.classes.astype(np.int64)
        generator = numpy_generator(settings.data_seed, f"colors/{split}")
        colors = generator.integers(len(HUES), size=len(labels))
        if split == "train":
            other = (labels + generator.integers(1, len(HUES), size=len(labels))) % len(HUES)
            colors = np.where(generator.random(len(labels)) < settings.correlation, labels, other)
        corners = generator.integers(ENLARGED - CROPPED + 1, size=(len(labels), 2))
        splits[split] = SplitExamples(_drawn(part.images, colors, corners), labels, {"color": colors})
    return Examples(
        splits=splits,
        class_names=CLASSES,
        attribute=("color", HUES),
        minority=MINORITY,
    )


def _drawn(images: np.ndarray, colors: np.ndarray, corners: np.ndarray) -> np.ndarray:
    """Colour, enlarge and crop; images that share a crop are done together."""
    enlarge = enlargement(images.shape[1], ENLARGED)
    found = np.empty((len(images), 3, CROPPED, CROPPED), dtype=np.uint8)
    for top, left in np.unique(corners, axis=0):
        rows = np.flatnonzero((corners == (top, left)).all(axis=1))
        grey = np.repeat(images[rows][:, None], 3, axis=1)
        np.copyto(grey, palette()[colors[rows]][:, :, None, None], where=images[rows][:, None] >= BRIGHT)
        down, across = enlarge[top : top + CROPPED], enlarge[left : left + CROPPED]
        found[rows] = np.rint(down @ grey.astype(np.float32) @ across.T)
    return found


def enlargement(n_from: int, n_to: int) -> np.ndarray:
    """Return the float32 matrix (n_to, n_from) of linear interpolation between pixel centres, clamped at the edge.

    >>> enlargement(2, 4).round(2).tolist()
    [[1.0, 0.0], [0.75, 0.25], [0.25, 0.75], [0.0, 1.0]]
    """
    centres = np.clip((np.arange(n_to) + 0.5) * n_from / n_to - 0.5, 0, n_from - 1)
    return np.asarray(np.maximum(0, 1 - np.abs(centres[:, None] - np.arange(n_from))), dtype=np.float32)
