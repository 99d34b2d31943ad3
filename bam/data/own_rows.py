"""The rows of a user's own data, from a table or a folder of images, with all that is wrong with them."""

import os
import re
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from bam.data.columns import Columns, read_columns
from bam.data.examples import Split
from bam.data.own_settings import OwnSettings
from bam.data.sources import escapes
from bam.errors import DataError

IMAGES = (".bmp", ".gif", ".jpeg", ".jpg", ".png", ".tif", ".tiff", ".webp")
SPLIT_NAMES: Mapping[str, Split] = {
    **{"train": "train", "training": "train", "0": "train"},
    **{"val": "val", "valid": "val", "validation": "val", "dev": "val", "1": "val"},
    **{"test": "test", "testing": "test", "2": "test"},
}
MAX_CLASSES = 256  # predictions are kept as uint8
MAX_VALUES = 256
FORMULA = re.compile(r"[=@\t\r]|[+-](?![0-9.]*$)")
TAG = re.compile(r"<[A-Za-z/!?]")


@dataclass(frozen=True)
class OwnRows:
    """Rows as the user wrote them.

    Attributes
    ----------
    source : the table or the folder
    inputs : file names relative to the image folder, or texts
    pairs : second texts, or None
    labels : class names, one a row
    attributes : column -> values, one a row
    splits : one a row, or None where they are to be made
    faults : what is wrong, each in one line that names the place; a study needs them to be none
    notes : what a user may want to know
    """

    source: Path
    inputs: Sequence[str]
    pairs: Sequence[str] | None
    labels: Sequence[str]
    attributes: Mapping[str, Sequence[str]]
    splits: Sequence[Split] | None
    faults: Sequence[str]
    notes: Sequence[str] = ()


def read_rows(settings: OwnSettings) -> OwnRows:
    """Read a user's own data, and collect what is wrong row by row.

    Raises
    ------
    DataError
        If the table or the folder cannot be read at all.
    """
    return _from_folder(Path(settings.images)) if settings.images is not None else _from_table(settings)


def sound_rows(settings: OwnSettings) -> OwnRows:
    """Return the same if nothing is wrong.

    Raises
    ------
    DataError
        With the first fault, and how many more there are.
    """
    rows = read_rows(settings)
    if rows.faults:
        more = f" (and {len(rows.faults) - 1} more; see `bam doctor`)" if len(rows.faults) > 1 else ""
        raise DataError(f"{rows.faults[0]}{more}")
    return rows


def in_order(values: Sequence[str]) -> list[str]:
    """Return the values once each: by number if all are whole numbers, else by text.

    >>> in_order(["10", "2", "2"]), in_order(["b", "B", "a"])
    (['2', '10'], ['B', 'a', 'b'])
    """
    once = sorted(set(values))
    return sorted(once, key=lambda text: (int(text), text)) if all(map(_is_whole, once)) else once


def _is_whole(text: str) -> bool:
    return re.fullmatch(r"[+-]?[0-9]{1,18}", text) is not None


def name_fault(text: str) -> str:
    """Say why a text is no name of a class or a value, or nothing.

    Names go into tables and pages that spreadsheets and browsers open.

    >>> name_fault(""), name_fault("=1+1"), name_fault("-1"), name_fault("<50K")
    ('is empty', 'begins like a formula of a spreadsheet', '', '')
    """
    if not text.strip() or text.strip().lower() == "nan":
        return "is empty" if not text.strip() else "is not a value (NaN)"
    if FORMULA.match(text):
        return "begins like a formula of a spreadsheet"
    if TAG.search(text):
        return "holds an HTML tag"
    if "\0" in text or (not text.isprintable() and any(0xD800 <= ord(letter) < 0xE000 for letter in text)):
        return "holds a zero byte, or bytes that are no UTF-8"
    return ""


def _from_table(settings: OwnSettings) -> OwnRows:
    assert settings.table is not None and settings.label is not None
    named = [settings.label, settings.path, settings.text, settings.text_pair, settings.split, *settings.attributes]
    columns = read_columns(Path(settings.table), [name for name in named if name is not None])
    given = settings.path if settings.path is not None else settings.text
    assert given is not None
    faults = [*_name_faults(columns, [settings.label, *settings.attributes])]
    faults += _path_faults(columns, settings) if settings.path is not None else _text_faults(columns, given)
    splits = None
    if settings.split is not None:
        faults += _split_faults(columns, settings.split)
        splits = [SPLIT_NAMES.get(value.strip().lower(), "train") for value in columns.values[settings.split]]
    labels = columns.values[settings.label]
    return OwnRows(
        source=columns.path,
        inputs=columns.values[given],
        pairs=None if settings.text_pair is None else columns.values[settings.text_pair],
        labels=labels,
        attributes={name: columns.values[name] for name in settings.attributes},
        splits=splits,
        faults=[*faults, *_class_faults(columns.path, labels), *_value_faults(columns, settings.attributes)],
    )


