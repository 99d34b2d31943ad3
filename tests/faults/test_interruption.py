"""A training cut off anywhere and started again gives the files, byte for byte, of one that was not."""

import json
import logging
import os
import signal
from itertools import pairwise

import numpy as np
import pytest
import torch
from torch import nn

from bam.artifacts import write_error_set
from bam.errors import InterruptedRunError
from bam.groups import SplitGroups, write_split
from bam.recipe import AdamW
from bam.run_files import Stage1Files, TrainFiles
from bam.steps import final_training, resume, stage1, stage2, train
from bam.training.state import save_tensors
from tests.toy import auxiliary, group_dro, spec, training, upweighted

KEEP = {"keep_weights": ("class_difference", "last"), "keep_logits": (1, 2)}
ADAMW = AdamW(name="adamw", learning_rate=0.01, weight_decay=0.1)
N_TRAIN = 23


class Killed(BaseException):
    """Stands for `kill -9`: nothing in the code catches it, and only what is on disk survives."""


def run_erm(prepared, folder, optimizer=None, epochs=3, **changes):
    run = spec("train", training(epochs=epochs, optimizer=optimizer), **{**KEEP, **changes})
    train.train(run, prepared, None, TrainFiles.below(folder / "p", folder / "w", run.keep_weights), "cpu")


def run_group_dro(prepared, folder):
    groups = prepared.parent / "groups.csv"
    membership = np.eye(4, dtype=bool)[np.arange(N_TRAIN) % 4]
    write_split(groups, SplitGroups({}, membership), ("a", "b", "c", "d"))
    run = spec("train", group_dro(0.1, 1.0, balanced=True, epochs=3), groups="g")
    train.train(run, prepared, groups, TrainFiles.below(folder / "p", folder / "w", ()), "cpu")


def run_stage1(prepared, folder, epochs=3, previous=None):
    run = spec("stage1", auxiliary(5.0, epochs=epochs, watch_epochs=(1, 2)))
    stage1.stage1(run, prepared, Stage1Files.below(folder / "p", folder / "w"), previous, "cpu")


def run_stage1_from_lower_t(prepared, folder):
    lower = Stage1Files.below(prepared.parent / "lower" / "p", prepared.parent / "lower" / "w")
    if not lower.timing.exists():
        run_stage1(prepared, prepared.parent / "lower", epochs=1)
    run_stage1(prepared, folder, previous=lower)


def run_stage2(prepared, folder):
    error_set, weights = prepared.parent / "error_set.npz", prepared.parent / "start.safetensors"
    if not weights.exists():
        write_error_set(error_set, np.arange(N_TRAIN) % 5 == 0)
        save_tensors(weights, {k: v.clone() for k, v in network().state_dict().items()})
    run = spec("stage2", upweighted(4, epochs=2), stage1="s", **KEEP)
    files = TrainFiles.below(folder / "p", folder / "w", run.keep_weights)
    stage2.stage2(run, prepared, error_set, weights, files, "cpu")


def network(*_):
    """Return a model with batch statistics and dropout, both of which are state."""
    with torch.random.fork_rng():
        torch.manual_seed(1)
        return nn.Sequential(nn.Flatten(), nn.Linear(8, 6), nn.BatchNorm1d(6), nn.ReLU(), nn.Dropout(), nn.Linear(6, 2))


RUNS = {
    "erm, sgd": run_erm,
    "erm, adamw": lambda prepared, folder: run_erm(prepared, folder, ADAMW),
    "erm, every second epoch predicted": lambda prepared, folder: run_erm(
        prepared, folder, predict_every=2, keep_logits=(2,)
    ),
    "group_dro": run_group_dro,
    "stage1": run_stage1,
    "stage1 from a lower T": run_stage1_from_lower_t,
    "stage2": run_stage2,
}


def outputs(folder):
    return {
        str(path.relative_to(folder)): path.read_bytes()
        for path in sorted(folder.rglob("*"))
        if path.is_file() and path.name != "timing.json"
    }


def kill_at(monkeypatch, kill, save):
    """Save where `save(calls)` says, and die where `kill(calls)` does; calls count steps and ends of epochs."""
    calls = [0]

    def watched(original):
        def watch(self, *arguments):
            calls[0] += 1
            self._due = 0.0 if save(calls[0]) else float("inf")
            original(self, *arguments)
            if kill(calls[0]):
                raise Killed

        return watch

    for name in ("after_step", "after_epoch"):
        monkeypatch.setattr(resume.Resumption, name, watched(getattr(resume.Resumption, name)))
    return calls


