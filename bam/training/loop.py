"""The one training loop: every method runs it, with its own objective, order and start.

It yields after each epoch; predictions, progress and files stay outside the mathematics.
"""

from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from typing import Protocol

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


class Watch(Protocol):
    """What looks on between steps, so that an interrupted training can go on from there (`bam.steps.resume`)."""

    def finished_loss(self, epoch: int) -> float | None:
        """Return the mean loss of an epoch whose steps were all taken before an interruption, else None."""

    def begin(self, epoch: int) -> list[Tensor]:
        """Return the losses of the epoch's steps that were taken before an interruption, none as a rule."""

    def after_step(self, epoch: int, losses: list[Tensor]) -> None:
        """Look on after a step; `losses` are those of the epoch's steps so far."""

    def after_epoch(self, epoch: int, loss: float) -> None:
        """Look on after the last step of an epoch."""


class Unwatched:
    """Looks away."""

    def finished_loss(self, epoch: int) -> float | None:  # noqa: ARG002
        """Return None."""
        return None

    def begin(self, epoch: int) -> list[Tensor]:  # noqa: ARG002
        """Return nothing."""
        return []

    def after_step(self, epoch: int, losses: list[Tensor]) -> None:
        """Do nothing."""

    def after_epoch(self, epoch: int, loss: float) -> None:
        """Do nothing."""


UNWATCHED = Unwatched()


def epochs(trainer: Trainer, n_epochs: int, first: int = 1, watch: Watch = UNWATCHED) -> Iterator[tuple[int, float]]:
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
        loss = watch.finished_loss(epoch)
        if loss is None:
            with global_stream(trainer.seed, "dropout", epoch):
                loss = run_epoch(trainer, epoch, watch)
        watch.after_epoch(epoch, loss)
        yield epoch, loss


def run_epoch(trainer: Trainer, epoch: int, watch: Watch = UNWATCHED) -> float:
    """Take every step of one epoch that is still to take, and return its mean loss over the examples visited."""
    model, optimizer, objective = trainer.model, trainer.optimizer, trainer.objective
    device = trainer.labels_n.device
    model.train()
    parts = torch.split(trainer.order(epoch), trainer.batch_size)
    sizes = [len(index_B) for index_B in parts]
    # Losses stay on the device until the epoch's end, so that no step waits for them.
    losses = watch.begin(epoch)
    left = parts[len(losses) :]
    for k, (index_B, batch) in enumerate(zip(left, batches(trainer.inputs, left), strict=True), len(losses)):
        rows_B = index_B.to(device)
        optimizer.learning_rate = trainer.rate((epoch - 1) * len(parts) + k + 1)
        optimizer.zero_grad()
        logits_BC = trainer.precision.logits(model, batch)
        loss = objective.loss(logits_BC, trainer.labels_n[rows_B], rows_B)
        trainer.precision.step(loss, optimizer, objective.after_backward)
        losses.append(loss.detach())
        watch.after_step(epoch, losses)
    objective.end_epoch()
    per_step = torch.stack(losses).double().cpu()
    if not bool(per_step.isfinite().all()):
        step = int((~per_step.isfinite()).nonzero()[0]) + 1
        raise DivergedError(f"the loss is {per_step[step - 1]:g} at epoch {epoch}, step {step} of {len(sizes)}")
    # The last step's own loss is never computed, but its weights are what is evaluated.
    if not are_finite(model.parameters()):
        raise DivergedError(f"the weights are not finite after epoch {epoch}")
    weights = torch.tensor(sizes, dtype=torch.float64)
    return float((per_step * weights).sum() / weights.sum())


@torch.no_grad()
def are_finite(tensors: Iterable[Tensor]) -> bool:
    """Return whether no entry is infinite or NaN.

    A sum reads each entry once, a tenth of the work of looking at each; it is finite only if all entries are. Finite
    entries may still add up to more than a float holds, so other sums are not taken at their word.
    """
    return all(bool(tensor.sum().isfinite()) or bool(tensor.isfinite().all()) for tensor in tensors)
