"""The model's optimiser: torch's own SGD and AdamW steps, with their state in plain view.

The steps are torch's functional ones. Its optimiser classes would import torch's whole compiler
at their first use, a second a job: as long as many of our small trainings.
"""

from collections.abc import Iterable, Mapping

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
        self._groups = _by_decay(self.parameters, settings)

    @property
    def param_groups(self) -> list[dict[str, list[Tensor]]]:
        """What torch's gradient scaler looks for."""
        return [{"params": self.parameters}]

    def zero_grad(self) -> None:
        """Drop all gradients."""
        for parameter in self.parameters:
            parameter.grad = None

    def has_finite_gradients(self) -> bool:
        """Return whether no gradient is infinite or NaN."""
        gradients = self._gradients(range(len(self.parameters)))
        return bool(torch.stack([gradient.isfinite().all() for gradient in gradients]).all())

    @torch.no_grad()
    def step(self) -> None:
        """Take one step; parameters without a gradient stay as they are, as in torch."""
        if self.settings.clip_norm is not None:
            nn.utils.clip_grad_norm_(self.parameters, self.settings.clip_norm)
        for weight_decay, members in self._groups:
            used = [k for k in members if self.parameters[k].grad is not None]
            if isinstance(self.settings, Sgd):
                self._sgd_step(used, self.settings.momentum, weight_decay)
            else:
                self._adamw_step(used, weight_decay)

    def _gradients(self, used: Iterable[int]) -> list[Tensor]:
        return [gradient for k in used if (gradient := self.parameters[k].grad) is not None]

    def _sgd_step(self, used: list[int], momentum: float, weight_decay: float) -> None:
        sgd(
            [self.parameters[k] for k in used],
            self._gradients(used),
            [self.buffers["momentum_buffer"][k] for k in used],
            fused=True,
            weight_decay=weight_decay,
            momentum=momentum,
            lr=self.learning_rate,
            dampening=0.0,
            nesterov=False,
            maximize=False,
        )

    def _adamw_step(self, used: list[int], weight_decay: float) -> None:
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
            weight_decay=weight_decay,
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


def _by_decay(parameters: list[Tensor], settings: Sgd | AdamW) -> list[tuple[float, list[int]]]:
    """Return (weight decay, numbers of the parameters it is for).

    Biases and the weights of norm layers are the parameters with one dimension, in every network here.
    """
    everything = list(range(len(parameters)))
    if settings.decay == "all":
        return [(settings.weight_decay, everything)]
    decayed = [k for k in everything if parameters[k].dim() > 1]
    return [(settings.weight_decay, decayed), (0.0, [k for k in everything if parameters[k].dim() <= 1])]
