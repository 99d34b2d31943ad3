"""Waterbirds from an archive that a server has to arrays and groups; every fault is named; pixels are torchvision's."""

import gzip
import io
import json
import tarfile
from pathlib import Path

import numpy as np
import pytest
from PIL import Image
from torchvision import transforms

from bam import catalogue, fixture
from bam.config_errors import validated
from bam.data.counts import check_counts
from bam.data.kinds import controlled_waterbirds, waterbirds
from bam.data.origin import MARK
from bam.data.prepared import read_manifest
from bam.data.sources import read_sources
from bam.data.transforms import crop_then_resize, resize_then_crop
from bam.data.waterbird_list import PUBLISHED
from bam.errors import ConfigError, DataError
from bam.files import read_json
from bam.plan import data_set
from tests.serving import SOURCES, fetched, prepared, served

ROOT_NAME = "waterbird_complete95_forest2water2"
SETTINGS = {"kind": "waterbirds", "side": 28, "counts": "any"}


@pytest.fixture(scope="module")
def mirror(tmp_path_factory) -> Path:
    """Return a folder as `bam fixture waterbirds` writes it: 122 birds."""
    folder = tmp_path_factory.mktemp("mirror")
    fixture.write("waterbirds", folder, 0.01, 0, ["side=48"])
    return folder


@pytest.fixture(scope="module")
def raw(mirror, tmp_path_factory) -> Path:
    """Return the raw set, fetched from a server."""
    folder = tmp_path_factory.mktemp("raw")
    with pytest.MonkeyPatch.context() as patch, served(mirror) as address:
        patch.setenv("BAM_MIRROR", address)
        fetched("waterbirds", folder)
    return folder


def members_of(raw: Path) -> dict[str, bytes]:
    with tarfile.open(raw / f"{ROOT_NAME}.tar") as archive:
        return {info.name: archive.extractfile(info).read() for info in archive}


def put(members: dict[str, bytes], folder: Path) -> Path:
    folder.mkdir()
    with tarfile.open(folder / f"{ROOT_NAME}.tar", "w") as archive:
        for name, contents in members.items():
            info = tarfile.TarInfo(name)
            info.size = len(contents)
            archive.addfile(info, io.BytesIO(contents))
    return folder


def fault(raw: Path, tmp_path: Path, change, settings=SETTINGS) -> str:
    """Return the message about an archive in which `change` has changed members and lines of the list."""
    members = members_of(raw)
    lines = members[f"{ROOT_NAME}/metadata.csv"].decode().splitlines()
    changed = change(members, lines)
    lines = lines if changed is None else changed
    if f"{ROOT_NAME}/metadata.csv" in members:
        members[f"{ROOT_NAME}/metadata.csv"] = lines if isinstance(lines, bytes) else "\n".join(lines).encode()
    with pytest.raises(DataError) as error:
        prepared(settings, put(members, tmp_path / "raw"), tmp_path / "out")
    assert not (tmp_path / "out" / "prepared" / "manifest.json").exists(), "nothing half-prepared has its final name"
    return str(error.value)


# From the server to arrays and groups


def test_from_a_server_to_arrays_and_groups(raw, tmp_path):
    folder, groups = prepared(SETTINGS, raw, tmp_path)
    manifest = read_manifest(folder)
    assert manifest.sizes == {"train": 50, "val": 14, "test": 58}
    assert (manifest.input_shape, manifest.mean, manifest.std) == (
        (3, 28, 28),
        (0.485, 0.456, 0.406),
        (0.229, 0.224, 0.225),
    )
    assert manifest.class_names == ("landbird", "waterbird")
    scheme = read_json(groups / "groups.json")
    assert scheme["names"] == ["landbird, land", "landbird, water", "waterbird, land", "waterbird, water"]
    assert scheme["minority"] == [False, True, True, False]
    assert scheme["counts"]["train"] == [35, 2, 2, 11]
    assert list(np.bincount(np.load(folder / "train" / "labels.npy"))) == [37, 13]


def test_arrays_are_torchvisions_pixels_in_the_order_of_the_list(raw, tmp_path):
    folder, _ = prepared({**SETTINGS, "side": 224}, raw, tmp_path)
    members = members_of(raw)
    rows = [line.split(",") for line in members[f"{ROOT_NAME}/metadata.csv"].decode().splitlines()[1:]]
    reference = transforms.Compose([transforms.Resize((256, 256)), transforms.CenterCrop((224, 224))])
    for split, code in (("train", "0"), ("test", "2")):
        inputs = np.load(folder / split / "inputs.npy")
        names = [row[1] for row in rows if row[3] == code]
        assert len(inputs) == len(names)
        for k in (0, 7, len(names) - 1):
            image = Image.open(io.BytesIO(members[f"{ROOT_NAME}/{names[k]}"])).convert("RGB")
            np.testing.assert_array_equal(inputs[k], np.asarray(reference(image)).transpose(2, 0, 1))


