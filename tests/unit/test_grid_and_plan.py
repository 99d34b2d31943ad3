"""What a study expands to, and which edits keep the names of which runs."""

import pytest

from bam.grid import expand
from bam.methods.bam import Settings
from bam.plan import Plan
from bam.study import arms, check_study
from tests import toy


def names(plan: Plan) -> set[str]:
    return set(plan.stage1) | set(plan.trainings)


def test_the_first_axis_in_the_config_varies_slowest():
    entry = toy.STUDY["methods"]["bam"]
    points = [varied for varied, _ in expand(entry, Settings)]
    assert points == [
        {"stage1.epochs": epochs, "stage2.upweight_factor": factor} for epochs in (1, 2) for factor in (5, 10)
    ]


def test_axes_follow_the_order_of_the_config_not_of_the_code():
    entry = {"stage2": {"upweight_factor": [5, 10]}, "stage1": {"epochs": [1, 2]}}
    points = [list(varied.values()) for varied, _ in expand(entry, Settings)]
    assert points == [[5, 1], [5, 2], [10, 1], [10, 2]]


def test_watch_epochs_are_no_axis_and_points_carry_all_settings():
    entry = {"stage1": {"watch_epochs": [1, 2], "epochs": 3}, "stage2": {"epochs": [4, 5]}}
    assert [point for _, point in expand(entry, Settings)] == [
        {"stage1": {"watch_epochs": [1, 2], "epochs": 3}, "stage2": {"epochs": n}} for n in (4, 5)
    ]


def test_the_plan_has_one_stage1_for_each_epoch_count_and_seed_and_one_stage2_a_cell():
    plan = toy.plan()
    assert len(plan.stage1) == 2 * 2
    assert len([name for name in plan.trainings if name.startswith("stage2/")]) == 2 * 2 * 2
    assert len([name for name in plan.trainings if name.startswith("train/")]) == 2 * 2
    for cell in toy.cells(plan, "bam"):
        assert cell.run.stage1 == cell.stage1.name
        assert cell.stage1.spec.seed == cell.run.spec.seed == cell.seed
        assert cell.run.spec.stage1 == cell.stage1.spec.id


@pytest.mark.parametrize(
    "grown",
    [
        {"seeds": [0, 1, 2]},
        {"methods__bam__stage2__upweight_factor": [5, 10, 20]},
        {"methods__bam__stage1__epochs": [1, 2, 7]},
        {"methods__bam__stage1__auxiliary_coefficient": [5, 50]},
    ],
)
def test_growing_the_grid_keeps_every_existing_name(grown):
    before, after = names(toy.plan()), names(toy.plan(**grown))
    assert before < after


def test_a_learning_rate_changes_the_runs_of_its_method_alone():
    before = names(toy.plan())
    after = names(toy.plan(methods__bam__stage1__optimizer={**toy.SGD, "learning_rate": 0.02}))
    assert set(before & after) == {n for n in before if n.startswith("train/erm")}
    stage2_only = names(toy.plan(methods__bam__stage2__optimizer={**toy.SGD, "learning_rate": 0.02}))
    assert before - stage2_only == {n for n in before if n.startswith("stage2/")}


def test_watched_epochs_beyond_a_runs_last_do_not_change_it():
    few = toy.plan(methods__bam__stage1__epochs=[1, 2, 5], methods__bam__stage1__watch_epochs=[1])
    more = toy.plan(methods__bam__stage1__epochs=[1, 2, 5], methods__bam__stage1__watch_epochs=[1, 4])
    changed = {run.spec.training.epochs for name, run in few.stage1.items() if name not in more.stage1}
    assert changed == {5}


def test_settings_that_cannot_change_a_run_change_no_name():
    before = names(toy.plan())
    assert names(toy.plan(study="other", selection=["last"], selection_scope="per_seed")) == before
    assert names(toy.plan(methods__bam__stage1__auxiliary_coefficient=5)) == before


@pytest.mark.parametrize(
    "changes",
    [
        {"threads": 2},
        {"model__hidden": [6]},
        {"datasets__digits__aligned": 0.8},
        {"keep_weights": ["last"]},
        {"keep_logits": [1]},
        {"predict_every": 2},
    ],
)
def test_settings_of_all_runs_change_every_final_run(changes):
    assert not set(toy.plan().trainings) & set(toy.plan(**changes).trainings)


def test_each_stage1_goes_on_from_the_next_shorter_run_of_the_same_seed_and_settings():
    plan = toy.plan(methods__bam__stage1__epochs=[4, 1, 2], methods__bam__stage1__auxiliary_coefficient=[5.0, 6.0])
    assert len(plan.stage1) == 12
    for run in plan.stage1.values():
        lower = {4: 2, 2: 1}.get(run.spec.training.epochs)
        if lower is None:
            assert run.previous is None
            continue
        previous = plan.stage1[run.previous].spec
        assert previous.training.epochs == lower
        assert (previous.seed, previous.training.objective) == (run.spec.seed, run.spec.training.objective)


def test_per_seed_data_gives_each_seed_its_own_data_set():
    ids = {cell.seed: cell.run.dataset.data_id for cell in toy.plan().cells}
    assert len(set(ids.values())) == 2
    fixed = {cell.run.dataset.data_id for cell in toy.plan(datasets__digits__data_seed=3).cells}
    assert len(fixed) == 1


def test_a_sweep_has_one_arm_a_value_and_shares_runs_with_the_grid():
    sweep = {"mu": {"axis": "bam.stage2.upweight_factor", "values": [5, 7], "fixed": {"bam.stage1.epochs": 2}}}
    study = check_study(toy.study_content(analyses=sweep), "toy.yaml")
    assert [arm.name for arm in arms(study)] == ["main", "mu-5", "mu-7"]
    plan = toy.plan(analyses=sweep)
    for value in (5, 7):
        swept = plan.of(f"mu-{value}", "digits", "bam")
        assert [(c.stage1.spec.training.epochs, c.run.spec.training.sampling.factor) for c in swept] == [(2, value)] * 2
    assert len(plan.trainings) == len(toy.plan().trainings) + 2
    assert plan.of("mu-5", "digits", "erm") == []


def test_methods_without_a_stage1_have_no_error_cells_to_select_by():
    study = check_study(toy.study_content(), "toy.yaml")
    assert "worst_error_group" in study.rules_for("bam")
    assert "worst_error_group" not in study.rules_for("erm")
