"""The study's steps in order in one process: what Snakemake does, for one method and one seed."""

from collections.abc import Mapping, Sequence
from dataclasses import replace
from pathlib import Path

from bam.data.complete import missing_files
from bam.data.sources import RawSet
from bam.layout import GROUP_FILES, Layout
from bam.plan import Cell, DataSet, Run
from bam.pretrained import FILES, Pretrained
from bam.progress import track
from bam.run_files import Stage1Files, TrainFiles
from bam.steps.annotate import annotate
from bam.steps.error_set import error_set
from bam.steps.prepare import prepare
from bam.steps.stage1 import stage1
from bam.steps.stage2 import stage2
from bam.steps.train import train


def run_cells(cells: Sequence[Cell], stage1_runs: Sequence[Run], layout: Layout, device: str) -> None:
    """Do every training of `cells`, skipping what is there: a file under a run's id is valid.

    Parameters
    ----------
    stage1_runs
        The plan's stage-1 runs of these cells, each with the lower T it goes on from.
    """
    by_name = {run.name: run for run in stage1_runs}
    for cell in track(cells, len(cells), "runs"):
        if cell.stage1 is not None:
            _stage1(by_name[cell.stage1.name], by_name, layout, device)
        _final(cell.run, layout, device)


def train_run(run: Run, stage1_runs: Mapping[str, Run], layout: Layout, device: str) -> None:
    """Do one training, a stage 1 from its start; what it builds on must be there, but for the error set."""
    if run.spec.step == "stage1":
        _stage1(replace(run, previous=None), stage1_runs, layout, device)
        return
    if run.stage1 is not None:
        _stage1(stage1_runs[run.stage1], stage1_runs, layout, device)
    _final(run, layout, device)


def files_of(run: Run, layout: Layout) -> Stage1Files | TrainFiles:
    """Return the files of a training."""
    if run.spec.step == "stage1":
        return _stage1_files(layout, run.name)
    return TrainFiles.below(layout.predictions(run.name), layout.weights(run.name), run.spec.keep_weights)


def make_data(dataset: DataSet, sources: dict[str, RawSet], layout: Layout) -> None:
    """Fetch, prepare and annotate one data set unless it is there."""
    from bam.data.fetch import fetch

    prepared, groups = layout.prepared(dataset.data_id), layout.groups(dataset.groups_id)
    folders = [layout.raw(raw) for raw in dataset.raw]
    missing = missing_files(prepared)
    unannotated = [not (groups / name).exists() for name in GROUP_FILES]
    if missing or any(unannotated):
        for raw, folder in zip(dataset.raw, folders, strict=True):
            fetch(raw, sources[raw], folder)
    if missing:
        prepare(dict(dataset.array_settings), folders, prepared)
    if any(unannotated):
        annotate(dict(dataset.settings), folders, groups)


def make_pretrained(weights: Pretrained, sources: dict[str, RawSet], layout: Layout) -> None:
    """Take pretrained weights over unless they are there."""
    from bam.data.fetch import fetch
    from bam.steps.pretrained import pretrained

    folder = layout.pretrained(weights.id)
    if all((folder / name).exists() for name in FILES):
        return
    raw = None if weights.raw is None else layout.raw(weights.raw)
    if weights.raw is not None and raw is not None:
        fetch(weights.raw, sources[weights.raw], raw)
    pretrained(weights.model, raw, sources, folder)


def pretrained_of(run: Run, layout: Layout) -> Path | None:
    """Return the folder of the weights that a run's fresh model starts from, None if there are none."""
    return None if run.pretrained is None else layout.pretrained(run.pretrained.id)


def _stage1(run: Run, by_name: Mapping[str, Run], layout: Layout, device: str) -> None:
    files = _stage1_files(layout, run.name)
    if not all(path.exists() for path in files.all()):
        previous = None
        if run.previous is not None:
            _stage1(by_name[run.previous], by_name, layout, device)
            previous = _stage1_files(layout, run.previous)
        prepared = layout.prepared(run.dataset.data_id)
        stage1(run.spec, prepared, files, previous, device, pretrained_of(run, layout))
    mask = _error_set(run, layout)
    if not mask.exists():
        error_set(files.train, layout.prepared(run.dataset.data_id) / "train" / "labels.npy", mask)


def _final(run: Run, layout: Layout, device: str) -> None:
    files = TrainFiles.below(layout.predictions(run.name), layout.weights(run.name), run.spec.keep_weights)
    if all(path.exists() for path in files.all()):
        return
    prepared = layout.prepared(run.dataset.data_id)
    if run.stage1 is None:
        folder = layout.groups(run.dataset.for_training.groups_id)
        groups = folder / "train.csv" if run.spec.training.needs_groups else None
        train(run.spec, prepared, groups, files, device, pretrained_of(run, layout))
    else:
        stage1_files = _stage1_files(layout, run.stage1)
        weights = stage1_files.model if run.spec.training.start == "stage1" else None
        mask = _error_set(run, layout)
        pretrained, record = pretrained_of(run, layout), stage1_files.record
        stage2(run.spec, prepared, mask, weights, files, device, pretrained, stage1_record=record)


def _error_set(run: Run, layout: Layout) -> Path:
    assert run.error_set is not None
    return layout.predictions(run.error_set) / "error_set.npz"


def _stage1_files(layout: Layout, run: str) -> Stage1Files:
    return Stage1Files.below(layout.predictions(run), layout.weights(run))