@pytest.mark.parametrize("size", [(500, 375), (333, 500), (178, 218), (120, 90), (224, 224), (256, 256), (257, 259)])
def test_both_transforms_are_torchvisions_on_any_size(size):
    pixels = np.random.default_rng(0).integers(0, 256, size=(size[1], size[0], 3), dtype=np.uint8)
    image = Image.fromarray(pixels)
    birds = transforms.Compose([transforms.Resize((256, 256)), transforms.CenterCrop((224, 224))])
    np.testing.assert_array_equal(np.asarray(resize_then_crop(image, 224)), np.asarray(birds(image)))
    faces = transforms.Compose([transforms.CenterCrop(min(size)), transforms.Resize((224, 224))])
    np.testing.assert_array_equal(np.asarray(crop_then_resize(image, 224)), np.asarray(faces(image)))


def test_grey_images_and_images_with_a_palette_become_rgb(raw, tmp_path):
    members = members_of(raw)
    name = next(name for name in members if name.endswith(".jpg"))
    buffer = io.BytesIO()
    Image.new("L", (60, 50), 77).save(buffer, "JPEG")
    members[name] = buffer.getvalue()
    prepared(SETTINGS, put(members, tmp_path / "raw"), tmp_path / "out")


def test_the_archive_may_have_no_folder_around_it_as_in_wilds(raw, tmp_path):
    members = {name.removeprefix(f"{ROOT_NAME}/"): contents for name, contents in members_of(raw).items()}
    ours, _ = prepared(SETTINGS, put(members, tmp_path / "raw"), tmp_path / "out")
    theirs, _ = prepared(SETTINGS, raw, tmp_path / "other")
    assert (ours / "train" / "inputs.npy").read_bytes() == (theirs / "train" / "inputs.npy").read_bytes()


# Published counts


def test_the_published_counts_are_those_of_the_config_and_of_the_literature():
    expected = read_sources(SOURCES)["waterbirds"].expected
    assert {split: list(cells.values()) for split, cells in expected.items()} == {
        split: list(counts) for split, counts in PUBLISHED.items()
    }
    assert {split: sum(counts) for split, counts in PUBLISHED.items()} == {"train": 4795, "val": 1199, "test": 5794}
    settings = validated(waterbirds.Settings, {"kind": "waterbirds"}, "-")
    assert waterbirds.sizes(settings).n_minority == 240


def test_one_missing_row_is_refused_with_what_was_expected_and_seen():
    groups = {split: np.repeat(np.arange(4), counts) for split, counts in PUBLISHED.items()}
    names = ["landbird, land", "landbird, water", "waterbird, land", "waterbird, water"]
    check_counts(groups, PUBLISHED, names, "x.tar: metadata.csv")
    groups["val"] = groups["val"][:-1]
    with pytest.raises(DataError) as error:
        check_counts(groups, PUBLISHED, names, "x.tar: metadata.csv")
    assert str(error.value).startswith("x.tar: metadata.csv: the groups are not as large as published")
    assert str(error.value).endswith(": val 'waterbird, water' has 132 of 133")


def test_a_set_of_another_size_is_refused_unless_the_settings_allow_it(raw, tmp_path):
    message = fault(raw, tmp_path, lambda members, lines: None, {"kind": "waterbirds", "side": 28})
    assert "train 'landbird, land' has 35 of 3,498; train 'landbird, water' has " in message
    assert not (tmp_path / "out").exists()


# Faults


