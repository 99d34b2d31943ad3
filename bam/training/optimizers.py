"""The model's optimiser from its settings."""

import torch
from torch import nn

from bam.recipe import AdamW, Sgd


def build_optimizer(model: nn.Module, settings: Sgd | AdamW) -> torch.optim.Optimizer:
    """Return the optimiser over all parameters of the model.

    The auxiliary variables are not among them: they have their own step without weight decay
    (`AuxiliaryVariables`), and stage 2 starts a new optimiser, so momentum does not carry over.
    """
    parameters = list(model.parameters())
    if isinstance(settings, Sgd):
        return torch.optim.SGD(
            parameters,
            lr=settings.learning_rate,
            momentum=settings.momentum,
            weight_decay=settings.weight_decay,
            fused=True,
        )
    return torch.optim.AdamW(parameters, lr=settings.learning_rate, weight_decay=settings.weight_decay, fused=True)
