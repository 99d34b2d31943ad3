"""Gather a study's tables, figures, settings and commands in one HTML file."""

from pathlib import Path

from bam.files import write_text
from bam.layout import Layout
from bam.plan import Plan
from bam.steps import figure as figures
from bam.steps import table as tables


def inputs(plan: Plan, layout: Layout) -> list[Path]:
    """Return the tables, figures and captions that the report shows."""
    return [
        *(layout.table(name, suffix) for name in tables.names(plan) for suffix in ("csv", "md")),
        *(layout.figure(name, suffix) for name in figures.names(plan) for suffix in ("svg", "txt")),
    ]


def report(plan: Plan, layout: Layout, out: Path) -> None:
    """Write the report.

    Raises
    ------
    DataError
        If a table or a figure is missing.
    """
    from bam.report.build import Contents, render

    contents = Contents(tables.names(plan), {name: figures.title(name) for name in figures.names(plan)})
    write_text(out, render(plan, layout, contents, out))
