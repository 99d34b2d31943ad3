"""CelebA in its three published layouts, from a server to arrays and groups; every fault is named."""

import io
import zipfile
from pathlib import Path

import numpy as np
import pytest
from PIL import Image
from torchvision import transforms

from bam import fixture
from bam.config_errors import validated
from bam.data.fetch import fetch
from bam.data.kinds import celeba
from bam.data.prepared import read_manifest
from bam.data.raw import raw_names
from bam.data.sources import read_sources
from bam.errors import ConfigError, DataError
from bam.files import read_json
from tests.serving import SOURCES, fetched, prepared, served

SCALE, WIDTH = 0.0005, 44
LAYOUTS = {"torchvision": "celeba", "kaggle": "celeba-kaggle", "wilds": "celeba-wilds"}


def settings(raw: str = "celeba", **more) -> dict:
    return {"kind": "celeba", "raw": raw, "side": 24, "counts": "any", **more}


@pytest.fixture(scope="module")
def mirror(tmp_path_factory) -> Path:
    """Return a folder with all three layouts of the same 101 faces."""
    folder = tmp_path_factory.mktemp("mirror")
    for layout in LAYOUTS:
        fixture.write("celeba", folder, SCALE, 0, [f"layout={layout}", f"width={WIDTH}"])
    return folder


@pytest.fixture(scope="module")
def raws(mirror, tmp_path_factory) -> dict[str, Path]:
    """Return the raw sets, fetched from a server."""
    folders = {name: tmp_path_factory.mktemp(name) for name in LAYOUTS.values()}
    with pytest.MonkeyPatch.context() as patch, served(mirror) as address:
        patch.setenv("BAM_MIRROR", address)
        for name, folder in folders.items():
            # The authors' files are known by their MD5; the fixture describes its own.
            fetched(name, folder, mirror / "datasets.yaml" if name == "celeba" else SOURCES)
    return folders


@pytest.mark.parametrize("name", LAYOUTS.values())
def test_every_layout_gives_the_same_arrays_and_groups(raws, tmp_path, name):
    folder, groups = prepared(settings(name), raws[name], tmp_path)
    manifest = read_manifest(folder)
    assert manifest.class_names == ("not blond", "blond")
    assert manifest.input_shape == (3, 24, 24)
    assert manifest.mean == (0.485, 0.456, 0.406)
    scheme = read_json(groups / "groups.json")
    assert scheme["names"] == ["not blond, female", "not blond, male", "blond, female", "blond, male"]
    assert scheme["minority"] == [False, False, False, True]
    assert scheme["counts"] == {"train": [36, 33, 11, 2], "val": [4, 4, 2, 2], "test": [5, 4, 2, 2]}
    reference, _ = prepared(settings(), raws["celeba"], tmp_path / "reference")
    for file in ("train/inputs.npy", "train/labels.npy", "test/inputs.npy"):
        assert (folder / file).read_bytes() == (reference / file).read_bytes()


def test_arrays_are_torchvisions_pixels(tmp_path):
    fixture.write("celeba", tmp_path, 0.0001, 0, ["layout=kaggle"])
    raw = tmp_path / "celeba-kaggle"
    folder, _ = prepared(settings("celeba-kaggle", side=224), raw, tmp_path / "out")
    inputs = np.load(folder / "train" / "inputs.npy")
    reference = transforms.Compose([transforms.CenterCrop(178), transforms.Resize((224, 224))])
    with zipfile.ZipFile(raw / "celeba-dataset.zip") as archive:
        for k in (0, len(inputs) - 1):
            name = f"img_align_celeba/img_align_celeba/{k + 1:06d}.jpg"
            image = Image.open(io.BytesIO(archive.read(name)))
            assert image.size == (178, 218)
            np.testing.assert_array_equal(inputs[k], np.asarray(reference(image)).transpose(2, 0, 1))


def test_the_published_counts_are_those_of_the_config():
    for name in LAYOUTS.values():
        expected = read_sources(SOURCES)[name].expected
        assert {split: tuple(cells.values()) for split, cells in expected.items()} == celeba.PUBLISHED
    totals = {split: sum(counts) for split, counts in celeba.PUBLISHED.items()}
    assert totals == {"train": 162_770, "val": 19_867, "test": 19_962}
    assert celeba.sizes(validated(celeba.Settings, {"kind": "celeba"}, "-")).n_minority == 1387