@pytest.mark.parametrize("model", ["mlp", "batch norm and dropout"])
@pytest.mark.parametrize("kind", RUNS)
def test_a_training_killed_at_any_step_ends_in_the_same_bytes(prepared, tmp_path, monkeypatch, kind, model):
    if model != "mlp" or kind == "stage2":
        for step in (stage1, final_training):
            monkeypatch.setattr(step, "build_model", network)
    run = RUNS[kind]
    run(prepared, tmp_path / "whole")
    expected = outputs(tmp_path / "whole")
    assert len(expected) >= 3
    with monkeypatch.context() as patch:
        calls = kill_at(patch, lambda _: False, lambda _: False)
        run(prepared, tmp_path / "counted")
        n_calls = calls[0]
    assert n_calls > 12
    for at in range(1, n_calls + 1):
        folder = tmp_path / f"killed-{at}"
        for _ in range(2):  # twice in a row, the second time from the first one's state
            with monkeypatch.context() as patch, pytest.raises(Killed):
                kill_at(patch, lambda n, at=at: n == min(at, n_calls - at + 1), lambda n, at=at: (n + at) % 3 == 0)
                run(prepared, folder)
                raise Killed  # the rest was shorter than the fuse
        assert not (folder / "w" / "resume.safetensors").exists() or not (folder / "p" / "timing.json").exists()
        run(prepared, folder)
        assert outputs(folder) == expected, at


def test_the_state_is_gone_at_the_end_and_never_written_by_a_short_training(prepared, tmp_path, monkeypatch):
    saved = []
    monkeypatch.setattr(resume.Resumption, "_save", lambda *arguments: saved.append(arguments))
    run_erm(prepared, tmp_path / "short")
    assert saved == []
    monkeypatch.undo()
    monkeypatch.setenv("BAM_SAVE_INTERVAL", "0")
    run_erm(prepared, tmp_path / "saving")
    there = sorted(path.name for path in (tmp_path / "saving" / "w").iterdir())
    assert there == ["class_difference.safetensors", "last.safetensors"]


@pytest.mark.parametrize("where", ["after_step", "evaluation"])
@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGUSR1, signal.SIGINT])
def test_a_signal_saves_and_stops_with_one_line_and_status_75(prepared, tmp_path, monkeypatch, number, where):
    run_stage1(prepared, tmp_path / "whole")
    calls = [0]
    module, name = (resume.Resumption, "after_step") if where == "after_step" else (stage1, "predict_logits")
    original = getattr(module, name)

    def struck(*arguments):
        calls[0] += 1
        if calls[0] == 3:
            os.kill(os.getpid(), number)
        return original(*arguments)

    with monkeypatch.context() as patch:
        patch.setattr(module, name, struck)
        before = signal.getsignal(number)
        with pytest.raises(InterruptedRunError) as error:
            run_stage1(prepared, tmp_path / "stopped")
        assert signal.getsignal(number) is before
    state = tmp_path / "stopped" / "w" / "resume.safetensors"
    assert error.value.exit_status == 75
    assert str(error.value).startswith(f"stopped by {number.name}; the state is saved in {state}")
    assert state.exists() and not (tmp_path / "stopped" / "p").exists()
    run_stage1(prepared, tmp_path / "stopped")
    assert outputs(tmp_path / "stopped") == outputs(tmp_path / "whole")


def stopped(prepared, folder, monkeypatch):
    """Leave the state of a stage 1 killed in its second epoch, and return its path."""
    with monkeypatch.context() as patch, pytest.raises(Killed):
        kill_at(patch, lambda n: n == 9, lambda _: True)
        run_stage1(prepared, folder)
    return folder / "w" / "resume.safetensors"


def test_every_bit_of_the_state_is_checked(prepared, tmp_path, monkeypatch, caplog):
    run_stage1(prepared, tmp_path / "whole")
    state = stopped(prepared, tmp_path / "killed", monkeypatch)
    content = state.read_bytes()
    for position in [*range(0, len(content), 211), *range(12), len(content) - 1]:
        damaged = bytearray(content)
        damaged[position] ^= 1 << (position % 8)
        state.parent.mkdir(parents=True, exist_ok=True)
        state.write_bytes(damaged)
        caplog.clear()
        run_stage1(prepared, tmp_path / "killed")
        assert f"{state}: is corrupt" in caplog.text, position
        assert state.with_name("resume.safetensors.set-aside").read_bytes() == bytes(damaged)
        state.with_name("resume.safetensors.set-aside").unlink()
        assert outputs(tmp_path / "killed") == outputs(tmp_path / "whole")


