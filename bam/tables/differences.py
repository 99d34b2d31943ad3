"""Paired differences over seeds: BAM against every other method, and the regret of each rule."""

from collections.abc import Collection, Iterable, Mapping, Sequence

import pandas as pd

from bam.layout import Layout
from bam.plan import Plan
from bam.statistics import Summary, of_differences, paired
from bam.tables.accuracies import widened, worded
from bam.tables.captions import MARK, failed_notes, intervals, missing_notes, protocol, seeds_cell
from bam.tables.content import Table
from bam.tables.evaluations import CHOICE, STATISTICS, by_seed, read_evaluations
from bam.tables.inputs import ORACLE, OURS, label_only
from bam.tables.words import EMPTY, METRICS, method_words, point_digits, rule_words, spread

Choice = tuple[str, str, str]
Values = Mapping[tuple[Choice, str], Mapping[int, float]]
OTHER = ["other_method", "other_selection"]
COMPARISON = [*CHOICE, *OTHER, "metric", "difference", "std", "ci95_low", "ci95_high", "n_seeds", "verdict"]
REGRET = [*CHOICE, "needs_groups", *STATISTICS]
WORST_GROUP = "worst_group_accuracy"
NO_WIDTH = " Where the difference is the same for all seeds, its interval has no width."


def comparisons_table(plan: Plan, layout: Layout) -> Table:
    """Return BAM minus every other method on test, seed by seed, for label-only rules of both."""
    arm = plan.arms[0]
    there = [choice for choice in arm.choices() if label_only(choice[2])] if OURS in plan.study.settings else []
    rules = sorted({rule for _, _, rule in there})
    rows = read_evaluations(plan, layout, plan.arms[: bool(there)], label_only=rules)
    values = by_seed(rows)
    found = [
        _compared(first, second, metric, _paired(mine, others, plan.study.file.seeds))
        for first in there
        for second in there
        if first[1] == OURS and second[1] != OURS and first[0] == second[0]
        for metric in METRICS
        for mine, others in [(values.get((first, metric), {}), values.get((second, metric), {}))]
        if set(mine) & set(others)
    ]
    frame = pd.DataFrame(found, columns=[*COMPARISON, "missing"], dtype=object)
    ours = [rule for _, method, rule in there if method == OURS]
    rule = "class_difference" if "class_difference" in ours else next(iter(ours), "")
    short = frame[frame["selection"] == rule]
    return Table(
        frame=frame[COMPARISON],
        shown=_comparisons_shown(short, plan),
        caption=f"BAM under {rule_words(rule)} minus each other method, each under every selection rule that sees no "
        f"group labels, test accuracy in points, paired over seeds, study {plan.study.name}. "
        f"{intervals(plan, differences=True)} {protocol(plan)}",
        notes=(
            *missing_notes(_named(short, plan), ["dataset", *OTHER, "metric"]),
            *_left_out(there, values),
            *(f"{method_words(method)}: its training sees group labels." for method in _trained_on_groups(plan)),
            f"All rules of BAM stand in the CSV.{_no_width(plan)} No correction for the number of comparisons.",
        ),
    )


def _trained_on_groups(plan: Plan) -> list[str]:
    return [name for name, settings in plan.study.settings.items() if settings[0].recipe.needs_train_groups]


def _name(method: str, plan: Plan) -> str:
    """Return a method's name, saying so if its training sees group labels."""
    return method_words(method) + (" (trains on groups)" if method in _trained_on_groups(plan) else "")


def _named(found: pd.DataFrame, plan: Plan) -> pd.DataFrame:
    others = found["other_method"].map(lambda name: _name(name, plan))
    return worded(found).assign(other_method=others, other_selection=found["other_selection"].map(rule_words))


def _left_out(there: Iterable[Choice], values: Values) -> tuple[str, ...]:
    """Return a note for each method and data set that lacks test accuracies because every setting failed."""
    measured = {choice for choice, _ in values}
    rows = [dict(zip(CHOICE, choice, strict=True)) for choice in there if choice not in measured]
    frame = pd.DataFrame(rows, columns=CHOICE, dtype=object).assign(n_seeds=0)
    return tuple(
        f"{note.removeprefix(MARK).strip()} Left out." for note in failed_notes(worded(frame), ["dataset", "method"])
    )


def _no_width(plan: Plan) -> str:
    return NO_WIDTH if len(plan.study.file.seeds) > 1 else ""


def _digits(found: pd.DataFrame) -> int:
    return point_digits(zip(found["ci95_low"].tolist(), found["ci95_high"].tolist(), strict=True))


def _paired(first: Mapping[int, float], second: Mapping[int, float], seeds: Sequence[int]) -> tuple[Summary, str]:
    """Return the summary over the seeds that both have, and the others as text."""
    common = [seed for seed in seeds if seed in first and seed in second]
    return paired([first[seed] for seed in common], [second[seed] for seed in common]), _absent(common, seeds)


