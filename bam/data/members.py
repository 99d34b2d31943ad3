"""The members of an archive that stays packed: found by name, read where they lie, by several threads at once.

A kind never writes members to a disk, so a path in an archive can reach nothing. A `.tar` is an
uncompressed one (a gzipped one is unpacked to it by `bam fetch`); a `.zip` may be compressed.
"""

import hashlib
import os
import tarfile
import zipfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path, PurePosixPath
from typing import Protocol

from bam.data.sources import Archive, RawFile
from bam.data.unpack import UNREADABLE, RefusedError, Seen, checked, look
from bam.errors import DataError

JUNK = ("__MACOSX", ".DS_Store")
CHUNK = 1 << 20  # bytes of a member that are in memory at once where all of it is not asked for


class Members(Protocol):
    """An open archive.

    Attributes
    ----------
    sizes : path of each member, without a leading `./` -> its bytes
    """

    sizes: dict[str, int]

    def read(self, name: str) -> bytes:
        """Return a member's bytes; one of `UNREADABLE` if the archive is broken there."""
        ...

    def chunks(self, name: str) -> Iterator[bytes]:
        """Yield a member's bytes, at most `CHUNK` at once; errors as `read`."""
        ...


class TarMembers:
    """An uncompressed tar: a member is one piece of the file."""

    def __init__(self, path: Path) -> None:
        self.sizes: dict[str, int] = {}
        self._offsets: dict[str, int] = {}
        with tarfile.open(path, "r:") as archive:
            while (info := archive.next()) is not None:
                archive.members.clear()  # type: ignore[attr-defined]  # else each of 200,000 would be kept
                if info.isdir():
                    checked(info.name)
                    continue
                if not info.isreg() or info.issparse():
                    raise RefusedError(f"is not trusted: its member {info.name!r} is a link or device, no plain file")
                name = _listed(info.name, self.sizes)
                if name is not None:
                    self.sizes[name], self._offsets[name] = info.size, info.offset_data
        self._file = os.open(path, os.O_RDONLY)
        end = max((self._offsets[name] + size for name, size in self.sizes.items()), default=0)
        if end > os.fstat(self._file).st_size:
            raise RefusedError("ends in the middle of a member")

    def read(self, name: str) -> bytes:
        """Return a member's bytes."""
        return b"".join(self.chunks(name))

    def chunks(self, name: str) -> Iterator[bytes]:
        """Yield them in pieces."""
        start, stop = self._offsets[name], self._offsets[name] + self.sizes[name]
        while start < stop:
            piece = os.pread(self._file, min(CHUNK, stop - start), start)
            if not piece:
                raise EOFError("the archive ends in the middle of it")
            start += len(piece)
            yield piece

    def __del__(self) -> None:
        """Close the file."""
        if hasattr(self, "_file"):
            os.close(self._file)


class ZipMembers:
    """A zip; members are unpacked in memory, never beyond the size that the archive lists."""

    def __init__(self, path: Path) -> None:
        self.sizes: dict[str, int] = {}
        self._infos: dict[str, zipfile.ZipInfo] = {}
        self._archive = zipfile.ZipFile(path)
        for info in self._archive.infolist():
            if not info.filename:  # a name is cut at its first NUL, and zipfile takes its last letter
                raise RefusedError("is not trusted: it has a member without a name")
            if info.is_dir():
                checked(info.filename)
                continue
            if (info.external_attr >> 16) & 0o170000 not in (0, 0o100000):
                raise RefusedError(f"is not trusted: its member {info.filename!r} is a link or device, no plain file")
            name = _listed(info.filename, self.sizes)
            if name is not None:
                self.sizes[name], self._infos[name] = info.file_size, info

    def read(self, name: str) -> bytes:
        """Return a member's bytes, compared with the archive's own CRC."""
        return b"".join(self.chunks(name))

    def chunks(self, name: str) -> Iterator[bytes]:
        """Yield them in pieces."""
        left = self.sizes[name]
        with self._archive.open(self._infos[name]) as member:
            # One byte more would contradict the listed size; reading on is also what makes zipfile compare the CRC.
            while piece := member.read(min(CHUNK, left + 1)):
                left -= len(piece)
                if left < 0:
                    break
                yield piece
        if left:
            raise EOFError("it is not as long as the archive says")


