"""The keys of a study config, typed; `config/README.md` explains each."""

import re
from typing import Annotated, Any

from pydantic import Field

from bam.recipe import PrecisionName
from bam.selection import Scope
from bam.strict import Strict

PER_SEED = "per_seed"
NAME = re.compile(r"[A-Za-z][A-Za-z0-9_]*")
Scalar = int | float | str | bool


class Axis(Strict):
    """A setting and the values that it takes in turn."""

    axis: str = Field(
        description="dotted key below methods, or datasets.<name>.<key>, or model.<key>, or validation_size"
    )
    values: list[Scalar] = Field(min_length=1)


class Analysis(Axis):
    """A sweep along one axis, or over two, with selection within each value or pair of values."""

    across: Axis | None = Field(default=None, description="a second axis: every pair of values is looked at")
    fixed: dict[str, Scalar] = Field(default={}, description="other dotted keys held at one value")


class StudyFile(Strict):
    """The keys of a study config; `config/README.md` explains each."""

    study: str
    seeds: list[Annotated[int, Field(ge=0)]] = Field(min_length=1)
    datasets: dict[str, dict[str, Any]] = Field(min_length=1)
    model: dict[str, Any]
    methods: dict[str, dict[str, Any]] = Field(min_length=1)
    selection: list[str] = Field(min_length=1)
    selection_scope: Scope = "across_seeds"
    validation_size: int | None = Field(
        default=None, ge=1, description="validation examples that selection sees, drawn for each seed; all if absent"
    )
    analyses: dict[str, Analysis] = {}
    predict_every: int = Field(
        default=1, ge=1, description="epochs from one prediction of validation and test to the next; rules see no other"
    )
    keep_logits: list[int] = []
    keep_weights: list[str] = []
    threads: int = Field(default=1, ge=1)
    precision: PrecisionName = Field(
        default="float32", description="of the model's forward and backward pass; weights and losses are float32"
    )
    compile: bool = Field(default=False, description="let torch.compile translate the model, for long trainings")
