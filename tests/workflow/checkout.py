"""A copy of the repository's code in a folder of its own, and a small study to run there."""

import os
import re
import shutil
import subprocess
import sys
from dataclasses import dataclass
from pathlib import Path

import yaml

REPOSITORY = Path(__file__).resolve().parents[2]
PARTS = ("bam", "workflow", "config", "environment.yml")
SGD = {"name": "sgd", "learning_rate": 1.0e-2, "momentum": 0.9, "weight_decay": 0.0}
STUDY = {
    "study": "small",
    "seeds": [0, 1],
    "datasets": {"colored_digits": {"kind": "colored_digits", "aligned": 0.95, "data_seed": "per_seed"}},
    "model": {"name": "mlp", "hidden": [16]},
    "methods": {
        "erm": {"epochs": 3, "batch_size": 64, "optimizer": SGD},
        "bam": {
            "stage1": {
                "auxiliary_coefficient": 10,
                "loss": "squared",
                "epochs": [1, 3],
                "batch_size": 64,
                "optimizer": SGD,
                "watch_epochs": [1, 3],
            },
            "stage2": {"upweight_factor": 5, "restart": False, "epochs": 2, "batch_size": 64, "optimizer": SGD},
        },
        "group_dro": {
            "epochs": 2,
            "batch_size": 64,
            "step_size": 1.0e-2,
            "adjustment": 0,
            "batches": "group_balanced",
            "optimizer": SGD,
        },
    },
    "selection": ["class_difference", "worst_error_group", "worst_group"],
    "keep_weights": ["class_difference"],
}
TRAINING = ("stage1", "error_set", "stage2", "train")


@dataclass
class Checkout:
    """A copy of the repository's code in a folder of its own, with its own data and results."""

    folder: Path

    @property
    def results(self) -> Path:
        return self.folder / "results" / "small"

    def write(self, study: dict) -> None:
        (self.folder / "config" / "small.yaml").write_text(yaml.safe_dump(study, sort_keys=False))

    def run(self, *command: str, expect: int | None = 0) -> subprocess.CompletedProcess[str]:
        environment = {**os.environ, "PYTHONPATH": str(self.folder), "COLUMNS": "200"}
        environment["PATH"] = f"{Path(sys.executable).parent}:{environment['PATH']}"
        done = subprocess.run(command, cwd=self.folder, env=environment, capture_output=True, text=True, check=False)
        if expect is not None:
            assert done.returncode == expect, done.stdout + done.stderr
        return done

    def snakemake(self, *options: str, expect: int | None = 0) -> subprocess.CompletedProcess[str]:
        # `--` so that no option that takes several values swallows the targets after it.
        return self.run("snakemake", "--cores", "2", "--configfile", "config/small.yaml", "--", *options, expect=expect)

    def bam(self, *arguments: str, expect: int | None = 0) -> subprocess.CompletedProcess[str]:
        return self.run(sys.executable, "-m", "bam", *arguments, expect=expect)

    def planned(self, *targets: str) -> dict[str, int]:
        """Return rule -> number of jobs that a dry run plans, without the target rule itself."""
        command = ("snakemake", "--dry-run", "--cores", "2", "--configfile", "config/small.yaml", "--", *targets)
        text = self.run(*command).stdout
        stats = re.search(r"Job stats:\n.*?\n-+ .*?\n(.*?)\ntotal", text, re.DOTALL)
        if stats is None:
            assert "Nothing to be done" in text, text
            return {}
        counts = {line.split()[0]: int(line.split()[1]) for line in stats.group(1).splitlines()}
        return {rule: count for rule, count in counts.items() if rule not in (*targets, "all")}

    def trainings(self, *targets: str) -> dict[str, int]:
        """Return the same for the rules that train."""
        return {rule: count for rule, count in self.planned(*targets).items() if rule in TRAINING}

    def edit(self, name: str, old: str, new: str) -> None:
        path = self.folder / name
        text = path.read_text()
        assert old in text, f"{name} no longer contains {old!r}"
        path.write_text(text.replace(old, new))

    def tables(self) -> dict[str, bytes]:
        """Return the bytes of every table but the cost table."""
        return {p.name: p.read_bytes() for p in sorted((self.results / "tables").iterdir()) if p.stem != "cost"}


def check_out(folder: Path) -> Checkout:
    folder.mkdir(parents=True, exist_ok=True)
    for part in PARTS:
        source = REPOSITORY / part
        copy = shutil.copytree if source.is_dir() else shutil.copy2
        copy(source, folder / part)
    checkout = Checkout(folder)
    checkout.write(STUDY)
    return checkout
