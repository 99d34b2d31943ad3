"""IDX, the format of MNIST and Fashion-MNIST: a magic number, the sizes, then bytes."""

import math
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from bam.errors import DataError

BYTES = 0x08  # the third byte of the magic number: unsigned bytes
HEADER = 4


@dataclass(frozen=True)
class Labelled:
    """Images and what they show.

    Attributes
    ----------
    images : uint8 array of shape (n, 28, 28)
    classes : uint8 array of shape (n,), values 0 to 9
    """

    images: np.ndarray
    classes: np.ndarray


def read_labelled(folder: Path, part: str) -> Labelled:
    """Read `<part>-images-idx3-ubyte` and `<part>-labels-idx1-ubyte`; part is ``train`` or ``t10k``.

    Raises
    ------
    DataError
        If a file is missing, truncated, not IDX, or the two do not belong together.
    """
    images = read_idx(folder / f"{part}-images-idx3-ubyte", n_axes=3)
    classes = read_idx(folder / f"{part}-labels-idx1-ubyte", n_axes=1)
    if images.shape[1:] != (28, 28):
        raise DataError(f"{folder}: {part} images are {images.shape[1]} x {images.shape[2]}, expected 28 x 28")
    if len(images) != len(classes):
        raise DataError(
            f"{folder}: {part} has {len(images):,} images and {len(classes):,} labels; run `bam fetch` again"
        )
    if classes.size and classes.max() > 9:
        raise DataError(f"{folder}: {part} has a label {classes.max()}, expected 0 to 9; run `bam fetch` again")
    return Labelled(images, classes)


def read_idx(path: Path, *, n_axes: int) -> np.ndarray:
    """Read one file of unsigned bytes.

    Returns
    -------
    uint8 array with `n_axes` axes

    Raises
    ------
    DataError
        If the file is missing, is not IDX of that many axes, or holds more or fewer bytes than its header says.

    References
    ----------
    LeCun, Cortes & Burges, The MNIST database, "File formats".
    """
    try:
        content = path.read_bytes()
    except OSError as error:
        raise DataError(f"{path}: cannot be read ({error.strerror}); run `bam fetch`") from error
    start = HEADER * (1 + n_axes)
    if len(content) < start or content[:HEADER] != bytes([0, 0, BYTES, n_axes]):
        raise DataError(
            f"{path}: begins with {content[:HEADER].hex(' ') or 'nothing'}, expected 00 00 08 {n_axes:02x} "
            f"(IDX, unsigned bytes, {n_axes} axes); delete it and run `bam fetch` again"
        )
    shape = tuple(np.frombuffer(content, dtype=">u4", count=n_axes, offset=HEADER).tolist())
    n_expected = math.prod(shape)
    if len(content) - start != n_expected:
        raise DataError(
            f"{path}: holds {len(content) - start:,} bytes of data, its header says {n_expected:,}; "
            "delete it and run `bam fetch` again"
        )
    try:
        return np.frombuffer(content, dtype=np.uint8, offset=start).reshape(shape)
    except ValueError as error:  # no examples, of a size that no array has
        raise DataError(f"{path}: has impossible sizes {shape}; delete it and run `bam fetch` again") from error
