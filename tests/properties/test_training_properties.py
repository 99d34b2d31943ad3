"""What must hold of training whatever the data: visits, and methods that reduce to ERM bit for bit."""

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from bam.artifacts import read_predictions, write_error_set
from bam.run_files import Stage1Files, TrainFiles
from bam.steps.stage1 import stage1
from bam.steps.stage2 import stage2
from bam.steps.train import train
from bam.training.sampling import build_order
from bam.training.state import load_tensors
from bam.upweighting import epoch_index
from tests import toy

masks = st.lists(st.booleans(), min_size=1, max_size=30).map(np.array)


@given(masks, st.integers(1, 9), st.integers(0, 5), st.integers(1, 4))
@settings(max_examples=60, deadline=None)
def test_every_epoch_visits_error_rows_mu_times_and_others_once(mask, factor, seed, epoch):
    expected = [factor if missed else 1 for missed in mask.tolist()]
    rows = epoch_index(mask, factor)
    assert rows.dtype == np.int64
    assert [rows.tolist().count(i) for i in range(len(mask))] == expected
    visits = build_order(toy.upweighted(factor), len(mask), seed, mask, None)(epoch).tolist()
    assert [visits.count(i) for i in range(len(mask))] == expected


@given(masks, st.integers(0, 5))
@settings(max_examples=30, deadline=None)
def test_mu_one_visits_each_example_once_in_erms_own_order(mask, seed):
    upweighted = build_order(toy.upweighted(1), len(mask), seed, mask, None)
    erm = build_order(toy.training(), len(mask), seed, None, None)
    assert upweighted(1).tolist() == erm(1).tolist()
    assert sorted(upweighted(1).tolist()) == list(range(len(mask)))


@given(st.lists(st.integers(0, 5), min_size=1, max_size=40), st.integers(0, 5))
@settings(max_examples=40, deadline=None)
def test_group_balanced_epochs_draw_n_rows_of_present_groups(groups, seed):
    order = build_order(toy.group_dro(0.1, 0.0, balanced=True), len(groups), seed, None, np.array(groups))
    rows = order(1)
    assert len(rows) == len(groups)
    assert 0 <= int(rows.min()) <= int(rows.max()) < len(groups)
    assert torch.equal(rows, order(1))


def test_group_balanced_epochs_draw_groups_and_rows_within_them_about_uniformly():
    groups = np.array([5, 0, 2] + [0] * 3997)
    np.random.default_rng(0).shuffle(groups)
    rows = build_order(toy.group_dro(0.1, 0.0, balanced=True), 4000, 0, None, groups)(1).numpy()
    for group in (0, 2, 5):  # 1, 3 and 4 are empty; 5 standard deviations of a share of 1/3
        assert abs((groups[rows] == group).mean() - 1 / 3) < 5 * np.sqrt(2 / 9 / 4000)
    within = np.unique(rows[groups[rows] == 0]).size
    assert abs(within - 3998 * (1 - np.exp(-1333 / 3998))) < 100


def final_weights(tmp_path, name: str) -> TrainFiles:
    return TrainFiles.below(tmp_path / name / "p", tmp_path / name / "w", ("last",))


def erm(tmp_path, folder, seed: int, n_epochs: int = 3) -> TrainFiles:
    files = final_weights(tmp_path, "erm")
    settings = toy.training(epochs=n_epochs, optimizer=toy.sgd(0.05, 0.9, 0.01))
    train(toy.spec("train", settings, seed=seed, keep_weights=("last",)), folder, None, files, "cpu")
    return files


