"""A real SLURM on loopback, and a copy of the repository that runs its quick study there."""

import os
import shutil
import signal
import subprocess
import sys
import time
from dataclasses import dataclass, field
from pathlib import Path

import pytest
import yaml

HERE = Path(__file__).resolve().parent
REPOSITORY = HERE.parents[1]
PARTS = ("bam", "workflow", "config", "environment.yml")
CONFIG = "config/quick/digits.yaml"
RUNS = "runs"
TABLE = "results/digits_quick/tables/main.csv"
DEADLINE_S = 240
# A stage of training that waits while the file `hold` is there, and says in which SLURM job it is.
HOLD = """
import os as _os
import time as _time
with open(f"started-{_os.environ['SLURM_JOB_ID']}", "a") as _file:
    _file.write("once\\n")
while _os.path.exists("hold"):
    _time.sleep(0.1)
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
            "slurm-status-command": "sacct" if self.cluster.mode == "dbd" else "squeue",
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

    def release(self) -> None:
        (self.folder / "hold").unlink()


@pytest.fixture(scope="module", params=["none"])
def cluster(request, tmp_path_factory):
    """A running cluster; `dbd` has accounting."""
    needed = ["slurmctld", "slurmd", "munged", *(["slurmdbd", "mariadbd"] if request.param == "dbd" else [])]
    missing = [name for name in needed if shutil.which(name) is None]
    if missing:
        pytest.fail(f"{', '.join(missing)} not found; tests/cluster/start.sh names the Debian packages")
    folder = tmp_path_factory.mktemp("slurm")
    begun = time.monotonic()
    with open(folder / "start.log", "w") as log:  # a file: daemons would keep a pipe open
        command = ["bash", str(HERE / "start.sh"), str(folder), request.param]
        subprocess.run(command, stdout=log, stderr=subprocess.STDOUT, check=False, timeout=120)
    try:
        state = Cluster(folder, request.param)
        assert "idle" in state.call("sinfo", "--noheader", "--format=%T"), (folder / "start.log").read_text()
        print(f"cluster ({request.param}) up in {time.monotonic() - begun:.1f} s")
        yield state
    finally:
        subprocess.run(["bash", str(HERE / "stop.sh"), str(folder)], check=False, timeout=120)


@pytest.fixture(scope="session")
def data(tmp_path_factory) -> Path:
    """The quick study's data, made once and locally."""
    folder = copy_of_repository(tmp_path_factory.mktemp("data"))
    environment = {**os.environ, "PYTHONPATH": str(folder)}
    environment["PATH"] = f"{Path(sys.executable).parent}:{environment['PATH']}"
    command = ["snakemake", "--cores", "1", "--quiet", "all", "--configfile", CONFIG, "--", "data"]
    subprocess.run(command, cwd=folder, env=environment, check=True)
    return folder / "data"


@pytest.fixture
def study(cluster, data, tmp_path):
    """The quick study with its data made; its head processes are ended afterwards."""
    made = Study(copy_of_repository(tmp_path / "study"), cluster)
    shutil.copytree(data, made.folder / "data")
    made.write_profile()
    yield made
    (made.folder / "hold").unlink(missing_ok=True)
    for head in made.heads:
        if head.poll() is None:
            head.send_signal(signal.SIGINT)
            head.wait(60)


def copy_of_repository(folder: Path) -> Path:
    folder.mkdir(parents=True, exist_ok=True)
    for part in PARTS:
        source = REPOSITORY / part
        if source.is_dir():
            shutil.copytree(source, folder / part, ignore=shutil.ignore_patterns("__pycache__"))
        else:
            shutil.copy2(source, folder / part)
    return folder
