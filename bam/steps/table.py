"""Write one table of a study as CSV, Markdown and LaTeX."""

from collections.abc import Sequence
from pathlib import Path

from bam.errors import ConfigError
from bam.files import write_text
from bam.layout import Layout
from bam.plan import Plan
from bam.tables import inputs as needed


def tables(wanted: Sequence[str], plan: Plan, layout: Layout) -> None:
    """Write some tables, or none if the study does not have one of them.

    Raises
    ------
    ConfigError
        If it does not.
    DataError
        If a file that one reads is missing or corrupt.
    """
    known = names(plan)
    for name in wanted:
        needed.check_name(name)
        if name not in known:
            raise ConfigError(f"table: this study has no {name!r}; it has {', '.join(known)}")
    for name in wanted:
        table(name, plan, layout)


def table(name: str, plan: Plan, layout: Layout) -> None:
    """Write one table below the results folder.

    Raises
    ------
    ConfigError
        If there is no such table.
    DataError
        If a file that it reads is missing or corrupt.
    """
    needed.check_name(name)
    # Pandas is slow to import; a workflow that only asks for names and inputs does without.
    from bam.tables.catalogue import TABLES
    from bam.tables.write import csv_text, latex_text, markdown_text

    made = TABLES[name](plan, layout)
    for suffix, text in (("csv", csv_text), ("md", markdown_text), ("tex", latex_text)):
        write_text(layout.table(name, suffix), text(made))


def inputs(name: str, plan: Plan, layout: Layout) -> list[Path]:
    """Return every file that one table reads; ConfigError if there is no such table."""
    return needed.inputs(name, plan, layout)


def names(plan: Plan) -> list[str]:
    """Return the tables that make sense for a plan."""
    return needed.names(plan)
