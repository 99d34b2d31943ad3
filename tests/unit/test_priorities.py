"""Which training starts first: the one with the most to do."""

from pathlib import Path

import pytest

from bam.layout import Layout
from bam.plan import Plan
from bam.training_graph import TrainingGraph
from bam.workload import n_visited, sizes_of
from tests import toy


def graph(tmp_path, plan: Plan) -> TrainingGraph:
    return TrainingGraph(plan, Layout(tmp_path / "data", tmp_path / "results"))


def test_priorities_are_in_proportion_to_the_examples_that_a_training_visits(tmp_path):
    plan = toy.plan()
    priorities = {name: graph(tmp_path, plan).priority(name) for name in plan.trainings}
    assert max(priorities.values()) == 20
    assert min(priorities.values()) > 10
    for name, run in plan.trainings.items():
        sizes, training = sizes_of(run.dataset.settings), run.spec.training
        error_set = sizes.n_minority if training.sampling.name == "upweighted" else 0
        factor = training.sampling.factor if error_set else 1
        visited = training.epochs * (sizes.n_examples["train"] - error_set + factor * error_set)
        assert n_visited(run, plan, sizes) == visited
        longest = max(n_visited(other, plan, sizes) for other in plan.trainings.values())
        assert priorities[name] == pytest.approx(10 + 10 * visited / longest)
    assert len(set(priorities.values())) > 1


def test_a_stage_1_that_goes_on_from_a_lower_T_visits_what_is_left(tmp_path):
    plan = toy.plan()
    for run in plan.stage1.values():
        before = plan.stage1[run.previous].spec.training.epochs if run.previous else 0
        sizes = sizes_of(run.dataset.settings)
        assert n_visited(run, plan, sizes) == (run.spec.training.epochs - before) * sizes.n_examples["train"]


def test_a_training_that_is_done_has_a_priority_for_it_may_be_asked_for_again(tmp_path):
    plan = toy.plan()
    before = graph(tmp_path, plan)
    name = next(iter(plan.trainings))
    for path in [*before.layout.predicted(name), before.layout.predictions(name) / "record.json"]:
        path.parent.mkdir(parents=True, exist_ok=True)
        path.touch()
    after = graph(tmp_path, plan)
    assert after.is_done(name)
    assert after.priority(name) == before.priority(name)


def test_the_rules_of_final_trainings_ask_for_it():
    rules = (Path(__file__).parents[2] / "workflow" / "rules" / "train.smk").read_text(encoding="utf-8")
    for step in ("stage2", "train"):
        assert f'priority: lambda w: graph.trainings.priority(f"{step}/{{w.run}}")' in rules
