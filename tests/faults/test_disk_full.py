"""A disk that is full while something is written: one line, nothing half-written, and it goes on when there is room."""

import resource
from contextlib import contextmanager

import numpy as np
import pytest

from bam.artifacts import Predictions, write_auxiliary, write_error_set, write_predictions
from bam.data.annotate import write_groups
from bam.errors import BamError
from bam.files import write_checked_text, write_json, write_text
from bam.run_files import Stage1Files
from bam.steps.stage1 import stage1
from bam.training.state import save_tensors
from tests import toy
from tests.toy import auxiliary, spec


@contextmanager
def room_for(n_bytes):
    """Let no file grow beyond so many bytes: the system refuses the write, as it does on a full disk."""
    before = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (n_bytes, before[1]))
    try:
        yield
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, before)


def tensors(path):
    import torch

    save_tensors(path, {"weight": torch.zeros(300)})


RANDOM = np.random.default_rng(0)
WRITERS = {
    "text": lambda path: write_text(path, "a line\n" * 99),
    "checked text": lambda path: write_checked_text(path, "a line\n" * 99),
    "json": lambda path: write_json(path, {"a": list(range(99))}),
    "predictions": lambda path: write_predictions(
        path, Predictions(np.arange(1, 4), RANDOM.integers(0, 9, (3, 900)).astype(np.uint8), np.zeros(3))
    ),
    "error set": lambda path: write_error_set(path, RANDOM.random(9000) < 0.5),
    "auxiliary": lambda path: write_auxiliary(path, {1: RANDOM.random((90, 2)).astype(np.float32)}),
    "weights": tensors,
    "prepared": lambda path: toy.write_toy(path.parent),
    "groups": lambda path: write_groups(toy.examples(), path.parent),
}


@pytest.mark.parametrize("kind", WRITERS)
def test_a_full_disk_leaves_no_half_file(tmp_path, kind):
    folder = tmp_path / "out"
    folder.mkdir()
    with room_for(100), pytest.raises(BamError) as error:
        WRITERS[kind](folder / "file")
    assert "cannot be written (" in str(error.value)
    assert "\n" not in str(error.value)
    whole = [path for path in folder.rglob("*") if path.is_file() and not path.name.startswith(".")]
    assert all(path.stat().st_size < 100 for path in whole), whole  # small ones before it were finished
    WRITERS[kind](folder / "file")
    assert not [path for path in folder.rglob(".*") if path.is_file()]


def test_a_training_on_a_full_disk_goes_on_when_there_is_room(prepared, tmp_path):
    run = spec("stage1", auxiliary(5.0, epochs=2))

    def train(name):
        stage1(run, prepared, Stage1Files.below(tmp_path / name / "p", tmp_path / name / "w"), None, "cpu")
        return {p.name: p.read_bytes() for p in (tmp_path / name).rglob("*") if p.is_file() and p.name != "timing.json"}

    expected = train("room")
    for n_bytes in (50, 400, 1000):
        with room_for(n_bytes), pytest.raises(BamError, match="cannot be written"):
            train("full")
        assert not (tmp_path / "full" / "p" / "record.json").exists()
    assert train("full") == expected
