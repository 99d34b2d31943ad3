"""The last epoch."""

import numpy as np

from bam.metrics import accuracy


def score(predicted: np.ndarray, labels: np.ndarray, n_classes: int) -> np.ndarray:
    """Score only the last epoch, by its accuracy, which then chooses settings; shapes as in `class_difference`."""
    scores = np.full(len(predicted), -np.inf)
    scores[-1] = accuracy(predicted[-1], labels)
    return scores
