"""Peak resident memory does not grow with epochs or grid points: each command in a process of its own."""

import copy
import json
import os
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

from bam.analysis_graph import AnalysisGraph
from bam.artifacts import Predictions, write_predictions
from bam.data.sources import read_sources
from bam.files import write_json
from bam.layout import Layout
from bam.plan import Plan, make_plan
from bam.recipe import RunSpec
from bam.study import check_study
from tests import toy

pytestmark = pytest.mark.slow
REPOSITORY = Path(__file__).resolve().parents[2]
MIB = 1 << 20
A_FEW_MIB = 16  # from run to run, libraries differ by up to 8
MEASURE = """
import os, subprocess, sys
child = subprocess.Popen(sys.argv[1:])
_, status, spent = os.wait4(child.pid, 0)
print("peak", spent.ru_maxrss * (1 if sys.platform == "darwin" else 1024))
sys.exit(os.waitstatus_to_exitcode(status))
"""


def peak_mib(*arguments: str) -> float:
    """Run a verb of bam and return its largest resident memory.

    A process between measures it: a child's peak counts the pages of its parent at the fork, and this one is large.
    """
    environment = {**os.environ, "PYTHONPATH": str(REPOSITORY), "OMP_NUM_THREADS": "1"}
    command = (sys.executable, "-c", MEASURE, sys.executable, "-m", "bam", *arguments)
    done = subprocess.run(command, env=environment, cwd=REPOSITORY, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stdout + done.stderr
    return int(done.stdout.split("peak ")[1]) / MIB


def peak_of_training(run: RunSpec, data: Path, out: Path) -> float:
    folders = ("--predictions", str(out / "predictions"), "--weights", str(out / "weights"))
    return peak_mib("train", "--spec", run.model_dump_json(), "--data", str(data), *folders)


def test_a_training_of_forty_epochs_lets_the_weights_of_each_go(prepared, tmp_path):
    hidden = (550, 550)
    assert 4 * hidden[0] * hidden[1] > MIB
    peaks = {}
    for epochs in (4, 40):
        training = toy.training(epochs=epochs, optimizer=toy.sgd(learning_rate=0.001))
        run = toy.spec("train", training, hidden=hidden, keep_weights=("class_difference",))
        peaks[epochs] = peak_of_training(run, prepared, tmp_path / f"{epochs}")
    assert peaks[40] - peaks[4] < A_FEW_MIB, peaks


def test_a_training_of_forty_epochs_keeps_a_byte_an_example_and_epoch_and_no_logits(tmp_path):
    n_val, n_classes = MIB // 8, 2
    data = toy.write_toy(tmp_path / "many", sizes={**toy.SIZES, "val": n_val})
    peaks = {}
    for epochs in (4, 40):
        peaks[epochs] = peak_of_training(toy.spec("train", toy.training(epochs=epochs)), data, tmp_path / f"{epochs}")
    # Held while training, once more as one array, and once more while that is written.
    classes, logits = 36 * n_val / MIB, 36 * n_val * n_classes * 4 / MIB
    assert 3 * classes + A_FEW_MIB < logits, "a leak must be seen"
    assert peaks[40] - peaks[4] < 3 * classes + A_FEW_MIB, peaks


# 190 runs more, of three epochs each: kept together, their predictions would take 35 MiB of memory.
MANY = {"val": MIB // 16, "test": MIB // 16}


def study(n_settings: int) -> dict:
    content = copy.deepcopy(toy.STUDY)
    rates = [round(1.0e-3 * (k + 1), 6) for k in range(n_settings)]
    erm = {**content["methods"]["erm"], "optimizer": {**toy.SGD, "learning_rate": rates}}
    return {**content, "methods": {"erm": erm}, "selection": ["class_difference", "last", "worst_group"]}


def write_runs(plan: Plan, layout: Layout, n_epochs: int = 3) -> None:
    """Write predictions of every run by hand, and no record, so that nothing is compared with one."""
    rng = np.random.default_rng(0)
    sizes = {**toy.SIZES, **MANY}
    for run in plan.trainings:
        for split in ("val", "test"):
            classes = np.repeat(rng.integers(0, 2, (n_epochs, sizes[split] // 64)).astype(np.uint8), 64, axis=1)
            found = Predictions(np.arange(1, n_epochs + 1), classes, np.zeros(n_epochs))
            write_predictions(layout.predictions(run) / f"{split}.npz", found)
        seconds = {"wall_s": 2.0, "training_s": 1.0, "evaluation_s": 0.5}
        write_json(
            layout.predictions(run) / "timing.json", {**seconds, "peak_memory_bytes": MIB, "examples_per_s": 1.0}
        )


def test_selection_and_tables_over_200_runs_take_the_memory_of_10(tmp_path):
    peaks: dict[tuple[str, int], float] = {}
    for n_settings in (5, 100):
        content = study(n_settings)
        plan = make_plan(check_study(content, "toy.yaml"), read_sources(REPOSITORY / "config" / "datasets.yaml"))
        assert len(plan.trainings) == 2 * n_settings
        layout = Layout(tmp_path / f"{n_settings}" / "data", tmp_path / f"{n_settings}" / "results" / "toy")
        toy.write_data(plan, layout, sizes={**toy.SIZES, **MANY})
        write_runs(plan, layout)
        common = ("--study", json.dumps(content), "--results", str(layout.results), "--data", str(layout.data))
        analysis, of = AnalysisGraph(plan, layout), ("main", "digits", "erm")
        for sight in analysis.sights():  # the jobs of the workflow
            chosen = analysis.select_options(*of, sight).split()
            named = ("--dataset", "digits", "--method", "erm", *chosen)
            peaks[f"select by {sight}", n_settings] = peak_mib("select", *common, *named)
            scored = analysis.evaluate_options(*of, sight).split()
            peaks[f"evaluate by {sight}", n_settings] = peak_mib("evaluate", *common, *scored)
        for name in ("main", "selected", "epochs", "cost"):
            peaks[f"table {name}", n_settings] = peak_mib("table", name, *common)
        peaks["all tables", n_settings] = peak_mib("table", *common)
    grown = {what: peaks[what, 100] - peaks[what, 5] for what, _ in peaks}
    assert len(grown) == 9
    assert max(grown.values()) < A_FEW_MIB, grown
