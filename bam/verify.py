"""Check stored files against this code, this config and their own records."""

from pathlib import Path

import numpy as np

from bam.artifacts import read_error_set, read_predictions
from bam.data.prepared import corrupt_files, read_manifest
from bam.data.samples import read_samples
from bam.error_set import find
from bam.errors import DataError
from bam.files import read_json, sha256_file
from bam.groups import SCHEME, read_scheme
from bam.groups import corrupt_files as corrupt_groups
from bam.layout import Layout
from bam.plan import Plan, Run
from bam.pretrained import RECORD

WEIGHTS = ("model", "state")


def verify(plan: Plan, layout: Layout) -> tuple[str, list[str]]:
    """Return a summary and a list of problems: files that are not what their records say.

    The summary counts the runs that the plan names and nobody has trained, and lists stale runs,
    which this config or this code does not name: they are in nobody's way.
    """
    runs = {**plan.stage1, **plan.trainings}
    problems: list[str] = []
    n_whole = 0
    for name, run in runs.items():
        if (layout.predictions(name) / "record.json").exists():
            found = _check_run(name, layout)
            if name in plan.stage1 and not found:
                found += _check_error_set(run, layout)
            problems += found
            n_whole += not found
    stale = [_why_stale(name, runs, layout) for name in _on_disk(layout) if name not in runs]
    for weights in plan.pretrained:
        problems += _check_pretrained(layout.pretrained(weights))
    for data in plan.datasets.values():
        problems += _check_data(layout.prepared(data.data_id))
        problems += _check_groups(layout.groups(data.groups_id))
    counted = f"{n_whole} of {len(runs)} runs are there and match code, config, data and their records"
    return "\n".join([*stale, counted + f"; {len(stale)} stale" * bool(stale)]), problems


def _on_disk(layout: Layout) -> list[str]:
    root = layout.results / "predictions"
    return sorted(str(path.parent.relative_to(root)) for path in root.glob("*/*/record.json"))


def _check_run(name: str, layout: Layout) -> list[str]:
    record_path = layout.predictions(name) / "record.json"
    try:
        record = read_json(record_path)
        outputs: dict[str, str] = record["outputs"]
    except (DataError, KeyError, TypeError) as error:
        return [f"{record_path}: is corrupt ({error}); delete the folder to have the run made again"]
    problems = []
    for output, expected in outputs.items():
        path = _output_path(output, name, layout)
        if not path.exists():
            problems.append(f"{path}: is missing")
        elif sha256_file(path) != expected:
            problems.append(f"{path}: is not the file that its record describes; delete it to have it made again")
    return problems


def _check_error_set(run: Run, layout: Layout) -> list[str]:
    """Find the error set again from predictions and labels and compare, where all three are there."""
    path = layout.predictions(run.error_set or "") / "error_set.npz"
    labels = layout.prepared(run.dataset.data_id) / "train" / "labels.npy"
    if not (path.exists() and labels.exists()):
        return []
    try:
        stored, _ = read_error_set(path)
        predicted = read_predictions(layout.predictions(run.name) / "train.npz").classes[-1]
        truth = np.load(labels, allow_pickle=False)
        is_same = predicted.shape == truth.shape and np.array_equal(stored, find(predicted, truth))
    except (DataError, OSError, ValueError) as error:
        return [str(error)]
    return [] if is_same else [f"{path}: is not the error set of its predictions; delete it to have it made again"]


def _output_path(output: str, name: str, layout: Layout) -> Path:
    if output.startswith("weights/"):
        return layout.weights(name) / f"{output.removeprefix('weights/')}.safetensors"
    if output in WEIGHTS:
        return layout.weights(name) / f"{output}.safetensors"
    return layout.predictions(name) / f"{output}.npz"


def _why_stale(name: str, runs: dict[str, Run], layout: Layout) -> str:
    """Say in which parts of its spec a stale run differs from the planned run of the same name."""
    stem = name.rsplit("-", 1)[0]
    for candidate, run in runs.items():
        if candidate.rsplit("-", 1)[0] == stem:
            stored = read_json(layout.predictions(name) / "record.json", is_sealed=False)["spec"]
            planned = run.spec.model_dump(mode="json")
            differing = [key for key in planned if stored.get(key) != planned[key]]
            return f"{name}: is stale: {' and '.join(differing)} in its spec is not that of the config's {candidate}"
    return f"{name}: is stale: this config does not name it"


def _check_data(folder: Path) -> list[str]:
    if not (folder / "manifest.json").exists():
        return []
    return corrupt_files(folder, read_manifest(folder))


def _check_pretrained(folder: Path) -> list[str]:
    if not (folder / RECORD).exists():
        return []
    files: dict[str, str] = read_json(folder / RECORD)["files"]
    return [
        f"{folder / name}: is not the file that {RECORD} describes; delete {folder} to have it made again"
        for name, expected in files.items()
        if not (folder / name).exists() or sha256_file(folder / name) != expected
    ]


def _check_groups(folder: Path) -> list[str]:
    if not (folder / SCHEME).exists():
        return []
    problems = [f"{folder / name}: is not the file that {SCHEME} describes" for name in corrupt_groups(folder)]
    try:
        read_samples(folder, read_scheme(folder).counts["train"])
    except DataError as error:
        problems.append(str(error))
    return problems
