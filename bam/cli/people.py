"""The verbs for people: look, estimate, run without Snakemake, check, take a model away."""

from pathlib import Path
from typing import Annotated

import typer

from bam.cli import options
from bam.errors import ConfigError

Config = Annotated[str, typer.Argument(help="Study config, e.g. config/digits.yaml.")]
ConfigOrList = Annotated[str, typer.Argument(help="Study config, or a list of some, e.g. config/paper.yaml.")]
StudyResults = Annotated[
    Path | None, typer.Option(help="Folder of the study's results; default results/<study>.", file_okay=False)
]


def register(app: typer.Typer) -> None:
    """Add the verbs to the command."""
    for verb in (run, propose, plan, status, cost, show, doctor, verify, rekey, export, predict, spec, fixture):
        app.command(name=verb.__name__, rich_help_panel="For people")(verb)


def run(  # noqa: PLR0913  (a verb's options)
    config: Config,
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


def propose(  # noqa: PLR0913  (a verb's options)
    config: Config,
    dataset: Annotated[str | None, typer.Option(help="Key of `datasets:`; may be left out if there is one.")] = None,
    seed: Annotated[int, typer.Option(help="One seed, 0 or larger.")] = 0,
    epochs: Annotated[int, typer.Option(help="Epochs of each stage 1 that is tried.", min=3)] = 15,
    out: Annotated[Path | None, typer.Option(help="Folder for the runs; default results/<study>/proposal.")] = None,
    data: options.Data = Path("data"),
    sources: options.Sources = options.DEFAULT_SOURCES,
    device: options.Device = "cpu",
) -> None:
    """Propose BAM's λ and T from short stage-1 runs, without any group label."""
    from bam.propose import propose as step

    typer.echo(
        step(
            config,
            dataset=dataset,
            seed=seed,
            n_epochs=epochs,
            out=out,
            data=data,
            sources=sources,
            device=device,
        )
    )


def plan(
    config: ConfigOrList,
    rate: Annotated[
        float | None,
        typer.Option(help="Training examples a second of your device; without it this processor is timed.", min=1e-3),
    ] = None,
    results: StudyResults = None,
    data: options.Data = Path("data"),
    sources: options.Sources = options.DEFAULT_SOURCES,
) -> None:
    """Say what a study will cost before it starts: runs, hours on one core or by a given rate, disk and memory."""
    from bam.costing import describe

    for made, layout in options.read_plans(config, results, data, sources):
        typer.echo(describe(made, layout, rate))


def spec(
    config: Config,
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


def status(
    config: ConfigOrList,
    watch: Annotated[
        float, typer.Option(help="Say it again every so many seconds, until the study ends; 0: once.", min=0, max=86400)
    ] = 0,
    table: Annotated[
        bool, typer.Option("--table", help="Also print the main table as far as it is: finished methods alone.")
    ] = False,
    results: StudyResults = None,
    data: options.Data = Path("data"),
    sources: options.Sources = options.DEFAULT_SOURCES,
) -> None:
    """Say how far a study is: done, running, failed, time left, and the tails of failed logs."""
    if watch and table:
        raise ConfigError("status: --table and --watch do not go together; give one of the two")
    from bam.status import look_at_all
    from bam.watch import watch as step

    plans = options.read_plans(config, results, data, sources)
    if not watch:
        typer.echo(look_at_all(plans).text)
        if table:
            from rich.console import Console

            from bam.partial import partial_table

            console = Console(width=max(120, Console().width))
            for made, layout in plans:
                console.print(partial_table(made, layout))
        return
    step(lambda: look_at_all(plans), watch, typer.echo)


def cost(
    config: Config,
    results: StudyResults = None,
    data: options.Data = Path("data"),
    sources: options.Sources = options.DEFAULT_SOURCES,
) -> None:
    """Print what each step of a study has cost here: runs, seconds and peak memory."""
    from rich.console import Console

    from bam.cost import cost as step
    from bam.layout import Layout

    made = options.read_plan(config, sources)
    console = Console(width=max(120, Console().width))
    console.print(step(made, Layout(data, results or Path("results") / made.study.name)))


def show(
    results: Annotated[list[Path], typer.Argument(help="Folders of studies' results, e.g. results/digits.")],
) -> None:
    """Print the main table of one or several finished studies in percent, and where figures and reports are."""
    from bam.show import show as step

    step(*results)


def doctor(  # noqa: PLR0913  (a verb's options)
    source: Annotated[str, typer.Argument(help="Study config, or a .csv or .parquet file, or a folder of images.")],
    label: Annotated[str | None, typer.Option(help="Of a table: column of the class names.")] = None,
    path: Annotated[str | None, typer.Option(help="Of a table: column of image files.")] = None,
    text: Annotated[str | None, typer.Option(help="Of a table: column of texts.")] = None,
    text_pair: Annotated[str | None, typer.Option(help="Of a table: column of second texts.")] = None,
    attribute: Annotated[
        list[str] | None, typer.Option(help="Of a table: column that makes groups with the label; may be repeated.")
    ] = None,
    split: Annotated[str | None, typer.Option(help="Of a table: column of train, val and test.")] = None,
    folder: Annotated[str | None, typer.Option(help="Of a table: where image files lie, if not beside it.")] = None,
    data: options.Data = Path("data"),
    sources: options.Sources = options.DEFAULT_SOURCES,
) -> None:
    """Look at data before a study: sizes, class and group counts, unreadable files, duplicates; exit 1 on problems."""
    from bam.doctor import diagnose

    named = {"label": label, "path": path, "text": text, "text_pair": text_pair, "split": split, "folder": folder}
    columns: dict[str, object] = {key: value for key, value in named.items() if value is not None}
    if attribute:
        columns["attributes"] = attribute
    described, problems = diagnose(source, columns, data, sources)
    typer.echo(described)
    conclude("" if problems else "no problem found", problems, status=1)


def verify(
    config: Config,
    results: StudyResults = None,
    data: options.Data = Path("data"),
    sources: options.Sources = options.DEFAULT_SOURCES,
) -> None:
    """Check stored files against code, config, data and their own records; exit 2 if any does not match."""
    from bam.layout import Layout
    from bam.verify import verify as step

    made = options.read_plan(config, sources)
    summary, problems = step(made, Layout(data, results or Path("results") / made.study.name))
    conclude(summary, problems)


def rekey(  # noqa: PLR0913  (a verb's options)
    config: Config,
    because: Annotated[str, typer.Option(help="Why the change of code changes no result; kept in each record.")],
    samples: Annotated[int, typer.Option(help="Runs of each step and method to train again and compare.", min=1)] = 1,
    results: StudyResults = None,
    data: options.Data = Path("data"),
    sources: options.Sources = options.DEFAULT_SOURCES,
    device: options.Device = "cpu",
) -> None:
    """Carry finished runs over to the ids of changed code, after training samples of them again, byte for byte."""
    from bam.data.sources import read_sources
    from bam.layout import Layout
    from bam.pipeline import make_data
    from bam.rekey import rekey as step

    made = options.read_plan(config, sources)
    layout = Layout(data, results or Path("results") / made.study.name)
    for dataset in made.datasets.values():
        make_data(dataset, read_sources(sources), layout)
    typer.echo(step(made, layout, because, samples, device))


def export(  # noqa: PLR0913  (a verb's options)
    config: Config,
    method: Annotated[str, typer.Option(help="Key of `methods:`.")],
    out: Annotated[Path, typer.Option(help="Folder for model.safetensors, model.json and the model card.")],
    dataset: Annotated[str | None, typer.Option(help="Key of `datasets:`; may be left out if there is one.")] = None,
    rule: Annotated[str, typer.Option(help="Label-only rule named in keep_weights.")] = "class_difference",
    seed: Annotated[int, typer.Option(help="One seed of the study.")] = 0,
    onnx: Annotated[bool, typer.Option("--onnx", help="Write model.onnx too (needs the extra `onnx`).")] = False,
    results: StudyResults = None,
    data: options.Data = Path("data"),
    sources: options.Sources = options.DEFAULT_SOURCES,
) -> None:
    """Take the model that a label-only rule chose out of a finished study."""
    from bam.data.sources import read_sources
    from bam.export import export as step
    from bam.layout import Layout
    from bam.run import named

    made = options.read_plan(config, sources)
    dataset = named(made.study, dataset, method)
    layout = Layout(data, results or Path("results") / made.study.name)
    raw_sets = read_sources(sources)
    step(made, layout, raw_sets, dataset=dataset, method=method, rule=rule, seed=seed, out=out, with_onnx=onnx)


def predict(
    model: Annotated[Path, typer.Argument(help="Folder that `bam export` wrote.")],
    inputs: Annotated[
        Path, typer.Option(help=".csv or .parquet, folder of images, or .npy of uint8 (n, channels, height, width).")
    ],
    out: Annotated[Path, typer.Option(help="CSV to write: index, predicted class, probabilities in [0, 1].")],
    folder: Annotated[Path | None, typer.Option(help="What image paths in a table are relative to; its own.")] = None,
    device: options.Device = "cpu",
) -> None:
    """Predict new inputs with an exported model; no part of the study is needed."""
    from bam.predict import predict_file

    predict_file(model, inputs, out, device, folder)


def fixture(
    name: Annotated[str, typer.Argument(help="Benchmark: a file of bam/fixtures/.")],
    out: Annotated[Path, typer.Option(help="Folder to write to; then usable as BAM_MIRROR.")],
    scale: Annotated[float, typer.Option(help="Share of the published number of examples, above 0, at most 1.")] = 1.0,
    seed: Annotated[int, typer.Option(help="Seed of the contents.", min=0)] = 0,
    set_: Annotated[list[str] | None, typer.Option("--set", help="Option of this benchmark, as name=value.")] = None,
) -> None:
    """Write generated raw archives in a benchmark's published layout, at any scale."""
    from bam.fixture import write

    write(name, out, scale, seed, set_ or [])


def conclude(summary: str, problems: list[str], status: int = 2) -> None:
    """Print the outcome of a check and leave with a status if there are problems."""
    for problem in problems:
        typer.echo(f"- {problem}")
    found = f"{len(problems)} problem{'s' * (len(problems) != 1)} found"
    typer.echo("\n".join(line for line in (summary, found if problems else "") if line))
    if problems:
        raise typer.Exit(status)
