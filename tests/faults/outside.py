"""Readers of data, models and lists that come from outside, each with a file that it reads without complaint."""

import io
import json
import tarfile
import zipfile
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from types import SimpleNamespace

import numpy as np
import pyarrow
import pyarrow.parquet
import torch
from PIL import Image

from bam.data.columns import read_columns
from bam.data.kinds import celeba
from bam.data.own_rows import read_rows
from bam.data.own_settings import OwnSettings
from bam.data.pictures import read_picture
from bam.data.records import csv_rows, json_lines
from bam.data.tokenise import read_tokenizer
from bam.data.waterbird_list import ARCHIVE, read_birds
from bam.exported import SCHEMA, WEIGHTS, load
from bam.files import sha256_file, write_json
from bam.foreign_weights import read_foreign
from bam.predict import _array as read_images
from bam.predict import _asked as read_inputs
from bam.published import read_published as read_published_numbers
from bam.store import Published, read_published, write_published
from bam.training.network import Form, network
from bam.training.state import save_tensors

REPOSITORY = Path(__file__).resolve().parents[2]
JPEG = b"\xff\xd8\xff\xd9"  # looked up by name here, never decoded


@dataclass(frozen=True)
class Reader:
    """One parser of files from outside.

    Attributes
    ----------
    name : of the file
    read : what reads it, given its path
    valid : writes a file that is read without complaint to a path
    is_json : whether made-up JSON, with a right checksum of its contents, is tried too
    """

    name: str
    read: Callable[[Path], object]
    valid: Callable[[Path], object]
    is_json: bool = False


TABLE = "file,class,ground,part\n" + "".join(
    f'{k}.png,"{"cat" if k % 2 else "dog, large"}",{"red" if k % 3 else "grün"},{"train" if k < 6 else "test"}\n'
    for k in range(8)
)
OWN = OwnSettings(kind="own_data", table="-", label="class", path="file", attributes=["ground"], split="part")


def write_table(path: Path) -> None:
    path.write_text(TABLE, encoding="utf-8")
    for k in range(8):
        (path.parent / f"{k}.png").touch()


def write_parquet(path: Path) -> None:
    table = {"text": ["a", "b\nc", None], "label": [1.0, float("nan"), 2.0], "topic": [True, False, True]}
    pyarrow.parquet.write_table(pyarrow.table(table), path)


def write_picture(path: Path) -> None:
    pixels = np.arange(12 * 9 * 3, dtype=np.uint8).reshape(12, 9, 3)
    Image.fromarray(pixels).save(path)


LINES = "".join(json.dumps({"first": f"a {k}", "second": "ü", "n": k}) + "\n" for k in range(3))


def zipped(path: Path, member: str, contents: bytes) -> None:
    with zipfile.ZipFile(path, "w") as archive:
        archive.writestr(member, contents)


def read_lines(path: Path) -> list[object]:
    """Read JSON lines as a benchmark has them, in an archive that is made around the file."""
    folder = path.parents[1] / "packed"
    folder.mkdir(exist_ok=True)
    zipped(folder / "lines.zip", "top/lines.jsonl", path.read_bytes())
    return list(json_lines(folder, "lines.zip", "lines.jsonl", ["first", "second"]))


BIRDS = "img_id,img_filename,y,split,place,place_filename\n" + "".join(
    f"{k + 1},{k}.jpg,{k % 2},{k // 2 % 3},{k % 2},a/b.jpg\n" for k in range(6)
)


def read_bird_list(path: Path) -> object:
    """Read Waterbirds' list in an archive that is made around the file."""
    folder = path.parents[1] / "birds"
    folder.mkdir(exist_ok=True)
    with tarfile.open(folder / ARCHIVE, "w") as archive:
        for name, contents in [("w/metadata.csv", path.read_bytes()), *((f"w/{k}.jpg", JPEG) for k in range(6))]:
            info = tarfile.TarInfo(name)
            info.size = len(contents)
            archive.addfile(info, io.BytesIO(contents))
    return read_birds(folder, "any")


FACES = [f"{k:06}.jpg" for k in range(1, 7)]


def write_faces(path: Path) -> None:
    """Write CelebA's two lists and an archive of as many images."""
    with zipfile.ZipFile(path.parent / celeba.ARCHIVES["celeba"], "w") as archive:
        for name in FACES:
            archive.writestr(f"img_align_celeba/{name}", JPEG)
    attributes = [f"{name} {-1 if k % 2 else 1:2}  1 -1" for k, name in enumerate(FACES)]
    lines = [str(len(FACES)), "Blond_Hair Male Young", *attributes]
    (path.parent / f"{celeba.ATTRIBUTES}.txt").write_text("\n".join(lines) + "\n")
    splits = [f"{name} {k // 2}" for k, name in enumerate(FACES)]
    (path.parent / f"{celeba.PARTITION}.txt").write_text("\n".join(splits) + "\n")


