"""Which epoch and which setting: named rules as pure functions over stored validation predictions.

Hyper-parameters are chosen across seeds, by the mean over seeds of each run's best score, and
epochs per seed; with scope "per_seed" both are chosen per seed. Ties go to the earliest epoch,
then to the setting that comes first in the config. Nothing here can see a test prediction.
"""

import math
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any, Literal

import numpy as np

from bam import catalogue
from bam.best_epoch import TIE_DECIMALS, best_epoch
from bam.errors import DataError
from bam.group_metrics import adjusted_accuracy, worst_group_accuracy
from bam.metrics import group_accuracies
from bam.randomness import numpy_generator

Needs = Literal["none", "val", "train+val"]
Scope = Literal["across_seeds", "per_seed"]
SMALLEST_CELL = 5


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
        groups=None if groups is None else replace(groups, membership=groups.membership[rows]),
    )


@dataclass(frozen=True)
class Rule:
    """A named rule. `score` ranks the epochs of a run; `compare` (if not the same) its settings."""

    needs_groups: Needs
    score: Callable[[Evidence], np.ndarray]
    compare: Callable[[Evidence], np.ndarray] | None = None
    needs_stage1: bool = False


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


def worst_error_cell(evidence: Evidence) -> np.ndarray:
    """Score the worst accuracy over the run's own error cells (ours; docs/method.md)."""
    assert evidence.missed is not None
    return _worst_cell(evidence, evidence.missed)


def mean_worst_error_cell(evidence: Evidence) -> np.ndarray:
    """Score a run on the error cells of every candidate's stage 1, averaged.

    Settings whose stage 1 differs have different cells, so their own scores do not compare: one
    that misses nothing has no hard cell at all. All settings of a seed are therefore compared on
    the same family of cells.
    """
    return np.asarray(np.mean([_worst_cell(evidence, missed) for missed in evidence.missed_by_any], axis=0))


def _worst_cell(evidence: Evidence, missed: np.ndarray) -> np.ndarray:
    cells = error_cells(evidence.labels, missed, evidence.n_classes)
    return np.asarray(group_accuracies(evidence.predicted, evidence.labels, cells).min(axis=-1))


def worst_group(evidence: Evidence) -> np.ndarray:
    """Score the worst-group accuracy: the oracle with group labels on validation."""
    groups = evidence.groups
    assert groups is not None
    accuracies = group_accuracies(evidence.predicted, evidence.labels, groups.membership)
    return worst_group_accuracy(accuracies, groups.names, groups.declared_empty)


def average_adjusted(evidence: Evidence) -> np.ndarray:
    """Score the average accuracy adjusted by the training split's group shares.

    Raises
    ------
    DataError
        If the groups overlap.
    """
    groups = evidence.groups
    assert groups is not None
    if not groups.is_partition:
        raise DataError("average_adjusted needs groups that partition the data; these overlap")
    accuracies = group_accuracies(evidence.predicted, evidence.labels, groups.membership)
    return adjusted_accuracy(accuracies, groups.train_counts, groups.names, groups.declared_empty)


def _by_labels(name: str) -> Callable[[Evidence], np.ndarray]:
    score = catalogue.load("rule", name, "selection").score
    return lambda evidence: np.asarray(score(evidence.predicted, evidence.labels, evidence.n_classes))


RULES: Mapping[str, Rule] = {
    **{name: Rule("none", _by_labels(name)) for name in catalogue.names("rule")},
    "worst_error_group": Rule("none", worst_error_cell, mean_worst_error_cell, needs_stage1=True),
    "worst_group": Rule("val", worst_group),
    "average_adjusted": Rule("train+val", average_adjusted),
}


@dataclass(frozen=True)
class Candidate:
    """One run that a rule may choose. `failed` says why it stopped early, or is empty."""

    setting: Mapping[str, Any]
    seed: int
    run: str
    epochs: np.ndarray
    evidence: Evidence
    failed: str = ""


def setting_text(setting: Mapping[str, object]) -> str:
    """Return e.g. ``"stage2.upweight_factor=5; stage1.epochs=3"``, or ``"-"`` where nothing varies."""
    return "; ".join(f"{key}={value}" for key, value in setting.items()) or "-"


@dataclass(frozen=True)
class Scored:
    """A candidate's best epoch under a rule, and its value in the comparison of settings."""

    candidate: Candidate
    epoch: int
    epoch_score: float
    setting_score: float


@dataclass(frozen=True)
class Choice:
    """What a rule chose: one run and epoch for each seed.

    Attributes
    ----------
    chosen : one a seed, in the order of the seeds; none if every setting has a failed seed
    mean_scores : the comparison value of each setting, in config order; None if left out
    left_out : settings with a failed seed, and why
    """

    chosen: tuple[Scored, ...]
    mean_scores: tuple[float | None, ...]
    left_out: tuple[str, ...]


def score(rule: Rule, candidate: Candidate) -> Scored:
    """Apply a rule to one run."""
    scores = rule.score(candidate.evidence)
    position = best_epoch(scores)
    compared = scores if rule.compare is None else rule.compare(candidate.evidence)
    epoch = int(candidate.epochs[position])
    return Scored(candidate, epoch, float(scores[position]), float(compared[position]))


def choose(rule: Rule, settings: Sequence[Sequence[Candidate]], scope: Scope) -> Choice:
    """Choose a setting and, for each seed, an epoch.

    Parameters
    ----------
    settings
        For each setting, in config order, its candidates, one a seed in the same order.
    """
    left_out = [
        f"{setting_text(candidate.setting)}, seed {candidate.seed}: {candidate.failed}"
        for candidates in settings
        for candidate in candidates
        if candidate.failed
    ]
    scored = [
        None if any(candidate.failed for candidate in candidates) else [score(rule, c) for c in candidates]
        for candidates in settings
    ]
    complete = [row for row in scored if row is not None]
    means = [None if row is None else _mean_score(row) for row in scored]
    chosen: Sequence[Scored]
    if not complete:
        chosen = ()
    elif scope == "per_seed":
        chosen = [max(per_seed, key=lambda s: _mean_score([s])) for per_seed in zip(*complete, strict=True)]
    else:
        chosen = max(complete, key=_mean_score)
    return Choice(tuple(chosen), tuple(means), tuple(left_out))


def _mean_score(row: Sequence[Scored]) -> float:
    """Return the mean over seeds, exactly independent of their order, so that ties are ties."""
    return round(math.fsum(scored.setting_score for scored in row) / len(row), TIE_DECIMALS)