def open_members(path: Path) -> Members:
    """Open an archive that `bam fetch` has checked.

    Raises
    ------
    DataError
        If it is missing or cannot be read; it names the file.
    """
    advice = "run `bam fetch` again"
    if not path.exists():
        raise DataError(f"{path}: is missing; {advice}")
    try:
        return _open(path)
    except RefusedError as error:
        raise DataError(f"{path}: {error}; {advice}") from error


def read_member(path: Path, members: Members, name: str) -> bytes:
    """Return a member's bytes; DataError if the archive is broken there."""
    try:
        return members.read(name)
    except UNREADABLE as error:
        raise DataError(f"{path}: {name}: cannot be read ({error}); run `bam fetch` again") from error


def problem(path: Path, seen: Seen, raw_file: RawFile) -> str | None:
    """Say how a file, and what is in it, differs from its description, or None if it does not."""
    found = seen.problem(raw_file)
    return _archive_problem(path, raw_file.archive) if found is None and raw_file.archive else found


def identity(path: Path, raw_file: RawFile) -> str:
    """Return the hash that a file of the right contents is known by from now on.

    Raises
    ------
    RefusedError
        If it cannot be read.
    """
    if raw_file.known is not None:
        return raw_file.known
    return look(path, raw_file).sha256 if raw_file.archive is None else contents_sha256(path)


def _archive_problem(path: Path, archive: Archive) -> str | None:
    try:
        members = _open(path)
        total = sum(members.sizes.values())
        if len(members.sizes) > archive.max_members:
            return f"has {len(members.sizes):,} members, expected at most {archive.max_members:,}"
        if total > archive.max_unpacked_bytes:
            return f"unpacks to {total:,} bytes, expected at most {archive.max_unpacked_bytes:,}"
        lost = [wanted for wanted in archive.required if find(members, wanted) is None]
        found = None if lost or archive.contents_sha256 is None else contents_sha256(path)
    except RefusedError as error:
        return str(error)
    if lost:
        return f"has no member {lost[0]}"
    if found != archive.contents_sha256:
        return f"has members of SHA-256 {found}, expected {archive.contents_sha256}"
    return None


def contents_sha256(path: Path) -> str:
    """Hash the names and contents of all members, in the order of names.

    The same for a tar, a zip and a folder that hold the same, and whatever single folder is around them:
    the SHA-256 of one line a member, `<SHA-256 of its contents>  <path>`.

    Raises
    ------
    RefusedError
        If a member cannot be read.
    """
    members = _open(path)
    top = _common_folder(members)
    digest = hashlib.sha256()
    with _named():
        for name in sorted(members.sizes):
            contents = hashlib.sha256()
            for piece in members.chunks(name):
                contents.update(piece)
            digest.update(f"{contents.hexdigest()}  {name.removeprefix(top)}\n".encode())
    return digest.hexdigest()


def find(members: Members, wanted: str) -> str | None:
    """Return the member of this path below whatever folder, the one least deep if there are several."""
    suffix = f"/{wanted}"
    found = [name for name in members.sizes if name == wanted or name.endswith(suffix)]
    return min(found, key=lambda name: (name.count("/"), name), default=None)


def _open(path: Path) -> Members:
    with _named(), open(path, "rb") as file:
        is_zip = file.read(4) in (b"PK\x03\x04", b"PK\x05\x06")  # a tar begins with its first member's name
        return ZipMembers(path) if is_zip else TarMembers(path)


@contextmanager
def _named() -> Iterator[None]:
    try:
        yield
    except UNREADABLE as error:
        raise RefusedError(f"cannot be read as an archive ({error})") from error


def _listed(name: str, sizes: dict[str, int]) -> str | None:
    """Return the path that a member is known by, None for what file managers leave in archives."""
    parts = PurePosixPath(checked(name)).parts
    if any(part in JUNK or part.startswith("._") for part in parts):
        return None
    path = "/".join(parts)
    if path in sizes:
        raise RefusedError(f"is not trusted: it holds {path!r} twice")
    return path


def _common_folder(members: Members) -> str:
    """Return `folder/` if all members lie in one folder, else an empty string."""
    first = {name.split("/", 1)[0] if "/" in name else "" for name in members.sizes}
    only = first.pop() if len(first) == 1 else ""
    return f"{only}/" if only else ""
