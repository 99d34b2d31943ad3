"""Accuracies by class and by group, and ClassDiff, from predicted classes.

All functions take any number of leading axes (usually epochs), so a whole training history is
scored in one call. Letters: n examples, C classes, G groups, `...` leading axes.
"""

import numpy as np

from bam.errors import DataError


def class_accuracies(predicted: np.ndarray, labels: np.ndarray, n_classes: int) -> np.ndarray:
    """Return the accuracy within each class.

    Parameters
    ----------
    predicted : integer array of shape (..., n)
    labels : integer array of shape (n,), values in 0 .. n_classes - 1

    Returns
    -------
    float64 array of shape (..., n_classes), fractions in [0, 1]

    Raises
    ------
    DataError
        If a class has no example.
    """
    membership = labels[:, None] == np.arange(n_classes)
    empty = np.flatnonzero(~membership.any(axis=0))
    if empty.size:
        raise DataError(f"class {empty[0]} has no example to measure accuracy on")
    return group_accuracies(predicted, labels, membership)


def group_accuracies(predicted: np.ndarray, labels: np.ndarray, membership: np.ndarray) -> np.ndarray:
    """Return the accuracy within each group; groups may overlap, and an empty one gets NaN.

    Parameters
    ----------
    predicted : integer array of shape (..., n)
    labels : integer array of shape (n,)
    membership : bool array of shape (n, G)

    Returns
    -------
    float64 array of shape (..., G), fractions in [0, 1] or NaN
    """
    correct = (predicted == labels).astype(np.float64)
    counts = membership.sum(axis=0)
    with np.errstate(invalid="ignore"):
        return np.asarray((correct @ membership.astype(np.float64)) / counts)


def class_difference(accuracies: np.ndarray) -> np.ndarray:
    """Return ClassDiff: the mean over class pairs i < j of |acc_i - acc_j|. Smaller is better.

    Computed from the gaps between sorted accuracies (a gap below which k classes lie is part of
    k (C - k) pairs), so it is exactly 0 if and only if all accuracies are equal, and exactly
    invariant under permutation of classes. The authors' code computes |2 a_0 - a_1 - a_2| for
    three classes (authors' code, loss.py), which can be 0 for unequal accuracies.

    Parameters
    ----------
    accuracies : float array of shape (..., C), C >= 2

    Returns
    -------
    float64 array of shape (...), in [0, 1]

    References
    ----------
    BAM, arXiv 2309.06717; the sum over pairs is eq. 3 of the authors' follow-up report.

    >>> round(float(class_difference(np.array([0.6, 0.9, 0.3]))), 3)
    0.4
    """
    n_classes = accuracies.shape[-1]
    below = np.arange(1, n_classes)
    gaps = np.diff(np.sort(accuracies, axis=-1), axis=-1)
    pairs = n_classes * (n_classes - 1) / 2
    return np.asarray((gaps * (below * (n_classes - below))).sum(axis=-1) / pairs)


def accuracy(predicted: np.ndarray, labels: np.ndarray) -> np.ndarray:
    """Return the plain mean accuracy, shape (...), for predicted classes of shape (..., n)."""
    return np.asarray((predicted == labels).mean(axis=-1))
