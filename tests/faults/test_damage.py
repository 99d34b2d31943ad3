"""One bit flipped, or the end cut off, in each kind of stored file: its reader names it and gives no number."""

import csv
import json

import numpy as np
import pytest

from bam.artifacts import read_auxiliary, read_predictions
from bam.data.prepared import open_inputs, open_labels, read_labels, read_manifest
from bam.errors import DataError
from bam.files import read_checked_text, read_json, write_checked_text, write_json
from bam.groups import read_scheme, read_split
from bam.run_files import Stage1Files
from bam.steps.stage1 import stage1
from bam.steps.stage2 import stage2
from tests import toy
from tests.toy import auxiliary, spec, upweighted


@pytest.fixture
def stored(tmp_path):
    """One of each: a prepared folder, groups, a finished stage 1, a selection and an evaluation."""
    from bam.data.annotate import write_groups

    toy.write_toy(tmp_path / "prepared")
    write_groups(toy.examples(), tmp_path / "groups")
    run = spec("stage1", auxiliary(5.0, epochs=1))
    stage1(run, tmp_path / "prepared", Stage1Files.below(tmp_path / "p", tmp_path / "w"), None, "cpu")
    write_json(tmp_path / "selection.json", {"chosen": [{"epoch": 3, "score": 0.25}], "left_out": []})
    write_checked_text(tmp_path / "evaluation.csv", "metric,value\naccuracy,0.875\n")
    return tmp_path


def go_on(folder):
    files = Stage1Files.below(folder / "p", folder / "w")
    later = Stage1Files.below(folder / "later" / "p", folder / "later" / "w")
    stage1(spec("stage1", auxiliary(5.0, epochs=2)), folder / "prepared", later, files, "cpu")


def rebalance(folder):
    from bam.artifacts import write_error_set
    from bam.run_files import TrainFiles

    write_error_set(folder / "error_set.npz", np.arange(23) % 2 == 0)
    files = TrainFiles.below(folder / "later" / "p", folder / "later" / "w", ())
    run = spec("stage2", upweighted(2, epochs=1), stage1="s")
    weights, record = folder / "w" / "model.safetensors", folder / "p" / "record.json"
    stage2(run, folder / "prepared", folder / "error_set.npz", weights, files, "cpu", stage1_record=record)


def prepared_file(split, what):
    def read(folder):
        manifest = read_manifest(folder / "prepared")
        (open_inputs if what == "inputs" else open_labels)(folder / "prepared", manifest, split)

    return read


READERS = {
    "prepared/train/inputs.npy": prepared_file("train", "inputs"),
    "prepared/val/labels.npy": prepared_file("val", "labels"),
    "prepared/train/labels.npy": lambda folder: read_labels(folder / "prepared" / "train" / "labels.npy"),
    "prepared/manifest.json": lambda folder: read_manifest(folder / "prepared"),
    "groups/groups.json": lambda folder: read_scheme(folder / "groups"),
    "groups/train.csv": lambda folder: read_split(folder / "groups" / "train.csv"),
    "p/train.npz": lambda folder: read_predictions(folder / "p" / "train.npz"),
    "p/val.npz": lambda folder: read_predictions(folder / "p" / "val.npz"),
    "p/auxiliary.npz": lambda folder: read_auxiliary(folder / "p" / "auxiliary.npz"),
    "p/record.json": lambda folder: read_predictions(folder / "p" / "val.npz"),
    "p/timing.json": lambda folder: read_json(folder / "p" / "timing.json"),
    "w/model.safetensors": rebalance,
    "w/state.safetensors": go_on,
    "selection.json": lambda folder: read_json(folder / "selection.json"),
    "evaluation.csv": lambda folder: read_checked_text(folder / "evaluation.csv"),
}


@pytest.mark.parametrize("name", READERS)
def test_damage_is_found_before_use_and_named(stored, name):
    path, read = stored / name, READERS[name]
    read(stored)
    content = path.read_bytes()
    # In JSON, blanks between entries mean nothing: flip within its digits.
    positions = [k for k, byte in enumerate(content) if name.endswith("json") and chr(byte).isdigit()]
    positions = positions or list(range(len(content)))
    chosen = positions[:: max(1, len(positions) // 25)]
    flipped = [content[:at] + bytes([content[at] ^ 1]) + content[at + 1 :] for at in chosen]
    for made in [*flipped, content[:-2], content[: len(content) // 2], b""]:
        path.write_bytes(made)
        if name.endswith("json") and same_values(made, content):
            continue  # a digit beyond what a float holds
        with pytest.raises(DataError) as error:
            read(stored)
        assert str(path) in str(error.value)
        assert "\n" not in str(error.value)
    path.write_bytes(content)
    read(stored)


def same_values(made: bytes, content: bytes) -> bool:
    try:
        return json.loads(made) == json.loads(content)
    except ValueError:
        return False


def test_a_checked_file_is_one_that_sha256sum_can_check(stored):
    import hashlib

    content = (stored / "evaluation.csv").read_bytes()
    assert (stored / "evaluation.csv.sha256").read_text() == f"{hashlib.sha256(content).hexdigest()}  evaluation.csv\n"
    assert next(csv.reader(read_checked_text(stored / "evaluation.csv").splitlines())) == ["metric", "value"]
    (stored / "evaluation.csv.sha256").unlink()
    with pytest.raises(DataError, match=r"has no evaluation\.csv\.sha256 beside it"):
        read_checked_text(stored / "evaluation.csv")
