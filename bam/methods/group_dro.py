"""Group-DRO, online (Sagawa et al. 2020, Algorithm 1). Sees the groups of the training split."""

from typing import Literal

from pydantic import Field

from bam.recipe import EveryExample, GroupBalanced, GroupDro, Optimizer, Recipe, Training, number
from bam.strict import Strict


class Settings(Strict):
    """The `methods: group_dro:` entry of a study."""

    epochs: int = Field(ge=1)
    batch_size: int = Field(ge=1)
    optimizer: Optimizer
    step_size: float = Field(gt=0, description="η of the group weights' update, 0.01 in the paper")
    adjustment: float = Field(ge=0, description="K of the generalisation adjustment K/√n_g")
    batches: Literal["group_balanced", "every_example"]

    def recipe(self) -> Recipe:
        """Minimise the group-weighted loss."""
        return Recipe(
            final=Training(
                epochs=self.epochs,
                batch_size=self.batch_size,
                optimizer=self.optimizer,
                objective=GroupDro(step_size=self.step_size, adjustment=self.adjustment),
                sampling=GroupBalanced() if self.batches == "group_balanced" else EveryExample(),
                start="fresh",
            ),
            label=f"lr{number(self.optimizer.learning_rate)}-wd{number(self.optimizer.weight_decay)}"
            f"-K{number(self.adjustment)}",
        )
