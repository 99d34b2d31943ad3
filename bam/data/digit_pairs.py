"""MNIST in five classes of two digits each, as SpuCoMNIST and CMNIST* have it, split with exact counts."""

from collections.abc import Mapping
from pathlib import Path

import numpy as np

from bam.data.examples import SPLITS, Split
from bam.data.idx import Labelled, read_labelled
from bam.randomness import numpy_generator

CLASSES = ("0-1", "2-3", "4-5", "6-7", "8-9")
# Five classes against five attribute values, each class with one of its own.
MINORITY = frozenset((label, value) for label in range(len(CLASSES)) for value in range(len(CLASSES)) if label != value)
DIGITS = {
    "train": (5923, 6742, 5958, 6131, 5842, 5421, 5918, 6265, 5851, 5949),
    "t10k": (980, 1135, 1032, 1010, 982, 892, 958, 1028, 974, 1009),
}


def class_counts() -> dict[Split, list[int]]:
    """Return the number of examples of each class in each split: 48,004, 11,996 and 10,000 in all.

    Validation takes a fifth of each digit, rounded down, as SpuCoMNIST's fixed list does by its counts.
    """
    val = [n // 5 for n in DIGITS["train"]]
    train = [n - v for n, v in zip(DIGITS["train"], val, strict=True)]
    by_digit: dict[Split, list[int]] = {"train": train, "val": val, "test": list(DIGITS["t10k"])}
    return {split: [n[2 * k] + n[2 * k + 1] for k in range(5)] for split, n in by_digit.items()}


def read_splits(folder: Path, data_seed: int) -> Mapping[Split, Labelled]:
    """Split MNIST's 60,000 training digits; its 10,000 test digits are the test split.

    Returns
    -------
    split -> images and *classes* (0 to 4, the pair of digits), in random order

    Raises
    ------
    DataError
        If a raw file is not what MNIST's is.
    """
    official, tested = read_labelled(folder, "train"), read_labelled(folder, "t10k")
    generator = numpy_generator(data_seed, "split")
    chosen: dict[str, list[np.ndarray]] = {"train": [], "val": []}
    for digit in range(10):
        rows = generator.permutation(np.flatnonzero(official.classes == digit))
        n_val = len(rows) // 5
        chosen["val"].append(rows[:n_val])
        chosen["train"].append(rows[n_val:])
    found: dict[Split, Labelled] = {}
    for split in SPLITS:
        source = tested if split == "test" else official
        rows = np.arange(len(tested.classes)) if split == "test" else np.concatenate(chosen[split])
        rows = generator.permutation(rows)
        found[split] = Labelled(source.images[rows], source.classes[rows] // 2)
    return found
