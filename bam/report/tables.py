"""Table CSVs as a reader wants them: words for columns, percent with one decimal, empty cells left empty."""

import csv
import json
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path

from bam.errors import DataError
from bam.tables.words import METRICS, method_words, number, rule_words

LONGEST = 500
FOLDED_FROM = 25

TITLES = {
    "main": "All accuracies",
    "groups": "Accuracy of each group",
    "selected": "What each rule chose",
    "comparisons": "BAM against the other methods",
    "regret": "Regret of each rule against the worst-group oracle",
    "error_sets": "Error sets",
    "sweeps": "Sweeps",
    "epochs": "Every epoch of the chosen settings",
    "auxiliary": "Auxiliary variables by group",
    "cost": "Cost",
}
NOTES = {
    "main": "Test accuracies, mean over seeds; intervals are 95 % intervals over seeds.",
    "groups": "Test accuracies; Wilson intervals are of the examples pooled over seeds.",
    "selected": "One row a seed: the setting and epoch that the rule chose on validation, and its score there.",
    "comparisons": "Differences on test, paired over seeds, in percentage points; above 0, BAM is higher.",
    "regret": "Percentage points of test worst-group accuracy that a rule loses against choosing with group labels; "
    "below 0, it does better.",
    "error_sets": "Training examples that stage 1 misses, and how many of them belong to minority groups.",
    "sweeps": "One setting varies; selection happens within each of its values.",
    "epochs": "Validation and test over training, every seed.",
    "auxiliary": "Margin of the auxiliary variable towards the label, λ(b_y − mean of b_c over c ≠ y), in quantiles.",
    "cost": "Sums of seconds, the largest memory, the mean rate; the only table that depends on the machine's speed.",
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
POINTS = {"mean", "std", "ci95_low", "ci95_high", "wilson_low", "wilson_high", "difference"}
PERCENT_PREFIXES = ("val_", "test_", "minority_", "share_")
DIGITS = {
    **{"score": 4, "train_loss": 4, "q05": 3, "q25": 3, "median": 3, "q75": 3, "q95": 3},
    **{"wall_s": 1, "training_s": 1, "evaluation_s": 1, "peak_memory_mib": 0, "examples_per_s": 0},
}
Rows = list[dict[str, str]]


@dataclass(frozen=True)
class Shown:
    """A table ready to be written: text cells, and which columns are numbers."""

    name: str
    title: str
    note: str
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
    """Methods down, rules across; each cell is mean, interval and, if seeds are missing, their number."""

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
    try:
        with open(path, encoding="utf-8", newline="") as file:
            return list(csv.DictReader(file))
    except OSError as error:
        raise DataError(
            f"{path}: cannot be read ({error.strerror}); make it first: python -m bam table {path.stem}"
        ) from error


def shown(name: str, rows: Rows) -> Shown:
    """Return a table with human columns and cells, cut after 500 rows."""
    columns = list(rows[0]) if rows else []
    return Shown(
        name=name,
        title=TITLES.get(name, name.replace("_", " ")),
        note=NOTES.get(name, ""),
        columns=[column_words(name, column) for column in columns],
        numeric=[_is_numeric(rows, column) for column in columns],
        rows=[[cell_words(column, row[column]) for column in columns] for row in rows[:LONGEST]],
        n_rows=len(rows),
    )


def column_words(table: str, column: str) -> str:
    """Return a column's name for readers.

    >>> column_words("epochs", "test_worst_group_accuracy")
    'worst-group accuracy on test, %'
    """
    if table in ("regret", "comparisons") and column in POINTS:
        return COLUMNS[column].replace("%", "points")
    if column in COLUMNS:
        return COLUMNS[column]
    words = column.replace("worst_group", "worst-group").replace("_", " ")
    for prefix, place in (("val ", " on validation"), ("test ", " on test")):
        if words.startswith(prefix):
            words = words.removeprefix(prefix) + place
    return words + (", %" if column.startswith(PERCENT_PREFIXES) else "")


def cell_words(column: str, text: str) -> str:
    """Return a cell for readers; an empty one stays empty.

    >>> cell_words("mean", "0.8125"), cell_words("mean", "")
    ('81.2', '')
    """
    if text == "":
        return ""
    if column in POINTS or column.startswith(PERCENT_PREFIXES):
        return number(100 * float(text))
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
    if row is None or row["mean"] == "":
        return "", "", ""
    low, high = cell_words("ci95_low", row["ci95_low"]), cell_words("ci95_high", row["ci95_high"])
    fewer = f"{row['n_seeds']} seeds" if row["n_seeds"] != str(n_seeds) else ""
    return cell_words("mean", row["mean"]), f"{low} to {high}" if low and high else "", fewer


def _is_numeric(rows: Rows, column: str) -> bool:
    values = [row[column] for row in rows if row[column] != ""]
    return bool(values) and all(_parses(value) for value in values)


def _parses(text: str) -> bool:
    try:
        float(text)
    except ValueError:
        return False
    return True
