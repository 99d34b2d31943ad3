"""Seconds and memory of the jobs that train nothing, as Snakemake measured them: `*.benchmark.tsv` beside each log."""

import csv
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from bam.job_logs import analysis_jobs, data_jobs, error_set_jobs
from bam.layout import Layout
from bam.plan import Plan

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
    found: dict[str, list[tuple[float, float | None]]] = {}
    for job in (*data_jobs(plan, layout), *error_set_jobs(plan, layout), *analysis_jobs(plan, layout)):
        measured = _measured(job.log.with_suffix(SUFFIX))
        if measured is not None:
            found.setdefault(job.name.split("/", 1)[0], []).append(measured)
    for step, each in found.items():
        peaks = [mib for seconds, mib in each if mib is not None and seconds >= TOO_SHORT_S]
        yield Jobs(step, len(each), sum(seconds for seconds, _ in each), max(peaks, default=None))


def _measured(path: Path) -> tuple[float, float | None] | None:
    """Return (seconds, MiB or None); None if the file is not there or not whole."""
    try:
        with open(path, encoding="utf-8", newline="") as file:
            row = next(csv.DictReader(file, delimiter="\t"))
        return float(row["s"]), None if row["max_rss"] == "NA" else float(row["max_rss"])
    except (OSError, ValueError, KeyError, TypeError, StopIteration, csv.Error):
        return None
