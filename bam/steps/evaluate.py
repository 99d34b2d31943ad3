"""Test accuracies, by group and on average, of what one rule chose."""

import csv
import io
from collections.abc import Callable, Mapping
from dataclasses import dataclass, fields
from pathlib import Path
from typing import Any

import numpy as np

from bam.artifacts import read_predictions
from bam.errors import DataError
from bam.files import read_json, write_checked_text
from bam.group_metrics import adjusted_accuracy, worst_group_accuracy
from bam.groups import GroupScheme, SplitGroups, read_scheme, read_split
from bam.layout import Layout
from bam.metrics import accuracy, group_accuracies
from bam.selection import setting_text
from bam.statistics import wilson_interval


@dataclass(frozen=True)
class Row:
    """One line of an evaluation CSV.

    Attributes
    ----------
    metric : group_accuracy, worst_group_accuracy, accuracy or adjusted_accuracy
    group : its name, for group_accuracy, and for worst_group_accuracy the one that is worst
    value, low, high : fractions; the interval is Wilson's over the n examples of this seed
    n : examples behind the value; empty for adjusted_accuracy, which has no single count
    """

    dataset: str
    method: str
    selection: str
    needs_groups: str
    seed: int
    setting: str
    epoch: int
    metric: str
    group: str
    value: float
    n: int | str
    low: float | str
    high: float | str


@dataclass(frozen=True)
class GroupTruth:
    """A data set's groups on test, and where they lie."""

    folder: Path
    scheme: GroupScheme
    test: SplitGroups


def read_group_truth(folder: Path) -> GroupTruth:
    """Return the groups of a folder; who scores several choices may keep them by `functools.cache`."""
    return GroupTruth(folder, read_scheme(folder), read_split(folder / "test.csv"))


def evaluate(
    selection: Path,
    groups_ids: Mapping[int, str],
    layout: Layout,
    out: Path,
    read_groups: Callable[[Path], GroupTruth] = read_group_truth,
) -> None:
    """Score the chosen run and epoch of each seed on test; without groups, on average alone.

    Parameters
    ----------
    selection
        The file that `select` wrote.
    groups_ids
        Seed -> id of its group files.

    Raises
    ------
    DataError
        If a test group is empty that the data set does not declare empty.
    """
    choice = read_json(selection)
    rows: list[Row] = []
    for chosen in choice["chosen"]:
        groups = read_groups(layout.groups(groups_ids[chosen["seed"]]))
        head: dict[str, Any] = {key: choice[key] for key in ("dataset", "method", "selection", "needs_groups")}
        head |= {"seed": chosen["seed"], "epoch": chosen["epoch"], "setting": setting_text(chosen["setting"])}
        path = layout.predictions(chosen["run"]) / "test.npz"
        rows += [Row(**head, **scores) for scores in _scores(groups, path, chosen["epoch"])]
    text = io.StringIO()
    writer = csv.writer(text, lineterminator="\n")
    names = [field.name for field in fields(Row)]
    writer.writerow(names)
    writer.writerows([getattr(row, name) for name in names] for row in rows)
    write_checked_text(out, text.getvalue())


def _scores(groups: GroupTruth, path: Path, epoch: int) -> list[dict[str, Any]]:
    scheme, test = groups.scheme, groups.test
    if test.labels is None:
        raise DataError(f"{groups.folder / 'test.csv'}: has no column 'label'; run `bam annotate` again")
    predictions = read_predictions(path, n_examples=len(test.labels))
    positions = np.flatnonzero(predictions.epochs == epoch)
    if positions.size != 1:
        raise DataError(f"{path}: has no predictions at epoch {epoch}; run `bam select` again")
    predicted = predictions.classes[positions[0]]
    plain = float(accuracy(predicted, test.labels))
    if not scheme.names:
        return [_counted("accuracy", "", plain, len(test.labels))]
    accuracies = group_accuracies(predicted, test.labels, test.membership)
    counts = test.membership.sum(axis=0)
    by_group = [
        _counted("group_accuracy", name, value, int(n))
        for name, value, n in zip(scheme.names, accuracies, counts, strict=True)
        if n > 0
    ]
    worst = float(worst_group_accuracy(accuracies, scheme.names, scheme.declared_empty))
    at = int(np.nanargmin(accuracies))
    return [
        *by_group,
        _counted("worst_group_accuracy", scheme.names[at], worst, int(counts[at])),
        _counted("accuracy", "", plain, len(test.labels)),
        *_adjusted(scheme, accuracies),
    ]


def _counted(metric: str, group: str, value: float, n: int) -> dict[str, Any]:
    low, high = wilson_interval(round(value * n), n)
    return {"metric": metric, "group": group, "value": float(value), "n": n, "low": low, "high": high}


def _adjusted(scheme: GroupScheme, accuracies: np.ndarray) -> list[dict[str, Any]]:
    """Return the adjusted average, or nothing where groups overlap."""
    if not scheme.is_partition:
        return []
    value = float(adjusted_accuracy(accuracies, np.array(scheme.counts["train"]), scheme.names, scheme.declared_empty))
    return [{"metric": "adjusted_accuracy", "group": "", "value": value, "n": "", "low": "", "high": ""}]
