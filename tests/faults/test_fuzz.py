"""Files from outside, damaged or made up: each is refused with one line or read; nothing else happens.

`BAM_FUZZ_INPUTS` says how many inputs each reader gets: 100 by default, 1,000 in `make test-faults`,
10,000 in `make fuzz`. A reader more is one entry more in `READERS`, here or in `tests.faults.outside`.
"""

import json
import os
from datetime import timedelta
from pathlib import Path

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from bam.artifacts import (
    Predictions,
    read_auxiliary,
    read_error_set,
    read_predictions,
    write_auxiliary,
    write_error_set,
    write_predictions,
)
from bam.data.annotate import write_groups
from bam.data.idx import read_idx
from bam.data.prepared import read_manifest
from bam.data.sources import read_sources
from bam.errors import BamError
from bam.files import _seal, read_json, write_json
from bam.groups import read_scheme, read_split
from bam.run_files import Stage1Files
from bam.steps.stage1 import _check_continues
from bam.study import read_study
from bam.training.state import load_tensors, save_tensors
from tests import toy
from tests.faults import outside
from tests.faults.outside import Reader

N_INPUTS = int(os.environ.get("BAM_FUZZ_INPUTS", "100"))
REPOSITORY = Path(__file__).resolve().parents[2]


def write_idx(path):
    path.write_bytes(bytes([0, 0, 8, 2, 0, 0, 0, 3, 0, 0, 0, 4, *range(12)]))


def example_predictions():
    return Predictions(np.array([1, 2]), np.zeros((2, 9), np.uint8), np.zeros(2), {2: np.zeros((9, 2), np.float32)})


def write_record(path):
    run = toy.spec("stage1", toy.auxiliary(5.0, epochs=2))
    write_json(path, {"id": run.id, "spec": run.model_dump(mode="json"), "outputs": {}})


def read_record(path):
    run = toy.spec("stage1", toy.auxiliary(5.0, epochs=3))
    files = Stage1Files.below(path.parent, path.parent)
    assert files.record == path
    _check_continues(run, files)


def write_group_file(path):
    write_groups(toy.examples(), path.parent)
    for other in path.parent.iterdir():
        if other != path:
            other.unlink()


READERS = [
    Reader("images-idx3-ubyte", lambda path: read_idx(path, n_axes=2), write_idx),
    Reader("study.yaml", lambda p: read_study(str(p)), lambda p: p.write_text(json.dumps(toy.STUDY, indent=1))),
    Reader("datasets.yaml", read_sources, lambda p: p.write_bytes((REPOSITORY / "config/datasets.yaml").read_bytes())),
    Reader("manifest.json", lambda p: read_manifest(p.parent), lambda p: toy.write_toy(p.parent), is_json=True),
    Reader("record.json", read_record, write_record, is_json=True),
    Reader("groups.json", lambda p: read_scheme(p.parent), write_group_file, is_json=True),
    Reader("val.csv", read_split, write_group_file),
    Reader("predictions.npz", read_predictions, lambda p: write_predictions(p, example_predictions())),
    Reader("error_set.npz", read_error_set, lambda p: write_error_set(p, np.arange(9) % 2 == 0)),
    Reader("auxiliary.npz", read_auxiliary, lambda p: write_auxiliary(p, {1: np.zeros((9, 2), np.float32)})),
    Reader("model.safetensors", load_tensors, lambda p: save_tensors(p, toy_tensors())),
    *outside.READERS,
]


def toy_tensors():
    import torch

    return {"weight": torch.zeros(3, 2), "bias": torch.zeros(2)}


JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False, allow_infinity=False) | st.text(max_size=9),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=9), inner, max_size=3),
    max_leaves=9,
)


def damaged(content: bytes) -> st.SearchStrategy[bytes]:
    """Return the content with a few bytes or bits changed, put in, taken out, or its end cut off."""
    edit = st.tuples(
        st.integers(0, len(content)), st.sampled_from(["set", "flip", "put", "cut", "end"]), st.binary(max_size=6)
    )

    def apply(edits):
        made = bytearray(content)
        for at, kind, some in edits:
            if kind == "set":
                made[at : at + len(some)] = some
            elif kind == "flip" and at < len(made):
                made[at] ^= 1 << (len(some) % 8)
            elif kind == "put":
                made[at:at] = some
            elif kind == "cut":
                del made[at : at + 1 + len(some)]
            elif kind == "end":
                del made[at:]
        return bytes(made)

    return st.lists(edit, min_size=1, max_size=4).map(apply)


