"""Look at a user's own data before anything is made of it: counts, unreadable files, duplicates, thin groups."""

import hashlib
from collections import Counter
from collections.abc import Callable, Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass

import numpy as np

from bam.data.examples import SPLITS, Split
from bam.data.own_arrangement import Arrangement, arrange, group_name, problems
from bam.data.own_hashes import hash_files
from bam.data.own_rows import OwnRows, read_rows
from bam.data.own_settings import OwnSettings
from bam.data.pictures import read_picture
from bam.errors import DataError
from bam.progress import track

MOST_LISTED = 20
FEW = 10
IMBALANCE = 10


@dataclass(frozen=True)
class Look:
    """What there is to say of a data set.

    Attributes
    ----------
    text : sizes, and a table of class x group counts of each split
    notes : what a study can live with, with advice
    problems : what would stop a study, with advice
    """

    text: str
    notes: tuple[str, ...]
    problems: tuple[str, ...]


def look(settings: OwnSettings) -> Look:
    """Look at one's own data.

    Raises
    ------
    DataError
        If the table or the folder cannot be read at all.
    """
    rows = read_rows(settings)
    if rows.faults:
        return Look(f"{rows.source}: {len(rows.labels):,} rows", tuple(rows.notes), capped(rows.faults))
    arrangement = arrange(rows, settings)
    wrong = capped(list(problems(arrangement, settings)))
    unreadable: tuple[str, ...] = ()
    notes = [*rows.notes, *_similar_names(rows), *_thin(arrangement, settings)]
    if not settings.is_text:
        unreadable = capped(list(_unreadable(settings, rows)), "unreadable images")
    if not settings.is_text and not unreadable:
        notes += _duplicates(arrangement, _image_keys(settings, rows), rows.inputs.__getitem__)
    elif settings.is_text:
        notes += _duplicates(arrangement, _text_keys(rows), lambda row: _shortened(rows.inputs[row]))
    return Look(_described(arrangement, settings), tuple(notes), (*wrong, *unreadable))


def capped(lines: Sequence[str], what: str = "of these") -> tuple[str, ...]:
    """Return the first lines, and how many more there are."""
    more = [f"and {len(lines) - MOST_LISTED:,} more {what}"] if len(lines) > MOST_LISTED else []
    return (*lines[:MOST_LISTED], *more)


def _described(arrangement: Arrangement, settings: OwnSettings) -> str:
    rows = arrangement.rows
    what = f"texts of up to {settings.max_length} tokens" if settings.is_text else f"images of {settings.side} pixels"
    made = "split by the data" if rows.splits is not None else f"split at random, seed {settings.data_seed}"
    classes = ", ".join(f"{k} = {name}" for k, name in enumerate(arrangement.class_names))
    groups = arrangement.groups
    by = f"groups: class x {groups.attribute}" if groups else "no attributes, so no groups: rules by labels alone"
    values = groups.values if groups else ("all",)
    lines = [f"{rows.source}: {len(rows.labels):,} {what}; {made}", f"classes: {classes}", by]
    header = ["split", "class", *([*values] if groups else []), "all"]
    body = [
        [split, name, *([f"{n:,}" for n in arrangement.group_counts(split)[k]] if groups else []), f"{total:,}"]
        for split in SPLITS
        for k, (name, total) in enumerate(zip(arrangement.class_names, arrangement.counts(split), strict=True))
    ]
    return "\n".join([*lines, *_aligned([header, *body])])


def _aligned(table: Sequence[Sequence[str]]) -> list[str]:
    """Return the lines of a table: names left, counts right."""
    plain = [[" ".join(cell.split()) for cell in row] for row in table]
    widths = [max(map(len, column)) for column in zip(*plain, strict=True)]
    return [
        "  ".join(
            cell.ljust(width) if k < 2 else cell.rjust(width)
            for k, (cell, width) in enumerate(zip(row, widths, strict=True))
        ).rstrip()
        for row in plain
    ]


