"""Trainings on random inputs: the networks that the overhead is measured with, and their bare loops."""

from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
from torch import Tensor
from torch.nn import functional

from bam.recipe import Auxiliary, CrossEntropy, EveryExample, Sgd, Training
from bam.training.build import Extras, build_trainer
from bam.training.inputs import ImageInputs, Inputs, TextInputs
from bam.training.loop import Trainer
from bam.training.network import Form, network

SGD = Sgd(name="sgd", learning_rate=1e-3, momentum=0.9, weight_decay=0.0)
N_IDS, PAD_ID = 2_000, 0
BERT = {
    "model_type": "bert",
    "vocab_size": N_IDS,
    "hidden_size": 128,
    "num_hidden_layers": 2,
    "num_attention_heads": 2,
    "intermediate_size": 512,
}
RESNET = {"name": "torchvision", "architecture": "resnet18", "pretrained": None}


@dataclass(frozen=True)
class Case:
    """A network, its inputs, and how much of them an epoch has.

    Attributes
    ----------
    shape : (channels, height, width) of images, (L,) of texts
    n_visited : rows that an epoch visits
    n_repeats : pairs that are timed
    """

    name: str
    model: dict[str, Any]
    shape: tuple[int, ...]
    batch_size: int
    n_visited: int
    n_repeats: int

    @property
    def is_text(self) -> bool:
        """Whether inputs are token ids."""
        return len(self.shape) == 1


MLP = Case("MLP 2x8x8", {"name": "mlp", "hidden": [128]}, (2, 8, 8), 64, 20_000, 21)
LENET = Case("LeNet 2x28x28", {"name": "lenet"}, (2, 28, 28), 64, 3_200, 41)
RESNET_64 = Case("ResNet-18 3x64x64", RESNET, (3, 64, 64), 32, 192, 11)
RESNET_224 = Case("ResNet-18 3x224x224", RESNET, (3, 224, 224), 8, 16, 11)
TINY_BERT = Case("tiny BERT, 64 tokens", {"name": "huggingface", "config": BERT}, (64,), 32, 256, 41)


def make_trainer(case: Case, *, n_rows: int | None = None, auxiliary: bool = False) -> Trainer:
    """Return a trainer at its first step; with auxiliary variables of strength 0.1 if asked.

    Parameters
    ----------
    n_rows
        Rows that the training split has; an epoch visits `case.n_visited` of them. The inputs of the rest are not
        made: what n rows cost is bookkeeping. None for those visited alone.
    """
    rng = np.random.default_rng(0)
    n = n_rows or case.n_visited
    labels = rng.integers(0, 2, n)
    torch.manual_seed(0)
    form = Form("text" if case.is_text else "image", case.shape, 2, PAD_ID, N_IDS)
    trainer = build_trainer(
        Training(
            epochs=1,
            batch_size=case.batch_size,
            optimizer=SGD,
            objective=Auxiliary(coefficient=0.1, loss="cross_entropy") if auxiliary else CrossEntropy(),
            sampling=EveryExample(),
            start="fresh",
        ),
        network(case.model, form),
        _inputs(case, rng),
        labels,
        2,
        seed=0,
        extras=Extras(),
    )
    if n > case.n_visited:
        visited = torch.randperm(case.n_visited, generator=torch.Generator().manual_seed(0))
        trainer.order = lambda _: visited
    return trainer


def _inputs(case: Case, rng: np.random.Generator) -> Inputs:
    cpu = torch.device("cpu")
    if case.is_text:
        ids = rng.integers(1, N_IDS, (case.n_visited, *case.shape), dtype=np.int32)
        return TextInputs(ids, None, PAD_ID, cpu, trim=True)
    pixels = rng.integers(0, 256, (case.n_visited, *case.shape), dtype=np.uint8)
    n_channels = case.shape[0]
    return ImageInputs(pixels, (0.1,) * n_channels, (0.3,) * n_channels, cpu)


def torch_sgd(trainer: Trainer) -> torch.optim.Optimizer:
    """Return torch's own fused SGD with the settings of ours."""
    return torch.optim.SGD(
        trainer.model.parameters(), lr=SGD.learning_rate, momentum=SGD.momentum, weight_decay=0.0, fused=True
    )


def bare_epoch(trainer: Trainer, optimizer: torch.optim.Optimizer) -> None:
    """Do the same mathematics and nothing else; `trainer` only holds model, rows and labels."""
    model, labels = trainer.model, trainer.labels_n
    inputs: Any = trainer.inputs
    model.train()
    for index_B in torch.split(trainer.order(1), trainer.batch_size):
        optimizer.zero_grad(set_to_none=True)
        x: Tensor
        if isinstance(inputs, TextInputs):
            x = inputs._ids[index_B].long()
        else:
            x = torch.addcmul(inputs._shift, inputs._pixels[index_B], inputs._scale)
        functional.cross_entropy(model(x), labels[index_B]).backward()
        optimizer.step()
