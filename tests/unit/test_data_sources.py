"""The coloured digits, and getting raw files."""

import gzip
import hashlib
import sys
from pathlib import Path

import numpy as np
import pytest

from bam.data.fetch import fetch
from bam.data.kinds.colored_digits import Settings, read_examples
from bam.data.sources import PackageSource, RawFile, RawSet, read_sources
from bam.errors import ConfigError, DataError

CONTENTS = b"1,2,3\n"
ROOT = Path(__file__).parents[2]


@pytest.fixture(scope="module")
def digits(tmp_path_factory) -> Path:
    folder = tmp_path_factory.mktemp("raw")
    fetch("digits", read_sources(ROOT / "config" / "datasets.yaml")["digits"], folder)
    return folder


def made(digits: Path, aligned: float = 0.95, data_seed: int = 0):
    return read_examples({"digits": digits}, Settings(kind="colored_digits", aligned=aligned, data_seed=data_seed))


@pytest.mark.parametrize("aligned", [0.95, 0.8])
@pytest.mark.parametrize("data_seed", [0, 4])
def test_colours_fit_the_class_for_an_exact_share(digits, aligned, data_seed):
    examples = made(digits, aligned, data_seed)
    for split, share in (("train", aligned), ("val", aligned), ("test", 0.5)):
        part = examples.splits[split]
        for label in (0, 1):
            colors = part.attributes["color"][part.labels == label]
            assert sum(int(c) == label for c in colors) == round(share * len(colors))
        lit = part.inputs.reshape(len(part.labels), 2, -1).any(axis=2)
        assert (lit.argmax(axis=1) == part.attributes["color"]).all()
        assert (lit.sum(axis=1) == 1).all()


def test_splits_are_disjoint_and_cover_all_digits(digits):
    table = np.loadtxt(digits / "digits.csv", delimiter=",")
    examples = made(digits)
    sizes = {split: len(part.labels) for split, part in examples.splits.items()}
    assert sum(sizes.values()) == 1797
    assert abs(sizes["train"] - 0.5 * 1797) <= 10
    assert abs(sizes["val"] - 0.2 * 1797) <= 10
    pictures = [(p.inputs.max(axis=1).reshape(len(p.labels), 64), p.labels) for p in examples.splits.values()]
    seen = sorted([*map(int, row), int(y)] for rows, labels in pictures for row, y in zip(rows, labels, strict=True))
    expected = sorted([*(int(v) for v in np.round(row[:64] * 255 / 16)), int(row[64] >= 5)] for row in table)
    assert seen == expected


def test_the_same_settings_give_the_same_arrays_and_another_data_seed_others(digits):
    first, again, other = made(digits), made(digits), made(digits, data_seed=1)
    for split in first.splits:
        np.testing.assert_array_equal(first.splits[split].inputs, again.splits[split].inputs)
        np.testing.assert_array_equal(first.splits[split].labels, again.splits[split].labels)
        assert not np.array_equal(first.splits[split].inputs, other.splits[split].inputs)


def test_the_share_moves_colours_and_not_splits(digits):
    for split in ("train", "val", "test"):
        first, second = made(digits, 0.95).splits[split], made(digits, 0.8).splits[split]
        np.testing.assert_array_equal(first.inputs.max(axis=1), second.inputs.max(axis=1))


@pytest.mark.parametrize("text", ["", "1,2,3\n", "a,b\n", ",".join(["1"] * 64 + ["11"]) + "\n"])
@pytest.mark.filterwarnings("ignore:loadtxt")
def test_a_raw_file_of_another_form_is_refused(tmp_path, text):
    (tmp_path / "digits.csv").write_text(text)
    with pytest.raises(DataError, match=r"digits\.csv: "):
        made(tmp_path)


def raw_set(contents: bytes = CONTENTS, *sources: PackageSource) -> RawSet:
    file = RawFile(size_bytes=len(contents), sha256=hashlib.sha256(contents).hexdigest(), sources=list(sources))
    return RawSet(description="-", licence="-", citation="-", files={"a.csv": file})


@pytest.fixture
def package(tmp_path, monkeypatch) -> Path:
    folder = tmp_path / "site" / "bam_toy_source"
    folder.mkdir(parents=True)
    (folder / "__init__.py").write_text("")
    monkeypatch.syspath_prepend(str(tmp_path / "site"))
    monkeypatch.delitem(sys.modules, "bam_toy_source", raising=False)
    monkeypatch.delenv("BAM_MIRROR", raising=False)
    return folder


