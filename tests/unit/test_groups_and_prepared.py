"""The two sides of the wall on disk: group files and prepared arrays."""

import json
import os
from dataclasses import replace

import numpy as np
import pytest

import bam.data.prepared
from bam.data.annotate import write_groups
from bam.data.examples import SPLITS
from bam.data.prepared import corrupt_files, open_inputs, open_labels, read_manifest
from bam.data.samples import PER_GROUP, read_samples, write_samples
from bam.errors import DataError
from bam.files import write_json
from bam.groups import GroupScheme, SplitGroups, partition_ids, read_scheme, read_split, write_scheme, write_split
from bam.layout import Layout
from bam.verify import verify
from tests import toy

NAMES = ("plain", "with, comma", 'with "quotes"', 'both, "x"', "two\nlines")


def test_groups_survive_with_commas_quotes_and_line_ends_in_their_names(tmp_path):
    membership = np.eye(5, dtype=bool)[[0, 1, 2, 3, 4, 1]]
    membership[5, 0] = True
    split = SplitGroups({"a, b": np.arange(6), "c": np.zeros(6, int)}, membership, np.array([0, 1, 0, 1, 0, 1]))
    write_split(tmp_path / "test.csv", split, NAMES)
    seen = read_split(tmp_path / "test.csv")
    np.testing.assert_array_equal(seen.membership, membership)
    assert {k: v.tolist() for k, v in seen.attributes.items()} == {"a, b": [0, 1, 2, 3, 4, 5], "c": [0] * 6}
    assert seen.labels.tolist() == [0, 1, 0, 1, 0, 1]


def test_a_split_without_labels_has_none(tmp_path):
    write_split(tmp_path / "train.csv", SplitGroups({}, np.eye(2, dtype=bool)), ("a", "b"))
    assert read_split(tmp_path / "train.csv").labels is None


def test_the_scheme_survives(tmp_path):
    scheme = GroupScheme(NAMES, (True, False, False, True, False), ("plain",), False, {"train": (0, 1, 2, 3, 4)})
    write_scheme(tmp_path, scheme)
    assert read_scheme(tmp_path) == scheme


def test_damaged_group_files_are_named(tmp_path):
    path = tmp_path / "val.csv"
    with pytest.raises(DataError) as error:
        read_split(path)
    assert str(error.value) == f"{path}: cannot be read (No such file or directory); run `bam annotate`"
    for text in ("", "index,group:a\n0,1\n1\n", "index,group:a\n0,x\n", "index,group:a\n0,1\n\x00\n", "index\n\xff"):
        path.write_bytes(text.encode("latin-1"))
        with pytest.raises(DataError) as error:
            read_split(path)
        assert str(error.value).startswith(f"{path}: is corrupt (")
        assert str(error.value).endswith("; delete it to have it made again")
    write_scheme(tmp_path, GroupScheme(("a",), (True,), (), True, {"train": (1,)}))
    content = json.loads((tmp_path / "groups.json").read_text())
    del content["minority"]
    write_json(tmp_path / "groups.json", content)
    with pytest.raises(DataError) as error:
        read_scheme(tmp_path)
    assert str(error.value) == f"{tmp_path / 'groups.json'}: lacks 'minority'; run `bam annotate` again"


def test_group_ids_need_a_partition():
    assert partition_ids(np.array([[0, 1], [1, 0]], dtype=bool)).tolist() == [1, 0]
    for membership in ([[1, 1], [1, 0]], [[0, 0], [1, 0]]):
        with pytest.raises(DataError) as error:
            partition_ids(np.array(membership, dtype=bool))
        assert str(error.value) == "these groups overlap or leave rows out; this method needs one group a row"


