"""Our optimiser takes torch's own steps, and starts again from its state exactly."""

import copy
import subprocess
import sys

import pytest
import torch
from torch import nn

from bam.recipe import AdamW, Sgd
from bam.training.optimizers import Optimizer

SETTINGS = {
    "sgd": (
        Sgd(name="sgd", learning_rate=0.1, momentum=0.9, weight_decay=0.01),
        lambda p: torch.optim.SGD(p, lr=0.1, momentum=0.9, weight_decay=0.01, fused=True),
    ),
    "sgd without momentum": (
        Sgd(name="sgd", learning_rate=0.1, momentum=0.0, weight_decay=0.0),
        lambda p: torch.optim.SGD(p, lr=0.1, fused=True),
    ),
    "adamw": (
        AdamW(name="adamw", learning_rate=0.01, weight_decay=0.1),
        lambda p: torch.optim.AdamW(p, lr=0.01, weight_decay=0.1, fused=True),
    ),
}


def steps(model: nn.Module, optimizer, n: int, first: int = 0) -> None:
    for k in range(first, first + n):
        x = torch.randn(8, 3, generator=torch.Generator().manual_seed(k))
        optimizer.zero_grad()
        model(x).square().mean().backward()
        optimizer.step()


@pytest.mark.parametrize("name", SETTINGS)
def test_steps_are_torch_s_own_bit_for_bit(name):
    settings, make = SETTINGS[name]
    torch.manual_seed(0)
    ours = nn.Linear(3, 2)
    theirs = copy.deepcopy(ours)
    steps(ours, Optimizer(ours, settings), 5)
    steps(theirs, make(theirs.parameters()), 5)
    assert all(torch.equal(a, b) for a, b in zip(ours.parameters(), theirs.parameters(), strict=True))


@pytest.mark.parametrize("name", SETTINGS)
def test_going_on_from_the_state_is_exact(name):
    settings, _ = SETTINGS[name]
    torch.manual_seed(0)
    whole = nn.Linear(3, 2)
    parts = copy.deepcopy(whole)
    steps(whole, Optimizer(whole, settings), 5)
    first = Optimizer(parts, settings)
    steps(parts, first, 2)
    second = Optimizer(parts, settings)
    second.load({key: tensor.clone() for key, tensor in first.state().items()})
    steps(parts, second, 3, first=2)
    assert all(torch.equal(a, b) for a, b in zip(whole.parameters(), parts.parameters(), strict=True))


def test_training_does_not_import_the_compiler():
    code = (
        "import sys, torch\n"
        "from bam.recipe import Sgd\n"
        "from bam.training.build import set_up_torch\n"
        "from bam.training.optimizers import Optimizer\n"
        "set_up_torch(1, 'cpu')\n"
        "model = torch.nn.Linear(2, 2)\n"
        "optimizer = Optimizer(model, Sgd(name='sgd', learning_rate=0.1, momentum=0.9, weight_decay=0.0))\n"
        "model(torch.ones(1, 2)).sum().backward(); optimizer.step()\n"
        "assert torch.are_deterministic_algorithms_enabled()\n"
        "assert 'torch._dynamo' not in sys.modules\n"
    )
    subprocess.run([sys.executable, "-c", code], check=True)
