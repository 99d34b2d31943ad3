"""The model's optimiser: torch's own SGD and AdamW steps, with their state in plain view.

The steps are torch's functional ones. Its optimiser classes would import torch's whole compiler
at their first use, a second a job: as long as many of our small trainings.
"""

from collections.abc import Mapping

import torch
from torch import Tensor, nn
from torch.optim.adamw import adamw
from torch.optim.sgd import sgd

from bam.recipe import AdamW, Sgd

PREFIX = "optimizer/"
BETAS = (0.9, 0.999)
EPSILON = 1e-8


class Optimizer:
    """Moves all parameters of a model by their gradients.

    The auxiliary variables are not among them: they have their own step without weight decay
    (`AuxiliaryVariables`). Stage 2 starts a new optimiser, so momentum does not carry over.

    Attributes
    ----------
    learning_rate : may be changed between steps
    """

    def __init__(self, model: nn.Module, settings: Sgd | AdamW) -> None:
        self.settings = settings
        self.learning_rate = settings.learning_rate
        named = [(name, parameter) for name, parameter in model.named_parameters() if parameter.requires_grad]
        self.names = [name for name, _ in named]
        self.parameters: list[Tensor] = [parameter for _, parameter in named]
        kept = ("momentum_buffer",) if isinstance(settings, Sgd) else ("exp_avg", "exp_avg_sq")
        # A momentum buffer of zeros takes the first gradient exactly, as torch's own first step does.
        self.buffers = {kind: [torch.zeros_like(p) for p in self.parameters] for kind in kept}
        self.steps = [torch.zeros((), dtype=torch.float32, device=p.device) for p in self.parameters]

    def zero_grad(self) -> None:
        """Drop all gradients."""
        for parameter in self.parameters:
            parameter.grad = None

    @torch.no_grad()
    def step(self) -> None:
        """Take one step; parameters without a gradient stay as they are, as in torch."""
        used = [k for k, parameter in enumerate(self.parameters) if parameter.grad is not None]
        if isinstance(self.settings, Sgd):
            self._sgd_step(used, self.settings)
        else:
            self._adamw_step(used, self.settings)

    def _gradients(self, used: list[int]) -> list[Tensor]:
        return [gradient for k in used if (gradient := self.parameters[k].grad) is not None]

    def _sgd_step(self, used: list[int], settings: Sgd) -> None:
        sgd(
            [self.parameters[k] for k in used],
            self._gradients(used),
            [self.buffers["momentum_buffer"][k] for k in used],
            fused=True,
            weight_decay=settings.weight_decay,
            momentum=settings.momentum,
            lr=self.learning_rate,
            dampening=0.0,
            nesterov=False,
            maximize=False,
        )

    def _adamw_step(self, used: list[int], settings: AdamW) -> None:
        adamw(
            [self.parameters[k] for k in used],
            self._gradients(used),
            [self.buffers["exp_avg"][k] for k in used],
            [self.buffers["exp_avg_sq"][k] for k in used],
            [],
            [self.steps[k] for k in used],
            fused=True,
            amsgrad=False,
            beta1=BETAS[0],
            beta2=BETAS[1],
            lr=self.learning_rate,
            weight_decay=settings.weight_decay,
            eps=EPSILON,
            maximize=False,
        )

    def state(self) -> dict[str, Tensor]:
        """Return what `load` needs to go on exactly, as ``optimizer/<kind>/<parameter>``."""
        kinds = self.buffers if isinstance(self.settings, Sgd) else {**self.buffers, "step": self.steps}
        return {
            f"{PREFIX}{kind}/{name}": tensor
            for kind, tensors in kinds.items()
            for name, tensor in zip(self.names, tensors, strict=True)
        }

    def load(self, state: Mapping[str, Tensor]) -> None:
        """Go on from `state()`; other entries are passed over."""
        for key, tensor in self.state().items():
            tensor.copy_(state[key])
