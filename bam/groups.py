"""Group labels in files of their own: the far side of the wall (design: training never reads them)."""

import csv
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from bam.errors import DataError
from bam.files import read_json, sha256_file, write_json, write_text

GROUP_PREFIX = "group:"
SCHEME = "groups.json"


@dataclass(frozen=True)
class GroupScheme:
    """What groups a data set has; `groups.json` beside the group files.

    Attributes
    ----------
    names : group names, in the order of the membership columns
    minority : which of them are minority groups, declared by the data set
    declared_empty : groups that the data set says may have no example
    is_partition : whether each example lies in exactly one group
    counts : split -> number of examples of each group
    """

    names: tuple[str, ...]
    minority: tuple[bool, ...]
    declared_empty: tuple[str, ...]
    is_partition: bool
    counts: Mapping[str, tuple[int, ...]]


@dataclass(frozen=True)
class SplitGroups:
    """The groups of one split.

    Attributes
    ----------
    attributes : name -> int64 array of shape (n,)
    membership : bool array of shape (n, G)
    labels : int64 array of shape (n,), present for the test split only
    """

    attributes: Mapping[str, np.ndarray]
    membership: np.ndarray
    labels: np.ndarray | None = None


def write_scheme(folder: Path, scheme: GroupScheme) -> None:
    """Write `groups.json`, with the SHA-256 of the group files that are in the folder."""
    write_json(
        folder / SCHEME,
        {
            "files": {path.name: sha256_file(path) for path in sorted(folder.glob("*.csv"))},
            "names": list(scheme.names),
            "minority": list(scheme.minority),
            "declared_empty": list(scheme.declared_empty),
            "is_partition": scheme.is_partition,
            "counts": {split: list(counts) for split, counts in scheme.counts.items()},
        },
    )


def read_scheme(folder: Path) -> GroupScheme:
    """Read `groups.json`; DataError if it is missing or not what `write_scheme` writes."""
    content = read_json(folder / SCHEME)
    try:
        return GroupScheme(
            names=tuple(content["names"]),
            minority=tuple(content["minority"]),
            declared_empty=tuple(content["declared_empty"]),
            is_partition=content["is_partition"],
            counts={split: tuple(counts) for split, counts in content["counts"].items()},
        )
    except (KeyError, TypeError, AttributeError) as error:
        raise DataError(f"{folder / 'groups.json'}: lacks {error}; run `bam annotate` again") from error


def write_split(path: Path, split: SplitGroups, names: tuple[str, ...]) -> None:
    """Write one split's CSV: index, attributes, one 0/1 column a group, labels if given."""
    columns: dict[str, np.ndarray] = {"index": np.arange(len(split.membership)), **split.attributes}
    for column, name in enumerate(names):
        columns[GROUP_PREFIX + name] = split.membership[:, column].astype(int)
    if split.labels is not None:
        columns["label"] = split.labels
    header = ",".join(_quoted(name) for name in columns)
    rows = zip(*(array.tolist() for array in columns.values()), strict=True)
    write_text(path, "\n".join([header, *(",".join(map(str, row)) for row in rows)]) + "\n")


def _quoted(name: str) -> str:
    return '"' + name.replace('"', '""') + '"' if any(c in name for c in ',"\n\r') else name


def read_split(path: Path) -> SplitGroups:
    """Read one split's CSV.

    Raises
    ------
    DataError
        If it is missing, ragged, has entries that are not integers or rows out of order, or is not
        the file that `groups.json` beside it describes.
    """
    if (path.parent / SCHEME).exists() and path.name in corrupt_files(path.parent):
        raise DataError(f"{path}: is not the file that {SCHEME} describes; delete the folder to have it made again")
    try:
        with open(path, newline="", encoding="utf-8") as file:
            header, *rows = list(csv.reader(file))
        values = np.array(rows, dtype=np.int64).reshape(len(rows), len(header))
    except OSError as error:
        raise DataError(f"{path}: cannot be read ({error.strerror}); run `bam annotate`") from error
    except (ValueError, OverflowError, csv.Error) as error:
        raise DataError(f"{path}: is corrupt ({error}); delete it to have it made again") from error
    if "index" not in header or not np.array_equal(values[:, header.index("index")], np.arange(len(values))):
        raise DataError(f"{path}: its column 'index' does not count 0, 1, 2, ...; delete it to have it made again")
    is_group = [name.startswith(GROUP_PREFIX) for name in header]
    attributes = {
        name: values[:, k] for k, name in enumerate(header) if not is_group[k] and name not in ("index", "label")
    }
    labels = values[:, header.index("label")] if "label" in header else None
    return SplitGroups(attributes, values[:, is_group].astype(bool), labels)


def corrupt_files(folder: Path) -> list[str]:
    """Return the names of group files that are not what `groups.json` describes; a missing one is not corrupt."""
    described = read_json(folder / SCHEME).get("files", {})
    if not isinstance(described, dict):
        raise DataError(f"{folder / SCHEME}: is corrupt (its 'files' is no mapping); run `bam annotate` again")
    return [
        name
        for name, expected in described.items()
        if (folder / name).exists() and sha256_file(folder / name) != expected
    ]


def partition_ids(membership: np.ndarray) -> np.ndarray:
    """Return one group id a row, int64 of shape (n,), for groups that partition the data.

    Raises
    ------
    DataError
        If some row lies in no group or in several.
    """
    if not np.all(membership.sum(axis=1) == 1):
        raise DataError("these groups overlap or leave rows out; this method needs one group a row")
    return np.asarray(membership.argmax(axis=1), dtype=np.int64)
