"""Hashes, atomic writes, and the small file formats that every step shares."""

import hashlib
import json
import os
import tempfile
import zipfile
import zlib
from collections.abc import Iterable, Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import numpy as np

from bam.errors import DataError, RunError

CHUNK_BYTES = 1 << 20


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


def write_json(path: Path, value: Any) -> None:
    """Write indented, key-sorted JSON atomically."""
    write_text(path, json.dumps(value, indent=2, sort_keys=True, allow_nan=False) + "\n")


def read_json(path: Path) -> Any:
    """Read a JSON file.

    Raises
    ------
    DataError
        If it is missing or not JSON.
    """
    try:
        return json.loads(path.read_text(encoding="utf-8"))
    except OSError as error:
        raise DataError(f"{path}: cannot be read ({error.strerror})") from error
    except (json.JSONDecodeError, UnicodeDecodeError) as error:
        raise DataError(f"{path}: is not valid JSON ({error}); delete it to have it made again") from error


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
        with np.load(path, allow_pickle=False) as archive:
            arrays = {name: archive[name] for name in archive.files}
    except FileNotFoundError as error:
        raise DataError(f"{path}: is missing") from error
    except OSError as error:
        raise DataError(f"{path}: cannot be read ({error.strerror or error})") from error
    except (ValueError, EOFError, KeyError, NotImplementedError, zipfile.BadZipFile, zlib.error) as error:
        raise DataError(f"{path}: is corrupt ({error}); delete it to have it made again") from error
    seen = str(arrays.pop("schema", "none"))
    if seen != schema:
        raise DataError(f"{path}: holds schema {seen!r}, expected {schema!r}")
    lost = [name for name in needed if name not in arrays]
    if lost:
        raise DataError(f"{path}: is corrupt (it has no {lost[0]!r}); delete it to have it made again")
    return arrays
