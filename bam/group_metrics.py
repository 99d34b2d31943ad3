"""Worst-group and adjusted accuracy, from accuracies by group (`bam.metrics.group_accuracies`)."""

import numpy as np

from bam.errors import DataError


def present_groups(accuracies: np.ndarray, names: tuple[str, ...], declared_empty: tuple[str, ...]) -> np.ndarray:
    """Return which groups have examples, bool of shape (G,).

    Parameters
    ----------
    accuracies : float array of shape (..., G), NaN where a group is empty

    Raises
    ------
    DataError
        If a group is empty that the data set does not declare empty.
    """
    empty = np.isnan(accuracies).reshape(-1, len(names)).any(axis=0)
    for name, is_empty in zip(names, empty, strict=True):
        if is_empty and name not in declared_empty:
            raise DataError(f"group {name!r} has no example; declare the cell empty or mend the split")
    return np.asarray(~empty)


def worst_group_accuracy(
    accuracies: np.ndarray, names: tuple[str, ...], declared_empty: tuple[str, ...] = ()
) -> np.ndarray:
    """Return the minimum over groups, shape (...), leaving out only groups that are declared empty.

    Parameters and errors as `present_groups`.
    """
    return np.asarray(accuracies[..., present_groups(accuracies, names, declared_empty)].min(axis=-1))


def adjusted_accuracy(
    accuracies: np.ndarray, train_counts: np.ndarray, names: tuple[str, ...], declared_empty: tuple[str, ...] = ()
) -> np.ndarray:
    """Return group accuracies, shape (...), weighted by the groups' shares of the training split.

    Only for groups that partition the data. Parameters and errors as `present_groups`.

    Parameters
    ----------
    train_counts : integer array of shape (G,)

    References
    ----------
    Sagawa et al. 2020 (Waterbirds' "average accuracy"); the authors of BAM print the plain one.
    """
    present = present_groups(accuracies, names, declared_empty)
    shares = train_counts[present] / train_counts[present].sum()
    return np.asarray((accuracies[..., present] * shares).sum(axis=-1))
