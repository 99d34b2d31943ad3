"""What every caption must say: rule scope, budget, seeds, and what the intervals are."""

from collections.abc import Mapping
from typing import Any

import pandas as pd

from bam import catalogue
from bam.plan import Plan
from bam.study import Arm
from bam.study_file import PER_SEED
from bam.tables.inputs import epochs_rule, grouped
from bam.tables.words import method_words, rule_words

SCOPES = {
    "across_seeds": "Hyper-parameters are chosen across seeds, the epoch for each seed",
    "per_seed": "Hyper-parameters and epoch are chosen for each seed",
}
FIXED_DRAW = "all seeds share one fixed draw of the data, so intervals over seeds omit sampling error"
MARK = "†"


def protocol(plan: Plan, *, with_budget: bool = True) -> str:
    """Return the sentences on selection scope, budget, epochs to choose among, and seeds.

    Parameters
    ----------
    with_budget
        Whether the main arm's numbers of settings are those of the table.
    """
    scope = plan.study.file.selection_scope
    settings = f" {budget(plan.arms[0])}" if with_budget else ""
    return f"{SCOPES[scope]} (selection_scope {scope}).{settings}{predicted_epochs(plan)} {seeds_sentence(plan)}"


def predicted_epochs(plan: Plan) -> str:
    """Return which epochs rules choose among, if not all of them."""
    every = plan.study.file.predict_every
    if every == 1:
        return ""
    lengths = {setting.recipe.final.epochs for settings in plan.study.settings.values() for setting in settings}
    if every >= max(lengths):
        return " Validation and test are predicted after the last epoch only, so no rule chooses an epoch."
    return f" Validation and test are predicted at each {ordinal(every)} epoch and the last: rules choose among these."


def ordinal(number: int) -> str:
    """Return a number in order.

    >>> ordinal(2), ordinal(11), ordinal(23)
    ('2nd', '11th', '23rd')
    """
    ending = "th" if 10 <= number % 100 <= 20 else {1: "st", 2: "nd", 3: "rd"}.get(number % 10, "th")
    return f"{number}{ending}"


def seeds_sentence(plan: Plan) -> str:
    """Return how many seeds there are, and which."""
    return f"{n_seeds_words(plan)}: {', '.join(map(str, plan.study.file.seeds))}."


def n_seeds_words(plan: Plan) -> str:
    """Return the number of seeds, e.g. ``5 seeds``."""
    n = len(plan.study.file.seeds)
    return f"{n} seed{'s' * (n != 1)}"


def budget(arm: Arm) -> str:
    """Return how many hyper-parameter settings each method may choose among, and whether they differ."""
    sizes = {method: len(settings) for method, settings in arm.study.settings.items()}
    if len(set(sizes.values())) == 1:
        n = next(iter(sizes.values()))
        return f"{n} hyper-parameter setting{'s' * (n != 1)} for {'every' if len(sizes) > 1 else 'the'} method."
    listed = ", ".join(f"{method_words(method)} {n}" for method, n in sizes.items())
    return f"The numbers of hyper-parameter settings DIFFER between methods: {listed}."


def intervals(plan: Plan, *, differences: bool = False) -> str:
    """Return what the intervals are, and whether they include the sampling error of the data.

    Parameters
    ----------
    differences
        Whether they are of differences of accuracies; else a Wilson interval stands in where all seeds agree.
    """
    if len(plan.study.file.seeds) == 1:
        return "One seed, so there is no standard deviation and no interval over seeds."
    ends = (
        "cut at ±100"
        if differences
        else "cut at 0 and 100; where all seeds agree, the Wilson interval of the pooled counts, if there are counts"
    )
    return f"Mean ± sample standard deviation [95 % t interval over seeds, {ends}]. {draw(plan)}"


def spreads(plan: Plan) -> str:
    """Return what the cells are of a table that shows no interval."""
    words = f"mean ± sample standard deviation over {n_seeds_words(plan)}"
    return words if len(plan.study.file.seeds) > 1 else "values of the one seed"


