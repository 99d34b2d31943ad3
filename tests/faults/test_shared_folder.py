"""Two Snakemakes at once, killed ones, read-only results, results that were moved: real processes, real folders."""

import copy
import os
import shutil
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

import psutil
import pytest
import yaml

from tests.workflow.checkout import SGD, STUDY, Checkout, check_out

pytestmark = pytest.mark.slow
LOCKED = "Directory cannot be locked"
PATIENCE_S = 120.0


def study(name: str = "small", epochs: int = 60) -> dict:
    """Return a study of one training of some seconds."""
    content = copy.deepcopy(STUDY)
    erm = {"epochs": epochs, "batch_size": 8, "optimizer": SGD}
    changes = {"study": name, "seeds": [0], "methods": {"erm": erm}, "selection": ["class_difference"]}
    return {**content, **changes}


def checked_out(folder: Path) -> Checkout:
    checkout = check_out(folder)
    checkout.write(study())
    other = yaml.safe_dump(study("other"))
    (checkout.folder / "config" / "other.yaml").write_text(other)
    return checkout


@pytest.fixture(scope="module")
def done(tmp_path_factory: pytest.TempPathFactory) -> Checkout:
    """The study's training, undisturbed. Never change it: take a copy."""
    checkout = checked_out(tmp_path_factory.mktemp("done"))
    checkout.snakemake("runs")
    return checkout


@pytest.fixture
def copied(done: Checkout, tmp_path: Path) -> Checkout:
    shutil.copytree(done.folder, tmp_path / "copy", symlinks=True)
    return Checkout(tmp_path / "copy")


def predicted(checkout: Checkout, name: str = "small") -> dict[str, bytes]:
    """Return the bytes of all results of a study's trainings; their times differ."""
    results = checkout.results.with_name(name)
    files = [path for part in ("predictions", "weights") for path in (results / part).rglob("*")]
    found = {str(p.relative_to(results)): p.read_bytes() for p in files if p.is_file()}
    return {name: content for name, content in found.items() if not name.endswith("timing.json")}


@contextmanager
def started(checkout: Checkout) -> Iterator[subprocess.Popen[str]]:
    """Start Snakemake in a session of its own, and kill whatever is left of it in the end."""
    environment = {**os.environ, "PYTHONPATH": str(checkout.folder)}
    environment["PATH"] = f"{Path(sys.executable).parent}:{environment['PATH']}"
    command = ("snakemake", "--cores", "2", "--configfile", "config/small.yaml", "--", "runs")
    with (
        open(checkout.folder / "first.txt", "w") as said,
        subprocess.Popen(
            command, cwd=checkout.folder, env=environment, stdout=said, stderr=said, text=True, start_new_session=True
        ) as process,
    ):
        try:
            yield process
        finally:
            if process.poll() is None:
                os.killpg(process.pid, signal.SIGKILL)


def wait_for(checkout: Checkout, pattern: str, process: subprocess.Popen[str]) -> None:
    """Wait for a file, as long as the process may still write it."""
    last = time.monotonic() + PATIENCE_S
    while not list(checkout.folder.glob(pattern)):
        assert process.poll() is None, (checkout.folder / "first.txt").read_text()
        assert time.monotonic() < last, f"no {pattern} after {PATIENCE_S:g} s"
        time.sleep(0.05)


def at_work(checkout: Checkout) -> list[int]:
    """Return the processes whose working directory is this checkout."""
    found = []
    for process in psutil.process_iter():
        with suppress(psutil.Error):
            if process.cwd() == str(checkout.folder) and process.status() != psutil.STATUS_ZOMBIE:
                found.append(process.pid)
    return found


def refused(checkout: Checkout, config: str) -> None:
    """Run Snakemake on a config of a locked folder: it says so and what to do, and changes nothing."""
    done = checkout.run("snakemake", "--cores", "2", "--configfile", config, "--", "runs", expect=1)
    text = done.stdout + done.stderr
    assert LOCKED in text
    assert str(checkout.folder) in text
    assert "It can be removed with the --unlock argument" in text
    assert "Traceback" not in text


def test_a_second_snakemake_in_one_folder_is_refused_and_harms_nothing(done, tmp_path):
    checkout = checked_out(tmp_path / "shared")
    with started(checkout) as first:
        wait_for(checkout, ".snakemake/locks/*", first)
        os.killpg(first.pid, signal.SIGSTOP)  # held, so that it cannot be over before the second has begun
        refused(checkout, "config/small.yaml")
        os.killpg(first.pid, signal.SIGCONT)
        # Another study on the same data is refused while these are made, and goes ahead once they are there.
        command = ("snakemake", "--cores", "2", "--configfile", "config/other.yaml", "--", "runs")
        other = checkout.run(*command, expect=None)
        assert other.returncode == 0 or LOCKED in other.stdout + other.stderr
        assert "Traceback" not in other.stdout + other.stderr
        assert first.wait(PATIENCE_S) == 0, (checkout.folder / "first.txt").read_text()
    assert predicted(checkout) == predicted(done)
    assert checkout.planned("runs") == {}
    checkout.run(*command)
    assert predicted(checkout, "other") == predicted(done)