def _thin(arrangement: Arrangement, settings: OwnSettings) -> Iterator[str]:
    totals = arrangement.counts("train")
    if totals.min() and totals.max() >= IMBALANCE * totals.min():
        large, small = (arrangement.class_names[int(at)] for at in (totals.argmax(), totals.argmin()))
        yield (
            f"train has {totals.max() / totals.min():.0f} times as many of class {large!r} as of {small!r}; average "
            "accuracy says little of the rare class: select by class_difference or worst_class"
        )
    if arrangement.groups is None:
        return
    for split in SPLITS:
        counts = arrangement.group_counts(split)
        for pair in zip(*np.nonzero((counts > 0) & (counts < FEW)), strict=True):
            name, n = group_name(arrangement, (int(pair[0]), int(pair[1]))), int(counts[pair])
            yield f"{split}: group {name!r} has {n} examples; one of them is {100 / n:.0f} points of its accuracy"
    if settings.allow_empty:
        for pair, where in arrangement.groups.empty.items():
            yield f"group {group_name(arrangement, pair)!r} has no example in {' and '.join(where)}; allowed, left out"
    if not arrangement.groups.minority:
        yield "no minority groups are named, so error sets are not compared with them; see `minority`"


def _similar_names(rows: OwnRows) -> Iterator[str]:
    """Point out names that differ in nothing but case and blanks."""
    for what, values in {"class": rows.labels, **rows.attributes}.items():
        folded: dict[str, set[str]] = {}
        for name in set(values):
            folded.setdefault(" ".join(name.casefold().split()), set()).add(name)
        for names in folded.values():
            if len(names) > 1:
                yield f"{what}: {' and '.join(map(repr, sorted(names)))} differ in case or blanks alone; are they one?"


def _unreadable(settings: OwnSettings, rows: OwnRows) -> Iterator[str]:
    """Decode every image, on all cores."""

    def reason(name: str) -> str:
        try:
            read_picture(settings.image_folder / name, settings.side)
        except DataError as error:
            return str(error)
        return ""

    with ThreadPoolExecutor() as pool:
        found = pool.map(reason, rows.inputs)
        for text in track(found, len(rows.inputs), "images"):
            if text:
                yield f"{text}; mend it, or remove it"


def _image_keys(settings: OwnSettings, rows: OwnRows) -> list[str]:
    hashes = hash_files(settings.image_folder, rows.inputs)
    return [hashes[name][1] for name in rows.inputs]


def _text_keys(rows: OwnRows) -> list[str]:
    seconds = rows.pairs if rows.pairs is not None else [""] * len(rows.inputs)
    return [
        hashlib.sha256(f"{len(first)} {first}{second}".encode()).hexdigest()
        for first, second in zip(rows.inputs, seconds, strict=True)
    ]


def _shortened(text: str) -> str:
    return " ".join(text.split())[:60]


def _duplicates(arrangement: Arrangement, keys: Sequence[str], name: Callable[[int], str]) -> Iterator[str]:
    """Yield notes on equal examples within a split, across splits, and with different classes."""
    split_of: dict[int, Split] = {int(row): split for split in SPLITS for row in arrangement.indices[split]}
    rows: dict[str, list[int]] = {}
    for row, key in enumerate(keys):
        rows.setdefault(key, []).append(row)
    repeated = [found for found in rows.values() if len(found) > 1]
    within = Counter(split for found in repeated for split in _twice([split_of[row] for row in found]))
    across = Counter(_pairs_of([split_of[row] for row in found]) for found in repeated)
    across = Counter({pair: n for pair, n in across.items() if len(pair) > 1})
    examples = _first_across(repeated, split_of)
    for split in (split for split in SPLITS if within[split]):
        yield f"{within[split]:,} examples stand more than once in {split}; they count as often as they stand"
    for pair, n in sorted(across.items()):
        first = ", e.g. " + " and ".join(repr(name(row)) for row in examples[pair])
        yield (
            f"{n:,} examples stand in {' and '.join(pair)}{first}: what is learnt by heart is tested; keep one of each"
        )
    conflicting = [found for found in repeated if len({int(arrangement.labels[row]) for row in found}) > 1]
    if conflicting:
        first = " and ".join(repr(name(row)) for row in conflicting[0][:2])
        yield f"{len(conflicting):,} examples stand with several classes, e.g. {first}; no model can be right on all"


def _twice(splits: Sequence[Split]) -> list[Split]:
    return [split for split, n in Counter(splits).items() if n > 1]


def _pairs_of(splits: Sequence[Split]) -> tuple[Split, ...]:
    return tuple(split for split in SPLITS if split in splits)


def _first_across(
    repeated: Sequence[Sequence[int]], split_of: Mapping[int, Split]
) -> Mapping[tuple[Split, ...], Sequence[int]]:
    """Return, for each set of splits, one row of each split of the first example that stands in all of them."""
    found: dict[tuple[Split, ...], list[int]] = {}
    for rows in repeated:
        pair = _pairs_of([split_of[row] for row in rows])
        found.setdefault(pair, [next(row for row in rows if split_of[row] == split) for split in pair])
    return found
