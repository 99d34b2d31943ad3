"""Time and memory of each method's steps; the only table that differs between identical runs."""

from typing import Any

import pandas as pd

from bam.errors import DataError
from bam.files import read_json
from bam.layout import Layout
from bam.plan import Plan
from bam.tables.accuracies import without_single_dataset
from bam.tables.content import Table
from bam.tables.words import method_words, number

SECONDS = {"wall_s": "Wall (s)", "training_s": "Training (s)", "evaluation_s": "Prediction (s)"}
COLUMNS = ["dataset", "method", "step", "n_runs", *SECONDS, "peak_memory_mib", "examples_per_s"]


def cost_table(plan: Plan, layout: Layout) -> Table:
    """Return the sums of seconds, the largest memory and the mean rate of each step's runs."""
    timings: dict[tuple[str, str, str], dict[str, dict[str, Any]]] = {}
    read: dict[str, dict[str, Any]] = {}
    for cell in plan.cells:
        for run in [cell.run] if cell.stage1 is None else [cell.stage1, cell.run]:
            if run.name not in read:
                read[run.name] = _read(layout, run.name)
            timings.setdefault((cell.dataset, cell.method, run.spec.step), {})[run.name] = read[run.name]
    rows = [_row(key, list(runs.values())) for key, runs in timings.items()]
    frame = pd.DataFrame(rows, columns=COLUMNS, dtype=object)
    return Table(
        frame=frame,
        shown=_shown(frame),
        caption=f"Cost of all runs, study {plan.study.name}: sums of seconds, largest peak memory, mean rate.",
        notes=("A stage 1 that goes on from a lower T counts only its own epochs.",),
    )


def _read(layout: Layout, run: str) -> dict[str, Any]:
    path = layout.predictions(run) / "timing.json"
    content = read_json(path)
    lacking = {*SECONDS, "peak_memory_bytes", "examples_per_s"} - set(content)
    if lacking:
        raise DataError(f"{path}: lacks {', '.join(sorted(lacking))}")
    return dict(content)


def _row(key: tuple[str, str, str], timings: list[dict[str, Any]]) -> dict[str, object]:
    rates = [timing["examples_per_s"] for timing in timings if timing["examples_per_s"] is not None]
    return {
        **dict(zip(("dataset", "method", "step"), key, strict=True)),
        "n_runs": len(timings),
        **{name: float(sum(timing[name] for timing in timings)) for name in SECONDS},
        "peak_memory_mib": max(timing["peak_memory_bytes"] for timing in timings) / (1 << 20),
        "examples_per_s": sum(rates) / len(rates) if rates else None,
    }


def _shown(frame: pd.DataFrame) -> pd.DataFrame:
    headers = ["Data set", "Method", "Step", "Runs", *SECONDS.values(), "Peak memory (MiB)", "Examples per s"]
    rows = [
        {
            "Data set": row["dataset"],
            "Method": method_words(row["method"]),
            "Step": row["step"],
            "Runs": str(row["n_runs"]),
            **{header: number(row[name]) for name, header in SECONDS.items()},
            "Peak memory (MiB)": number(row["peak_memory_mib"], 0),
            "Examples per s": number(row["examples_per_s"], 0),
        }
        for row in frame.to_dict("records")
    ]
    return without_single_dataset(pd.DataFrame(rows, columns=headers, dtype=object))
