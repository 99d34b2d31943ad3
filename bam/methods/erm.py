"""ERM: empirical risk minimisation, cross-entropy over all examples alike."""

from pydantic import Field

from bam.recipe import CrossEntropy, EveryExample, Optimizer, Recipe, Training, number
from bam.strict import Strict


class Settings(Strict):
    """The `methods: erm:` entry of a study."""

    epochs: int = Field(ge=1)
    batch_size: int = Field(ge=1)
    optimizer: Optimizer

    def recipe(self) -> Recipe:
        """Train once on every example."""
        return Recipe(
            final=Training(
                epochs=self.epochs,
                batch_size=self.batch_size,
                optimizer=self.optimizer,
                objective=CrossEntropy(),
                sampling=EveryExample(),
                start="fresh",
            ),
            label=f"lr{number(self.optimizer.learning_rate)}-wd{number(self.optimizer.weight_decay)}",
        )
