"""Each method's updates equal a slow plain-loop implementation (tests/oracles.py)."""

from pathlib import Path

import numpy as np
import pytest
import torch
from torch import nn

from bam.artifacts import read_auxiliary, read_predictions, write_error_set
from bam.data.prepared import open_inputs, open_labels, read_manifest
from bam.error_set import find
from bam.recipe import RunSpec, Training
from bam.run_files import Stage1Files, TrainFiles
from bam.steps import stage1 as stage1_step
from bam.steps.error_set import error_set
from bam.steps.stage1 import stage1
from bam.steps.stage2 import stage2
from bam.steps.train import train
from bam.training.build import Extras, build_model, build_trainer, set_up_torch
from bam.training.inputs import image_inputs
from bam.training.loop import Trainer, epochs
from bam.training.prediction import predict_logits
from bam.training.sampling import build_order
from bam.training.state import load_tensors, save_tensors
from tests import oracles, toy

TOLERANCE = 1e-6
CPU = torch.device("cpu")


def make_trainer(spec: RunSpec, folder: Path, extras: Extras | None = None) -> Trainer:
    set_up_torch(1, "cpu")
    manifest = read_manifest(folder)
    inputs = image_inputs(open_inputs(folder, manifest, "train"), manifest, CPU)
    labels = open_labels(folder, manifest, "train")
    model, extras = build_model(spec, manifest), extras or Extras()
    return build_trainer(spec.training, model, inputs, labels, manifest.n_classes, seed=spec.seed, extras=extras)


def assert_layers_equal(model_state: dict, layers: list) -> None:
    for seen, expected in zip(oracles.layers_of(model_state), layers, strict=True):
        np.testing.assert_allclose(seen[0], expected[0], rtol=0, atol=TOLERANCE)
        np.testing.assert_allclose(seen[1], expected[1], rtol=0, atol=TOLERANCE)


def plain_sgd(layers: list, training: Training) -> oracles.PlainSgd:
    optimizer = training.optimizer
    return oracles.PlainSgd(layers, optimizer.learning_rate, optimizer.momentum, optimizer.weight_decay)


def train_data(folder: Path) -> tuple[np.ndarray, np.ndarray]:
    return oracles.inputs_of(folder, "train"), np.load(folder / "train" / "labels.npy")


@pytest.mark.parametrize("hidden", [(), (5,)], ids=["linear", "mlp"])
@pytest.mark.parametrize("n_classes", [2, 3])
@pytest.mark.parametrize("loss", ["squared", "cross_entropy"])
@pytest.mark.parametrize(("momentum", "weight_decay"), [(0.9, 0.05), (0.0, 0.0)])
def test_stage1_model_and_every_auxiliary_row_move_as_dense_sgd_says(
    tmp_path, hidden, n_classes, loss, momentum, weight_decay
):
    folder = toy.write_toy(tmp_path, n_classes=n_classes)
    settings = toy.auxiliary(3.0, loss, epochs=3, optimizer=toy.sgd(0.02, momentum, weight_decay))
    trainer = make_trainer(toy.spec("stage1", settings, hidden=hidden), folder)
    x, labels = train_data(folder)
    zeros = np.zeros((len(x), n_classes))
    sgd = plain_sgd(oracles.layers_of(trainer.model.state_dict()), settings)
    plain = oracles.PlainStage1(sgd, 3.0, loss, zeros.copy(), zeros.copy())
    assert not trainer.objective.state()["auxiliary"].any()
    for epoch, mean_loss in epochs(trainer, 3):
        expected = plain.epoch(x, labels, trainer.order(epoch).tolist(), 4)
        state = trainer.objective.state()
        assert mean_loss == pytest.approx(expected, abs=1e-5)
        assert_layers_equal(trainer.model.state_dict(), sgd.layers)
        np.testing.assert_allclose(state["auxiliary"].numpy(), plain.b, rtol=0, atol=TOLERANCE)
        np.testing.assert_allclose(state["auxiliary_velocity"].numpy(), plain.v, rtol=0, atol=TOLERANCE)
        np.testing.assert_allclose(trainer.objective.scaled().numpy(), 3.0 * plain.b, rtol=0, atol=3 * TOLERANCE)
    assert np.abs(plain.b).min(axis=1).max() > 100 * TOLERANCE


