"""`predict_every: k`: the training stays the same, its rows are fewer, and tables and `bam plan` say so."""

import json

import numpy as np
import pytest

from bam.artifacts import read_predictions
from bam.costing import describe
from bam.errors import ConfigError
from bam.layout import Layout
from bam.run_files import TrainFiles
from bam.steps.train import train
from bam.tables.captions import predicted_epochs, protocol
from bam.training.state import load_tensors
from tests import toy


def run(prepared, folder, every, epochs=5, **changes):
    spec = toy.spec("train", toy.training(epochs=epochs), predict_every=every, **changes)
    files = TrainFiles.below(folder / "p", folder / "w", spec.keep_weights)
    train(spec, prepared, None, files, "cpu")
    return files


@pytest.mark.parametrize(("every", "epochs"), [(1, [1, 2, 3, 4, 5]), (2, [2, 4, 5]), (5, [5]), (9, [5])])
def test_what_is_predicted_is_what_each_epoch_would_give(prepared, tmp_path, every, epochs):
    whole, part = run(prepared, tmp_path / "whole", 1), run(prepared, tmp_path / "part", every)
    for name in ("val", "test"):
        expected, found = (read_predictions(getattr(files, name)) for files in (whole, part))
        assert found.epochs.tolist() == epochs
        rows = np.array(epochs) - 1
        assert np.array_equal(found.classes, expected.classes[rows])
        assert np.array_equal(found.train_loss, expected.train_loss[rows])


def test_the_kept_weights_are_those_of_the_best_predicted_epoch(prepared, tmp_path):
    kept = run(prepared, tmp_path / "every second", 2, keep_weights=("last", "class_difference"))
    last = run(prepared, tmp_path / "each", 1, keep_weights=("last",))
    for name, tensor in load_tensors(last.weights["last"]).items():
        assert np.array_equal(load_tensors(kept.weights["last"])[name].numpy(), tensor.numpy())


def test_the_rate_counts_every_epoch_that_was_trained(prepared, tmp_path):
    timing = json.loads(run(prepared, tmp_path, 9).timing.read_text())
    assert timing["examples_per_s"] * timing["training_s"] == pytest.approx(5 * toy.SIZES["train"])


def test_final_trainings_change_their_names_and_stage_1_does_not():
    each, second = toy.plan(), toy.plan(predict_every=2)
    assert set(each.stage1) == set(second.stage1)
    assert not set(each.trainings) & set(second.trainings)


def test_logits_are_kept_of_predicted_epochs_alone():
    plan = toy.plan(predict_every=2, keep_logits=[2, 3], methods__erm__epochs=4)
    kept = {run.spec.method: run.spec.keep_logits for run in plan.trainings.values()}
    assert kept == {"erm": (2,), "bam": (2, 3)}
    with pytest.raises(ConfigError) as error:
        toy.plan(predict_every=2, keep_logits=[1])
    message = "keep_logits: 1 is not predicted; predict_every 2 leaves its multiples and the last epoch"
    assert str(error.value).endswith(message)


@pytest.mark.parametrize("value", [0, -1, 1.5, "2", True])
def test_other_values_are_refused(value):
    with pytest.raises(ConfigError, match=r"predict_every: .* is not allowed"):
        toy.plan(predict_every=value)


def test_captions_say_which_epochs_rules_choose_among():
    assert predicted_epochs(toy.plan()) == ""
    words = "Validation and test are predicted at each 2nd epoch and the last: rules choose among these."
    assert words in protocol(toy.plan(predict_every=2))
    assert "after the last epoch only, so no rule chooses an epoch" in protocol(toy.plan(predict_every=3))


def test_plan_lists_what_each_choice_costs(tmp_path):
    """By hand: ERM 2 settings and BAM 2 x 2, each with 2 seeds: 12 final trainings of 4 epochs, 899 to predict."""
    plan = toy.plan(predict_every=3, methods__erm__epochs=4, methods__bam__stage2__epochs=4)
    assert len(plan.trainings) == 12
    text = describe(plan, Layout(tmp_path, tmp_path), rate=1000.0).split("predict_every ")[1]
    rows = {line.split()[0]: line.split() for line in text.splitlines()[1:-1]}
    assert list(rows) == ["1", "2", "3", "4"]
    assert rows["3"][1] == "*"
    assert rows["4"][1:4] == ["(last", "epoch", "only)"]
    n = 359 + 540
    expected = {"1": 4, "2": 2, "3": 2, "4": 1}
    for every, n_predicted in expected.items():
        assert float(rows[every][-1]) == pytest.approx(12 * n_predicted * n / 1e6, abs=0.005)
    hours = {every: float(row[-2]) for every, row in rows.items()}
    assert hours["1"] - hours["4"] == pytest.approx(12 * 3 * n / 3000 / 3600, abs=0.001)
    own = describe(toy.plan(predict_every=3), Layout(tmp_path, tmp_path), rate=1000.0)
    assert own.splitlines()[-1] == "* this study's. Rules choose among the predicted epochs alone"
