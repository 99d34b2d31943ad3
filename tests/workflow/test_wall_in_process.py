"""The wall, in one process: group-free methods and rules never open a group file.

Every group-free method and every rule that sees no group is tried here; `test_wall.py` tries a few
of them through Snakemake.
"""

import copy
import shutil
from dataclasses import dataclass
from pathlib import Path

import pytest

from bam import catalogue
from bam.data.sources import read_sources
from bam.layout import Layout
from bam.pipeline import make_data, run_cells
from bam.plan import Plan, make_plan
from bam.scoring import choose_and_score
from bam.selection import RULES
from bam.steps.evaluate import evaluate
from bam.steps.select import select
from bam.study import check_study

SGD = {"name": "sgd", "learning_rate": 1.0e-2, "momentum": 0.9, "weight_decay": 0.0}
STAGE1 = {"epochs": 2, "batch_size": 64, "optimizer": SGD}
STAGE2 = {"upweight_factor": [2, 5], "epochs": 2, "batch_size": 64, "optimizer": SGD}
METHODS = {
    "erm": {"epochs": 2, "batch_size": 64, "optimizer": {**SGD, "learning_rate": [1.0e-2, 1.0e-1]}},
    "jtt": {"stage1": STAGE1, "stage2": STAGE2},
    "bam_no_aux": {"stage1": {**STAGE1, "loss": "squared"}, "stage2": {**STAGE2, "restart": False}},
    "bam": {
        "stage1": {**STAGE1, "loss": "squared", "auxiliary_coefficient": 5.0},
        "stage2": {**STAGE2, "restart": False},
    },
}
GROUP_FREE_RULES = [name for name, rule in RULES.items() if rule.needs_groups == "none"]
STUDY = {
    "study": "wall",
    "seeds": [0, 1],
    "datasets": {"digits": {"kind": "colored_digits", "aligned": 0.9, "data_seed": "per_seed"}},
    "model": {"name": "mlp", "hidden": [8]},
    "methods": METHODS,
    "selection": GROUP_FREE_RULES,
    "keep_weights": ["class_difference"],
}
SOURCES = Path(__file__).resolve().parents[2] / "config" / "datasets.yaml"


@dataclass
class Finished:
    """A study done once with the group files in their place, and the folder they belong in."""

    plan: Plan
    layout: Layout
    away: Path


@pytest.fixture(scope="module")
def finished(tmp_path_factory: pytest.TempPathFactory) -> Finished:
    root = tmp_path_factory.mktemp("wall")
    sources = read_sources(SOURCES)
    plan = make_plan(check_study(copy.deepcopy(STUDY), "wall.yaml"), sources)
    layout = Layout(root / "data", root / "with")
    for data_set in plan.datasets.values():
        make_data(data_set, sources, layout)
    train_and_choose(plan, layout, score=True)
    return Finished(plan, layout, root / "groups_moved_away")


def train_and_choose(plan: Plan, layout: Layout, *, score: bool) -> None:
    for method in METHODS:
        cells = plan.of("main", "digits", method)
        run_cells(cells, list(plan.stage1.values()), layout, "cpu")
        for rule in plan.study.rules_for(method):
            if score:
                choose_and_score(cells, rule, plan.study.file, layout)
            else:
                select(cells, {rule: layout.selection("main", "digits", method, rule)}, layout, "across_seeds")


def contents(folder: Path) -> dict[str, bytes]:
    return {path.relative_to(folder).as_posix(): path.read_bytes() for path in folder.rglob("*") if path.is_file()}


def test_without_any_group_file_everything_group_free_gives_the_same_bytes(finished):
    plan, before = finished.plan, finished.layout
    after = Layout(before.data, before.results.with_name("without"))
    groups = before.data / "groups"
    shutil.move(groups, finished.away)
    try:
        train_and_choose(plan, after, score=False)
        assert not groups.exists()
    finally:
        shutil.move(finished.away, groups)

    chosen = contents(after.results / "selection")
    assert chosen == contents(before.results / "selection")
    n_stageless = sum(1 for name in GROUP_FREE_RULES if not RULES[name].needs_stage1)
    assert len(chosen) == 3 * len(GROUP_FREE_RULES) + n_stageless
    assert contents(after.results / "weights") == contents(before.results / "weights")
    arrays = {name: data for name, data in contents(after.results / "predictions").items() if name.endswith(".npz")}
    assert arrays == {k: v for k, v in contents(before.results / "predictions").items() if k.endswith(".npz")}

    for arm, dataset, method, rule in [("main", *choice) for choice in plan.arms[0].choices()]:
        ids = {cell.seed: cell.run.dataset.groups_id for cell in plan.of(arm, dataset, method)}
        out = after.evaluation(arm, dataset, method, rule)
        evaluate(after.selection(arm, dataset, method, rule), ids, after, out)
    assert contents(after.results / "evaluation") == contents(before.results / "evaluation")


def test_every_method_is_tried_but_the_one_that_trains_on_groups():
    assert set(catalogue.names("method")) - set(METHODS) == {"group_dro"}


def test_every_label_only_rule_is_tried():
    by_cells = {f"worst_error_group{how}" for how in ("", "_own", "_least", "_vote")}
    assert set(catalogue.names("rule")) | by_cells == set(GROUP_FREE_RULES)


def test_no_run_that_trains_without_groups_names_any(finished):
    runs = [*finished.plan.stage1.values(), *finished.plan.trainings.values()]
    assert runs and all(run.spec.groups is None for run in runs)