def test_rows_out_of_the_batch_go_on_by_momentum_within_an_epoch(tmp_path):
    """After each single step, not only where an epoch's end settles all rows."""
    variables_options = {"learning_rate": 0.1, "momentum": 0.9, "device": CPU}
    from bam.training.auxiliary import AuxiliaryVariables

    variables = AuxiliaryVariables(50, 3, **variables_options)
    b, v = np.zeros((50, 3)), np.zeros((50, 3))
    rng = np.random.default_rng(0)
    for step in range(60):
        rows, gradient = rng.choice(50, size=2, replace=False), rng.normal(size=(2, 3))
        seen = variables.rows(torch.from_numpy(rows)).numpy()
        np.testing.assert_allclose(seen, b[rows], rtol=0, atol=TOLERANCE, err_msg=f"step {step}")
        variables.step(torch.from_numpy(gradient).float())
        dense = np.zeros((50, 3))
        for k in range(2):
            dense[rows[k]] = gradient[k]
        for i in range(50):
            v[i] = 0.9 * v[i] + dense[i]
            b[i] = b[i] - 0.1 * v[i]
    np.testing.assert_allclose(variables.all().numpy(), b, rtol=0, atol=TOLERANCE)


def test_lazy_catch_up_over_epochs_with_many_more_rows_than_a_batch(tmp_path):
    folder = toy.write_toy(tmp_path, sizes={"train": 301, "val": 14, "test": 12})
    settings = toy.auxiliary(3.0, "squared", epochs=4, batch_size=3, optimizer=toy.sgd(0.004))
    trainer = make_trainer(toy.spec("stage1", settings, hidden=()), folder)
    x, labels = train_data(folder)
    zeros = np.zeros((len(x), 2))
    sgd = plain_sgd(oracles.layers_of(trainer.model.state_dict()), settings)
    plain = oracles.PlainStage1(sgd, 3.0, "squared", zeros.copy(), zeros.copy())
    for epoch, _ in epochs(trainer, 4):
        plain.epoch(x, labels, trainer.order(epoch).tolist(), 3)
        state = trainer.objective.state()
        np.testing.assert_allclose(state["auxiliary"].numpy(), plain.b, rtol=0, atol=TOLERANCE)
        np.testing.assert_allclose(state["auxiliary_velocity"].numpy(), plain.v, rtol=0, atol=TOLERANCE)


def dropout_model(spec: RunSpec, manifest, pretrained=None) -> nn.Module:
    torch.manual_seed(spec.seed)
    return nn.Sequential(nn.Flatten(), nn.Dropout(0.8), nn.Linear(8, manifest.n_classes))


def test_stage1_predicts_without_b_and_without_dropout(tmp_path, monkeypatch):
    folder = toy.write_toy(tmp_path / "prepared")
    monkeypatch.setattr(stage1_step, "build_model", dropout_model)
    files = Stage1Files.below(tmp_path / "p", tmp_path / "w")
    stage1(toy.spec("stage1", toy.auxiliary(10.0, epochs=3)), folder, files, None, "cpu")
    weights = load_tensors(files.model)
    weight, bias = weights["2.weight"].double().numpy(), weights["2.bias"].double().numpy()
    logits = {split: oracles.inputs_of(folder, split) @ weight.T + bias for split in ("train", "val")}
    seen = {"train": read_predictions(files.train), "val": read_predictions(files.val)}
    for split in ("train", "val"):
        np.testing.assert_array_equal(seen[split].classes[-1], logits[split].argmax(axis=1))
    labels = np.load(folder / "train" / "labels.npy")
    with_b = (logits["train"] + read_auxiliary(files.auxiliary)[3]).argmax(axis=1)
    assert (with_b != seen["train"].classes[-1]).any(), "this toy would not notice b"
    error_set(files.train, folder / "train" / "labels.npy", tmp_path / "error_set.npz")
    mask = np.load(tmp_path / "error_set.npz")["mask"]
    assert mask.tolist() == [int(row.argmax()) != label for row, label in zip(logits["train"], labels, strict=True)]
    assert 0 < mask.sum() < len(mask)


def test_prediction_leaves_the_training_mode_as_it_was(prepared, manifest):
    inputs = image_inputs(open_inputs(prepared, manifest, "val"), manifest, CPU)
    model = dropout_model(toy.spec("train", toy.training()), manifest)
    for mode in (True, False):
        model.train(mode)
        first, second = predict_logits(model, inputs), predict_logits(model, inputs)
        np.testing.assert_array_equal(first, second)
        assert model.training is mode


