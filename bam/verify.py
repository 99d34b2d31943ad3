"""Check stored files against this code, this config and their own records.

Weights and inputs are large and travel apart from predictions (`bam pull`), so that they are not
here is no problem: it is said, and what is here is checked.
"""

from collections.abc import Collection, Mapping
from pathlib import Path
from typing import Any

import numpy as np

from bam.artifacts import read_error_set, read_predictions
from bam.data.complete import missing_files
from bam.data.prepared import Manifest, check_file, read_manifest
from bam.data.samples import read_samples
from bam.error_set import find
from bam.errors import DataError
from bam.files import read_json, sha256_file
from bam.groups import SCHEME, read_scheme
from bam.groups import corrupt_files as corrupt_groups
from bam.layout import LABEL_FILES, Layout
from bam.plan import DataSet, Plan, Run
from bam.pretrained import RECORD

WEIGHTS = ("model", "state")


def verify(plan: Plan, layout: Layout) -> tuple[str, list[str]]:
    """Return a summary and a list of problems: files that are not what their records say.

    The summary counts the runs that the plan names and nobody has trained, says which weights and
    inputs are not here, and lists stale runs, which this config or this code does not name: they are
    in nobody's way.
    """
    runs = {**plan.stage1, **plan.trainings}
    problems: list[str] = []
    there = [name for name in runs if (layout.predictions(name) / "record.json").exists()]
    n_whole = 0
    for name in there:
        found = _check_run(runs[name], layout)
        if name in plan.stage1 and not found:
            found += _check_error_set(runs[name], layout)
        problems += found
        n_whole += not found
    by_stem = {_stem(name): name for name in reversed(runs)}
    stale = [
        _why_stale(name, runs.get(by_stem.get(_stem(name), "")), layout)
        for name in sorted(_on_disk(layout) - set(runs))
    ]
    for weights in plan.pretrained:
        problems += _check_pretrained(layout.pretrained(weights))
    for data in plan.datasets.values():
        problems += _check_data(data, layout.prepared(data.data_id))
        problems += _check_groups(layout.groups(data.groups_id))
    counted = f"{n_whole} of {len(runs)} runs are there and match code, config, data and their records"
    counted += f"; {len(stale)} stale" * bool(stale)
    return "\n".join([*stale, counted, *_not_here(plan, there, layout)]), problems


def must_match(plan: Plan, layout: Layout) -> None:
    """Raise DataError, with every problem that `verify` finds, if there is one."""
    _, problems = verify(plan, layout)
    if problems:
        raise DataError("; ".join(problems))


def _lost_error_sets(plan: Plan, there: Collection[str], layout: Layout) -> list[str]:
    """Say which error sets are missing though a run that was trained on them is there."""
    trained = {plan.trainings[name].error_set for name in there if name in plan.trainings}
    paths = (layout.predictions(name) / "error_set.npz" for name in plan.error_sets if name in trained)
    return [
        f"{path}: is missing, and not checked; run the study to have it made again"
        for path in paths
        if not path.exists()
    ]


def _not_here(plan: Plan, there: list[str], layout: Layout) -> list[str]:
    """Say which weights and inputs are not here, so that nobody takes them for checked."""
    runs = {**plan.stage1, **plan.trainings}
    kept = [name for name in there if name in plan.stage1 or runs[name].spec.keep_weights]
    without = [name for name in kept if not layout.weights(name).exists()]
    lines = [f"weights of {len(without)} of them are not here, and not checked"] if without else []
    for data in plan.datasets.values():
        folder = layout.prepared(data.data_id)
        what = "" if (folder / "manifest.json").exists() else "prepared data"
        if not what and not set(missing_files(folder)) <= set(LABEL_FILES):
            what = "inputs"
        if there and what:
            lines.append(f"{folder}: its {what} are not here, and not checked")
        if there and not (layout.groups(data.groups_id) / SCHEME).exists():
            lines.append(f"{layout.groups(data.groups_id)}: the groups are not here, and not checked")
    return [*lines, *_lost_error_sets(plan, there, layout)]


def _on_disk(layout: Layout) -> set[str]:
    root = layout.results / "predictions"
    return {str(path.parent.relative_to(root)) for path in root.glob("*/*/record.json")}


def _stem(name: str) -> str:
    """Return a run's name without its id: method, main settings and seed."""
    return name.rsplit("-", 1)[0]


def _check_run(run: Run, layout: Layout) -> list[str]:
    record_path = layout.predictions(run.name) / "record.json"
    try:
        record = read_json(record_path)
        outputs: dict[str, str] = record["outputs"]
        spec = record["spec"]
        differing = _differing(spec, run)
    except (DataError, KeyError, TypeError, AttributeError) as error:
        return [f"{record_path}: is corrupt ({error}); delete the folder to have the run made again"]
    problems = []
    if differing:
        problems.append(
            f"{record_path}: {' and '.join(differing)} in its spec is not what the folder's name stands for; "
            "delete the folder to have the run made again"
        )
    for output, expected in outputs.items():
        path = _output_path(output, run.name, layout)
        if not path.exists():
            if path.is_relative_to(layout.predictions(run.name)) or path.parent.exists():
                problems.append(f"{path}: is missing")
        elif sha256_file(path) != expected:
            problems.append(f"{path}: is not the file that its record describes; delete it to have it made again")
    return problems


def _differing(spec: Mapping[str, Any], run: Run) -> list[str]:
    """Return the keys in which a stored spec is not the planned run's."""
    planned = run.spec.model_dump(mode="json")
    return [key for key in planned if spec.get(key) != planned[key]]


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


def _why_stale(name: str, planned: Run | None, layout: Layout) -> str:
    """Say in which parts of its spec a stale run differs from the planned run of the same method, settings and seed."""
    if planned is None:
        return f"{name}: is stale: this config does not name it"
    try:
        differing = _differing(read_json(layout.predictions(name) / "record.json", is_sealed=False)["spec"], planned)
    except (DataError, KeyError, TypeError, AttributeError):
        return f"{name}: is stale, and its record is corrupt"
    return f"{name}: is stale: {' and '.join(differing)} in its spec is not that of the config's {planned.name}"


def _check_data(data: DataSet, folder: Path) -> list[str]:
    """Check what is here of prepared data: labels must be, inputs need not."""
    if not (folder / "manifest.json").exists():
        return []
    manifest = read_manifest(folder)
    here = {name for name in manifest.files if name in LABEL_FILES or (folder / name).exists()}
    problems = [problem for name in sorted(here) for problem in _check_file(folder, manifest, name)]
    if dict(manifest.settings) != dict(data.array_settings):
        problems.append(f"{folder / 'manifest.json'}: its settings are not the config's; delete {folder}")
    return problems


def _check_file(folder: Path, manifest: Manifest, name: str) -> list[str]:
    try:
        check_file(folder, manifest, name, full=True)
    except DataError as error:
        return [str(error)]
    return []


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
