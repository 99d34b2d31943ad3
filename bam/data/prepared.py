"""The prepared arrays of a data set: inputs and labels, memory-mapped, and their manifest."""

from collections.abc import Mapping
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

import numpy as np

from bam.data.examples import Split
from bam.errors import DataError, RunError
from bam.files import read_json, sha256_file, write_text

MANIFEST = "manifest.json"
SCHEMA = "bam.prepared/1"
FULL_HASH_BYTES = 256 << 20  # larger files are hashed once, and by `bam verify`


@dataclass(frozen=True)
class Manifest:
    """What a prepared folder holds.

    Attributes
    ----------
    kind : image or text
    input_shape : shape of one example, (channels, height, width), or (tokens,) for text
    mean, std : per channel, of pixels scaled to [0, 1], measured on train or the data set's own; none for text
    pad_id, vocab_size : for text, the token id of padding and the number of ids
    has_segments : for text, whether `segments.npy` lies beside the token ids
    class_names : one a class
    sizes : split -> number of examples
    files : relative name -> (bytes, SHA-256)
    settings : the data settings they were made from
    """

    input_shape: tuple[int, ...]
    mean: tuple[float, ...]
    std: tuple[float, ...]
    class_names: tuple[str, ...]
    sizes: Mapping[str, int]
    files: Mapping[str, tuple[int, str]]
    settings: Mapping[str, object]
    kind: Literal["image", "text"] = "image"
    pad_id: int | None = None
    vocab_size: int | None = None
    has_segments: bool = False

    @property
    def n_classes(self) -> int:
        """C."""
        return len(self.class_names)


def read_manifest(folder: Path) -> Manifest:
    """Read `manifest.json` of a prepared folder; DataError if it is missing or not one."""
    path = folder / MANIFEST
    content = read_json(path)
    try:
        if content["schema"] != SCHEMA:
            raise DataError(f"{path}: holds schema {content['schema']!r}, expected {SCHEMA!r}")
        is_image = content["kind"] == "image"
        return Manifest(
            input_shape=tuple(content["input_shape"]),
            mean=tuple(content["mean"]) if is_image else (),
            std=tuple(content["std"]) if is_image else (),
            class_names=tuple(content["class_names"]),
            sizes=content["sizes"],
            files={name: (entry["bytes"], entry["sha256"]) for name, entry in content["files"].items()},
            settings=content["settings"],
            kind="image" if is_image else "text",
            pad_id=None if is_image else content["pad_id"],
            vocab_size=None if is_image else content["vocab_size"],
            has_segments=not is_image and content["has_segments"],
        )
    except (KeyError, TypeError, AttributeError) as error:
        raise DataError(f"{path}: lacks {error}; delete it to have it made again") from error


def open_inputs(folder: Path, manifest: Manifest, split: Split) -> np.ndarray:
    """Return a split's inputs, memory-mapped copy-on-write: uint8 images or int32 token ids, (n, *input_shape).

    Raises
    ------
    DataError
        If the file is missing or is not what the manifest describes.
    """
    return _open(folder, manifest, f"{split}/inputs.npy", (manifest.sizes[split], *manifest.input_shape))


def open_segments(folder: Path, manifest: Manifest, split: Split) -> np.ndarray:
    """Return which of its two texts each token is of, uint8 of shape (n, tokens); DataError as `open_inputs`."""
    return _open(folder, manifest, f"{split}/segments.npy", (manifest.sizes[split], *manifest.input_shape))


def open_labels(folder: Path, manifest: Manifest, split: Split) -> np.ndarray:
    """Return the labels of train or val, int64 of shape (n,); DataError as `open_inputs`."""
    return _open(folder, manifest, f"{split}/labels.npy", (manifest.sizes[split],))


def read_labels(path: Path) -> np.ndarray:
    """Return the labels at `path`, int64 of shape (n,), checked against the manifest of their prepared folder, if any.

    Raises
    ------
    DataError
        If the file is missing or corrupt.
    """
    folder, name = path.parent.parent, f"{path.parent.name}/{path.name}"
    if (folder / MANIFEST).exists():
        check_file(folder, read_manifest(folder), name)
    try:
        return np.asarray(np.load(path, allow_pickle=False))
    except (OSError, ValueError, EOFError) as error:
        raise DataError(f"{path}: cannot be read ({error}); run `bam prepare` again") from error


def check_file(folder: Path, manifest: Manifest, name: str, *, full: bool = False) -> None:
    """Compare one file with the manifest.

    Raises
    ------
    DataError
        If it is missing, or has another size or SHA-256. Above 256 MiB, a file that was hashed here and has had the
        same size and time of change since is not hashed again, unless `full`.
    """
    path = folder / name
    advice = f"delete {folder} to have it made again"
    if name not in manifest.files:
        raise DataError(f"{path}: is not among the files that {folder / MANIFEST} describes")
    n_bytes, expected = manifest.files[name]
    if not path.exists():
        raise DataError(f"{path}: is missing; {advice}")
    seen = path.stat()
    if seen.st_size != n_bytes:
        raise DataError(f"{path}: is corrupt ({seen.st_size:,} bytes, expected {n_bytes:,}); {advice}")
    is_large, stamp = n_bytes > FULL_HASH_BYTES, f"{expected} {n_bytes} {seen.st_mtime_ns}\n"
    if is_large and not full and _read_stamp(path) == stamp:
        return
    if sha256_file(path) != expected:
        raise DataError(f"{path}: is corrupt (its SHA-256 is not the manifest's); {advice}")
    if is_large:
        with suppress(RunError):  # in a folder that nobody may write to, it is hashed each time
            write_text(_stamp_of(path), stamp)


def _read_stamp(path: Path) -> str | None:
    """Return what a large file was when it was last hashed."""
    try:
        return _stamp_of(path).read_text(encoding="utf-8")
    except (OSError, UnicodeDecodeError):
        return None


def _stamp_of(path: Path) -> Path:
    return path.with_name(f".{path.name}.hashed")


def corrupt_files(folder: Path, manifest: Manifest) -> list[str]:
    """Hash every file of a prepared folder in full and describe each that is not the manifest's."""
    problems = []
    for name in manifest.files:
        try:
            check_file(folder, manifest, name, full=True)
        except DataError as error:
            problems.append(str(error))
    return problems


def _open(folder: Path, manifest: Manifest, name: str, shape: tuple[int, ...]) -> np.ndarray:
    check_file(folder, manifest, name)
    array = np.load(folder / name, mmap_mode="c", allow_pickle=False)
    if array.shape != shape:
        raise DataError(f"{folder / name}: has shape {array.shape}, the manifest says {shape}")
    return np.asarray(array)
