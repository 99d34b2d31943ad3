"""Auxiliary variables: one trainable vector per training example, added to its logits in stage 1.

Shapes: n training examples, C classes, B batch.
"""

import torch
from torch import Tensor


class AuxiliaryVariables:
    """b of shape (n, C), zero at the start, moved by SGD with dense momentum.

    In the authors' code b is a parameter of the model: its gradient is dense, so the momentum of
    rows out of the batch goes on moving them at every step (v <- m v, b <- b - η v). Here a row
    catches up only when it is next needed, by the sum of the geometric series,

        b <- b - η v m (1 - m^k) / (1 - m),   v <- m^k v     after k steps out of the batch,

    which is the same up to rounding and costs O(B) a step instead of O(n). There is no weight
    decay on b.

    References
    ----------
    BAM, arXiv 2309.06717, stage 1; Hu, Li & Yu 2020 for the idea; authors' code, train.py.
    """

    def __init__(
        self, n_examples: int, n_classes: int, *, learning_rate: float, momentum: float, device: torch.device
    ) -> None:
        self.learning_rate = learning_rate
        self.momentum = momentum
        self._values = torch.zeros(n_examples, n_classes, device=device)
        self._velocity = torch.zeros_like(self._values)
        self._current_at = torch.zeros(n_examples, dtype=torch.int64, device=device)
        self._n_steps = 0
        # What the last `rows` gave, and is written once, after the step: index, values, velocity.
        self._pending: tuple[Tensor, Tensor, Tensor] | None = None

    def rows(self, index_B: Tensor) -> Tensor:
        """Return b of the given, distinct rows, float32 of shape (B, C), up to date with all steps so far."""
        self._settle()
        values, velocity, current_at = (
            torch.index_select(tensor, 0, index_B) for tensor in (self._values, self._velocity, self._current_at)
        )
        values, velocity = self._caught_up(values, velocity, current_at)
        self._pending = index_B, values, velocity
        return values

    def step(self, gradient_BC: Tensor) -> None:
        """Take one SGD step with the gradient on the rows last asked for; all other rows have gradient 0."""
        assert self._pending is not None
        index_B, values, velocity = self._pending
        velocity = self.momentum * velocity + gradient_BC
        self._pending = index_B, values - self.learning_rate * velocity, velocity
        self._n_steps += 1
        self._settle()

    def _caught_up(self, values: Tensor, velocity: Tensor, current_at: Tensor) -> tuple[Tensor, Tensor]:
        """Return values and velocity of some rows after the steps since they were current, in which they were idle."""
        idle_steps = self._n_steps - current_at
        decay = torch.pow(self.momentum, idle_steps.to(values.dtype)).unsqueeze(1)
        reach = self.momentum * (1 - decay) / (1 - self.momentum)
        return values - self.learning_rate * reach * velocity, decay * velocity

    def _settle(self) -> None:
        """Write rows that were asked for: after their step, or without one if it was left out."""
        if self._pending is None:
            return
        index_B, values, velocity = self._pending
        self._values.index_copy_(0, index_B, values)
        self._velocity.index_copy_(0, index_B, velocity)
        self._current_at.index_fill_(0, index_B, self._n_steps)
        self._pending = None

    def _catch_up(self) -> None:
        """Bring every row up to date."""
        self._settle()
        values, velocity = self._caught_up(self._values, self._velocity, self._current_at)
        self._values.copy_(values)
        self._velocity.copy_(velocity)
        self._current_at.fill_(self._n_steps)

    def all(self) -> Tensor:
        """Return b of all rows, float32 of shape (n, C), up to date."""
        self._catch_up()
        return self._values.clone()

    def state(self) -> dict[str, Tensor]:
        """Return what `load` needs to go on exactly; every row is brought up to date first."""
        return {"auxiliary": self.all(), "auxiliary_velocity": self._velocity.clone()}

    def load(self, state: dict[str, Tensor]) -> None:
        """Go on from `state()`."""
        self._values.copy_(state["auxiliary"])
        self._velocity.copy_(state["auxiliary_velocity"])
        self._current_at.zero_()
        self._n_steps = 0
        self._pending = None

    def raw_state(self) -> dict[str, Tensor]:
        """Return all state as it stands within an epoch: bringing rows up to date here would round otherwise."""
        self._settle()
        return {
            "auxiliary": self._values,
            "auxiliary_velocity": self._velocity,
            "auxiliary_current_at": self._current_at,
            "auxiliary_n_steps": torch.tensor(self._n_steps),
        }

    def load_raw(self, state: dict[str, Tensor]) -> None:
        """Go on from `raw_state()`."""
        self._values.copy_(state["auxiliary"])
        self._velocity.copy_(state["auxiliary_velocity"])
        self._current_at.copy_(state["auxiliary_current_at"])
        self._n_steps = int(state["auxiliary_n_steps"])
        self._pending = None
