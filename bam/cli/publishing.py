"""The verbs that publish a study and bring it back: thin shells over `bam.publish`, `bam.pull` and `bam.prune`."""

from pathlib import Path
from typing import Annotated

import typer

from bam.cli import options
from bam.cli.people import conclude

Configs = Annotated[list[str], typer.Argument(help="Study configs, e.g. config/digits.yaml; their results are done.")]


def register(app: typer.Typer) -> None:
    """Add the verbs to the command."""
    for verb in (pull, publish, prune):
        app.command(name=verb.__name__, rich_help_panel="For people")(verb)


def pull(
    studies: Annotated[list[str] | None, typer.Argument(help="Published studies; all if none is named.")] = None,
    weights: Annotated[bool, typer.Option("--weights", help="Also weights, from the remote `store`.")] = False,
    inputs: Annotated[bool, typer.Option("--inputs", help="Also prepared inputs, from the remote `store`.")] = False,
    sources: options.Sources = options.DEFAULT_SOURCES,
) -> None:
    """Bring published predictions, labels and groups back and verify them; exit 2 if one is not what it should be."""
    from bam.data.sources import read_sources
    from bam.pull import pull as step

    conclude(*step(studies or [], read_sources(sources), with_weights=weights, with_inputs=inputs))


def publish(
    configs: Configs,
    remote: Annotated[str, typer.Option(help="DVC remote for predictions, labels and groups.")] = "artifacts",
    commit: Annotated[
        str | None, typer.Option(help="Also commit to git what was staged, with this message.", metavar="MESSAGE")
    ] = None,
    sources: options.Sources = options.DEFAULT_SOURCES,
) -> None:
    """Publish finished studies: prune, commit to DVC, copy tables and figures to docs/results/, stage for git."""
    from bam.layout import Layout
    from bam.publish import Job, below_here
    from bam.publish import publish as step

    jobs = []
    for config in configs:
        plan = options.read_plan(config, sources)
        jobs.append(Job(below_here(config), remote, plan, Layout(Path("data"), Path("results") / plan.study.name)))
    step(jobs, lambda words: typer.echo(f"publish: {words}"), commit)


def prune(
    config: Annotated[str, typer.Argument(help="Study config, e.g. config/digits.yaml.")],
    dry_run: Annotated[bool, typer.Option("--dry-run", help="Say what would be deleted, and delete nothing.")] = False,
    sources: options.Sources = options.DEFAULT_SOURCES,
) -> None:
    """Delete runs, tables and figures that the config no longer names; refused while a run that it names is missing."""
    from bam.layout import Layout
    from bam.prune import prune as step

    plan = options.read_plan(config, sources)
    for path in step(plan, Layout(Path("data"), Path("results") / plan.study.name), dry_run=dry_run):
        typer.echo(path)
