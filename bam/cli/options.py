"""Options that several verbs share, and how their values are read."""

import json
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from bam.errors import ConfigError

if TYPE_CHECKING:
    from bam.layout import Layout
    from bam.plan import Plan
    from bam.recipe import RunSpec

Data = Annotated[Path, typer.Option(help="Folder of raw and prepared data and of groups.")]
Device = Annotated[str, typer.Option(help="cpu, cuda or mps.")]
Predictions = Annotated[Path, typer.Option(help="Folder to write predictions, record and timing to.")]
Prepared = Annotated[Path, typer.Option(help="Folder of one prepared data set, data/prepared/<id>.")]
Pretrained = Annotated[
    Path | None, typer.Option(help="Folder of pretrained weights, data/pretrained/<id>, if the model starts from any.")
]
Results = Annotated[Path, typer.Option(help="Folder of the study's results, results/<study>.")]
Sources = Annotated[Path, typer.Option(help="Raw sets: where from, sizes in bytes, SHA-256.")]
Spec = Annotated[str, typer.Option(help="RunSpec as JSON, as `bam spec` prints it.")]
StudyOption = Annotated[str, typer.Option("--study", help="Study config: a YAML file, or its content as JSON.")]
Weights = Annotated[Path, typer.Option(help="Folder to write weights to, as safetensors.")]

DEFAULT_SOURCES = Path("config/datasets.yaml")


def read_spec(text: str) -> "RunSpec":
    """Return the RunSpec of a JSON text; ConfigError if it is none."""
    from pydantic import ValidationError

    from bam.config_errors import config_error
    from bam.recipe import RunSpec

    try:
        return RunSpec.model_validate_json(text)
    except ValidationError as error:
        raise config_error(error, RunSpec, "--spec: ") from error


def read_settings(text: str) -> dict[str, Any]:
    """Return a JSON object; ConfigError if it is none."""
    try:
        value = json.loads(text)
    except json.JSONDecodeError as error:
        raise ConfigError(f"--settings: is not JSON ({error})") from error
    if not isinstance(value, dict) or not isinstance(value.get("kind"), str):
        raise ConfigError("--settings: expected a JSON object with a key 'kind'")
    return value


def read_model(text: str) -> dict[str, Any]:
    """Return a `model:` entry from its JSON; ConfigError if it is none."""
    try:
        value = json.loads(text)
    except json.JSONDecodeError as error:
        raise ConfigError(f"--model: is not JSON ({error})") from error
    if not isinstance(value, dict) or not isinstance(value.get("name"), str):
        raise ConfigError("--model: expected a JSON object with a key 'name'")
    return value


def read_plan(study: str, sources: Path) -> "Plan":
    """Return the plan of a study."""
    from bam.data.sources import read_sources
    from bam.plan import make_plan
    from bam.study import read_study

    return make_plan(read_study(study), read_sources(sources))


def read_plans(config: str, results: Path | None, data: Path, sources: Path) -> "list[tuple[Plan, Layout]]":
    """Return the plan of a study, or those of a list of studies, each with where its files lie.

    Raises
    ------
    ConfigError
        If one folder of results is given for several studies.
    """
    from bam.layout import Layout
    from bam.study_list import configs_of

    configs = configs_of(config)
    if results is not None and len(configs) > 1:
        raise ConfigError(
            f"--results: {config} lists {len(configs)} studies, each with its own folder; leave the option out"
        )
    plans = [read_plan(each, sources) for each in configs]
    return [(plan, Layout(data, results or Path("results") / plan.study.name)) for plan in plans]
