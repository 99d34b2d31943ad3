"""Seconds and memory of the jobs that train nothing, as Snakemake measured them: `*.benchmark.tsv` beside each log."""

import csv
from collections.abc import Iterator
from pathlib import Path

from bam.layout import Layout
from bam.plan import Plan

OF_DATA = ("fetch", "prepare", "annotate", "pretrained")
OF_STUDY = ("error_set", "select", "evaluate", "table", "figure")
SUFFIX = ".benchmark.tsv"


def job_rows(plan: Plan, layout: Layout) -> Iterator[dict[str, object]]:
    """Yield a row of the cost table for each step whose jobs Snakemake has run here.

    Jobs of other studies and of settings that the plan no longer has are left out where their names tell.
    """
    ids = _ids(plan)
    for step in (*OF_DATA, *OF_STUDY):
        folder = (layout.data.parent if step in OF_DATA else layout.results) / "logs" / step
        files = [path for path in sorted(folder.rglob(f"*{SUFFIX}")) if step not in ids or _id(path) in ids[step]]
        found = [measured for path in files if (measured := _measured(path)) is not None]
        if found:
            yield {
                **{"dataset": "", "method": "", "step": step, "n_runs": len(found)},
                "wall_s": sum(seconds for seconds, _ in found),
                "peak_memory_mib": max(memory for _, memory in found),
            }


def _ids(plan: Plan) -> dict[str, set[str]]:
    """Return step -> the names of its jobs that this plan has."""
    data = plan.datasets.values()
    return {
        "fetch": {raw for each in data for raw in each.raw},
        "prepare": {each.data_id for each in data},
        "annotate": {each.groups_id for each in data},
        "pretrained": set(plan.pretrained),
        "error_set": {name.split("/", 1)[1] for name in plan.error_sets},
    }


def _id(path: Path) -> str:
    return path.name.removesuffix(SUFFIX)


def _measured(path: Path) -> tuple[float, float] | None:
    """Return (seconds, MiB); None if the file is not whole, or the job was over before it was looked at."""
    try:
        with open(path, encoding="utf-8", newline="") as file:
            row = next(csv.DictReader(file, delimiter="\t"))
        return float(row["s"]), float(row["max_rss"])
    except (OSError, ValueError, KeyError, TypeError, StopIteration, csv.Error):
        return None
