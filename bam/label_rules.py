"""Epoch scores that need validation labels and nothing else. Larger is better.

Each takes predicted classes of shape (E, n), labels of shape (n,) and the number of classes, and
returns float64 of shape (E,). Training itself uses them to keep the weights of a chosen epoch.
"""

from collections.abc import Callable

import numpy as np

from bam.metrics import accuracy, class_accuracies, class_difference

TIE_DECIMALS = 12
Score = Callable[[np.ndarray, np.ndarray, int], np.ndarray]


def smallest_class_difference(predicted: np.ndarray, labels: np.ndarray, n_classes: int) -> np.ndarray:
    """Score -ClassDiff: BAM's stopping rule without group labels (arXiv 2309.06717)."""
    return -class_difference(class_accuracies(predicted, labels, n_classes))


def worst_class(predicted: np.ndarray, labels: np.ndarray, n_classes: int) -> np.ndarray:
    """Score the lowest class accuracy (Yang et al. 2023, "Change is Hard")."""
    return np.asarray(class_accuracies(predicted, labels, n_classes).min(axis=-1))


def average(predicted: np.ndarray, labels: np.ndarray, n_classes: int) -> np.ndarray:
    """Score the plain accuracy."""
    return accuracy(predicted, labels)


def last(predicted: np.ndarray, labels: np.ndarray, n_classes: int) -> np.ndarray:
    """Score only the last epoch, by its plain accuracy (which then chooses among settings)."""
    scores = np.full(len(predicted), -np.inf)
    scores[-1] = accuracy(predicted[-1], labels)
    return scores


LABEL_RULES: dict[str, Score] = {
    "class_difference": smallest_class_difference,
    "worst_class": worst_class,
    "average": average,
    "last": last,
}


def best_epoch(scores: np.ndarray) -> int:
    """Return the position of the best score; the earliest wins ties, also those that rounding splits.

    Parameters
    ----------
    scores : float array of shape (E,), E >= 1
    """
    return int(np.argmax(np.round(scores, TIE_DECIMALS)))
