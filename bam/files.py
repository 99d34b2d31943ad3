"""Hashes, atomic writes, and the small file formats that every step shares."""

import hashlib
import io
import json
import lzma
import os
import struct
import tempfile
import tokenize
import zipfile
import zlib
from collections.abc import Iterable, Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import numpy as np

from bam.errors import DataError, RunError

CHUNK_BYTES = 1 << 20
UNREADABLE = (
    *(ValueError, EOFError, KeyError, RuntimeError, MemoryError, SyntaxError, TypeError, struct.error),
    *(zipfile.BadZipFile, zlib.error, lzma.LZMAError, tokenize.TokenError),
)  # what zipfile and numpy raise on damaged files; NotImplementedError is a RuntimeError


def sha256_file(path: Path) -> str:
    """Return the hex SHA-256 of a file's bytes.

    Raises
    ------
    DataError
        If the file cannot be read.
    """
    digest = hashlib.sha256()
    try:
        with open(path, "rb") as file:
            while chunk := file.read(CHUNK_BYTES):
                digest.update(chunk)
    except OSError as error:
        raise DataError(f"{path}: cannot be read ({error.strerror})") from error
    return digest.hexdigest()


def canonical_json(value: Any) -> str:
    """Serialise to the one JSON text that ids are hashed from: sorted keys, no spaces.

    >>> canonical_json({"b": 1, "a": [0.1, True]})
    '{"a":[0.1,true],"b":1}'
    """
    return json.dumps(value, sort_keys=True, separators=(",", ":"), allow_nan=False)


def short_hash(value: Any) -> str:
    """Return the first 8 hex digits of the SHA-256 of `canonical_json(value)`."""
    return hashlib.sha256(canonical_json(value).encode()).hexdigest()[:8]


@contextmanager
def atomic_path(path: Path) -> Iterator[Path]:
    """Yield a temporary path beside `path`; on success it is synced and takes the name.

    A crash, a full disk or an exception leaves the old file (or none), never half of one.

    Raises
    ------
    RunError
        If the folder cannot be written to, or the disk is full.
    """
    temporary: Path | None = None
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        handle, name = tempfile.mkstemp(dir=path.parent, prefix=f".{path.name}.")
        temporary = Path(name)
        os.close(handle)
        yield temporary
        with open(temporary, "rb+") as file:
            os.fsync(file.fileno())
        temporary.chmod(0o666 & ~_umask())
        temporary.replace(path)
    except OSError as error:
        reason = error.strerror or str(error)
        raise RunError(
            f"{path}: cannot be written ({reason}); free the disk or make the folder writable, "
            "then run the same command again: what is finished is kept"
        ) from error
    finally:
        if temporary is not None:
            temporary.unlink(missing_ok=True)


def _umask() -> int:
    mask = os.umask(0)
    os.umask(mask)
    return mask


def write_text(path: Path, text: str) -> None:
    """Write UTF-8 text atomically."""
    with atomic_path(path) as temporary:
        temporary.write_text(text, encoding="utf-8", newline="\n")


SEAL = "sha256"


def write_json(path: Path, value: Mapping[str, Any]) -> None:
    """Write indented, key-sorted JSON atomically, with the SHA-256 of its contents as one more key."""
    contents = {key: entry for key, entry in value.items() if key != SEAL}
    sealed = {**contents, SEAL: _seal(contents)}
    write_text(path, json.dumps(sealed, indent=2, sort_keys=True, allow_nan=False) + "\n")


def read_json(path: Path, *, is_sealed: bool = True) -> Any:
    """Read a JSON file that `write_json` wrote, without the SHA-256 of its contents.

    Parameters
    ----------
    is_sealed
        Whether it has one; if false, it is not looked at: for files of earlier versions.

    Raises
    ------
    DataError
        If it is missing, not JSON, or its contents do not have their SHA-256.
    """
    try:
        value = json.loads(path.read_text(encoding="utf-8"), parse_constant=_refuse)
        seal = value.pop(SEAL, None) if isinstance(value, dict) else None
        expected = _seal(value)
    except OSError as error:
        raise DataError(f"{path}: cannot be read ({error.strerror})") from error
    except (ValueError, RecursionError) as error:
        raise DataError(f"{path}: is not valid JSON ({error}); delete it to have it made again") from error
    if not isinstance(value, dict):
        raise DataError(f"{path}: is corrupt (it holds no JSON object); delete it to have it made again")
    if is_sealed and seal != expected:
        raise DataError(f"{path}: is corrupt (its contents do not have their SHA-256); delete it to have it made again")
    return value


def _seal(value: Mapping[str, Any]) -> str:
    return hashlib.sha256(canonical_json(value).encode("utf-8", "surrogatepass")).hexdigest()


def _refuse(constant: str) -> Any:
    raise ValueError(f"{constant} is no number")


def write_checked_text(path: Path, text: str) -> None:
    """Write UTF-8 text atomically, and its SHA-256 to a file beside it, as `sha256sum` writes and checks it."""
    _checksum_of(path).unlink(missing_ok=True)
    write_text(path, text)
    write_text(_checksum_of(path), f"{hashlib.sha256(text.encode()).hexdigest()}  {path.name}\n")


def read_checked_text(path: Path) -> str:
    """Read what `write_checked_text` wrote.

    Raises
    ------
    DataError
        If it is missing or has another SHA-256.
    """
    seen = sha256_file(path)
    try:
        expected = _checksum_of(path).read_text(encoding="utf-8").split()[0]
    except (OSError, UnicodeDecodeError, IndexError) as error:
        raise DataError(
            f"{path}: has no {_checksum_of(path).name} beside it; delete it to have it made again"
        ) from error
    if seen != expected:
        raise DataError(f"{path}: is corrupt (its SHA-256 is not that beside it); delete it to have it made again")
    return path.read_text(encoding="utf-8")


def _checksum_of(path: Path) -> Path:
    return path.with_name(f"{path.name}.sha256")


def write_npz(path: Path, schema: str, arrays: Mapping[str, np.ndarray]) -> None:
    """Write named arrays as a compressed npz that carries its schema name.

    The same arrays give the same bytes: numpy stamps zip members with a fixed date.
    """
    with atomic_path(path) as temporary, open(temporary, "wb") as file:
        np.savez_compressed(file, schema=np.array(schema), **arrays)  # type: ignore[arg-type]


def read_npz(path: Path, schema: str, needed: Iterable[str] = ()) -> dict[str, np.ndarray]:
    """Read an npz written by `write_npz`, checking its schema name and that `needed` arrays are in it.

    Raises
    ------
    DataError
        If it is missing, corrupt, or of another schema.
    """
    try:
        with zipfile.ZipFile(path) as archive:
            # Each member whole: numpy would stop where its header says, and miss a checksum that is wrong.
            members = {name.removesuffix(".npy"): io.BytesIO(archive.read(name)) for name in archive.namelist()}
        arrays = {name: np.lib.format.read_array(member, allow_pickle=False) for name, member in members.items()}
    except FileNotFoundError as error:
        raise DataError(f"{path}: is missing") from error
    except OSError as error:
        raise DataError(f"{path}: cannot be read ({error.strerror or error})") from error
    except UNREADABLE as error:
        raise DataError(f"{path}: is corrupt ({error}); delete it to have it made again") from error
    seen = str(arrays.pop("schema", "none"))
    if seen != schema:
        raise DataError(f"{path}: holds schema {seen!r}, expected {schema!r}")
    lost = [name for name in needed if name not in arrays]
    if lost:
        raise DataError(f"{path}: is corrupt (it has no {lost[0]!r}); delete it to have it made again")
    return arrays
