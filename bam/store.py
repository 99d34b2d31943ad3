"""What is published and where it is stored: `published.yaml`, DVC, and the small remote inside the repository.

Snakemake decides what runs; DVC stores and versions what came out (`dvc.yaml`). `published.yaml` says
which studies, data sets and models there are, so that `dvc.yaml` names no id.
"""

import json
import subprocess
import sys
from collections.abc import Collection, Iterator, Mapping
from dataclasses import asdict, dataclass, field, fields
from pathlib import Path
from typing import Any

import yaml

from bam.errors import DataError, RunError
from bam.files import write_text
from bam.yaml_files import read_yaml

PUBLISHED = Path("published.yaml")
LOCK = Path("dvc.lock")
HALF_WRITTEN = Path(".dvc/tmp/rwlock")
ARTIFACTS = Path("artifacts")
LIMIT_BYTES = 10_000_000
HEADER = (
    "# Written by `bam publish`, read by dvc.yaml: what is published, from which config, stored at which DVC remote.\n"
)


@dataclass(frozen=True)
class Published:
    """The content of `published.yaml`.

    Attributes
    ----------
    studies : study -> config, remote, and the ids of its data and groups
    data : id of prepared data -> config, remote
    segments : id of prepared pairs of texts, whose inputs have segments -> config, remote
    groups : id of groups -> config, remote
    models : study -> what `bam export` is told, and remote
    """

    studies: dict[str, dict[str, Any]] = field(default_factory=dict)
    data: dict[str, dict[str, Any]] = field(default_factory=dict)
    segments: dict[str, dict[str, Any]] = field(default_factory=dict)
    groups: dict[str, dict[str, Any]] = field(default_factory=dict)
    models: dict[str, dict[str, Any]] = field(default_factory=dict)


def read_published(path: Path = PUBLISHED) -> Published:
    """Read `published.yaml`; nothing is published where there is none.

    Raises
    ------
    ConfigError
        If it is not YAML.
    DataError
        If it is not what `write_published` writes.
    """
    if not path.exists():
        return Published()
    content = read_yaml(path)
    known = [part.name for part in fields(Published)]
    if not isinstance(content, dict) or any(key not in known for key in content):
        raise DataError(f"{path}: is not what `bam publish` writes (expected {', '.join(known)}); get it back with git")
    for key, entries in content.items():
        if not isinstance(entries, dict) or any(not _is_entry(name, entry) for name, entry in entries.items()):
            raise DataError(f"{path}: {key}: is not what `bam publish` writes; get it back with git")
    for name, entry in content.get("studies", {}).items():
        if not all(isinstance(entry.get(what), list) for what in ("data", "groups")):
            raise DataError(f"{path}: studies: {name}: lacks its data or groups; get it back with git")
    return Published(**content)


def _is_entry(name: object, entry: object) -> bool:
    return isinstance(name, str) and isinstance(entry, dict) and isinstance(entry.get("config"), str)


def write_published(published: Published, path: Path = PUBLISHED) -> None:
    """Write `published.yaml`."""
    content = asdict(published)
    write_text(path, HEADER + yaml.safe_dump(content, sort_keys=True))


def dvc(*arguments: str) -> str:
    """Run DVC of this environment in the working directory and return what it printed.

    Raises
    ------
    RunError
        With DVC's own words, which name what is missing.
    """
    command = [sys.executable, "-m", "dvc", *arguments]
    try:
        return _run(command, "dvc")
    except RunError as error:
        # A DVC that was killed while it wrote its list of who reads and writes leaves half of it, for which no later
        # DVC has a way out. Of processes that are no more, the list says nothing worth keeping.
        if "Unable to read RWLock-file" not in str(error):
            raise
        HALF_WRITTEN.unlink(missing_ok=True)
        return _run(command, "dvc")


def git(*arguments: str) -> str:
    """Run git in the working directory and return what it printed; RunError with git's words."""
    return _run(["git", *arguments], "git")


def _run(command: list[str], name: str) -> str:
    try:
        done = subprocess.run(command, capture_output=True, text=True, check=False)
    except OSError as error:
        raise RunError(f"{name}: cannot be started ({error.strerror}); install it") from error
    if done.returncode != 0:
        lines = [line for line in done.stderr.splitlines() if line and not line.startswith(("<http", "Is your cache"))]
        raise RunError(f"{name} {command[3 if name == 'dvc' else 1]}: {' '.join(lines) or done.stdout.strip()}")
    return done.stdout


def sweep(lock: Path = LOCK, artifacts: Path = ARTIFACTS) -> int:
    """Delete what `dvc.lock` no longer names from the remote inside the repository; return the bytes that stay.

    Older commits of the repository have their own `artifacts/`, so nothing that was published is lost.
    """
    needed = set(needed_objects(lock, artifacts))
    n_bytes = 0
    for path in sorted(artifacts.glob("files/md5/*/*")):
        if path.parent.name + path.name in needed:
            n_bytes += path.stat().st_size
        else:
            path.unlink()
    return n_bytes


def needed_objects(lock: Path, artifacts: Path) -> Iterator[str]:
    """Yield the MD5 of every file and folder that `dvc.lock` names and, where it is in `artifacts`, of its contents.

    Raises
    ------
    DataError
        If the list of a folder's files is damaged.
    """
    stages: Mapping[str, Any] = (read_yaml(lock) or {}).get("stages", {})
    for out in (out for stage in stages.values() for out in stage.get("outs", [])):
        md5: str = out.get("md5", "")
        yield md5
        listing = object_path(md5, artifacts)
        if md5.endswith(".dir") and listing.exists():
            yield from (entry["md5"] for entry in _listed(listing))


def _listed(listing: Path) -> list[dict[str, str]]:
    """Return the files of a folder: their `md5` and `relpath`."""
    try:
        return [{"md5": entry["md5"], "relpath": entry["relpath"]} for entry in json.loads(listing.read_text())]
    except (ValueError, KeyError, TypeError) as error:
        raise DataError(f"{listing}: is corrupt ({error}); get it back with git") from error


def lacking(names: Collection[str], lock: Path = LOCK, artifacts: Path = ARTIFACTS) -> Iterator[str]:
    """Yield the files of the named stages of `dvc.lock` that the remote inside the repository lacks."""
    stages: Mapping[str, Any] = (read_yaml(lock) or {}).get("stages", {}) if lock.exists() else {}
    for out in (out for name in names for out in stages.get(name, {}).get("outs", [])):
        listing = object_path(out["md5"], artifacts)
        if not listing.exists():
            yield out["path"]
        elif out["md5"].endswith(".dir"):
            lost = (entry for entry in _listed(listing) if not object_path(entry["md5"], artifacts).exists())
            yield from (f"{out['path']}/{entry['relpath']}" for entry in lost)


def object_path(md5: str, artifacts: Path = ARTIFACTS) -> Path:
    """Return where DVC's folder remote has the object of an MD5."""
    return artifacts / "files" / "md5" / md5[:2] / md5[2:]
