"""`kill -9` of the trainers of a small study, again and again: its tables are those of an undisturbed one."""

import copy
import os
import subprocess
import sys
from pathlib import Path

import pytest

from tests.workflow.checkout import STUDY, check_out

HERE = Path(__file__).parent
SGD = {"name": "sgd", "learning_rate": 1.0e-2, "momentum": 0.9, "weight_decay": 0.0}


def study():
    """Return a study whose trainings take a second or two, of BAM in both stages."""
    content = copy.deepcopy(STUDY)
    content["methods"] = {
        "bam": {
            "stage1": {
                "auxiliary_coefficient": 10,
                "loss": "squared",
                "epochs": [15, 30],
                "batch_size": 16,
                "optimizer": SGD,
                "watch_epochs": [1, 10],
            },
            "stage2": {"upweight_factor": 5, "restart": False, "epochs": 15, "batch_size": 16, "optimizer": SGD},
        }
    }
    return content


@pytest.mark.slow
def test_fifty_kills_change_no_byte_of_any_table(tmp_path):
    undisturbed, disturbed = check_out(tmp_path / "undisturbed"), check_out(tmp_path / "disturbed")
    for each in (undisturbed, disturbed):
        each.write(study())
    undisturbed.snakemake("tables")
    kills = tmp_path / "kills"
    kills.mkdir()
    environment = {
        **os.environ,
        "PYTHONPATH": f"{HERE / 'killed_trainer'}:{disturbed.folder}",
        "PATH": f"{Path(sys.executable).parent}:{os.environ['PATH']}",
        "KILLS": str(kills),
        "BAM_SAVE_INTERVAL": "0",
    }
    command = ("snakemake", "--cores", "2", "--retries", "20", "--configfile", "config/small.yaml", "--", "tables")
    done = subprocess.run(command, cwd=disturbed.folder, env=environment, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stdout + done.stderr
    marks = {path.name: path.read_text().splitlines() for path in kills.iterdir()}
    counts = {
        stage: sum(len(m) for name, m in marks.items() if name.startswith(stage)) for stage in ("stage1", "stage2")
    }
    assert sum(counts.values()) >= 50
    assert min(counts.values()) >= 20
    went_on = sum("goes on from" in path.read_text() for path in (disturbed.results / "logs").glob("stage*/*.log"))
    assert went_on == 8  # each training's last attempt
    assert disturbed.tables() == undisturbed.tables()
    for path in (undisturbed.results / "weights").rglob("*.safetensors"):
        assert (disturbed.results / path.relative_to(undisturbed.results)).read_bytes() == path.read_bytes()
    left = [path for path in (disturbed.results / "weights").rglob("*") if "resume" in path.name]
    assert left == []
