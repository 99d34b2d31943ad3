"""Which predictions a job of analysis names: one of those that a training writes in one go, and each that is lost."""

import dataclasses
from typing import get_args

import pytest

from bam import selection
from bam.analysis_graph import AnalysisGraph, rule_name
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


def seen(choice: tuple[str, str, str, str]) -> tuple[str, str, str, selection.Sight]:
    """Return a choice with what its rule sees in place of the rule."""
    return (*choice[:3], selection.sight_of(choice[3]))


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
            assert named(analysis.evaluate_inputs(*seen(choice))) == []
            assert {f"{run}/val.npz" for run in of(plan, choice)} <= set(named(analysis.select_inputs(*seen(choice))))
        assert named(analysis.table_inputs("epochs")) == []


def test_lost_trainings_of_a_finished_selection_are_named_for_it_will_not_ask_again(study):
    plan, layout = study
    select_all(plan, layout)
    lose(plan, layout)
    analysis = AnalysisGraph(plan, layout)
    for choice in choices(plan):
        assert named(analysis.evaluate_inputs(*seen(choice))) == sorted(f"{run}/test.npz" for run in of(plan, choice))
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
        assert named(analysis.evaluate_inputs(*seen(choice))) == expected
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


def test_a_job_applies_the_rules_of_one_sight_and_has_no_file_that_they_may_not_see(study):
    plan, layout = study
    analysis = AnalysisGraph(plan, layout)
    assert analysis.sights() == ["labels", "errors", "groups"]
    applied = [rule for sight in analysis.sights() for rule in analysis.rules(sight)]
    assert sorted(applied) == sorted(plan.study.file.selection)
    for sight in analysis.sights():
        paths = analysis.select_inputs("main", "digits", "bam", sight)
        assert any("/groups/" in path for path in paths) == (sight == "groups")
        assert any("/stage1/" in path for path in paths) == (sight == "errors")
        assert not any(path.endswith("test.npz") for path in paths)


def test_outputs_with_wildcards_are_the_files_that_the_command_is_told_to_write(study):
    analysis = AnalysisGraph(*study)
    where = {"arm": "main", "dataset": "digits", "method": "bam"}
    for sight in analysis.sights():
        outs = [path.format(**where) for path in analysis.select_outputs(sight)]
        told = analysis.select_options("main", "digits", "bam", sight).split()
        assert told[1::4] == analysis.rules(sight)
        assert told[3::4] == outs
        made = [path.format(**where) for path in analysis.evaluate_outputs(sight)]
        told = analysis.evaluate_options("main", "digits", "bam", sight).split()
        assert told[1::4] == outs
        assert told[3::4] == made[0::2]
        assert [f"{path}.sha256" for path in made[0::2]] == made[1::2]


def test_a_rule_that_sees_groups_and_needs_stage_1_would_wait_for_both(study, monkeypatch):
    rule = dataclasses.replace(selection.RULES["worst_group"], needs_stage1=True)
    monkeypatch.setitem(selection.RULES, "worst_group", rule)
    paths = AnalysisGraph(*study).select_inputs("main", "digits", "bam", "groups")
    assert any("/groups/" in path for path in paths)
    assert any("/stage1/" in path for path in paths)


def test_each_sight_has_rules_of_its_own_names():
    assert [rule_name("select", sight) for sight in get_args(selection.Sight)] == [
        "select",
        "select_by_errors",
        "select_by_groups",
    ]
