"""What a figure must know beside its tables: facts of the study that captions say and panels follow."""

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

import pandas as pd

from bam.tables.words import short_method_words

Frames = Mapping[str, pd.DataFrame]
TEXT = (
    *(
        "analysis",
        "axis",
        "value",
        "second_axis",
        "second_value",
        "dataset",
        "method",
        "selection",
        "needs_groups",
        "group",
        "setting",
    ),
    *("stage1_loss", "metric", "is_minority", "criterion", "against", "worst_dataset", "worst_method"),
    *("source", "confidence", "verdict", "place", "note"),
)


@dataclass(frozen=True)
class Facts:
    """Facts of a study.

    Attributes
    ----------
    seeds : seeds of every setting
    rules : selection rules, in config order
    data_draw : what the seeds' data have in common, a sentence
    two_stage : methods that have a stage 1
    predicted_epochs : which epochs are predicted, a sentence; empty if all are
    setting : whose epochs the table of epochs has, in words; empty if every method has one setting
    has_sweeps : whether the study varies settings beyond its main ones
    """

    seeds: tuple[int, ...]
    rules: tuple[str, ...] = ()
    data_draw: str = ""
    two_stage: tuple[str, ...] = ()
    predicted_epochs: str = ""
    setting: str = ""
    has_sweeps: bool = False

    @property
    def seeds_text(self) -> str:
        """Number and names of the seeds, e.g. ``n = 2 seeds (0, 1)``."""
        count = len(self.seeds)
        return f"n = {count} seed{'s' if count != 1 else ''} ({', '.join(map(str, self.seeds))})"

    def fewest_text(self, n_seeds: "pd.Series[int]") -> str:
        """Return `seeds_text`, and how few seeds a point has if some have no value."""
        fewest = int(n_seeds.min()) if len(n_seeds) else len(self.seeds)
        fewer = f", at least {fewest} where some have no value" if fewest < len(self.seeds) else ""
        return self.seeds_text + fewer

    @property
    def main_text(self) -> str:
        """Whose results a figure shows that no sweep is in; empty where there are no sweeps."""
        return " Main settings of the config alone: what sweeps change stands in their figures." * self.has_sweeps

    @property
    def interval_text(self) -> str:
        """What an interval over seeds is, and what it leaves out."""
        if len(self.seeds) == 1:
            return "none, as there is one seed."
        return (
            "95 % t intervals over seeds, clipped to [0, 100] %; where all seeds agree exactly, "
            f"the Wilson interval of the test examples pooled over seeds. {self.data_draw}".rstrip()
        )


def read_table(path: Path) -> pd.DataFrame:
    """Read a table's CSV; empty cells are missing numbers, and names stay text whatever they look like."""
    with open(path, encoding="utf-8", newline="") as file:
        columns = file.readline().strip().split(",")
    numbers = {column: [""] for column in columns if column not in TEXT}
    types = dict.fromkeys((column for column in columns if column in TEXT), "str")
    return pd.read_csv(path, dtype=types, keep_default_na=False, na_values=numbers)


def in_order(values: "pd.Series[str]", order: tuple[str, ...]) -> list[str]:
    """Return the values once each, in a given order; those it lacks come last."""
    seen = unique(values)
    return [name for name in order if name in seen] + [name for name in seen if name not in order]


def unique(values: "pd.Series[str]") -> list[str]:
    """Return the values once each, in order of appearance."""
    return [str(value) for value in values.unique()]


def nothing_chosen(rows: pd.DataFrame) -> str:
    """Say which methods have no marker under some rule, as every setting had a failed seed."""
    methods = unique(rows.loc[rows["n_seeds"] == 0, "method"])
    if not methods:
        return ""
    named = ", ".join(short_method_words(name) for name in methods)
    return f" No marker where every setting had a failed seed, so that nothing was chosen: {named}."