def test_a_truncated_state_and_that_of_another_run_are_set_aside(prepared, tmp_path, monkeypatch, caplog):
    run_stage1(prepared, tmp_path / "whole")
    state = stopped(prepared, tmp_path / "killed", monkeypatch)
    content = state.read_bytes()
    for damaged in (b"", content[:5], content[: len(content) // 2], content[:-1], content + b"x"):
        state.write_bytes(damaged)
        run_stage1(prepared, tmp_path / "killed")
    assert caplog.text.count("is corrupt") == 5
    (tmp_path / "other" / "w").mkdir(parents=True)
    (tmp_path / "other" / "w" / "resume.safetensors").write_bytes(content)
    run_stage1(prepared, tmp_path / "other", epochs=2)
    assert "resume.safetensors: is of id " in caplog.text
    assert "it is not used but set aside as resume.safetensors.set-aside, and the training starts anew" in caplog.text
    run_stage1(prepared, tmp_path / "expected", epochs=2)
    (tmp_path / "other" / "w" / "resume.safetensors.set-aside").unlink()
    assert outputs(tmp_path / "other") == outputs(tmp_path / "expected")


def test_time_and_memory_add_up_over_the_pieces(prepared, tmp_path, monkeypatch):
    monkeypatch.setenv("BAM_SAVE_INTERVAL", "0")
    state = stopped(prepared, tmp_path, monkeypatch)
    from bam.training.state import checksum, load_metadata, load_tensors

    metadata, tensors = load_metadata(state), load_tensors(state)
    progress = json.loads(metadata["progress"])
    assert 0 < progress["spent"]["training_s"] < progress["spent"]["wall_s"]
    progress["spent"] = {"wall_s": 3000.0, "training_s": 2000.0, "evaluation_s": 500.0, "peak_memory_bytes": 1e13}
    text = json.dumps(progress)
    save_tensors(state, tensors, {"progress": text, "sha256": checksum(tensors, text)})
    run_stage1(prepared, tmp_path)
    timing = json.loads((tmp_path / "p" / "timing.json").read_text())
    assert 3000 < timing["wall_s"] < 3010
    assert 2000 < timing["training_s"] < 2010
    assert 500 < timing["evaluation_s"] < 510
    assert timing["peak_memory_bytes"] == 1e13
    assert timing["examples_per_s"] == pytest.approx(3 * N_TRAIN / timing["training_s"])


@pytest.mark.parametrize(
    ("save_s", "waits"),
    [(0.0, (60, 70)), (2.0, (60, 70)), (8.0, (160, 170))],
    ids=["at once", "shorter than a twentieth", "slow"],
)
def test_a_save_comes_a_minute_or_twenty_saves_after_the_last(prepared, tmp_path, monkeypatch, save_s, waits):
    now, saved = [0.0], []  # seconds of a clock that a step moves by ten

    def step(self, *arguments, original=resume.Resumption.after_step):
        now[0] += 10
        original(self, *arguments)

    def save(*arguments, original=resume.save_tensors):
        begun = now[0]
        now[0] += save_s
        saved.append((begun, now[0]))
        original(*arguments)

    monkeypatch.delenv("BAM_SAVE_INTERVAL", raising=False)
    monkeypatch.setattr(resume.Resumption, "after_step", step)
    monkeypatch.setattr(resume, "save_tensors", save)
    monkeypatch.setattr(resume.time, "monotonic", lambda: now[0])
    run_erm(prepared, tmp_path, epochs=12)
    assert len(saved) > 2
    assert 60 <= saved[0][0] <= 70
    for (_, before), (after, _) in pairwise(saved):
        assert waits[0] <= after - before <= waits[1]


def test_a_training_shorter_than_a_minute_never_saves(prepared, tmp_path, monkeypatch):
    monkeypatch.delenv("BAM_SAVE_INTERVAL", raising=False)
    monkeypatch.setattr(resume, "save_tensors", lambda *_: pytest.fail("saved"))
    run_erm(prepared, tmp_path)


def test_a_full_disk_costs_the_way_back_and_not_the_training(prepared, tmp_path, monkeypatch, caplog):
    run_stage1(prepared, tmp_path / "whole")
    caplog.set_level(logging.WARNING)

    def full(*_):
        raise resume.RunError("disk full")

    with monkeypatch.context() as patch:
        patch.setenv("BAM_SAVE_INTERVAL", "0")
        patch.setattr(resume, "save_tensors", full)
        run_stage1(prepared, tmp_path / "full")
    assert "disk full" in caplog.text
    assert outputs(tmp_path / "full") == outputs(tmp_path / "whole")


def test_left_over_halves_of_killed_saves_are_removed(prepared, tmp_path):
    (tmp_path / "w").mkdir()
    (tmp_path / "w" / ".resume.safetensors.abc").write_bytes(b"half")
    run_stage1(prepared, tmp_path)
    assert not list((tmp_path / "w").glob(".*"))


@pytest.mark.parametrize("text", ["soon", "-1", "nan", "inf"])
def test_an_interval_that_is_none_is_refused(prepared, tmp_path, monkeypatch, text):
    monkeypatch.setenv("BAM_SAVE_INTERVAL", text)
    with pytest.raises(resume.ConfigError) as error:
        run_stage1(prepared, tmp_path)
    assert str(error.value) == f"BAM_SAVE_INTERVAL: {text!r} is not allowed: expected seconds, 0 or more"
