"""ClassDiff: BAM's stopping rule without group labels (arXiv 2309.06717)."""

import numpy as np

from bam.metrics import class_accuracies, class_difference


def score(predicted: np.ndarray, labels: np.ndarray, n_classes: int) -> np.ndarray:
    """Score -ClassDiff of each epoch.

    Parameters
    ----------
    predicted : integer array of shape (E, n)
    labels : integer array of shape (n,)

    Returns
    -------
    float64 array of shape (E,), larger is better
    """
    return -class_difference(class_accuracies(predicted, labels, n_classes))
