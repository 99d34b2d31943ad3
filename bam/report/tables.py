"""Table CSVs as a reader wants them: words for columns, percent with one decimal, empty cells left empty."""

import csv
import io
import json
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path

from bam.errors import DataError
from bam.tables.words import METRICS, method_words, number, point_digits, rule_words

LONGEST = 500
FOLDED_FROM = 25
NOTHING = "every setting failed"

TITLES = {
    "main": "All accuracies",
    "groups": "Accuracy of each group",
    "selected": "What each rule chose",
    "comparisons": "BAM against the other methods",
    "regret": "Regret of each rule against the worst-group oracle",
    "error_sets": "Error sets",
    "sweeps": "Sweeps",
    "fidelity": "Fidelity: beside published numbers",
    "epochs": "Every epoch of the chosen settings",
    "auxiliary": "Auxiliary variables by group",
    "cost": "Cost",
}
COLUMNS = {
    "dataset": "data set",
    "selection": "selection rule",
    "needs_groups": "group labels used",
    "other_method": "other method",
    "other_selection": "other's rule",
    "mean": "mean, %",
    "std": "standard deviation, %",
    "ci95_low": "95 % interval from, %",
    "ci95_high": "to, %",
    "wilson_low": "Wilson interval from, %",
    "wilson_high": "to, %",
    "n_seeds": "seeds",
    "n_examples": "test examples",
    "difference": "difference, points",
    **{"published": "published, %", "published_std": "its spread, %", "ours": "ours, %", "ours_std": "our spread, %"},
    "margin": "margin, points",
    "left_out": "settings left out",
    "n_settings": "settings to choose from",
    "lambda": "λ",
    "stage1_loss": "stage-1 loss",
    "size": "examples in the error set",
    "n": "examples",
    "is_minority": "minority group",
    "q05": "5 % quantile",
    "q25": "25 % quantile",
    "q75": "75 % quantile",
    "q95": "95 % quantile",
    "train_loss": "training loss",
    "val_class_difference": "ClassDiff on validation, %",
    "n_runs": "runs",
    "wall_s": "wall time, s",
    "training_s": "training, s",
    "evaluation_s": "evaluation, s",
    "peak_memory_mib": "peak memory, MiB",
    "examples_per_s": "examples per s",
}
LEVELS = {"published", "published_std", "ours", "ours_std"}
POINTS = LEVELS | {"mean", "std", "ci95_low", "ci95_high", "wilson_low", "wilson_high", "difference", "margin"}
DIFFERENCES = ("regret", "comparisons", "fidelity")
PERCENT_PREFIXES = ("val_", "test_", "minority_", "share_")
DIGITS = {
    **{"score": 4, "train_loss": 4, "q05": 3, "q25": 3, "median": 3, "q75": 3, "q95": 3},
    **{"wall_s": 1, "training_s": 1, "evaluation_s": 1, "peak_memory_mib": 0, "examples_per_s": 0},
}
Rows = list[dict[str, str]]


@dataclass(frozen=True)
class Words:
    """What a table's Markdown says: the caption's first sentence, the rest of it, and the notes."""

    heading: str
    caption: str
    notes: tuple[str, ...]


@dataclass(frozen=True)
class Shown:
    """A table ready to be written: text cells, which columns are numbers, and what its Markdown says about it."""

    name: str
    title: str
    words: Words
    columns: Sequence[str]
    numeric: Sequence[bool]
    rows: Sequence[Sequence[str]]
    n_rows: int

    @property
    def is_folded(self) -> bool:
        """Whether it is too long to stand open."""
        return self.n_rows >= FOLDED_FROM


@dataclass(frozen=True)
class Pivot:
    """Methods down, rules across; each cell is mean, interval and, if seeds are missing, how many are there."""

    title: str
    rules: Sequence[tuple[str, str]]
    rows: Sequence[tuple[str, Sequence[tuple[str, str, str]]]]


def read_rows(path: Path) -> Rows:
    """Read a table's CSV.

    Raises
    ------
    DataError
        If it is missing.
    """
    return list(csv.DictReader(io.StringIO(_read(path))))


def read_words(path: Path) -> Words:
    """Read the caption and the notes of a table's Markdown: what stands before the table and after it.

    Raises
    ------
    DataError
        If it is missing.
    """
    first, *others = _read(path).strip().split("\n\n")
    heading, _, rest = first.removeprefix("**").partition("**")
    return Words(heading, rest.strip(), tuple(others[1:]))


def _read(path: Path) -> str:
    try:
        with open(path, encoding="utf-8", newline="") as file:
            return file.read()
    except OSError as error:
        raise DataError(
            f"{path}: cannot be read ({error.strerror}); make it first: python -m bam table {path.stem}"
        ) from error


def shown(name: str, rows: Rows, words: Words) -> Shown:
    """Return a table with human columns and cells, cut after 500 rows."""
    columns = list(rows[0]) if rows else []
    digits = _point_digits(rows) if name in DIFFERENCES else 1
    return Shown(
        name=name,
        title=TITLES.get(name, name.replace("_", " ")),
        words=words,
        columns=[column_words(name, column) for column in columns],
        numeric=[_is_numeric(rows, column) for column in columns],
        rows=[[cell_words(column, row[column], digits) for column in columns] for row in rows[:LONGEST]],
        n_rows=len(rows),
    )


