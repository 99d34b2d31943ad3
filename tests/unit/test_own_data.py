"""One's own data: tables and folders as they are, splits with exact counts, and each mistake in one line."""

import os
from collections import Counter
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from hypothesis import HealthCheck, given
from hypothesis import settings as examples_of
from hypothesis import strategies as st
from PIL import Image

from bam.config_errors import validated
from bam.data import own_hashes
from bam.data.annotate import write_groups
from bam.data.columns import read_columns
from bam.data.examples import SPLITS
from bam.data.kinds import own_data
from bam.data.own_hashes import hash_files
from bam.data.own_rows import in_order, sound_rows
from bam.data.own_split import make_split, stratum_counts
from bam.data.pictures import read_picture
from bam.data.prepare import write_prepared
from bam.errors import ConfigError, DataError
from bam.groups import read_scheme, read_split
from bam.plan import make_plan
from bam.study import check_study, parse_study
from tests import own


@pytest.fixture(autouse=True)
def caches(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "caches"))
    return tmp_path / "caches"


def settings(**entry) -> own_data.OwnSettings:
    return validated(own_data.Settings, {"kind": "own_data", **entry}, "mine")


def pictures(folder: Path, **entry) -> own_data.OwnSettings:
    """Return the settings of `own.write_pictures` with groups."""
    if not (folder / "table.csv").exists():
        own.write_pictures(folder)
    named = {"table": str(folder / "table.csv"), "folder": str(folder / "files"), "path": "path", "label": "label"}
    return settings(**{**named, "attributes": ["background"], "side": 16, **entry})


# Splits


@examples_of(deadline=None, suppress_health_check=[HealthCheck.too_slow])
@given(st.integers(0, 300), st.lists(st.integers(1, 20), min_size=3, max_size=3))
def test_a_stratum_is_cut_to_the_nearest_whole_numbers(n: int, weights: list[int]):
    sizes = [weight / sum(weights) for weight in weights]
    counts = stratum_counts(n, sizes)
    assert sum(counts) == n
    assert all(count >= (1 if n >= 3 else 0) for count in counts)
    # Within one of the exact share, where no split had to be given its only example.
    if min(n * size for size in sizes) >= 1:
        assert all(abs(count - n * size) < 1 for count, size in zip(counts, sizes, strict=True))


def test_a_split_is_stratified_by_label_and_attributes_and_follows_the_seed(tmp_path: Path):
    arranged = own_data.sound_arrangement(pictures(tmp_path))
    # 80 images, 40 of a class, 8 of which have the other class's background.
    assert {s: arranged.group_counts(s).tolist() for s in SPLITS} == {
        "train": [[6, 22], [22, 6]],
        "val": [[1, 5], [5, 1]],
        "test": [[1, 5], [5, 1]],
    }
    same, other = (own_data.sound_arrangement(pictures(tmp_path, data_seed=seed)) for seed in (0, 1))
    assert all(np.array_equal(arranged.indices[split], same.indices[split]) for split in SPLITS)
    assert not np.array_equal(arranged.indices["test"], other.indices["test"])
    together = np.concatenate([arranged.indices[split] for split in SPLITS])
    assert sorted(together.tolist()) == list(range(80))


def test_another_stratum_leaves_the_split_of_the_others_as_it_was():
    strata = [("cat", "red"), ("dog", "red")] * 20
    before = make_split(strata, [0.5, 0.25, 0.25], 7)
    after = make_split([*strata, *[("owl", "red")] * 9], [0.5, 0.25, 0.25], 7)
    assert after[:40] == before
    assert Counter(after[40:]) == {"train": 5, "val": 2, "test": 2}


