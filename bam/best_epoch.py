"""Which epoch a rule's scores prefer."""

import numpy as np

TIE_DECIMALS = 12


def best_epoch(scores: np.ndarray) -> int:
    """Return the position of the best score; the earliest wins ties, also those that rounding splits.

    Parameters
    ----------
    scores : float array of shape (E,), E >= 1, larger is better

    >>> best_epoch(np.array([0.1, 0.7, 0.7 + 1e-15]))
    1
    """
    return int(np.argmax(np.round(scores, TIE_DECIMALS)))