def test_the_published_md5s_refuse_other_files(mirror, tmp_path, monkeypatch):
    monkeypatch.setenv("BAM_MIRROR", str(mirror))
    published = read_sources(SOURCES)["celeba"]
    files = {name: file.model_copy(update={"sources": []}) for name, file in published.files.items()}
    assert all(file.md5 for file in files.values())
    with pytest.raises(DataError, match=r"has MD5 [0-9a-f]{32}, expected 00d2c5bc6d35e252742224ab0c1e8fcb"):
        fetch("celeba", published.model_copy(update={"files": files}), tmp_path / "out")
    assert not (tmp_path / "out" / "img_align_celeba.zip").exists()


def test_the_raw_set_is_the_settings_or_their_default():
    assert raw_names(celeba, {"kind": "celeba"}) == ("celeba",)
    assert raw_names(celeba, {"kind": "celeba", "raw": "celeba-wilds"}) == ("celeba-wilds",)
    with pytest.raises(ConfigError, match=r"there is no 'celeba-kagle' \(did you mean 'celeba-kaggle'\?\)"):
        validated(celeba.Settings, {"kind": "celeba", "raw": "celeba-kagle"}, "x")


@pytest.mark.parametrize("packed", [True, False])
def test_a_copy_that_the_user_has_is_taken_packed_or_not(mirror, raws, tmp_path, packed):
    mine = tmp_path / "mine"
    if packed:
        copy = mirror / "celeba-kaggle" / "celeba-dataset.zip"
    else:
        with zipfile.ZipFile(mirror / "celeba-kaggle" / "celeba-dataset.zip") as archive:
            archive.extractall(mine)
        copy = mine
    fetch("celeba-kaggle", read_sources(SOURCES)["celeba-kaggle"], tmp_path / "raw", copy=copy)
    assert read_json(tmp_path / "raw" / "fetched.json") == read_json(raws["celeba-kaggle"] / "fetched.json")
    prepared(settings("celeba-kaggle"), tmp_path / "raw", tmp_path / "out")


# Faults


def copied(raw: Path, tmp_path: Path, file: str, change) -> Path:
    """Copy the authors' files, one text changed."""
    folder = tmp_path / "raw"
    folder.mkdir()
    for path in raw.iterdir():
        contents = path.read_bytes()
        if path.name == file:
            changed = change(contents.decode().splitlines())
            contents = changed if isinstance(changed, bytes) else "\n".join(changed).encode()
        (folder / path.name).write_bytes(contents)
    return folder


def line_changed(old: str, new: str, line: int):
    return lambda lines: [*lines[: line - 1], lines[line - 1].replace(old, new), *lines[line:]]


@pytest.mark.parametrize(
    ("file", "change", "message"),
    [
        ("list_attr_celeba.txt", lambda lines: lines[1:], "line 1: expected the number of images"),
        ("list_attr_celeba.txt", lambda lines: lines[:-1], "has 106 images, its first line says 107"),
        ("list_attr_celeba.txt", lambda lines: b"107\n\xff", "line 2: is not UTF-8 text"),
        ("list_attr_celeba.txt", line_changed("Blond_Hair", "Hair", 2), "has no column 'Blond_Hair'"),
        (
            "list_attr_celeba.txt",
            line_changed("000004.jpg", "000003.jpg", 6),
            "line 6: image_id '000003.jpg' stands in",
        ),
        ("list_attr_celeba.txt", line_changed("000004.jpg", "000004.jpg 1", 6), "line 6: has 42 values, expected 41"),
        ("list_attr_celeba.txt", lambda lines: b"", "line 1: expected the number of images"),
        ("list_eval_partition.txt", line_changed(" 0", " 3", 4), "line 4: partition is '3', expected 0 or 1 or 2"),
        ("list_eval_partition.txt", line_changed(" 0", "", 4), "line 4: has 1 values, expected 2"),
        ("list_eval_partition.txt", lambda lines: lines[:-1], "lists 106 images, "),
    ],
)
def test_a_fault_of_a_list_is_named_with_file_and_line(raws, tmp_path, file, change, message):
    folder = copied(raws["celeba"], tmp_path, file, change)
    with pytest.raises(DataError) as error:
        prepared(settings(), folder, tmp_path / "out")
    assert message in str(error.value)
    assert str(folder / file) in str(error.value)
    assert "\n" not in str(error.value)
    assert not (tmp_path / "out").exists()


