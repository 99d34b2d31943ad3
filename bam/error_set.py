"""The error set: training examples whose label the bias-amplified model misses."""

from dataclasses import dataclass

import numpy as np


@dataclass(frozen=True)
class Quality:
    """How well an error set stands in for the minority groups; None where undefined."""

    size: int
    minority_precision: float | None
    minority_recall: float | None


def find(predicted: np.ndarray, labels: np.ndarray) -> np.ndarray:
    """Return the error set E as a mask: where the predicted class is not the label.

    The prediction must be made in evaluation mode and without auxiliary variables
    (authors' code, "Get error set without b").

    Parameters
    ----------
    predicted, labels : integer arrays of shape (n,)

    Returns
    -------
    bool array of shape (n,)
    """
    return np.asarray(predicted != labels)


def quality(error_set: np.ndarray, minority: np.ndarray | None) -> Quality:
    """Return size, and precision and recall on minority groups.

    An empty error set has no precision, data without minority examples no recall, and data
    without attributes (`minority` None) neither.

    Parameters
    ----------
    error_set, minority : bool arrays of shape (n,)
    """
    size = int(error_set.sum())
    if minority is None:
        return Quality(size, None, None)
    hits, n_minority = int((error_set & minority).sum()), int(minority.sum())
    return Quality(size, hits / size if size else None, hits / n_minority if n_minority else None)


def class_shares(error_set: np.ndarray, labels: np.ndarray, n_classes: int) -> list[float | None]:
    """Return the share of each class within the error set; None for an empty set."""
    size = int(error_set.sum())
    counts = np.bincount(labels[error_set], minlength=n_classes)
    return [int(count) / size if size else None for count in counts]
