"""What a batch's gradient is taken of: cross-entropy, stage 1's objective, Group-DRO.

Shapes: B batch, C classes, G groups, n training examples.
"""

from typing import Protocol

import torch
from torch import Tensor
from torch.nn import functional

from bam.recipe import Auxiliary, CrossEntropy, GroupDro, Loss, Sgd, Training
from bam.training.auxiliary import AuxiliaryVariables


class Objective(Protocol):
    """One objective, with whatever state it keeps between steps."""

    def loss(self, logits_BC: Tensor, labels_B: Tensor, index_B: Tensor) -> Tensor:
        """Return the scalar loss of a batch; `index_B` are its rows in the training split."""

    def after_backward(self, scale: float) -> None:
        """Update the objective's own state from this step's gradient, which is `scale` times too large."""

    def end_epoch(self) -> None:
        """Settle the state at the end of an epoch."""

    def state(self) -> dict[str, Tensor]:
        """Return the tensors that `load` needs to go on exactly."""

    def load(self, state: dict[str, Tensor]) -> None:
        """Go on from `state()`."""


def per_batch_loss(name: Loss, logits_BC: Tensor, labels_B: Tensor) -> Tensor:
    """Return cross-entropy or squared loss, mean over the batch.

    The squared loss is ‖z - e_y‖² on raw logits, summed over classes (follow-up report, section
    3; authors' code, utils.py, there always with two classes, which fails on MultiNLI).
    """
    if name == "squared":
        one_hot_BC = functional.one_hot(labels_B, logits_BC.shape[1]).to(logits_BC.dtype)
        return (logits_BC - one_hot_BC).square().sum(dim=1).mean()
    return functional.cross_entropy(logits_BC, labels_B)


class CrossEntropyObjective:
    """Mean cross-entropy; no state."""

    def loss(self, logits_BC: Tensor, labels_B: Tensor, index_B: Tensor) -> Tensor:
        """Return the mean cross-entropy of the batch."""
        return per_batch_loss("cross_entropy", logits_BC, labels_B)

    def after_backward(self, scale: float) -> None:
        """Do nothing."""

    def end_epoch(self) -> None:
        """Do nothing."""

    def state(self) -> dict[str, Tensor]:
        """Return nothing."""
        return {}

    def load(self, state: dict[str, Tensor]) -> None:
        """Take nothing."""


class AuxiliaryObjective:
    """Stage 1: ℓ(f(x_i) + λ b_i, y_i), b trained along with the model.

    By the chain rule the gradient on b_i is λ times that on the amplified logits, so b needs no
    graph of its own.
    """

    def __init__(self, settings: Auxiliary, variables: AuxiliaryVariables) -> None:
        self.coefficient = settings.coefficient
        self.loss_name: Loss = settings.loss
        self.variables = variables

    def loss(self, logits_BC: Tensor, labels_B: Tensor, index_B: Tensor) -> Tensor:
        """Return the stage-1 loss of the batch."""
        self._amplified_BC = logits_BC + self.coefficient * self.variables.rows(index_B)
        self._amplified_BC.retain_grad()
        return per_batch_loss(self.loss_name, self._amplified_BC, labels_B)

    def after_backward(self, scale: float) -> None:
        """Take b's step."""
        gradient_BC = self._amplified_BC.grad
        assert gradient_BC is not None
        self.variables.step(self.coefficient / scale * gradient_BC)
        del self._amplified_BC

    def end_epoch(self) -> None:
        """Bring every row up to date, so that a run in pieces rounds as one run does."""
        self.variables.load(self.variables.state())

    def scaled(self) -> Tensor:
        """Return λb, float32 of shape (n, C)."""
        return self.coefficient * self.variables.all()

    def state(self) -> dict[str, Tensor]:
        """Return the auxiliary variables and their momentum."""
        return self.variables.state()

    def load(self, state: dict[str, Tensor]) -> None:
        """Go on from `state()`."""
        self.variables.load(state)


class GroupDroObjective:
    """Online Group-DRO (Sagawa et al. 2020, Algorithm 1).

    q starts uniform over the groups that have an example (a declared empty one has no weight); each
    step q_g <- q_g exp(η (ℓ_g + K/√n_g)), normalised, then the loss is Σ_g q_g ℓ_g, ℓ_g the batch's
    mean cross-entropy in group g (0 if absent).
    """

    def __init__(self, settings: GroupDro, groups_n: Tensor, n_groups: int) -> None:
        counts_G = torch.bincount(groups_n, minlength=n_groups).to(torch.float32)
        self.step_size = settings.step_size
        self.groups_n = groups_n
        self.adjustment_G = settings.adjustment / counts_G.clamp(min=1).sqrt()
        present_G = (counts_G > 0).to(torch.float32)
        self.weights_G = present_G / present_G.sum()

    def loss(self, logits_BC: Tensor, labels_B: Tensor, index_B: Tensor) -> Tensor:
        """Update the group weights from the batch, then return the weighted loss."""
        losses_B = functional.cross_entropy(logits_BC, labels_B, reduction="none")
        members_GB = functional.one_hot(self.groups_n[index_B], len(self.weights_G)).T.to(losses_B.dtype)
        mean_G = (members_GB @ losses_B) / members_GB.sum(dim=1).clamp(min=1)
        weights_G = self.weights_G * torch.exp(self.step_size * (mean_G.detach() + self.adjustment_G))
        self.weights_G = weights_G / weights_G.sum()
        return self.weights_G @ mean_G

    def after_backward(self, scale: float) -> None:
        """Do nothing."""

    def end_epoch(self) -> None:
        """Do nothing."""

    def state(self) -> dict[str, Tensor]:
        """Return the group weights q."""
        return {"group_weights": self.weights_G.clone()}

    def load(self, state: dict[str, Tensor]) -> None:
        """Go on from `state()`."""
        self.weights_G = state["group_weights"].to(self.weights_G.device)


def build_objective(
    training: Training, n_examples: int, n_classes: int, groups_n: Tensor | None, n_groups: int, device: torch.device
) -> Objective:
    """Return the objective that the settings name; `groups_n` is needed by Group-DRO alone."""
    settings = training.objective
    if isinstance(settings, CrossEntropy):
        return CrossEntropyObjective()
    if isinstance(settings, Auxiliary):
        assert isinstance(training.optimizer, Sgd)  # the methods' settings allow no other
        variables = AuxiliaryVariables(
            n_examples,
            n_classes,
            learning_rate=training.optimizer.learning_rate,
            momentum=training.optimizer.momentum,
            device=device,
        )
        return AuxiliaryObjective(settings, variables)
    assert groups_n is not None
    return GroupDroObjective(settings, groups_n, n_groups)
