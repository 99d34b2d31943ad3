"""Steps on files: divergence, evaluation by hand, and inputs that do not fit."""

import csv

import numpy as np
import pytest

from bam.artifacts import Predictions, read_error_set, read_predictions, write_error_set, write_predictions
from bam.errors import DataError, RunError
from bam.files import write_json
from bam.groups import GroupScheme, SplitGroups, write_scheme, write_split
from bam.layout import Layout
from bam.run_files import Stage1Files, TrainFiles
from bam.statistics import wilson_interval
from bam.steps.error_set import error_set
from bam.steps.evaluate import evaluate
from bam.steps.select import select
from bam.steps.stage1 import stage1
from bam.steps.stage2 import stage2
from bam.steps.train import train
from bam.training.build import set_up_torch
from tests import toy

HUGE = toy.sgd(1e30)


def test_a_diverged_training_is_marked_and_its_finished_epochs_are_kept(prepared, tmp_path):
    files = TrainFiles.below(tmp_path / "p", tmp_path / "w", ("last",))
    train(toy.spec("train", toy.training(optimizer=HUGE), keep_weights=("last",)), prepared, None, files, "cpu")
    for path in (files.val, files.test):
        seen = read_predictions(path)
        assert seen.failed.startswith("training stopped: the loss is ")
        assert "at epoch 1, step " in seen.failed
        assert len(seen.classes) == 0
    assert all(path.exists() for path in files.all())


def test_a_diverged_stage1_fails_everything_that_builds_on_it(prepared, tmp_path):
    files = Stage1Files.below(tmp_path / "p", tmp_path / "w")
    stage1(toy.spec("stage1", toy.auxiliary(5.0, optimizer=HUGE)), prepared, files, None, "cpu")
    failed = read_predictions(files.train).failed
    assert failed.startswith("stage 1 stopped: the loss is ")
    error_set(files.train, prepared / "train" / "labels.npy", tmp_path / "e.npz")
    assert read_error_set(tmp_path / "e.npz")[1] == failed
    final = TrainFiles.below(tmp_path / "p2", tmp_path / "w2", ())
    stage2(toy.spec("stage2", toy.upweighted(5)), prepared, tmp_path / "e.npz", files.model, final, "cpu")
    assert read_predictions(final.val).failed == read_predictions(final.test).failed == failed
    assert len(read_predictions(final.val).epochs) == 0


def test_select_leaves_a_diverged_setting_out_and_chooses_nothing_if_all_are(tmp_path):
    import json

    plan, layout = toy.plan(seeds=[0]), Layout(tmp_path / "data", tmp_path / "results")
    toy.write_data(plan, layout)
    cells = toy.cells(plan, "erm")
    for k, cell in enumerate(cells):
        prepared = layout.prepared(cell.run.dataset.data_id)
        files = TrainFiles.below(layout.predictions(cell.run.name), layout.weights(cell.run.name), ())
        spec = cell.run.spec.model_copy(update={"training": toy.training(optimizer=HUGE if k == 0 else toy.sgd())})
        train(spec, prepared, None, files, "cpu")
    select(cells, {"average": tmp_path / "chosen.json"}, layout, "across_seeds")
    content = json.loads((tmp_path / "chosen.json").read_text())
    assert [c["run"] for c in content["chosen"]] == [cells[1].run.name]
    assert len(content["left_out"]) == 1
    assert "training stopped: the loss is" in content["left_out"][0]
    select(cells[:1], {"average": tmp_path / "chosen.json"}, layout, "across_seeds")
    content = json.loads((tmp_path / "chosen.json").read_text())
    assert (content["chosen"], len(content["left_out"])) == ([], 1)
    evaluate(tmp_path / "chosen.json", {}, layout, tmp_path / "scores.csv")
    assert (tmp_path / "scores.csv").read_text().count("\n") == 1


def test_the_error_set_step_compares_the_last_epoch_with_the_labels(tmp_path):
    np.save(tmp_path / "labels.npy", np.array([0, 1, 1]))
    classes = np.array([[1, 0, 0], [0, 0, 1]])
    write_predictions(tmp_path / "train.npz", Predictions(np.array([1, 2]), classes, np.zeros(2)))
    error_set(tmp_path / "train.npz", tmp_path / "labels.npy", tmp_path / "e.npz")
    assert read_error_set(tmp_path / "e.npz")[0].tolist() == [False, True, False]
    np.save(tmp_path / "labels.npy", np.array([0, 1]))
    with pytest.raises(DataError, match=r"train\.npz: predicts 3 examples, the split has 2"):
        error_set(tmp_path / "train.npz", tmp_path / "labels.npy", tmp_path / "e.npz")


@pytest.mark.parametrize("content", [None, b"", b"\x93NUMPY", b"nothing"], ids=["missing", "empty", "cut", "other"])
def test_the_error_set_step_names_labels_that_cannot_be_read(tmp_path, content):
    write_predictions(tmp_path / "train.npz", Predictions(np.array([1]), np.zeros((1, 2)), np.zeros(1)))
    path = tmp_path / "labels.npy"
    if content is not None:
        path.write_bytes(content)
    with pytest.raises(DataError, match=r"labels\.npy: "):
        error_set(tmp_path / "train.npz", path, tmp_path / "e.npz")


