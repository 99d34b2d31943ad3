"""`bam doctor` on one's own data: what it counts, what it lists, and which status it leaves with."""

import json
import shutil
from pathlib import Path

import pytest
import yaml
from PIL import Image
from typer.testing import CliRunner

from bam.cli.app import app
from bam.data.own_checks import MOST_LISTED, look
from bam.data.own_settings import OwnSettings
from bam.doctor import diagnose
from bam.errors import ConfigError
from tests import own


@pytest.fixture(autouse=True)
def caches(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "caches"))


def pictures(folder: Path, **changes) -> OwnSettings:
    if not (folder / "table.csv").exists():
        own.write_pictures(folder)
    entry = {"table": str(folder / "table.csv"), "folder": str(folder / "files"), "path": "path", "label": "label"}
    return OwnSettings.model_validate({"kind": "own_data", **entry, "side": 16, **changes})


def texts(path: Path, rows: list[tuple[str, str, str]]) -> OwnSettings:
    own.write_csv(path, ("text", "label", "part"), rows)
    entry = {"table": str(path), "text": "text", "label": "label", "split": "part", "tokenizer": "none"}
    return OwnSettings.model_validate({"kind": "own_data", **entry})


def test_sizes_stand_in_a_table_of_classes_and_groups_by_split(tmp_path: Path):
    seen = look(pictures(tmp_path, attributes=["background"], minority="all_but_largest"))
    assert seen.problems == ()
    assert seen.text.splitlines() == [
        f"{tmp_path}/table.csv: 80 images of 16 pixels; split at random, seed 0",
        "classes: 0 = cat, 1 = dog",
        "groups: class x background",
        "split  class  green  red  all",
        "train  cat        6   22   28",
        "train  dog       22    6   28",
        "val    cat        1    5    6",
        "val    dog        5    1    6",
        "test   cat        1    5    6",
        "test   dog        5    1    6",
    ]
    assert "train: group 'cat, green' has 6 examples; one of them is 17 points of its accuracy" in seen.notes


def test_unreadable_images_are_listed_up_to_a_cap(tmp_path: Path):
    given = pictures(tmp_path)
    for k in range(MOST_LISTED + 3):
        (tmp_path / "files" / f"picture {k}.png").write_bytes(b"\x89PNG\r\n\x1a\n")
    seen = look(given)
    assert len(seen.problems) == MOST_LISTED + 1
    assert all("cannot be read as an image" in problem for problem in seen.problems[:-1])
    assert seen.problems[-1] == "and 3 more unreadable images"


def test_images_that_stand_twice_are_counted_within_and_across_splits(tmp_path: Path):
    folder = tmp_path / "images"
    for top, n in (("train", 6), ("val", 3), ("test", 3)):
        for label in own.LABELS:
            (folder / top / label).mkdir(parents=True)
            for k in range(n):
                colour = (len(top) * 20 + k, len(label) if label == "cat" else 90, k)
                Image.new("RGB", (9, 9), colour).save(folder / top / label / f"{k}.png")
    shutil.copy(folder / "train/cat/0.png", folder / "test/cat/copy.png")
    shutil.copy(folder / "train/cat/0.png", folder / "train/cat/copy.png")
    shutil.copy(folder / "val/cat/0.png", folder / "val/dog/other.png")
    seen = look(OwnSettings.model_validate({"kind": "own_data", "images": str(folder), "side": 8}))
    assert seen.problems == ()
    repeated = [note for note in seen.notes if "stand" in note]
    assert repeated == [
        "1 examples stand more than once in train; they count as often as they stand",
        "1 examples stand more than once in val; they count as often as they stand",
        "1 examples stand in train and test, e.g. 'train/cat/0.png' and 'test/cat/copy.png': what is learnt by heart "
        "is tested; keep one of each",
        "1 examples stand with several classes, e.g. 'val/cat/0.png' and 'val/dog/other.png'; no model can be right "
        "on all",
    ]


