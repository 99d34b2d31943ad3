"""Which predictions a job of analysis names: one of those that a training writes in one go, and each that is lost."""

import pytest

from bam.analysis_graph import AnalysisGraph
from bam.layout import Layout
from bam.plan import Plan
from tests import toy


@pytest.fixture
def study(tmp_path) -> tuple[Plan, Layout]:
    """A plan, and an empty file for each prediction of its trainings."""
    plan, layout = toy.plan(), Layout(tmp_path / "data", tmp_path / "results")
    for run in (*plan.stage1, *plan.trainings):
        for path in layout.predicted(run):
            path.parent.mkdir(parents=True, exist_ok=True)
            path.touch()
    return plan, layout


def named(paths: list[str]) -> list[str]:
    return sorted(path.partition("/predictions/")[2] for path in paths if "/predictions/" in path)


def choices(plan: Plan) -> list[tuple[str, str, str, str]]:
    return [(arm.name, *choice) for arm in plan.arms[:1] for choice in arm.choices()]


def select_all(plan: Plan, layout: Layout) -> None:
    for choice in choices(plan):
        layout.selection(*choice).parent.mkdir(parents=True, exist_ok=True)
        layout.selection(*choice).touch()


def of(plan: Plan, choice: tuple[str, str, str, str]) -> set[str]:
    return {cell.run.name for cell in plan.of(*choice[:3])}


def lose(plan: Plan, layout: Layout) -> None:
    for run in plan.trainings:
        for path in layout.predicted(run):
            path.unlink()


def test_an_evaluation_names_no_prediction_of_a_finished_training_and_none_that_its_selection_waits_for(study):
    plan, layout = study
    for gone in (False, True):
        if gone:
            lose(plan, layout)
        analysis = AnalysisGraph(plan, layout)
        assert choices(plan)
        for choice in choices(plan):
            assert named(analysis.evaluate_inputs(*choice)) == []
            assert {f"{run}/val.npz" for run in of(plan, choice)} <= set(named(analysis.select_inputs(*choice)))
        assert named(analysis.table_inputs("epochs")) == []


def test_lost_trainings_of_a_finished_selection_are_named_for_it_will_not_ask_again(study):
    plan, layout = study
    select_all(plan, layout)
    lose(plan, layout)
    analysis = AnalysisGraph(plan, layout)
    for choice in choices(plan):
        assert named(analysis.evaluate_inputs(*choice)) == sorted(f"{run}/test.npz" for run in of(plan, choice))
    assert named(analysis.table_inputs("epochs")) == sorted(f"{run}/val.npz" for run in plan.trainings)


@pytest.mark.parametrize("is_selected", [False, True])
def test_a_lost_prediction_is_named_by_what_reads_it_and_by_nothing_else(study, is_selected):
    plan, layout = study
    if is_selected:
        select_all(plan, layout)
    lost, first = next(iter(plan.trainings)), next(iter(plan.stage1))
    (layout.predictions(lost) / "test.npz").unlink()
    (layout.predictions(first) / "auxiliary.npz").unlink()
    analysis = AnalysisGraph(plan, layout)
    for choice in choices(plan):
        expected = [f"{lost}/test.npz"] if lost in of(plan, choice) else []
        assert named(analysis.evaluate_inputs(*choice)) == expected
    assert named(analysis.table_inputs("epochs")) == [f"{lost}/test.npz"]
    assert f"{first}/auxiliary.npz" in named(analysis.table_inputs("auxiliary"))
    for table in ("cost", "error_sets"):
        assert not [name for name in named(analysis.table_inputs(table)) if not name.endswith("/val.npz")]


def test_a_table_without_a_selection_names_one_prediction_of_each_training_that_it_reads(study):
    plan, layout = study
    names = named(AnalysisGraph(plan, layout).table_inputs("error_sets"))
    assert names == sorted(f"{run}/val.npz" for run in plan.stage1)
    (layout.predictions(next(iter(plan.stage1))) / "train.npz").unlink()
    after = named(AnalysisGraph(plan, layout).table_inputs("error_sets"))
    assert f"{next(iter(plan.stage1))}/train.npz" in after
