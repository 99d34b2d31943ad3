"""The verbs that the rules call: named files in, named files out, one function each.

Imports stand inside the verbs, so that a verb loads only what it computes with.
"""

import functools
from pathlib import Path
from typing import Annotated

import typer

from bam.cli import options
from bam.errors import ConfigError, DataError

RawFolders = Annotated[
    list[Path] | None, typer.Option(help="Folder of a raw set; once for each that the kind is made from.")
]


def register(app: typer.Typer) -> None:
    """Add the verbs to the command."""
    for verb in (
        fetch,
        prepare,
        annotate,
        pretrained,
        stage1,
        error_set,
        stage2,
        train,
        select,
        evaluate,
        table,
        figure,
        report,
    ):
        app.command(name=verb.__name__.replace("_", "-"), rich_help_panel="Steps of a study, in order")(verb)


def fetch(
    name: Annotated[str, typer.Argument(help="Raw set, a key of config/datasets.yaml.")],
    out: Annotated[Path, typer.Option(help="Folder for its files.")],
    sources: options.Sources = options.DEFAULT_SOURCES,
    copy: Annotated[
        Path | None,
        typer.Option(
            "--from", help="A copy that you have: the archive, or a folder with the files or what is in them."
        ),
    ] = None,
) -> None:
    """Get raw files from a mirror (BAM_MIRROR=<folder>), a listed source or your own copy, and check their contents."""
    from bam.steps.fetch import fetch as step

    step(name, sources, out, copy)


def prepare(
    settings: Annotated[str, typer.Option(help="Resolved `datasets:` entry, as JSON.")],
    out: Annotated[Path, typer.Option(help="Folder for arrays and manifest.json.")],
    raw: RawFolders = None,
) -> None:
    """Turn raw files into arrays: uint8 inputs of three splits, labels of train and val."""
    from bam.steps.prepare import prepare as step

    step(options.read_settings(settings), raw or [], out)


def annotate(
    settings: Annotated[str, typer.Option(help="Resolved `datasets:` entry, as JSON.")],
    out: Annotated[Path, typer.Option(help="Folder for {train,val,test}.csv, samples.npz and groups.json.")],
    raw: RawFolders = None,
) -> None:
    """Write the groups of each split, and the test labels, apart from what training reads."""
    from bam.steps.annotate import annotate as step

    step(options.read_settings(settings), raw or [], out)


def pretrained(
    model: Annotated[str, typer.Option(help="The `model:` entry of a study, as JSON.")],
    out: Annotated[Path, typer.Option(help="Folder for model.safetensors, config.json and pretrained.json.")],
    raw: Annotated[
        Path | None, typer.Option(help="Folder of the raw set that the weights are, if they are one.")
    ] = None,
    sources: options.Sources = options.DEFAULT_SOURCES,
) -> None:
    """Take over the pretrained weights that a model starts from, as safetensors."""
    from bam.data.sources import read_sources
    from bam.steps.pretrained import pretrained as step

    step(options.read_model(model), raw, read_sources(sources), out)


def stage1(  # noqa: PLR0913  (a verb's options)
    spec: options.Spec,
    data: options.Prepared,
    predictions: options.Predictions,
    weights: options.Weights,
    previous_predictions: Annotated[
        Path | None, typer.Option(help="Predictions folder of the same run at a lower T, to go on from.")
    ] = None,
    previous_weights: Annotated[Path | None, typer.Option(help="Its weights folder.")] = None,
    pretrained: options.Pretrained = None,
    device: options.Device = "cpu",
) -> None:
    """Train T epochs with auxiliary variables; keep what the model predicts without them."""
    from bam.run_files import Stage1Files
    from bam.steps.stage1 import stage1 as step

    previous = None
    if (previous_predictions is None) != (previous_weights is None):
        raise ConfigError("--previous-predictions and --previous-weights go together; give both or neither")
    if previous_predictions and previous_weights:
        previous = Stage1Files.below(previous_predictions, previous_weights)
    step(options.read_spec(spec), data, Stage1Files.below(predictions, weights), previous, device, pretrained)


def error_set(
    predictions: Annotated[Path, typer.Option(help="train.npz of a stage-1 run.")],
    labels: Annotated[Path, typer.Option(help="labels.npy of the training split.")],
    out: Annotated[Path, typer.Option(help="error_set.npz to write.")],
) -> None:
    """Find the training examples whose label stage 1 misses."""
    from bam.steps.error_set import error_set as step

    step(predictions, labels, out)


def stage2(  # noqa: PLR0913  (a verb's options)
    spec: options.Spec,
    data: options.Prepared,
    error_set: Annotated[Path, typer.Option(help="error_set.npz of the stage-1 run.")],
    predictions: options.Predictions,
    weights: options.Weights,
    stage1_weights: Annotated[
        Path | None, typer.Option(help="model.safetensors of stage 1, needed by One-M (restart: false).")
    ] = None,
    pretrained: options.Pretrained = None,
    stage1_record: Annotated[
        Path | None, typer.Option(help="record.json of stage 1, to check its model against.")
    ] = None,
    device: options.Device = "cpu",
) -> None:
    """Train with the error set upweighted; predict val and test after every epoch, or each k-th as asked."""
    from bam.run_files import TrainFiles
    from bam.steps.stage2 import stage2 as step

    parsed = options.read_spec(spec)
    files = TrainFiles.below(predictions, weights, parsed.keep_weights)
    step(parsed, data, error_set, stage1_weights, files, device, pretrained, stage1_record=stage1_record)