@pytest.mark.parametrize("whole_group", [True, False], ids=["all of it", "snakemake alone"])
def test_after_a_killed_snakemake_unlocking_is_all_there_is_to_do(done, tmp_path, whole_group):
    """Killed alone, it leaves its trainer behind, which here writes its files after the next one's are there."""
    checkout = checked_out(tmp_path / "killed")
    with started(checkout) as first:
        wait_for(checkout, "results/small/logs/train/*.log", first)
        if whole_group:
            os.killpg(first.pid, signal.SIGKILL)
        else:
            first.kill()
        first.wait()
        orphans = at_work(checkout)
        for pid in orphans:
            os.kill(pid, signal.SIGSTOP)
        assert bool(orphans) != whole_group
        refused(checkout, "config/small.yaml")
        checkout.run("snakemake", "--unlock", "--configfile", "config/small.yaml")
        checkout.snakemake("runs")
        for pid in orphans:
            os.kill(pid, signal.SIGCONT)
        last = time.monotonic() + PATIENCE_S
        while at_work(checkout):
            assert time.monotonic() < last
            time.sleep(0.1)
    assert predicted(checkout) == predicted(done)
    assert checkout.planned("runs") == {}
    assert checkout.bam("verify", "config/small.yaml").stdout.startswith("1 of 1 runs are there and match")


@contextmanager
def read_only(folder: Path) -> Iterator[None]:
    """Make a folder read-only, for root too: by a mount. Others need only take away the permission."""
    if os.geteuid() != 0:
        folder.chmod(0o555)
        try:
            yield
        finally:
            folder.chmod(0o755)
        return
    mounts = (["mount", "--bind", str(folder), str(folder)], ["mount", "-o", "remount,bind,ro", str(folder)])
    for command in mounts:
        if shutil.which("mount") is None or subprocess.run(command, capture_output=True, check=False).returncode:
            subprocess.run(["umount", str(folder)], capture_output=True, check=False)
            pytest.skip("root may write anywhere, and this machine lets it mount nothing")
    try:
        yield
    finally:
        subprocess.run(["umount", str(folder)], check=True)


def test_a_read_only_results_folder_is_one_line_that_names_it(copied):
    with read_only(copied.folder / "results"):
        for config, place in (("config/other.yaml", "results"), ("config/small.yaml", "results/small")):
            options = ("snakemake", "--cores", "1", "--configfile", config)
            done = copied.run(*options, expect=1)
            lines = [line for line in (done.stdout + done.stderr).splitlines() if "cannot be written to" in line]
            assert lines == [
                f"{place}: cannot be written to; make the folder writable, or put a link to a folder on another disk "
                "in its place; what is finished is kept"
            ]
            assert "Traceback" not in done.stdout + done.stderr
        out = copied.bam("run", "config/small.yaml", "--method", "erm", "--out", "results/new", expect=2).stderr
        assert out.strip().splitlines()[-1].startswith("bam: results: cannot be written to; make the folder writable")
        assert "epoch" not in out, "it is refused before anything trains"
        assert "Traceback" not in out
        # Reading goes on, and so does what writes nothing there.
        copied.run("snakemake", "--unlock", "--configfile", "config/other.yaml")
        assert copied.bam("verify", "config/small.yaml").stdout.startswith("1 of 1 runs are there and match")
        assert "final trainings      1 of 1" in copied.bam("status", "config/small.yaml").stdout
    assert copied.planned("runs") == {}


def test_a_results_link_that_leads_nowhere_is_one_line_and_a_dry_run_needs_no_place_to_write(tmp_path):
    checkout = checked_out(tmp_path / "checkout")
    (checkout.folder / "results").symlink_to("no_disk")
    assert checkout.planned("runs") == {"fetch": 1, "prepare": 1, "train": 1}
    done = checkout.snakemake("runs", expect=1)
    assert "results: is a link to no_disk, which is not there; make that folder" in done.stdout + done.stderr
    assert "Traceback" not in done.stdout + done.stderr


def renamed(checkout: Checkout, tmp_path: Path) -> Checkout:
    """The whole checkout under another name."""
    return Checkout(checkout.folder.rename(tmp_path / "another name"))


def on_another_disk(checkout: Checkout, tmp_path: Path) -> Checkout:
    """Results and data as links to folders elsewhere."""
    for name in ("results", "data"):
        target = tmp_path / "disk" / name
        target.parent.mkdir(exist_ok=True)
        shutil.move(checkout.folder / name, target)
        (checkout.folder / name).symlink_to(target)
    return checkout


def in_another_checkout(checkout: Checkout, tmp_path: Path) -> Checkout:
    """Results and data moved to a fresh clone, with new time stamps and without Snakemake's records."""
    other = checked_out(tmp_path / "clone")
    for name in ("results", "data"):
        shutil.copytree(checkout.folder / name, other.folder / name, copy_function=shutil.copyfile)
    return other


@pytest.mark.parametrize("move", [renamed, on_another_disk, in_another_checkout])
def test_moved_results_are_trained_no_second_time(copied, tmp_path, move):
    before = predicted(copied)
    moved = move(copied, tmp_path)
    assert moved.planned("runs") == {}
    assert moved.trainings("tables") == {}
    text = moved.bam("verify", "config/small.yaml").stdout
    assert text.startswith("1 of 1 runs are there and match code, config, data and their records")
    moved.snakemake("results/small/tables/main.csv")
    assert predicted(moved) == before
