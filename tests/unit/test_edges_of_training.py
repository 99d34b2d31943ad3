"""What training does at the edges of what a data set may be."""

import numpy as np
import pytest
import torch
from torch import nn

from bam.errors import ConfigError
from bam.models.lenet import Settings, build
from bam.recipe import GroupDro
from bam.training.build import Extras, build_trainer
from bam.training.inputs import ImageInputs, TextInputs
from bam.training.loop import Trainer, are_finite, epochs
from bam.training.objectives import GroupDroObjective
from tests import toy

CPU = torch.device("cpu")


@pytest.mark.parametrize("adjustment", [0.0, 1.0])
def test_group_dro_gives_a_group_without_examples_no_weight(adjustment):
    groups = torch.tensor([0, 3, 0, 3, 0])
    objective = GroupDroObjective(GroupDro(step_size=0.1, adjustment=adjustment), groups, 4)
    logits, labels = torch.randn(5, 2, generator=torch.Generator().manual_seed(0)), torch.tensor([0, 1, 0, 1, 1])
    for _ in range(50):
        objective.loss(logits, labels, torch.arange(5))
    weights = objective.weights_G
    assert weights[[1, 2]].tolist() == [0.0, 0.0]
    assert weights.sum().item() == pytest.approx(1.0)
    assert weights[0] > 0
    assert weights[3] > 0


@pytest.mark.parametrize(("side", "padding"), [(8, 0), (15, 0), (3, 2)])
def test_lenet_says_which_images_are_too_small(side, padding):
    with pytest.raises(
        ConfigError, match=f"lenet with padding {padding} does not fit images of {side} x {side} pixels"
    ):
        build(Settings(name="lenet", padding=padding), (1, side, side), 2)


@pytest.mark.parametrize(("side", "padding"), [(8, 2), (16, 0), (28, 0), (28, 2), (4, 2)])
def test_lenet_fits_what_it_says(side, padding):
    model = build(Settings(name="lenet", padding=padding), (3, side, side), 5)
    assert model(torch.zeros(2, 3, side, side)).shape == (2, 5)


def test_gathered_images_are_the_rows_asked_for_also_from_a_file(tmp_path):
    pixels = np.random.default_rng(0).integers(0, 256, (20, 3, 5, 4), dtype=np.uint8)
    np.save(tmp_path / "inputs.npy", pixels)
    index = torch.tensor([7, 0, 19, 7])
    for array in (pixels, np.load(tmp_path / "inputs.npy", mmap_mode="c")):
        gathered = ImageInputs(array, (0.5,) * 3, (0.25,) * 3, CPU).gather(index)
        assert gathered.dtype == torch.uint8
        np.testing.assert_array_equal(gathered.numpy(), pixels[index.numpy()])


@pytest.mark.parametrize("has_segments", [False, True])
def test_gathered_texts_are_the_rows_asked_for(has_segments):
    rng = np.random.default_rng(0)
    ids, segments = rng.integers(1, 99, (20, 6), dtype=np.int32), rng.integers(0, 2, (20, 6), dtype=np.uint8)
    index = torch.tensor([7, 0, 19, 7])
    gathered = TextInputs(ids, segments if has_segments else None, 0, CPU, trim=False).gather(index)
    wanted = np.stack([ids, segments], axis=1)[index.numpy()] if has_segments else ids[index.numpy()]
    assert gathered.dtype == torch.int32
    np.testing.assert_array_equal(gathered.numpy(), wanted)


@pytest.mark.parametrize(
    ("entries", "finite"),
    [
        ([1.0, -2.0], True),
        ([3.0e38, 3.0e38], True),  # their sum is not
        ([1.0, float("inf")], False),
        ([float("inf"), float("-inf")], False),
        ([float("nan"), 0.0], False),
    ],
)
def test_weights_are_finite_if_each_is(entries, finite):
    assert are_finite([torch.zeros(3), nn.Parameter(torch.tensor(entries))]) is finite


def normalised(side: int, n: int, batch_size: int) -> Trainer:
    """Return the trainer of a network whose batch normalisation sees `side` x `side` positions."""
    pixels = np.random.default_rng(0).integers(0, 256, (n, 3, side, side), dtype=np.uint8)
    model = nn.Sequential(
        nn.Conv2d(3, 4, 3, padding=1), nn.BatchNorm2d(4), nn.AdaptiveAvgPool2d(1), nn.Flatten(), nn.Linear(4, 2)
    )
    inputs = ImageInputs(pixels, (0.5,) * 3, (0.25,) * 3, CPU)
    training = toy.training(epochs=1, batch_size=batch_size)
    return build_trainer(training, model, inputs, np.arange(n) % 2, 2, seed=0, extras=Extras())


@pytest.mark.parametrize(("n", "batch_size"), [(9, 4), (5, 1), (1, 8)])
def test_a_last_batch_of_one_is_refused_where_nothing_is_left_to_normalise_over(n, batch_size):
    with pytest.raises(ConfigError) as refused:
        normalised(1, n, batch_size)
    assert str(refused.value) == (
        f"batch_size {batch_size}: leaves a last batch of one of the {n} examples that an epoch visits, and this "
        "model's batch normalisation cannot train on one input of 3 x 1 x 1; take another batch_size"
    )


@pytest.mark.parametrize(("side", "n"), [(1, 8), (1, 10), (2, 9)])
def test_other_last_batches_train_as_they_did(side, n):
    trainer = normalised(side, n, 4)
    assert not trainer.model.state_dict()["1.running_mean"].any()  # the trial was made on a copy
    assert len(list(epochs(trainer, 1))) == 1
