"""What a processor's memory layout and 16 bits are worth: a training step of ResNet-50 at 224 x 224."""

from collections.abc import Iterator
from functools import partial

import torch
from torch import nn
from torch.nn import functional

from bam.recipe import PrecisionName
from bam.training.network import Form, network
from bam.training.optimizers import Optimizer
from bam.training.precision import Precision
from benchmarks.pairs import Row, seconds
from benchmarks.trainers import SGD

MODEL = {"name": "torchvision", "architecture": "resnet50", "pretrained": None}
SHAPE, BATCH_SIZE, N_REPEATS = (3, 224, 224), 4, 5


def layouts() -> Iterator[Row]:
    """Yield the time of a step as our networks lie, and with bfloat16, over that of the plain layout in float32."""
    x_B = torch.randn(BATCH_SIZE, *SHAPE, generator=torch.Generator().manual_seed(0))
    labels_B = torch.arange(BATCH_SIZE) % 2
    plain, ours, half = (network(MODEL, Form("image", SHAPE, 2)) for _ in range(3))
    plain.to(memory_format=torch.contiguous_format)
    names: tuple[tuple[nn.Module, PrecisionName], ...] = (
        (plain, "float32"),
        (ours, "float32"),
        (half, "bfloat16"),
    )
    works = tuple(_step(model, name, x_B, labels_B) for model, name in names)
    taken = list(seconds(works, N_REPEATS))
    what = f"over plain layout, float32: ResNet-50 3x224x224, batch {BATCH_SIZE}"
    yield Row(f"channels last {what}", tuple(other / first for first, other, _ in taken))
    yield Row(f"channels last, bfloat16 {what}", tuple(other / first for first, _, other in taken))


def _step(model: nn.Module, name: PrecisionName, x_B: torch.Tensor, labels_B: torch.Tensor) -> partial[None]:
    optimizer, precision = Optimizer(model.train(), SGD), Precision(name, torch.device("cpu"))
    return partial(_take_step, model, optimizer, precision, x_B, labels_B)


def _take_step(
    model: nn.Module, optimizer: Optimizer, precision: Precision, x_B: torch.Tensor, labels_B: torch.Tensor
) -> None:
    optimizer.zero_grad()
    loss = functional.cross_entropy(precision.logits(model, x_B), labels_B)
    precision.step(loss, optimizer, lambda _: None)
