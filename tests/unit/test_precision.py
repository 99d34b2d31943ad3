"""Mixed precision: close to float32, with float32 weights, losses and auxiliary variables; skipped steps."""

import numpy as np
import pytest
import torch
from torch import nn

from bam.training.build import Extras, build_trainer
from bam.training.inputs import ImageInputs
from bam.training.loop import Trainer, epochs
from bam.training.objectives import AuxiliaryObjective
from bam.training.prediction import predict_logits
from tests import toy

CPU = torch.device("cpu")
# bfloat16 keeps 8 bits: a relative error of 2^-8 a product, over a few dozen small steps.
TOLERANCE = {"bfloat16": 0.03, "float16": 0.005}


def scaled(scale: float) -> dict[str, torch.Tensor]:
    return {"precision/scale": torch.tensor(scale), "precision/good_steps": torch.tensor(0)}


def trainer(precision: str, training=None, n_classes: int = 2, n: int = 48) -> Trainer:
    rng = np.random.default_rng(0)
    labels = np.arange(n) % n_classes
    images = rng.integers(0, 60, (n, 3, 6, 6)) + 60 * labels[:, None, None, None]
    inputs = ImageInputs(images.astype(np.uint8), (0.4,) * 3, (0.3,) * 3, CPU)
    torch.manual_seed(0)
    model = nn.Sequential(nn.Conv2d(3, 8, 3), nn.ReLU(), nn.Flatten(), nn.Linear(128, n_classes))
    settings = training or toy.training(epochs=3, batch_size=8, optimizer=toy.sgd(0.01))
    made = build_trainer(settings, model, inputs, labels, n_classes, seed=0, extras=Extras(), precision=precision)
    made.precision.load(scaled(2.0**10))  # torch's own start is 2^16, at which a first step is often left out
    return made


def trained(precision: str, **options) -> tuple[Trainer, list[float]]:
    made = trainer(precision, **options)
    return made, [loss for _, loss in epochs(made, 3)]


@pytest.mark.parametrize("precision", TOLERANCE)
@pytest.mark.parametrize("kind", ["erm", "stage1"])
def test_sixteen_bits_train_as_thirty_two_do_within_a_tolerance(precision, kind):
    training = toy.auxiliary(5.0, epochs=3, batch_size=8, optimizer=toy.sgd(0.01)) if kind == "stage1" else None
    whole, losses = trained("float32", training=training)
    half, halved = trained(precision, training=training)
    np.testing.assert_allclose(halved, losses, rtol=TOLERANCE[precision])
    expected, seen = (predict_logits(t.model, t.inputs, t.precision.name) for t in (whole, half))
    assert seen.dtype == np.float32
    np.testing.assert_allclose(seen, expected, atol=TOLERANCE[precision] * np.abs(expected).max())
    assert not np.array_equal(seen, expected)
    assert {p.dtype for p in half.model.parameters()} == {torch.float32}
    if kind == "stage1":
        assert isinstance(half.objective, AuxiliaryObjective) and isinstance(whole.objective, AuxiliaryObjective)
        b, wanted = half.objective.scaled(), whole.objective.scaled()
        assert b.dtype == torch.float32
        torch.testing.assert_close(b, wanted, rtol=0, atol=TOLERANCE[precision] * float(wanted.abs().max()))


def test_a_step_whose_gradients_overflow_is_left_out_and_the_scale_is_halved():
    made = trainer("float16", toy.auxiliary(5.0, epochs=1, batch_size=48, optimizer=toy.sgd(0.01)))
    before = {name: p.clone() for name, p in made.model.named_parameters()}
    made.precision.load(scaled(2.0**40))
    list(epochs(made, 1))
    assert all(torch.equal(before[name], p) for name, p in made.model.named_parameters())
    assert isinstance(made.objective, AuxiliaryObjective)
    assert not made.objective.variables.all().any()
    assert float(made.precision.state()["precision/scale"]) == 2.0**39
    made.precision.load(scaled(2.0**10))
    list(epochs(made, 1))
    assert any(not torch.equal(before[name], p) for name, p in made.model.named_parameters())
    assert made.objective.variables.all().any()


def test_clipping_sees_unscaled_gradients():
    settings = toy.sgd(0.01).model_copy(update={"clip_norm": 0.01, "momentum": 0.0})
    made = trainer("float16", toy.training(epochs=1, batch_size=48, optimizer=settings))
    before = [p.clone() for p in made.model.parameters()]
    list(epochs(made, 1))
    moved = torch.cat([(a - b).detach().flatten() for a, b in zip(before, made.model.parameters(), strict=True)])
    assert float(moved.norm()) == pytest.approx(0.01 * 0.01, rel=0.01)


def test_float16_goes_on_from_its_state_exactly():
    training = toy.auxiliary(5.0, epochs=3, batch_size=8, optimizer=toy.sgd(0.01))
    whole, _ = trained("float16", training=training)
    parts = trainer("float16", training)
    list(epochs(parts, 1))
    state = {**parts.optimizer.state(), **parts.objective.state(), **parts.precision.state()}
    state = {key: tensor.clone() for key, tensor in state.items()}
    again = trainer("float16", training)
    again.model.load_state_dict(parts.model.state_dict())
    for part in (again.optimizer, again.objective, again.precision):
        part.load(state)
    list(epochs(again, 3, first=2))
    assert all(torch.equal(a, b) for a, b in zip(whole.model.parameters(), again.model.parameters(), strict=True))


def test_three_classes_pass_through_the_squared_loss_of_stage_1():
    training = toy.auxiliary(5.0, loss="squared", epochs=3, batch_size=8, optimizer=toy.sgd(0.01))
    made, losses = trained("float32", training=training, n_classes=3)
    assert losses[-1] < losses[0]
    assert made.objective.scaled().shape == (48, 3)
    model, index = made.model, torch.arange(8)
    logits, labels = model(made.inputs.batch(index)), made.labels_n[index]
    amplified = logits + made.objective.scaled()[index]
    wanted = sum((amplified[i, c] - float(labels[i] == c)) ** 2 for i in range(8) for c in range(3)) / 8
    assert float(made.objective.loss(logits, labels, index).detach()) == pytest.approx(float(wanted.detach()), rel=1e-5)
