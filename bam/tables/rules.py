"""How much each selection rule loses against the oracle over a whole study: all data sets and methods together."""

from collections.abc import Collection, Mapping, Sequence

import pandas as pd

from bam.layout import Layout
from bam.plan import Plan
from bam.selection import RULES
from bam.statistics import ROUNDING, of_differences
from bam.tables.accuracies import HEADERS
from bam.tables.captions import MARK, draw, protocol
from bam.tables.content import Table
from bam.tables.differences import regrets
from bam.tables.evaluations import by_seed, read_evaluations
from bam.tables.inputs import ORACLE
from bam.tables.words import method_words, percent, point_digits, rule_words, spread

Pair = tuple[str, str]
COLUMNS = [
    *("selection", "needs_groups", "mean_regret", "ci95_low", "ci95_high", "worst_regret", "worst_dataset"),
    *("worst_method", "share_within_1_point", "n_pairs", "n_choices"),
]
POINT = 0.01


def rules_table(plan: Plan, layout: Layout) -> Table:
    """Return each rule's regret over all data sets and methods of the main arm."""
    arms = plan.arms[:1] if ORACLE in plan.study.file.selection else ()
    values = by_seed(read_evaluations(plan, layout, arms))
    by_rule: dict[str, dict[Pair, dict[int, float]]] = {}
    for (dataset, method, rule), each in regrets(values, plan.arms[0].choices(), plan.study.file.seeds).items():
        by_rule.setdefault(rule, {})[dataset, method] = each
    rows = [_pooled(rule, by_rule[rule]) for rule in plan.study.file.selection if rule in by_rule]
    frame = pd.DataFrame(rows, columns=COLUMNS, dtype=object)
    lacking = _lacking(by_rule, plan)
    several = len(plan.study.file.seeds) > 1
    interval = (
        "[95 % t interval over seeds, cut at ±100, of each seed's mean over the pairs: pairs of one seed share "
        f"data and runs, so they are not independent, and the pairs are this study's, not a sample]. {draw(plan)} "
        if several
        else ""
    )
    return Table(
        frame=frame,
        shown=_shown(frame, lacking),
        caption="Regret of each selection rule in points, pooled over all pairs of data set and method, study "
        f"{plan.study.name}: test worst-group accuracy of the choice by worst-group validation accuracy (oracle) minus "
        f"that of the rule's choice. Mean {interval}Worst: the pair with the largest mean over seeds. Within 1 point: "
        f"share of choices, one a pair and seed, whose regret is at most 1 point. {protocol(plan)}",
        notes=(
            *lacking.values(),
            "Regret can be negative: the oracle looks at validation, not at test. One test image of the "
            "rarest group may be more than a point; see the table `groups`.",
        ),
    )


def _pooled(rule: str, pairs: Mapping[Pair, Mapping[int, float]]) -> dict[str, object]:
    seeds = list(dict.fromkeys(seed for values in pairs.values() for seed in values))
    by_seed = [_mean([values[seed] for values in pairs.values() if seed in values]) for seed in seeds]
    summary = of_differences(by_seed)
    means = {pair: _mean(list(values.values())) for pair, values in pairs.items()}
    worst = max(means, key=lambda pair: means[pair])
    each = [value for values in pairs.values() for value in values.values()]
    return {
        "selection": rule,
        "needs_groups": RULES[rule].needs_groups,
        "mean_regret": summary.mean,
        "ci95_low": summary.low,
        "ci95_high": summary.high,
        "worst_regret": means[worst],
        "worst_dataset": worst[0],
        "worst_method": worst[1],
        "share_within_1_point": sum(value <= POINT + ROUNDING for value in each) / len(each),
        "n_pairs": len(pairs),
        "n_choices": len(each),
    }


def _mean(values: Sequence[float]) -> float:
    return sum(values) / len(values)


def _shown(frame: pd.DataFrame, lacking: Collection[str]) -> pd.DataFrame:
    digits = point_digits(zip(frame["ci95_low"].tolist(), frame["ci95_high"].tolist(), strict=True))
    rows = [
        {
            HEADERS["selection"]: rule_words(row["selection"]),
            HEADERS["needs_groups"]: row["needs_groups"],
            "Mean regret": spread(row["mean_regret"], None, row["ci95_low"], row["ci95_high"], digits),
            "Worst": percent(row["worst_regret"], digits),
            "Worst on": f"{row['worst_dataset']}, {method_words(row['worst_method'])}",
            "Within 1 point, %": percent(row["share_within_1_point"]),
            "Pairs": str(row["n_pairs"]) + f" {MARK}" * (row["selection"] in lacking),
            "Choices": str(row["n_choices"]),
        }
        for row in frame.to_dict("records")
    ]
    headers = [HEADERS["selection"], HEADERS["needs_groups"], "Mean regret", "Worst", "Worst on", "Within 1 point, %"]
    return pd.DataFrame(rows, columns=[*headers, "Pairs", "Choices"], dtype=object)


def _lacking(by_rule: Mapping[str, Mapping[Pair, Mapping[int, float]]], plan: Plan) -> dict[str, str]:
    """Return a note for each rule that lacks pairs or seeds, so that its means are over other choices than the rest."""
    every = {(dataset, method) for dataset in plan.study.file.datasets for method in plan.study.settings}
    notes = {}
    for rule, pairs in by_rule.items():
        without = [f"{d}, {method_words(m)}" for d, m in sorted(every - pairs.keys())]
        seeds = plan.study.file.seeds
        part = [
            f"{d}, {method_words(m)}, seed {', '.join(str(seed) for seed in seeds if seed not in values)}"
            for (d, m), values in pairs.items()
            if len(values) < len(seeds)
        ]
        if without or part:
            notes[rule] = f"{MARK} {rule_words(rule)}: no choice for {'; '.join([*without, *part])}."
    return notes