def test_an_error_set_of_another_size_is_refused(prepared, tmp_path):
    write_error_set(tmp_path / "e.npz", np.zeros(22, dtype=bool))
    files = TrainFiles.below(tmp_path / "p", tmp_path / "w", ())
    with pytest.raises(DataError):
        stage2(toy.spec("stage2", toy.upweighted(2, "fresh")), prepared, tmp_path / "e.npz", None, files, "cpu")


@pytest.mark.parametrize("balanced", [True, False])
def test_groups_of_another_size_are_refused(prepared, tmp_path, balanced):
    write_split(tmp_path / "train.csv", SplitGroups({}, np.eye(2, dtype=bool)[[0, 1] * 11]), ("a", "b"))
    files = TrainFiles.below(tmp_path / "p", tmp_path / "w", ())
    spec = toy.spec("train", toy.group_dro(0.1, 0.0, balanced=balanced))
    with pytest.raises(DataError):
        train(spec, prepared, tmp_path / "train.csv", files, "cpu")


def test_group_dro_without_groups_or_with_overlapping_ones_is_refused(prepared, tmp_path):
    files = TrainFiles.below(tmp_path / "p", tmp_path / "w", ())
    spec = toy.spec("train", toy.group_dro(0.1, 0.0))
    with pytest.raises(DataError) as error:
        train(spec, prepared, None, files, "cpu")
    assert str(error.value) == "toy needs the training groups: give --groups data/groups/<id>/train.csv"
    write_split(tmp_path / "train.csv", SplitGroups({}, np.ones((23, 2), dtype=bool)), ("a", "b"))
    with pytest.raises(DataError, match="overlap"):
        train(spec, prepared, tmp_path / "train.csv", files, "cpu")


def test_a_device_that_is_not_there_is_one_line():
    with pytest.raises(RunError) as error:
        set_up_torch(1, "tpu")
    assert str(error.value).startswith("--device tpu: is not available here; there is cpu")


NAMES = ("a", "b, c", "d")
LABELS = np.array([0, 0, 0, 0, 1, 1, 1, 1, 1, 1])
GROUPS = np.array([0, 0, 0, 0, 1, 1, 1, 1, 1, 1])


def evaluated(tmp_path, declared_empty=("d",), is_partition=True, epoch=20) -> dict[tuple[str, str], dict[str, str]]:
    """Evaluate predictions of which, at epoch 20, 3 of 4 and 5 of 6 are right."""
    layout = Layout(tmp_path / "data", tmp_path / "results")
    folder = layout.groups("g")
    write_scheme(folder, GroupScheme(NAMES, (False,) * 3, declared_empty, is_partition, {"train": (90, 10, 0)}))
    write_split(folder / "test.csv", SplitGroups({}, np.eye(3, dtype=bool)[GROUPS], LABELS), NAMES)
    good = np.array([0, 0, 0, 1, 1, 1, 1, 1, 1, 0])
    classes = np.stack([1 - LABELS, good])
    write_predictions(
        layout.predictions("stage2/run") / "test.npz", Predictions(np.array([10, 20]), classes, np.zeros(2))
    )
    chosen = {"seed": 3, "run": "stage2/run", "epoch": epoch, "setting": {"stage1.epochs": 2, "x": 5}}
    head = {"dataset": "set", "method": "bam", "selection": "last", "needs_groups": "none"}
    write_json(tmp_path / "chosen.json", {**head, "chosen": [chosen]})
    evaluate(tmp_path / "chosen.json", {3: "g"}, layout, tmp_path / "out.csv")
    with open(tmp_path / "out.csv", newline="") as file:
        return {(row["metric"], row["group"]): row for row in csv.DictReader(file)}


def test_evaluation_by_hand(tmp_path):
    rows = evaluated(tmp_path)
    assert {key: float(row["value"]) for key, row in rows.items()} == pytest.approx(
        {
            ("group_accuracy", "a"): 3 / 4,
            ("group_accuracy", "b, c"): 5 / 6,
            ("worst_group_accuracy", "a"): 3 / 4,
            ("accuracy", ""): 8 / 10,
            ("adjusted_accuracy", ""): 0.9 * 3 / 4 + 0.1 * 5 / 6,
        }
    )
    for key, count in {
        ("group_accuracy", "a"): (3, 4),
        ("group_accuracy", "b, c"): (5, 6),
        ("worst_group_accuracy", "a"): (3, 4),
        ("accuracy", ""): (8, 10),
    }.items():
        assert int(rows[key]["n"]) == count[1]
        assert (float(rows[key]["low"]), float(rows[key]["high"])) == pytest.approx(wilson_interval(*count))
    head = rows["accuracy", ""]
    assert (head["dataset"], head["method"], head["selection"], head["needs_groups"]) == ("set", "bam", "last", "none")
    assert (head["seed"], head["epoch"], head["setting"]) == ("3", "20", "stage1.epochs=2; x=5")
    assert rows["adjusted_accuracy", ""]["n"] == ""


def test_overlapping_groups_have_no_adjusted_average(tmp_path):
    assert ("adjusted_accuracy", "") not in evaluated(tmp_path, is_partition=False)


def test_an_empty_test_group_is_an_error_with_its_name(tmp_path):
    with pytest.raises(DataError) as error:
        evaluated(tmp_path, declared_empty=())
    assert str(error.value) == "group 'd' has no example; declare the cell empty or mend the split"


def test_an_epoch_without_predictions_is_refused(tmp_path):
    with pytest.raises(DataError) as error:
        evaluated(tmp_path, epoch=15)
    assert str(error.value).endswith("test.npz: has no predictions at epoch 15; run `bam select` again")
