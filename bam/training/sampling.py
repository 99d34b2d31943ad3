"""In which order an epoch visits the training rows."""

from collections.abc import Callable

import numpy as np
import torch
from torch import Tensor

from bam.recipe import GroupBalanced, Training, Upweighted
from bam.training.streams import generator
from bam.upweighting import epoch_index

Order = Callable[[int], Tensor]


def build_order(
    training: Training, n_examples: int, seed: int, error_set: np.ndarray | None, groups: np.ndarray | None
) -> Order:
    """Return a function from the epoch (from 1) to the rows it visits, int64, in order.

    Each epoch has its own stream, so an epoch's order does not depend on those before it.

    Parameters
    ----------
    error_set : bool array of shape (n_examples,), needed for upweighted sampling
    groups : int64 array of shape (n_examples,), needed for group-balanced sampling
    """
    if isinstance(training.sampling, GroupBalanced):
        assert groups is not None
        return _balanced(torch.from_numpy(groups), seed)
    if isinstance(training.sampling, Upweighted):
        assert error_set is not None
        visited = torch.from_numpy(epoch_index(error_set, training.sampling.factor))
    else:
        visited = torch.arange(n_examples)
    return lambda epoch: visited[torch.randperm(len(visited), generator=generator(seed, "order", epoch))]


def _balanced(groups: Tensor, seed: int) -> Order:
    """Draw n rows with replacement: first a group among those present, then a row of it."""
    by_group = torch.argsort(groups, stable=True)
    counts = torch.bincount(groups)
    first = torch.cumsum(counts, 0) - counts
    present = torch.nonzero(counts).squeeze(1)

    def order(epoch: int) -> Tensor:
        stream = generator(seed, "order", epoch)
        drawn = present[torch.randint(len(present), (len(groups),), generator=stream)]
        within = (torch.rand(len(groups), generator=stream, dtype=torch.float64) * counts[drawn]).long()
        return by_group[first[drawn] + within]

    return order