def swapped(column: int, value: str, line: int = 17):
    def change(members, lines):
        row = lines[line - 1].split(",")
        row[column] = value
        lines[line - 1] = ",".join(row)

    return change


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (swapped(2, "nan"), "metadata.csv: line 17: y is 'nan', expected 0 or 1"),
        (swapped(2, ""), "metadata.csv: line 17: y is '', expected 0 or 1"),
        (swapped(2, "2"), "metadata.csv: line 17: y is '2', expected 0 or 1"),
        (swapped(4, "land"), "metadata.csv: line 17: place is 'land', expected 0 or 1"),
        (swapped(3, "3"), "metadata.csv: line 17: split is '3', expected 0 or 1 or 2"),
        (swapped(0, "1"), "metadata.csv: line 17: img_id '1' stands in line 2 already"),
        (swapped(1, "no/such.jpg"), f"metadata.csv: line 17: the archive has no {ROOT_NAME}/no/such.jpg"),
        (swapped(5, "a,b"), "metadata.csv: line 17: has 7 values, expected 6"),
    ],
)
def test_a_wrong_value_is_named_with_its_line(raw, tmp_path, change, message):
    seen = fault(raw, tmp_path, change)
    assert message in seen
    assert "\n" not in seen


def test_a_list_with_other_columns_is_refused(raw, tmp_path):
    def change(members, lines):
        lines[0] = lines[0].replace("y,", "label,")

    assert "metadata.csv: has no column 'y'; it has img_id, img_filename, label, split" in fault(raw, tmp_path, change)


@pytest.mark.parametrize("encoding", ["utf-16", "latin-1"])
def test_a_list_in_another_encoding_is_refused(raw, tmp_path, encoding):
    seen = fault(raw, tmp_path, lambda members, lines: "\n".join([*lines, "é"]).encode(encoding))
    line = 1 if encoding == "utf-16" else 124
    assert f"metadata.csv: line {line}: is not UTF-8 text" in seen


@pytest.mark.parametrize("contents", [b"", b"\x00\x00", b'img_id,"x\n'])
def test_a_list_that_is_none_is_refused(raw, tmp_path, contents):
    assert "metadata.csv" in fault(raw, tmp_path, lambda members, lines: contents)


def test_one_class_only_is_refused(raw, tmp_path):
    def change(members, lines):
        return [lines[0], *(line for line in lines[1:] if line.split(",")[2] == "0")]

    assert "train has no example of the class 'waterbird'" in fault(raw, tmp_path, change)


def test_an_archive_without_its_list_is_refused(raw, tmp_path):
    def change(members, lines):
        del members[f"{ROOT_NAME}/metadata.csv"]

    assert "has no metadata.csv" in fault(raw, tmp_path, change)