def test_groups_are_label_times_attribute_and_an_undeclared_empty_one_is_refused(tmp_path):
    made = toy.examples()
    write_groups(made, tmp_path)
    scheme = read_scheme(tmp_path)
    assert scheme.names == ("class 0, red", "class 0, green", "class 1, red", "class 1, green")
    assert scheme.minority == (False, True, True, False)
    for split in SPLITS:
        part = made.splits[split]
        ids = partition_ids(read_split(tmp_path / f"{split}.csv").membership)
        assert ids.tolist() == [2 * y + a for y, a in zip(part.labels, part.attributes["color"], strict=True)]
        assert scheme.counts[split] == tuple(int((ids == g).sum()) for g in range(4))
    assert read_split(tmp_path / "val.csv").labels is None
    assert read_split(tmp_path / "test.csv").labels.tolist() == made.splits["test"].labels.tolist()
    made.splits["val"].attributes["color"][:] = 0
    with pytest.raises(DataError) as error:
        write_groups(made, tmp_path)
    assert str(error.value) == (
        f"{tmp_path}: group 'class 0, green' has no example in val; "
        "use a larger set or a weaker correlation, or declare the cell empty"
    )


def test_samples_are_the_first_training_examples_of_each_group_in_file_order(tmp_path):
    made = toy.examples(sizes={"train": 61, "val": 14, "test": 12})
    write_groups(made, tmp_path / "a")
    write_groups(made, tmp_path / "b")
    assert (tmp_path / "a/samples.npz").read_bytes() == (tmp_path / "b/samples.npz").read_bytes()
    samples = read_samples(tmp_path / "a", read_scheme(tmp_path / "a").counts["train"])
    assert samples.pairs.tolist() == [[0, 0], [0, 1], [1, 0], [1, 1]]
    train = made.splits["train"]
    for (label, value), images in zip(samples.pairs.tolist(), samples.images, strict=True):
        rows = [r for r in range(61) if train.labels[r] == label and train.attributes["color"][r] == value]
        assert len(rows) > PER_GROUP
        np.testing.assert_array_equal(images, np.stack([train.inputs[r] for r in rows[:8]]))
        assert images.dtype == np.uint8


def test_a_small_group_has_fewer_samples_and_an_empty_one_none(tmp_path):
    made = toy.examples()
    train = made.splits["train"]
    value = np.where(train.labels == 0, 0, 1)
    value[np.flatnonzero(train.labels == 1)[:3]] = 0
    splits = {**made.splits, "train": replace(train, attributes={"color": value})}
    write_samples(replace(made, splits=splits), tmp_path)
    counts = [int((train.labels == 0).sum()), 0, 3, int((train.labels == 1).sum()) - 3]
    found = [images.shape for images in read_samples(tmp_path, counts).images]
    assert found == [(8, *toy.SHAPE), (0, *toy.SHAPE), (3, *toy.SHAPE), (8, *toy.SHAPE)]
    with pytest.raises(DataError) as error:
        read_samples(tmp_path, [9, 1, 3, 9])
    path = tmp_path / "samples.npz"
    assert str(error.value) == f"{path}: does not go with groups.json; delete the folder to have it made again"
    path.write_bytes(path.read_bytes()[:-30])
    with pytest.raises(DataError, match="is corrupt"):
        read_samples(tmp_path, counts)
    path.unlink()
    with pytest.raises(DataError, match="is missing; run `bam annotate` again"):
        read_samples(tmp_path, counts)


def test_prepared_arrays_are_the_examples_without_groups_and_test_labels(prepared, manifest):
    made = toy.examples()
    for split in SPLITS:
        np.testing.assert_array_equal(open_inputs(prepared, manifest, split), made.splits[split].inputs)
        if split != "test":
            np.testing.assert_array_equal(open_labels(prepared, manifest, split), made.splits[split].labels)
    assert sorted(str(p.relative_to(prepared)) for p in prepared.rglob("*") if p.is_file()) == [
        "manifest.json",
        "test/inputs.npy",
        "train/inputs.npy",
        "train/labels.npy",
        "val/inputs.npy",
        "val/labels.npy",
    ]
    pixels = made.splits["train"].inputs / 255
    assert manifest.mean == pytest.approx([pixels[:, c].mean() for c in range(2)])
    assert manifest.std == pytest.approx([pixels[:, c].std() for c in range(2)])


