"""`bam status --watch`: each look under a line of its own, and an end by itself."""

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


def test_it_ends_when_only_what_failed_is_left_and_a_second_look_says_the_same():
    with pytest.raises(RunError, match="cannot go on"):
        watched(GOES_ON, FAILED_TOO, FAILED_TOO, STUCK, STUCK)
    assert len(watched(STUCK, GOES_ON, DONE)) == 4  # Snakemake started it again
    assert len(watched(STUCK, DONE)) == 3


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
