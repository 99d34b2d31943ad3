"""What may be listed as a source, and where files of this machine are found."""

import gzip
import hashlib
from pathlib import Path

import pytest
import yaml

from bam.data.fetch import fetch
from bam.data.local import locate
from bam.data.sources import FolderSource, NpmSource, PackageSource, RawFile, RawSet, read_sources
from bam.errors import ConfigError

ROOT = Path(__file__).parents[2]
CONTENTS = b"1,2,3\n"
NAMES = {f"{part}-{what}" for part in ("train", "t10k") for what in ("images-idx3-ubyte", "labels-idx1-ubyte")}


@pytest.fixture(autouse=True)
def _nothing_from_outside(monkeypatch, tmp_path):
    monkeypatch.delenv("BAM_MIRROR", raising=False)
    monkeypatch.delenv("NODE_PATH", raising=False)
    (tmp_path / "here").mkdir()
    monkeypatch.chdir(tmp_path / "here")


def put(path: Path, contents: bytes = CONTENTS) -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(contents)
    return path


def test_an_npm_package_is_found_here_and_then_in_node_path(tmp_path, monkeypatch):
    source = NpmSource(npm="@who/numbers", path="data/a.csv")
    assert locate(source) is None
    far = put(tmp_path / "far" / "@who" / "numbers" / "data" / "a.csv")
    monkeypatch.setenv("NODE_PATH", f"{tmp_path / 'empty'}:{tmp_path / 'far'}")
    assert locate(source) == far
    near = put(tmp_path / "here" / "node_modules" / "@who" / "numbers" / "data" / "a.csv")
    assert locate(source).resolve() == near


def test_a_package_that_is_not_installed_has_no_file():
    assert locate(PackageSource(package="bam_no_such.part", path="a.csv")) is None
    assert locate(PackageSource(package="json", path="no_such_file")) is None
    assert locate(PackageSource(package="json", path="decoder.py")).is_file()


@pytest.mark.parametrize("mirror", ["mirror", "./mirror,"])
def test_a_mirror_may_be_a_relative_folder(tmp_path, monkeypatch, mirror):
    put(tmp_path / "here" / "mirror" / "toy" / "a.csv.gz", gzip.compress(CONTENTS))
    monkeypatch.setenv("BAM_MIRROR", mirror)
    file = RawFile(size_bytes=len(CONTENTS), sha256=hashlib.sha256(CONTENTS).hexdigest(), sources=[])
    raw_set = RawSet(description="-", licence="-", citation="-", files={"a.csv": file})
    fetch("toy", raw_set, tmp_path / "out")
    assert (tmp_path / "out" / "a.csv").read_bytes() == CONTENTS


def test_a_folder_is_a_source(tmp_path):
    put(tmp_path / "a.csv")
    assert locate(FolderSource(folder=str(tmp_path), path="a.csv")) == tmp_path / "a.csv"


GOOD = {"url": "https://example.org/a.csv"}


@pytest.mark.parametrize(
    ("source", "message"),
    [
        ({}, "sources[0]: {} is not allowed: expected exactly one of the keys package, folder, npm, url"),
        ({**GOOD, "npm": "a", "path": "b"}, "expected exactly one of the keys package, folder, npm, url"),
        ({**GOOD, "unpak": "gzip"}, "sources[0].unpak: unknown key (did you mean 'unpack'?)"),
        ({"npm": "a"}, "sources[0].path: is missing, and has no default"),
        ({"npm": "../a", "path": "b"}, "sources[0].npm: '../a' is not allowed"),
        ({"npm": "a", "path": "../b"}, "expected a relative path that stays in its folder"),
        ({"folder": "a", "path": "b"}, "expected an absolute path"),
        ({"url": "file:///etc/passwd"}, "sources[0].url: 'file:///etc/passwd' is not allowed"),
        (
            {**GOOD, "unpack": "rar"},
            "sources[0].unpack: there is no 'rar' (did you mean 'tar'?); there is gzip, zip, tar",
        ),
        ({**GOOD, "unpack": "zip"}, "unpack: zip needs a member"),
        ({**GOOD, "member": "a"}, "a member is for unpack: zip and unpack: tar"),
        ({**GOOD, "unpack": "tar", "member": "/etc/passwd"}, "expected a relative path that stays in its folder"),
    ],
)
def test_a_source_of_another_form_is_refused_by_its_key(tmp_path, source, message):
    file = {"size_bytes": 1, "sha256": "0" * 64, "sources": [source]}
    entry = {"description": "-", "licence": "-", "citation": "-", "files": {"a.csv": file}}
    put(tmp_path / "d.yaml", yaml.safe_dump({"toy": entry}).encode())
    with pytest.raises(ConfigError) as error:
        read_sources(tmp_path / "d.yaml")
    assert f"{tmp_path / 'd.yaml'}: toy.files.a.csv.sources[0]" in str(error.value)
    assert message in str(error.value)


def test_a_raw_file_cannot_be_named_out_of_its_folder(tmp_path):
    file = {"size_bytes": 1, "sha256": "0" * 64, "sources": []}
    entry = {"description": "-", "licence": "-", "citation": "-", "files": {"../a.csv": file}}
    put(tmp_path / "d.yaml", yaml.safe_dump({"toy": entry}).encode())
    with pytest.raises(ConfigError, match="expected a relative path that stays in its folder"):
        read_sources(tmp_path / "d.yaml")


@pytest.mark.parametrize("name", ["mnist", "fashion-mnist"])
def test_the_idx_sets_have_four_files_whose_sizes_fit_their_names_and_two_servers_each(name):
    files = read_sources(ROOT / "config" / "datasets.yaml")[name].files
    assert set(files) == NAMES
    for file_name, file in files.items():
        n_examples = 60_000 if file_name.startswith("train") else 10_000
        assert file.size_bytes == (16 + 784 * n_examples if "images" in file_name else 8 + n_examples)
        urls = [source.url for source in file.sources if hasattr(source, "url")]
        assert len(urls) == 2
        assert all(url.endswith(f"/{file_name}.gz") for url in urls)
        assert not hasattr(file.sources[0], "url"), "what is installed comes first"
