"""What a table is, before it is written."""

from dataclasses import dataclass

import pandas as pd


@dataclass(frozen=True)
class Table:
    """One table, for programs and for readers.

    Attributes
    ----------
    frame : tidy, fractions, NaN or None where undefined; becomes the CSV
    shown : finished text in human columns; becomes Markdown and LaTeX
    caption : what is shown, by which rule and budget, and what the intervals are
    notes : lines below, such as what is missing
    """

    frame: pd.DataFrame
    shown: pd.DataFrame
    caption: str
    notes: tuple[str, ...] = ()
