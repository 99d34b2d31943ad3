"""Numbers that others have published: `config/published.csv`, typed."""

import csv
import math
from collections.abc import Callable, Mapping
from dataclasses import asdict, dataclass, fields
from pathlib import Path
from typing import Any

from bam.errors import ConfigError

PUBLISHED = Path("config/published.csv")
CONFIDENCES = ("confirmed", "second_hand", "recalled", "conflict")
KEYS = ("analysis", "value", "second_value", "dataset", "method", "selection", "metric")


@dataclass(frozen=True)
class Published:
    """One published number; accuracies are fractions, and text is empty where nothing is known.

    Attributes
    ----------
    study : our study of the same setting, if there is one
    dataset, method, selection, metric : as in our main table
    analysis, value, second_value : as in our table of sweeps; empty for the main table
    published_std, published_n : its spread and over how many runs
    spread_meaning : what the spread is
    source, place : who says so, and where in it
    confidence : one of `CONFIDENCES`
    reading_error : half-width of what a reading off a plot may be wrong by
    is_comparable : whether our number is of the same setting
    note : why not, or what else to know
    published_examples : test examples behind the number in one run, of the group that it is about
    """

    study: str
    dataset: str
    method: str
    selection: str
    metric: str
    analysis: str
    value: str
    second_value: str
    published: float
    published_std: float | None
    published_n: int | None
    spread_meaning: str
    source: str
    place: str
    confidence: str
    reading_error: float
    is_comparable: bool
    note: str
    published_examples: int | None = None

    @property
    def sampling_error(self) -> float | None:
        """Standard error of the number itself by its test examples; None if they are not known.

        Binomial with two successes and two failures added (Agresti & Coull 1998), so that 0 and 1 have one too.
        """
        if self.published_examples is None:
            return None
        n = self.published_examples
        share = (self.published * n + 2) / (n + 4)
        return math.sqrt(share * (1 - share) / ((n + 4) * (self.published_n or 1)))

    @property
    def key(self) -> tuple[str, ...]:
        """Where our number stands: analysis, its values, data set, method, rule and metric."""
        found = asdict(self)
        return tuple(str(found[name]) for name in KEYS)


COLUMNS = tuple(field.name.removeprefix("is_") for field in fields(Published))


def published_for(study: str, path: Path = PUBLISHED) -> list[Published]:
    """Return the published numbers that are set beside a study's."""
    return [row for row in read_published(path) if row.study == study]


def read_published(path: Path = PUBLISHED) -> list[Published]:
    """Read all published numbers, in the file's order.

    Raises
    ------
    ConfigError
        If the file is missing, or a row is not as `config/README.md` says; with row, column
        and what was expected.
    """
    try:
        with open(path, encoding="utf-8", newline="") as file:
            lines = list(csv.reader(file, strict=True))
    except OSError as error:
        raise ConfigError(f"{path}: cannot be read ({error.strerror})") from error
    except (csv.Error, UnicodeDecodeError) as error:
        raise ConfigError(f"{path}: is not comma-separated text ({error})") from error
    if not lines or tuple(lines[0]) != COLUMNS:
        raise ConfigError(f"{path}: row 1: expected the columns {','.join(COLUMNS)}")
    return [_row(cells, f"{path}: row {number}") for number, cells in enumerate(lines[1:], start=2)]


def _row(cells: list[str], where: str) -> Published:
    if len(cells) != len(COLUMNS):
        raise ConfigError(f"{where}: has {len(cells)} cells, expected {len(COLUMNS)}, one for each column")
    texts = dict(zip(COLUMNS, cells, strict=True))
    values: dict[str, Any] = dict(texts)
    for column, (parse, expected) in PARSERS.items():
        try:
            values[column] = parse(texts[column])
        except ValueError as error:
            raise _wrong(where, column, texts, expected) from error
    values["is_comparable"] = values.pop("comparable")
    row = Published(**values)
    for column, expected in _missing(row):
        raise _wrong(where, column, texts, expected)
    return row


def _wrong(where: str, column: str, texts: Mapping[str, str], expected: str) -> ConfigError:
    return ConfigError(f"{where}: column {column}: {texts[column]!r} is not allowed: expected {expected}")


def _missing(row: Published) -> list[tuple[str, str]]:
    """Return (column, what was expected) for each text that other columns call for."""
    where = {name: getattr(row, name) for name in ("study", "dataset", "method", "selection")}
    needed = where if row.is_comparable else {"note": row.note}
    why = "a name, since comparable is yes" if row.is_comparable else "why it is not comparable"
    found = [(name, why) for name, text in needed.items() if text == ""]
    found += [(name, "some text") for name in ("metric", "source") if getattr(row, name) == ""]
    if row.published_std is not None and row.spread_meaning == "":
        found.append(("spread_meaning", "what published_std is"))
    if row.second_value and not row.value:
        found.append(("value", "a value, since there is a second one"))
    if row.value and not row.analysis:
        found.append(("analysis", "the analysis that the value is one of"))
    return found


def _fraction(text: str) -> float:
    number = float(text)
    if not (math.isfinite(number) and 0 <= number <= 1):
        raise ValueError(text)
    return number


def _count(text: str) -> int | None:
    number = int(text) if text else None
    if number is not None and number < 1:
        raise ValueError(text)
    return number


def _one_of(*words: str) -> Callable[[str], str]:
    def parse(text: str) -> str:
        if text not in words:
            raise ValueError(text)
        return text

    return parse


PARSERS: dict[str, tuple[Callable[[str], Any], str]] = {
    "published": (_fraction, "a fraction from 0 to 1"),
    "published_std": (lambda text: _fraction(text) if text else None, "a fraction from 0 to 1, or nothing"),
    "published_n": (_count, "a number of runs, 1 or more, or nothing"),
    "published_examples": (_count, "a number of examples, 1 or more, or nothing"),
    "confidence": (_one_of(*CONFIDENCES), f"one of {', '.join(CONFIDENCES)}"),
    "reading_error": (lambda text: _fraction(text) if text else 0.0, "a fraction from 0 to 1, or nothing"),
    "comparable": (lambda text: _one_of("yes", "no")(text) == "yes", "yes or no"),
}
