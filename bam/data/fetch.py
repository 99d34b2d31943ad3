"""Get raw files from mirrors and listed sources, trusting only the hash of their contents."""

import fcntl
import logging
import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from bam.data.download import Patience
from bam.data.local import MIRROR_VARIABLE, describe, locate, mirrored
from bam.data.remote import Remote, beside
from bam.data.sources import RawFile, RawSet, Source, UrlSource
from bam.data.unpack import RefusedError, look, unpacked, writing
from bam.errors import DataError
from bam.files import read_json, sha256_file, write_json

MISSING = "is missing"
RECORD = "fetched.json"
ABSENT = (MISSING, "answered 404 Not Found")  # nothing to warn of, where another source has the file
logger = logging.getLogger(__name__)


def fetch(name: str, raw_set: RawSet, folder: Path, patience: Patience | None = None) -> None:
    """Put every file of a raw set into `folder` and list them in `fetched.json`.

    A file that is there with the right hash is kept. The mirrors of `BAM_MIRROR` are asked first, for
    `<mirror>/<name>/<file>` and the same with `.gz`; then each source in turn.

    Parameters
    ----------
    patience
        How long servers are waited for.

    Raises
    ------
    DataError
        If no source has a file of the right contents; every try is named. Or if `folder` cannot be written to.
    ConfigError
        If `BAM_MIRROR` is neither a folder nor an address.
    """
    with _alone_in(folder), Remote(folder, patience or Patience()) as remote:
        hashes = _trusted(raw_set, folder)
        for file_name, described in raw_set.files.items():
            raw_file = described.model_copy(update={"sha256": hashes[file_name]})
            if not _is_right(folder / file_name, raw_file):
                _fetch_file(name, raw_file, folder / file_name, file_name, remote)
        found = {name: known or sha256_file(folder / name) for name, known in hashes.items()}
    write_json(folder / RECORD, found)


def _trusted(raw_set: RawSet, folder: Path) -> dict[str, str | None]:
    """Return the hash of each file: the published one, else that of what was first fetched, else None."""
    first = read_json(folder / RECORD) if (folder / RECORD).exists() else {}
    seen = first if isinstance(first, dict) else {}
    return {name: file.sha256 or seen.get(name) for name, file in raw_set.files.items()}


@contextmanager
def _alone_in(folder: Path) -> Iterator[None]:
    """Wait until no other process fetches into `folder`; a file system without locks does without."""
    with writing(folder):
        folder.mkdir(parents=True, exist_ok=True)
        handle = os.open(folder, os.O_RDONLY)
    try:
        try:
            fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            logger.info("%s: another process is fetching into it; waiting", folder)
            fcntl.flock(handle, fcntl.LOCK_EX)
        except OSError:
            logger.info("%s: no locks on this file system", folder)
        yield
    finally:
        os.close(handle)


def _is_right(target: Path, raw_file: RawFile) -> bool:
    try:
        return target.exists() and look(target, raw_file).problem(raw_file) is None
    except RefusedError:
        return False


def _fetch_file(set_name: str, raw_file: RawFile, target: Path, file_name: str, remote: Remote) -> None:
    tried: list[str] = []
    rejected = beside(target, "rejected")
    with writing(rejected):
        rejected.unlink(missing_ok=True)
    for source in (*mirrored(set_name, file_name), *raw_file.sources):
        try:
            _take(source, raw_file, target, remote)
        except RefusedError as error:
            tried.append(f"{describe(source)} {error}")
        else:
            _report(target, source, [text for text in tried if not text.endswith(ABSENT)])
            return
    raise DataError(
        f"{target}: no source has it: {'; '.join(tried) or 'none is listed'}{_kept(target)}. "
        f"Set {MIRROR_VARIABLE} to a folder or http(s) address that holds {set_name}/{file_name} or the same with .gz, "
        f"whose contents have {raw_file.size_bytes:,} bytes and SHA-256 {raw_file.known_hash}"
    )


def _report(target: Path, source: Source, failed: list[str]) -> None:
    """Warn of sources that had something else than the file."""
    if failed:
        kept = _kept(target)
        logger.warning("%s: taken from %s, after %s%s", target, describe(source), "; ".join(failed), kept)


def _kept(target: Path) -> str:
    """Name the wrong download that is kept, if there is one."""
    rejected = beside(target, "rejected")
    return f". The last wrong download is kept as {rejected}" if rejected.exists() else ""


def _take(source: Source, raw_file: RawFile, target: Path, remote: Remote) -> None:
    """Put the contents that one source has at `target`, if they are right."""
    if isinstance(source, UrlSource):
        remote.take(source, raw_file, target)
        return
    path = locate(source)
    if path is None:
        raise RefusedError(MISSING)
    with unpacked(path, source, raw_file, target) as (contents, seen):
        problem = seen.problem(raw_file)
        if problem is not None:
            raise RefusedError(problem)
        with writing(target, raw_file.size_bytes):
            contents.replace(target)
