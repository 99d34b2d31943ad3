"""Which predictions a job of analysis names: one of those that a training writes in one go, and each that is lost."""

import pytest

from bam.analysis_graph import AnalysisGraph
from bam.layout import Layout
from bam.plan import Plan
from bam.selection import sees
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


def trained(paths: list[str], plan: Plan) -> list[str]:
    """Return the predictions of final trainings among paths."""
    return [name for name in named(paths) if name.rpartition("/")[0] in plan.trainings]


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


def test_the_evaluation_names_no_prediction_of_a_finished_training_and_none_that_a_selection_waits_for(study):
    plan, layout = study
    for gone in (False, True):
        if gone:
            lose(plan, layout)
        analysis = AnalysisGraph(plan, layout)
        assert choices(plan)
        assert named(analysis.evaluate_inputs()) == []
        assert {str(layout.selection(*choice)) for choice in choices(plan)} <= set(analysis.evaluate_inputs())
        for choice in choices(plan):
            read = analysis.select_inputs(*choice[:3], sees(choice[3]))
            assert {f"{run}/val.npz" for run in of(plan, choice)} <= set(named(read))
        assert not trained(analysis.table_inputs(), plan)


def test_lost_trainings_of_a_finished_selection_are_named_for_it_will_not_ask_again(study):
    plan, layout = study
    select_all(plan, layout)
    lose(plan, layout)
    analysis = AnalysisGraph(plan, layout)
    assert named(analysis.evaluate_inputs()) == sorted(f"{run}/test.npz" for run in plan.trainings)
    assert trained(analysis.table_inputs(), plan) == sorted(f"{run}/val.npz" for run in plan.trainings)


@pytest.mark.parametrize("is_selected", [False, True])
def test_a_lost_prediction_is_named_by_what_reads_it_and_by_nothing_else(study, is_selected):
    plan, layout = study
    if is_selected:
        select_all(plan, layout)
    lost, first = next(iter(plan.trainings)), next(iter(plan.stage1))
    (layout.predictions(lost) / "test.npz").unlink()
    (layout.predictions(first) / "auxiliary.npz").unlink()
    analysis = AnalysisGraph(plan, layout)
    assert named(analysis.evaluate_inputs()) == [f"{lost}/test.npz"]
    assert trained(analysis.table_inputs(), plan) == [f"{lost}/test.npz"]
    others = [name for name in named(analysis.table_inputs()) if not name.endswith(("/val.npz", "/error_set.npz"))]
    assert sorted(others) == sorted([f"{lost}/test.npz", f"{first}/auxiliary.npz"])


def test_of_a_stage_1_that_no_selection_reads_the_tables_name_one_prediction_and_each_that_is_lost(study):
    plan, layout = study
    first = next(iter(plan.stage1))
    names = named(AnalysisGraph(plan, layout).table_inputs())
    assert [name for name in names if name.startswith("stage1/")] == sorted(f"{run}/val.npz" for run in plan.stage1)
    (layout.predictions(first) / "train.npz").unlink()
    assert f"{first}/train.npz" in named(AnalysisGraph(plan, layout).table_inputs())


def test_every_evaluation_comes_with_its_checksum_and_figures_read_tables(study):
    plan, layout = study
    analysis = AnalysisGraph(plan, layout)
    evaluations = analysis.evaluations()
    assert {*evaluations, *(f"{path}.sha256" for path in evaluations)} <= set(analysis.table_inputs())
    assert set(analysis.figure_inputs("regret")) <= set(analysis.tables())


def test_a_selection_s_job_applies_the_rules_of_one_sight_and_has_no_file_that_they_may_not_see(study):
    plan, layout = study
    analysis = AnalysisGraph(plan, layout)
    assert analysis.sights() == ["labels", "errors", "groups"]
    assert [rule for kind in analysis.sights() for rule in analysis.rules(kind)] == sorted(
        plan.study.file.selection, key=lambda rule: analysis.sights().index(sees(rule))
    )
    of_bam = {kind: analysis.select_inputs("main", "digits", "bam", kind) for kind in analysis.sights()}
    for kind, paths in of_bam.items():
        assert any("/groups/" in path for path in paths) == (kind == "groups")
        assert any("/stage1/" in path for path in paths) == (kind == "errors")
        assert not any(path.endswith("test.npz") for path in paths)
    outputs = [path.format(arm="main", dataset="digits", method="bam") for path in analysis.select_outputs("groups")]
    assert outputs == [str(layout.selection("main", "digits", "bam", rule)) for rule in analysis.rules("groups")]
    for rule, path in zip(analysis.rules("groups"), outputs, strict=True):
        assert f"--rule {rule} --out {path}" in analysis.select_options("main", "digits", "bam", "groups")