def _name_faults(columns: Columns, names: Sequence[str]) -> Iterator[str]:
    for name in names:
        if FORMULA.match(name) or TAG.search(name):
            yield f"{columns.path}: the column {name!r} {name_fault(name)}; rename it"
        said = {value: name_fault(value) for value in set(columns.values[name])}
        if not any(said.values()):
            continue
        for row, value in enumerate(columns.values[name]):
            if said[value]:
                what = f"{name} {_quoted(value)}".strip()
                yield f"{columns.at(row)}: {what} {said[value]}; mend or remove the row"


def _quoted(value: str) -> str:
    return repr(value if len(value) <= 60 else value[:57] + "...") if value else ""


def _path_faults(columns: Columns, settings: OwnSettings) -> Iterator[str]:
    assert settings.path is not None
    if not settings.image_folder.is_dir():
        yield f"{settings.image_folder}: is no folder; set `folder` to where the files of {settings.path!r} lie"
        return
    first: dict[str, int] = {}
    for row, name in enumerate(columns.values[settings.path]):
        if not name.strip():
            yield f"{columns.at(row)}: {settings.path} is empty"
        elif escapes(name) or "\0" in name:
            yield f"{columns.at(row)}: {settings.path} {_quoted(name)} leaves the folder {settings.image_folder}"
        elif (known := first.setdefault(str(Path(name)), row)) != row:
            there = f"{columns.unit} {columns.places[known]}"
            yield f"{columns.at(row)}: {settings.path} {_quoted(name)} stands in {there} too; remove one"
        elif not os.path.isfile(settings.image_folder / name):  # noqa: PTH113  (Path.is_file raises on too long a name)
            yield f"{columns.at(row)}: {settings.image_folder / name}: is no file"


def _text_faults(columns: Columns, name: str) -> Iterator[str]:
    for row, value in enumerate(columns.values[name]):
        if not value.strip():
            yield f"{columns.at(row)}: {name} is empty; remove the row"


def _split_faults(columns: Columns, name: str) -> Iterator[str]:
    for row, value in enumerate(columns.values[name]):
        if value.strip().lower() not in SPLIT_NAMES:
            yield f"{columns.at(row)}: {name} {_quoted(value)} is no split; expected train, val or test"


def _class_faults(source: Path, labels: Sequence[str]) -> Iterator[str]:
    names = {name for name in labels if not name_fault(name)}
    if len(names) == 1:
        yield f"{source}: all examples have the class {_quoted(next(iter(names)))}; expected two classes or more"
    if len(names) > MAX_CLASSES:
        yield f"{source}: has {len(names):,} classes, expected at most {MAX_CLASSES}; is the label a number?"


def _value_faults(columns: Columns, attributes: Sequence[str]) -> Iterator[str]:
    for name in attributes:
        n_values = len(set(columns.values[name]))
        if n_values > MAX_VALUES:
            yield f"{columns.path}: {name} has {n_values:,} values, expected at most {MAX_VALUES}; bin it first"


def _from_folder(root: Path) -> OwnRows:
    """List <class>/... or, where all folders are named like splits, <split>/<class>/...; names in sorted order."""
    try:
        tops = _folders(root)
    except OSError as error:
        raise DataError(
            f"{root}: cannot be read ({error.strerror}); expected a folder with one folder a class"
        ) from error
    has_splits = bool(tops) and all(name.lower() in SPLIT_NAMES for name in tops) and len(tops) > 1
    places = [(top, name) for top in tops for name in _folders(root / top)] if has_splits else [("", t) for t in tops]
    inputs, labels, splits, others = [], [], [], Counter[str]()
    for top, name in places:
        for file in _files(root, Path(top) / name):
            if Path(file).suffix.lower() not in IMAGES:
                others[Path(file).suffix.lower() or "no suffix"] += 1
                continue
            inputs.append(file)
            labels.append(name)
            splits.append(SPLIT_NAMES[top.lower()] if has_splits else "train")
    if not inputs:
        raise DataError(f"{root}: holds no image; expected <class>/<image> with {', '.join(IMAGES)}")
    faults = [
        f"{root / top / name}: the name of a class {name_fault(name)}; rename the folder"
        for top, name in places
        if name_fault(name)
    ]
    listed = ", ".join(f"{n} of {suffix}" for suffix, n in sorted(others.items()))
    return OwnRows(
        source=root,
        inputs=inputs,
        pairs=None,
        labels=labels,
        attributes={},
        splits=splits if has_splits else None,
        faults=[*faults, *_class_faults(root, labels)],
        notes=[f"{sum(others.values())} files are no images by their names and are left out: {listed}"] * bool(others),
    )


def _folders(root: Path) -> list[str]:
    return sorted(entry.name for entry in os.scandir(root) if entry.is_dir() and not entry.name.startswith("."))


def _files(root: Path, below: Path) -> list[str]:
    """Return the files below a folder, relative to the root, without hidden ones and linked folders."""
    found = []
    for folder, names, files in os.walk(root / below):
        names[:] = [name for name in names if not name.startswith(".")]
        found += [str((Path(folder) / file).relative_to(root)) for file in files if not file.startswith(".")]
    return sorted(found)
