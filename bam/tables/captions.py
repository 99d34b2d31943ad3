"""What every caption must say: rule scope, budget, seeds, and what the intervals are."""

import pandas as pd

from bam import catalogue
from bam.plan import Plan
from bam.study import PER_SEED, Arm
from bam.tables.words import method_words

SCOPES = {
    "across_seeds": "Hyper-parameters are chosen across seeds, the epoch for each seed",
    "per_seed": "Hyper-parameters and epoch are chosen for each seed",
}
MARK = "†"


def protocol(plan: Plan) -> str:
    """Return the sentences on selection scope, budget and seeds."""
    seeds = plan.study.file.seeds
    return (
        f"{SCOPES[plan.study.file.selection_scope]} (selection_scope {plan.study.file.selection_scope}). "
        f"{budget(plan.arms[0])} {len(seeds)} seed{'s' * (len(seeds) != 1)}: {', '.join(map(str, seeds))}."
    )


def budget(arm: Arm) -> str:
    """Return how many hyper-parameter settings each method may choose among, and whether they differ."""
    sizes = {method: len(settings) for method, settings in arm.study.settings.items()}
    if len(set(sizes.values())) == 1:
        n = next(iter(sizes.values()))
        return f"{n} hyper-parameter setting{'s' * (n != 1)} for {'every' if len(sizes) > 1 else 'the'} method."
    listed = ", ".join(f"{method_words(method)} {n}" for method, n in sizes.items())
    return f"The numbers of hyper-parameter settings DIFFER between methods: {listed}."


def intervals(plan: Plan, *, pooled: bool = True) -> str:
    """Return what the intervals are, and whether they include the sampling error of the data.

    Parameters
    ----------
    pooled
        Whether a Wilson interval stands in where all seeds agree.
    """
    wilson = "; where all seeds agree, the Wilson interval of the pooled counts" if pooled else ""
    return f"Mean ± sample standard deviation [95 % t interval over seeds{wilson}]. {draw(plan)}"


def draw(plan: Plan) -> str:
    """Return whether the data are drawn anew for each seed, for each data set."""
    redrawn = {name: PER_SEED in entry.values() for name, entry in plan.study.file.datasets.items()}
    anew = "drawn anew for each seed, so that seed intervals include sampling error"
    fixed = "one fixed draw, so that seed intervals omit sampling error"
    if len(set(redrawn.values())) == 1:
        return f"The data are {anew if all(redrawn.values()) else fixed}."
    return "The data: " + "; ".join(f"{name}, {anew if new else fixed}" for name, new in redrawn.items()) + "."


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


def seeds_cell(n_seeds: int, missing: str) -> str:
    """Return the number of seeds, marked if some are missing."""
    return f"{n_seeds} {MARK}" if missing else str(n_seeds)


def missing_notes(rows: pd.DataFrame, labels: list[str]) -> tuple[str, ...]:
    """Return one note for each row whose mean lacks seeds.

    Parameters
    ----------
    rows
        With a column `missing` and the given labels.
    """
    notes = [
        f"{MARK} {', '.join(str(row[label]) for label in labels)}: no value for seed {row['missing']}; "
        "the mean is over the other seeds."
        for row in rows.to_dict("records")
        if row["missing"]
    ]
    return tuple(dict.fromkeys(notes))