def read_faces(path: Path) -> object:
    return celeba.read_examples({"celeba": path.parent}, celeba.Settings(kind="celeba", side=8, counts="any"))


def write_model(path: Path) -> None:
    weights = path.with_name(WEIGHTS)
    save_tensors(weights, network({"name": "mlp", "hidden": [4]}, Form("image", (3, 2, 2), 2)).state_dict())
    about = {
        "schema": SCHEMA,
        "weights_sha256": sha256_file(weights),
        "model": {"name": "mlp", "hidden": [4]},
        "kind": "image",
        "input_shape": [3, 2, 2],
        "class_names": ["cat", "dog"],
        "precision": "float32",
        "mean": [0.5, 0.5, 0.5],
        "std": [0.2, 0.2, 0.2],
        "pad_id": 0,
        "has_segments": False,
        "transform": {"name": "shorter_side_centre_crop", "side": 8, "columns": ["path"]},
    }
    write_json(path, about)


OF_IMAGE_FILES = SimpleNamespace(folder=Path("m"), columns=["file"], is_text=False, image_rows=list)
OF_TEXTS = SimpleNamespace(folder=Path("m"), columns=["ground", "class"], is_text=True, text_rows=list)
OF_ARRAYS = SimpleNamespace(folder=Path("m"), is_text=False, input_shape=(2, 3))
PUBLISHED = Published(
    studies={"digits": {"config": "config/digits.yaml", "remote": None, "data": ["a"], "groups": ["b"]}},
    data={"a": {"config": "config/digits.yaml", "remote": None}},
    groups={"b": {"config": "config/digits.yaml", "remote": None}},
    models={"digits": {"config": "config/digits.yaml", "method": "bam", "rule": "average", "seed": 0, "remote": None}},
)


def write_weights(path: Path, *, is_zip: bool) -> None:
    tensors = {"a.weight": torch.ones(3, 2), "a.bias": torch.zeros(3, dtype=torch.float16)}
    torch.save({"state_dict": tensors}, path, _use_new_zipfile_serialization=is_zip)


TOKENS = ("[PAD]", "[UNK]", "[CLS]", "[SEP]", "[MASK]", "a", "##b")

READERS = [
    Reader("table.csv", lambda path: read_columns(path, ["class", "ground"]), write_table),
    Reader("table.parquet", lambda path: read_columns(path, ["text", "label", "topic"]), write_parquet),
    Reader("own.csv", lambda path: read_rows(OWN.model_copy(update={"table": str(path)})), write_table),
    *(
        Reader(f"picture.{suffix}", lambda path: read_picture(path, 8), write_picture)
        for suffix in ("bmp", "gif", "jpg", "png", "tif", "webp")
    ),
    Reader("lines.jsonl", read_lines, lambda path: path.write_text(LINES)),
    Reader(
        "lines.zip",
        lambda path: list(json_lines(path.parent, path.name, "lines.jsonl", ["first"])),
        lambda path: zipped(path, "lines.jsonl", LINES.encode()),
    ),
    Reader("rows.csv", lambda path: list(csv_rows(path.parent, None, path.name, ["class"], ["part"])), write_table),
    Reader("metadata.csv", read_bird_list, lambda path: path.write_text(BIRDS)),
    Reader(f"{celeba.ATTRIBUTES}.txt", read_faces, write_faces),
    Reader(f"{celeba.PARTITION}.txt", read_faces, write_faces),
    Reader("model.json", lambda path: load(path.parent, torch.device("cpu")), write_model, is_json=True),
    Reader("predict.csv", lambda path: read_inputs(OF_IMAGE_FILES, path, None), write_table),
    Reader("predict texts.csv", lambda path: read_inputs(OF_TEXTS, path, None), write_table),
    Reader(
        "predict.npy", lambda path: read_images(OF_ARRAYS, path), lambda path: np.save(path, np.ones((4, 2, 3), "u1"))
    ),
    Reader("published.yaml", read_published, lambda path: write_published(PUBLISHED, path)),
    Reader(
        "published.csv",
        read_published_numbers,
        lambda path: path.write_bytes((REPOSITORY / "config/published.csv").read_bytes()),
    ),
    *(
        Reader(f"{name}.pth", read_foreign, lambda path, is_zip=is_zip: write_weights(path, is_zip=is_zip))
        for name, is_zip in (("weights", True), ("legacy", False))
    ),
    Reader(
        "vocab.txt", lambda path: read_tokenizer(path.parent), lambda path: path.write_text("\n".join(TOKENS) + "\n")
    ),
]
