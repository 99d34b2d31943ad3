"""What each rule loses against the oracle at each value of each analysis."""

from collections.abc import Mapping

import pandas as pd

from bam.error_cells import SMALLEST_CELL
from bam.layout import Layout
from bam.plan import Plan
from bam.selection import RULES
from bam.statistics import of_differences
from bam.study import Arm
from bam.tables.accuracies import HEADERS, POINT, without_empty, without_single_dataset
from bam.tables.captions import intervals, protocol
from bam.tables.content import Table
from bam.tables.differences import regrets
from bam.tables.evaluations import STATISTICS, by_seed, read_evaluations
from bam.tables.inputs import ORACLE, sweep_arms
from bam.tables.words import EMPTY, method_words, percent, rule_words

COLUMNS = [*POINT, "dataset", "method", "selection", "needs_groups", *STATISTICS]


def sweep_regret_table(plan: Plan, layout: Layout) -> Table:
    """Return the regret of each rule within each value (or pair of values) of each analysis, for each method."""
    arms = sweep_arms(plan) if ORACLE in plan.study.file.selection else ()
    rows = [row for arm in arms for row in _rows(plan, layout, arm)]
    frame = pd.DataFrame(rows, columns=COLUMNS, dtype=object)
    return Table(
        frame=frame,
        shown=_shown(frame),
        caption="Regret in points at each value of each analysis: test worst-group accuracy of the choice by "
        "worst-group validation accuracy (oracle) minus that of the rule's choice, paired over seeds, study "
        f"{plan.study.name}; both choose within the value. Mean over seeds; spread, interval and number of seeds stand "
        "in the CSV. "
        f"{intervals(plan, pooled=False)} {protocol(plan, with_budget=False)}",
        notes=("It can be negative: the oracle looks at validation, not at test.", *_part_notes(plan)),
    )


def _part_notes(plan: Plan) -> tuple[str, ...]:
    """Return what a part of validation does to rules that look at its groups or cells."""
    if not any(
        "validation_size" in (a.axis, a.across.axis if a.across else "") for a in plan.study.file.analyses.values()
    ):
        return ()
    return (
        "validation_size: with few validation examples the oracle leaves out groups of which it sees none, and the "
        f"error-cell rules leave out cells of fewer than {SMALLEST_CELL}, so that they come nearer to the worst class.",
    )


def _rows(plan: Plan, layout: Layout, arm: Arm) -> list[dict[str, object]]:
    values = by_seed(read_evaluations(plan, layout, [arm]))
    found = regrets(values, arm.choices(), plan.study.file.seeds)
    point = {"analysis": arm.analysis, "value": str(arm.value), "second_value": str(arm.second_value)}
    return [{**point, **_row(choice, each)} for choice, each in found.items()]


def _row(choice: tuple[str, str, str], each: Mapping[int, float]) -> dict[str, object]:
    summary = of_differences(list(each.values()))
    dataset, method, rule = choice
    return {
        "dataset": dataset,
        "method": method,
        "selection": rule,
        "needs_groups": RULES[rule].needs_groups,
        **{"mean": summary.mean, "std": summary.std, "n_seeds": summary.n_seeds},
        **{"ci95_low": summary.low, "ci95_high": summary.high},
    }


def _shown(frame: pd.DataFrame) -> pd.DataFrame:
    """Return a row for each value, data set and method, and a column for each rule."""
    rules = [str(rule) for rule in dict.fromkeys(frame["selection"])]
    heads = [*POINT, "dataset", "method"]
    rows: dict[tuple[str, ...], dict[str, str]] = {}
    for row in frame.to_dict("records"):
        cells = rows.setdefault(tuple(str(row[name]) for name in heads), dict.fromkeys(map(rule_words, rules), EMPTY))
        cells[rule_words(str(row["selection"]))] = percent(row["mean"])
    headers = [HEADERS[name] for name in heads]
    found = [dict(zip(headers, (*key[:-1], method_words(key[-1])), strict=True)) | cells for key, cells in rows.items()]
    shown = pd.DataFrame(found, columns=[*headers, *map(rule_words, rules)], dtype=object)
    return without_single_dataset(without_empty(shown))
