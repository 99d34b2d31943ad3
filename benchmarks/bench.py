"""One table of ratios, printed and written to benchmarks/bench.csv; about half an hour, most of it the whole study.

    python -m benchmarks.bench [overhead auxiliary data_path layouts jobs whole_study]

Without a name, all parts are run. With names, only those, and the rows of the others in the CSV stay.
"""

import argparse
import csv
import os
import platform
from collections.abc import Callable, Iterator
from pathlib import Path

import torch
from rich.console import Console
from rich.table import Table

from bam.training.build import set_up_torch
from benchmarks.data_path import data_path
from benchmarks.jobs import jobs
from benchmarks.layouts import layouts
from benchmarks.overhead import of_auxiliary_variables, over_bare_loop
from benchmarks.pairs import Row
from benchmarks.whole_study import whole_study

PARTS: dict[str, Callable[[], Iterator[Row]]] = {
    "overhead": over_bare_loop,
    "auxiliary": of_auxiliary_variables,
    "data_path": data_path,
    "layouts": layouts,
    "jobs": jobs,
    "whole_study": whole_study,
}
COLUMNS = ("part", "what", "unit", "median", "min", "max", "n_repeats", "target", "verdict", "load", "machine")


def machine() -> str:
    """Return processor, cores and version of torch in words."""
    cores = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count()
    return f"{_processor()}, {cores} cores, {torch.backends.cpu.get_cpu_capability()}, torch {torch.__version__}"


def _processor() -> str:
    facts = Path("/proc/cpuinfo")
    lines = facts.read_text().splitlines() if facts.exists() else []
    names = [line.partition(":")[2].strip() for line in lines if line.startswith("model name")]
    return names[0] if names else platform.processor() or platform.machine()


def as_cells(part: str, row: Row) -> dict[str, str]:
    """Return one line of the CSV; `load` is the mean number of processes that wanted a core, over five minutes."""
    low, middle, high = (f"{value:.3f}" for value in (min(row.values), row.median, max(row.values)))
    cells = (part, row.what, row.unit, middle, low, high, str(len(row.values)), row.target, row.verdict)
    return dict(zip(COLUMNS, (*cells, f"{os.getloadavg()[1]:.1f}", machine()), strict=True))


def read_lines(path: Path) -> list[dict[str, str]]:
    """Return the lines of an earlier table, none if there is no such file."""
    if not path.exists():
        return []
    with open(path, newline="") as file:
        return list(csv.DictReader(file))


def write(path: Path, lines: list[dict[str, str]]) -> None:
    """Write the table."""
    with open(path, "w", newline="") as file:
        writer = csv.DictWriter(file, COLUMNS, lineterminator="\n")
        writer.writeheader()
        writer.writerows(lines)


def show(lines: list[dict[str, str]], console: Console) -> None:
    """Print the table."""
    table = Table("what", "unit", "median", "range", "target", "", title=machine())
    for line in lines:
        spread = f"{line['min']} to {line['max']}"
        table.add_row(line["what"], line["unit"], line["median"], spread, line["target"], line["verdict"])
    console.print(table)


def main() -> None:
    """Measure, print and write the table."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("parts", nargs="*", help=" ".join(PARTS))
    parser.add_argument("--out", type=Path, default=Path(__file__).with_name("bench.csv"))
    options = parser.parse_args()
    if unknown := set(options.parts) - set(PARTS):
        parser.error(f"no part {', '.join(sorted(unknown))}; there is {', '.join(PARTS)}")
    chosen = [part for part in PARTS if part in (options.parts or PARTS)]
    set_up_torch(1, "cpu")
    console = Console(width=150)
    lines = [line for line in read_lines(options.out) if line["part"] not in chosen]
    for part in chosen:
        for row in PARTS[part]():
            console.print(f"{row.what}: {row.median:.3f}", highlight=False)
            lines = sorted([*lines, as_cells(part, row)], key=lambda line: list(PARTS).index(line["part"]))
            write(options.out, lines)  # row by row, so that an interruption loses one
    show(lines, console)
    console.print(f"written to {options.out}; load {os.getloadavg()[1]:.1f}")


if __name__ == "__main__":
    main()
