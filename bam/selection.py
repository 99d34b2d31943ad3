"""Which epoch and which setting: named rules as pure functions over stored validation predictions.

Hyper-parameters are chosen across seeds, by the mean over seeds of each run's best score, and
epochs per seed; with scope "per_seed" both are chosen per seed. Ties go to the earliest epoch,
then to the setting that comes first in the config. Nothing here can see a test prediction.
"""

import math
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Literal

import numpy as np

from bam import catalogue
from bam.best_epoch import TIE_DECIMALS, best_epoch
from bam.error_cells import least_over_candidates, mean_over_candidates, own_cells, voted_cells
from bam.errors import DataError
from bam.evidence import Evidence
from bam.group_metrics import adjusted_accuracy, worst_group_accuracy
from bam.metrics import group_accuracies

Needs = Literal["none", "val", "train+val"]
Scope = Literal["across_seeds", "per_seed"]
# What rules see: validation labels alone, also which examples stage 1 misses, or also groups, as oracles do.
Sight = Literal["labels", "errors", "groups"]


@dataclass(frozen=True)
class Rule:
    """A named rule. `score` ranks the epochs of a run; `compare` (if not the same) its settings."""

    needs_groups: Needs
    score: Callable[[Evidence], np.ndarray]
    compare: Callable[[Evidence], np.ndarray] | None = None
    needs_stage1: bool = False


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
    "worst_error_group": Rule("none", own_cells, mean_over_candidates, needs_stage1=True),
    "worst_error_group_own": Rule("none", own_cells, needs_stage1=True),
    "worst_error_group_least": Rule("none", least_over_candidates, needs_stage1=True),
    "worst_error_group_vote": Rule("none", voted_cells, needs_stage1=True),
    "worst_group": Rule("val", worst_group),
    "average_adjusted": Rule("train+val", average_adjusted),
}


def sight_of(rule: str) -> Sight:
    """Return the most that a rule sees; KeyError if there is no such rule."""
    if RULES[rule].needs_groups != "none":
        return "groups"
    return "errors" if RULES[rule].needs_stage1 else "labels"


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
    """A candidate's best epoch under a rule, and its value in the comparison of settings.

    It lets go of the evidence: of a grid, no more than one setting's is in memory at a time.
    """

    setting: Mapping[str, Any]
    seed: int
    run: str
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
    scored = float(scores[position]), float(compared[position])
    return Scored(candidate.setting, candidate.seed, candidate.run, epoch, *scored)


def choose(rule: Rule, settings: Iterable[Sequence[Candidate]], scope: Scope) -> Choice:
    """Choose a setting and, for each seed, an epoch; parameters as `choose_each`."""
    return choose_each([rule], settings, scope)[0]


def choose_each(rules: Sequence[Rule], settings: Iterable[Sequence[Candidate]], scope: Scope) -> list[Choice]:
    """Choose a setting and, for each seed, an epoch, by each of some rules.

    Parameters
    ----------
    settings
        For each setting, in config order, its candidates, one a seed in the same order; taken one after another.
    """
    left_out: list[str] = []
    scored: list[list[list[Scored] | None]] = [[] for _ in rules]
    for candidates in settings:
        failed = [f"{setting_text(c.setting)}, seed {c.seed}: {c.failed}" for c in candidates if c.failed]
        left_out += failed
        for rule, rows in zip(rules, scored, strict=True):
            rows.append(None if failed else [score(rule, candidate) for candidate in candidates])
    return [_choice(rows, left_out, scope) for rows in scored]


def _choice(scored: Sequence[Sequence[Scored] | None], left_out: Sequence[str], scope: Scope) -> Choice:
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
