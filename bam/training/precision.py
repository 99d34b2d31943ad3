"""Mixed precision: the model's arithmetic in 16 bits, its weights, losses and auxiliary variables in 32."""

from collections.abc import Callable
from contextlib import nullcontext
from typing import Any

import torch
from torch import Tensor, nn

from bam.recipe import PrecisionName
from bam.training.optimizers import Optimizer

DTYPES = {"bfloat16": torch.bfloat16, "float16": torch.float16}
SCALE = "precision/scale"
N_GOOD = "precision/good_steps"


class Precision:
    """Runs the forward pass under autocast, and scales losses where float16 would lose small gradients.

    float32 adds nothing to a step, not even an operation. bfloat16 has float32's range, so it needs no
    scaling. With float16 the loss is scaled up before its gradients are taken; a step whose gradients
    overflow is left out, of the model's and of the objective's own, and the scale is halved.

    Parameters
    ----------
    name
        float32, bfloat16 or float16.
    """

    def __init__(self, name: PrecisionName, device: torch.device) -> None:
        self.name = name
        self._device = device
        self._scaler: torch.amp.GradScaler | None = None
        if name == "float16":
            from torch.amp import GradScaler

            self._scaler = GradScaler(device.type)

    def logits(self, model: nn.Module, inputs: Tensor) -> Tensor:
        """Return the model's logits as float32 of shape (B, C), so that losses never are in 16 bits."""
        if self.name == "float32":
            return model(inputs)  # type: ignore[no-any-return]
        with torch.autocast(self._device.type, dtype=DTYPES[self.name]):
            logits: Tensor = model(inputs)
        return logits.float()

    def step(self, loss: Tensor, optimizer: Optimizer, after_backward: Callable[[float], None]) -> None:
        """Take the gradients of a loss, then the objective's own step, then the optimiser's.

        Parameters
        ----------
        after_backward
            Gets the factor by which the gradients that it sees are too large.
        """
        if self._scaler is None:
            torch.autograd.backward(loss)
            after_backward(1.0)
            optimizer.step()
            return
        scaler: Any = self._scaler
        torch.autograd.backward(scaler.scale(loss))
        scale = scaler.get_scale()
        scaler.unscale_(optimizer)
        if optimizer.has_finite_gradients():
            after_backward(scale)
            scaler.step(optimizer)
        scaler.update()

    def state(self) -> dict[str, Tensor]:
        """Return what `load` needs to go on exactly."""
        if self._scaler is None:
            return {}
        content = self._scaler.state_dict()
        return {
            SCALE: torch.tensor(self._scaler.get_scale(), dtype=torch.float32),
            N_GOOD: torch.tensor(content["_growth_tracker"], dtype=torch.int64),
        }

    def load(self, state: dict[str, Tensor]) -> None:
        """Go on from `state()`; other entries are passed over."""
        if self._scaler is not None:
            content = self._scaler.state_dict()
            content |= {"scale": float(state[SCALE]), "_growth_tracker": int(state[N_GOOD])}
            self._scaler.load_state_dict(content)


def autocast(name: PrecisionName, device: torch.device) -> Any:
    """Return the context in which a model predicts."""
    return nullcontext() if name == "float32" else torch.autocast(device.type, dtype=DTYPES[name])
