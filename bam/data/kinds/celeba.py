"""CelebA (Liu et al. 2015, arXiv 1411.7766): is the hair blond, with gender as the spurious attribute.

As Sagawa et al. (2020) use it: the central 178 x 178 of the aligned images, resized to 224 x 224. The few
blond men are the minority group. `raw` names the publication that the images come from: torchvision's
three files, Kaggle's zip or WILDS' tar; all hold the same images.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

import numpy as np
from pydantic import Field

from bam.data import transforms
from bam.data.benchmark import SPLIT_CODES, Benchmark, ImageSettings
from bam.data.examples import Examples, Sizes, Split, SplitExamples
from bam.data.images import IMAGENET, ImageRows
from bam.data.lists import Listing, read_csv, read_spaced
from bam.data.members import Members, find, open_members, read_member
from bam.errors import DataError

RAW: tuple[str, ...] = ()
RAW_SETTINGS = ("raw",)
VALIDATION = "as_train"
PER_SEED_DRAW = "the published splits are the same for all seeds, so intervals over seeds omit the sampling error"
PUBLISHED: dict[Split, tuple[int, ...]] = {  # not blond female, male; blond female, male
    "train": (71629, 66874, 22880, 1387),
    "val": (8535, 8276, 2874, 182),
    "test": (9767, 7535, 2480, 180),
}
BENCHMARK = Benchmark(
    class_names=("not blond", "blond"),
    attribute=("gender", ("female", "male")),
    minority=frozenset({(1, 1)}),
    published=PUBLISHED,
)
FILE_NAME = "image_id"
TRANSFORM = "crop_then_resize"
ARCHIVES = {"celeba": "img_align_celeba.zip", "celeba-kaggle": "celeba-dataset.zip", "celeba-wilds": "celebA_v1.0.tar"}
ATTRIBUTES, PARTITION = "list_attr_celeba", "list_eval_partition"


class Settings(ImageSettings):
    """The `datasets:` entry of a study."""

    kind: Literal["celeba"]
    raw: Literal["celeba", "celeba-kaggle", "celeba-wilds"] = Field(
        default="celeba", description="raw set, by whose layout it is in"
    )


def sizes(settings: Settings) -> Sizes:
    """Return the published sizes."""
    return BENCHMARK.sizes((3, settings.side, settings.side))


def transform(settings: Settings) -> dict[str, Any]:
    """Return how an image file becomes an input, for an exported model; CSV lists are taken as they are."""
    return transforms.described(TRANSFORM, settings.side, [FILE_NAME])


def read_examples(raw: Mapping[str, Path], settings: Settings) -> Examples:
    """Read the lists; images are decoded as they are asked for.

    Returns
    -------
    Examples with inputs uint8 of shape (n, 3, side, side), channels red, green and blue

    Raises
    ------
    DataError
        If the files are not what is published.
    """
    folder = raw[settings.raw]
    path = folder / ARCHIVES[settings.raw]
    members = open_members(path)
    faces = _joined(*_read_lists(folder, path, members))
    images = _by_file_name(path, members)
    lost = next((name for name in faces.names if name not in images), None)
    if lost is not None:
        raise DataError(f"{faces.where}: lists {lost}, and {path} has no such image; fetch both again")
    chosen = {split: np.flatnonzero(faces.splits == code) for split, code in SPLIT_CODES.items()}
    cells = {split: (faces.labels[k], faces.genders[k]) for split, k in chosen.items()}
    BENCHMARK.check(cells, settings.counts, faces.where, members)
    splits: dict[Split, SplitExamples] = {}
    for split, indices in chosen.items():
        names = [images[faces.names[k]] for k in indices]
        origins = [f"{ATTRIBUTES}, line {faces.lines[k]:,}" for k in indices]
        rows = ImageRows(path, members, names, origins, TRANSFORM, settings.side)
        splits[split] = SplitExamples(rows, faces.labels[indices], {"gender": faces.genders[indices]})
    return Examples(
        splits=splits,
        class_names=BENCHMARK.class_names,
        attribute=BENCHMARK.attribute,
        minority=BENCHMARK.minority,
        normalisation=IMAGENET,
    )


@dataclass(frozen=True)
class _Faces:
    """What the lists say of each image; arrays int64 of shape (n,)."""

    where: str
    names: list[str]
    lines: list[int]
    labels: np.ndarray
    genders: np.ndarray
    splits: np.ndarray


def _read_lists(folder: Path, path: Path, members: Members) -> tuple[Listing, Listing]:
    """Return attributes and partition: the authors' text files beside the archive, or CSV files in it."""
    wanted, partition = (FILE_NAME, "Blond_Hair", "Male"), (FILE_NAME, "partition")
    if path.name == ARCHIVES["celeba"]:
        texts = [folder / f"{name}.txt" for name in (ATTRIBUTES, PARTITION)]
        for text in texts:
            if not text.exists():
                raise DataError(f"{text}: is missing; run `bam fetch` again")
        return (
            read_spaced(texts[0].read_bytes(), str(texts[0]), wanted),
            read_spaced(texts[1].read_bytes(), str(texts[1]), partition, partition),
        )
    found = [find(members, f"{name}.csv") for name in (ATTRIBUTES, PARTITION)]
    if found[0] is None or found[1] is None:
        raise DataError(f"{path}: has no {ATTRIBUTES}.csv or no {PARTITION}.csv; run `bam fetch` again")
    return (
        read_csv(read_member(path, members, found[0]), f"{path}: {found[0]}", wanted),
        read_csv(read_member(path, members, found[1]), f"{path}: {found[1]}", partition),
    )


def _joined(attributes: Listing, partition: Listing) -> _Faces:
    """Give each image of the attribute list the split that the partition list has for it."""
    for listing in (attributes, partition):
        listing.check_unique(FILE_NAME)
    codes = partition.codes("partition", {str(code): code for code in SPLIT_CODES.values()})
    split_of = dict(zip(partition.columns[FILE_NAME], codes.tolist(), strict=True))
    names = attributes.columns[FILE_NAME]
    lost = [name for name in names if name not in split_of]
    if lost or len(names) != len(split_of):
        example = f", such as {lost[0]}" if lost else ""
        raise DataError(
            f"{partition.where}: lists {len(split_of):,} images, {attributes.where} lists {len(names):,}{example}; "
            "expected the same in both"
        )
    signs = {"-1": 0, "1": 1}
    return _Faces(
        where=attributes.where,
        names=names,
        lines=list(attributes.lines),
        labels=attributes.codes("Blond_Hair", signs),
        genders=attributes.codes("Male", signs),
        splits=np.array([split_of[name] for name in names], dtype=np.int64),
    )


def _by_file_name(path: Path, members: Members) -> dict[str, str]:
    """Return the member of each image by its file name: publications differ in the folders around them."""
    found: dict[str, str] = {}
    for name in members.sizes:
        file_name = name.rsplit("/", 1)[-1]
        if file_name.endswith(".jpg") and found.setdefault(file_name, name) != name:
            raise DataError(f"{path}: has {file_name} twice, as {found[file_name]} and as {name}")
    return found
