"""Atomic writes, damaged files, and round trips."""

import errno
import os

import numpy as np
import pytest
import torch

from bam.artifacts import (
    PREDICTIONS,
    Predictions,
    read_auxiliary,
    read_error_set,
    read_predictions,
    write_auxiliary,
    write_error_set,
    write_predictions,
)
from bam.errors import DataError, RunError
from bam.files import atomic_path, read_json, read_npz, sha256_file, write_json, write_text
from bam.training.state import load_tensors, save_tensors

ADVICE = "delete it to have it made again"


def test_an_exception_leaves_the_old_file_and_nothing_else(tmp_path):
    path = tmp_path / "a.txt"
    write_text(path, "old")
    with pytest.raises(ZeroDivisionError), atomic_path(path) as temporary:
        temporary.write_text("half")
        raise ZeroDivisionError
    assert [p.name for p in tmp_path.iterdir()] == ["a.txt"]
    assert path.read_text() == "old"


def test_an_exception_at_the_first_write_leaves_no_file(tmp_path):
    with pytest.raises(ZeroDivisionError), atomic_path(tmp_path / "deep" / "a.txt"):
        raise ZeroDivisionError
    assert list((tmp_path / "deep").iterdir()) == []


def test_a_written_file_has_the_permissions_of_an_ordinary_one(tmp_path):
    write_text(tmp_path / "ours", "x")
    (tmp_path / "theirs").write_text("x")
    assert (tmp_path / "ours").stat().st_mode == (tmp_path / "theirs").stat().st_mode


def test_a_folder_that_cannot_be_made_is_one_line(tmp_path):
    (tmp_path / "file").write_text("")
    path = tmp_path / "file" / "below" / "a.txt"
    with pytest.raises(RunError) as error:
        write_text(path, "x")
    assert str(error.value) == (
        f"{path}: cannot be written (Not a directory); free the disk or make the folder writable, "
        "then run the same command again: what is finished is kept"
    )


@pytest.mark.skipif(os.geteuid() == 0, reason="root may write anywhere")
def test_a_folder_without_write_permission_is_one_line(tmp_path):
    tmp_path.chmod(0o500)
    with pytest.raises(RunError, match=r"cannot be written \(Permission denied\)"):
        write_text(tmp_path / "a.txt", "x")


def test_a_full_disk_is_one_line_and_keeps_the_old_file(tmp_path, monkeypatch):
    write_text(tmp_path / "a.txt", "old")

    def full(_: int) -> None:
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))

    monkeypatch.setattr(os, "fsync", full)
    with pytest.raises(RunError, match=r"a.txt: cannot be written \(No space left on device\); free the disk"):
        write_text(tmp_path / "a.txt", "new")
    assert [p.name for p in tmp_path.iterdir()] == ["a.txt"]
    assert (tmp_path / "a.txt").read_text() == "old"


def test_json_that_is_missing_or_cut_is_named(tmp_path):
    path = tmp_path / "a.json"
    with pytest.raises(DataError) as error:
        read_json(path)
    assert str(error.value) == f"{path}: cannot be read (No such file or directory)"
    write_json(path, {"b": [1, 2], "a": None})
    assert read_json(path) == {"a": None, "b": [1, 2]}
    path.write_text(path.read_text()[:-4])
    with pytest.raises(DataError) as error:
        read_json(path)
    assert str(error.value).startswith(f"{path}: is not valid JSON (")
    assert str(error.value).endswith(f"); {ADVICE}")


def predictions() -> Predictions:
    return Predictions(
        np.array([1, 2]),
        np.array([[0, 1, 2], [2, 1, 0]]),
        np.array([0.5, np.nan]),
        {2: np.arange(9, dtype=np.float32).reshape(3, 3)},
        failed="why",
    )


def test_predictions_survive_their_file(tmp_path):
    write_predictions(tmp_path / "p.npz", predictions())
    seen = read_predictions(tmp_path / "p.npz", n_examples=3)
    assert (seen.epochs.tolist(), seen.classes.tolist()) == ([1, 2], [[0, 1, 2], [2, 1, 0]])
    assert seen.classes.dtype == np.uint8
    np.testing.assert_array_equal(seen.train_loss, [0.5, np.nan])
    assert list(seen.logits) == [2]
    np.testing.assert_array_equal(seen.logits[2], predictions().logits[2])
    assert seen.failed == "why"


def test_predictions_of_no_epoch_survive(tmp_path):
    write_predictions(tmp_path / "p.npz", Predictions(np.array([]), np.zeros((0, 3)), np.array([]), failed="at once"))
    assert read_predictions(tmp_path / "p.npz", n_examples=3).classes.shape == (0, 3)


