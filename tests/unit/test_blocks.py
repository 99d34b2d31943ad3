"""Inputs written block by block: the same file as numpy's own, resumed where it was interrupted."""

import subprocess
import sys

import numpy as np
import pytest

from bam.data import blocks
from bam.data.blocks import write_rows
from bam.data.rows import ArrayRows
from bam.errors import DataError


class Pairs:
    """Ids and segments, made when asked for; fails at the rows given."""

    def __init__(self, n: int, fails_at: int | None = None) -> None:
        self.n, self.fails_at, self.made = n, fails_at, []

    shapes = {"inputs": ((4,), "int32"), "segments": ((4,), "uint8")}

    def __len__(self):
        return self.n

    def read(self, start, stop):
        if self.fails_at is not None and start <= self.fails_at < stop:
            raise DataError("row is unreadable")
        self.made.append(start)
        rows = np.arange(start, stop, dtype=np.int32)[:, None].repeat(4, axis=1)
        return {"inputs": rows, "segments": (rows % 2).astype(np.uint8)}


@pytest.fixture(autouse=True)
def small_blocks(monkeypatch):
    monkeypatch.setattr(blocks, "BLOCK_BYTES", 20 * 7)  # seven rows of Pairs


def test_an_array_in_memory_gives_the_bytes_that_numpy_saves(tmp_path):
    array = np.random.default_rng(0).integers(0, 255, size=(53, 3, 5, 5), dtype=np.uint8)
    assert write_rows(ArrayRows(array), tmp_path / "ours", "test") == ["inputs"]
    np.save(tmp_path / "theirs.npy", array)
    assert (tmp_path / "ours" / "inputs.npy").read_bytes() == (tmp_path / "theirs.npy").read_bytes()


def test_an_interrupted_run_goes_on_after_its_last_whole_block(tmp_path):
    with pytest.raises(DataError, match="unreadable"):
        write_rows(Pairs(50, fails_at=30), tmp_path, "test")
    assert not (tmp_path / "inputs.npy").exists()
    again = Pairs(50)
    assert write_rows(again, tmp_path, "test") == ["inputs", "segments"]
    assert min(again.made) > 0
    np.testing.assert_array_equal(np.load(tmp_path / "inputs.npy")[:, 0], np.arange(50))
    np.testing.assert_array_equal(np.load(tmp_path / "segments.npy")[:, 3], np.arange(50) % 2)
    assert sorted(path.name for path in tmp_path.iterdir()) == ["inputs.npy", "segments.npy"]


def test_what_other_rows_have_left_is_not_gone_on_with(tmp_path):
    with pytest.raises(DataError):
        write_rows(Pairs(50, fails_at=30), tmp_path, "test")
    again = Pairs(51)
    write_rows(again, tmp_path, "test")
    assert min(again.made) == 0
    np.testing.assert_array_equal(np.load(tmp_path / "inputs.npy")[:, 0], np.arange(51))


def test_no_rows_make_an_empty_file(tmp_path):
    write_rows(ArrayRows(np.zeros((0, 3), dtype=np.uint8)), tmp_path, "test")
    assert np.load(tmp_path / "inputs.npy").shape == (0, 3)


GROWTH = """
import resource, sys
import subprocess
import sys

import numpy as np
from pathlib import Path
from bam.data import blocks
from bam.data.rows import ArrayRows

class Made(ArrayRows):
    shapes = {"inputs": ((1 << 20,), "uint8")}
    def __init__(self, n): self.n = n
    def __len__(self): return self.n
    def read(self, start, stop): return {"inputs": np.ones((stop - start, 1 << 20), dtype=np.uint8)}

blocks.BLOCK_BYTES = 1 << 20
blocks.write_rows(Made(10), Path(sys.argv[1]) / "few", "few")
before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
blocks.write_rows(Made(60), Path(sys.argv[1]) / "many", "many")
print(resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before)
"""


def test_memory_does_not_grow_with_the_rows(tmp_path):
    done = subprocess.run([sys.executable, "-c", GROWTH, tmp_path], capture_output=True, text=True, check=True)
    assert (tmp_path / "many" / "inputs.npy").stat().st_size > 60 << 20
    assert int(done.stdout) < 20 << 10, "KiB, of 60 MiB written"


@pytest.mark.parametrize("change", [lambda rows: rows[:-1], lambda rows: rows[:, :3]], ids=["short", "narrow"])
def test_a_block_of_another_shape_is_refused_as_it_would_shift_what_follows(tmp_path, change):
    class Wrong(Pairs):
        def read(self, start, stop):
            return {name: change(block) for name, block in super().read(start, stop).items()}

    with pytest.raises(DataError, match="inputs, row 0: a block of shape"):
        write_rows(Wrong(20), tmp_path, "wrong")
    assert not (tmp_path / "inputs.npy").exists()
