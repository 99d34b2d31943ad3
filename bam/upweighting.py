"""Stage 2's training set: the error set visited µ times an epoch, everything else once."""

import numpy as np


def epoch_index(error_set: np.ndarray, factor: int) -> np.ndarray:
    """Return the rows that one epoch visits, in no particular order.

    µ is the total weight of an error-set example, not the number of extra copies: µ = 1 visits
    every example once (BAM's stage-2 objective, follow-up report eq. 2: µ Σ_E ℓ + Σ_rest ℓ).

    Parameters
    ----------
    error_set : bool array of shape (n,)
    factor
        µ >= 1.

    Returns
    -------
    int64 array of shape (n - e + µ e,), e the size of the error set

    >>> epoch_index(np.array([False, True, False]), 2)
    array([0, 1, 1, 2])
    """
    return np.repeat(np.arange(len(error_set), dtype=np.int64), np.where(error_set, factor, 1))