def test_texts_that_stand_twice_are_found_and_similar_names_pointed_out(tmp_path: Path):
    parts = ["train"] * 8 + ["val"] * 4 + ["test"] * 4
    rows = [(f"text {k}", "ab"[k % 2], part) for k, part in enumerate(parts)]
    rows[-1] = ("text 1", "b", "test")
    rows += [("text x", "A", part) for part in ("train", "val", "test")]
    seen = look(texts(tmp_path / "t.csv", rows))
    assert seen.problems == ()
    assert "class: 'A' and 'a' differ in case or blanks alone; are they one?" in seen.notes
    assert any(note.startswith("1 examples stand in train and test, e.g. 'text 1' and 'text 1'") for note in seen.notes)
    assert any(note.startswith("1 examples stand in train and val and test, e.g. 'text x'") for note in seen.notes)


def test_imbalance_is_noted_with_what_to_do(tmp_path: Path):
    rows = [(f"text {k}", "a" if k % 20 else "b", ("train", "val", "test")[k % 3]) for k in range(300)]
    (note,) = [note for note in look(texts(tmp_path / "t.csv", rows)).notes if "times as many" in note]
    assert note.startswith("train has 19 times as many of class 'a' as of 'b'")
    assert "class_difference" in note


def test_a_class_or_a_group_that_a_split_lacks_would_stop_a_study(tmp_path: Path):
    rows = [("x", "a", "train"), ("y", "b", "train"), ("z", "a", "val"), ("u", "b", "val"), ("v", "a", "test")]
    seen = look(texts(tmp_path / "t.csv", rows))
    assert seen.problems == (f"{tmp_path}/t.csv: class 'b' has no example in test; add some, or leave the class out",)


# The command


def run(*arguments: str) -> tuple[int, str]:
    done = CliRunner().invoke(app, ["doctor", *arguments])
    assert done.exception is None or isinstance(done.exception, SystemExit), done.exception
    return done.exit_code, done.output


def test_a_table_and_a_folder_are_looked_at_directly(tmp_path: Path):
    own.write_pictures(tmp_path)
    where = (str(tmp_path / "table.csv"), "--folder", str(tmp_path / "files"))
    status, text = run(*where, "--label", "label", "--path", "path", "--attribute", "background")
    assert (status, text.splitlines()[-1]) == (0, "no problem found")
    assert "groups: class x background" in text
    own.write_image_folder(tmp_path / "images")
    assert run(str(tmp_path / "images"))[0] == 0
    own.write_texts(tmp_path / "texts.csv")
    assert run(str(tmp_path / "texts.csv"), "--label", "label", "--text", "text")[0] == 0
    assert not (tmp_path / "data").exists()


def test_status_1_says_that_a_study_would_stop(tmp_path: Path):
    own.write_pictures(tmp_path)
    (tmp_path / "files" / "picture 3.png").unlink()
    where = (str(tmp_path / "table.csv"), "--folder", str(tmp_path / "files"), "--label", "label", "--path", "path")
    status, text = run(*where)
    assert status == 1
    assert f"- {tmp_path}/table.csv: line 5: {tmp_path}/files/picture 3.png: is no file" in text
    assert text.splitlines()[-1] == "1 problem found"
    assert run(str(tmp_path / "none.csv"), "--label", "l", "--text", "t")[0] == 1


def test_a_config_is_looked_at_before_anything_is_prepared(tmp_path: Path):
    own.write_pictures(tmp_path)
    content = own.study(pictures(tmp_path).model_dump(exclude={"kind", "data_seed"}))
    content["datasets"]["mine"]["data_seed"] = "per_seed"
    path = tmp_path / "mine.yaml"
    path.write_text(yaml.safe_dump(content))
    assert run(str(path), "--data", str(tmp_path / "data"))[0] == 0
    assert not (tmp_path / "data").exists()
    assert diagnose(json.dumps(content), {}, tmp_path / "data", Path("config/datasets.yaml"))[1] == []
    table = tmp_path / "table.csv"
    table.write_text(table.read_text() + "picture 0.png,cat,red\n")
    status, text = run(str(path))
    assert status == 1
    assert "line 82: path 'picture 0.png' stands in line 2 too; remove one" in text


def test_columns_beside_a_config_are_a_mistake(tmp_path: Path):
    with pytest.raises(ConfigError, match="is a config, which names its columns itself; leave out --label"):
        diagnose("mine.yaml", {"label": "l"}, tmp_path, tmp_path)