def _point_digits(rows: Rows) -> int:
    bounds = [(row["ci95_low"], row["ci95_high"]) for row in rows]
    return point_digits((float(low), float(high)) for low, high in bounds if low and high)


def column_words(table: str, column: str) -> str:
    """Return a column's name for readers.

    >>> column_words("epochs", "test_worst_group_accuracy")
    'worst-group accuracy on test, %'
    """
    if table in DIFFERENCES and column in POINTS - LEVELS:
        return COLUMNS[column].replace(", %", ", points")
    if column in COLUMNS:
        return COLUMNS[column]
    words = column.replace("worst_group", "worst-group").replace("_", " ")
    for prefix, place in (("val ", " on validation"), ("test ", " on test")):
        if words.startswith(prefix):
            words = words.removeprefix(prefix) + place
    return words + (", %" if column.startswith(PERCENT_PREFIXES) else "")


def cell_words(column: str, text: str, point_digits: int = 1) -> str:
    """Return a cell for readers; an empty one stays empty.

    Parameters
    ----------
    point_digits
        Decimals of means, differences and their bounds, in percent or points.

    >>> cell_words("mean", "0.8125"), cell_words("mean", "")
    ('81.2', '')
    """
    if text == "":
        return ""
    if column in POINTS or column.startswith(PERCENT_PREFIXES):
        return number(100 * float(text), point_digits if column in POINTS else 1)
    if column in DIGITS:
        return number(float(text), DIGITS[column])
    return WORDS[column](text) if column in WORDS else text


def setting_words(text: str) -> str:
    """Return a setting's JSON as ``key = value`` pairs; other text stays.

    >>> setting_words('{"stage2.upweight_factor": 5}')
    'stage2.upweight_factor = 5'
    """
    try:
        content = json.loads(text)
    except json.JSONDecodeError:
        return text
    if not isinstance(content, dict):
        return text
    return ", ".join(f"{key} = {value}" for key, value in content.items()) or "the only one"


def _metric_words(name: str) -> str:
    return METRICS.get(name, name).lower()


WORDS: dict[str, Callable[[str], str]] = {
    "method": method_words,
    "other_method": method_words,
    "selection": rule_words,
    "other_selection": rule_words,
    "metric": _metric_words,
    "setting": setting_words,
    "confidence": lambda text: text.replace("_", " "),
    "is_minority": lambda text: "yes" if text.lower() in ("true", "1") else "no",
    "lambda": lambda text: f"{float(text):g}",
}


def pivots(rows: Rows, metric: str, n_seeds: int) -> list[Pivot]:
    """Return one table a data set: methods down, rules across."""
    rows = [row for row in rows if row["metric"] == metric]
    found = []
    for dataset in dict.fromkeys(row["dataset"] for row in rows):
        here = [row for row in rows if row["dataset"] == dataset]
        rules = _in_config_order(here)
        cells = {(row["method"], row["selection"]): row for row in here}
        needs = {rule: next((r["needs_groups"] for r in here if r["selection"] == rule), "") for rule in rules}
        found.append(
            Pivot(
                title=dataset,
                rules=[(rule_words(rule), "group labels" if "val" in needs[rule] else "") for rule in rules],
                rows=[
                    (method_words(method), [_cell(cells.get((method, rule)), n_seeds) for rule in rules])
                    for method in dict.fromkeys(row["method"] for row in here)
                ],
            )
        )
    return found


def _in_config_order(rows: Rows) -> list[str]:
    """Return the rules in the order of the method that has most of them: some rules do not fit every method."""
    by_method: dict[str, list[str]] = {}
    for row in rows:
        by_method.setdefault(row["method"], []).append(row["selection"])
    longest = max(by_method.values(), key=len, default=[])
    return list(dict.fromkeys([*longest, *(row["selection"] for row in rows)]))


def _cell(row: dict[str, str] | None, n_seeds: int) -> tuple[str, str, str]:
    if row is None:
        return "", "", ""
    if row["mean"] == "":
        return "", "", NOTHING
    low, high = cell_words("ci95_low", row["ci95_low"]), cell_words("ci95_high", row["ci95_high"])
    fewer = seeds_words(int(row["n_seeds"])) if row["n_seeds"] != str(n_seeds) else ""
    return cell_words("mean", row["mean"]), f"{low} to {high}" if low and high else "", fewer


def seeds_words(n: int) -> str:
    """Return a number of seeds, e.g. ``1 seed``."""
    return f"{n} seed{'s' * (n != 1)}"


def _is_numeric(rows: Rows, column: str) -> bool:
    values = [row[column] for row in rows if row[column] != ""]
    return bool(values) and all(_parses(value) for value in values)


def _parses(text: str) -> bool:
    try:
        float(text)
    except ValueError:
        return False
    return True
