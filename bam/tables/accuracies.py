"""Test accuracy of every method under every rule: the main table, by group, and along sweeps."""

from collections.abc import Sequence

import pandas as pd

from bam.layout import Layout
from bam.plan import Plan
from bam.statistics import wilson_interval
from bam.tables.captions import (
    budget,
    failed_notes,
    intervals,
    missing_notes,
    no_groups,
    protocol,
    seeds_cell,
    validation,
)
from bam.tables.content import Table
from bam.tables.evaluations import CHOICE, STATISTICS, completed, read_evaluations, summarise
from bam.tables.inputs import grouped, sweep_arms
from bam.tables.words import EMPTY, METRICS, method_words, rule_words, spread

KEYS = [*CHOICE, "needs_groups"]
POINT = ["analysis", "value", "second_value"]
ADJUSTED = "adjusted_accuracy"
HEADERS = {
    "analysis": "Analysis",
    "axis": "Axis",
    "value": "Value",
    "second_axis": "Second axis",
    "second_value": "Second value",
    "dataset": "Data set",
    "method": "Method",
    "selection": "Selection rule",
    "needs_groups": "Needs groups",
}


def main_table(plan: Plan, layout: Layout) -> Table:
    """Return worst-group, average and adjusted test accuracy of each method and rule."""
    arms = plan.arms[:1]
    rows = read_evaluations(plan, layout, arms)
    rows = rows[rows["metric"].isin(list(METRICS))]
    found = summarise(in_metric_order(rows), ["arm", *KEYS, "metric"], plan.study.file.seeds)
    found = completed(found, arms, "metric", list(METRICS))
    return Table(
        frame=found[[*KEYS, "metric", *STATISTICS]],
        shown=widened(found, KEYS, "metric", _shown_metrics(found)),
        caption=f"Test accuracy in percent, study {plan.study.name}. {intervals(plan)} {protocol(plan)}",
        notes=(
            *missing_notes(worded(found), ["dataset", "method", "selection", "metric"]),
            *failed_notes(worded(found), ["dataset", "method"]),
            *no_groups(plan),
            f"Validation: {validation(plan)}",
            f"Needs groups: the splits whose group labels the method's training or the rule sees. {_averages(found)}",
        ),
    )


def groups_table(plan: Plan, layout: Layout) -> Table:
    """Return the test accuracy of each group, with Wilson's interval of the count pooled over seeds."""
    arms = plan.arms[:1]
    rows = read_evaluations(plan, layout, arms)
    rows = rows[rows["metric"] == "group_accuracy"]
    found = completed(summarise(rows, ["arm", *KEYS, "group"], plan.study.file.seeds), arms, "group", [""])
    found = found[found["dataset"].isin(grouped(plan))].reset_index(drop=True)
    bounds = [
        wilson_interval(k, n) if n else (None, None)
        for k, n in zip(found["n_correct"], found["n_examples"], strict=True)
    ]
    found["wilson_low"] = pd.Series([low for low, _ in bounds], dtype=object)
    found["wilson_high"] = pd.Series([high for _, high in bounds], dtype=object)
    names = {str(name): str(name) for name in found["group"].unique() if name}
    return Table(
        frame=found[[*KEYS, "group", *STATISTICS, "n_examples", "wilson_low", "wilson_high"]],
        shown=widened(found, KEYS, "group", names),
        caption=f"Test accuracy of each group in percent, study {plan.study.name}. {intervals(plan)} {protocol(plan)}",
        notes=(
            *missing_notes(worded(found), ["dataset", "method", "selection", "group"]),
            *failed_notes(worded(found), ["dataset", "method"]),
            "The CSV also has Wilson's 95 % interval of each group's count, pooled over seeds.",
        ),
    )


