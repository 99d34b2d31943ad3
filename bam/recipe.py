"""What a run is: typed, resolved settings, from the optimiser up to the RunSpec that names it.

A method (`bam/methods/`) composes these pieces; a training command receives the finished
RunSpec as JSON and needs nothing else to know what to do. No piece has a scientific default: a
missing learning rate is an error.
"""

from dataclasses import dataclass
from typing import Annotated, Any, Literal

from pydantic import Field

from bam.files import short_hash
from bam.strict import Strict

Loss = Literal["squared", "cross_entropy"]
Step = Literal["stage1", "stage2", "train"]
PrecisionName = Literal["float32", "bfloat16", "float16"]


class Stepping(Strict):
    """What every optimiser may be asked for; the defaults are plain steps."""

    learning_rate: float = Field(gt=0, description="step size at the start")
    schedule: Literal["constant", "linear"] = Field(
        default="constant", description="linear: the step size falls to 0 over all steps of the training"
    )
    clip_norm: float | None = Field(
        default=None, gt=0, description="largest norm of the whole gradient; a longer one is scaled down to it"
    )
    decay: Literal["all", "weights"] = Field(
        default="all", description="weights: no weight decay on biases and on the weights of norm layers"
    )

    @property
    def is_plain(self) -> bool:
        """Whether each step depends on its own gradient alone, whatever the length of the training."""
        return self.schedule == "constant" and self.clip_norm is None


class Sgd(Stepping):
    """Stochastic gradient descent with momentum, as `torch.optim.SGD`."""

    name: Literal["sgd"]
    momentum: float = Field(ge=0, lt=1)
    weight_decay: float = Field(ge=0, description="L2 coefficient, added to the gradient")


class AdamW(Stepping):
    """Adam with decoupled weight decay, as `torch.optim.AdamW`."""

    name: Literal["adamw"]
    weight_decay: float = Field(ge=0, description="decoupled, multiplied by the learning rate")


Optimizer = Annotated[Sgd | AdamW, Field(discriminator="name")]


class CrossEntropy(Strict):
    """Mean cross-entropy of the batch."""

    name: Literal["cross_entropy"] = "cross_entropy"


class Auxiliary(Strict):
    """Stage 1: loss of f(x_i) + λ b_i, with one trainable vector b_i per example."""

    name: Literal["auxiliary"] = "auxiliary"
    coefficient: float = Field(ge=0, description="λ")
    loss: Loss


class GroupDro(Strict):
    """Online Group-DRO: Σ_g q_g ℓ_g with exponentiated-gradient weights q."""

    name: Literal["group_dro"] = "group_dro"
    step_size: float = Field(gt=0, description="η of the weights' update")
    adjustment: float = Field(ge=0, description="K of the generalisation adjustment K/√n_g")


class EveryExample(Strict):
    """Each epoch visits every example once, in a new random order."""

    name: Literal["every_example"] = "every_example"


class Upweighted(Strict):
    """Each epoch visits error-set examples `factor` times and all others once."""

    name: Literal["upweighted"] = "upweighted"
    factor: int = Field(ge=1, description="µ, the total weight of an error-set example")


class GroupBalanced(Strict):
    """Each epoch draws n rows with replacement, all groups equally likely."""

    name: Literal["group_balanced"] = "group_balanced"


class Training(Strict):
    """One training: what is minimised, how, over which rows, starting from what."""

    epochs: int = Field(ge=1)
    batch_size: int = Field(ge=1)
    optimizer: Optimizer
    objective: Annotated[CrossEntropy | Auxiliary | GroupDro, Field(discriminator="name")]
    sampling: Annotated[EveryExample | Upweighted | GroupBalanced, Field(discriminator="name")]
    start: Literal["fresh", "stage1"]
    watch_epochs: tuple[int, ...] = Field(
        default=(), description="stage 1: epochs whose predictions and auxiliary variables are kept"
    )

    @property
    def needs_groups(self) -> bool:
        """Whether this training sees the groups of the training split."""
        return isinstance(self.objective, GroupDro) or isinstance(self.sampling, GroupBalanced)


@dataclass(frozen=True)
class Recipe:
    """What one resolved setting of a method trains: at most one stage 1, then the final training.

    The labels go into folder names, so that a reader sees the main settings.
    """

    final: Training
    label: str
    stage1: Training | None = None
    stage1_label: str = ""

    @property
    def needs_train_groups(self) -> bool:
        """Whether training itself sees the groups of the training split."""
        return self.final.needs_groups


class RunSpec(Strict):
    """Everything that can change one run's result; its hash is the run's id."""

    step: Step
    method: str
    dataset: str = Field(description="id of the prepared data set")
    model: dict[str, Any]
    training: Training
    seed: int = Field(ge=0)
    threads: int = Field(ge=1)
    precision: PrecisionName
    keep_logits: tuple[int, ...]
    keep_weights: tuple[str, ...]
    stage1: str | None = Field(description="id of the stage 1 that stage 2 builds on")
    groups: str | None = Field(description="id of the training groups, for a method that trains on them")
    code: str = Field(description="digest of the code that computes it")
    pretrained: str | None = Field(default=None, description="id of the pretrained weights that a fresh model loads")
    compile: bool = Field(default=False, description="whether the model goes through torch.compile")
    predict_every: int = Field(
        default=1,
        ge=1,
        description="final training: validation and test are predicted each so many epochs, and at last",
    )

    @property
    def id(self) -> str:
        """Eight hex digits."""
        return short_hash(self.model_dump(mode="json"))

    @property
    def result_id(self) -> str:
        """Return the id of the trained model alone: the same whatever else stage 1 keeps a record of."""
        training = self.training.model_copy(update={"watch_epochs": ()})
        return self.model_copy(update={"training": training}).id

    def predicts(self, epoch: int) -> bool:
        """Return whether validation and test are predicted after an epoch of the final training."""
        return is_predicted(epoch, self.training.epochs, self.predict_every)


def is_predicted(epoch: int, n_epochs: int, every: int) -> bool:
    """Return whether an epoch is one of each so many, or the last, which the rule `last` needs.

    >>> [epoch for epoch in range(1, 8) if is_predicted(epoch, 7, every=3)]
    [3, 6, 7]
    """
    return epoch % every == 0 or epoch == n_epochs


def number(value: float) -> str:
    """Format a number for a folder name: 50.0 -> '50', 0.05 -> '0.05'."""
    return f"{value:g}"
