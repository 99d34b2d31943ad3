"""Validation and test accuracies at every predicted epoch of the settings that were chosen."""

import itertools

import numpy as np
import pandas as pd

from bam.artifacts import Predictions, read_predictions
from bam.errors import DataError
from bam.group_metrics import worst_group_accuracy
from bam.layout import Layout
from bam.metrics import accuracy, class_accuracies, class_difference, group_accuracies
from bam.plan import DataSet, Plan
from bam.selection import setting_text
from bam.tables.accuracies import without_single_dataset
from bam.tables.captions import MARK, protocol, spreads
from bam.tables.content import Table
from bam.tables.inputs import epochs_rule, main_cells
from bam.tables.selected import read_selection
from bam.tables.truth import Truth
from bam.tables.words import method_words, number, percent, rule_words

HEAD = ["dataset", "method", "setting", "selection", "seed"]
SERIES = {
    "train_loss": "Train loss",
    "val_class_difference": "Val ClassDiff",
    "val_worst_class": "Val worst class",
    "val_accuracy": "Val average",
    "val_worst_group_accuracy": "Val worst group",
    "test_worst_group_accuracy": "Test worst group",
    "test_accuracy": "Test average",
}
COLUMNS = ["dataset", "method", "selection", "setting", "seed", "epoch", *SERIES]


def epochs_table(plan: Plan, layout: Layout) -> Table:
    """Return a row for each predicted epoch and seed of the setting that ClassDiff (else the first rule) chose."""
    frame, notes = epoch_rows(plan, layout)
    shown, marked = _shown(frame, plan.study.file.seeds)
    every = "Every epoch" if plan.study.file.predict_every == 1 else "Every predicted epoch"
    rules = dict.fromkeys(rule_words(epochs_rule(plan, method)) for method in plan.study.settings)
    return Table(
        frame=frame,
        shown=shown,
        caption=f"The last epoch of the settings that {' or '.join(rules)} chose, in percent except loss, study "
        f"{plan.study.name}: {spreads(plan)}. {every} stands in the CSV. {protocol(plan)}",
        notes=(*notes, *marked),
    )


def epoch_rows(plan: Plan, layout: Layout) -> tuple[pd.DataFrame, list[str]]:
    """Return the table's rows, and notes on what every setting failed for.

    Raises
    ------
    DataError
        If a selection names a run that the plan does not.
    """
    truth, frames, notes = Truth(layout), [pd.DataFrame(columns=COLUMNS)], []
    datasets = {cell.run.name: cell.run.dataset for cell in main_cells(plan)}
    for dataset, method in itertools.product(plan.study.file.datasets, plan.study.settings):
        rule = epochs_rule(plan, method)
        selected = read_selection(layout, plan.arms[0].name, (dataset, method, rule))["chosen"]
        notes += [] if selected else [_nothing(dataset, method)]
        for chosen in selected:
            if chosen["run"] not in datasets:
                raise DataError(f"selection names run {chosen['run']}, not of this study; run `bam select` again")
            series = _series(chosen["run"], datasets[chosen["run"]], truth)
            head = {"dataset": dataset, "method": method, "selection": rule}
            frames.append(series.assign(**head, setting=setting_text(chosen["setting"]), seed=chosen["seed"]))
    return pd.concat(frames[len(frames) > 1 :], ignore_index=True)[COLUMNS], notes


def _nothing(dataset: str, method: str) -> str:
    return f"{dataset}, {method_words(method)}: left out, as every setting has a failed seed."


def _series(run: str, dataset: DataSet, truth: Truth) -> pd.DataFrame:
    """Return every predicted epoch of one run, scored on validation and on test."""
    labels, test = truth.labels(dataset, "val"), truth.groups(dataset, "test")
    folder = truth.layout.predictions(run)
    if test.labels is None:
        raise DataError(f"{truth.layout.groups(dataset.groups_id) / 'test.csv'}: has no column 'label'")
    val = read_predictions(folder / "val.npz", n_examples=len(labels))
    tested = read_predictions(folder / "test.npz", n_examples=len(test.labels))
    by_class = class_accuracies(val.classes, labels, truth.n_classes(dataset))
    return pd.DataFrame(
        {
            "epoch": val.epochs.astype(int),
            "train_loss": val.train_loss,
            "val_class_difference": class_difference(by_class),
            "val_worst_class": by_class.min(axis=-1),
            "val_accuracy": accuracy(val.classes, labels),
            "val_worst_group_accuracy": _val_worst_group(val, labels, dataset, truth),
            "test_worst_group_accuracy": _worst_group(tested, test.labels, dataset, truth, "test"),
            "test_accuracy": accuracy(tested.classes, test.labels),
        }
    )


def _worst_group(found: Predictions, labels: np.ndarray, dataset: DataSet, truth: Truth, split: str) -> np.ndarray:
    scheme, membership = truth.scheme(dataset), truth.groups(dataset, split).membership
    if not scheme.names:
        return np.full(len(found.epochs), np.nan)
    accuracies = group_accuracies(found.classes, labels, membership)
    return worst_group_accuracy(accuracies, scheme.names, scheme.declared_empty)


def _val_worst_group(found: Predictions, labels: np.ndarray, dataset: DataSet, truth: Truth) -> np.ndarray:
    """Return NaN where validation lacks a group: it stops oracle rules, but not this table."""
    scheme, counts = truth.scheme(dataset), truth.groups(dataset, "val").membership.sum(axis=0)
    if any(n == 0 and name not in scheme.declared_empty for n, name in zip(counts, scheme.names, strict=True)):
        return np.full(len(found.epochs), np.nan)
    return _worst_group(found, labels, dataset, truth, "val")


def _shown(frame: pd.DataFrame, seeds: list[int]) -> tuple[pd.DataFrame, list[str]]:
    headers = ["Data set", "Method", "Setting chosen by", "Epoch", *SERIES.values(), "Seeds"]
    rows, notes = [], []
    for key, part in frame.groupby(["dataset", "method", "selection"], sort=False):
        dataset, method, rule = map(str, key)
        final = part[part["epoch"] == part["epoch"].max()]
        missing = [str(seed) for seed in seeds if seed not in set(final["seed"])]
        words = [dataset, method_words(method), rule_words(rule), str(part["epoch"].max())]
        cells = [_mean(final[name], digits=3 if name == "train_loss" else 1) for name in SERIES]
        rows.append(dict(zip(headers, [*words, *cells, f"{len(final)}" + f" {MARK}" * bool(missing)], strict=True)))
        if missing:
            notes.append(f"{MARK} {dataset}, {words[1]}: no seed {', '.join(missing)}.")
    return without_single_dataset(pd.DataFrame(rows, columns=headers, dtype=object)), notes


def _mean(values: "pd.Series[float]", digits: int) -> str:
    mean, std = float(values.mean()), float(values.std(ddof=1))
    say = percent if digits == 1 else (lambda value: number(value, digits))
    return say(mean) + (f" ± {say(std)}" if len(values) > 1 and not np.isnan(std) else "")