def test_the_error_set_is_where_prediction_and_label_differ():
    predicted, labels = np.array([0, 1, 2, 2]), np.array([0, 2, 2, 1])
    assert find(predicted, labels).tolist() == [False, True, False, True]


@pytest.mark.parametrize("factor", [1, 2, 7])
def test_an_epoch_of_stage2_visits_the_error_set_mu_times_and_the_rest_once(factor):
    mask = np.array([False, True, False, False, True, False])
    order = build_order(toy.upweighted(factor), 6, 0, mask, None)
    for epoch in (1, 2, 3):
        visits = order(epoch).tolist()
        assert [visits.count(row) for row in range(6)] == [1, factor, 1, 1, factor, 1]
    if factor > 1:
        assert order(1).tolist() != order(2).tolist()


def run_stage2(tmp_path: Path, folder: Path, start: str) -> tuple[RunSpec, dict, TrainFiles, np.ndarray]:
    """Run stage 2 from files, its stage 1 weights being far from a fresh model's."""
    settings = toy.upweighted(4, start, epochs=2, optimizer=toy.sgd(0.05, 0.9, 0.02))
    spec = toy.spec("stage2", settings, keep_weights=("last",))
    mask = np.zeros(23, dtype=bool)
    mask[[2, 3, 11, 17]] = True
    write_error_set(tmp_path / "error_set.npz", mask)
    model = build_model(toy.spec("stage1", settings, seed=9), read_manifest(folder))
    stage1_weights = {name: 1.5 * tensor for name, tensor in model.state_dict().items()}
    save_tensors(tmp_path / "model.safetensors", stage1_weights)
    files = TrainFiles.below(tmp_path / "p", tmp_path / "w", ("last",))
    weights = tmp_path / "model.safetensors" if start == "stage1" else None
    stage2(spec, folder, tmp_path / "error_set.npz", weights, files, "cpu")
    return spec, stage1_weights, files, mask


@pytest.mark.parametrize("start", ["stage1", "fresh"])
def test_stage2_is_plain_sgd_over_the_upweighted_epoch_from_the_right_start(tmp_path, start):
    folder = toy.write_toy(tmp_path / "prepared")
    spec, stage1_weights, files, mask = run_stage2(tmp_path, folder, start)
    if start == "fresh":
        stage1_weights = build_model(spec, read_manifest(folder)).state_dict()
    sgd = plain_sgd(oracles.layers_of(stage1_weights), spec.training)
    x, labels = train_data(folder)
    order = build_order(spec.training, len(x), spec.seed, mask, None)
    losses = [oracles.plain_epoch(sgd, x, labels, order(epoch).tolist(), 4) for epoch in (1, 2)]
    assert len(order(1)) == 23 + 3 * 4
    assert_layers_equal(load_tensors(files.weights["last"]), sgd.layers)
    test = read_predictions(files.test)
    np.testing.assert_allclose(test.train_loss, losses, atol=1e-5)
    logits = np.array([oracles.forward(sgd.layers, row)[-1] for row in oracles.inputs_of(folder, "test")])
    np.testing.assert_array_equal(test.classes[-1], logits.argmax(axis=1))


def test_erm_is_plain_sgd(tmp_path):
    folder = toy.write_toy(tmp_path / "prepared", n_classes=3)
    spec = toy.spec("train", toy.training(epochs=2, optimizer=toy.sgd(0.05, 0.9, 0.1)), keep_weights=("last",))
    files = TrainFiles.below(tmp_path / "p", tmp_path / "w", ("last",))
    train(spec, folder, None, files, "cpu")
    sgd = plain_sgd(oracles.layers_of(build_model(spec, read_manifest(folder)).state_dict()), spec.training)
    x, labels = train_data(folder)
    order = build_order(spec.training, len(x), spec.seed, None, None)
    for epoch in (1, 2):
        assert sorted(order(epoch).tolist()) == list(range(23))
        oracles.plain_epoch(sgd, x, labels, order(epoch).tolist(), 4)
    assert_layers_equal(load_tensors(files.weights["last"]), sgd.layers)


