"""The first training images of each group, for a figure: beside the groups, on their side of the wall."""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from bam.data.examples import Examples
from bam.data.rows import as_rows
from bam.errors import DataError
from bam.files import read_npz, write_npz

SCHEMA = "bam.samples/1"
FILE = "samples.npz"
PER_GROUP = 8


@dataclass(frozen=True)
class Samples:
    """Sample images of a data set, group by group.

    Attributes
    ----------
    images : an array for each group, in group order, uint8 of shape (k, channels, height, width), k at most `PER_GROUP`
    pairs : int64 array of shape (G, 2), label and attribute value of each group
    """

    images: Sequence[np.ndarray]
    pairs: np.ndarray


def write_samples(examples: Examples, folder: Path) -> None:
    """Write the first `PER_GROUP` training images of each group, in file order; an empty group has none.

    Text has no images: its samples are the token ids, which no figure shows.
    """
    rows = as_rows(examples.splits["train"].inputs)
    shape, dtype = rows.shapes["inputs"]
    membership = examples.membership("train")
    arrays = {}
    for group in range(membership.shape[1]):
        first = np.flatnonzero(membership[:, group])[:PER_GROUP].tolist()
        images = [rows.read(k, k + 1)["inputs"] for k in first]
        arrays[f"group_{group}"] = np.concatenate(images) if images else np.zeros((0, *shape), dtype=dtype)
    write_npz(folder / FILE, SCHEMA, {"pairs": np.array(examples.pairs, dtype=np.int64).reshape(-1, 2), **arrays})


def read_samples(folder: Path, counts: Sequence[int]) -> Samples:
    """Read a data set's sample images.

    Parameters
    ----------
    counts
        Training examples of each group, as `groups.json` says.

    Raises
    ------
    DataError
        If the file is missing or corrupt, or does not go with these groups.
    """
    path = folder / FILE
    if not path.exists():
        raise DataError(f"{path}: is missing; run `bam annotate` again")
    names = [f"group_{group}" for group in range(len(counts))]
    arrays = read_npz(path, SCHEMA, ("pairs", *names))
    images = [arrays[name] for name in names]
    expected = [min(count, PER_GROUP) for count in counts]
    if [len(part) for part in images] != expected or arrays["pairs"].shape != (len(counts), 2):
        raise DataError(f"{path}: does not go with groups.json; delete the folder to have it made again")
    return Samples(images, arrays["pairs"])