def draw(plan: Plan) -> str:
    """Return whether the data are drawn anew for each seed, for each data set.

    Seeds that draw from the same few images give test sets that overlap, so that an interval over
    seeds is too short (Nadeau & Bengio 2003, Machine Learning 52: 239-281); the kind says so.
    """
    drawn = {name: _drawn(entry) for name, entry in plan.study.file.datasets.items()}
    if len(set(drawn.values())) == 1:
        words = next(iter(drawn.values()))
        return f"{words[0].upper()}{words[1:]}."
    return " ".join(f"Data of {name}: {words}." for name, words in drawn.items())


def _drawn(entry: Mapping[str, Any]) -> str:
    if PER_SEED not in entry.values():
        return FIXED_DRAW
    return str(catalogue.load("kind", entry["kind"], "kind").PER_SEED_DRAW)


def validation(plan: Plan) -> str:
    """Return what validation looks like for each data set: label-only rules are helped where it looks like test."""
    words = {
        "as_train": "validation shares the training split's correlation",
        "as_test": "validation looks like test, which helps label-only rules",
    }
    kinds = {
        name: catalogue.load("kind", entry["kind"], "kind").VALIDATION
        for name, entry in plan.study.file.datasets.items()
    }
    return "; ".join(f"{name}: {words[kind]}" for name, kind in kinds.items()) + "."


def no_groups(plan: Plan) -> tuple[str, ...]:
    """Return a note on the data sets whose groups are not known, so that only averages are."""
    without = [name for name in plan.study.file.datasets if name not in grouped(plan)]
    if not without:
        return ()
    return (
        f"{', '.join(without)}: no attribute is given, so there are no groups: no worst-group and no adjusted "
        "accuracy, and no rule that needs them. A model chosen by labels alone may still fail on a group that nobody "
        "has named.",
    )


def followed(plan: Plan) -> str:
    """Return whose epochs the table of epochs has, e.g. ``the setting that ClassDiff chose``; empty if there is one."""
    if all(len(settings) == 1 for settings in plan.study.settings.values()):
        return ""
    rules = dict.fromkeys(rule_words(epochs_rule(plan, method)) for method in plan.study.settings)
    return f"the setting that {' or '.join(rules)} chose"


def seeds_cell(n_seeds: int, missing: str) -> str:
    """Return the number of seeds, marked if some are missing."""
    return f"{n_seeds} {MARK}" if missing else str(n_seeds)


def missing_notes(rows: pd.DataFrame, labels: list[str]) -> tuple[str, ...]:
    """Return one note for each row whose mean lacks seeds; rows without any seed are `failed_notes`'.

    Parameters
    ----------
    rows
        With columns `missing` and `n_seeds`, and the given labels.
    """
    notes = [
        f"{MARK} {_named(row, labels)}: no value for seed {row['missing']}; the mean is over the other seeds."
        for row in rows.to_dict("records")
        if row["missing"] and row["n_seeds"]
    ]
    return tuple(dict.fromkeys(notes))


def _named(row: Mapping[Any, Any], labels: list[str]) -> str:
    return ", ".join(str(row[label]) for label in labels if row[label] != "")


def failed_notes(rows: pd.DataFrame, labels: list[str]) -> tuple[str, ...]:
    """Return a note for each (label, ...) under some of whose rules nothing could be chosen.

    Parameters
    ----------
    rows
        In words, with columns `n_seeds` and `selection`, and the given labels.
    """
    rules: dict[str, dict[str, None]] = {}
    for row in rows[rows["n_seeds"] == 0].to_dict("records"):
        rules.setdefault(_named(row, labels), {})[str(row["selection"])] = None
    return tuple(
        f"{MARK} {who}, under {', '.join(names)}: every setting has a failed seed, so nothing was chosen."
        for who, names in rules.items()
    )
