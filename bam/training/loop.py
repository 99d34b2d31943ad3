"""The one training loop: every method runs it, with its own objective, order and start.

It yields after each epoch; predictions, progress and files stay outside the mathematics.
"""

from collections.abc import Iterator
from dataclasses import dataclass

import torch
from torch import Tensor, nn

from bam.training.batches import batches
from bam.training.divergence import DivergedError
from bam.training.inputs import Inputs
from bam.training.objectives import Objective
from bam.training.optimizers import Optimizer
from bam.training.precision import Precision
from bam.training.sampling import Order
from bam.training.schedule import Rate
from bam.training.streams import global_stream


@dataclass
class Trainer:
    """What one training moves: the model, its optimiser, and the objective's own state.

    Attributes
    ----------
    labels_n : int64 tensor of shape (n,), on the device
    order : epoch -> rows to visit
    rate : step, counted from 1 over all epochs -> learning rate
    """

    model: nn.Module
    optimizer: Optimizer
    objective: Objective
    inputs: Inputs
    labels_n: Tensor
    order: Order
    batch_size: int
    seed: int
    rate: Rate
    precision: Precision


def epochs(trainer: Trainer, n_epochs: int, first: int = 1) -> Iterator[tuple[int, float]]:
    """Train, yielding (finished epoch, mean training loss of the epoch).

    Parameters
    ----------
    first
        The first epoch to do, counted from 1: above 1 when going on from a saved state.

    Raises
    ------
    DivergedError
        At the end of the epoch in which a loss or a weight is no longer finite; names epoch and step.
    """
    for epoch in range(first, n_epochs + 1):
        with global_stream(trainer.seed, "dropout", epoch):
            loss = run_epoch(trainer, epoch)
        yield epoch, loss


def run_epoch(trainer: Trainer, epoch: int) -> float:
    """Take every step of one epoch and return its mean loss over the examples visited."""
    model, optimizer, objective = trainer.model, trainer.optimizer, trainer.objective
    device = trainer.labels_n.device
    model.train()
    order = trainer.order(epoch)
    # Losses stay on the device until the epoch's end, so that no step waits for them.
    losses, sizes = [], []
    parts = torch.split(order, trainer.batch_size)
    for k, (index_B, batch) in enumerate(zip(parts, batches(trainer.inputs, parts), strict=True)):
        rows_B = index_B.to(device)
        optimizer.learning_rate = trainer.rate((epoch - 1) * len(parts) + k + 1)
        optimizer.zero_grad()
        logits_BC = trainer.precision.logits(model, batch)
        loss = objective.loss(logits_BC, trainer.labels_n[rows_B], rows_B)
        trainer.precision.step(loss, optimizer, objective.after_backward)
        losses.append(loss.detach())
        sizes.append(len(index_B))
    objective.end_epoch()
    per_step = torch.stack(losses).double().cpu()
    if not bool(per_step.isfinite().all()):
        step = int((~per_step.isfinite()).nonzero()[0]) + 1
        raise DivergedError(f"the loss is {per_step[step - 1]:g} at epoch {epoch}, step {step} of {len(sizes)}")
    # The last step's own loss is never computed, but its weights are what is evaluated.
    if not all(bool(parameter.isfinite().all()) for parameter in model.parameters()):
        raise DivergedError(f"the weights are not finite after epoch {epoch}")
    weights = torch.tensor(sizes, dtype=torch.float64)
    return float((per_step * weights).sum() / weights.sum())
