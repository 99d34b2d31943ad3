"""JTT (Liu et al. 2021): ERM for T epochs with JTT's own settings, then a fresh model, upweighted."""

from bam.methods.bam import Amplification, Rebalancing, two_stages
from bam.recipe import Auxiliary, Recipe
from bam.strict import Strict


class Settings(Strict):
    """The `methods: jtt:` entry of a study."""

    stage1: Amplification
    stage2: Rebalancing

    def recipe(self) -> Recipe:
        """Find the error set by early-stopped ERM, then train from scratch on the upweighted set."""
        objective = Auxiliary(coefficient=0.0, loss="cross_entropy")
        return two_stages(self.stage1, objective, self.stage2, restart=True)
