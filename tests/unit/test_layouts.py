"""How a residual network lies in memory, and 16 bits, change a training by no more than is promised."""

import functools

import numpy as np
import pytest
import torch

from bam.recipe import PrecisionName
from bam.training.build import Extras, build_trainer
from bam.training.inputs import ImageInputs
from bam.training.loop import epochs
from bam.training.network import Form, network
from bam.training.prediction import classes_of, predict_logits
from tests import toy

RESNET = {"name": "torchvision", "architecture": "resnet18", "pretrained": None}
CPU, SHAPE = torch.device("cpu"), (3, 64, 64)
PLAIN, LAST = torch.contiguous_format, torch.channels_last
# (layout, precision) -> error of logits after one step, relative to the largest, and of the loss after many.
# A rounding error grows with every step through the kinks of ReLUs, whatever the layout, so only one step is compared
# closely; the loss of the last epochs differs between numbers of threads and processors too.
TOLERANCES: dict[tuple[torch.memory_format, PrecisionName], tuple[float, float]] = {
    (PLAIN, "float32"): (1e-4, 0.1),
    (LAST, "bfloat16"): (0.05, 0.5),
}


@functools.cache
def trained(layout: torch.memory_format, precision: PrecisionName, n: int, n_epochs: int) -> tuple[float, np.ndarray]:
    """Return the last epoch's loss and the training rows' logits, after epochs of n / 8 steps from one start."""
    rng = np.random.default_rng(0)
    labels = np.arange(n) % 2
    images = rng.integers(0, 156, (n, *SHAPE)) + 100 * labels[:, None, None, None]
    inputs = ImageInputs(images.astype(np.uint8), (0.5,) * 3, (0.25,) * 3, CPU)
    torch.manual_seed(0)
    model = network(RESNET, Form("image", SHAPE, 2)).to(memory_format=layout)
    training = toy.training(epochs=n_epochs, batch_size=8, optimizer=toy.sgd(1e-3))
    made = build_trainer(training, model, inputs, labels, 2, seed=0, extras=Extras(), precision=precision)
    losses = [loss for _, loss in epochs(made, n_epochs)]
    return losses[-1], predict_logits(model, inputs, precision)


@pytest.mark.parametrize(("layout", "precision"), TOLERANCES, ids=["plain layout", "bfloat16"])
def test_layout_and_sixteen_bits_train_a_residual_network_within_a_tolerance(layout, precision):
    step_tolerance, loss_tolerance = TOLERANCES[layout, precision]
    (loss, logits), (other_loss, other) = trained(LAST, "float32", 8, 1), trained(layout, precision, 8, 1)
    assert other_loss == pytest.approx(loss, rel=step_tolerance)
    np.testing.assert_allclose(other, logits, rtol=0, atol=step_tolerance * np.abs(logits).max())
    assert not np.array_equal(other, logits)
    (loss, logits), (other_loss, other) = trained(LAST, "float32", 32, 3), trained(layout, precision, 32, 3)
    assert other_loss == pytest.approx(loss, rel=loss_tolerance)
    np.testing.assert_array_equal(classes_of(other), classes_of(logits))
