"""The jobs of a study beside its trainings: where each logs, what it leaves and needs, and how far it is."""

import time
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

from bam.layout import Layout
from bam.plan import DataSet, Plan, Run
from bam.selection import sight_of

SILENT_S = 600  # trainings write to their log every half minute, or once an epoch if that takes longer


@dataclass(frozen=True)
class Job:
    """One job as the rules of `workflow/` have it.

    Attributes
    ----------
    output : a file that is there when the job is done
    needs : names of the jobs and trainings without which it cannot start
    """

    name: str
    log: Path
    output: Path
    needs: frozenset[str]

    def state(self) -> str:
        """Return done, failed (its log ends in an error), running (its log is younger than SILENT_S), or waiting."""
        if self.output.exists():
            return "done"
        if is_error(lines(self.log)):
            return "failed"
        is_young = self.log.exists() and time.time() - self.log.stat().st_mtime <= SILENT_S
        return "running" if is_young else "waiting"


def data_logs(layout: Layout) -> Path:
    """Return the folder of what all studies share: logs of fetch, prepare, annotate and pretrained."""
    return layout.data.parent / "logs"


def data_jobs(plan: Plan, layout: Layout) -> list[Job]:
    """Return what makes data and pretrained weights, each after what it needs."""
    weights = plan.pretrained.values()
    raws = [raw for data in plan.datasets.values() for raw in data.raw] + [each.raw for each in weights if each.raw]

    def job(step: str, name: str, output: Path, *needs: str) -> Job:
        return Job(f"{step}/{name}", data_logs(layout) / step / f"{name}.log", output, frozenset(needs))

    jobs = [job("fetch", raw, layout.raw(raw) / "fetched.json") for raw in raws]
    for data in plan.datasets.values():
        fetched, folder = [f"fetch/{raw}" for raw in data.raw], layout.prepared(data.data_id)
        jobs += [
            job("prepare", data.data_id, folder / "manifest.json", *fetched),
            # Only pairs of texts have segments, so that of these a log alone tells that they are being made again.
            job("prepare_segments", data.data_id, folder / "train" / "segments.npy"),
            job("annotate", data.groups_id, layout.groups(data.groups_id) / "groups.json", *fetched),
        ]
    for each in weights:
        needs = [f"fetch/{each.raw}"] if each.raw else []
        jobs.append(job("pretrained", each.id, layout.pretrained(each.id) / "pretrained.json", *needs))
    return list(dict.fromkeys(jobs))  # two data sets may share arrays, and many a raw set


def error_set_jobs(plan: Plan, layout: Layout) -> list[Job]:
    """Return what makes the error sets."""
    logs = layout.results / "logs"
    return [
        Job(
            name,
            logs / f"{name}.log",
            layout.predictions(name) / "error_set.npz",
            frozenset({run.name, *_arrays(run.dataset)}),
        )
        for name, run in plan.error_sets.items()
    ]


def analysis_jobs(plan: Plan, layout: Layout) -> Iterator[Job]:
    """Yield selections and evaluations, the tables and figures that have a log, and the report."""
    logs = layout.results / "logs"
    last: dict[str, tuple[str, str, str, str]] = {}  # the last file that a job makes stands for all
    for arm in plan.arms:
        for dataset, method, rule in arm.choices():
            last[f"{arm.name}/{dataset}.{method}.{sight_of(rule)}"] = (arm.name, dataset, method, rule)
    for name, choice in last.items():
        groups = frozenset(f"annotate/{cell.run.dataset.groups_id}" for cell in plan.of(*choice[:3]))
        yield Job(f"select/{name}", logs / "select" / f"{name}.log", layout.selection(*choice), groups)
        yield Job(f"evaluate/{name}", logs / "evaluate" / f"{name}.log", layout.evaluation(*choice), groups)
    for step, suffix, place in (("table", "csv", layout.table), ("figure", "pdf", layout.figure)):
        for log in sorted((logs / step).rglob("*.log")):
            name = str(log.relative_to(logs / step).with_suffix(""))
            yield Job(f"{step}/{name}", log, place(name, suffix), frozenset())
    yield Job("report", logs / "report.log", layout.report, frozenset())


def needs_of(run: Run) -> frozenset[str]:
    """Return the names of the jobs and trainings without which a training cannot start."""
    needs = {run.stage1, run.previous, *_arrays(run.dataset)}
    if run.stage1:
        needs.add(run.error_set)  # of a stage 1 it is what that gives
    if run.pretrained:
        needs.add(f"pretrained/{run.pretrained.id}")
    if run.spec.training.needs_groups:
        needs.add(f"annotate/{run.dataset.for_training.groups_id}")
    return frozenset(name for name in needs if name)


def _arrays(data: DataSet) -> tuple[str, str]:
    return f"prepare/{data.data_id}", f"prepare_segments/{data.data_id}"


def lines(log: Path) -> list[str]:
    """Return the lines of a log; none if it is not there."""
    try:
        return log.read_text(encoding="utf-8", errors="replace").rstrip().splitlines()
    except FileNotFoundError:  # not begun, or Snakemake has just put it away to begin again
        return []


def is_error(said: Sequence[str]) -> bool:
    """Return whether a log ends in an error: one line of a user's mistake, or a traceback."""
    return bool(said) and (said[-1].startswith("bam: ") or any(line.startswith("Traceback") for line in said))
