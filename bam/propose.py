"""Propose λ and T for a data set from short stage-1 runs; no group label is read, and none is made."""

import copy
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np

from bam import catalogue
from bam.artifacts import read_predictions
from bam.data.complete import missing_files
from bam.data.fetch import fetch
from bam.data.prepared import open_labels, read_manifest
from bam.data.sources import RawSet, read_sources
from bam.errors import ConfigError
from bam.files import write_text
from bam.layout import Layout
from bam.pipeline import make_pretrained, pretrained_of
from bam.plan import DataSet, Run, make_plan
from bam.progress import track
from bam.proposal import Candidate, coefficients, observe, watched_epochs
from bam.proposal import propose as choose
from bam.proposal_report import csv_text, paragraph, snippet, table
from bam.recipe import Auxiliary, Sgd, Training
from bam.run import named
from bam.run_files import Stage1Files
from bam.steps.prepare import prepare
from bam.steps.stage1 import stage1
from bam.study import Study, parse_study, read_study

METHOD = "bam"


def propose(  # noqa: PLR0913  (the options of the verb)
    config: str,
    *,
    dataset: str | None,
    seed: int,
    n_epochs: int,
    out: Path | None,
    data: Path,
    sources: Path,
    device: str,
) -> str:
    """Run stage 1 for each λ of `bam.proposal.coefficients`, and return the table, the proposal and YAML as text.

    Runs and a CSV of all statistics are kept below `out`; a second call trains only what is missing.

    Raises
    ------
    ConfigError
        If the study has no method `bam`, or not the data set; as `trial`.
    """
    study = read_study(config)
    dataset = named(study, dataset, METHOD)
    trials, shares = trial(study, dataset, seed, n_epochs)
    layout = Layout(data, out or Path("results") / study.name / "proposal")
    candidates = look(trials, shares, read_sources(sources), layout, device)
    statistics = layout.results / f"{dataset}-seed{seed}-T{n_epochs}.csv"
    write_text(statistics, csv_text(candidates))
    proposal = choose(candidates)
    parts = [f"{study.name}, {dataset}, seed {seed}", table(candidates), paragraph(proposal, candidates)]
    if proposal is not None:
        extends = None if config.lstrip().startswith("{") else Path(config).name
        parts.append(snippet(proposal, study.name, extends))
    return "\n\n".join([*parts, f"every watched epoch: {statistics}"])


def trial(study: Study, dataset: str, seed: int, n_epochs: int) -> tuple[Study, Mapping[float, float]]:
    """Return the study of the stage-1 runs to look at, and λ -> share of a residual that b takes up in one visit.

    Raises
    ------
    ConfigError
        If `bam.stage1` is a grid over more than λ and T: a proposal is for one learning rate and one batch size.
    """
    grid = {_but_proposed(setting.recipe.stage1): None for setting in study.settings[METHOD] if setting.recipe.stage1}
    if len(grid) > 1:
        raise ConfigError(
            f"{study.source}: methods.bam.stage1: is a grid of {len(grid)} settings beside λ and T; λ has no meaning "
            "without its learning rate and batch size: give one value each"
        )
    (training,) = (setting.recipe.stage1 for setting in study.settings[METHOD][:1])
    assert training is not None and isinstance(training.objective, Auxiliary) and isinstance(training.optimizer, Sgd)
    shares = coefficients(
        training.objective.loss,
        learning_rate=training.optimizer.learning_rate,
        momentum=training.optimizer.momentum,
        batch_size=training.batch_size,
    )
    content = copy.deepcopy(dict(study.only(dataset, METHOD).content))
    content["seeds"] = [seed]
    content["methods"][METHOD]["stage1"] |= {
        "auxiliary_coefficient": list(shares),
        "epochs": n_epochs,
        "watch_epochs": list(watched_epochs(n_epochs)),
    }
    return parse_study(content, study.source), shares


def look(
    study: Study, shares: Mapping[float, float], raw_sets: dict[str, RawSet], layout: Layout, device: str
) -> list[Candidate]:
    """Run stage 1 for every λ of a trial, or find it there, and reduce each run to a candidate, smallest λ first."""
    plan = make_plan(study, raw_sets)
    for dataset in plan.datasets.values():
        make_prepared(dataset, raw_sets, layout)
    for weights in plan.pretrained.values():
        make_pretrained(weights, raw_sets, layout)
    runs = list(plan.stage1.values())
    missing = [run for run in runs if not all(path.exists() for path in _files(run, layout).all())]
    for run in track(missing, len(missing), "candidates"):
        stage1(
            run.spec,
            layout.prepared(run.dataset.data_id),
            _files(run, layout),
            None,
            device,
            pretrained_of(run, layout),
        )
    found = [_candidate(run, shares, layout) for run in runs]
    return sorted(found, key=lambda candidate: candidate.coefficient)


def make_prepared(dataset: DataSet, sources: Mapping[str, RawSet], layout: Layout) -> None:
    """Fetch and prepare one data set unless it is there. Groups are not annotated."""
    prepared = layout.prepared(dataset.data_id)
    if not missing_files(prepared):
        return
    folders = [layout.raw(raw) for raw in dataset.raw]
    for raw, folder in zip(dataset.raw, folders, strict=True):
        fetch(raw, sources[raw], folder)
    prepare(dict(dataset.array_settings), folders, prepared)


def _candidate(run: Run, shares: Mapping[float, float], layout: Layout) -> Candidate:
    prepared, files = layout.prepared(run.dataset.data_id), _files(run, layout)
    manifest = read_manifest(prepared)
    labels, val_labels = (open_labels(prepared, manifest, split) for split in ("train", "val"))
    train, val = read_predictions(files.train, len(labels)), read_predictions(files.val, len(val_labels))
    is_like_train = catalogue.load("kind", str(run.dataset.settings["kind"]), "kind").VALIDATION == "as_train"
    watches = observe(
        train.epochs.tolist(),
        train.classes,
        labels,
        val_errors=[float(np.mean(row != val_labels)) if is_like_train else None for row in val.classes],
        n_classes=manifest.n_classes,
    )
    objective = run.spec.training.objective
    assert isinstance(objective, Auxiliary)
    # A failed run files class 0 throughout under an epoch that it never finished.
    seen = watches[:-1] if train.failed else watches
    return Candidate(objective.coefficient, shares[objective.coefficient], train.failed, seen)


def _but_proposed(training: Training | None) -> str:
    """Return stage-1 settings as text, less λ and T."""
    assert training is not None
    content: dict[str, Any] = training.model_dump(mode="json")
    content["objective"]["coefficient"] = content["epochs"] = content["watch_epochs"] = None
    return repr(content)


def _files(run: Run, layout: Layout) -> Stage1Files:
    return Stage1Files.below(layout.predictions(run.name), layout.weights(run.name))
