"""Carry finished runs over to new ids after a change of code that is shown to change nothing.

Ids hold a digest of the code, so any edit of the training code makes every run a missing one. Where
the edit changes no result, training again is a waste, and this verb gives the stored runs their new
names; never silently: for each step and method a sample is trained again by today's code, and unless
every file comes out the same, byte for byte, nothing is carried over. The record keeps the old name
and the reason.
"""

import shutil
import tempfile
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from pydantic import ValidationError

from bam.data.prepared import MANIFEST
from bam.errors import DataError
from bam.files import canonical_json, read_json, sha256_file, short_hash, write_json
from bam.layout import Layout
from bam.pipeline import files_of, train_run
from bam.plan import Plan, Run
from bam.pretrained import RECORD
from bam.recipe import RunSpec

TIMES = ("timing.json", "record.json")  # not results


@dataclass(frozen=True)
class Move:
    """A planned run that is not there, and the stored one that it would be."""

    run: Run
    old: str


def rekey(plan: Plan, layout: Layout, because: str, n_samples: int, device: str) -> str:
    """Carry over every run of a plan that differs from a stored one in its code's digest alone.

    Parameters
    ----------
    because
        Why the change of code changes no result; goes into each record.
    n_samples
        How many runs of each step and method are trained again and compared.

    Returns
    -------
    A summary for people

    Raises
    ------
    DataError
        If a sample comes out otherwise; then nothing is carried over.
    """
    moves = list(_moves(plan, layout))
    if not moves:
        return "nothing to carry over: no missing run differs from a stored one in its code alone"
    samples = _samples(moves, n_samples)
    carried = {move.run.name: move.old for move in moves}
    for move in samples:
        _prove(move, carried, plan, layout, device)
    for move in moves:
        _carry(move, layout, because)
    return f"{len(moves)} runs carried over; {len(samples)} of them trained again, every file the same byte for byte"


def _moves(plan: Plan, layout: Layout) -> Iterator[Move]:
    stored, planned = dict(_stored(layout)), _planned(plan)
    for run in (*plan.stage1.values(), *plan.trainings.values()):
        if all(path.exists() for path in files_of(run, layout).all()):
            continue
        old = stored.get(_fingerprint(run.spec.model_dump(mode="json"), layout, planned))
        if old is not None and old != run.name:
            yield Move(run, old)


def _stored(layout: Layout) -> Iterator[tuple[str, str]]:
    """Yield (fingerprint, name) of every run on disk whose data is still there, newest last."""
    records = {}
    for path in (layout.results / "predictions").glob("*/*/record.json"):
        record = read_json(path, is_sealed=False)
        records[str(path.parent.relative_to(layout.results / "predictions"))] = (path.stat().st_mtime, record)
    specs = {name: spec for name, (_, record) in records.items() if (spec := _spec(record)) is not None}
    by_id = {_stored_result_id(records[name][1]): spec.model_dump(mode="json") for name, spec in specs.items()}
    for name in sorted(specs, key=lambda name: records[name][0]):
        yield _fingerprint(specs[name].model_dump(mode="json"), layout, by_id), name


def _stored_result_id(record: Any) -> str:
    """Return `RunSpec.result_id` as it was when the record was written: today's specs may have more fields."""
    spec = record["spec"]
    return short_hash({**spec, "training": {**spec["training"], "watch_epochs": []}})


def _planned(plan: Plan) -> Mapping[str, Any]:
    specs = [run.spec for run in plan.stage1.values()]
    return {spec.result_id: spec.model_dump(mode="json") for spec in specs}


def _spec(record: Any) -> RunSpec | None:
    """Return the spec of a record; None if it is not one that today's code writes."""
    try:
        return RunSpec.model_validate_json(canonical_json(record["spec"]))
    except (KeyError, TypeError, ValidationError):
        return None


def _fingerprint(spec: Mapping[str, Any], layout: Layout, by_id: Mapping[str, Any]) -> str:
    """Return all that a run depends on but code: settings, the bytes of its data and groups, and its stage 1."""
    below = by_id.get(spec["stage1"] or "")
    groups = spec["groups"] and _hash_of(layout.groups(spec["groups"]) / "train.csv")
    return canonical_json(
        {
            **{
                key: value
                for key, value in spec.items()
                if key not in ("code", "dataset", "stage1", "groups", "pretrained")
            },
            "dataset": _contents(layout.prepared(spec["dataset"])),
            "groups": groups,
            "pretrained": spec["pretrained"] and _pretrained(layout.pretrained(spec["pretrained"])),
            "stage1": _fingerprint(below, layout, by_id) if below else spec["stage1"],
        }
    )


