"""BAM (Li, Liu, Hu; TMLR 2024; arXiv 2309.06717): bias amplification, then rebalanced training.

Stage 1 minimises 1/n Σ ℓ(f(x_i) + λ b_i, y_i) for T epochs, b_i zero at the start. The error
set E is what the model without b then misses. Stage 2 minimises µ Σ_E ℓ + Σ_rest ℓ with
cross-entropy, going on with the same model (One-M) or with a fresh one (Two-M).
"""

from pydantic import Field, field_validator

from bam.recipe import (
    Auxiliary,
    CrossEntropy,
    EveryExample,
    Loss,
    Optimizer,
    Recipe,
    Sgd,
    Training,
    Upweighted,
    number,
)
from bam.strict import Strict


class Amplification(Strict):
    """Stage-1 settings without those of the auxiliary variables."""

    epochs: int = Field(ge=1, description="T, finished epochs (the authors' 0-based T = 20 is 21)")
    batch_size: int = Field(ge=1)
    optimizer: Sgd
    watch_epochs: list[int] = Field(
        default=[], description="epochs whose predictions and auxiliary variables are kept; not a grid"
    )

    @field_validator("optimizer")
    @classmethod
    def _plain(cls, optimizer: Sgd) -> Sgd:
        """Refuse steps that depend on T, from which no larger T could go on, and clipping, which b would escape."""
        if not optimizer.is_plain:
            raise ValueError("stage 1 takes plain SGD steps: leave schedule and clip_norm to stage 2")
        return optimizer


class AuxiliaryAmplification(Amplification):
    """Stage-1 settings of BAM."""

    auxiliary_coefficient: float = Field(ge=0, description="λ; its effect scales with λ² · learning rate")
    loss: Loss


class Rebalancing(Strict):
    """Stage-2 settings without the choice of One-M or Two-M."""

    upweight_factor: int = Field(ge=1, description="µ, the total weight of an error-set example")
    epochs: int = Field(ge=1)
    batch_size: int = Field(ge=1)
    optimizer: Optimizer


class RestartableRebalancing(Rebalancing):
    """Stage-2 settings of BAM."""

    restart: bool = Field(description="false: One-M, stage 2 continues stage 1's model; true: Two-M")


class Settings(Strict):
    """The `methods: bam:` entry of a study."""

    stage1: AuxiliaryAmplification
    stage2: RestartableRebalancing

    def recipe(self) -> Recipe:
        """Amplify with λ, then rebalance."""
        objective = Auxiliary(coefficient=self.stage1.auxiliary_coefficient, loss=self.stage1.loss)
        return two_stages(self.stage1, objective, self.stage2, restart=self.stage2.restart)


def two_stages(stage1: Amplification, objective: Auxiliary, stage2: Rebalancing, *, restart: bool) -> Recipe:
    """Compose stage 1 and stage 2; `bam_no_aux` and `jtt` are the same with other settings."""
    amplified = f"lambda{number(objective.coefficient)}-{objective.loss}-T{stage1.epochs}"
    return Recipe(
        stage1=Training(
            epochs=stage1.epochs,
            batch_size=stage1.batch_size,
            optimizer=stage1.optimizer,
            objective=objective,
            sampling=EveryExample(),
            start="fresh",
            watch_epochs=tuple(sorted(set(stage1.watch_epochs))),
        ),
        stage1_label=amplified,
        final=Training(
            epochs=stage2.epochs,
            batch_size=stage2.batch_size,
            optimizer=stage2.optimizer,
            objective=CrossEntropy(),
            sampling=Upweighted(factor=stage2.upweight_factor),
            start="fresh" if restart else "stage1",
        ),
        label=f"{amplified}-mu{stage2.upweight_factor}",
    )
