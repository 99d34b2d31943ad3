"""Models of the benchmarks, from pretrained weights, predict from raw files alone what they predicted in the study."""

import csv
import shutil
import tarfile
import zipfile
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest

from bam import fixture
from bam.predict import predict_logits_of
from tests import own
from tests.exporting import made

RESNET = {"name": "timm", "architecture": "resnet10t", "pretrained": None}
LITE = {
    "name": "efficientnet_lite",
    "architecture": "efficientnet-lite0",
    "pretrained": "efficientnet-lite0-imagenet1k",
}
BIRDS = {"kind": "waterbirds", "side": 32, "counts": "any"}
MINILM = {"name": "huggingface", "checkpoint": "minilm-l6-v2"}


@pytest.fixture
def mirror(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Return a folder for generated archives, from which they are fetched."""
    monkeypatch.setenv("BAM_MIRROR", str(tmp_path / "mirror"))
    (tmp_path / "mirror").mkdir()
    return tmp_path / "mirror"


def forgotten(folder: Path) -> None:
    """Remove the study."""
    shutil.rmtree(folder / "data")
    shutil.rmtree(folder / "results")


def read(path: Path) -> list[dict[str, str]]:
    with open(path, newline="", encoding="utf-8") as file:
        return list(csv.DictReader(file))


def chosen_rows(path: Path, column: str, keep: Iterator[bool], out: Path) -> Path:
    """Write a table of one column with the kept rows of another table."""
    return own.write_csv(out, (column,), [(row[column],) for row, kept in zip(read(path), keep, strict=True) if kept])


@pytest.mark.parametrize("model", [RESNET, LITE], ids=["fresh", "pretrained"])
def test_raw_images_of_waterbirds_give_the_studys_logits_bit_for_bit(mirror: Path, tmp_path: Path, model: dict):
    fixture.write("waterbirds", mirror, 0.01, 0, ["side=48"])
    exported, logits, about = made(tmp_path, BIRDS, model=model)
    assert about["transform"] == {"name": "resize_then_crop", "side": 32, "columns": ["img_filename"]}
    forgotten(tmp_path)
    with tarfile.open(next((mirror / "waterbirds").glob("*.tar.gz"))) as archive:
        archive.extractall(tmp_path / "raw", filter="data")
    (images,) = (path.parent for path in (tmp_path / "raw").rglob("metadata.csv"))
    rows = read(images / "metadata.csv")
    is_test = [row["split"] == "2" for row in rows]
    table = chosen_rows(images / "metadata.csv", "img_filename", iter(is_test), tmp_path / "test.csv")
    np.testing.assert_array_equal(predict_logits_of(exported, table, folder=images), logits)
    # The published list goes in as it is; in batches of other images sums may round in another order.
    whole = predict_logits_of(exported, images / "metadata.csv")
    assert len(whole) == len(rows)
    np.testing.assert_allclose(whole[is_test], logits, atol=1e-4)


def test_raw_images_of_celeba_give_the_studys_logits_bit_for_bit(mirror: Path, tmp_path: Path):
    fixture.write("celeba", mirror, 0.0005, 0, ["layout=kaggle", "width=44"])
    entry = {"kind": "celeba", "raw": "celeba-kaggle", "side": 32, "counts": "any"}
    exported, logits, about = made(tmp_path, entry, model=RESNET)
    assert about["transform"] == {"name": "crop_then_resize", "side": 32, "columns": ["image_id"]}
    forgotten(tmp_path)
    with zipfile.ZipFile(mirror / "celeba-kaggle" / "celeba-dataset.zip") as archive:
        archive.extractall(tmp_path / "raw")
    images = next((tmp_path / "raw").rglob("*.jpg")).parent
    partition = next((tmp_path / "raw").rglob("list_eval_partition.csv"))
    is_test = (row["partition"] == "2" for row in read(partition))
    table = chosen_rows(partition, "image_id", is_test, tmp_path / "test.csv")
    np.testing.assert_array_equal(predict_logits_of(exported, table, folder=images), logits)


def test_controlled_waterbirds_takes_image_files_too(mirror: Path, tmp_path: Path):
    fixture.write("waterbirds", mirror, 0.01, 0, ["side=48"])
    sizes = {"WW": 18, "WL": 6, "LW": 6, "LL": 30}
    entry = {**BIRDS, "kind": "controlled_waterbirds", "sizes": sizes, "data_seed": 0}
    exported, logits, _ = made(tmp_path, entry, model=RESNET)
    forgotten(tmp_path)
    with tarfile.open(next((mirror / "waterbirds").glob("*.tar.gz"))) as archive:
        archive.extractall(tmp_path / "raw", filter="data")
    seen = predict_logits_of(exported, tmp_path / "raw")
    assert len(seen) == 122
    gaps = np.abs(seen[None] - logits[:, None]).max(axis=2).min(axis=1)
    assert gaps.max() < 1e-4, "each image of test is among the files"


def test_texts_give_the_logits_of_a_study_that_began_from_pretrained_weights(tmp_path: Path):
    table = own.write_texts(tmp_path / "mine.csv", 60)
    rows = read(table)
    splits = [("train", "val", "test")[k // 2 % 3] for k in range(len(rows))]
    own.write_csv(
        table, ("text", "label", "split"), [(r["text"], r["label"], s) for r, s in zip(rows, splits, strict=True)]
    )
    entry = {"table": str(table), "label": "label", "text": "text", "split": "split", "max_length": 16}
    exported, logits, about = made(tmp_path, {**entry, "tokenizer": "minilm-l6-v2"}, model=MINILM)
    assert "checkpoint" not in about["model"], "the exported model is built from its own folder"
    forgotten(tmp_path)
    tests = [(row["text"],) for row, split in zip(rows, splits, strict=True) if split == "test"]
    again = predict_logits_of(exported, own.write_csv(tmp_path / "test.csv", ("text",), tests))
    np.testing.assert_array_equal(again, logits)
