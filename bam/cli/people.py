"""The verbs for people: look, estimate, run without Snakemake, check, take a model away."""

from pathlib import Path
from typing import Annotated

import typer

from bam.cli import options


def register(app: typer.Typer) -> None:
    """Add the verbs to the command."""
    for verb in (run, plan, spec):
        app.command(name=verb.__name__, rich_help_panel="For people")(verb)


def run(
    config: Annotated[str, typer.Argument(help="Study config, e.g. config/digits.yaml.")],
    method: Annotated[str, typer.Option(help="Key of `methods:`.")],
    out: Annotated[Path, typer.Option(help="Folder for predictions, weights, selection and evaluation.")],
    dataset: Annotated[str | None, typer.Option(help="Key of `datasets:`; may be left out if there is one.")] = None,
    seed: Annotated[int, typer.Option(help="One seed, 0 or larger.")] = 0,
    data: options.Data = Path("data"),
    sources: options.Sources = options.DEFAULT_SOURCES,
    device: options.Device = "cpu",
) -> None:
    """Run one method on one data set with one seed, without Snakemake, and print what each rule finds."""
    from bam.run import run as step

    step(config, dataset=dataset, method=method, seed=seed, out=out, data=data, sources=sources, device=device)


def plan(
    config: Annotated[str, typer.Argument(help="Study config, e.g. config/digits.yaml.")],
    results: Annotated[Path, typer.Option(help="Folder that holds results/<study>.")] = Path("results"),
    data: options.Data = Path("data"),
    sources: options.Sources = options.DEFAULT_SOURCES,
) -> None:
    """Say what a study will cost before it starts: runs, hours on one core, disk and memory."""
    from bam.costing import describe
    from bam.layout import Layout

    made = options.read_plan(config, sources)
    typer.echo(describe(made, Layout(data, results / made.study.name)))


def spec(
    config: Annotated[str, typer.Argument(help="Study config, e.g. config/digits.yaml.")],
    method: Annotated[str, typer.Option(help="Key of `methods:`.")],
    dataset: Annotated[str | None, typer.Option(help="Key of `datasets:`; may be left out if there is one.")] = None,
    seed: Annotated[int, typer.Option(help="One seed, 0 or larger.")] = 0,
    sources: options.Sources = options.DEFAULT_SOURCES,
) -> None:
    """Print the RunSpecs (name, tab, JSON) of one method with one seed, stage 1 before stage 2."""
    from bam.files import canonical_json
    from bam.run import restricted

    made = options.read_plan(restricted(config, dataset, method, seed).json(), sources)
    for each in (*made.stage1.values(), *made.trainings.values()):
        typer.echo(f"{each.name}\t{canonical_json(each.spec.model_dump(mode='json'))}")
