"""What a job costs beyond its training: a fixed time, the prediction of every epoch, memory.

Each job is `python -m bam train` on the digits, a process of its own, as the rules run it. Seconds on the wall depend
on what else the machine does; busy ones, on a processor, are what the wall would say of a free machine.
"""

import os
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from bam.data.sources import read_sources
from bam.files import read_json
from bam.layout import Layout
from bam.pipeline import make_data
from bam.plan import Run, make_plan
from bam.study import check_study
from benchmarks.pairs import Row

ROOT = Path(__file__).resolve().parents[1]
N_REPEATS, N_PAIRS = 5, 3
FEW, MANY = 5, 50
EVERY = (2, 5, MANY)
JOB = "a job of one epoch, digits"


@dataclass(frozen=True)
class Spent:
    """What a process took: seconds on the wall and on a processor."""

    wall_s: float
    busy_s: float


@dataclass(frozen=True)
class Job:
    """What a training job took, and what its own timing.json says."""

    spent: Spent
    timing: dict[str, Any]

    @property
    def files_s(self) -> float:
        """Seconds of the step that are neither training nor prediction: reading, building, writing."""
        return float(self.timing["wall_s"] - self.timing["training_s"] - self.timing["evaluation_s"])

    @property
    def epochs_s(self) -> float:
        """Seconds that go with the number of epochs: training and prediction."""
        return float(self.timing["training_s"] + self.timing["evaluation_s"])

    @property
    def predicted_share(self) -> float:
        """Prediction's part of them."""
        return float(self.timing["evaluation_s"]) / self.epochs_s


def jobs() -> Iterator[Row]:
    """Yield the fixed cost and its parts, the share of prediction, and memory of many epochs over that of few."""
    sources = read_sources(ROOT / "config" / "datasets.yaml")
    with tempfile.TemporaryDirectory() as name:
        layout = Layout(Path(name) / "data", Path(name) / "results")
        runs = {}
        for n_epochs in (1, FEW, MANY):
            plan = make_plan(check_study(_study(n_epochs), "benchmark"), sources)
            (runs[n_epochs],) = plan.trainings.values()
        make_data(runs[1].dataset, sources, layout)
        _run(runs[1], layout)  # Python's byte code and the page cache are warm in a study
        ones = [_run(runs[1], layout) for _ in range(N_REPEATS)]
        few, many = zip(*((_run(runs[FEW], layout), _run(runs[MANY], layout)) for _ in range(N_PAIRS)), strict=True)
        seldom = {every: _pairs_predicting(runs[MANY], every, layout) for every in EVERY}
        bare = [_spent("-c", "pass").busy_s for _ in range(N_REPEATS)]
        torch = [_spent("-c", "import torch").busy_s for _ in range(N_REPEATS)]
    yield Row(f"{JOB}, its training included", tuple(j.spent.busy_s for j in ones), "at most 3", "s busy")
    yield Row(f"{JOB}, on the wall", tuple(j.spent.wall_s for j in ones), unit="s")
    yield Row(f"{JOB}: bare interpreter", tuple(bare), unit="s busy")
    yield Row(f"{JOB}: importing torch", tuple(t - statistics.median(bare) for t in torch), unit="s busy")
    yield Row(f"{JOB}: reading, building, writing, on the wall", tuple(j.files_s for j in ones), unit="s")
    predicting = tuple(float(j.timing["evaluation_s"]) for j in ones)
    yield Row(f"{JOB}: predicting val and test, on the wall", predicting, unit="s")
    what = "predicting val and test every epoch, share of training and prediction: digits, MLP"
    yield Row(what, tuple(j.predicted_share for j in many))
    for every, pairs in seldom.items():
        which = "the last epoch alone" if every == MANY else f"each {every} epochs"
        what = f"training and prediction, predicting {which} / every epoch: digits, MLP"
        yield Row(what, tuple(a.epochs_s / b.epochs_s for a, b in pairs))
    peaks = zip(*([j.timing["peak_memory_bytes"] for j in side] for side in (many, few)), strict=True)
    yield Row(f"peak memory of {MANY} epochs / of {FEW}: digits, MLP", tuple(a / b for a, b in peaks), "at most 1.02")


def _pairs_predicting(run: Run, every: int, layout: Layout) -> list[tuple[Job, Job]]:
    """Return the run with predictions of each so many epochs beside the run itself."""
    changed = replace(run, spec=run.spec.model_copy(update={"predict_every": every}))
    return [(_run(changed, layout), _run(run, layout)) for _ in range(N_PAIRS)]


def _study(n_epochs: int) -> dict[str, Any]:
    sgd = {"name": "sgd", "learning_rate": 1.0e-2, "momentum": 0.9, "weight_decay": 0.0}
    return {
        "study": "benchmark",
        "seeds": [0],
        "datasets": {"colored_digits": {"kind": "colored_digits", "aligned": 0.95, "data_seed": "per_seed"}},
        "model": {"name": "mlp", "hidden": [128]},
        "methods": {"erm": {"epochs": n_epochs, "batch_size": 32, "optimizer": sgd}},
        "selection": ["average"],
    }


def _run(run: Run, layout: Layout) -> Job:
    predictions, weights = layout.predictions(run.name), layout.weights(run.name)
    arguments = ["train", "--spec", run.spec.model_dump_json()]
    arguments += ["--data", str(layout.prepared(run.dataset.data_id))]
    arguments += ["--predictions", str(predictions), "--weights", str(weights)]
    spent = _spent("-m", "bam", *arguments)
    return Job(spent, read_json(predictions / "timing.json"))


def _spent(*arguments: str) -> Spent:
    """Run Python in a process of its own."""
    environment = {**os.environ, "PYTHONPATH": str(ROOT), "OMP_NUM_THREADS": "1"}
    start = time.perf_counter()
    with subprocess.Popen([sys.executable, *arguments], env=environment, stderr=subprocess.DEVNULL) as process:
        _, status, usage = os.wait4(process.pid, 0)
        process.returncode = os.waitstatus_to_exitcode(status)
    if status:
        sys.exit(f"{arguments[:3]} failed")
    return Spent(time.perf_counter() - start, usage.ru_utime + usage.ru_stime)
