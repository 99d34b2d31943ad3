"""A copy of a raw set that the user already has, packed or unpacked."""

import logging
import os
import tarfile
import zipfile
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from uuid import uuid4

from bam.data.local import in_folder, locate
from bam.data.members import JUNK, problem
from bam.data.sources import Archive, FolderSource, RawFile, RawSet, Source
from bam.data.unpack import Seen, writing
from bam.errors import ConfigError, DataError
from bam.progress import track

GZIP_MAGIC = b"\x1f\x8b"
logger = logging.getLogger(__name__)


def files_of(copy: Path, file_name: str, raw_set: RawSet) -> list[Source]:
    """Return the file of this name in the user's copy, gzipped or not; none if there is none.

    Raises
    ------
    ConfigError
        If the copy is neither file nor folder, or one file of a set that has several.
    """
    if copy.is_dir():
        return [source for source in in_folder(copy.absolute(), file_name) if _is_there(source)]
    if not copy.is_file():
        raise ConfigError(f"--from {copy}: is neither a file nor a folder; give the archive, or the folder it is in")
    if len(raw_set.files) > 1:
        names = ", ".join(raw_set.files)
        raise ConfigError(f"--from {copy}: is one file, and this raw set has several; give a folder that holds {names}")
    with open(copy, "rb") as file:
        is_gzipped = file.read(2) == GZIP_MAGIC
    folder, name = str(copy.absolute().parent), copy.name
    return [FolderSource(folder=folder, path=name, unpack="gzip" if is_gzipped else None)]


def unpacked_root(copy: Path, target: Path, archive: Archive) -> Path | None:
    """Return the folder below which all required members lie: the copy, or a folder in it; None if there is none."""
    inside = [copy / target.stem, *sorted(path for path in copy.iterdir() if path.is_dir())]
    roots = (root for root in (copy, *inside) if all((root / name).is_file() for name in archive.required))
    return next(roots, None)


def pack(root: Path, others: set[str], raw_file: RawFile, target: Path) -> None:
    """Pack all files below `root` into one archive at `target`, so that a kind finds what it finds in the host's.

    Parameters
    ----------
    others
        Names of files of the raw set itself, which are not packed.

    Raises
    ------
    DataError
        If the folder is not what the archive holds.
    """
    assert raw_file.archive is not None
    names = sorted(_below(root, others))
    total = sum((root / name).stat().st_size for name in names)
    if total > raw_file.archive.max_unpacked_bytes:
        limit = raw_file.archive.max_unpacked_bytes
        raise DataError(f"{root}: has {total:,} bytes in {len(names):,} files, expected at most {limit:,}")
    temporary = target.with_name(f".{target.name}.{uuid4().hex[:8]}")
    # The host's own packing is gone, and with it what hashes of the archive are of; the members are compared instead.
    known = {"size_bytes": None, "sha256": None, "sha256_prefix": None, "md5": None, "max_bytes": 2 * total + (1 << 30)}
    try:
        with writing(target, total):
            target.parent.mkdir(parents=True, exist_ok=True)
            _write(temporary, root, names, is_zip=target.suffix == ".zip")
        found = problem(temporary, Seen(temporary.stat().st_size, ""), raw_file.model_copy(update=known))
        if found is not None:
            raise DataError(f"{root}: {found}")
        with writing(target):
            temporary.replace(target)
    finally:
        temporary.unlink(missing_ok=True)
    logger.info("%s: packed from the %d files below %s", target, len(names), root)


def _is_there(source: Source) -> bool:
    return isinstance(source, FolderSource) and locate(source) is not None


def _below(root: Path, others: set[str]) -> Iterator[str]:
    for folder, _, files in os.walk(root):
        for name in files:
            path = (Path(folder) / name).relative_to(root)
            is_junk = any(part in JUNK or part.startswith("._") for part in path.parts)
            if not is_junk and str(path) not in others | {f"{other}.gz" for other in others}:
                yield path.as_posix()


def _write(path: Path, root: Path, names: Sequence[str], *, is_zip: bool) -> None:
    with _packing(path, is_zip=is_zip) as add:
        for name in track(names, len(names), f"packing {root.name}"):
            add(root / name, name)


@contextmanager
def _packing(path: Path, *, is_zip: bool) -> Iterator[Callable[[Path, str], None]]:
    """Yield what adds a file; the same files give the same bytes."""
    if is_zip:
        with zipfile.ZipFile(path, "w", zipfile.ZIP_STORED) as zipped:
            yield lambda file, name: zipped.writestr(zipfile.ZipInfo(name), file.read_bytes())
        return
    with tarfile.open(path, "w") as tarred:

        def add(file: Path, name: str) -> None:
            info = tarfile.TarInfo(name)
            with open(file, "rb") as contents:
                info.size = os.fstat(contents.fileno()).st_size
                tarred.addfile(info, contents)

        yield add