def _contents(folder: Path) -> object:
    """Return the hashes of a prepared folder's files by its manifest; its own path where there is none."""
    if not (folder / "manifest.json").exists():
        return str(folder)
    manifest = read_json(folder / MANIFEST, is_sealed=False)
    return {"files": {name: entry["sha256"] for name, entry in manifest["files"].items()}, "mean": manifest.get("mean")}


def _pretrained(folder: Path) -> object:
    """Return the hashes of pretrained weights by their record; their own path where there is none."""
    return read_json(folder / RECORD)["files"] if (folder / RECORD).exists() else str(folder)


def _hash_of(path: Path) -> str:
    return sha256_file(path) if path.exists() else str(path)


def _samples(moves: Sequence[Move], n_samples: int) -> list[Move]:
    """Return the runs of fewest epochs of each step and method."""
    by_kind: dict[tuple[str, str], list[Move]] = {}
    for move in moves:
        by_kind.setdefault((move.run.spec.step, move.run.spec.method), []).append(move)
    return [
        move for kind in by_kind.values() for move in sorted(kind, key=lambda m: m.run.spec.training.epochs)[:n_samples]
    ]


def _prove(move: Move, carried: Mapping[str, str], plan: Plan, layout: Layout, device: str) -> None:
    """Train one run again by today's code, in a folder of its own, and compare every file."""
    with tempfile.TemporaryDirectory() as folder:
        apart = Layout(layout.data, Path(folder))
        made = {new: _old_path(new, move, apart, layout) for new in files_of(move.run, apart).all()}
        compared = {new: old for new, old in made.items() if new.name not in TIMES}
        if lost := [old for old in compared.values() if not old.exists()]:
            raise DataError(
                f"{lost[0]}: is not here, so nothing shows that today's code makes the same; bring it back "
                "(`bam pull --weights`); nothing is carried over"
            )
        for name in _below(move.run, plan):
            _link(name, carried.get(name, name), layout, apart)
        train_run(move.run, plan.stage1, apart, device)
        for new, old in compared.items():
            if sha256_file(old) != sha256_file(new):
                raise DataError(f"{old}: today's code trains another {new.name}; nothing is carried over")


def _below(run: Run, plan: Plan) -> list[str]:
    """Return the stage 1 of a stage 2; a stage 1 is trained from the start."""
    return [run.stage1] if run.stage1 is not None and run.stage1 in plan.stage1 else []


def _link(name: str, old: str, layout: Layout, apart: Layout) -> None:
    for source, target in ((layout.predictions, apart.predictions), (layout.weights, apart.weights)):
        if source(old).exists():
            shutil.copytree(source(old), target(name))
    for path in apart.predictions(name).glob("*.json"):  # an older one has no checksum of its own
        write_json(path, read_json(path, is_sealed=False))


def _old_path(new: Path, move: Move, apart: Layout, layout: Layout) -> Path:
    for folder in ("predictions", "weights"):
        below = apart.results / folder / move.run.name
        if new.is_relative_to(below):
            return layout.results / folder / move.old / new.relative_to(below)
    raise AssertionError(new)


def _carry(move: Move, layout: Layout, because: str) -> None:
    """Copy a run's files under its new name; the record comes last, with the new spec and the old name."""
    record = read_json(layout.predictions(move.old) / "record.json", is_sealed=False)
    for path in files_of(move.run, layout).all():
        folder = "weights" if path.is_relative_to(layout.weights(move.run.name)) else "predictions"
        source = layout.results / folder / move.old / path.name
        if path.name != "record.json" and source.exists():
            path.parent.mkdir(parents=True, exist_ok=True)
            if path.suffix == ".json":
                write_json(path, read_json(source, is_sealed=False))
            else:
                shutil.copyfile(source, path)
    history = [*record.get("rekeyed", []), {"from": move.old, "because": because}]
    spec = move.run.spec
    write_json(
        layout.predictions(move.run.name) / "record.json",
        {**record, "id": spec.id, "spec": spec.model_dump(mode="json"), "rekeyed": history},
    )
