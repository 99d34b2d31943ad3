"""How long a study of 2,000 runs takes to plan, verify, select and tabulate; no network is trained.

python benchmarks/scale.py [runs]

Writes random predictions below the ids of a made-up study in a temporary folder, in a copy of this
repository's code, and times the commands that a person waits for.
"""

import argparse
import os
import shutil
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import numpy as np
import yaml

from bam.artifacts import Predictions, write_auxiliary, write_predictions
from bam.data.sources import read_sources
from bam.layout import Layout
from bam.pipeline import files_of, make_data
from bam.plan import Plan, Run, make_plan
from bam.run_files import Stage1Files
from bam.steps.error_set import error_set
from bam.steps.outputs import Meter, write_record, write_timing
from bam.study import check_study

ROOT = Path(__file__).resolve().parents[1]
SEEDS = 10
SGD = {"name": "sgd", "learning_rate": 1.0e-2, "momentum": 0.9, "weight_decay": 0.0}
SIZES = {"train": 898, "val": 359, "test": 540}
EPOCHS = 20
KINDS_OF_TIME = ("user", "system", "children_user", "children_system")


def study(n_runs: int) -> dict[str, Any]:
    """Return a study of about n_runs runs: half ERM's, and BAM's over a grid of T and µ."""
    n_settings = n_runs // (2 * SEEDS)
    n_factors = max(1, (n_settings - 4) // 4)
    rates = [round(1.0e-4 * (k + 1), 6) for k in range(n_settings)]
    stage1 = {"auxiliary_coefficient": 10, "loss": "squared", "epochs": [1, 2, 3, 4], "batch_size": 32}
    stage2 = {"upweight_factor": list(range(2, 2 + n_factors)), "restart": False, "epochs": EPOCHS, "batch_size": 32}
    return {
        "study": "scale",
        "seeds": list(range(SEEDS)),
        "datasets": {"colored_digits": {"kind": "colored_digits", "aligned": 0.95, "data_seed": "per_seed"}},
        "model": {"name": "mlp", "hidden": [16]},
        "methods": {
            "erm": {"epochs": EPOCHS, "batch_size": 32, "optimizer": {**SGD, "learning_rate": rates}},
            "bam": {
                "stage1": {**stage1, "optimizer": SGD},
                "stage2": {**stage2, "optimizer": SGD},
            },
        },
        "selection": ["class_difference", "worst_class", "worst_error_group", "average", "last", "worst_group"],
    }


def write_run(run: Run, layout: Layout, rng: np.random.Generator) -> None:
    """Write random files under a run's id, with a record that describes them."""
    files = files_of(run, layout)
    outputs = {}
    for path in files.all():
        name = path.name.removesuffix(".npz")
        if path.suffix == ".safetensors":
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_bytes(b"none")
            outputs[name.removesuffix(".safetensors")] = path
        elif name == "auxiliary":
            write_auxiliary(path, {1: np.zeros((SIZES["train"], 2), dtype=np.float32)})
            outputs[name] = path
        elif path.suffix == ".npz":
            n_epochs = 1 if isinstance(files, Stage1Files) else EPOCHS
            classes = rng.integers(0, 2, size=(n_epochs, SIZES[name]), dtype=np.uint8)
            epochs = np.arange(1, n_epochs + 1)
            write_predictions(path, Predictions(epochs, classes, np.ones(n_epochs)))
            outputs[name] = path
    write_timing(files.timing, Meter(), n_visited=1)
    write_record(files.record, run.spec, "cpu", outputs, evaluation_batch=1)


def write_all(plan: Plan, layout: Layout) -> None:
    """Write data, every run and every error set."""
    sources = read_sources(ROOT / "config" / "datasets.yaml")
    for dataset in plan.datasets.values():
        make_data(dataset, sources, layout)
    rng = np.random.default_rng(0)
    for run in (*plan.stage1.values(), *plan.trainings.values()):
        write_run(run, layout, rng)
    for name, run in plan.error_sets.items():
        labels = layout.prepared(run.dataset.data_id) / "train" / "labels.npy"
        error_set(layout.predictions(run.name) / "train.npz", labels, layout.predictions(name) / "error_set.npz")


def timed(words: str, action: Callable[[], object]) -> None:
    """Do something and print how long it took, and the processor time, of which a busy machine takes no more."""
    start, before = time.perf_counter(), os.times()
    action()
    wall, after = time.perf_counter() - start, os.times()
    processor = sum(getattr(after, kind) - getattr(before, kind) for kind in KINDS_OF_TIME)
    print(f"{wall:8.1f} s, of processors {processor:6.1f} s  {words}", flush=True)


def commands() -> Iterator[tuple[str, tuple[str, ...]]]:
    """Yield what is timed once every run is there."""
    bam = (sys.executable, "-m", "bam")
    results = ("--results", "results/scale")
    chosen = "results/scale/selection/main/colored_digits.erm.average.json"
    one = ("--study", "config/scale.yaml", "--dataset", "colored_digits")
    yield "bam plan", (*bam, "plan", "config/scale.yaml")
    yield "snakemake -n, all runs done", snakemake("--dry-run", "--quiet", "--", "all")
    for method in ("erm", "bam"):
        for rule in ("average", "worst_group"):
            out = ("--out", chosen.replace("erm", method).replace("average", rule))
            yield (
                f"bam select {method} {rule}",
                (*bam, "select", *one, "--method", method, "--rule", rule, *results, *out),
            )
    everything = snakemake("--quiet", "rules", "--show-failed-logs", "--", "all")
    yield "snakemake all (selections, tables, figures, report)", everything
    one_choice = ("--selection", chosen, "--out", "e.csv")
    yield "bam evaluate", (*bam, "evaluate", "--study", "config/scale.yaml", *one_choice, *results)
    for verb in ("table", "figure"):
        yield f"bam {verb}, all of the study", (*bam, verb, "--study", "config/scale.yaml", *results)
    yield "bam verify", (*bam, "verify", "config/scale.yaml")
    yield "bam prune", (*bam, "prune", "config/scale.yaml")
    yield "bam status", (*bam, "status", "config/scale.yaml")


def snakemake(*options: str) -> tuple[str, ...]:
    """Return a call of Snakemake on the study."""
    return (sys.executable, "-m", "snakemake", "--cores", "2", "--configfile", "config/scale.yaml", *options)


def main() -> None:
    """Make the study and time each command."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("runs", nargs="?", type=int, default=2000)
    n_runs = parser.parse_args().runs
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        for part in ("bam", "workflow", "config"):
            shutil.copytree(ROOT / part, folder / part)
        shutil.copy(ROOT / "environment.yml", folder)  # the rules name it
        shutil.copy2(ROOT / "environment.yml", folder)
        (folder / "config" / "scale.yaml").write_text(yaml.safe_dump(study(n_runs), sort_keys=False))
        plan = make_plan(check_study(study(n_runs), "scale"), read_sources(ROOT / "config" / "datasets.yaml"))
        layout = Layout(folder / "data", folder / "results" / "scale")
        print(f"{len(plan.stage1) + len(plan.trainings)} runs, {len(plan.error_sets)} error sets", flush=True)
        call(folder, snakemake("--dry-run", "--quiet", "--", "all"), "snakemake -n, nothing there")
        timed("write random results", lambda: write_all(plan, layout))
        for words, command in commands():
            call(folder, command, words)


def call(folder: Path, command: tuple[str, ...], words: str) -> None:
    """Run and time one command."""
    environment = {**os.environ, "PYTHONPATH": str(folder)}
    timed(words, lambda: run(command, folder, environment))


def run(command: tuple[str, ...], folder: Path, environment: dict[str, str]) -> None:
    """Run a command; what it printed is shown if it fails."""
    done = subprocess.run(command, cwd=folder, env=environment, capture_output=True, text=True, check=False)
    if done.returncode != 0:
        sys.exit(f"{' '.join(command)}\n{done.stdout[-2000:]}\n{done.stderr[-2000:]}")


if __name__ == "__main__":
    main()