def test_damaged_arrays_are_named_with_what_to_do(prepared, manifest):
    path = prepared / "train" / "inputs.npy"
    whole = path.read_bytes()
    advice = f"delete {prepared} to have it made again"
    path.write_bytes(whole[:-10])
    n = len(whole)
    with pytest.raises(DataError) as error:
        open_inputs(prepared, manifest, "train")
    assert str(error.value) == f"{path}: is corrupt ({n - 10:,} bytes, expected {n:,}); {advice}"
    for position in (3, 100, n - 1):
        flipped = bytearray(whole)
        flipped[position] ^= 1
        path.write_bytes(flipped)
        with pytest.raises(DataError) as error:
            open_inputs(prepared, manifest, "train")
        assert str(error.value) == f"{path}: is corrupt (its SHA-256 is not the manifest's); {advice}"
    path.unlink()
    with pytest.raises(DataError) as error:
        open_inputs(prepared, manifest, "train")
    assert str(error.value) == f"{path}: is missing; {advice}"


def test_a_large_array_is_hashed_once_and_again_when_its_time_has_changed(prepared, manifest, monkeypatch):
    monkeypatch.setattr(bam.data.prepared, "FULL_HASH_BYTES", 100)
    hashed = []

    def counted(path, original=bam.data.prepared.sha256_file):
        hashed.append(path.name)
        return original(path)

    monkeypatch.setattr(bam.data.prepared, "sha256_file", counted)
    path = prepared / "train" / "inputs.npy"
    for _ in range(3):
        open_inputs(prepared, manifest, "train")
    assert hashed == ["inputs.npy"]
    corrupt_files(prepared, manifest)  # as `bam verify` does
    assert hashed.count("inputs.npy") == 4  # three splits
    whole, times = path.read_bytes(), path.stat()
    path.write_bytes(whole[:-1] + bytes([whole[-1] ^ 1]))
    for _ in range(2):
        with pytest.raises(DataError, match="its SHA-256 is not the manifest's"):
            open_inputs(prepared, manifest, "train")
    os.utime(path, ns=(times.st_atime_ns, times.st_mtime_ns))  # as a disk decays: only hashing again can tell
    open_inputs(prepared, manifest, "train")
    assert len(corrupt_files(prepared, manifest)) == 1


def test_a_damaged_large_array_is_found_before_its_first_use(prepared, manifest, monkeypatch):
    monkeypatch.setattr(bam.data.prepared, "FULL_HASH_BYTES", 100)
    path = prepared / "train" / "inputs.npy"
    whole = path.read_bytes()
    path.write_bytes(whole[:200] + bytes([whole[200] ^ 1]) + whole[201:])
    for _ in range(2):
        with pytest.raises(DataError, match="its SHA-256 is not the manifest's"):
            open_inputs(prepared, manifest, "train")


def test_damaged_manifests_are_named(prepared):
    path = prepared / "manifest.json"
    content = json.loads(path.read_text())
    write_json(path, {**content, "schema": "other"})
    with pytest.raises(DataError) as error:
        read_manifest(prepared)
    assert str(error.value) == f"{path}: holds schema 'other', expected 'bam.prepared/1'"
    write_json(path, {k: v for k, v in content.items() if k != "mean"})
    with pytest.raises(DataError) as error:
        read_manifest(prepared)
    assert str(error.value) == f"{path}: lacks 'mean'; delete it to have it made again"
    path.unlink()
    with pytest.raises(DataError) as error:
        read_manifest(prepared)
    assert str(error.value) == f"{path}: cannot be read (No such file or directory)"


def test_a_shape_that_the_manifest_denies_is_refused(prepared):
    content = json.loads((prepared / "manifest.json").read_text())
    content["sizes"]["val"] = 13
    write_json(prepared / "manifest.json", content)
    with pytest.raises(DataError) as error:
        open_labels(prepared, read_manifest(prepared), "val")
    assert str(error.value) == f"{prepared / 'val/labels.npy'}: has shape (14,), the manifest says (13,)"


def test_verify_names_sample_images_that_are_lost_or_damaged(tmp_path):
    plan, layout = toy.plan(), Layout(tmp_path / "data", tmp_path / "results")
    toy.write_data(plan, layout)
    assert verify(plan, layout)[1] == []
    lost, damaged = (layout.groups(data.groups_id) / "samples.npz" for data in plan.datasets.values())
    lost.unlink()
    damaged.write_bytes(damaged.read_bytes()[:-30])
    first, second = verify(plan, layout)[1]
    assert first == f"{lost}: is missing; run `bam annotate` again"
    assert second.startswith(f"{damaged}: is corrupt (")