def _absent(there: Collection[int], seeds: Sequence[int]) -> str:
    return ", ".join(str(seed) for seed in seeds if seed not in there)


def _compared(first: Choice, second: Choice, metric: str, found: tuple[Summary, str]) -> dict[str, object]:
    summary, missing = found
    return {
        **dict(zip(CHOICE, first, strict=True)),
        **dict(zip(OTHER, second[1:], strict=True)),
        "metric": metric,
        "difference": summary.mean,
        "std": summary.std,
        "ci95_low": summary.low,
        "ci95_high": summary.high,
        "n_seeds": summary.n_seeds,
        "verdict": verdict(summary),
        "missing": missing,
    }


def verdict(summary: Summary) -> str:
    """Return whether a difference is ``higher``, ``lower`` or ``not clear of 0`` by its interval."""
    if summary.low is not None and summary.low > 0:
        return "higher"
    if summary.high is not None and summary.high < 0:
        return "lower"
    return "not clear of 0"


def _comparisons_shown(found: pd.DataFrame, plan: Plan) -> pd.DataFrame:
    digits = _digits(found)
    verdicts = {f"{name}: BAM is": EMPTY for name in METRICS.values()}
    shown: dict[tuple[str, ...], dict[str, str]] = {}
    for row in found.to_dict("records"):
        key = (str(row["dataset"]), _name(row["other_method"], plan), rule_words(row["other_selection"]))
        cells = shown.setdefault(key, dict.fromkeys(METRICS.values(), EMPTY) | verdicts | {"Seeds": ""})
        name = METRICS[str(row["metric"])]
        cells[name] = spread(row["difference"], row["std"], row["ci95_low"], row["ci95_high"], digits)
        cells[f"{name}: BAM is"] = str(row["verdict"])
        cells["Seeds"] = max(cells["Seeds"], seeds_cell(row["n_seeds"], row["missing"]), key=len)
    pairs = [header for name in METRICS.values() for header in (name, f"{name}: BAM is")]
    headers = ["Data set", "Other method", "Its rule"]
    rows = [dict(zip(headers, key, strict=True)) | cells for key, cells in shown.items()]
    frame = pd.DataFrame(rows, columns=[*headers, *pairs, "Seeds"], dtype=object)
    return frame.drop(columns="Data set") if frame["Data set"].nunique() <= 1 else frame


def regrets(values: Values, choices: Iterable[Choice], seeds: Sequence[int]) -> dict[Choice, dict[int, float]]:
    """Return (data set, method, rule) -> seed -> regret, over the seeds that rule and oracle both have.

    Parameters
    ----------
    values
        What `by_seed` returns for the choices' evaluations, the oracle's among them.
    """
    found: dict[Choice, dict[int, float]] = {}
    for choice in choices:
        own = values.get((choice, WORST_GROUP), {})
        oracle = values.get(((choice[0], choice[1], ORACLE), WORST_GROUP), {})
        common = [seed for seed in seeds if seed in own and seed in oracle]
        if choice[2] != ORACLE and common:
            found[choice] = {seed: oracle[seed] - own[seed] for seed in common}
    return found


def regret_table(plan: Plan, layout: Layout) -> Table:
    """Return how much test worst-group accuracy each rule loses against the oracle's choice."""
    arms = plan.arms[:1] if ORACLE in plan.study.file.selection else ()
    rows = read_evaluations(plan, layout, arms)
    values, seeds = by_seed(rows), plan.study.file.seeds
    needs = {tuple(row[name] for name in CHOICE): str(row["needs_groups"]) for row in rows.to_dict("records")}
    choices = [choice for arm in arms for choice in arm.choices()]
    found = [
        _regretted(choice, needs[choice], of_differences(list(each.values())), _absent(each, seeds))
        for choice, each in regrets(values, choices, seeds).items()
    ]
    frame = pd.DataFrame(found, columns=[*REGRET, "metric", "missing"], dtype=object)
    return Table(
        frame=frame[REGRET],
        shown=widened(frame, [*CHOICE, "needs_groups"], "metric", {"regret": "Regret"}, _digits(frame)),
        caption="Regret in points: test worst-group accuracy of the choice by worst-group validation accuracy (oracle) "
        f"minus that of the rule's choice, paired over seeds, study {plan.study.name}. "
        f"{intervals(plan, differences=True)} {protocol(plan)}",
        notes=(
            *missing_notes(worded(frame, keep="metric"), CHOICE),
            *_left_out(choices, values),
            f"It can be negative: the oracle looks at validation, not at test.{_no_width(plan)}",
        ),
    )


def _regretted(choice: Choice, needs_groups: str, summary: Summary, missing: str) -> dict[str, object]:
    values = (summary.mean, summary.std, summary.low, summary.high, summary.n_seeds)
    head = {**dict(zip(CHOICE, choice, strict=True)), "needs_groups": needs_groups}
    return {**head, **dict(zip(STATISTICS, values, strict=True)), "metric": "regret", "missing": missing}