def sweeps_table(plan: Plan, layout: Layout) -> Table:
    """Return the main table's accuracies at each value of each analysis, selection within the value."""
    swept = sweep_arms(plan)
    rows = read_evaluations(plan, layout, swept)
    rows = in_metric_order(rows[rows["metric"].isin(list(METRICS))])
    found = summarise(rows, ["arm", *KEYS, "metric"], plan.study.file.seeds)
    found = completed(found, swept, "metric", list(METRICS))
    by_name = {arm.name: arm for arm in plan.arms}
    arms = [by_name[name] for name in found["arm"]]
    analyses = [plan.study.file.analyses[arm.analysis] for arm in arms]
    columns = {
        "analysis": [arm.analysis for arm in arms],
        "axis": [analysis.axis for analysis in analyses],
        "value": [str(arm.value) for arm in arms],
        "second_axis": [analysis.across.axis if analysis.across else "" for analysis in analyses],
        "second_value": [str(arm.second_value) for arm in arms],
    }
    found = found.assign(**{name: pd.Series(values, dtype=object) for name, values in columns.items()})
    keys = [*columns, *KEYS]
    budgets = list(dict.fromkeys(budget(arm) for arm in swept))
    return Table(
        frame=found[[*keys, "metric", *STATISTICS]],
        shown=without_empty(widened(found, keys, "metric", _shown_metrics(found))),
        caption=f"Test accuracy in percent along the axes of each analysis, study {plan.study.name}; selection within "
        f"each value. {intervals(plan)} {protocol(plan, with_budget=False)}",
        notes=(
            *missing_notes(worded(found), [*POINT, "dataset", "method", "selection", "metric"]),
            *failed_notes(worded(found), [*POINT, "dataset", "method"]),
            *no_groups(plan),
            "Settings to choose among at one value: " + " / ".join(budgets or ["none."]),
            _averages(found),
        ),
    )


def _shown_metrics(found: pd.DataFrame) -> dict[str, str]:
    """Return the metrics in words, without the adjusted average where no data set has one, because groups overlap."""
    there = set(found.loc[found["n_seeds"] > 0, "metric"])
    return {metric: name for metric, name in METRICS.items() if metric in there or metric != ADJUSTED or not there}


def _averages(found: pd.DataFrame) -> str:
    """Say what the averages are, and that overlapping groups have none that is adjusted."""
    there = found[found["n_seeds"] > 0]
    adjusted = set(there.loc[there["metric"] == ADJUSTED, "dataset"])
    lacking = [name for name in there["dataset"].unique() if name not in adjusted]
    if len(there) and not adjusted:
        return "Average: plain over test; the groups overlap, so none is adjusted by their shares."
    text = "Average: plain over test; adjusted: group accuracies weighted by training group shares."
    return text + (f" {' and '.join(lacking)}: groups overlap, so there is none." if lacking else "")


def in_metric_order(rows: pd.DataFrame) -> pd.DataFrame:
    """Sort the rows of each evaluation by metric, in the order of `METRICS`."""
    if rows.empty:
        return rows
    block = rows.groupby(["arm", *CHOICE], sort=False).ngroup()
    rank = rows["metric"].map({metric: k for k, metric in enumerate(METRICS)})
    order = pd.DataFrame({"block": block, "rank": rank}).sort_values(["block", "rank"], kind="stable").index
    return rows.loc[order]


def widened(
    found: pd.DataFrame, keys: Sequence[str], across: str, columns: dict[str, str], digits: int = 1
) -> pd.DataFrame:
    """Return one row for each combination of keys, with a column of text for each entry of `across`."""
    shown: dict[tuple[str, ...], dict[str, str]] = {}
    for row in worded(found, keep=across).to_dict("records"):
        key = tuple(str(row[name]) for name in keys)
        cells = shown.setdefault(key, dict.fromkeys(columns.values(), EMPTY))
        if row["n_seeds"]:
            text = spread(row["mean"], row["std"], row["ci95_low"], row["ci95_high"], digits)
            cells[columns[str(row[across])]] = text
        marked = seeds_cell(row["n_seeds"], row["missing"])
        cells["Seeds"] = max(cells.get("Seeds", ""), marked, key=len)
    headers = [HEADERS[name] for name in keys]
    rows = [dict(zip(headers, key, strict=True)) | cells for key, cells in shown.items()]
    frame = pd.DataFrame(rows, columns=[*headers, *columns.values(), "Seeds"], dtype=object)
    return without_single_dataset(frame)


def without_empty(shown: pd.DataFrame) -> pd.DataFrame:
    """Leave out the second axis where no analysis has one."""
    empty = [name for name in ("Second axis", "Second value") if name in shown and not (shown[name] != "").any()]
    return shown.drop(columns=empty)


def without_single_dataset(shown: pd.DataFrame) -> pd.DataFrame:
    """Leave out the data set's column where it says the same in every row."""
    return shown.drop(columns="Data set") if shown["Data set"].nunique() <= 1 else shown


def worded(found: pd.DataFrame, keep: str = "") -> pd.DataFrame:
    """Return the frame with methods, rules and metrics in words, except the column `keep`."""
    words = {"method": method_words, "selection": rule_words, "metric": METRICS.__getitem__}
    used = {name: say for name, say in words.items() if name in found and name != keep}
    return found.assign(**{name: found[name].map(say) for name, say in used.items()})
