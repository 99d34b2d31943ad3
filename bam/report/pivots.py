"""The main result as readers compare it: methods down, rules across."""

from collections.abc import Sequence
from dataclasses import dataclass

from bam.report.tables import Rows, cell_words
from bam.tables.words import method_words, rule_words

NOTHING = "every setting failed"


@dataclass(frozen=True)
class Pivot:
    """Methods down, rules across; each cell is mean, interval and, if seeds are missing, how many are there."""

    title: str
    rules: Sequence[tuple[str, str]]
    rows: Sequence[tuple[str, Sequence[tuple[str, str, str]]]]


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
