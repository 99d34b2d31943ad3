"""Predict with an exported model; no part of a study is needed."""

import csv
import os
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch

from bam.data.columns import FORMATS, read_columns
from bam.data.own_rows import IMAGES
from bam.data.rows import ArrayRows, Rows
from bam.data.sources import escapes
from bam.errors import DataError, RunError
from bam.exported import ExportedModel, load
from bam.files import UNREADABLE, atomic_path
from bam.progress import track
from bam.training.build import set_up_torch
from bam.training.divergence import DivergedError

BLOCK = 1024  # rows that are in memory at once


@dataclass(frozen=True)
class Asked:
    """What to predict: rows of inputs, and what names them in the output.

    Attributes
    ----------
    names : of the images, one a row; None where only the index tells
    """

    rows: Rows
    names: Sequence[str] | None = None


def predict_file(model: Path, inputs: Path, out: Path, device: str, folder: Path | None = None) -> None:
    """Write one CSV row an input: index, the image's name if it has one, predicted class, probability of each class.

    Parameters
    ----------
    model
        Folder that `bam export` wrote.
    inputs
        A .csv or .parquet with the columns that the model was trained on, a folder of images, or a .npy
        file of uint8 images of shape (n, channels, height, width).
    folder
        What image paths in a table are relative to; the table's own folder if None.

    Raises
    ------
    DataError
        If something is missing or not as described; unreadable images are named.
    """
    loaded = load(model, set_up_torch(torch.get_num_threads(), device))
    asked = _asked(loaded, inputs, folder)
    names = loaded.class_names
    with atomic_path(out) as temporary, open(temporary, "w", newline="", encoding="utf-8") as file:
        writer = csv.writer(file, lineterminator="\n")
        named = [] if asked.names is None else ["path"]
        writer.writerow(["index", *named, "predicted", *(f"probability:{name}" for name in names)])
        index = 0
        for logits in _logits(loaded, asked.rows):
            for row in torch.from_numpy(logits).double().softmax(dim=1).tolist():
                name = [] if asked.names is None else [_printable(asked.names[index])]
                writer.writerow([index, *name, names[int(np.argmax(row))], *row])
                index += 1


def predict_logits_of(model: Path, inputs: Path, device: str = "cpu", folder: Path | None = None) -> np.ndarray:
    """Return logits, float32 of shape (n, C), for what `predict_file` takes; errors as there."""
    loaded = load(model, set_up_torch(torch.get_num_threads(), device))
    return np.concatenate(list(_logits(loaded, _asked(loaded, inputs, folder).rows)))


def _logits(model: ExportedModel, rows: Rows) -> Iterator[np.ndarray]:
    starts = range(0, len(rows), BLOCK)
    for start in track(starts, len(starts), "predictions"):
        try:
            yield model.logits(rows.read(start, min(start + BLOCK, len(rows))))
        except DivergedError as error:
            raise RunError(f"{model.folder}: {error}; export another model") from error


def _asked(model: ExportedModel, inputs: Path, folder: Path | None) -> Asked:
    if inputs.is_dir():
        return _images(model, inputs, _below(inputs), ())
    suffix = inputs.suffix.lower()
    if suffix in FORMATS:
        return _table(model, inputs, folder)
    if suffix != ".npy":
        raise DataError(f"{inputs}: expected a folder of images, or a file that ends in {', '.join(FORMATS)} or .npy")
    return Asked(ArrayRows(_array(model, inputs)))


def _table(model: ExportedModel, path: Path, folder: Path | None) -> Asked:
    if not model.columns:
        raise DataError(f"{path}: this model takes arrays alone; give it a .npy file of uint8 images")
    columns = read_columns(path, model.columns)
    if model.is_text:
        return Asked(model.text_rows([list(columns.values[name]) for name in model.columns]))
    names = columns.values[model.columns[0]]
    root = path.parent if folder is None else folder
    places = [columns.at(row) for row in range(len(names))]
    for place, name in zip(places, names, strict=True):
        if not name.strip() or escapes(name) or "\0" in name:
            raise DataError(f"{place}: {model.columns[0]} {name!r} is no path below {root}")
    return _images(model, root, list(names), places)


def _below(root: Path) -> list[str]:
    """Return the image files of a folder and of those in it, relative to it, sorted."""
    found = sorted(str(path.relative_to(root)) for path in root.rglob("*") if path.suffix.lower() in IMAGES)
    if not found:
        raise DataError(f"{root}: holds no image; expected files that end in {', '.join(IMAGES)}")
    return found


def _images(model: ExportedModel, root: Path, names: list[str], places: Sequence[str]) -> Asked:
    for k, name in enumerate(names):
        if not os.path.isfile(root / name):  # noqa: PTH113  (Path.is_file raises on too long a name)
            where = f"{places[k]}: " if places else ""
            raise DataError(f"{where}{root / name}: is no file")
    return Asked(model.image_rows([root / name for name in names]), names)


def _array(model: ExportedModel, path: Path) -> np.ndarray:
    if model.is_text:
        raise DataError(f"{path}: this model takes a table with {' and '.join(model.columns)}")
    try:
        images = np.load(path, allow_pickle=False, mmap_mode="c")  # torch warns of arrays that cannot be written
    except (OSError, *UNREADABLE) as error:
        raise DataError(f"{path}: cannot be read as a .npy file ({error})") from error
    if not isinstance(images, np.ndarray):
        raise DataError(f"{path}: is an archive of arrays, expected one array as a .npy file")
    if images.dtype != np.uint8 or images.shape[1:] != model.input_shape:
        raise DataError(
            f"{path}: expected uint8 images of shape (n, {', '.join(map(str, model.input_shape))}), "
            f"got {images.dtype} {images.shape}"
        )
    return np.asarray(images)


def _printable(name: str) -> str:
    """Return a file's name as UTF-8 can say it."""
    return name.encode("utf-8", "backslashreplace").decode("utf-8")
