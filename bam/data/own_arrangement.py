"""From a user's rows to classes, groups and splits."""

import functools
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from bam.data.examples import SPLITS, Split
from bam.data.own_rows import OwnRows, in_order, sound_rows
from bam.data.own_settings import OwnSettings
from bam.data.own_split import make_split
from bam.errors import DataError
from bam.files import canonical_json

BY_SIZE = "all_but_largest"
JOINED = " + "  # between the names of attributes that make groups together


@dataclass(frozen=True)
class Groups:
    """Groups label x value.

    Attributes
    ----------
    attribute : name of the one attribute, or of several joined
    values : name of each value that occurs, in order
    value_ids : int64 array of shape (n,)
    minority : (label, value) pairs of minority groups
    empty : pairs that have no example in some split, with the splits
    """

    attribute: str
    values: tuple[str, ...]
    value_ids: np.ndarray
    minority: frozenset[tuple[int, int]]
    empty: Mapping[tuple[int, int], tuple[Split, ...]]


@dataclass(frozen=True)
class Arrangement:
    """A user's rows in classes, splits and groups.

    Attributes
    ----------
    labels : int64 array of shape (n,)
    indices : split -> rows, int64, in the order of the source
    attributes : column -> (names of its values, int64 array of shape (n,))
    groups : None without attributes
    """

    rows: OwnRows
    class_names: tuple[str, ...]
    labels: np.ndarray
    indices: Mapping[Split, np.ndarray]
    attributes: Mapping[str, tuple[tuple[str, ...], np.ndarray]]
    groups: Groups | None

    def counts(self, split: Split) -> np.ndarray:
        """Return how many examples each class has in a split, int64 of shape (C,)."""
        return np.bincount(self.labels[self.indices[split]], minlength=len(self.class_names))

    def group_counts(self, split: Split) -> np.ndarray:
        """Return how many examples each class has with each value, int64 of shape (C, values)."""
        assert self.groups is not None
        return _cells(self.labels, self.groups.value_ids, self.indices[split], self.class_names, self.groups.values)


def sound_arrangement(settings: OwnSettings) -> Arrangement:
    """Read a user's data and arrange it, once for all questions of a command.

    Raises
    ------
    DataError
        If anything is wrong with the rows, a class is missing in a split, or a group is and may not be.
    """
    return _remembered(canonical_json(settings.model_dump(exclude={"fingerprint"})), _state(settings))


@functools.lru_cache(maxsize=4)
def _remembered(settings: str, state: tuple[object, ...]) -> Arrangement:  # noqa: ARG001  (the state is half of the key)
    parsed = OwnSettings.model_validate_json(settings)
    arrangement = arrange(sound_rows(parsed), parsed)
    for problem in problems(arrangement, parsed):
        raise DataError(problem)
    return arrangement


def _state(settings: OwnSettings) -> tuple[object, ...]:
    """Return what tells a changed table or folder from the same one, within one command."""
    paths = [Path(settings.table)] if settings.table else [settings.image_folder, *_below(settings.image_folder)]
    states = [path.stat() for path in paths if path.exists()]
    return tuple((state.st_ino, state.st_size, state.st_mtime_ns, state.st_ctime_ns) for state in states)


def _below(root: Path) -> list[Path]:
    return sorted(path for pattern in ("*", "*/*") for path in root.glob(pattern) if path.is_dir())


def arrange(rows: OwnRows, settings: OwnSettings) -> Arrangement:
    """Give each row a class, a split and, if there are attributes, a group; the rows must be sound."""
    class_names, labels = _numbered(rows.labels)
    attributes = {name: _numbered(values) for name, values in rows.attributes.items()}
    splits = rows.splits
    if splits is None:
        strata = list(zip(rows.labels, *rows.attributes.values(), strict=True))
        splits = make_split(strata, settings.sizes, settings.data_seed)
    named = np.array(splits)
    indices: dict[Split, np.ndarray] = {split: np.flatnonzero(named == split) for split in SPLITS}
    groups = _groups(class_names, labels, attributes, indices, settings) if attributes else None
    return Arrangement(rows, class_names, labels, indices, attributes, groups)


