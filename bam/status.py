"""How far a study is: what is done, what is left, and why something failed."""

from pathlib import Path

from bam.artifacts import read_predictions
from bam.errors import DataError
from bam.layout import Layout
from bam.plan import Plan

TAIL_LINES = 5


def status(plan: Plan, layout: Layout) -> str:
    """Return, per step, done of total; runs that are marked failed; tails of logs that end in an error."""
    choices = [(arm.name, *choice) for arm in plan.arms for choice in arm.choices()]
    wanted = {
        "prepared data": [layout.prepared(d.data_id) / "manifest.json" for d in plan.datasets.values()],
        "stage 1": [layout.predictions(run) / "record.json" for run in plan.stage1],
        "final trainings": [layout.predictions(run) / "record.json" for run in plan.trainings],
        "selections": [layout.selection(*choice) for choice in choices],
        "evaluations": [layout.evaluation(*choice) for choice in choices],
    }
    lines = [f"{name:16} {sum(p.exists() for p in paths):5} of {len(paths)}" for name, paths in wanted.items()]
    lines += [f"failed: {name}: {why}" for name, why in _failed(plan, layout)]
    lines += _error_logs(layout.results / "logs")
    return "\n".join(lines)


def _failed(plan: Plan, layout: Layout) -> list[tuple[str, str]]:
    found = []
    for run in (*plan.stage1, *plan.trainings):
        path = layout.predictions(run) / "val.npz"
        if path.exists():
            try:
                why = read_predictions(path).failed
            except DataError as error:
                why = str(error)
            if why:
                found.append((run, why))
    return found


def _error_logs(folder: Path) -> list[str]:
    lines = []
    for path in sorted(folder.rglob("*.log")):
        text = path.read_text(encoding="utf-8", errors="replace").rstrip().splitlines()
        if text and (text[-1].startswith("bam: ") or any(line.startswith("Traceback") for line in text)):
            lines += [f"log {path}:", *(f"  {line}" for line in text[-TAIL_LINES:])]
    return lines