@pytest.mark.parametrize("contents", ["truncated", b"", b"<html>not a bird</html>", b"\xff\xd8\xff\xe0 broken"])
def test_an_image_that_cannot_be_decoded_is_named_with_its_line(raw, tmp_path, contents):
    named = {}

    def change(members, lines):
        name = f"{ROOT_NAME}/{lines[16].split(',')[1]}"
        named["it"] = name
        members[name] = members[name][: len(members[name]) // 2] if contents == "truncated" else contents

    seen = fault(raw, tmp_path, change)
    assert f"{ROOT_NAME}.tar: {named['it']} (metadata.csv, line 17): cannot be decoded (" in seen
    assert "\n" not in seen


def test_what_an_interrupted_prepare_has_left_is_gone_on_with(raw, tmp_path, monkeypatch):
    from bam.data import blocks

    monkeypatch.setattr(blocks, "BLOCK_BYTES", 10 * 3 * 28 * 28)
    members = members_of(raw)
    last = [line.split(",") for line in members[f"{ROOT_NAME}/metadata.csv"].decode().splitlines()[1:]][-1][1]
    broken = {**members, f"{ROOT_NAME}/{last}": b"broken"}
    with pytest.raises(DataError, match="cannot be decoded"):
        prepared(SETTINGS, put(broken, tmp_path / "broken"), tmp_path / "out")
    ours, _ = prepared(SETTINGS, raw, tmp_path / "out")
    theirs, _ = prepared(SETTINGS, raw, tmp_path / "whole")
    assert read_manifest(ours) == read_manifest(theirs)


def test_without_the_archive_fetch_is_named(tmp_path):
    with pytest.raises(DataError, match=r"\.tar: is missing; run `bam fetch` again"):
        prepared(SETTINGS, tmp_path, tmp_path / "out")


# Controlled-Waterbirds


def controlled(**changes) -> dict:
    sizes = {"WW": 18, "WL": 5, "LW": 9, "LL": 31, **changes}
    return {"kind": "controlled_waterbirds", "sizes": sizes, "side": 28, "counts": "any", "data_seed": 0}


def test_controlled_group_sizes_are_exact_and_split_within_groups(raw, tmp_path):
    folder, groups = prepared(controlled(), raw, tmp_path)
    counts = read_json(groups / "groups.json")["counts"]  # landbird land, water; waterbird land, water
    assert counts == {"train": [21, 7, 3, 12], "val": [5, 1, 1, 3], "test": [5, 1, 1, 3]}
    settings = validated(controlled_waterbirds.Settings, controlled(), "-")
    sizes = controlled_waterbirds.sizes(settings)
    assert sizes.n_examples == read_manifest(folder).sizes
    assert sizes.n_minority == 10


def test_no_image_is_drawn_twice_and_seeds_draw_differently(raw, tmp_path):
    def images(seed: int, out: Path) -> list[bytes]:
        folder, _ = prepared({**controlled(), "data_seed": seed}, raw, out)
        return [
            image.tobytes() for split in ("train", "val", "test") for image in np.load(folder / split / "inputs.npy")
        ]

    first = images(0, tmp_path / "a")
    assert len(set(first)) == 63
    assert first == images(0, tmp_path / "b")
    assert first != images(1, tmp_path / "c")


@pytest.mark.parametrize(("name", "n_pool"), [("WW", 1832), ("WL", 831), ("LW", 2905), ("LL", 6220)])
def test_more_than_the_pool_is_refused_before_anything_is_read(name, n_pool):
    def settings(n):
        return {**controlled(**{name: n}), "counts": "published"}

    validated(controlled_waterbirds.Settings, settings(n_pool), "x")
    with pytest.raises(ConfigError, match=rf"x: sizes.{name}: {n_pool + 1:,} is more than the {n_pool:,} images"):
        validated(controlled_waterbirds.Settings, settings(n_pool + 1), "x")


def test_more_than_a_small_pool_has_is_refused(raw, tmp_path):
    with pytest.raises(DataError, match=r"sizes\.WL asks for 100"):
        prepared(controlled(WL=100), raw, tmp_path)


# The fixture


def test_the_fixture_is_the_same_for_the_same_seed_alone(mirror, tmp_path):
    def written(seed: int) -> bytes:
        fixture.write("waterbirds", tmp_path / str(seed), 0.01, seed, ["side=48"])
        return (tmp_path / str(seed) / "waterbirds" / f"{ROOT_NAME}.tar.gz").read_bytes()

    here = (mirror / "waterbirds" / f"{ROOT_NAME}.tar.gz").read_bytes()
    assert written(0) == here
    assert written(1) != here


def test_the_fixtures_list_has_the_published_columns_and_paths(mirror):
    contents = gzip.decompress((mirror / "waterbirds" / f"{ROOT_NAME}.tar.gz").read_bytes())
    with tarfile.open(fileobj=io.BytesIO(contents)) as archive:
        names = archive.getnames()
        lines = archive.extractfile(f"{ROOT_NAME}/metadata.csv").read().decode().splitlines()
    assert lines[0] == "img_id,img_filename,y,split,place,place_filename"
    members = {f"{ROOT_NAME}/{line.split(',')[1]}" for line in lines[1:]}
    assert members == set(names) - {f"{ROOT_NAME}/metadata.csv", MARK}


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (("waterbird", 1.0, []), "there is no fixture 'waterbird' (did you mean 'waterbirds'?)"),
        (("waterbirds", 0.0, []), "--scale: 0 is not allowed"),
        (
            ("waterbirds", 1.0, ["sidde=4"]),
            "waterbirds has no option 'sidde' (did you mean 'side'?); there is side, con",
        ),
        (("waterbirds", 1.0, ["side=x"]), "--set side=x: expected a value such as 256, as in side=256"),
        (("waterbirds", 1.0, ["side=["]), "--set side=[: expected a value such as 256"),
        (("waterbirds", 1.0, ["side=4"]), "expected at least 16"),
    ],
)
def test_a_wrong_option_of_the_fixture_is_named(tmp_path, arguments, message):
    name, scale, options = arguments
    with pytest.raises(ConfigError) as error:
        fixture.write(name, tmp_path, scale, 0, options)
    assert message in str(error.value)
    assert list(tmp_path.iterdir()) == []


# Ids


def test_kinds_declare_what_selection_may_hope_for_and_ids_follow_the_settings():
    assert waterbirds.VALIDATION == "as_test"
    assert controlled_waterbirds.VALIDATION == "as_train"
    sources = read_sources(SOURCES)
    ids = {data_set({"kind": "waterbirds", "side": side}, sources).data_id for side in (64, 224)}
    assert len(ids) == 2
    assert json.dumps(catalogue.names("kind")).count("waterbirds") == 2
