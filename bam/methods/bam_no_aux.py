"""BAM without auxiliary variables (λ = 0), a method of its own so that BAM's grid cannot choose it."""

from bam.methods.bam import Amplification, RestartableRebalancing, two_stages
from bam.recipe import Auxiliary, Loss, Recipe
from bam.strict import Strict


class PlainAmplification(Amplification):
    """Stage-1 settings of the ablation."""

    loss: Loss


class Settings(Strict):
    """The `methods: bam_no_aux:` entry of a study."""

    stage1: PlainAmplification
    stage2: RestartableRebalancing

    def recipe(self) -> Recipe:
        """Train stage 1 plainly, then rebalance as BAM does."""
        objective = Auxiliary(coefficient=0.0, loss=self.stage1.loss)
        return two_stages(self.stage1, objective, self.stage2, restart=self.stage2.restart)