def changed_json(content: bytes) -> st.SearchStrategy[bytes]:
    """Return the JSON with values replaced or keys removed, and the right checksum: damage that no checksum shows."""
    value = json.loads(content)
    value.pop("sha256")

    def apply(edits):
        made = json.loads(json.dumps(value))
        for path, new, is_removed in edits:
            place = made
            for step in path[:-1]:
                keys = list(place) if isinstance(place, dict) else range(len(place)) if isinstance(place, list) else []
                if not keys or not isinstance(place[keys[step % len(keys)]], dict | list):
                    break
                place = place[keys[step % len(keys)]]
            keys = list(place) if isinstance(place, dict) else list(range(len(place)))
            if keys and is_removed:
                del place[keys[path[-1] % len(keys)]]
            elif keys:
                place[keys[path[-1] % len(keys)]] = new
        return json.dumps({**made, "sha256": _seal(made)}).encode("utf-8", "surrogatepass")

    edit = st.tuples(st.lists(st.integers(0, 9), min_size=1, max_size=4), JSON, st.booleans())
    return st.lists(edit, min_size=1, max_size=3).map(apply)


@pytest.mark.parametrize("reader", READERS, ids=lambda reader: reader.name)
def test_any_input_is_read_or_refused_with_one_line(reader, tmp_path):
    path = tmp_path / "in" / reader.name
    path.parent.mkdir()
    reader.valid(path)
    content = path.read_bytes()
    reader.read(path)
    beside = {p: p.stat().st_mtime_ns for p in path.parent.rglob("*") if p != path}
    made_up = st.binary(max_size=200) | st.text(max_size=200).map(lambda text: text.encode("utf-8", "surrogatepass"))
    inputs = damaged(content) | made_up
    if reader.is_json:
        inputs = inputs | changed_json(content) | JSON.map(lambda value: json.dumps(value).encode())
    n_read = [0, 0]

    @settings(
        max_examples=N_INPUTS, deadline=timedelta(seconds=5), database=None, suppress_health_check=list(HealthCheck)
    )
    @given(inputs)
    def fuzz(made):
        path.write_bytes(made)
        try:
            reader.read(path)
            n_read[0] += 1
        except BamError as error:
            n_read[1] += 1
            assert "\n" not in str(error), str(error)
            assert str(error)
        assert {p: p.stat().st_mtime_ns for p in path.parent.rglob("*") if p != path} == beside

    fuzz()
    assert n_read[1] > 0, "no input was refused"


def test_a_damaged_prediction_is_never_read_as_another(tmp_path):
    """Flip every bit of a predictions file that has no record beside it: it is refused, or read unchanged."""
    path = tmp_path / "val.npz"
    rng = np.random.default_rng(0)
    whole = Predictions(np.array([1, 2, 5]), rng.integers(0, 3, (3, 40)).astype(np.uint8), rng.random(3))
    write_predictions(path, whole)
    content = path.read_bytes()
    n_refused = 0
    for bit in range(8 * len(content)):
        made = bytearray(content)
        made[bit // 8] ^= 1 << (bit % 8)
        path.write_bytes(made)
        try:
            found = read_predictions(path)
        except BamError:
            n_refused += 1
            continue
        for name in ("epochs", "classes", "train_loss"):
            assert np.array_equal(getattr(found, name), getattr(whole, name)), (bit, name)
        assert found.failed == ""
    assert n_refused > 4 * len(content)


# A legacy .pth is left out: over a name of megabytes torch's own error message takes minutes (a quadratic search).
NOT_LEGACY = [reader for reader in outside.READERS if reader.name != "legacy.pth"]


@pytest.mark.parametrize("reader", NOT_LEGACY, ids=lambda reader: reader.name)
def test_names_too_long_and_cells_too_wide_are_one_line(reader, tmp_path):
    """What made-up inputs are too short for: names beyond a file system's limit, cells beyond csv's."""
    path = tmp_path / "in" / reader.name
    path.parent.mkdir()
    reader.valid(path)
    content = path.read_bytes()
    for long in (b"x" * 300, b"x" * 200_000, b"/" + b"y/" * 3000):
        for old in (b"cat", b"1.png", b"0.jpg", b"red", b'"first"', b"lines", b"digits", b"a"):
            path.write_bytes(content.replace(old, long))
            try:
                reader.read(path)
            except BamError as error:
                assert "\n" not in str(error)


@pytest.mark.parametrize("text", ["NaN", '{"a": Infinity}', "[" * 100_000, "9" * 5000, '{"a": 1}', "3", '"x"'])
def test_json_that_is_none_of_ours_is_one_line(tmp_path, text):
    path = tmp_path / "record.json"
    path.write_text(text)
    with pytest.raises(BamError) as error:
        read_json(path)
    assert str(error.value).startswith(f"{path}: is ")
    assert "\n" not in str(error.value)
