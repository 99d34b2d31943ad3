"""SHA-256 of a user's own files, remembered between commands.

A hash is remembered under the file's absolute name, device, inode, size, mtime and ctime. The last is
what makes the memory safe: every write and every change of name or date moves it, and no program can
set it back, as `touch`, `cp -p` and `rsync` can an mtime. A file that changed less than `SETTLED_S`
before it was read is not remembered: it could change again within one tick of the clock.
"""

import contextlib
import json
import os
import time
from collections.abc import Iterable, Mapping
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

from bam.errors import DataError, RunError
from bam.files import sha256_file, short_hash, write_json

SETTLED_S = 2.0
FEW = 64  # fewer files are hashed each time: that is faster than to look them up


def hash_files(root: Path, names: Iterable[str]) -> Mapping[str, tuple[int, str]]:
    """Return name -> (bytes, SHA-256) of files below a folder.

    Raises
    ------
    DataError
        If one cannot be read.
    """
    listed = list(names)
    memory = _memory_file(root)
    known = _remembered(memory) if len(listed) >= FEW else {}
    with ThreadPoolExecutor() as pool:
        found = dict(zip(listed, pool.map(lambda name: _hash(root / name, known.get(name)), listed), strict=True))
    fresh = {name: [*key, sha256] for name, (key, sha256, is_settled) in found.items() if is_settled}
    if len(listed) >= FEW and fresh != known:
        with contextlib.suppress(RunError):  # a home that cannot be written to costs time, nothing else
            write_json(memory, fresh)
    return {name: (key[2], sha256) for name, (key, sha256, _) in found.items()}


def _hash(path: Path, known: object) -> tuple[list[int], str, bool]:
    """Return what the file is known by, its hash, and whether it had settled when it was read."""
    before = _key(path)
    if isinstance(known, list) and known[:-1] == before and isinstance(known[-1], str):
        return before, known[-1], True
    now_ns = time.time_ns()
    sha256 = sha256_file(path)
    if _key(path) != before:
        raise DataError(f"{path}: changed while it was read; wait until it is written, then run the command again")
    newest_ns = max(before[3], before[4])
    return before, sha256, newest_ns + SETTLED_S * 1e9 < now_ns


def _key(path: Path) -> list[int]:
    try:
        status = path.stat()
    except OSError as error:
        raise DataError(f"{path}: cannot be read ({error.strerror})") from error
    return [status.st_dev, status.st_ino, status.st_size, status.st_mtime_ns, status.st_ctime_ns]


def _memory_file(root: Path) -> Path:
    caches = Path(os.environ.get("XDG_CACHE_HOME") or "~/.cache").expanduser()
    return caches / "bam" / "hashes" / f"{short_hash(str(root.resolve()))}.json"


def _remembered(path: Path) -> dict[str, object]:
    try:
        content = json.loads(path.read_text(encoding="utf-8"))
    except (OSError, ValueError):
        return {}
    return content if isinstance(content, dict) else {}
