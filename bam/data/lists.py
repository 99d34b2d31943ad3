"""Lists of examples as hosts publish them, read strictly: a value that is not allowed is named with file and line."""

import csv
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass

import numpy as np

from bam.errors import DataError


@dataclass(frozen=True)
class Listing:
    """Some columns of a list.

    Attributes
    ----------
    where : the file, as messages name it
    columns : name -> values as text, one an example
    lines : the line of the file that each example stands in
    """

    where: str
    columns: Mapping[str, list[str]]
    lines: Sequence[int]

    def codes(self, column: str, allowed: Mapping[str, int]) -> np.ndarray:
        """Return a column of known values as int64 array of shape (n,).

        Raises
        ------
        DataError
            If a value is not one of `allowed`; the first such line is named.
        """
        values = self.columns[column]
        try:
            return np.array([allowed[value] for value in values], dtype=np.int64)
        except KeyError:
            k = next(k for k, value in enumerate(values) if value not in allowed)
        raise DataError(
            f"{self.where}: line {self.lines[k]:,}: {column} is {values[k]!r}, expected {' or '.join(allowed)}"
        )

    def check_unique(self, column: str) -> None:
        """Raise a DataError if a value stands twice."""
        first: dict[str, int] = {}
        for value, line in zip(self.columns[column], self.lines, strict=True):
            if value in first:
                raise DataError(
                    f"{self.where}: line {line:,}: {column} {value!r} stands in line {first[value]:,} already; "
                    "expected each once"
                )
            first[value] = line


def read_csv(contents: bytes, where: str, wanted: Sequence[str]) -> Listing:
    """Read some columns of a CSV file with a header.

    Raises
    ------
    DataError
        If it is not UTF-8 text, lacks a column, or a line has another number of values than the header.
    """
    rows = csv.reader(_text(contents, where).splitlines(keepends=True), strict=True)
    try:
        return _chosen(((rows.line_num, row) for row in rows), where, wanted)
    except csv.Error as error:
        raise DataError(f"{where}: line {rows.line_num:,}: is not CSV ({error})") from error


def read_spaced(contents: bytes, where: str, wanted: Sequence[str], header: Sequence[str] | None = None) -> Listing:
    """Read some columns of a list with spaces between the values, as CelebA's authors publish theirs.

    Parameters
    ----------
    header
        Names of all columns. If None, the first line has the number of examples, and the second the names
        of all columns but the first, `image_id`.

    Raises
    ------
    DataError
        As `read_csv`, or if the number of examples is not the first line's.
    """
    lines = _text(contents, where).splitlines()
    if header is not None:
        return _chosen(_numbered(lines, header, 1), where, wanted)
    if len(lines) < 2 or not lines[0].strip().isdecimal():
        raise DataError(f"{where}: line 1: expected the number of images, and column names in line 2")
    listing = _chosen(_numbered(lines[2:], ["image_id", *lines[1].split()], 3), where, wanted)
    if len(listing.lines) != int(lines[0]):
        raise DataError(f"{where}: has {len(listing.lines):,} images, its first line says {int(lines[0]):,}")
    return listing


def _text(contents: bytes, where: str) -> str:
    try:
        return contents.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        line = contents[: error.start].count(b"\n") + 1
        raise DataError(f"{where}: line {line:,}: is not UTF-8 text ({error.reason}); save it as UTF-8") from error


def _numbered(lines: Sequence[str], header: Sequence[str], first: int) -> Iterator[tuple[int, list[str]]]:
    yield 0, list(header)
    for k, line in enumerate(lines, start=first):
        yield k, line.split()


def _chosen(rows: Iterator[tuple[int, list[str]]], where: str, wanted: Sequence[str]) -> Listing:
    """Keep the wanted columns, so that a list of 40 attributes does not fill the memory."""
    _, header = next(rows, (1, []))
    lost = [name for name in wanted if name not in header]
    if lost:
        raise DataError(f"{where}: has no column {lost[0]!r}; it has {', '.join(header) or 'no line at all'}")
    places = [header.index(name) for name in wanted]
    columns: list[list[str]] = [[] for _ in wanted]
    lines = []
    for line, row in rows:
        if not row:
            continue
        if len(row) != len(header):
            raise DataError(f"{where}: line {line:,}: has {len(row)} values, expected {len(header)}")
        lines.append(line)
        for column, place in zip(columns, places, strict=True):
            column.append(row[place])
    return Listing(where, dict(zip(wanted, columns, strict=True)), lines)
