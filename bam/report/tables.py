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

TITLES = {
    "main": "All accuracies",
    "groups": "Accuracy of each group",
    "selected": "What each rule chose",
    "comparisons": "BAM against the other methods",
    "regret": "Regret of each rule against the worst-group oracle",
    "rules": "Regret of each rule over all data sets and methods",
    "error_sets": "Error sets",
    "sweeps": "Sweeps",
    "sweep_regret": "Regret of each rule along the sweeps",
    "sweep_error_sets": "Error sets along sweeps of the data",
    "fidelity": "Fidelity: beside published numbers",
    "epochs": "Predicted epochs of the chosen settings",
    "correlations": "Criteria and worst-group accuracy over epochs",
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
    "mean_regret": "mean regret, %",
    "worst_regret": "worst regret, %",
    "worst_dataset": "worst on",
    "worst_method": "worst for",
    "share_within_1_point": "choices within 1 point, %",
    "n_pairs": "pairs",
    "n_choices": "choices",
    "against": "with",
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
POINTS = LEVELS | {
    *("mean", "std", "ci95_low", "ci95_high", "wilson_low", "wilson_high", "difference", "margin"),
    *("mean_regret", "worst_regret"),
}
DIFFERENCES = ("regret", "comparisons", "rules", "sweep_regret", "fidelity")
NO_SHARES = ("correlations",)  # whose means are neither percent nor points
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
        rows=[[_cell(name, column, row[column], digits) for column in columns] for row in rows[:LONGEST]],
        n_rows=len(rows),
    )


def _cell(table: str, column: str, text: str, point_digits: int) -> str:
    if table in NO_SHARES and column in POINTS and text:
        return number(float(text), 2)
    return cell_words(column, text, point_digits)


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
    if table in NO_SHARES and column in POINTS:
        return COLUMNS[column].removesuffix(", %")
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
    "criterion": rule_words,
    "worst_method": method_words,
    "against": lambda text: column_words("epochs", text).removesuffix(", %"),
    "metric": _metric_words,
    "setting": setting_words,
    "confidence": lambda text: text.replace("_", " "),
    "is_minority": lambda text: "yes" if text.lower() in ("true", "1") else "no",
    "lambda": lambda text: f"{float(text):g}",
}


def _is_numeric(rows: Rows, column: str) -> bool:
    values = [row[column] for row in rows if row[column] != ""]
    return bool(values) and all(_parses(value) for value in values)


def _parses(text: str) -> bool:
    try:
        float(text)
    except ValueError:
        return False
    return True