@pytest.mark.parametrize("seed", [0, 3])
@pytest.mark.parametrize("n_epochs", [1, 3])
def test_lambda_zero_with_cross_entropy_is_erm_bit_for_bit(tmp_path, seed, n_epochs):
    folder = toy.write_toy(tmp_path / "prepared")
    expected = erm(tmp_path, folder, seed, n_epochs)
    files = Stage1Files.below(tmp_path / "p", tmp_path / "w")
    settings = toy.auxiliary(0.0, "cross_entropy", epochs=n_epochs, optimizer=toy.sgd(0.05, 0.9, 0.01))
    stage1(toy.spec("stage1", settings, seed=seed), folder, files, None, "cpu")
    assert files.model.read_bytes() == expected.weights["last"].read_bytes()
    np.testing.assert_array_equal(read_predictions(files.val).classes[-1], read_predictions(expected.val).classes[-1])
    assert read_predictions(files.val).train_loss[-1] == read_predictions(expected.val).train_loss[-1]
    assert not load_tensors(files.state)["auxiliary"].any()


@pytest.mark.parametrize(("n_epochs", "is_same"), [(1, True), (2, False)])
def test_lambda_changes_no_network_before_the_second_epoch(tmp_path, n_epochs, is_same):
    """Each auxiliary variable is 0 when its example is seen for the first time."""
    folder = toy.write_toy(tmp_path / "prepared")
    models = []
    for coefficient in (0.0, 5.0):
        files = Stage1Files.below(tmp_path / f"p{coefficient}", tmp_path / f"w{coefficient}")
        settings = toy.auxiliary(coefficient, epochs=n_epochs, optimizer=toy.sgd(0.05, 0.9, 0.01))
        stage1(toy.spec("stage1", settings), folder, files, None, "cpu")
        models.append(files.model.read_bytes())
    assert (models[0] == models[1]) is is_same


@pytest.mark.parametrize("seed", [0, 3])
def test_mu_one_with_restart_is_erm_bit_for_bit(tmp_path, seed):
    folder = toy.write_toy(tmp_path / "prepared")
    expected = erm(tmp_path, folder, seed)
    write_error_set(tmp_path / "error_set.npz", np.arange(23) % 3 == 0)
    files = final_weights(tmp_path, "restarted")
    settings = toy.upweighted(1, "fresh", epochs=3, optimizer=toy.sgd(0.05, 0.9, 0.01))
    spec = toy.spec("stage2", settings, seed=seed, keep_weights=("last",))
    stage2(spec, folder, tmp_path / "error_set.npz", None, files, "cpu")
    for side in ("val", "test"):
        assert getattr(files, side).read_bytes() == getattr(expected, side).read_bytes()
    assert files.weights["last"].read_bytes() == expected.weights["last"].read_bytes()


def test_the_same_spec_gives_the_same_bytes_and_another_seed_others(tmp_path):
    folder = toy.write_toy(tmp_path / "prepared")
    first, again, other = (erm(tmp_path / n, folder, seed) for n, seed in (("a", 0), ("b", 0), ("c", 1)))
    assert first.weights["last"].read_bytes() == again.weights["last"].read_bytes()
    assert first.weights["last"].read_bytes() != other.weights["last"].read_bytes()


def test_weights_are_kept_at_the_epoch_that_the_rule_would_choose(tmp_path):
    from bam import catalogue
    from bam.best_epoch import best_epoch

    folder = toy.write_toy(tmp_path / "prepared")
    labels = np.load(folder / "val" / "labels.npy")
    rules = ("class_difference", "worst_class", "average")
    chosen = set()
    for seed in range(3):
        files = TrainFiles.below(tmp_path / f"p{seed}", tmp_path / f"w{seed}", rules)
        settings = toy.training(epochs=6, optimizer=toy.sgd(0.2))
        train(toy.spec("train", settings, seed=seed, keep_weights=rules), folder, None, files, "cpu")
        for rule in rules:
            epoch = 1 + best_epoch(
                catalogue.load("rule", rule, "test").score(read_predictions(files.val).classes, labels, 2)
            )
            chosen.add(epoch)
            short = TrainFiles.below(tmp_path / f"ps{seed}{rule}", tmp_path / f"ws{seed}{rule}", ("last",))
            settings = toy.training(epochs=epoch, optimizer=toy.sgd(0.2))
            train(toy.spec("train", settings, seed=seed, keep_weights=("last",)), folder, None, short, "cpu")
            assert files.weights[rule].read_bytes() == short.weights["last"].read_bytes()
    assert chosen != {6}
