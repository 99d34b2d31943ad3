"""A table as CSV, Markdown or LaTeX; the same table gives the same bytes."""

import csv
import io
import math
import re

import pandas as pd

from bam.tables.content import Table
from bam.tables.words import EMPTY

NUMERIC = re.compile(rf"(−?[0-9.]+|{EMPTY})(?=[ ,]|$)")
TEX = {
    "\\": r"\textbackslash{}",
    "&": r"\&",
    "%": r"\%",
    "$": r"\$",
    "#": r"\#",
    "_": r"\_",
    "{": r"\{",
    "}": r"\}",
    "~": r"\textasciitilde{}",
    "^": r"\textasciicircum{}",
    "<": r"\textless{}",
    ">": r"\textgreater{}",
    "|": r"\textbar{}",
    "±": r"$\pm$",
    "−": "$-$",
    "–": "--",
    "×": r"$\times$",
    "≠": r"$\neq$",
    "λ": r"$\lambda$",
    "µ": r"$\mu$",
    "†": r"$\dagger$",
    "…": r"\dots{}",
}


def csv_text(table: Table) -> str:
    """Return comma-separated text: floats by repr, undefined values empty, lines ended by a newline."""
    text = io.StringIO()
    writer = csv.writer(text, lineterminator="\n")
    writer.writerow(table.frame.columns)
    columns = [table.frame[name].tolist() for name in table.frame.columns]
    writer.writerows([_plain(value) for value in row] for row in zip(*columns, strict=True))
    return text.getvalue()


def _plain(value: object) -> str:
    if value is None or (isinstance(value, float) and math.isnan(value)):
        return ""
    return repr(float(value)) if isinstance(value, float) else str(value)


def markdown_text(table: Table) -> str:
    """Return a caption, a pipe table and the notes."""
    header = [_pipe(name) for name in table.shown.columns]
    rules = ["---:" if numeric else "---" for numeric in _numeric(table.shown)]
    lines = [header, rules, *([_pipe(cell) for cell in row] for row in _rows(table.shown))]
    body = "\n".join("| " + " | ".join(line) + " |" for line in lines)
    notes = "".join(f"\n{note}\n" for note in _notes(table))
    first, _, rest = table.caption.partition(". ")
    caption = f"**{first}.** {rest}" if rest else f"**{first}**"
    return f"{caption}\n\n{body}\n{notes}"


def _pipe(text: str) -> str:
    return text.replace("|", "\\|").replace("\n", " ")


def latex_text(table: Table) -> str:
    """Return a table environment for the booktabs package, with all text escaped."""
    lines = [
        [_tex(name) for name in table.shown.columns],
        *([_tex(cell) for cell in row] for row in _rows(table.shown)),
    ]
    header, *rows = [" & ".join(line) + r" \\" for line in lines]
    columns = "".join("r" if numeric else "l" for numeric in _numeric(table.shown))
    notes = [rf"\par\smallskip\footnotesize {_tex(note)}" for note in _notes(table)]
    return "\n".join(
        [
            r"% needs \usepackage{booktabs}",
            r"\begin{table}",
            r"\centering",
            rf"\caption{{{_tex(table.caption)}}}",
            rf"\begin{{tabular}}{{{columns}}}",
            r"\toprule",
            header,
            r"\midrule",
            *rows,
            r"\bottomrule",
            r"\end{tabular}",
            *notes,
            r"\end{table}",
            "",
        ]
    )


def _tex(text: str) -> str:
    return "".join(TEX.get(character, character) for character in text.replace("\n", " "))


def _notes(table: Table) -> tuple[str, ...]:
    return table.notes if len(table.shown) else (*table.notes, "There is nothing to show.")


def _rows(shown: pd.DataFrame) -> list[tuple[str, ...]]:
    columns = [[str(cell) for cell in shown[name]] for name in shown.columns]
    return list(zip(*columns, strict=True))


def _numeric(shown: pd.DataFrame) -> list[bool]:
    return [len(shown) > 0 and all(NUMERIC.match(str(cell)) for cell in shown[name]) for name in shown.columns]
