"""The main table of a study under way: what is finished, and how far the rest is; no mean over some of the seeds."""

import tempfile
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

import pandas as pd
from rich.table import Table

from bam.errors import BamError
from bam.files import read_json
from bam.layout import Layout
from bam.needs import needs_groups
from bam.plan import Plan
from bam.scoring import choose_and_score
from bam.selection import RULES
from bam.tables.evaluations import read_evaluations, summarise
from bam.tables.words import EMPTY, METRICS


def partial_table(plan: Plan, layout: Layout) -> Table:
    """Return test accuracies of every (data set, method, rule) whose trainings are there, for the terminal.

    A rule chooses among all settings of a method, and a mean is over all seeds, so a method that lacks a training has
    no numbers at all: its rows say how many of its trainings are there. What the study has not evaluated yet, which it
    does late, is scored here, and nothing of that is kept. A file that is missing or damaged is named in the row.

    Raises
    ------
    DataError
        If an evaluation is damaged.
    """
    seeds = plan.study.file.seeds
    found = Table(
        *("data set", "method", "rule", "groups seen", *(name.removesuffix(" accuracy") for name in METRICS.values())),
        title=f"study {plan.study.name}, as far as it is: test accuracy, %, mean ± std over {len(seeds)} seeds",
    )
    previous: tuple[str, ...] = ()
    for choice in plan.arms[0].choices():
        if previous and previous[:2] != choice[:2]:
            found.add_section()
        previous = choice
        found.add_row(*_head(plan, choice), *_cells(plan, layout, choice))
    return found


def _head(plan: Plan, choice: tuple[str, str, str]) -> tuple[str, str, str, str]:
    dataset, method, rule = choice
    recipe = plan.arms[0].study.settings[method][0].recipe
    needs = needs_groups(recipe.needs_train_groups, RULES[rule].needs_groups)
    return dataset, method, rule, needs


def _cells(plan: Plan, layout: Layout, choice: tuple[str, str, str]) -> Iterator[str]:
    """Yield the accuracies of a finished choice, or how far it is."""
    arm = plan.arms[0]
    runs = list(dict.fromkeys(cell.run.name for cell in plan.of(arm.name, *choice[:2])))
    files = [(layout.predictions(name) / "val.npz", layout.predictions(name) / "test.npz") for name in runs]
    there = [val for val, test in files if val.exists() and test.exists()]
    if len(there) < len(files):
        yield f"{len(there)} of {len(files)} trainings there"
        return
    newest = max(path.stat().st_mtime_ns for path in there)
    if _is_of(plan, layout, choice, runs, newest=newest):
        rows = read_evaluations(plan, layout, [arm], only=[choice])
    else:
        try:
            rows = _scored_aside(plan, layout, choice)
        except BamError as error:
            yield f"trained, cannot be scored: {error}"
            return
    if rows.empty:
        yield "every setting failed"
        return
    summaries = {row["metric"]: row for row in summarise(rows, ["metric"], plan.study.file.seeds).to_dict("records")}
    for metric in METRICS:
        yield _percent(summaries[metric]) if metric in summaries else EMPTY


def _scored_aside(plan: Plan, layout: Layout, choice: tuple[str, str, str]) -> pd.DataFrame:
    """Return the rows of an evaluation that the study has not come to yet."""
    arm, (dataset, method, rule) = plan.arms[0], choice
    with tempfile.TemporaryDirectory() as folder:
        aside = Layout(layout.data, Path(folder))
        choose_and_score(plan.of(arm.name, dataset, method), rule, plan.study.file, layout, into=aside)
        return read_evaluations(plan, aside, [arm], only=[choice])


def _is_of(plan: Plan, layout: Layout, choice: tuple[str, str, str], runs: Sequence[str], newest: int) -> bool:
    """Return whether the evaluation is of these runs: its file's name says nothing of settings or seeds."""
    arm = plan.arms[0].name
    selection, evaluation = layout.selection(arm, *choice), layout.evaluation(arm, *choice)
    if not (selection.exists() and evaluation.exists()) or evaluation.stat().st_mtime_ns < newest:
        return False
    chosen = read_json(selection)
    n_settings = len(runs) // len(plan.study.file.seeds)
    return chosen["n_settings"] == n_settings and {each["run"] for each in chosen["chosen"]} <= set(runs)


def _percent(row: Mapping[Any, Any]) -> str:
    """Return mean and spread; a seed whose training failed is named."""
    text = f"{100 * row['mean']:.1f}" + ("" if row["std"] is None else f" ± {100 * row['std']:.1f}")
    return f"{text} (without seed {row['missing']})" if row["missing"] else text
