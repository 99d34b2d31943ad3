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


def choices(plan: Plan) -> list[tuple[str, str, str]]:
    arm = plan.arms[0]
    return [(arm.name, dataset, method) for dataset, method, rule in arm.choices() if rule == "last"]


def test_an_evaluation_names_no_prediction_of_a_finished_training_and_none_of_one_to_come(study):
    plan, layout = study
    for gone in (False, True):
        if gone:
            for run in plan.trainings:
                for path in layout.predicted(run):
                    path.unlink()
        analysis = AnalysisGraph(plan, layout)
        assert choices(plan)
        for arm, dataset, method in choices(plan):
            assert named(analysis.evaluate_inputs(arm, dataset, method)) == []
            runs = {cell.run.name for cell in plan.of(arm, dataset, method)}
            assert named(analysis.select_inputs(arm, dataset, method, "last")) == sorted(f"{r}/val.npz" for r in runs)


def test_a_lost_prediction_is_named_by_what_reads_it_and_by_nothing_else(study):
    plan, layout = study
    lost = next(iter(plan.trainings))
    (layout.predictions(lost) / "test.npz").unlink()
    analysis = AnalysisGraph(plan, layout)
    for arm, dataset, method in choices(plan):
        is_its = lost in {cell.run.name for cell in plan.of(arm, dataset, method)}
        assert named(analysis.evaluate_inputs(arm, dataset, method)) == ([f"{lost}/test.npz"] if is_its else [])
    assert named(analysis.table_inputs("epochs")) == [f"{lost}/test.npz"]
    assert f"{lost}/test.npz" not in named(analysis.table_inputs("error_sets"))


def test_a_table_without_a_selection_names_one_prediction_of_each_training_that_it_reads(study):
    plan, layout = study
    names = named(AnalysisGraph(plan, layout).table_inputs("error_sets"))
    assert names == sorted(f"{run}/val.npz" for run in plan.stage1)
    (layout.predictions(next(iter(plan.stage1))) / "train.npz").unlink()
    assert set(named(AnalysisGraph(plan, layout).table_inputs("error_sets"))) - set(names) == {
        f"{next(iter(plan.stage1))}/train.npz"
    }
