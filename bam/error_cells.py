"""Worst accuracy over class x (does a bias-amplified stage 1 miss this validation example?): ours, without groups.

The epochs of a run compare on the cells of its own stage 1. Settings whose stage 1 differ have different
cells, so their own scores do not compare: one that misses nothing has no hard cell at all. The rules
below differ in the cells on which they compare; docs/log.md has the experiment that compares them.
"""

import numpy as np

from bam.errors import DataError
from bam.evidence import Evidence
from bam.metrics import group_accuracies

SMALLEST_CELL = 5


def error_cells(labels: np.ndarray, missed: np.ndarray, n_classes: int) -> np.ndarray:
    """Return the cells class x (missed by the bias-amplified model?) as bool of shape (n, K).

    Cells of fewer than 5 examples are left out; they say more about luck than about the model.

    Raises
    ------
    DataError
        If no cell is left.
    """
    cells = [(labels == label) & (missed == flag) for label in range(n_classes) for flag in (False, True)]
    large = [cell for cell in cells if cell.sum() >= SMALLEST_CELL]
    if not large:
        raise DataError(f"validation has no class x error cell of {SMALLEST_CELL} examples; use a larger split")
    return np.stack(large, axis=1)


def own_cells(evidence: Evidence) -> np.ndarray:
    """Score the worst accuracy over the cells of the run's own stage 1, float of shape (E,)."""
    assert evidence.missed is not None
    return _worst_cell(evidence, evidence.missed)


def mean_over_candidates(evidence: Evidence) -> np.ndarray:
    """Score a run on the cells of each candidate's stage 1 in turn, and average."""
    return np.asarray(np.mean([_worst_cell(evidence, missed) for missed in evidence.missed_by_any], axis=0))


def least_over_candidates(evidence: Evidence) -> np.ndarray:
    """Score the worst accuracy over the cells of every candidate's stage 1."""
    return np.asarray(np.min([_worst_cell(evidence, missed) for missed in evidence.missed_by_any], axis=0))


def voted_cells(evidence: Evidence) -> np.ndarray:
    """Score the worst accuracy over one set of cells: missed by at least half of the candidates' stage 1s."""
    votes = np.mean(np.stack(evidence.missed_by_any), axis=0)
    return _worst_cell(evidence, votes >= 0.5)


def _worst_cell(evidence: Evidence, missed: np.ndarray) -> np.ndarray:
    cells = error_cells(evidence.labels, missed, evidence.n_classes)
    return np.asarray(group_accuracies(evidence.predicted, evidence.labels, cells).min(axis=-1))
