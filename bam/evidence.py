"""What a selection rule may look at, for one run: validation predictions, labels, and what only some rules see."""

from dataclasses import dataclass, replace

import numpy as np

from bam.errors import DataError
from bam.randomness import numpy_generator


@dataclass(frozen=True)
class GroupEvidence:
    """Group labels of the validation split, for oracle rules alone.

    Attributes
    ----------
    membership : bool array of shape (n, G)
    train_counts : int array of shape (G,)
    """

    membership: np.ndarray
    names: tuple[str, ...]
    declared_empty: tuple[str, ...]
    is_partition: bool
    train_counts: np.ndarray


@dataclass(frozen=True)
class Evidence:
    """What a rule may look at for one run.

    Attributes
    ----------
    predicted : uint8 array of shape (E, n), validation predictions
    labels : int64 array of shape (n,)
    missed : bool array of shape (n,), validation examples that the run's stage 1 misses
    missed_by_any : one such array for every stage 1 among the candidates of the same seed
    """

    predicted: np.ndarray
    labels: np.ndarray
    n_classes: int
    missed: np.ndarray | None = None
    missed_by_any: tuple[np.ndarray, ...] = ()
    groups: GroupEvidence | None = None


def part_of(evidence: Evidence, n: int, seed: int) -> Evidence:
    """Return the evidence on n validation examples alone, drawn for the seed; a larger n holds a smaller one's.

    A group that validation has and the part lacks counts as declared empty: an oracle with so little
    validation sees nothing of it.

    Raises
    ------
    DataError
        If validation has fewer.
    """
    if n > len(evidence.labels):
        raise DataError(f"validation_size: {n:,} is more than the {len(evidence.labels):,} validation examples")
    rows = np.sort(numpy_generator(seed, "validation").permutation(len(evidence.labels))[:n])
    groups = evidence.groups
    return replace(
        evidence,
        predicted=evidence.predicted[:, rows],
        labels=evidence.labels[rows],
        missed=None if evidence.missed is None else evidence.missed[rows],
        missed_by_any=tuple(mask[rows] for mask in evidence.missed_by_any),
        groups=None if groups is None else _groups_of(groups, rows),
    )


def _groups_of(groups: GroupEvidence, rows: np.ndarray) -> GroupEvidence:
    membership = groups.membership[rows]
    lost = groups.membership.any(axis=0) & ~membership.any(axis=0)
    names = (name for name, is_lost in zip(groups.names, lost, strict=True) if is_lost)
    return replace(groups, membership=membership, declared_empty=(*groups.declared_empty, *names))