def test_equal_arrays_give_equal_bytes(tmp_path):
    for name in ("a", "b"):
        write_predictions(tmp_path / name, predictions())
    assert (tmp_path / "a").read_bytes() == (tmp_path / "b").read_bytes()


def test_predictions_about_another_number_of_examples_are_refused(tmp_path):
    write_predictions(tmp_path / "p.npz", predictions())
    with pytest.raises(DataError) as error:
        read_predictions(tmp_path / "p.npz", n_examples=4)
    assert str(error.value) == f"{tmp_path / 'p.npz'}: predicts 3 examples, the split has 4"


def test_predictions_that_do_not_fit_their_epochs_are_a_mistake():
    with pytest.raises(ValueError, match="do not fit epochs"):
        Predictions(np.array([1]), np.zeros((2, 3)), np.zeros(1))


def test_error_sets_and_auxiliary_variables_survive(tmp_path):
    write_error_set(tmp_path / "e.npz", np.array([True, False]), "stopped")
    mask, failed = read_error_set(tmp_path / "e.npz")
    assert (mask.tolist(), mask.dtype, failed) == ([True, False], np.dtype(bool), "stopped")
    scaled = {2: np.ones((3, 2), np.float32), 10: np.zeros((3, 2), np.float32)}
    write_auxiliary(tmp_path / "a.npz", scaled)
    seen = read_auxiliary(tmp_path / "a.npz")
    assert seen.keys() == scaled.keys()
    assert all(np.array_equal(seen[epoch], scaled[epoch]) for epoch in scaled)


def test_another_schema_is_refused(tmp_path):
    write_error_set(tmp_path / "e.npz", np.array([True]))
    with pytest.raises(DataError) as error:
        read_predictions(tmp_path / "e.npz")
    assert str(error.value) == f"{tmp_path / 'e.npz'}: holds schema 'bam.error_set/1', expected '{PREDICTIONS}'"


def test_a_missing_npz_is_named(tmp_path):
    with pytest.raises(DataError) as error:
        read_npz(tmp_path / "no.npz", PREDICTIONS)
    assert str(error.value) == f"{tmp_path / 'no.npz'}: is missing"


def test_an_npz_cut_anywhere_is_corrupt(tmp_path):
    write_predictions(tmp_path / "whole.npz", predictions())
    whole, path = (tmp_path / "whole.npz").read_bytes(), tmp_path / "p.npz"
    for length in range(0, len(whole), 7):
        path.write_bytes(whole[:length])
        with pytest.raises(DataError) as error:
            read_predictions(path)
        assert str(error.value).startswith(f"{path}: is corrupt (")
        assert str(error.value).endswith(f"); {ADVICE}")


def test_an_npz_with_any_byte_flipped_is_refused_or_reads_the_same(tmp_path):
    write_error_set(tmp_path / "whole.npz", np.array([True, False, True]))
    whole, path = bytearray((tmp_path / "whole.npz").read_bytes()), tmp_path / "p.npz"
    escaped = []
    for position in range(len(whole)):
        damaged = whole.copy()
        damaged[position] ^= 0xFF
        path.write_bytes(damaged)
        try:
            assert read_error_set(path)[0].tolist() == [True, False, True]
        except DataError:
            continue
        except Exception as error:
            escaped.append((position, type(error).__name__, str(error)[:60]))
    assert escaped == []


def test_tensors_survive_and_damage_is_named(tmp_path):
    path = tmp_path / "w.safetensors"
    tensors = {"b": torch.tensor([1.0, float("nan")]), "a": torch.arange(6).reshape(2, 3).T}
    save_tensors(path, tensors)
    seen = load_tensors(path)
    assert torch.equal(seen["a"], tensors["a"])
    assert torch.equal(seen["b"], tensors["b"]) or bool(seen["b"].isnan()[1])
    save_tensors(tmp_path / "other_order", dict(reversed(tensors.items())))
    assert (tmp_path / "other_order").read_bytes() == path.read_bytes()
    whole = path.read_bytes()
    for length in (0, 5, 40, len(whole) - 1):
        path.write_bytes(whole[:length])
        with pytest.raises(DataError, match=r"w.safetensors: is corrupt \("):
            load_tensors(path)
    path.unlink()
    with pytest.raises(DataError) as error:
        load_tensors(path)
    assert str(error.value) == f"{path}: is missing"


def test_hashes_are_those_of_the_bytes(tmp_path):
    import hashlib

    (tmp_path / "a").write_bytes(b"x" * 3_000_000)
    assert sha256_file(tmp_path / "a") == hashlib.sha256(b"x" * 3_000_000).hexdigest()
    with pytest.raises(DataError, match="cannot be read"):
        sha256_file(tmp_path / "b")
