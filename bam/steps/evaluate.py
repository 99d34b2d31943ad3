"""Test accuracies, by group and on average, of what one rule chose."""

import csv
import io
from collections.abc import Mapping
from dataclasses import dataclass, fields
from pathlib import Path
from typing import Any

import numpy as np

from bam.artifacts import read_predictions
from bam.errors import DataError
from bam.files import read_json, write_checked_text
from bam.group_metrics import adjusted_accuracy, worst_group_accuracy
from bam.groups import GroupScheme, read_scheme, read_split
from bam.layout import Layout
from bam.metrics import accuracy, group_accuracies
from bam.plan import Plan
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


def evaluate_all(plan: Plan, layout: Layout) -> None:
    """Score every choice of a study; errors as `evaluate`."""
    for arm in plan.arms:
        for dataset, method, rule in arm.choices():
            groups_ids = {cell.seed: cell.run.dataset.groups_id for cell in plan.of(arm.name, dataset, method)}
            out = layout.evaluation(arm.name, dataset, method, rule)
            evaluate(layout.selection(arm.name, dataset, method, rule), groups_ids, layout, out)


def evaluate(selection: Path, groups_ids: Mapping[int, str], layout: Layout, out: Path) -> None:
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
        folder = layout.groups(groups_ids[chosen["seed"]])
        head: dict[str, Any] = {key: choice[key] for key in ("dataset", "method", "selection", "needs_groups")}
        head |= {"seed": chosen["seed"], "epoch": chosen["epoch"], "setting": setting_text(chosen["setting"])}
        path = layout.predictions(chosen["run"]) / "test.npz"
        rows += [Row(**head, **scores) for scores in _scores(folder, path, chosen["epoch"])]
    text = io.StringIO()
    writer = csv.writer(text, lineterminator="\n")
    names = [field.name for field in fields(Row)]
    writer.writerow(names)
    writer.writerows([getattr(row, name) for name in names] for row in rows)
    write_checked_text(out, text.getvalue())


def _scores(folder: Path, path: Path, epoch: int) -> list[dict[str, Any]]:
    scheme, test = read_scheme(folder), read_split(folder / "test.csv")
    if test.labels is None:
        raise DataError(f"{folder / 'test.csv'}: has no column 'label'; run `bam annotate` again")
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
    groups = [
        _counted("group_accuracy", name, value, int(n))
        for name, value, n in zip(scheme.names, accuracies, counts, strict=True)
        if n > 0
    ]
    worst = float(worst_group_accuracy(accuracies, scheme.names, scheme.declared_empty))
    at = int(np.nanargmin(accuracies))
    return [
        *groups,
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