def test_jtt_is_erm_then_a_fresh_model_on_what_erm_misses(tmp_path):
    """The recipe itself, from `methods/jtt.py`, through the steps and files."""
    from bam.methods.jtt import Settings

    folder = toy.write_toy(tmp_path / "prepared")
    optimizer = {"name": "sgd", "learning_rate": 0.02, "momentum": 0.9, "weight_decay": 0.1}
    entry = {"epochs": 2, "batch_size": 4, "optimizer": optimizer}
    recipe = Settings.model_validate({"stage1": entry, "stage2": {**entry, "upweight_factor": 3}}).recipe()
    first, second = (
        toy.spec("stage1", recipe.stage1),
        toy.spec("stage2", recipe.final, keep_weights=("last",)),
    )
    stage1_files = Stage1Files.below(tmp_path / "p1", tmp_path / "w1")
    stage1(first, folder, stage1_files, None, "cpu")
    error_set(stage1_files.train, folder / "train" / "labels.npy", tmp_path / "error_set.npz")
    files = TrainFiles.below(tmp_path / "p2", tmp_path / "w2", ("last",))
    stage2(second, folder, tmp_path / "error_set.npz", stage1_files.model, files, "cpu")

    fresh = build_model(first, read_manifest(folder)).state_dict()
    x, labels = train_data(folder)
    erm = plain_sgd(oracles.layers_of(fresh), recipe.stage1)
    order = build_order(recipe.stage1, len(x), 0, None, None)
    for epoch in (1, 2):
        oracles.plain_epoch(erm, x, labels, order(epoch).tolist(), 4)
    assert_layers_equal(load_tensors(stage1_files.model), erm.layers)
    missed = [int(oracles.forward(erm.layers, x[i])[-1].argmax()) != labels[i] for i in range(len(x))]
    assert 0 < sum(missed) < len(missed)
    rebalanced = plain_sgd(oracles.layers_of(fresh), recipe.final)
    order = build_order(recipe.final, len(x), 0, np.array(missed), None)
    for epoch in (1, 2):
        visits = order(epoch).tolist()
        assert [visits.count(i) for i in range(len(x))] == [3 if m else 1 for m in missed]
        oracles.plain_epoch(rebalanced, x, labels, visits, 4)
    assert_layers_equal(load_tensors(files.weights["last"]), rebalanced.layers)


@pytest.mark.parametrize("adjustment", [0.0, 2.0])
@pytest.mark.parametrize("balanced", [False, True])
def test_group_dro_moves_group_weights_then_the_model(tmp_path, adjustment, balanced):
    folder = toy.write_toy(tmp_path)
    settings = toy.group_dro(0.5, adjustment, balanced=balanced, epochs=2, optimizer=toy.sgd(0.05, 0.9, 0.02))
    groups = np.array([0] * 12 + [1] * 6 + [2] * 4 + [3])
    trainer = make_trainer(toy.spec("train", settings), folder, Extras(groups=groups, n_groups=4))
    x, labels = train_data(folder)
    sgd = plain_sgd(oracles.layers_of(trainer.model.state_dict()), settings)
    plain = oracles.PlainGroupDro(sgd, 0.5, adjustment, [0.25] * 4, [12, 6, 4, 1])
    assert trainer.objective.state()["group_weights"].tolist() == [0.25] * 4
    absent = 0
    for epoch, _ in epochs(trainer, 2):
        order = trainer.order(epoch).tolist()
        absent += sum(len({groups[i] for i in order[k : k + 4]}) < 4 for k in range(0, len(order), 4))
        plain.epoch(x, labels, groups, order, 4)
        np.testing.assert_allclose(trainer.objective.state()["group_weights"].numpy(), plain.q, atol=TOLERANCE)
        assert_layers_equal(trainer.model.state_dict(), sgd.layers)
    assert absent > 0, "no batch lacked a group"
    assert max(plain.q) - min(plain.q) > 0.05


