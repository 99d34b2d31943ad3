"""A whole study's time on the wall over the mathematics in it: `snakemake --cores 2` on Colored-MNIST's main table.

Five methods, four settings each, one seed, in a folder of its own, from the raw files to the report; cells train for
about 20 seconds or more. Only an idle machine gives a valid number: the wall does not know who else had the cores.
"""

import os
import shutil
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import yaml

from bam.files import read_json
from bam.yaml_files import read_layers
from benchmarks.pairs import Row

ROOT = Path(__file__).resolve().parents[1]
CONFIG = "config/whole_study.yaml"
CORES, N_REPEATS = 2, 2
LONGER = 2  # times the epochs of the config that is published, with one seed in place of three


@dataclass(frozen=True)
class Whole:
    """One run of a study.

    Attributes
    ----------
    training_s, evaluation_s, job_s : added up over its trainings, from each one's timing.json
    """

    wall_s: float
    n_trainings: int
    training_s: float
    evaluation_s: float
    job_s: float

    @property
    def ratio(self) -> float:
        """The wall's time over the trainings' on all cores at once."""
        return self.wall_s / (self.training_s / CORES)

    @property
    def ratio_with_predictions(self) -> float:
        """The wall's time over the trainings' and their predictions' on all cores at once."""
        return self.wall_s / ((self.training_s + self.evaluation_s) / CORES)

    @property
    def cell_s(self) -> float:
        """Training time of a mean cell."""
        return self.training_s / self.n_trainings

    @property
    def other_s(self) -> float:
        """Core-seconds a training that are neither its training nor its predictions."""
        return (CORES * self.wall_s - self.training_s - self.evaluation_s) / self.n_trainings


def whole_study() -> Iterator[Row]:
    """Yield the ratio, and where the rest goes."""
    runs = []
    for _ in range(N_REPEATS):
        with tempfile.TemporaryDirectory() as name:
            runs.append(run(Path(name), study()))
    what = f"Colored-MNIST's main table, one seed, {CORES} cores"
    yield Row(f"{what}: wall / training time on all cores", tuple(r.ratio for r in runs), "at most 1.25")
    with_predictions = tuple(r.ratio_with_predictions for r in runs)
    yield Row(f"{what}: wall / time of training and of predicting val and test, on all cores", with_predictions)
    yield Row(f"{what}: training time of a mean cell", tuple(r.cell_s for r in runs), "at least 20", "s")
    predicting = tuple(r.evaluation_s / r.training_s for r in runs)
    yield Row(f"{what}: predicting val and test every epoch / training", predicting)
    yield Row(f"{what}: all but training and prediction, a training", tuple(r.other_s for r in runs), unit="core-s")
    unpacked = tuple((r.job_s - r.training_s - r.evaluation_s) / r.n_trainings for r in runs)
    yield Row(f"{what}: reading, building, writing, a training", unpacked, unit="s")


def study() -> dict[str, Any]:
    """Return the published study of Colored-MNIST's main table with one seed and longer trainings."""
    content: dict[str, Any] = read_layers(ROOT / "config" / "cmnist.yaml")
    for entry in content["methods"].values():
        for training in (entry, entry.get("stage2"), entry.get("stage1")):
            if training is not None and isinstance(training.get("epochs"), int):
                training["epochs"] *= LONGER
    return {**content, "study": "whole_study", "seeds": content["seeds"][:1]}


def run(folder: Path, content: dict[str, Any]) -> Whole:
    """Run a study in an empty folder; raw files that this checkout has are not fetched again."""
    for part in ("bam", "workflow", "config"):
        shutil.copytree(ROOT / part, folder / part, ignore=shutil.ignore_patterns("__pycache__"))
    shutil.copy(ROOT / "environment.yml", folder)  # the rules name it
    (folder / CONFIG).write_text(yaml.safe_dump(content, sort_keys=False))
    if (raw := ROOT / "data" / "raw").exists():
        shutil.copytree(raw, folder / "data" / "raw")
    command = [sys.executable, "-m", "snakemake", "--cores", str(CORES), "--configfile", CONFIG]
    environment = {**os.environ, "PYTHONPATH": str(folder)}
    start = time.perf_counter()
    subprocess.run(
        [*command, "--quiet", "rules", "host", "progress", "--", "all"],
        cwd=folder,
        env=environment,
        check=True,
        stdout=subprocess.DEVNULL,
    )
    return counted(folder / "results" / str(content["study"]), time.perf_counter() - start)


def counted(results: Path, wall_s: float) -> Whole:
    """Add up what the trainings of a finished study say of themselves."""
    timings = [read_json(path) for path in sorted(results.glob("predictions/*/*/timing.json"))]
    training, evaluation, job = (
        sum(float(t[key]) for t in timings) for key in ("training_s", "evaluation_s", "wall_s")
    )
    return Whole(wall_s, len(timings), training, evaluation, job)
