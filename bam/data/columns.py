"""Columns of a user's CSV or Parquet file as text, with the place of each row for messages."""

import csv
import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from bam.catalogue import suggestion
from bam.errors import DataError

FORMATS = (".csv", ".parquet")


@dataclass(frozen=True)
class Columns:
    """The columns that were asked for.

    Attributes
    ----------
    path : the file
    values : name -> n texts; empty where the file has nothing, or NaN
    places : n numbers: lines of a CSV (the last of a record that has several), rows of a Parquet file from 1
    unit : line or row
    """

    path: Path
    values: Mapping[str, Sequence[str]]
    places: Sequence[int]
    unit: str

    def __len__(self) -> int:
        """Return n."""
        return len(self.places)

    def at(self, row: int) -> str:
        """Return e.g. ``"my.csv: line 18"``."""
        return f"{self.path}: {self.unit} {self.places[row]}"


def read_columns(path: Path, names: Sequence[str]) -> Columns:
    """Read some columns of a CSV (UTF-8, commas, a header line) or of a Parquet file.

    Raises
    ------
    DataError
        If the file cannot be read, lacks a column, names one twice, holds no row, or has a ragged row.
    """
    wanted = list(dict.fromkeys(names))
    suffix = path.suffix.lower()
    if suffix not in FORMATS:
        raise DataError(f"{path}: expected a file that ends in {' or '.join(FORMATS)}")
    found = _read_csv(path, wanted) if suffix == ".csv" else _read_parquet(path, wanted)
    if not len(found):
        raise DataError(f"{path}: has a header and no row")
    return found


def _check_header(path: Path, header: Sequence[str], wanted: Sequence[str]) -> None:
    for name in wanted:
        if name not in header:
            near = suggestion(name, header)
            alone = "; is it separated by something other than commas?" if len(header) == 1 else ""
            listed = ", ".join(repr(column) for column in header[:20])
            raise DataError(f"{path}: has no column {name!r}{near}; it has {listed}{alone}")
        if list(header).count(name) > 1:
            raise DataError(f"{path}: has the column {name!r} twice; rename one")


def _read_csv(path: Path, wanted: Sequence[str]) -> Columns:
    rows: list[list[str]] = []
    places: list[int] = []
    try:
        with open(path, newline="", encoding="utf-8-sig") as file:
            reader = csv.reader(file, strict=True)
            header = next(reader, [])
            if not header:
                raise DataError(f"{path}: does not begin with a header of column names")
            _check_header(path, header, wanted)
            positions = [header.index(name) for name in wanted]
            for row in filter(None, reader):
                _check_width(path, reader.line_num, row, header)
                places.append(reader.line_num)
                rows.append([row[position] for position in positions])
    except OSError as error:
        raise DataError(f"{path}: cannot be read ({error.strerror})") from error
    except UnicodeDecodeError as error:
        raise DataError(f"{path}: line {_undecodable_line(path)}: is not UTF-8; save the file as UTF-8") from error
    except csv.Error as error:
        raise DataError(f"{path}: line {reader.line_num}: is not CSV ({error})") from error
    values = {name: [row[k] for row in rows] for k, name in enumerate(wanted)}
    return Columns(path, values, places, "line")


def _check_width(path: Path, line: int, row: Sequence[str], header: Sequence[str]) -> None:
    if len(row) != len(header):
        raise DataError(
            f"{path}: line {line}: has {len(row)} cells, the header has {len(header)}; "
            'put texts that hold a comma or a line break in quotes ("), with "" for a quote'
        )


def _undecodable_line(path: Path) -> int:
    with open(path, "rb") as file:
        for number, line in enumerate(file, 1):
            try:
                line.decode("utf-8")
            except UnicodeDecodeError:
                return number
    return 1  # a character cut at the end of the file


def _read_parquet(path: Path, wanted: Sequence[str]) -> Columns:
    import pyarrow
    import pyarrow.parquet

    try:
        with pyarrow.parquet.ParquetFile(path) as file:
            _check_header(path, file.schema_arrow.names, wanted)
            table = file.read(columns=list(wanted))
            values = {name: [_as_text(value) for value in table.column(name).to_pylist()] for name in wanted}
    except OSError as error:
        raise DataError(f"{path}: cannot be read ({error.strerror or str(error).splitlines()[0]})") from error
    except (pyarrow.ArrowException, UnicodeDecodeError) as error:
        raise DataError(f"{path}: is not a Parquet file that can be read ({str(error).splitlines()[0]})") from error
    return Columns(path, values, range(1, table.num_rows + 1), "row")


def _as_text(value: Any) -> str:
    """Return a cell as CSV would have it: pandas turns integers with gaps into floats."""
    if value is None:
        return ""
    if isinstance(value, float):
        return "" if math.isnan(value) else str(int(value)) if value.is_integer() else str(value)
    return str(value)
