"""Records of JSON lines and CSV files, plain or inside an archive, one after another; a fault names its place."""

import csv
import json
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from bam.data.members import ZipMembers, find, open_members
from bam.data.sources import Packed
from bam.data.unpack import UNREADABLE, Readable, opened
from bam.errors import DataError

LONGEST_LINE = 1 << 22  # bytes; a benchmark's longest has some thousands, and a damaged file may have one of gigabytes
CHUNK_BYTES = 1 << 20
FETCH = "run `bam fetch` again"


def json_lines(folder: Path, archive: str, member: str, texts: Sequence[str]) -> Iterator[tuple[str, list[str]]]:
    """Yield the named texts of each line of a file of JSON objects.

    Parameters
    ----------
    folder, archive, member
        The raw set's folder, an archive in it, and a file in that, below whatever folder.
    texts
        Keys whose values must be texts.

    Yields
    ------
    tuple of str and list of str
        Where the line is, for messages, and the texts.

    Raises
    ------
    DataError
        If the file cannot be read, or a line is not UTF-8, not a JSON object, or lacks a text.
    """
    with _lines(folder, archive, member) as (path, lines):
        n_lines = 0
        for n_lines, line in enumerate(lines, start=1):
            where = f"{path}: line {n_lines:,}"
            try:
                record = json.loads(line)
            except (ValueError, RecursionError) as error:
                raise DataError(f"{where}: is not valid JSON ({error}); {FETCH}") from error
            yield where, [_text(record, key, where) for key in texts]
        if not n_lines:
            raise DataError(f"{path}: is empty; {FETCH}")


def csv_rows(
    folder: Path, archive: str | None, member: str, columns: Sequence[str], optional: Sequence[str] = ()
) -> Iterator[tuple[str, list[str]]]:
    """Yield the named columns of each row of a CSV file with a header; rows are counted from 1.

    Parameters
    ----------
    folder, archive, member
        As for `json_lines`; without an archive, the file itself.
    optional
        Columns that come after the others, empty if the file has them not.

    Raises
    ------
    DataError
        If the file cannot be read, is not UTF-8, lacks a column or any row, or a row is ragged.
    """
    with _lines(folder, archive, member) as (path, lines):
        yield from _rows(lines, path, columns, optional)


def _rows(
    lines: Iterator[str], path: str, columns: Sequence[str], optional: Sequence[str]
) -> Iterator[tuple[str, list[str]]]:
    reader, row = csv.reader(lines, strict=True), 0
    try:
        header = next(reader, [])
        header[:1] = [name.removeprefix("\ufeff") for name in header[:1]]
        places = _places(header, [*columns, *(name for name in optional if name in header)], path)
        absent = [""] * (len(columns) + len(optional) - len(places))
        for row, values in enumerate(reader, start=1):
            if len(values) != len(header):
                counts = f"has {len(values)} values, the header has {len(header)} columns"
                raise DataError(f"{path}: row {row:,}: {counts}; {FETCH}")
            yield f"{path}: row {row:,}", [values[place] for place in places] + absent
    except csv.Error as error:
        raise DataError(f"{path}: row {row + 1:,}: is not valid CSV ({error}); {FETCH}") from error
    if not row:
        raise DataError(f"{path}: has a header and no row; {FETCH}")


def _places(header: Sequence[str], columns: Sequence[str], path: str) -> list[int]:
    for name in columns:
        if header.count(name) != 1:
            seen = "lacks the column" if name not in header else f"has {header.count(name)} columns"
            named = ", ".join(repr(other) for other in header[:8]) + (", ..." if len(header) > 8 else "")
            raise DataError(f"{path}: {seen} {name!r}; its header is {named or 'empty'}; {FETCH}")
    return [header.index(name) for name in columns]


def _text(record: Any, key: str, where: str) -> str:
    if not isinstance(record, Mapping):
        raise DataError(f"{where}: expected a JSON object, got {type(record).__name__}; {FETCH}")
    text = record.get(key)
    if not isinstance(text, str):
        seen = "is missing" if key not in record else f"is {text!r}"[:60]
        raise DataError(f"{where}: {key} {seen}, expected a text; {FETCH}")
    try:
        text.encode("utf-8")
    except UnicodeEncodeError as error:
        raise DataError(f"{where}: {key} holds half of a surrogate pair, which is no character; {FETCH}") from error
    return text


@contextmanager
def _lines(folder: Path, archive: str | None, member: str) -> Iterator[tuple[str, Iterator[str]]]:
    """Open a member of an archive, or the file itself, and yield its name for messages and its lines."""
    path, packing = _place(folder, archive, member)
    name = f"{path}, {member}" if packing.unpack else f"{path}"
    try:
        with opened(path, packing) as stream:
            yield name, _decoded(stream, name)
    except UNREADABLE as error:
        raise DataError(f"{name}: cannot be read ({error}); {FETCH}") from error


def _place(folder: Path, archive: str | None, member: str) -> tuple[Path, Packed]:
    path = folder / (archive or member)
    if archive is None:
        if not path.is_file():
            raise DataError(f"{path}: is missing; {FETCH}")
        return path, Packed()
    members = open_members(path)
    found = find(members, member)
    if found is None:
        raise DataError(f"{path}: has no member {member}; {FETCH}")
    return path, Packed(unpack="zip" if isinstance(members, ZipMembers) else "tar", member=found)


def _decoded(stream: Readable, name: str) -> Iterator[str]:
    """Yield the lines with their ends, split at newlines alone: a carriage return may stand in a quoted text."""
    rest, number = b"", 0
    while chunk := stream.read(CHUNK_BYTES):
        *whole, rest = (rest + chunk).split(b"\n")
        for line in whole:
            number += 1
            yield _text_of(line, number, name) + "\n"
        if len(rest) > LONGEST_LINE:
            raise DataError(f"{name}: line {number + 1:,}: is longer than {LONGEST_LINE:,} bytes; {FETCH}")
    if rest:
        yield _text_of(rest, number + 1, name)


def _text_of(line: bytes, number: int, name: str) -> str:
    try:
        return line.decode("utf-8")
    except UnicodeDecodeError as error:
        raise DataError(
            f"{name}: line {number:,}: is not UTF-8 ({error.reason} at byte {error.start}); {FETCH}"
        ) from error
