"""Read the contents of a file out of its container, piece by piece, and know them by their hash."""

import gzip
import hashlib
import lzma
import os
import struct
import tarfile
import zipfile
import zlib
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path, PurePosixPath
from typing import IO, Protocol
from uuid import uuid4

from bam.data.sources import Packed, RawFile, escapes
from bam.errors import DataError

CHUNK_BYTES = 1 << 20
EXCESS_BYTES = 1 << 24  # how far beyond the expected size contents are read, to name their size and hash
UNREADABLE = (
    *(OSError, EOFError, ValueError, RuntimeError, struct.error),
    *(zlib.error, lzma.LZMAError, zipfile.BadZipFile, tarfile.TarError),
)


class Readable(Protocol):
    """What gives bytes."""

    def read(self, size: int, /) -> bytes:
        """Return at most `size` bytes, and none at the end."""
        ...


class RefusedError(Exception):
    """What is wrong with one source; the next one may do."""


@dataclass(frozen=True)
class Seen:
    """What contents turned out to be."""

    size_bytes: int
    sha256: str
    md5: str | None = None  # where one is asked for

    def problem(self, raw_file: RawFile) -> str | None:
        """Say how the contents differ from their description, or None if they do not."""
        limit = raw_file.limit_bytes
        expected = f"expected {limit:,}" if raw_file.size_bytes is not None else f"expected at most {limit:,}"
        if self.size_bytes > limit + EXCESS_BYTES:
            return f"has more than {limit + EXCESS_BYTES:,} bytes, {expected}"
        if self.size_bytes > limit or raw_file.size_bytes not in (None, self.size_bytes):
            return f"has {self.size_bytes:,} bytes, {expected}"
        if raw_file.sha256 not in (None, self.sha256):
            return f"has SHA-256 {self.sha256}, expected {raw_file.sha256}"
        if raw_file.sha256_prefix is not None and not self.sha256.startswith(raw_file.sha256_prefix):
            return f"has SHA-256 {self.sha256}, expected {raw_file.sha256_prefix}..."
        if raw_file.md5 not in (None, self.md5):
            return f"has MD5 {self.md5}, expected {raw_file.md5}"
        return None


@contextmanager
def writing(path: Path, needed_bytes: int = 0) -> Iterator[None]:
    """Turn a failure to write into one line.

    Raises
    ------
    DataError
        If the disk is full or the folder cannot be written to: no other source would help.
    """
    try:
        yield
    except OSError as error:
        needed = f"; it needs {needed_bytes:,} bytes" if needed_bytes else ""
        raise DataError(
            f"{path}: cannot be written ({error.strerror or error}){needed}. "
            "Free the disk or make the folder writable, then run the same command again"
        ) from error


def look(path: Path, raw_file: RawFile) -> Seen:
    """Return size and hash of a file that is not packed, without reading far beyond the expected size.

    Raises
    ------
    RefusedError
        If it cannot be read.
    """
    return _digest(_chunks(path, Packed()), raw_file)


@contextmanager
def unpacked(path: Path, packing: Packed, raw_file: RawFile, target: Path) -> Iterator[tuple[Path, Seen]]:
    """Write the unpacked contents of `path` to a file beside `target`, which is removed unless it got another name.

    Yields
    ------
    tuple of Path and Seen
        The file, and what it holds.

    Raises
    ------
    RefusedError
        If the container cannot be read, has no such member, or holds a path that leaves its folder.
    DataError
        If the file cannot be written.
    """
    contents = target.with_name(f".{target.name}.{uuid4().hex[:8]}")
    try:
        with writing(target, raw_file.limit_bytes):
            target.parent.mkdir(parents=True, exist_ok=True)
            with open(contents, "wb") as file:
                seen = _digest(_chunks(path, packing), raw_file, file)
                file.flush()
                os.fsync(file.fileno())
        yield contents, seen
    finally:
        contents.unlink(missing_ok=True)


def _digest(chunks: Iterator[bytes], raw_file: RawFile, copy: IO[bytes] | None = None) -> Seen:
    digest, size = hashlib.sha256(), 0
    md5 = hashlib.md5(usedforsecurity=False) if raw_file.md5 is not None else None  # what some hosts publish
    for chunk in chunks:
        size += len(chunk)
        digest.update(chunk)
        if md5 is not None:
            md5.update(chunk)
        if copy is not None:
            copy.write(chunk)
        if size > raw_file.limit_bytes + EXCESS_BYTES:
            break
    return Seen(size, digest.hexdigest(), md5.hexdigest() if md5 is not None else None)


def _chunks(path: Path, packing: Packed) -> Iterator[bytes]:
    """Yield the contents; what goes wrong in reading becomes a RefusedError."""
    try:
        with opened(path, packing) as stream:
            while chunk := stream.read(CHUNK_BYTES):
                yield chunk
    except UNREADABLE as error:
        raise RefusedError(f"cannot be read ({error})") from error


@contextmanager
def opened(path: Path, packing: Packed) -> Iterator[Readable]:
    """Open the contents of a file, where they lie: nothing is written, and what cannot be read raises `UNREADABLE`.

    Raises
    ------
    RefusedError
        If an archive has no such member, or holds a path that leaves its folder.
    """
    if packing.unpack == "gzip":
        with gzip.open(path, "rb") as unzipped:
            yield unzipped
    elif packing.unpack == "zip":
        with zipfile.ZipFile(path) as zipped:
            names = [checked(info.filename) for info in zipped.infolist()]
            with zipped.open(_found(names, packing.member)) as member:
                yield member
    elif packing.unpack == "tar":
        with tarfile.open(path, "r:*") as tarred, _tar_member(tarred, packing.member) as found:
            yield found
    else:
        with open(path, "rb") as file:
            yield file


def _tar_member(archive: tarfile.TarFile, wanted: str | None) -> IO[bytes]:
    """Find a member; nothing is extracted by the archive's own paths, and links are not followed."""
    infos = {checked(info.name): info for info in archive.getmembers()}
    found = infos[_found(list(infos), wanted)]
    file = archive.extractfile(found) if found.isreg() else None
    if file is None:
        raise RefusedError(f"holds {wanted} as a link or folder, expected a file")
    return file


def checked(name: str) -> str:
    """Return a member's path; RefusedError if it would leave the folder that it is taken in."""
    if escapes(name):
        raise RefusedError(f"is not trusted: it holds the path {name!r}, which leaves the archive's folder")
    return name


def _found(names: list[str], wanted: str | None) -> str:
    for name in names:
        if wanted is not None and PurePosixPath(name) == PurePosixPath(wanted):
            return name
    raise RefusedError(f"has no member {wanted}")
