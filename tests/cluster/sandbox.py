"""What the tests ask of the cluster, and of a copy of the repository that runs its quick study there."""

import os
import shutil
import subprocess
import sys
import time
from dataclasses import dataclass, field
from pathlib import Path

import yaml

HERE = Path(__file__).resolve().parent
REPOSITORY = HERE.parents[1]
PARTS = ("bam", "workflow", "config", "environment.yml")
CONFIG = "config/quick/digits.yaml"
RUNS = "runs"
TABLE = "results/digits_quick/tables/main.csv"
DEADLINE_S = 400
# A stage of training that waits while the file `hold` is there, and says in which SLURM job it is.
HOLD = """
import os as _os
import time as _time
with open(f"started-{_os.environ['SLURM_JOB_ID']}", "a") as _file:
    _file.write("once\\n")
while _os.path.exists("hold"):
    _time.sleep(0.1)
"""

# A one-stage training that saves its state after its first step and then waits, until a signal ends it or it is killed.
# A training that goes on from a saved state does not wait.
HOLD_AFTER_A_STEP = """
import os as _os
_after_step = Resumption.after_step


def _held(self, epoch, losses):
    if "train" in self.path.parts and not self.path.exists():
        self._due = 0.0
        _after_step(self, epoch, losses)
        with open(f"started-{_os.environ['SLURM_JOB_ID']}", "a") as file:
            file.write("once\\n")
        while _os.path.exists("hold") and self._signal is None:
            time.sleep(0.1)
    _after_step(self, epoch, losses)


Resumption.after_step = _held
"""

# The SLURM plugin looks after 2, 12, 22, ... seconds; a look every two seconds saves the tests half of their time.
SITECUSTOMIZE = """
import sys
if any("snakemake" in word for word in sys.orig_argv[:3]):
    from snakemake_interface_executor_plugins.executors.remote import RemoteExecutor
    RemoteExecutor.next_seconds_between_status_checks = property(lambda self: 2, lambda self, value: None)
"""


def waited_for(condition, what: str):
    """Return the condition's value as soon as it is true."""
    end = time.monotonic() + DEADLINE_S
    while time.monotonic() < end:
        value = condition()
        if value:
            return value
        time.sleep(0.2)
    raise AssertionError(f"not within {DEADLINE_S} s: {what}")


@dataclass
class Cluster:
    """What the tests ask of SLURM."""

    folder: Path
    mode: str

    def call(self, *command: str) -> str:
        environment = {**os.environ, "SLURM_CONF": str(self.folder / "etc" / "slurm.conf")}
        done = subprocess.run(command, env=environment, capture_output=True, text=True, check=True, timeout=30)
        return done.stdout

    def jobs(self, states: str = "all") -> dict[str, str]:
        """Return id -> state of the jobs that SLURM knows of."""
        lines = self.call("squeue", "--noheader", f"--states={states}", "--format=%i %T").splitlines()
        return {line.split()[0]: line.split()[1] for line in lines}


@dataclass
class Study:
    """A copy of the repository with the quick study, and its runs on the cluster."""

    folder: Path
    cluster: Cluster
    heads: list[subprocess.Popen] = field(default_factory=list)

    def write_profile(self, **changes: object) -> None:
        """Write the repository's profile with what this small cluster needs otherwise."""
        profile = yaml.safe_load((REPOSITORY / "workflow" / "profiles" / "slurm" / "config.yaml").read_text())
        profile["default-resources"] |= {"slurm_partition": "debug", "slurm_account": "toy"}
        profile |= {
            "slurm-init-seconds-before-status-checks": 2,
            "latency-wait": 15,
            "retries": 0,
            "slurm-no-account": self.cluster.mode != "dbd",
            **changes,
        }
        folder = self.folder / "profile"
        folder.mkdir(exist_ok=True)
        (folder / "config.yaml").write_text(yaml.safe_dump(profile, sort_keys=False))

    def start(self, target: str) -> subprocess.Popen:
        """Start the wrapper, as a user would, with its output in `head<n>.log`."""
        environment = {
            **os.environ,
            "PATH": f"{Path(sys.executable).parent}:{os.environ['PATH']}",
            "PYTHONPATH": str(self.folder),
            "SLURM_CONF": str(self.cluster.folder / "etc" / "slurm.conf"),
            "BAM_PROFILE": "profile",
        }
        command = ["bash", "workflow/profiles/slurm/run.sh", "--configfile", CONFIG, "--", target]
        with open(self.folder / f"head{len(self.heads)}.log", "w") as log:
            head = subprocess.Popen(command, cwd=self.folder, env=environment, stdout=log, stderr=subprocess.STDOUT)
        self.heads.append(head)
        return head

    def run(self, target: str, expect: int = 0) -> str:
        """Run the wrapper to its end and return what it printed."""
        status = self.start(target).wait(DEADLINE_S)
        text = self.printed()
        assert status == expect, text
        return text

    def printed(self) -> str:
        """Return what the latest head process has printed."""
        return (self.folder / f"head{len(self.heads) - 1}.log").read_text()

    def edit(self, name: str, added: str) -> None:
        path = self.folder / name
        path.write_text(path.read_text() + added)

    def started(self) -> list[str]:
        """Return the SLURM jobs in which a training with HOLD in its code has begun."""
        return sorted(path.name.removeprefix("started-") for path in self.folder.glob("started-*"))

    def log_of_training(self) -> str:
        """Return what the one-stage training has printed since it last began."""
        [log] = self.folder.glob("results/digits_quick/logs/train/*.log")
        return log.read_text()

    def release(self) -> None:
        (self.folder / "hold").unlink()


def copy_of_repository(folder: Path) -> Path:
    folder.mkdir(parents=True, exist_ok=True)
    for part in PARTS:
        source = REPOSITORY / part
        if source.is_dir():
            shutil.copytree(source, folder / part, ignore=shutil.ignore_patterns("__pycache__"))
        else:
            shutil.copy2(source, folder / part)
    return folder
