"""The 1,797 handwritten 8 x 8 digits that scikit-learn carries, coloured red or green.

Class = digit >= 5; attribute = colour channel. Red goes with class 0 and green with class 1 for
the share `aligned` of train and validation (exact counts in each class); on test the colours are
balanced in each class. Validation shares the training split's correlation.
"""

from collections.abc import Mapping
from pathlib import Path
from typing import Literal

import numpy as np
from pydantic import Field

from bam.data.examples import SPLITS, Examples, Sizes, Split, SplitExamples
from bam.errors import DataError
from bam.randomness import numpy_generator
from bam.strict import Strict

RAW = ("digits",)
VALIDATION = "as_train"
PER_SEED_DRAW = (
    "each seed splits and colours the same 1,797 images anew; test sets overlap, "
    "so intervals over seeds are somewhat too short"
)
SHARES = {"train": 0.5, "val": 0.2}
TEST_ALIGNED = 0.5
COLORS = ("red", "green")
MAX_INTENSITY = 16
DIGIT_COUNTS = (178, 182, 177, 183, 181, 182, 181, 179, 174, 180)


class Settings(Strict):
    """The `datasets:` entry of a study."""

    kind: Literal["colored_digits"]
    aligned: float = Field(gt=0.5, lt=1, description="share of train and val whose colour fits the class")
    data_seed: int = Field(ge=0, description="seed of split and colours, or `per_seed`")


def sizes(settings: Settings) -> Sizes:
    """Return the sizes that the split will have."""
    n_train, n_val = (sum(round(SHARES[split] * n) for n in DIGIT_COUNTS) for split in ("train", "val"))
    return Sizes(
        n_examples={"train": n_train, "val": n_val, "test": sum(DIGIT_COUNTS) - n_train - n_val},
        input_shape=(2, 8, 8),
        n_classes=2,
        n_minority=round((1 - settings.aligned) * n_train),
    )


def read_examples(raw: Mapping[str, Path], settings: Settings) -> Examples:
    """Split, colour and label the digits.

    Returns
    -------
    Examples with inputs uint8 of shape (n, 2, 8, 8), channels red and green

    Raises
    ------
    DataError
        If the raw file does not hold 64 pixels and a digit a row, in the known number of each digit.
    """
    table = _read_table(raw["digits"] / "digits.csv")
    images = (table[:, :64] * (255 / MAX_INTENSITY)).round().astype(np.uint8).reshape(-1, 8, 8)
    digits = table[:, 64].astype(np.int64)
    rows = _split_rows(digits, settings.data_seed)
    splits: dict[Split, SplitExamples] = {}
    for split in SPLITS:
        labels = (digits[rows[split]] >= 5).astype(np.int64)
        aligned = TEST_ALIGNED if split == "test" else settings.aligned
        colors = _colors(labels, aligned, numpy_generator(settings.data_seed, f"colors/{split}"))
        inputs = np.zeros((len(labels), 2, 8, 8), dtype=np.uint8)
        inputs[np.arange(len(labels)), colors] = images[rows[split]]
        splits[split] = SplitExamples(inputs, labels, {"color": colors})
    return Examples(
        splits=splits,
        class_names=("0-4", "5-9"),
        attribute=("color", COLORS),
        minority=frozenset({(0, 1), (1, 0)}),
    )


def _read_table(path: Path) -> np.ndarray:
    try:
        table = np.loadtxt(path, delimiter=",")
    except (OSError, ValueError) as error:
        raise DataError(f"{path}: cannot be read as numbers ({error}); run `bam fetch` again") from error
    if table.ndim != 2 or table.shape[1] != 65:
        raise DataError(f"{path}: expected 64 pixels and a digit a row, got shape {table.shape}")
    counts = tuple(int((table[:, 64] == digit).sum()) for digit in range(10))
    if counts != DIGIT_COUNTS:
        raise DataError(f"{path}: expected {DIGIT_COUNTS} examples of the digits 0 to 9, got {counts}")
    return table


def _split_rows(digits: np.ndarray, data_seed: int) -> dict[Split, np.ndarray]:
    """Return the rows of each split, stratified by digit."""
    generator = numpy_generator(data_seed, "split")
    parts: dict[Split, list[np.ndarray]] = {split: [] for split in SPLITS}
    for digit in range(10):
        rows = generator.permutation(np.flatnonzero(digits == digit))
        n_train, n_val = (round(SHARES[split] * len(rows)) for split in ("train", "val"))
        pieces = np.split(rows, [n_train, n_train + n_val])
        for split, piece in zip(SPLITS, pieces, strict=True):
            parts[split].append(piece)
    return {split: np.sort(np.concatenate(pieces)) for split, pieces in parts.items()}


def _colors(labels: np.ndarray, aligned: float, generator: np.random.Generator) -> np.ndarray:
    """Return a colour for each example; exactly round(aligned * n) of each class fit the class."""
    colors = labels.copy()
    for label in (0, 1):
        rows = generator.permutation(np.flatnonzero(labels == label))
        conflicting = rows[round(aligned * len(rows)) :]
        colors[conflicting] = 1 - label
    return colors
