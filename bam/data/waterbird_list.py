"""Waterbirds as published: `metadata.csv` and images in one archive (Sagawa et al. 2020, arXiv 1911.08731).

Birds of CUB-200-2011 cut out and set before backgrounds of Places. In training 95 % of each class
stand before their own background; in validation and test, half.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path, PurePosixPath
from typing import Any

import numpy as np

from bam.data import transforms
from bam.data.benchmark import SPLIT_CODES, Benchmark
from bam.data.examples import Examples, Split, SplitExamples
from bam.data.images import IMAGENET, ImageRows, missing_member
from bam.data.lists import read_csv
from bam.data.members import Members, find, open_members, read_member
from bam.data.origin import Counts
from bam.errors import DataError

RAW_SET = "waterbirds"
ARCHIVE = "waterbird_complete95_forest2water2.tar"
LIST = "metadata.csv"
FILE_NAME = "img_filename"
TRANSFORM = "resize_then_crop"
PUBLISHED: dict[Split, tuple[int, ...]] = {  # landbird on land, on water; waterbird on land, on water
    "train": (3498, 184, 56, 1057),
    "val": (467, 466, 133, 133),
    "test": (2255, 2255, 642, 642),
}
BENCHMARK = Benchmark(
    class_names=("landbird", "waterbird"),
    attribute=("background", ("land", "water")),
    minority=frozenset({(0, 1), (1, 0)}),  # landbird on water, waterbird on land
    published=PUBLISHED,
)


@dataclass(frozen=True)
class Birds:
    """All images of the archive, in the order of its list.

    Attributes
    ----------
    labels, backgrounds : int64 arrays of shape (n,), 0 for land and 1 for water
    splits : int64 array of shape (n,), codes of `SPLIT_CODES`
    names : member of each image
    lines : line of the list that each image stands in
    """

    path: Path
    members: Members
    labels: np.ndarray
    backgrounds: np.ndarray
    splits: np.ndarray
    names: list[str]
    lines: list[int]

    def examples(self, indices: Mapping[Split, np.ndarray], side: int) -> Examples:
        """Return the images of these indices as three splits."""
        return Examples(
            splits={split: self._split(chosen, side) for split, chosen in indices.items()},
            class_names=BENCHMARK.class_names,
            attribute=BENCHMARK.attribute,
            minority=BENCHMARK.minority,
            normalisation=IMAGENET,
        )

    def _split(self, chosen: np.ndarray, side: int) -> SplitExamples:
        names = [self.names[k] for k in chosen]
        origins = [f"{LIST}, line {self.lines[k]:,}" for k in chosen]
        rows = ImageRows(self.path, self.members, names, origins, TRANSFORM, side)
        return SplitExamples(rows, self.labels[chosen], {"background": self.backgrounds[chosen]})


def read_birds(folder: Path, counts: Counts) -> Birds:
    """Read the list and look up its images; none is decoded yet.

    Parameters
    ----------
    folder : of the raw set
    counts : whether each split and group must be as large as published

    Raises
    ------
    DataError
        If the archive cannot be read, the list has a wrong column, value or duplicate, an image is missing,
        a split lacks a class, or a count is not the published one.
    """
    path = folder / ARCHIVE
    members = open_members(path)
    list_name = find(members, LIST)
    if list_name is None:
        raise DataError(f"{path}: has no {LIST}; run `bam fetch` again")
    where = f"{path}: {list_name}"
    listing = read_csv(read_member(path, members, list_name), where, ("img_id", FILE_NAME, "y", "split", "place"))
    listing.check_unique("img_id")
    listing.check_unique(FILE_NAME)
    binary = {"0": 0, "1": 1}
    labels, backgrounds = listing.codes("y", binary), listing.codes("place", binary)
    splits = listing.codes("split", {str(code): code for code in SPLIT_CODES.values()})
    root = PurePosixPath(list_name).parent
    names = [(root / name).as_posix() for name in listing.columns[FILE_NAME]]
    lost = missing_member(members, names)
    if lost is not None:
        raise DataError(f"{where}: line {listing.lines[lost]:,}: the archive has no {names[lost]}; fetch it again")
    masks = {split: splits == code for split, code in SPLIT_CODES.items()}
    BENCHMARK.check({split: (labels[mask], backgrounds[mask]) for split, mask in masks.items()}, counts, where, members)
    return Birds(path, members, labels, backgrounds, splits, names, list(listing.lines))


def transform(side: int) -> dict[str, Any]:
    """Return how an image file becomes an input, for an exported model; it takes the published list as it is."""
    return transforms.described(TRANSFORM, side, [FILE_NAME])
