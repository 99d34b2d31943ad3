"""How well each label-only criterion follows worst-group accuracy over the epochs of a training."""

import itertools
from collections.abc import Collection, Mapping
from typing import Any

import numpy as np
import pandas as pd

from bam.layout import Layout
from bam.plan import Plan
from bam.statistics import of_differences
from bam.tables.accuracies import without_single_dataset
from bam.tables.captions import MARK, protocol, seeds_cell
from bam.tables.content import Table
from bam.tables.epochs import epoch_rows
from bam.tables.evaluations import STATISTICS
from bam.tables.inputs import epochs_rule
from bam.tables.words import EMPTY, method_words, number, rule_words

# Criterion -> its column in the epochs table, and the sign that makes larger better.
CRITERIA = {
    "class_difference": ("val_class_difference", -1),
    "worst_class": ("val_worst_class", 1),
    "average": ("val_accuracy", 1),
}
AGAINST = {"val_worst_group_accuracy": "Validation worst group", "test_worst_group_accuracy": "Test worst group"}
COLUMNS = ["dataset", "method", "criterion", "against", *STATISTICS]


def correlations_table(plan: Plan, layout: Layout) -> Table:
    """Return Spearman's correlation over epochs of criteria on validation with worst-group accuracy."""
    epochs, notes = epoch_rows(plan, layout)
    frame = summarised(epochs, plan.study.file.seeds)
    several = len(plan.study.file.seeds) > 1
    spread = "Mean ± sample standard deviation over seeds [95 % t interval, clipped to [−1, 1]]. " if several else ""
    rules = " or ".join(dict.fromkeys(rule_words(epochs_rule(plan, method)) for method in plan.study.settings))
    return Table(
        frame=frame[COLUMNS],
        shown=_shown(frame),
        caption="Spearman rank correlation over the epochs of the final training between each label-only criterion on "
        f"validation and worst-group accuracy, study {plan.study.name}; of the settings that {rules} chose. ClassDiff "
        f"is negated, so that larger is better for every criterion: 1 is a perfect guide, 0 none. {spread}"
        f"{protocol(plan)}",
        notes=(*notes, *_missing_notes(frame)),
    )


def summarised(epochs: pd.DataFrame, seeds: list[int]) -> pd.DataFrame:
    """Return the table's rows: correlations of each run, summarised over seeds.

    Parameters
    ----------
    epochs
        Rows of the epochs table.

    Returns
    -------
    `COLUMNS` and `missing`, the seeds without a correlation as text
    """
    rows: list[dict[str, object]] = []
    for (dataset, method), part in epochs.groupby(["dataset", "method"], sort=False):
        runs = {int(str(seed)): run for seed, run in part.groupby("seed", sort=False)}
        for (criterion, (column, sign)), against in itertools.product(CRITERIA.items(), AGAINST):
            each = {seed: rank_correlation(sign * run[column], run[against]) for seed, run in runs.items()}
            found = {seed: value for seed, value in each.items() if value is not None}
            head = {"dataset": dataset, "method": method, "criterion": criterion, "against": against}
            rows.append({**head, **_statistics(found), "missing": ", ".join(str(s) for s in seeds if s not in found)})
    return pd.DataFrame(rows, columns=[*COLUMNS, "missing"], dtype=object)


def rank_correlation(first: "pd.Series[float]", second: "pd.Series[float]") -> float | None:
    """Return Spearman's correlation, ties at their mean rank; None if either is constant or has gaps.

    >>> rank_correlation(pd.Series([0.1, 0.2, 0.9]), pd.Series([0.5, 0.6, 0.7]))
    1.0
    """
    if first.isna().any() or second.isna().any() or first.nunique() < 2 or second.nunique() < 2:
        return None
    return float(np.clip(first.rank().corr(second.rank()), -1, 1))


def _statistics(found: Mapping[int, float]) -> dict[str, object]:
    if not found:
        return {**dict.fromkeys(STATISTICS), "n_seeds": 0}
    summary = of_differences(list(found.values()))
    values = (summary.mean, summary.std, summary.low, summary.high, summary.n_seeds)
    return dict(zip(STATISTICS, values, strict=True))


def _shown(frame: pd.DataFrame) -> pd.DataFrame:
    headers = ["Data set", "Method", "Criterion"]
    shown: dict[tuple[str, str, str], dict[str, str]] = {}
    for row in frame.to_dict("records"):
        key = (str(row["dataset"]), method_words(str(row["method"])), rule_words(str(row["criterion"])))
        cells = shown.setdefault(key, dict.fromkeys(AGAINST.values(), EMPTY) | {"Seeds": ""})
        cells[AGAINST[str(row["against"])]] = _cell(row) + f" {MARK}" * bool(row["missing"])
        cells["Seeds"] = max(cells["Seeds"], seeds_cell(row["n_seeds"], row["missing"]), key=len)
    rows = [dict(zip(headers, key, strict=True)) | cells for key, cells in shown.items()]
    return without_single_dataset(pd.DataFrame(rows, columns=[*headers, *AGAINST.values(), "Seeds"], dtype=object))


def _cell(row: Mapping[Any, Any]) -> str:
    mean, std, low, high = (row[name] for name in STATISTICS[:4])
    text = number(mean, 2) + (f" ± {number(std, 2)}" if std is not None else "")
    return text + (f" [{number(low, 2)}, {number(high, 2)}]" if low is not None else "")


def _missing_notes(frame: pd.DataFrame) -> list[str]:
    """Return one note for each data set, method and seeds that have no correlation."""
    which: dict[tuple[str, str, str], dict[str, None]] = {}
    for row in frame[frame["missing"] != ""].to_dict("records"):
        key = (str(row["dataset"]), method_words(str(row["method"])), str(row["missing"]))
        pair = f"{rule_words(str(row['criterion']))} with {AGAINST[str(row['against'])].lower()}"
        which.setdefault(key, {})[pair] = None
    return [
        f"{MARK} {dataset}, {method}: no correlation for seed {seeds} ({_listed(pairs)}), where a quantity is the "
        "same at all epochs, is undefined, or has no run."
        for (dataset, method, seeds), pairs in which.items()
    ]


def _listed(pairs: Collection[str]) -> str:
    return "all of them" if len(pairs) == len(CRITERIA) * len(AGAINST) else "; ".join(pairs)
