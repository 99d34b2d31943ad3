"""The lowest class accuracy (Yang et al. 2023, "Change is Hard")."""

import numpy as np

from bam.metrics import class_accuracies


def score(predicted: np.ndarray, labels: np.ndarray, n_classes: int) -> np.ndarray:
    """Score the lowest class accuracy of each epoch; shapes as in `class_difference`."""
    return np.asarray(class_accuracies(predicted, labels, n_classes).min(axis=-1))
