"""A generated archive is never taken for the real one, nor the other way round."""

import gzip
import logging
import shutil
import tarfile
import zipfile
from pathlib import Path

import pytest

from bam import fixture
from bam.data.origin import MARK
from bam.data.sources import read_sources
from bam.errors import DataError
from bam.plan import data_set
from bam.steps.annotate import annotate
from tests.serving import SOURCES, fetched

TEXT = {"tokenizer": "bert-base-uncased-tokenizer", "max_length": 16}
# Archive and entry of each benchmark; the options of its fixture.
BENCHMARKS = {
    "waterbirds": ("waterbirds", {"kind": "waterbirds", "side": 16}, ["side=16"]),
    "celeba, tar": (
        "celeba-wilds",
        {"kind": "celeba", "raw": "celeba-wilds", "side": 16},
        ["layout=wilds", "width=16"],
    ),
    "celeba, zip": (
        "celeba-kaggle",
        {"kind": "celeba", "raw": "celeba-kaggle", "side": 16},
        ["layout=kaggle", "width=16"],
    ),
    "multinli": ("multinli", {"kind": "multinli", **TEXT}, []),
    "civilcomments": ("civilcomments", {"kind": "civilcomments", **TEXT}, []),
}


@pytest.fixture(scope="module", params=BENCHMARKS)
def generated(request, tmp_path_factory) -> tuple[dict, list[Path]]:
    """A `datasets:` entry, and its raw folders with a generated archive."""
    raw_set, entry, options = BENCHMARKS[request.param]
    folder = tmp_path_factory.mktemp("raw")
    fixture.write(entry["kind"], folder, 0.0001, 0, options)
    for path in (folder / raw_set).glob("*.gz"):
        path.with_suffix("").write_bytes(gzip.decompress(path.read_bytes()))
        path.unlink()
    folders = [folder / raw_set]
    if "tokenizer" in entry:
        folders.append(folder / entry["tokenizer"])
        fetched(entry["tokenizer"], folders[-1])
    return entry, folders


def without_mark(folders: list[Path], out: Path) -> list[Path]:
    """Return the same folders with an archive that does not say that it is generated."""
    folder = shutil.copytree(folders[0], out / folders[0].name)
    (path,) = (p for p in folder.iterdir() if p.suffix in (".tar", ".zip"))
    whole = path.rename(path.with_name("whole"))
    if path.suffix == ".zip":
        with zipfile.ZipFile(whole) as old, zipfile.ZipFile(path, "w") as new:
            for name in old.namelist():
                if name != MARK:
                    new.writestr(name, old.read(name))
    else:
        with tarfile.open(whole) as old, tarfile.open(path, "w") as new:
            for info in old:
                if info.name != MARK:
                    new.addfile(info, old.extractfile(info))
    return [folder, *folders[1:]]


def test_a_generated_archive_is_read_as_one(generated, tmp_path, caplog):
    entry, folders = generated
    with caplog.at_level(logging.WARNING):
        annotate({**entry, "counts": "generated"}, folders, tmp_path / "groups")
    assert not caplog.messages


def test_a_generated_archive_read_as_any_is_warned_of(generated, tmp_path, caplog):
    entry, folders = generated
    with caplog.at_level(logging.WARNING):
        annotate({**entry, "counts": "any"}, folders, tmp_path / "groups")
    assert any("is no real data" in message for message in caplog.messages)


def test_an_archive_that_is_not_generated_is_refused_as_one(generated, tmp_path):
    entry, folders = generated
    real = without_mark(folders, tmp_path)
    annotate({**entry, "counts": "any"}, real, tmp_path / "groups")
    with pytest.raises(DataError, match=rf"has no {MARK}, and .* write it with today's"):
        annotate({**entry, "counts": "generated"}, real, tmp_path / "other")


def test_ids_of_real_and_generated_data_differ(generated):
    entry, _ = generated
    ids = {data_set({**entry, **more}, read_sources(SOURCES)).data_id for more in ({}, {"counts": "generated"})}
    assert len(ids) == 2


def test_the_mark_alone_refuses_a_generated_archive_of_the_published_size(generated, tmp_path, monkeypatch):
    entry, folders = generated
    monkeypatch.setattr("bam.data.benchmark.check_counts", lambda *_: None)
    with pytest.raises(DataError, match=rf"is no real data, as its {MARK} says"):
        annotate({**entry, "counts": "published"}, folders, tmp_path / "groups")
    annotate({**entry, "counts": "published"}, without_mark(folders, tmp_path), tmp_path / "groups")
