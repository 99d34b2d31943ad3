"""Get raw files from mirrors and listed sources, or a copy of the user's, trusting the hash of their contents."""

import fcntl
import logging
import os
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path

from bam.data.download import Patience
from bam.data.local import MIRROR_VARIABLE, describe, locate, mirrored
from bam.data.members import identity
from bam.data.members import problem as problem_of
from bam.data.own_copy import files_of, pack, unpacked_root
from bam.data.remote import Remote, beside
from bam.data.sources import FolderSource, RawFile, RawSet, Source, UrlSource
from bam.data.unpack import RefusedError, look, unpacked, writing
from bam.errors import DataError
from bam.files import read_json, write_json

FETCHED = "fetched.json"
MISSING = "is missing"
ABSENT = (MISSING, "answered 404 Not Found")  # nothing to warn of, where another source has the file
logger = logging.getLogger(__name__)


def fetch(name: str, raw_set: RawSet, folder: Path, patience: Patience | None = None, copy: Path | None = None) -> None:
    """Put every file of a raw set into `folder` and list their hashes in `fetched.json`.

    A file that is there with the right hash is kept. The mirrors of `BAM_MIRROR` are asked first, for
    `<mirror>/<name>/<file>` and the same with `.gz`; then each source in turn. A file of which no hash is
    published must have the size and the members that its description asks for; the hash that it turns
    out to have is trusted from then on, as long as `fetched.json` is there.

    Parameters
    ----------
    patience
        How long servers are waited for.
    copy
        A copy that the user has, which takes the place of mirrors and sources: a folder that holds the
        files or what their archives hold, or the one file of a set that has one.

    Raises
    ------
    DataError
        If no source has a file of the right contents; every try is named. Or if `folder` cannot be written to.
    ConfigError
        If `BAM_MIRROR` is neither a folder nor an address.
    """
    with _alone_in(folder), Remote(folder, patience or Patience()) as remote:
        found = {file_name: _settled(name, raw_set, folder, file_name, remote, copy) for file_name in raw_set.files}
        write_json(folder / FETCHED, found)


def _settled(name: str, raw_set: RawSet, folder: Path, file_name: str, remote: Remote, copy: Path | None) -> str:
    """See to it that one file is there, and return the hash that it is known by."""
    described, target = raw_set.files[file_name], folder / file_name
    raw_file = described.trusting(_trusted(folder).get(file_name))
    if not _is_right(target, raw_file):
        trust = _trust(folder) if raw_file.known != described.known else ""
        if copy is None:
            sources = [*mirrored(name, file_name), *raw_file.sources]
            _fetch_file(sources, raw_file, target, remote, _advice(name, file_name, raw_file) + trust)
        else:
            _take_copy(copy, raw_set, raw_file, target, remote, file_name)
    found = _identity(target, raw_file)
    if not any((raw_file.known, described.md5, described.sha256_prefix)):
        logger.info("%s: no hash is published; trusted from now on: %s", target, found)
    return found


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
        return target.exists() and problem_of(target, look(target, raw_file), raw_file) is None
    except RefusedError:
        return False


def _trusted(folder: Path) -> dict[str, str]:
    """Return the hashes that an earlier fetch has found; none if there was none."""
    path = folder / FETCHED
    content = read_json(path) if path.exists() else {}
    if not isinstance(content, dict):
        raise DataError(f"{path}: is not a mapping of files to hashes; delete it and run the same command again")
    return content


def _identity(target: Path, raw_file: RawFile) -> str:
    try:
        return identity(target, raw_file)
    except RefusedError as error:
        target.unlink()
        raise DataError(f"{target}: {error}; it is removed: run the same command again") from error


def _fetch_file(sources: Sequence[Source], raw_file: RawFile, target: Path, remote: Remote, advice: str) -> None:
    tried: list[str] = []
    rejected = beside(target, "rejected")
    with writing(rejected):
        rejected.unlink(missing_ok=True)
    for source in sources:
        try:
            _take(source, raw_file, target, remote)
        except RefusedError as error:
            tried.append(f"{describe(source)} {error}")
        else:
            _report(target, source, [text for text in tried if not text.endswith(ABSENT)])
            return
    raise DataError(f"{target}: no source has it: {'; '.join(tried) or 'none is listed'}{_kept(target)}. {advice}")


def _advice(set_name: str, file_name: str, raw_file: RawFile) -> str:
    """Say what may help where no source did, and what the contents must be."""
    many = f"{raw_file.size_bytes:,}" if raw_file.size_bytes is not None else f"at most {raw_file.limit_bytes:,}"
    name = "MD5" if raw_file.known_hash == raw_file.md5 else "SHA-256"
    hashed = "" if raw_file.known_hash == "..." else f" and {name} {raw_file.known_hash}"
    return (
        f"Set {MIRROR_VARIABLE} to a folder or http(s) address that holds {set_name}/{file_name} or the same with .gz, "
        f"whose contents have {many} bytes{hashed}"
    )


def _trust(folder: Path) -> str:
    return f". No hash is published; {folder / FETCHED} has the first that was trusted: delete it to trust another"


def _take_copy(copy: Path, raw_set: RawSet, raw_file: RawFile, target: Path, remote: Remote, file_name: str) -> None:
    """Put the user's own file at `target`, or pack what the user has unpacked."""
    sources = files_of(copy, file_name, raw_set)
    root = None if raw_file.archive is None or sources else unpacked_root(copy, target, raw_file.archive)
    if root is not None:
        pack(root, set(raw_set.files), raw_file, target)
        return
    advice = f"Give --from a folder that holds {file_name}{' or what is in it' if raw_file.archive else ''}"
    there = sources or [FolderSource(folder=str(copy.absolute()), path=file_name)]
    _fetch_file(there, raw_file, target, remote, advice)


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
        problem = problem_of(contents, seen, raw_file)
        if problem is not None:
            raise RefusedError(problem)
        with writing(target, raw_file.limit_bytes):
            contents.replace(target)
