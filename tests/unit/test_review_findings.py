"""Mistakes that a review found once; each stays mended."""

import json

import numpy as np
import pytest

from bam.artifacts import read_predictions
from bam.code_digest import import_closure
from bam.error_cells import error_cells
from bam.errors import DataError
from bam.files import read_json
from bam.groups import read_split
from bam.layout import Layout
from bam.recipe import RunSpec
from bam.run_files import Stage1Files, TrainFiles
from bam.steps.error_set import error_set
from bam.steps.select import select
from bam.steps.stage1 import stage1
from bam.steps.stage2 import stage2
from bam.steps.train import train
from tests import toy


def test_one_m_without_stage_1_s_weights_is_refused_and_not_run_as_two_m(tmp_path):
    prepared = toy.write_toy(tmp_path / "prepared")
    first = Stage1Files.below(tmp_path / "p1", tmp_path / "w1")
    stage1(toy.spec("stage1", toy.auxiliary(1.0, epochs=1)), prepared, first, None, "cpu")
    error_set(first.train, prepared / "train" / "labels.npy", tmp_path / "e.npz")
    spec = toy.spec("stage2", toy.upweighted(2, start="stage1"))
    files = TrainFiles.below(tmp_path / "p2", tmp_path / "w2", ())
    with pytest.raises(DataError, match=r"goes on from stage 1 \(One-M\): give --stage1-weights"):
        stage2(spec, prepared, tmp_path / "e.npz", None, files, "cpu")


@pytest.mark.parametrize("change", [{"coefficient": 2.0}, {"epochs": 3}])
def test_stage_1_goes_on_only_from_the_same_settings_at_a_lower_t(tmp_path, change):
    prepared = toy.write_toy(tmp_path / "prepared")
    before = Stage1Files.below(tmp_path / "p1", tmp_path / "w1")
    options = {"coefficient": 1.0, "epochs": 1, **change}
    stage1(
        toy.spec("stage1", toy.auxiliary(options["coefficient"], epochs=options["epochs"])),
        prepared,
        before,
        None,
        "cpu",
    )
    after = Stage1Files.below(tmp_path / "p2", tmp_path / "w2")
    with pytest.raises(DataError, match="is not a run of these settings at a lower T"):
        stage1(toy.spec("stage1", toy.auxiliary(1.0, epochs=3)), prepared, after, before, "cpu")


def test_a_failed_stage_1_lends_no_cells_to_the_comparison_of_settings(tmp_path):
    plan = toy.plan(seeds=[0], methods__bam__stage1__auxiliary_coefficient=[2.0, 1.0e6])
    layout = Layout(tmp_path / "data", tmp_path / "results")
    toy.write_data(plan, layout)
    cells = toy.cells(plan, "bam")
    from bam.pipeline import run_cells

    run_cells(cells, list(plan.stage1.values()), layout, "cpu")
    failed = [c for c in cells if read_predictions(layout.predictions(c.stage1.name) / "val.npz").failed]
    assert failed and len(failed) < len(cells)
    select(cells, {"worst_error_group": tmp_path / "chosen.json"}, layout, "across_seeds")
    content = read_json(tmp_path / "chosen.json")
    # With one stage 1 left for each T, a setting's value is its own cells' worst accuracy, averaged over those T.
    whole = [c for c in cells if c not in failed]
    labels = np.load(layout.prepared(cells[0].run.dataset.data_id) / "val" / "labels.npy")
    missed = {
        c.stage1.name: read_predictions(layout.predictions(c.stage1.name) / "val.npz").classes[-1] != labels
        for c in whole
    }
    chosen = content["chosen"][0]
    predictions = read_predictions(layout.predictions(chosen["run"]) / "val.npz")
    predicted = predictions.classes[list(predictions.epochs).index(chosen["epoch"])]
    worst = []
    for mask in missed.values():
        cell_masks = error_cells(labels, mask, 2).T
        worst.append(min(float((predicted == labels)[cell].mean()) for cell in cell_masks))
    best = max(row["mean_score"] for row in content["settings"] if row["mean_score"] is not None)
    assert best == pytest.approx(sum(worst) / len(worst))


def test_a_last_step_into_infinity_is_a_divergence(tmp_path):
    prepared = toy.write_toy(tmp_path / "prepared")
    n = read_json(prepared / "manifest.json")["sizes"]["train"]
    files = TrainFiles.below(tmp_path / "p", tmp_path / "w", ())
    training = toy.training(epochs=1, batch_size=n, optimizer=toy.sgd(learning_rate=1.0e40))
    train(toy.spec("train", training), prepared, None, files, "cpu")
    assert read_predictions(files.val).failed == "training stopped: the weights are not finite after epoch 1"
    training = toy.training(epochs=1, batch_size=n, optimizer=toy.sgd(learning_rate=1.0e30))
    train(toy.spec("train", training), prepared, None, files, "cpu")
    assert read_predictions(files.val).failed == "training stopped: the logits of the model are not finite"


def test_group_rows_out_of_order_and_edited_group_files_are_refused(tmp_path):
    plan, layout = toy.plan(seeds=[0]), Layout(tmp_path / "data", tmp_path / "results")
    toy.write_data(plan, layout)
    folder = next((layout.data / "groups").iterdir())
    path = folder / "test.csv"
    header, *rows = path.read_text().splitlines()
    path.write_text("\n".join([header, *rows[::-1]]) + "\n")
    with pytest.raises(DataError, match=r"is not the file that groups\.json describes"):
        read_split(path)
    (folder / "groups.json").unlink()
    with pytest.raises(DataError, match="its column 'index' does not count 0, 1, 2"):
        read_split(path)


def test_only_methods_that_train_on_groups_have_groups_in_their_id():
    plan = toy.plan(seeds=[0])
    groups = {run.spec.method: run.spec.groups for run in plan.trainings.values()}
    assert groups.pop("group_dro", "none planned") is not None
    assert set(groups.values()) == {None}


def test_what_stage_1_watches_changes_its_own_id_and_no_stage_2():
    few = toy.plan(seeds=[0], methods__bam__stage1__watch_epochs=[])
    more = toy.plan(seeds=[0], methods__bam__stage1__watch_epochs=[1])
    assert {n for n in few.trainings if "bam-" in n} == {n for n in more.trainings if "bam-" in n}
    assert set(few.error_sets) == set(more.error_sets)
    assert set(few.stage1) != set(more.stage1)


def test_training_reaches_no_selection_rule_by_import_and_no_group_metric():
    closure = import_closure(["bam.steps.stage1", "bam.steps.stage2", "bam.steps.train"])
    assert not [name for name in closure if name.startswith(("bam.label_rules.", "bam.selection", "bam.group_metrics"))]
    assert "bam.progress" not in closure


def test_a_spec_survives_its_json():
    spec = toy.spec("stage1", toy.auxiliary(1.0, epochs=1))
    assert RunSpec.model_validate_json(json.dumps(spec.model_dump(mode="json"))) == spec
