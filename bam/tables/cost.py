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
    """Return the sums of seconds, the largest memory and the mean rate of each step's runs that have a timing."""
    runs: dict[tuple[str, str, str], dict[str, None]] = {}
    for cell in plan.cells:
        for run in [cell.run] if cell.stage1 is None else [cell.stage1, cell.run]:
            runs.setdefault((cell.dataset, cell.method, run.spec.step), {})[run.name] = None
    every = list(dict.fromkeys(name for names in runs.values() for name in names))
    timings = {name: timing for name in every if (timing := _read(layout, name)) is not None}
    rows = [_row(key, [timings[name] for name in names if name in timings]) for key, names in runs.items()]
    n_without = len(every) - len(timings)
    frame = pd.DataFrame(rows, columns=COLUMNS, dtype=object)
    return Table(
        frame=frame,
        shown=_shown(frame),
        caption=f"Cost of all runs, study {plan.study.name}: sums of seconds, largest peak memory, mean rate.",
        notes=(
            *([f"{n_without} run{'s have' if n_without > 1 else ' has'} no timing."] if n_without else []),
            "A stage 1 that goes on from a lower T counts only its own epochs.",
        ),
    )


def _read(layout: Layout, run: str) -> dict[str, Any] | None:
    path = layout.predictions(run) / "timing.json"
    if not path.exists():
        return None
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
        **{name: float(sum(timing[name] for timing in timings)) if timings else None for name in SECONDS},
        "peak_memory_mib": max(timing["peak_memory_bytes"] for timing in timings) / (1 << 20) if timings else None,
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