@pytest.mark.parametrize(("value", "column"), [("nan", "Male"), ("0", "Male"), ("2", "Blond_Hair")])
def test_an_attribute_that_is_neither_1_nor_minus_1_is_named(raws, tmp_path, value, column):
    def change(lines):
        place = 1 + lines[1].split().index(column)
        row = lines[9].split()
        row[place] = value
        return [*lines[:9], " ".join(row), *lines[10:]]

    folder = copied(raws["celeba"], tmp_path, "list_attr_celeba.txt", change)
    with pytest.raises(DataError, match=rf"line 10: {column} is '{value}', expected -1 or 1"):
        prepared(settings(), folder, tmp_path / "out")


def test_a_missing_list_is_named(raws, tmp_path):
    folder = copied(raws["celeba"], tmp_path, "", None)
    (folder / "list_eval_partition.txt").unlink()
    with pytest.raises(DataError, match=r"list_eval_partition.txt: is missing; run `bam fetch` again"):
        prepared(settings(), folder, tmp_path / "out")


def rezipped(raw: Path, tmp_path: Path, change) -> Path:
    folder = copied(raw, tmp_path, "", None)
    with zipfile.ZipFile(raw / "img_align_celeba.zip") as old:
        members = {name: old.read(name) for name in old.namelist()}
    change(members)
    with zipfile.ZipFile(folder / "img_align_celeba.zip", "w") as new:
        for name, contents in members.items():
            new.writestr(name, contents)
    return folder


def test_a_missing_image_is_named(raws, tmp_path):
    folder = rezipped(raws["celeba"], tmp_path, lambda members: members.pop("img_align_celeba/000007.jpg"))
    with pytest.raises(DataError, match=r"list_attr_celeba.txt: lists 000007.jpg, and .*img_align_celeba.zip has no"):
        prepared(settings(), folder, tmp_path / "out")


def test_an_image_that_is_there_twice_is_named(raws, tmp_path):
    folder = rezipped(raws["celeba"], tmp_path, lambda members: members.update({"other/000007.jpg": b"x"}))
    with pytest.raises(DataError, match=r"has 000007.jpg twice"):
        prepared(settings(), folder, tmp_path / "out")


def test_a_truncated_image_is_named_with_its_line(raws, tmp_path):
    def change(members):
        members["img_align_celeba/000007.jpg"] = members["img_align_celeba/000007.jpg"][:-200]

    folder = rezipped(raws["celeba"], tmp_path, change)
    with pytest.raises(DataError) as error:
        prepared(settings(), folder, tmp_path / "out")
    assert "img_align_celeba/000007.jpg (list_attr_celeba, line 9): cannot be decoded (image file is trunc" in str(
        error.value
    )
    assert not (tmp_path / "out" / "prepared" / "manifest.json").exists()


def test_a_zip_that_is_damaged_at_an_image_is_named(raws, tmp_path):
    folder = copied(raws["celeba"], tmp_path, "", None)
    contents = bytearray((folder / "img_align_celeba.zip").read_bytes())
    contents[contents.index(b"000007.jpg") + 300] ^= 255
    (folder / "img_align_celeba.zip").write_bytes(contents)
    with pytest.raises(DataError, match=r"000007.jpg .*cannot be decoded \(Bad CRC-32"):
        prepared(settings(), folder, tmp_path / "out")


def test_a_layout_that_there_is_not_is_named(tmp_path):
    with pytest.raises(ConfigError, match=r"layout=kagle: expected torchvision, kaggle, wilds"):
        fixture.write("celeba", tmp_path, SCALE, 0, ["layout=kagle"])
