"""A real SLURM on loopback, and a copy of the repository that runs its quick study there."""

import os
import shutil
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

from tests.cluster.sandbox import CONFIG, HERE, SITECUSTOMIZE, Cluster, Study, copy_of_repository


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
    (made.folder / "sitecustomize.py").write_text(SITECUSTOMIZE)
    made.write_profile()
    yield made
    (made.folder / "hold").unlink(missing_ok=True)
    for head in made.heads:
        if head.poll() is None:
            head.send_signal(signal.SIGINT)  # it cancels its jobs, unless a shell made it deaf to Ctrl-C
            try:
                head.wait(60)
            except subprocess.TimeoutExpired:
                head.kill()
