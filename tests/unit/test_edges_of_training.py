"""What training does at the edges of what a data set may be."""

import pytest
import torch

from bam.errors import ConfigError
from bam.models.lenet import Settings, build
from bam.recipe import GroupDro
from bam.training.objectives import GroupDroObjective


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
