"""Files in MNIST's and Fashion-MNIST's form and with their counts, whose images say which they are.

Image k (0 to 59,999 of the training part, then the test part's) has k in the middle of its row 14
and nothing else but a grey frame around it, so a test can tell every image after it has been coloured or stacked.
"""

import struct
from pathlib import Path

import numpy as np

from bam.data.digit_pairs import DIGITS

FASHION = {"train": (6000,) * 10, "t10k": (1000,) * 10}
ROW = 14
MARK = slice(12, 15)
FRAME = 200
FIRST = {"train": 0, "t10k": 60000}


def write_set(folder: Path, counts: dict[str, tuple[int, ...]], seed: int) -> None:
    """Write four IDX files; labels in a random order with the given number of each class."""
    folder.mkdir(parents=True, exist_ok=True)
    for part, by_class in counts.items():
        labels = np.random.default_rng(seed).permutation(np.repeat(np.arange(10, dtype=np.uint8), by_class))
        write_idx(folder / f"{part}-labels-idx1-ubyte", labels)
        write_idx(folder / f"{part}-images-idx3-ubyte", marked_images(len(labels), FIRST[part]))


def marked_images(n: int, first: int = 0) -> np.ndarray:
    """Return uint8 images of shape (n, 28, 28), numbered from `first`."""
    images = np.zeros((n, 28, 28), dtype=np.uint8)
    images[:, ROW - 2 : ROW + 3, 10:17] = FRAME
    numbers = np.arange(first, first + n)
    # Each byte plus 1, in base 250, so that no pixel of the mark is 0 and none is the frame's neighbour 255.
    for place, column in enumerate(range(MARK.start, MARK.stop)):
        images[:, ROW, column] = numbers // 250**place % 250 + 1
    return images


def number_of(image: np.ndarray) -> int:
    """Return k of a grey image of shape (28, 28)."""
    return sum(int(value - 1) * 250**place for place, value in enumerate(image[ROW, MARK]))


def write_idx(path: Path, array: np.ndarray) -> None:
    """Write unsigned bytes as IDX."""
    header = bytes([0, 0, 8, array.ndim]) + struct.pack(f">{array.ndim}I", *array.shape)
    path.write_bytes(header + array.astype(np.uint8).tobytes())


def write_both(folder: Path) -> dict[str, Path]:
    """Write both sets and return their folders by name."""
    write_set(folder / "mnist", DIGITS, seed=1)
    write_set(folder / "fashion-mnist", FASHION, seed=2)
    return {name: folder / name for name in ("mnist", "fashion-mnist")}
