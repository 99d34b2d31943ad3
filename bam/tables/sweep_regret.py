"""What each rule loses against the oracle at each value of each analysis."""

from collections.abc import Mapping, Sequence

import pandas as pd

from bam.error_cells import SMALLEST_CELL
from bam.layout import Layout
from bam.plan import Plan
from bam.selection import RULES
from bam.statistics import of_differences
from bam.study import Arm
from bam.tables.accuracies import HEADERS, POINT, without_empty, without_single_dataset, worded
from bam.tables.captions import MARK, failed_notes, intervals, missing_notes, protocol
from bam.tables.content import Table
from bam.tables.differences import regrets
from bam.tables.evaluations import CHOICE, STATISTICS, by_seed, read_evaluations
from bam.tables.inputs import ORACLE, sweep_arms
from bam.tables.words import EMPTY, method_words, percent, rule_words

COLUMNS = [*POINT, "dataset", "method", "selection", "needs_groups", *STATISTICS]


def sweep_regret_table(plan: Plan, layout: Layout) -> Table:
    """Return the regret of each rule within each value (or pair of values) of each analysis, for each method."""
    arms = sweep_arms(plan) if ORACLE in plan.study.file.selection else ()
    rows = [row for arm in arms for row in _rows(plan, layout, arm)]
    every = pd.DataFrame(rows, columns=[*COLUMNS, "missing"], dtype=object)
    frame = every[every["n_seeds"] > 0]
    return Table(
        frame=frame[COLUMNS],
        shown=_shown(frame),
        caption="Regret in points at each value of each analysis: test worst-group accuracy of the choice by "
        "worst-group validation accuracy (oracle) minus that of the rule's choice, paired over seeds, study "
        f"{plan.study.name}; both choose within the value. Mean over seeds; spread, interval and number of seeds stand "
        "in the CSV. "
        f"{intervals(plan, differences=True)} {protocol(plan, with_budget=False)}",
        notes=(
            *missing_notes(worded(frame), [*POINT, *CHOICE]),
            *failed_notes(worded(every), [*POINT, "dataset", "method"]),
            "It can be negative: the oracle looks at validation, not at test.",
            *_part_notes(plan),
        ),
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
    """Return a row for each choice but the oracle's; without numbers where it or the oracle chose nothing."""
    values, seeds = by_seed(read_evaluations(plan, layout, [arm])), plan.study.file.seeds
    found = regrets(values, arm.choices(), seeds)
    point = {"analysis": arm.analysis, "value": str(arm.value), "second_value": str(arm.second_value)}
    choices = [choice for choice in arm.choices() if choice[2] != ORACLE]
    return [{**point, **_row(choice, found.get(choice, {}), seeds)} for choice in choices]


def _row(choice: tuple[str, str, str], each: Mapping[int, float], seeds: Sequence[int]) -> dict[str, object]:
    head = {**dict(zip(CHOICE, choice, strict=True)), "needs_groups": RULES[choice[2]].needs_groups}
    missing = ", ".join(str(seed) for seed in seeds if seed not in each)
    if not each:
        return {**head, "n_seeds": 0, "missing": missing}
    summary = of_differences(list(each.values()))
    statistics = (summary.mean, summary.std, summary.low, summary.high, summary.n_seeds)
    return {**head, **dict(zip(STATISTICS, statistics, strict=True)), "missing": missing}


def _shown(frame: pd.DataFrame) -> pd.DataFrame:
    """Return a row for each value, data set and method, and a column for each rule."""
    rules = [str(rule) for rule in dict.fromkeys(frame["selection"])]
    heads = [*POINT, "dataset", "method"]
    rows: dict[tuple[str, ...], dict[str, str]] = {}
    for row in frame.to_dict("records"):
        cells = rows.setdefault(tuple(str(row[name]) for name in heads), dict.fromkeys(map(rule_words, rules), EMPTY))
        cells[rule_words(str(row["selection"]))] = percent(row["mean"]) + f" {MARK}" * bool(row["missing"])
    headers = [HEADERS[name] for name in heads]
    found = [dict(zip(headers, (*key[:-1], method_words(key[-1])), strict=True)) | cells for key, cells in rows.items()]
    shown = pd.DataFrame(found, columns=[*headers, *map(rule_words, rules)], dtype=object)
    return without_single_dataset(without_empty(shown))