@pytest.mark.parametrize("watch", [(), (1, 2)])
@pytest.mark.parametrize("coefficient", [0.0, 20.0])
def test_going_on_from_a_shorter_run_gives_the_bytes_of_one_run(tmp_path, watch, coefficient):
    folder = toy.write_toy(tmp_path / "prepared")

    def run(name: str, epochs: int, previous: Stage1Files | None) -> Stage1Files:
        files = Stage1Files.below(tmp_path / name / "p", tmp_path / name / "w")
        optimizer = toy.sgd(0.01, 0.9, 0.03)
        kept = tuple(e for e in watch if e < epochs)
        settings = toy.auxiliary(coefficient, epochs=epochs, optimizer=optimizer, watch_epochs=kept)
        stage1(toy.spec("stage1", settings), folder, files, previous, "cpu")
        return files

    at_once = run("at_once", 3, None)
    in_pieces = run("two", 3, run("one", 1, None))
    three_pieces = run("c", 3, run("b", 2, run("a", 1, None)))
    for name in ("train", "val", "auxiliary", "model", "state", "record"):
        expected = getattr(at_once, name).read_bytes()
        assert getattr(in_pieces, name).read_bytes() == expected, name
        assert getattr(three_pieces, name).read_bytes() == expected, name


def test_the_saved_state_is_that_of_model_and_optimiser(tmp_path):
    folder = toy.write_toy(tmp_path / "prepared")
    settings = toy.auxiliary(2.0, epochs=1)
    files = Stage1Files.below(tmp_path / "p", tmp_path / "w")
    stage1(toy.spec("stage1", settings), folder, files, None, "cpu")
    trainer = make_trainer(toy.spec("stage1", settings), folder)
    for _ in epochs(trainer, 1):
        pass
    expected = {**trainer.optimizer.state(), **trainer.objective.state()}
    seen = load_tensors(files.state)
    assert seen.keys() == expected.keys()
    assert {"auxiliary", "auxiliary_velocity", "optimizer/momentum_buffer/1.weight"} <= seen.keys()
    assert all(torch.equal(seen[name], expected[name]) for name in seen)


class WrittenAtOnce:
    """The same variables with every array written whenever it changes: twice a step, by indexing."""

    def __init__(self, n: int, n_classes: int, learning_rate: float, momentum: float) -> None:
        self.learning_rate, self.momentum, self.n_steps = learning_rate, momentum, 0
        self.values, self.velocity = torch.zeros(n, n_classes), torch.zeros(n, n_classes)
        self.current_at = torch.zeros(n, dtype=torch.int64)

    def rows(self, index: torch.Tensor) -> torch.Tensor:
        decay = torch.pow(self.momentum, (self.n_steps - self.current_at[index]).float()).unsqueeze(1)
        reach = self.momentum * (1 - decay) / (1 - self.momentum)
        self.values[index] = self.values[index] - self.learning_rate * reach * self.velocity[index]
        self.velocity[index] = decay * self.velocity[index]
        self.current_at[index] = self.n_steps
        return self.values[index]

    def step(self, index: torch.Tensor, gradient: torch.Tensor) -> None:
        self.velocity[index] = self.momentum * self.velocity[index] + gradient
        self.values[index] -= self.learning_rate * self.velocity[index]
        self.n_steps += 1
        self.current_at[index] = self.n_steps


@pytest.mark.parametrize("resumed", [False, True])
def test_rows_written_once_a_step_have_the_bits_of_rows_written_at_once(resumed: bool):
    """Also where float16 leaves a step out after its rows were asked for, and after going on from a saved state."""
    from bam.training.auxiliary import AuxiliaryVariables

    options = {"learning_rate": 0.1, "momentum": 0.9}
    slow, quick = WrittenAtOnce(97, 3, **options), AuxiliaryVariables(97, 3, **options, device=CPU)
    drawn = torch.Generator().manual_seed(0)
    for step in range(200):
        index = torch.randperm(97, generator=drawn)[: 1 + step % 13]
        assert torch.equal(quick.rows(index), slow.rows(index))
        if step % 7 != 3:
            gradient = torch.randn(len(index), 3, generator=drawn)
            quick.step(gradient)
            slow.step(index, gradient)
        if resumed and step % 20 == 3:  # right after a step that was left out, too
            saved = {key: tensor.clone() for key, tensor in quick.raw_state().items()}
            quick = AuxiliaryVariables(97, 3, **options, device=CPU)
            quick.load_raw(saved)
    state = quick.raw_state()
    assert torch.equal(state["auxiliary"], slow.values)
    assert torch.equal(state["auxiliary_velocity"], slow.velocity)
    assert torch.equal(state["auxiliary_current_at"], slow.current_at)
    assert int(state["auxiliary_n_steps"]) == slow.n_steps
    everything = slow.rows(torch.arange(97))
    assert torch.equal(quick.all(), everything)
