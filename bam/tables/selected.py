"""What each rule chose, and which settings it could not choose."""

from collections.abc import Iterator, Mapping
from typing import Any

import pandas as pd

from bam.errors import DataError
from bam.files import read_json
from bam.layout import Layout
from bam.plan import Plan
from bam.selection import setting_text
from bam.tables.accuracies import without_single_dataset
from bam.tables.captions import MARK, protocol
from bam.tables.content import Table
from bam.tables.words import EMPTY, method_words, number, rule_words

COLUMNS = [
    *("dataset", "method", "selection", "setting", "seed", "epoch", "score", "n_settings", "scope", "left_out"),
]


def selected_table(plan: Plan, layout: Layout) -> Table:
    """Return the setting, epoch and validation score that each rule chose for each seed."""
    rows: list[dict[str, object]] = []
    shown: list[dict[str, object]] = []
    notes: list[str] = []
    for dataset, method, rule in plan.arms[0].choices():
        choice = read_selection(layout, plan.arms[0].name, (dataset, method, rule))
        who = f"{method_words(method)}, {rule_words(rule)}"
        found = list(_rows(choice, (dataset, method, rule)))
        rows += found
        missing = [seed for seed in plan.study.file.seeds if seed not in {row["seed"] for row in found}]
        shown.append(_shown(found, len(choice["left_out"]), missing))
        notes += [f"Left out, {dataset}, {who}: {reason}." for reason in choice["left_out"]]
        notes += (
            [f"{MARK} {dataset}, {who}: nothing chosen for seed {', '.join(map(str, missing))}."] if missing else []
        )
    return Table(
        frame=pd.DataFrame(rows, columns=COLUMNS, dtype=object),
        shown=without_single_dataset(pd.DataFrame(shown, columns=_HEADERS, dtype=object)),
        caption=f"Settings and epochs that each rule chose on validation, study {plan.study.name}. {protocol(plan)}",
        notes=(
            *dict.fromkeys(notes),
            "Scores are of the rule itself, larger is better: ClassDiff's is its negative. Epochs and scores stand "
            "in the order of the seeds. A setting with a failed seed is left out; where all are, nothing is chosen.",
        ),
    )


_HEADERS = ["Data set", "Method", "Selection rule", "Setting", "Epochs", "Scores", "Settings", "Left out"]


def read_selection(layout: Layout, arm: str, choice: tuple[str, str, str]) -> Mapping[str, Any]:
    """Read what one rule chose for one (dataset, method).

    Raises
    ------
    DataError
        If the file is missing, or is not what `bam select` writes.
    """
    path = layout.selection(arm, *choice)
    content = read_json(path)
    if not isinstance(content, dict) or not content.keys() >= {"chosen", "left_out", "n_settings", "scope"}:
        raise DataError(f"{path}: is not a selection; delete it to have it made again")
    return content


def _rows(content: Mapping[str, Any], choice: tuple[str, str, str]) -> Iterator[dict[str, object]]:
    """Yield a row a seed, or one row that only says what is left out."""
    fixed = {
        **dict(zip(("dataset", "method", "selection"), choice, strict=True)),
        "n_settings": content["n_settings"],
        "scope": content["scope"],
        "left_out": "; ".join(content["left_out"]),
    }
    if not content["chosen"]:
        yield fixed | {"setting": None, "seed": None, "epoch": None, "score": None}
    for chosen in content["chosen"]:
        score = float(chosen["score"])
        what = {"setting": setting_text(chosen["setting"]), "seed": chosen["seed"], "epoch": chosen["epoch"]}
        yield fixed | what | {"score": score}


def _shown(rows: list[dict[str, object]], n_left_out: int, missing: list[int]) -> dict[str, object]:
    first, chosen = rows[0], [row for row in rows if row["seed"] is not None]
    return {
        "Data set": first["dataset"],
        "Method": method_words(str(first["method"])),
        "Selection rule": rule_words(str(first["selection"])),
        "Setting": " / ".join(dict.fromkeys(str(row["setting"]) for row in chosen)) or EMPTY,
        "Epochs": (", ".join(str(row["epoch"]) for row in chosen) or EMPTY) + f" {MARK}" * bool(missing),
        "Scores": ", ".join(number(float(str(row["score"])), 3) for row in chosen) or EMPTY,
        "Settings": str(first["n_settings"]),
        "Left out": str(n_left_out),
    }
