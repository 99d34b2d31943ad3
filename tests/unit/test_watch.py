"""`bam status --watch`: each look under a line of its own, and an end by itself."""

import os
import re
import time
from pathlib import Path

import pytest

from bam.errors import RunError
from bam.layout import Layout
from bam.status import Look, look
from bam.watch import watch
from tests import toy

GOES_ON = Look("1 of 2", is_done=False, has_failed=False, goes_on=True)
FAILED_TOO = Look("1 of 3", is_done=False, has_failed=True, goes_on=True)
STUCK = Look("1 failed", is_done=False, has_failed=True, goes_on=False)
DONE = Look("2 of 2", is_done=True, has_failed=False, goes_on=False)
HEAD = r"--- \d\d:\d\d:\d\d, every 0.001 s until the study ends, or Ctrl-C\n"


def watched(*looks: Look) -> list[str]:
    """Return what is said; an error if more is looked at than these, or less."""
    left, said = iter(looks), []
    watch(lambda: next(left), 0.001, said.append)
    assert list(left) == []
    return said


def test_it_ends_by_itself_when_all_is_done_and_says_so():
    said = watched(GOES_ON, GOES_ON, DONE)
    for text, body in zip(said, ("1 of 2", "1 of 2", "2 of 2"), strict=False):
        assert re.fullmatch(HEAD + body, text), text
    assert said[3:] == ["all trainings, selections and evaluations are there"]


def test_it_ends_when_only_what_failed_is_left_and_a_later_look_says_the_same(monkeypatch):
    monkeypatch.setattr("bam.watch.QUIET_S", 1e-4)
    with pytest.raises(RunError, match="cannot go on"):
        watched(GOES_ON, FAILED_TOO, FAILED_TOO, STUCK, STUCK)
    assert len(watched(STUCK, GOES_ON, DONE)) == 4  # Snakemake started it again
    assert len(watched(STUCK, DONE)) == 3


@pytest.mark.parametrize(("interval_s", "n_looks"), [(1.0, 61), (25.0, 4), (600.0, 2)])
def test_it_does_not_give_up_before_nothing_has_changed_for_a_minute(monkeypatch, interval_s, n_looks):
    clock = [0.0]
    monkeypatch.setattr(time, "monotonic", lambda: clock[0])
    monkeypatch.setattr(time, "sleep", lambda seconds: clock.__setitem__(0, clock[0] + seconds))
    said = []
    with pytest.raises(RunError, match="cannot go on"):
        watch(lambda: STUCK, interval_s, said.append)
    assert len(said) == n_looks


def test_ctrl_c_ends_it_in_one_line(monkeypatch):
    def interrupted(seconds: float) -> None:
        raise KeyboardInterrupt

    monkeypatch.setattr(time, "sleep", interrupted)
    assert watched(GOES_ON)[1:] == ["\nno longer watched; the study itself goes on"]


def test_what_waits_only_for_a_failed_stage_1_does_not_go_on(tmp_path: Path):
    plan, layout = toy.plan(), Layout(tmp_path / "data", tmp_path / "results")
    assert look(plan, layout).goes_on
    logs = layout.results / "logs"
    for name in (*plan.stage1, *plan.trainings):
        run = plan.stage1.get(name) or plan.trainings[name]
        log = logs / f"{name}.log"
        log.parent.mkdir(parents=True, exist_ok=True)
        if not (run.previous or run.stage1):
            log.write_text("bam: no space left\n")
    now = look(plan, layout)
    assert "waiting" in now.text
    assert (now.is_done, now.has_failed, now.goes_on) == (False, True, False)
    first = next(name for name, run in plan.trainings.items() if run.stage1 is None)
    (logs / f"{first}.log").write_text("begun again\n")
    assert look(plan, layout).goes_on


def test_a_failed_fetch_is_shown_and_nothing_goes_on(tmp_path: Path):
    plan, layout = toy.plan(), Layout(tmp_path / "data", tmp_path / "results")
    log = tmp_path / "logs" / "fetch" / "digits.log"
    log.parent.mkdir(parents=True)
    log.write_text("bam: no source answers\n")
    now = look(plan, layout)
    assert now.text.splitlines()[-2:] == [f"log {log}:", "  bam: no source answers"]
    assert (now.has_failed, now.goes_on) == (True, False)
    log.write_text("digits.csv: 1 of 2 MB\n")  # begun again
    assert (look(plan, layout).has_failed, look(plan, layout).goes_on) == (False, True)
    log.write_text("bam: no source answers\n")
    toy.write_data(plan, layout)  # pulled: no raw set is needed any more
    assert (look(plan, layout).has_failed, look(plan, layout).goes_on) == (False, True)


def test_what_waits_for_data_groups_or_error_sets_that_failed_does_not_go_on(tmp_path: Path):
    plan, layout = toy.plan(), Layout(tmp_path / "data", tmp_path / "results")
    for data in plan.datasets.values():
        log = tmp_path / "logs" / "prepare" / f"{data.data_id}.log"
        log.parent.mkdir(parents=True, exist_ok=True)
        log.write_text("Traceback (most recent call last):\nKeyError: 1\n")
    assert (look(plan, layout).has_failed, look(plan, layout).goes_on) == (True, False)
    toy.write_data(plan, layout)
    for name in plan.stage1:
        done(layout.predictions(name) / "record.json")
    for name, run in plan.trainings.items():
        if run.stage1 is None:
            done(layout.predictions(name) / "record.json")
    assert look(plan, layout).goes_on
    for name in plan.error_sets:
        done(layout.results / "logs" / f"{name}.log", "bam: val.npz: is damaged\n")
    now = look(plan, layout)
    assert (now.has_failed, now.goes_on) == (True, False)
    assert f"log {layout.results}/logs/{next(iter(plan.error_sets))}.log:" in now.text


def test_a_young_log_without_its_output_is_work_under_way(tmp_path: Path):
    plan, layout = toy.plan(), Layout(tmp_path / "data", tmp_path / "results")
    for name in (*plan.stage1, *plan.trainings):
        done(layout.predictions(name) / "record.json")
    assert not look(plan, layout).goes_on
    report = layout.results / "logs" / "report.log"
    done(report, "")
    assert look(plan, layout).goes_on
    os.utime(report, (1.0e9, 1.0e9))
    assert not look(plan, layout).goes_on
    done(report, "bam: main.csv: is missing\n")
    assert (look(plan, layout).has_failed, look(plan, layout).goes_on) == (True, False)
    done(layout.report)
    assert not look(plan, layout).has_failed


def done(path: Path, text: str = "{}") -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(text)


def test_a_study_is_done_with_its_last_evaluation(tmp_path: Path):
    plan, layout = toy.plan(), Layout(tmp_path / "data", tmp_path / "results")
    choices = [(arm.name, *choice) for arm in plan.arms for choice in arm.choices()]
    paths = [layout.predictions(name) / "record.json" for name in (*plan.stage1, *plan.trainings)]
    paths += [path(*choice) for choice in choices for path in (layout.selection, layout.evaluation)]
    for path in paths:
        assert not look(plan, layout).is_done
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text("{}")
    assert look(plan, layout).is_done
