"""The SLURM profile and its wrapper, with stand-ins for SLURM; tests/cluster has the real one."""

import os
import re
import shutil
import subprocess
import sys
import time
from graphlib import TopologicalSorter
from pathlib import Path
from typing import get_args

import pytest
import yaml

from bam.analysis_graph import rule_name
from bam.selection import Sight

ROOT = Path(__file__).resolve().parents[2]
PROFILES = ROOT / "workflow" / "profiles"
UUID = "db4a8e00-4e69-40be-a0a1-5583bec0108a"
OTHER = "aaaaaaaa-4e69-40be-a0a1-5583bec0108a"
# squeue shows what stands in the file `queue`, scancel empties it unless `stuck` is there, both write down the call.
TOOLS = {
    "squeue": 'echo "squeue $*" >> calls; cat queue 2>/dev/null || true',
    "scancel": 'echo "scancel $*" >> calls; [ -e stuck ] || : > queue',
    "snakemake": 'echo "snakemake $*" >> calls; while [ -e busy ]; do sleep 0.1; done',
}


def profile(name: str) -> dict:
    return yaml.safe_load((PROFILES / name / "config.yaml").read_text())


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """A folder with the wrapper and stand-ins."""
    place = tmp_path / "workflow" / "profiles" / "slurm"
    place.mkdir(parents=True)
    shutil.copy2(PROFILES / "slurm" / "run.sh", place)
    tools = tmp_path / "tools"
    tools.mkdir()
    for name, text in TOOLS.items():
        (tools / name).write_text(f"#!/bin/sh\n{text}\n")
        (tools / name).chmod(0o755)
    return tmp_path


def start(folder: Path, *arguments: str) -> subprocess.Popen:
    environment = {**os.environ, "PATH": f"{folder / 'tools'}:{os.environ['PATH']}", "BAM_CANCEL_WAIT": "2"}
    environment.pop("BAM_PROFILE", None)
    command = ["bash", str(folder / "workflow" / "profiles" / "slurm" / "run.sh"), *arguments]
    return subprocess.Popen(command, env=environment, stderr=subprocess.PIPE, text=True)


def run(folder: Path, *arguments: str) -> tuple[int, str, list[str]]:
    """Return (exit status, stderr, calls)."""
    started = start(folder, *arguments)
    _, printed = started.communicate(timeout=30)
    return started.returncode, printed, (folder / "calls").read_text().splitlines()


def earlier_runs(folder: Path) -> None:
    logs = folder / ".snakemake" / "log"
    logs.mkdir(parents=True)
    (logs / "1.snakemake.log").write_text(f"Building DAG\nSLURM run ID: {UUID}\nBuilding\nSLURM run ID: {UUID}\n")
    (logs / "2.snakemake.log").write_text(f"SLURM run ID: {OTHER}\n")


def test_a_first_run_unlocks_and_starts_snakemake_with_the_given_arguments(folder):
    status, printed, calls = run(folder, "--configfile", "config/x y.yaml", "--", "runs")
    assert (status, printed) == (0, "")
    arguments = "--workflow-profile workflow/profiles/slurm"
    assert calls == [
        f"snakemake {arguments} --unlock --configfile config/x y.yaml -- runs",
        f"snakemake {arguments} --configfile config/x y.yaml -- runs",
    ]


def test_jobs_of_earlier_runs_are_cancelled_by_run_id_before_snakemake_starts(folder):
    earlier_runs(folder)
    (folder / "queue").write_text("7 RUNNING\n8 PENDING\n")
    status, printed, calls = run(folder)
    assert status == 0
    assert "cancelling 2 jobs that an earlier run left in the queue" in printed
    assert calls[1] == f"scancel --me --name={OTHER},{UUID}"
    assert [call.split()[0] for call in calls] == ["squeue", "scancel", "squeue", "snakemake", "snakemake"]


def test_without_jobs_in_the_queue_nothing_is_cancelled(folder):
    earlier_runs(folder)
    _, printed, calls = run(folder)
    assert printed == ""
    assert [call.split()[0] for call in calls] == ["squeue", "snakemake", "snakemake"]


def test_jobs_that_do_not_go_away_stop_it(folder):
    earlier_runs(folder)
    (folder / "queue").write_text("7 COMPLETING\n")
    (folder / "stuck").touch()
    status, printed, calls = run(folder)
    assert status == 2
    assert "still there after scancel: 7 COMPLETING" in printed
    assert not [call for call in calls if call.startswith("snakemake")]


def test_a_queue_that_cannot_be_asked_stops_it(folder):
    earlier_runs(folder)
    (folder / "tools" / "squeue").write_text("#!/bin/sh\necho 'squeue: error: no controller' >&2; exit 1\n")
    started = start(folder)
    _, printed = started.communicate(timeout=30)
    assert started.returncode != 0
    assert "no controller" in printed
    assert not (folder / "calls").exists()


def test_a_second_one_is_refused_while_the_first_lives(folder):
    (folder / "busy").touch()
    first = start(folder)
    while not (folder / "calls").exists():
        time.sleep(0.05)
    status, printed, _ = run(folder)
    assert status == 2
    assert "a Snakemake is running in" in printed
    (folder / "busy").unlink()
    assert first.wait(10) == 0
    assert run(folder)[0] == 0


def test_the_profile_plans_as_the_default_one_does():
    default, slurm = profile("default"), profile("slurm")
    del default["resources"]  # shares of this machine's one GPU; on a cluster each job asks for its own
    # What is left out of a profile given by name falls back to Snakemake, not to the default profile.
    assert {name: slurm[name] for name in default} == default


def test_every_rule_has_a_group_and_every_group_a_size():
    rules = set()
    for path in (ROOT / "workflow" / "rules").glob("*.smk"):
        rules |= set(re.findall(r"^rule (\w+):", path.read_text(), re.MULTILINE))
    rules |= {rule_name(step, sight) for step in ("select", "evaluate") for sight in get_args(Sight)}  # made in a loop
    groups = dict(entry.split("=") for entry in profile("slurm")["groups"])
    assert set(groups) == rules
    assert {entry.split("=")[0] for entry in profile("slurm")["group-components"]} == set(groups.values())


def test_no_two_groups_wait_for_each_other():
    # Jobs of one group that need each other are always in one submission, which runs them in that order, one after
    # another. So submissions could wait in a circle only if the groups did.
    groups = dict(entry.split("=") for entry in profile("slurm")["groups"])
    needed_by: dict[str, set[str]] = {group: set() for group in groups.values()}
    edges = rule_graph()
    assert {rule for edge in edges for rule in edge} == {*groups, "all"}
    for first, then in edges:
        if then != "all" and groups[first] != groups[then]:
            needed_by[groups[then]].add(groups[first])
    order = list(TopologicalSorter(needed_by).static_order())  # a circle is an error
    assert order == ["data", "cells", "analysis"]


def rule_graph() -> list[tuple[str, str]]:
    """Return the edges of a study that uses every rule."""
    command = [sys.executable, "-m", "snakemake", "--rulegraph", "--configfile", "config/waterbirds.yaml"]
    environment = {**os.environ, "PYTHONPATH": str(ROOT)}
    text = subprocess.run(command, cwd=ROOT, env=environment, capture_output=True, text=True, check=True).stdout
    names = dict(re.findall(r'^\s*(\d+)\[label = "(\w+)"', text, re.MULTILINE))
    return [(names[first], names[then]) for first, then in re.findall(r"(\d+) -> (\d+)", text)]
