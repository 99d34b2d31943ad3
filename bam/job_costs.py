"""Seconds and memory of the jobs that train nothing, as Snakemake measured them: `*.benchmark.tsv` beside each log."""

import csv
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from bam.layout import Layout
from bam.plan import Plan
from bam.steps import figure, table

OF_DATA = ("fetch", "prepare", "prepare_segments", "annotate", "pretrained")
SUFFIX = ".benchmark.tsv"
TOO_SHORT_S = 1.0  # Snakemake's first look at a job may find the shell before Python


@dataclass(frozen=True)
class Jobs:
    """The jobs of one step that Snakemake ran here: their sum of seconds, and the largest memory that is known."""

    step: str
    n_runs: int
    wall_s: float
    peak_mib: float | None


def job_rows(plan: Plan, layout: Layout) -> Iterator[Jobs]:
    """Yield each step whose jobs Snakemake has run here; jobs that the plan does not have are left out."""
    for step, wanted in _wanted(plan).items():
        folder = (layout.data.parent if step in OF_DATA else layout.results) / "logs" / step
        paths = [folder / f"{name}{SUFFIX}" for name in wanted]
        found = [measured for path in paths if (measured := _measured(path)) is not None]
        if found:
            peaks = [mib for seconds, mib in found if mib is not None and seconds >= TOO_SHORT_S]
            yield Jobs(step, len(found), sum(seconds for seconds, _ in found), max(peaks, default=None))


def _wanted(plan: Plan) -> dict[str, list[str]]:
    """Return step -> the names of its jobs in this plan, below the step's folder of logs."""
    data = {each.data_id for each in plan.datasets.values()}
    choices = [f"{arm.name}/{'.'.join(choice)}" for arm in plan.arms for choice in arm.choices()]
    weights = [each.raw for each in plan.pretrained.values() if each.raw is not None]
    return {
        "fetch": list(dict.fromkeys([raw for each in plan.datasets.values() for raw in each.raw] + weights)),
        "prepare": sorted(data),
        "prepare_segments": sorted(data),
        "annotate": list(plan.datasets),
        "pretrained": list(plan.pretrained),
        "error_set": [name.split("/", 1)[1] for name in plan.error_sets],
        "select": choices,
        "evaluate": choices,
        "table": table.names(plan),
        "figure": figure.names(plan),
    }


def _measured(path: Path) -> tuple[float, float | None] | None:
    """Return (seconds, MiB or None); None if the file is not there or not whole."""
    try:
        with open(path, encoding="utf-8", newline="") as file:
            row = next(csv.DictReader(file, delimiter="\t"))
        return float(row["s"]), None if row["max_rss"] == "NA" else float(row["max_rss"])
    except (OSError, ValueError, KeyError, TypeError, StopIteration, csv.Error):
        return None