def test_a_split_column_is_taken_as_it_is(tmp_path: Path):
    table = own.write_texts(tmp_path / "t.csv", 60)
    frame = pd.read_csv(table)
    frame["part"] = [["train", "train", "validation", "TEST", "0", "2"][k // 2 % 6] for k in range(60)]
    frame.to_csv(table, index=False)
    entry = {"table": str(table), "text": "text", "label": "label", "tokenizer": "t"}
    arranged = own_data.sound_arrangement(settings(**entry, split="part"))
    assert {split: len(arranged.indices[split]) for split in SPLITS} == {"train": 30, "val": 10, "test": 20}


def test_classes_stand_in_order_by_number_if_they_are_numbers():
    assert in_order(["10", "9", "-1", "9"]) == ["-1", "9", "10"]
    assert in_order(["b", "a", "10"]) == ["10", "a", "b"]


# Groups


def test_groups_are_label_times_the_combinations_that_occur(tmp_path: Path):
    rows = [(f"text {k}", "ab"[k % 2], "rg"[k // 2 % 2], "xy"[k // 4 % 2]) for k in range(64)]
    table = own.write_csv(tmp_path / "t.csv", ("text", "label", "hue", "shape"), rows)
    entry = {"table": str(table), "text": "text", "label": "label", "tokenizer": "t"}
    both = own_data.sound_arrangement(settings(**entry, attributes=["hue", "shape"])).groups
    assert (both.attribute, both.values) == ("hue + shape", ("g, x", "g, y", "r, x", "r, y"))
    one = own_data.sound_arrangement(settings(**entry, attributes=["hue", "shape"], group_by="shape")).groups
    assert (one.attribute, one.values) == ("shape", ("x", "y"))
    # The split is stratified by all attributes, whichever of them makes the groups.
    alone = own_data.sound_arrangement(settings(**entry, attributes=["hue", "shape"], group_by="hue"))
    assert np.array_equal(
        alone.indices["train"],
        own_data.sound_arrangement(settings(**entry, attributes=["hue", "shape"])).indices["train"],
    )


def test_minority_groups_are_named_or_all_but_the_largest_of_a_class(tmp_path: Path):
    by_size = own_data.read_examples({}, pictures(tmp_path, minority="all_but_largest"))
    named = own_data.read_examples({}, pictures(tmp_path, minority=["cat, green", "dog, red"]))
    # Values in order: green, red; a cat is red mostly, a dog green.
    assert by_size.minority == named.minority == frozenset({(0, 0), (1, 1)})
    assert own_data.sizes(pictures(tmp_path, minority="all_but_largest")).n_minority == 12
    with pytest.raises(DataError, match=r"there is no group 'cat, blue'; there is cat, green; cat, red"):
        own_data.sizes(pictures(tmp_path, minority=["cat, blue"]))


def test_an_empty_group_is_refused_unless_it_is_declared(tmp_path: Path):
    rows = [(f"text {k}", "ab"[k % 2], "r" if k % 2 else "rg"[k // 2 % 2]) for k in range(60)]
    table = own.write_csv(tmp_path / "t.csv", ("text", "label", "hue"), rows)
    tokenizer = own.write_tokenizer(tmp_path / "tokenizer")
    entry = {"table": str(table), "text": "text", "label": "label", "tokenizer": str(tokenizer), "max_length": 8}
    with pytest.raises(DataError, match=r"group 'b, g' has no example in train and val and test"):
        own_data.sizes(settings(**entry, attributes=["hue"]))
    examples = own_data.read_examples({}, settings(**entry, attributes=["hue"], allow_empty=True))
    write_groups(examples, tmp_path / "groups")
    assert read_scheme(tmp_path / "groups").declared_empty == ("b, g",)


HOSTILE = ('a, "quoted"', "line\nbreak", "$(touch hacked)", "naïve 🐦", "back\\slash `x` {y} | z", "carriage\rreturn")


def test_names_of_any_shape_survive_the_way_to_the_group_files(tmp_path: Path):
    rows = [(f"text {k}", HOSTILE[k % 6], HOSTILE[k // 6 % 6]) for k in range(36 * 6)]
    table = own.write_csv(tmp_path / "t.csv", ("text", "label", "hue"), rows)
    tokenizer = own.write_tokenizer(tmp_path / "tokenizer")
    entry = {"table": str(table), "text": "text", "label": "label", "tokenizer": str(tokenizer), "max_length": 8}
    examples = own_data.read_examples({}, settings(**entry, attributes=["hue"]))
    assert sorted(HOSTILE) == list(examples.class_names)
    write_groups(examples, tmp_path / "groups")
    names = read_scheme(tmp_path / "groups").names
    assert f"{HOSTILE[1]}, {HOSTILE[0]}" in names
    for split in SPLITS:
        found = read_split(tmp_path / "groups" / f"{split}.csv")
        assert found.membership.shape[1] == len(names) == 36
        assert (found.membership.sum(axis=1) == 1).all()


# Inputs


def test_images_are_turned_cut_to_the_central_square_and_resized(tmp_path: Path):
    pixels = np.zeros((12, 24, 3), dtype=np.uint8)
    pixels[:, 6:18] = (10, 20, 30)
    pixels[:6, 6:18, 0] = 200
    Image.fromarray(pixels).save(tmp_path / "wide.png")
    seen = read_picture(tmp_path / "wide.png", 12)
    assert np.array_equal(seen, np.moveaxis(pixels[:, 6:18], -1, 0))
    exif = Image.Exif()
    exif[0x0112] = 6  # to be turned by 90 degrees clockwise when shown
    Image.fromarray(pixels).save(tmp_path / "turned.png", exif=exif)
    assert np.array_equal(read_picture(tmp_path / "turned.png", 12), np.rot90(seen, -1, axes=(1, 2)))
    Image.fromarray(pixels[..., 0]).save(tmp_path / "grey.png")
    assert np.array_equal(read_picture(tmp_path / "grey.png", 12), np.repeat(seen[:1], 3, axis=0))


def test_a_resized_image_is_close_to_the_mean_of_what_it_covers(tmp_path: Path):
    pixels = np.random.default_rng(0).integers(0, 256, (40, 40, 3)).astype(np.uint8)
    Image.fromarray(pixels).save(tmp_path / "a.png")
    means = np.moveaxis(pixels.reshape(8, 5, 8, 5, 3).mean(axis=(1, 3)), -1, 0)
    assert np.abs(read_picture(tmp_path / "a.png", 8) - means).mean() < 20  # a triangle reaches further than a box


def test_unreadable_images_say_why(tmp_path: Path):
    Image.new("RGB", (30, 30), "red").save(tmp_path / "whole.jpg")
    (tmp_path / "cut.jpg").write_bytes((tmp_path / "whole.jpg").read_bytes()[:-200])
    (tmp_path / "text.png").write_text("no image")
    (tmp_path / "empty.png").write_bytes(b"")
    Image.fromarray(np.full((9, 9), 40000, dtype=np.uint16)).save(tmp_path / "deep.png")
    for name, reason in (
        ("cut.jpg", "cannot be read as an image"),
        ("text.png", "cannot be read as an image"),
        ("empty.png", "cannot be read as an image"),
        ("deep.png", "has more than 8 bits a channel; save it with 8"),
        ("none.png", "is missing"),
    ):
        with pytest.raises(DataError) as error:
            read_picture(tmp_path / name, 8)
        assert str(error.value).startswith(f"{tmp_path / name}: {reason}")
        assert "\n" not in str(error.value)


@pytest.mark.parametrize("has_splits", [False, True])
def test_a_folder_of_images_is_one_folder_a_class_with_or_without_splits(tmp_path: Path, has_splits: bool):
    tops = ("train", "val", "test") if has_splits else ("",)
    for top in tops:
        for label in own.LABELS:
            folder = tmp_path / "images" / top / label / "deeper"
            folder.mkdir(parents=True)
            for k in range(6):
                Image.new("RGB", (9, 9), (k, 0, 0)).save(folder / f"{k}.JPG", format="JPEG")
            (folder / "notes.txt").write_text("-")
            (folder / ".hidden.png").write_text("-")
    given = settings(images=str(tmp_path / "images"), side=8)
    rows = sound_rows(given)
    assert rows.notes == [
        f"{2 * len(tops)} files are no images by their names and are left out: {2 * len(tops)} of .txt"
    ]
    arranged = own_data.sound_arrangement(given)
    assert arranged.class_names == own.LABELS
    assert arranged.groups is None
    expected = dict.fromkeys(SPLITS, 12) if has_splits else {"train": 8, "val": 2, "test": 2}
    assert {split: len(arranged.indices[split]) for split in SPLITS} == expected
    examples = own_data.read_examples({}, given)
    write_prepared(examples, {}, tmp_path / "prepared")
    write_groups(examples, tmp_path / "groups")
    assert read_scheme(tmp_path / "groups").names == ()
    assert np.load(tmp_path / "prepared" / "test" / "inputs.npy").shape == (expected["test"], 3, 8, 8)


def test_a_parquet_table_reads_as_its_csv_does(tmp_path: Path):
    frame = pd.DataFrame({"text": ["a", "b"], "label": [1, 2], "other": [1.0, None]})
    frame.to_csv(tmp_path / "t.csv", index=False)
    frame.to_parquet(tmp_path / "t.parquet")
    names = ("text", "label", "other")
    found = {suffix: read_columns(tmp_path / f"t.{suffix}", names) for suffix in ("csv", "parquet")}
    assert {k: list(v) for k, v in found["parquet"].values.items()} == {
        "text": ["a", "b"],
        "label": ["1", "2"],
        "other": ["1", ""],
    }
    assert found["csv"].values["label"] == found["parquet"].values["label"]
    assert [found["csv"].at(1), found["parquet"].at(1)] == [
        f"{tmp_path}/t.csv: line 3",
        f"{tmp_path}/t.parquet: row 2",
    ]


# Mistakes


TEXTS = {"label": "label", "text": "text", "tokenizer": "t"}
HEADER = "text,label\n"
GOOD = "".join(f"text {k},{'ab'[k % 2]}\n" for k in range(20))
FAULTS = {
    "no file": (None, "cannot be read (No such file or directory)"),
    "no column": ("text,lable\na,b\n", "has no column 'label' (did you mean 'lable'?); it has 'text', 'lable'"),
    "another separator": ("text;label\na;b\n", "it has 'text;label'; is it separated by something other than commas?"),
    "a column twice": ("text,label,label\na,b,c\n", "has the column 'label' twice"),
    "no row": (HEADER, "has a header and no row"),
    "nothing": ("", "does not begin with a header of column names"),
    "a ragged row": (HEADER + "a,b\nc, d, e\n", "line 3: has 3 cells, the header has 2"),
    "an open quote": (HEADER + 'a,b\n"c,d\n', "is not CSV (unexpected end of data)"),
    "an empty label": (HEADER + GOOD + "x,\n", "line 22: label is empty"),
    "NaN": (HEADER + GOOD + "x,nan\n", "line 22: label 'nan' is not a value (NaN)"),
    "a formula": (HEADER + GOOD + "x,=HYPERLINK()\n", "line 22: label '=HYPERLINK()' begins like a formula"),
    "HTML": (HEADER + GOOD + "x,<script>\n", "line 22: label '<script>' holds an HTML tag"),
    "an empty text": (HEADER + GOOD + " ,a\n", "line 22: text is empty"),
    "one class": (HEADER + "x,a\ny,a\n", "all examples have the class 'a'; expected two classes or more"),
    "numbers": (HEADER + "".join(f"x,{k}\n" for k in range(300)), "has 300 classes, expected at most 256"),
    "too few": (HEADER + GOOD + "x,rare\ny,rare\n", "class 'rare' has no example in val"),
}


@pytest.mark.parametrize("fault", FAULTS)
def test_a_fault_of_a_table_is_one_line_with_file_and_place(tmp_path: Path, fault: str):
    content, message = FAULTS[fault]
    path = tmp_path / "t.csv"
    if content is not None:
        path.write_text(content)
    with pytest.raises(DataError) as error:
        own_data.sizes(settings(table=str(path), **TEXTS))
    assert str(error.value).startswith(f"{path}: ")
    assert message in str(error.value)
    assert "\n" not in str(error.value)


def test_another_encoding_is_named_with_its_line(tmp_path: Path):
    (tmp_path / "t.csv").write_bytes("text,label\na,b\nKäse,b\n".encode("latin-1"))
    with pytest.raises(DataError, match=r"t\.csv: line 3: is not UTF-8; save the file as UTF-8"):
        own_data.sizes(settings(table=str(tmp_path / "t.csv"), **TEXTS))
    (tmp_path / "t.csv").write_bytes(b"\xef\xbb\xbf" + (HEADER + GOOD).encode())
    assert own_data.sizes(settings(table=str(tmp_path / "t.csv"), **TEXTS)).n_classes == 2


PATHS = {
    "../secret.png": "leaves the folder",
    "/etc/passwd": "leaves the folder",
    "a/../../b.png": "leaves the folder",
    "C:\\x.png": "leaves the folder",
    "picture 0.png": "stands in line 2 too; remove one",
    "./picture 0.png": "stands in line 2 too; remove one",
    "none.png": "is no file",
    "": "path is empty",
}


@pytest.mark.parametrize("name", PATHS)
def test_a_path_that_leads_nowhere_good_is_named(tmp_path: Path, name: str):
    own.write_pictures(tmp_path)
    with open(tmp_path / "table.csv", "a", encoding="utf-8") as file:
        file.write(f"{name},cat,red\n")
    with pytest.raises(DataError, match=r"line 82: ") as error:
        own_data.sizes(pictures(tmp_path))
    assert PATHS[name] in str(error.value)


def test_several_faults_are_counted(tmp_path: Path):
    (tmp_path / "t.csv").write_text(HEADER + "a,\nb,\nc,x\n")
    with pytest.raises(DataError, match=r"and 2 more; see `bam doctor`"):
        own_data.sizes(settings(table=str(tmp_path / "t.csv"), **TEXTS))


SETTINGS = [
    ({}, "give either table"),
    ({"table": "t.csv", "images": "i"}, "give either table"),
    ({"table": "t.csv"}, "label is missing"),
    ({"table": "t.csv", "label": "l"}, "give either path"),
    ({"table": "t.csv", "label": "l", "text": "t"}, "text needs a tokenizer"),
    ({"table": "t.csv", "label": "l", "path": "p", "tokenizer": "t"}, "go with text"),
    ({"images": "i", "label": "l"}, "label goes with a table"),
    ({"table": "t.csv", "label": "l", "path": "l"}, "the column 'l' is named twice"),
    ({"table": "t.csv", "label": "l", "path": "p", "attributes": ["index"]}, "may not be called 'index'"),
    ({"table": "t.csv", "label": "l", "path": "p", "group_by": "a"}, "group_by 'a' is not among attributes"),
    ({"images": "i", "sizes": [0.5, 0.2, 0.2]}, "sizes add up to 0.9, expected 1"),
    ({"images": "i", "minority": "all_but_largest"}, "minority groups need attributes"),
    ({"table": "t.csv", "attribute": "l"}, "unknown key (did you mean 'attributes'?)"),
]


@pytest.mark.parametrize(("entry", "message"), SETTINGS)
def test_settings_that_do_not_go_together_are_refused(entry: dict, message: str):
    with pytest.raises(ConfigError) as error:
        settings(**entry)
    assert message in str(error.value)


# Contents


def test_every_change_of_contents_changes_the_fingerprint_and_nothing_else_does(tmp_path: Path):
    given = pictures(tmp_path).model_dump()
    first = own_data.fingerprint(given)
    assert own_data.fingerprint({**given, "fingerprint": first, "data_seed": 4}) == first
    image = tmp_path / "files" / "picture 3.png"
    before = image.stat()
    content = bytearray(image.read_bytes())
    content[-20] ^= 1
    image.write_bytes(content)
    # Dates and size as they were: what a fast check of size and mtime would believe.
    os.utime(image, ns=(before.st_atime_ns, before.st_mtime_ns))
    assert image.stat().st_size == before.st_size
    second = own_data.fingerprint(given)
    assert second != first
    table = tmp_path / "table.csv"
    table.write_text(table.read_text().replace("picture 5.png,dog", "picture 5.png,cat"))
    assert own_data.fingerprint(given) not in (first, second)


def test_hashes_are_remembered_only_for_files_that_had_settled(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    folder = tmp_path / "files"
    folder.mkdir()
    names = [f"{k}.bin" for k in range(own_hashes.FEW)]
    for name in names:
        (folder / name).write_text(name)
    read: list[Path] = []
    whole = own_hashes.sha256_file
    monkeypatch.setattr(own_hashes, "sha256_file", lambda path: read.append(path) or whole(path))
    first = hash_files(folder, names)
    assert hash_files(folder, names) == first
    assert len(read) == 2 * len(names)  # written just now: not remembered
    monkeypatch.setattr(own_hashes, "SETTLED_S", -1.0)
    hash_files(folder, names)
    read.clear()
    assert hash_files(folder, names) == first
    assert read == []
    before = (folder / "7.bin").stat()
    (folder / "7.bin").write_text("0.bin")
    os.utime(folder / "7.bin", ns=(before.st_atime_ns, before.st_mtime_ns))
    assert hash_files(folder, names)["7.bin"] == first["0.bin"]
    assert read == [folder / "7.bin"]


def test_contents_that_changed_after_the_plan_are_refused(tmp_path: Path):
    given = pictures(tmp_path)
    planned = own_data.fingerprint(given.model_dump())
    with open(tmp_path / "table.csv", "a", encoding="utf-8") as file:
        file.write("\n")
    with pytest.raises(DataError, match="has changed since the study was planned"):
        own_data.read_examples({}, given.model_copy(update={"fingerprint": planned}))


def test_ids_follow_the_contents_and_settings_of_groups_leave_the_arrays_alone(tmp_path: Path):
    def plan(**entry):
        content = own.study(pictures(tmp_path, **entry).model_dump(exclude={"kind"}), seeds=[0])
        (dataset,) = make_plan(parse_study(content, "mine.yaml"), {}).datasets.values()
        return dataset

    first, other = plan(), plan(minority="all_but_largest")
    assert (first.data_id == other.data_id, first.groups_id == other.groups_id) == (True, False)
    image = tmp_path / "files" / "picture 3.png"
    Image.new("RGB", (20, 20)).save(image)
    assert plan().data_id != first.data_id


# Studies without groups


def groupless(folder: Path, **changes) -> dict:
    own.write_pictures(folder)
    entry = {"table": str(folder / "table.csv"), "folder": str(folder / "files"), "path": "path", "label": "label"}
    return own.study({**entry, "side": 16}, **changes)


def test_a_study_without_groups_offers_rules_by_labels_alone(tmp_path: Path):
    content = groupless(tmp_path)
    assert not check_study(content, "mine.yaml").has_groups("mine")
    with pytest.raises(ConfigError) as error:
        check_study({**content, "selection": ["last", "worst_group"]}, "mine.yaml")
    assert str(error.value).startswith(
        "mine.yaml: selection: 'worst_group' needs groups, and datasets.mine has no attributes; name attributes, or use"
    )
    dro = {
        "epochs": 1,
        "batch_size": 4,
        "step_size": 0.1,
        "adjustment": 0,
        "batches": "every_example",
        "optimizer": own.SGD,
    }
    with pytest.raises(
        ConfigError, match=r"methods\.group_dro: trains on groups, and datasets\.mine has no attributes"
    ):
        check_study({**content, "methods": {**content["methods"], "group_dro": dro}}, "mine.yaml")