PLAIN = PackageSource(package="bam_toy_source", path="a.csv")
ZIPPED = PackageSource(package="bam_toy_source", path="a.csv.gz", unpack="gzip")


def test_sources_are_tried_in_turn_and_unpacked(package, tmp_path):
    (package / "a.csv.gz").write_bytes(gzip.compress(CONTENTS))
    fetch("toy", raw_set(CONTENTS, PLAIN, ZIPPED), tmp_path / "out")
    assert (tmp_path / "out" / "a.csv").read_bytes() == CONTENTS
    assert (tmp_path / "out" / "fetched.json").exists()


def test_the_mirror_is_asked_first(package, tmp_path, monkeypatch):
    (tmp_path / "mirror" / "toy").mkdir(parents=True)
    (tmp_path / "mirror" / "toy" / "a.csv").write_bytes(CONTENTS)
    monkeypatch.setenv("BAM_MIRROR", str(tmp_path / "mirror"))
    fetch("toy", raw_set(CONTENTS), tmp_path / "out")
    assert (tmp_path / "out" / "a.csv").read_bytes() == CONTENTS


def test_a_wrong_hash_is_refused_every_try_is_named_and_nothing_is_left(package, tmp_path, monkeypatch):
    (tmp_path / "mirror" / "toy").mkdir(parents=True)
    mirrored = tmp_path / "mirror" / "toy" / "a.csv"
    mirrored.write_bytes(b"<html>")
    monkeypatch.setenv("BAM_MIRROR", str(tmp_path / "mirror"))
    (package / "a.csv").write_bytes(b"1,2,4\n")
    target = tmp_path / "out" / "a.csv"
    with pytest.raises(DataError) as error:
        fetch("toy", raw_set(CONTENTS, PLAIN, ZIPPED), tmp_path / "out")
    wrong, right = (hashlib.sha256(c).hexdigest() for c in (b"1,2,4\n", CONTENTS))
    same = hashlib.sha256(b"<html>").hexdigest()
    assert str(error.value) == (
        f"{target}: no source has it: {mirrored} has SHA-256 {same}, expected {right}; "
        f"package bam_toy_source, a.csv has SHA-256 {wrong}, expected {right}; "
        "package bam_toy_source, a.csv.gz is missing. Set BAM_MIRROR to a folder or http(s) address that holds "
        f"toy/a.csv or the same with .gz, whose contents have 6 bytes and SHA-256 {right}"
    )
    assert not list((tmp_path / "out").rglob("*"))


def test_another_size_is_named_in_bytes(package, tmp_path):
    (package / "a.csv").write_bytes(b"x" * 2000)
    with pytest.raises(DataError, match=r"a\.csv has 2,000 bytes, expected 6\. Set"):
        fetch("toy", raw_set(CONTENTS, PLAIN), tmp_path / "out")


def test_a_damaged_archive_is_named(package, tmp_path):
    whole = gzip.compress(bytes(range(256)) * 20)
    flipped = [whole[:k] + bytes([whole[k] ^ 0xFF]) + whole[k + 1 :] for k in range(10, len(whole), 5)]
    for content in (b"no gzip", whole[:30], *flipped):
        (package / "a.csv.gz").write_bytes(content)
        with pytest.raises(DataError, match=r"a\.csv\.gz cannot be read \("):
            fetch("toy", raw_set(CONTENTS, ZIPPED), tmp_path / "out")


def test_a_right_file_is_kept_and_a_wrong_one_is_replaced(package, tmp_path):
    out = tmp_path / "out" / "a.csv"
    out.parent.mkdir()
    out.write_bytes(CONTENTS)
    fetch("toy", raw_set(CONTENTS), tmp_path / "out")
    out.write_bytes(b"1,2,4\n")
    (package / "a.csv").write_bytes(CONTENTS)
    fetch("toy", raw_set(CONTENTS, PLAIN), tmp_path / "out")
    assert out.read_bytes() == CONTENTS


def test_a_description_of_sources_that_is_not_typed_is_refused(tmp_path):
    for text in ("a: {description: 1}", "a: [", "- 1"):
        (tmp_path / "d.yaml").write_text(text)
        with pytest.raises(ConfigError, match=r"d\.yaml: "):
            read_sources(tmp_path / "d.yaml")
    with pytest.raises(ConfigError, match=r"no\.yaml: cannot be read"):
        read_sources(tmp_path / "no.yaml")
