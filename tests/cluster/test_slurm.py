"""The quick study on a real one-node SLURM: success, failure, a cancelled job, a killed head process."""

import shutil
import signal
import time

import pytest

from tests.cluster.sandbox import DEADLINE_S, HOLD, HOLD_AFTER_A_STEP, RUNS, TABLE, waited_for

pytestmark = pytest.mark.cluster
WITH_ACCOUNTING = pytest.mark.parametrize("cluster", ["dbd"], indirect=True)
MINUTES = {"stage1": 10, "error_set": 20, "stage2": 30, "train": 40}
CELLS_ALONE = ["data=10", "cells=1", "analysis=100"]


def test_the_study_runs_from_nothing_to_its_table_in_three_submissions(study):
    shutil.rmtree(study.folder / "data")
    asked = {rule: {"mem_mb": 300, "runtime": minutes} for rule, minutes in MINUTES.items()}
    study.write_profile(**{"set-resources": asked})
    before = len(study.cluster.jobs())
    begun = time.monotonic()
    text = study.run(TABLE)
    print(f"from nothing to the table: {time.monotonic() - begun:.0f} s")
    assert len(study.cluster.jobs()) - before == 3, text
    # Its jobs run one after another: the memory and cores of one, the minutes of all.
    asked = study.cluster.call("squeue", "--noheader", "--states=all", "--sort=i", "--format=%C %m %l").splitlines()
    assert asked[before + 1].split() == ["1", "300M", "1:40:00"]
    assert (study.folder / TABLE).read_text().count("\n") == 1 + 2 * 3
    assert "Nothing to be done" in study.run(TABLE)


def test_a_killed_head_process_is_replaced_without_a_job_beside_its_orphan(study):
    study.edit("bam/steps/train.py", HOLD)
    (study.folder / "hold").touch()
    first = study.start(RUNS)
    [orphan] = waited_for(study.started, "the first training begins")
    second = study.start(RUNS)
    assert second.wait(60) == 2
    assert "a Snakemake is running in" in study.printed()
    first.send_signal(signal.SIGKILL)
    first.wait(10)
    assert study.cluster.jobs("running").get(orphan) == "RUNNING"

    third = study.start(RUNS)
    waited_for(lambda: len(study.started()) == 2, "the training begins again")
    assert "cancelling 1 jobs that an earlier run left" in study.printed()
    assert study.cluster.jobs()[orphan] == "CANCELLED"
    study.release()
    assert third.wait(DEADLINE_S) == 0, study.printed()
    assert len(list(study.folder.glob("results/digits_quick/predictions/train/*/val.npz"))) == 1


def test_a_requeued_training_is_waited_for_and_goes_on_from_its_saved_state(study):
    study.edit("bam/steps/resume.py", HOLD_AFTER_A_STEP)
    (study.folder / "hold").touch()
    head = study.start(RUNS)
    [job] = waited_for(study.started, "the training has saved its state")
    study.cluster.call("scontrol", "requeue", job)
    waited_for(lambda: study.cluster.jobs().get(job) == "PENDING", "the job is back in the queue")
    study.cluster.call("scontrol", "update", f"JobId={job}", "StartTime=now")  # SLURM holds it back for two minutes
    assert head.wait(DEADLINE_S) == 0, study.printed()
    assert "goes on from" in study.log_of_training()
    assert study.started() == [job]
    assert not list(study.folder.glob("results/digits_quick/weights/train/*/resume.safetensors"))


def test_a_cancelled_training_goes_on_in_the_next_call(study):
    study.write_profile(**{"group-components": CELLS_ALONE})
    study.edit("bam/steps/resume.py", HOLD_AFTER_A_STEP)
    (study.folder / "hold").touch()
    head = study.start(RUNS)
    [job] = waited_for(study.started, "the training has saved its state")
    study.cluster.call("scancel", job)
    assert head.wait(DEADLINE_S) == 1
    assert "CANCELLED" in study.printed()
    text = study.run(RUNS)
    assert "rule train" in text
    assert "rule stage1" not in text
    assert "goes on from" in study.log_of_training()


@WITH_ACCOUNTING
def test_a_failing_job_keeps_what_its_group_has_done_and_its_log_is_shown(study):
    study.write_profile(**{"slurm-status-command": "sacct", "group-components": CELLS_ALONE})
    step = study.folder / "bam" / "steps" / "stage2.py"
    whole = step.read_text()
    # Stage 2 comes after stage 1 and its error set, in the same submission.
    study.edit("bam/steps/stage2.py", '\nraise RuntimeError("the disk of this node is gone")\n')
    text = study.run(RUNS, expect=1)
    assert "RuntimeError: the disk of this node is gone" in text
    done = sorted(path.parts[-3] for path in study.folder.glob("results/digits_quick/predictions/*/*/record.json"))
    assert done == ["stage1", "train"]
    step.write_text(whole)
    text = study.run(RUNS)
    assert "rule stage2" in text
    assert "rule stage1" not in text
    assert "rule error_set" not in text