def problems(arrangement: Arrangement, settings: OwnSettings) -> Iterator[str]:
    """Yield what is wrong with splits and groups that are made of sound rows."""
    source = arrangement.rows.source
    for split in SPLITS:
        if not len(arrangement.indices[split]):
            yield f"{source}: no example is in {split}; every study needs train, val and test"
            continue
        for name, count in zip(arrangement.class_names, arrangement.counts(split).tolist(), strict=True):
            if count == 0:
                yield f"{source}: class {name!r} has no example in {split}; add some, or leave the class out"
    groups = arrangement.groups
    if groups is None:
        return
    if not settings.allow_empty:
        for pair, where in groups.empty.items():
            yield (
                f"{source}: group {group_name(arrangement, pair)!r} has no example in {' and '.join(where)}, so its "
                "accuracy is undefined; split again, group by fewer attributes, or say `allow_empty: true`"
            )
    yield from _unknown_minority(arrangement, settings)


def group_name(arrangement: Arrangement, pair: tuple[int, int]) -> str:
    """Return e.g. ``"landbird, water"``."""
    assert arrangement.groups is not None
    return f"{arrangement.class_names[pair[0]]}, {arrangement.groups.values[pair[1]]}"


def _unknown_minority(arrangement: Arrangement, settings: OwnSettings) -> Iterator[str]:
    assert arrangement.groups is not None
    pairs = _pairs(arrangement.class_names, arrangement.groups.values)
    known = [group_name(arrangement, pair) for pair in pairs]
    for name in settings.minority if isinstance(settings.minority, list) else ():
        if name not in known:
            yield f"minority: there is no group {name!r}; there is {'; '.join(known[:20])}"


def _numbered(values: Sequence[str]) -> tuple[tuple[str, ...], np.ndarray]:
    """Return the names once each, in order, and the number of each row's."""
    names = in_order(values)
    position = {name: k for k, name in enumerate(names)}
    return tuple(names), np.array([position[value] for value in values], dtype=np.int64)


def _groups(
    class_names: tuple[str, ...],
    labels: np.ndarray,
    attributes: Mapping[str, tuple[tuple[str, ...], np.ndarray]],
    indices: Mapping[Split, np.ndarray],
    settings: OwnSettings,
) -> Groups:
    used = [settings.group_by] if settings.group_by is not None else list(attributes)
    combined = np.stack([attributes[name][1] for name in used], axis=1)
    occurring, value_ids = np.unique(combined, axis=0, return_inverse=True)
    value_ids = value_ids.reshape(-1).astype(np.int64)
    values = tuple(
        ", ".join(attributes[name][0][k] for name, k in zip(used, row, strict=True)) for row in occurring.tolist()
    )
    counts = {split: _cells(labels, value_ids, rows, class_names, values) for split, rows in indices.items()}
    empty = {
        pair: where
        for pair in _pairs(class_names, values)
        if (where := tuple(split for split in SPLITS if counts[split][pair] == 0))
    }
    minority = _minority(class_names, values, counts["train"], settings)
    return Groups(JOINED.join(used), values, value_ids, minority, empty)


def _minority(
    class_names: tuple[str, ...], values: tuple[str, ...], train: np.ndarray, settings: OwnSettings
) -> frozenset[tuple[int, int]]:
    pairs = _pairs(class_names, values)
    if settings.minority == BY_SIZE:
        return frozenset(pair for pair in pairs if pair[1] != int(train[pair[0]].argmax()))
    named = set(settings.minority or ())
    return frozenset(pair for pair in pairs if f"{class_names[pair[0]]}, {values[pair[1]]}" in named)


def _pairs(class_names: tuple[str, ...], values: tuple[str, ...]) -> list[tuple[int, int]]:
    return [(label, value) for label in range(len(class_names)) for value in range(len(values))]


def _cells(
    labels: np.ndarray, value_ids: np.ndarray, rows: np.ndarray, class_names: tuple[str, ...], values: tuple[str, ...]
) -> np.ndarray:
    flat = np.bincount(labels[rows] * len(values) + value_ids[rows], minlength=len(class_names) * len(values))
    return flat.reshape(len(class_names), len(values))