def train(  # noqa: PLR0913  (a verb's options)
    spec: options.Spec,
    data: options.Prepared,
    predictions: options.Predictions,
    weights: options.Weights,
    groups: Annotated[Path | None, typer.Option(help="train.csv of the groups, needed by Group-DRO alone.")] = None,
    pretrained: options.Pretrained = None,
    device: options.Device = "cpu",
) -> None:
    """Train a one-stage method; predict val and test after every epoch, or each k-th as asked."""
    from bam.run_files import TrainFiles
    from bam.steps.train import train as step

    parsed = options.read_spec(spec)
    files = TrainFiles.below(predictions, weights, parsed.keep_weights)
    step(parsed, data, groups, files, device, pretrained)


def select(  # noqa: PLR0913  (a verb's options)
    study: options.StudyOption,
    dataset: Annotated[str, typer.Option(help="Key of `datasets:`.")],
    method: Annotated[str, typer.Option(help="Key of `methods:`.")],
    rule: Annotated[list[str], typer.Option(help="Selection rule; may be given several times.")],
    results: options.Results,
    out: Annotated[list[Path], typer.Option(help="JSON file to write, one for each rule, in the same order.")],
    data: options.Data = Path("data"),
    sources: options.Sources = options.DEFAULT_SOURCES,
) -> None:
    """Choose a setting, and an epoch for each seed, by rules on stored validation predictions."""
    from bam.layout import Layout
    from bam.steps.select import select as step

    if len(rule) != len(out):
        raise ConfigError(f"--rule, --out: {len(rule)} rules and {len(out)} files; give one file for each rule")
    if len(set(rule)) < len(rule):
        raise ConfigError(f"--rule: one of {', '.join(rule)} stands twice")
    plan = options.read_plan(study, sources)
    file, cells = plan.study.file, plan.of("main", dataset, method)
    outs = dict(zip(rule, out, strict=True))
    step(cells, outs, Layout(data, results), file.selection_scope, validation_size=file.validation_size)


def evaluate(
    study: options.StudyOption,
    selection: Annotated[list[Path], typer.Option(help="JSON file that `select` wrote; may be given several times.")],
    results: options.Results,
    out: Annotated[
        list[Path],
        typer.Option(help="CSV file to write, one for each selection, in the same order; accuracies are fractions."),
    ],
    data: options.Data = Path("data"),
    sources: options.Sources = options.DEFAULT_SOURCES,
) -> None:
    """Score what rules chose on test: by group with Wilson intervals, worst group, both averages."""
    from bam.files import read_json
    from bam.layout import Layout
    from bam.steps.evaluate import evaluate as step
    from bam.steps.evaluate import read_group_truth

    if len(selection) != len(out):
        raise ConfigError(f"--selection, --out: {len(selection)} selections and {len(out)} files; give one for each")
    plan, read_groups = options.read_plan(study, sources), functools.cache(read_group_truth)
    for chosen, scored in zip(selection, out, strict=True):
        choice = read_json(chosen)
        if not isinstance(choice, dict) or not {"dataset", "method", "chosen"} <= choice.keys():
            raise DataError(f"{chosen}: is not a selection; make it with `bam select`")
        cells = plan.of("main", choice["dataset"], choice["method"])
        groups_ids = {cell.seed: cell.run.dataset.groups_id for cell in cells}
        step(chosen, groups_ids, Layout(data, results), scored, read_groups)


def table(
    study: options.StudyOption,
    results: options.Results,
    names: Annotated[list[str] | None, typer.Argument(help="Tables, e.g. main; without any, all of the study.")] = None,
    data: options.Data = Path("data"),
    sources: options.Sources = options.DEFAULT_SOURCES,
) -> None:
    """Write tables as CSV (fractions), Markdown and LaTeX (percent) to <results>/tables."""
    from bam.layout import Layout
    from bam.steps import table as step

    plan = options.read_plan(study, sources)
    step.tables(names or step.names(plan), plan, Layout(data, results))


def figure(
    study: options.StudyOption,
    results: options.Results,
    names: Annotated[
        list[str] | None,
        typer.Argument(help="Figures, e.g. worst_group_by_method; without any, all of the study."),
    ] = None,
    data: options.Data = Path("data"),
    sources: options.Sources = options.DEFAULT_SOURCES,
) -> None:
    """Draw figures as PDF, PNG and SVG, with their captions as text, to <results>/figures."""
    from bam.layout import Layout
    from bam.steps import figure as step

    plan = options.read_plan(study, sources)
    step.figures(names or step.names(plan), plan, Layout(data, results))


def report(
    study: options.StudyOption,
    results: options.Results,
    out: Annotated[Path, typer.Option(help="HTML file to write.")],
    data: options.Data = Path("data"),
    sources: options.Sources = options.DEFAULT_SOURCES,
) -> None:
    """Gather tables, figures, settings and commands in one HTML file that needs no network."""
    from bam.layout import Layout
    from bam.steps.report import report as step

    step(options.read_plan(study, sources), Layout(data, results), out)
