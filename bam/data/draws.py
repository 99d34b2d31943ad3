"""Random draws with exact counts, for data sets whose groups are made."""

from collections.abc import Mapping, Sequence

import numpy as np

from bam.data.examples import SPLITS, Split


def cut(n: int, shares: Sequence[float]) -> list[int]:
    """Cut n into pieces of the given shares, each within one of its exact size; the last takes the rest.

    >>> cut(10, [0.7, 0.15]), cut(0, [0.7, 0.15])
    ([7, 1, 2], [0, 0, 0])
    """
    ends = [round(n * float(share)) for share in np.cumsum(shares)]
    return [end - start for start, end in zip([0, *ends], [*ends, n], strict=True)]


def split_rows(rows: np.ndarray, sizes: Sequence[int], generator: np.random.Generator) -> Mapping[Split, np.ndarray]:
    """Deal rows out to train, val and test at random, `sizes` of them to each."""
    ends = np.cumsum([0, *sizes])
    shuffled = generator.permutation(rows)
    return {split: shuffled[ends[k] : ends[k + 1]] for k, split in enumerate(SPLITS)}


def some_of(rows: np.ndarray, n: int, generator: np.random.Generator) -> np.ndarray:
    """Return n of the rows at random, in random order."""
    return generator.permutation(rows)[:n]


def attributes_with_counts(
    labels: np.ndarray, n_aligned: Sequence[int], n_values: int, generator: np.random.Generator
) -> np.ndarray:
    """Return an attribute for each example: the class's own for exactly `n_aligned[c]` of class c.

    The others of the class cycle over the other values, so each of these has the same count, to one.

    Parameters
    ----------
    labels : int64 array of shape (n,), values 0 .. n_values - 1

    Returns
    -------
    int64 array of shape (n,)
    """
    attributes = labels.copy()
    for label, n_own in enumerate(n_aligned):
        others = [value for value in range(n_values) if value != label]
        conflicting = generator.permutation(np.flatnonzero(labels == label))[n_own:]
        attributes[conflicting] = np.resize(others, len(conflicting))
    return attributes


def balanced_attributes(labels: np.ndarray, n_values: int, generator: np.random.Generator) -> np.ndarray:
    """Return an attribute for each example, so that each class has every value equally often, to one."""
    attributes = np.empty_like(labels)
    for label in np.unique(labels):
        rows = generator.permutation(np.flatnonzero(labels == label))
        attributes[rows] = np.resize(np.arange(n_values), len(rows))
    return attributes
