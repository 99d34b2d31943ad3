"""Sample images of each group: what the classes, the attribute and their minority groups look like."""

import math
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from bam.data.samples import PER_GROUP, read_samples
from bam.figures import style
from bam.figures.facts import Facts, Frames, unique
from bam.groups import read_scheme

FEW_GROUPS = 6
COLUMNS = ["dataset", "group", "label", "value", "is_minority", "n_train", "images"]
WHITE = 255


def read(folders: Mapping[str, Path]) -> pd.DataFrame:
    """Return a row for each group of each data set, its sample images in the column `images`.

    Parameters
    ----------
    folders
        Data set -> its folder of group files.

    Raises
    ------
    DataError
        If the groups or the sample images cannot be read.
    """
    rows: list[dict[str, object]] = []
    for dataset, folder in folders.items():
        scheme = read_scheme(folder)
        counts = scheme.counts["train"]
        samples = read_samples(folder, counts)
        for group, name in enumerate(scheme.names):
            label, value = samples.pairs[group].tolist()
            place = {"dataset": dataset, "group": name, "label": label, "value": value}
            about = {"is_minority": scheme.minority[group], "n_train": counts[group], "images": samples.images[group]}
            rows.append(place | about)
    return pd.DataFrame(rows, columns=COLUMNS)


@style.styled
def draw(frames: Frames, facts: Facts) -> Figure:  # noqa: ARG001
    """Draw a block of panels for each data set: classes down, attribute values across, a few images each."""
    blocks = _blocks(frames["samples"])
    heights = [_height(block, shape) for _, block, shape in blocks]
    figure = Figure(figsize=(style.DOUBLE, max(sum(heights), 1.0)), layout="constrained")
    parts = figure.subfigures(max(len(blocks), 1), 1, squeeze=False, height_ratios=heights or [1.0])
    for (part,), (name, block, shape) in zip(parts, blocks, strict=False):
        labels, values = sorted(block["label"].unique()), sorted(block["value"].unique())
        axes = part.subplots(len(labels), len(values), squeeze=False)
        for ax in axes.flat:
            ax.set_axis_off()
        for row in block.to_dict("records"):
            ax = axes[labels.index(row["label"])][values.index(row["value"])]
            _panel(ax, row, shape, 22 if len(values) > 3 else 44)
        if len(blocks) > 1:
            part.suptitle(style.shorten(name), fontsize=8.5, fontweight="bold")
    return figure


def caption(frames: Frames, facts: Facts) -> str:
    """Say which images these are, and how they are shown."""
    rows = frames["samples"]
    channels = {images.shape[1] for images in rows["images"]}
    two = " Two channels are shown as red and green." if 2 in channels else ""
    most = sorted({math.prod(shape) for _, _, shape in _blocks(rows)})
    fewer = ", or all if it has fewer" if len(rows) and rows["n_train"].min() < most[-1] else ""
    return (
        f"Training images of seed {facts.seeds[0]}, the first of {facts.seeds_text}: of each group the first "
        f"{' or '.join(map(str, most))} in file order{fewer}, raw pixel values, not interpolated. Classes from top "
        "to bottom, values of the attribute from left to right; n: the group's training examples; bold: minority "
        f"groups.{two}"
    )


def montage(images: np.ndarray, rows: int, columns: int) -> np.ndarray:
    """Return images side by side, row by row, white where there is none.

    Parameters
    ----------
    images
        uint8, of shape (k, channels, height, width): 1 channel is gray, 2 are red and green, 3 red, green and blue.

    Returns
    -------
    uint8 of shape (rows' height, columns' width, 3), with white lines between the images
    """
    _, channels, height, width = images.shape
    gap = max(1, height // 14)
    sheet = np.full((rows * (height + gap) - gap, columns * (width + gap) - gap, 3), WHITE, dtype=np.uint8)
    for place, image in enumerate(images[: rows * columns]):
        top, left = (place // columns) * (height + gap), (place % columns) * (width + gap)
        colored = np.zeros((height, width, 3), dtype=np.uint8)
        colored[..., :channels] = np.moveaxis(image[:3], 0, -1)
        sheet[top : top + height, left : left + width] = image[0][..., None] if channels == 1 else colored
    return sheet


def _panel(ax: Axes, row: Mapping[Any, Any], shape: tuple[int, int], wide: int) -> None:
    ax.imshow(montage(row["images"], *shape), interpolation="nearest")
    if not len(row["images"]):
        ax.text(0.5, 0.5, "no training example", transform=ax.transAxes, ha="center", va="center", color="#4d4d4d")
    kind = "minority" if row["is_minority"] else "majority"
    name = style.wrap(style.shorten(str(row["group"]), 2 * wide - 4), wide)
    ax.set_title(f"{name}\n{kind}, n = {row['n_train']:,}", fontweight="bold" if row["is_minority"] else "normal")


def _shape(block: pd.DataFrame, n_blocks: int) -> tuple[int, int]:
    """Return rows and columns of images in a panel: 8 images for few groups, 4 for many."""
    if len(block) <= FEW_GROUPS:
        return (1, PER_GROUP) if block["value"].nunique() <= 2 else (2, PER_GROUP // 2)
    return (2, 2) if n_blocks == 1 else (1, 4)


def _height(block: pd.DataFrame, shape: tuple[int, int]) -> float:
    """Return a block's height in inches, so that its images fill the width."""
    _, _, height, width = next(iter(block["images"])).shape
    n_rows, n_columns = block["label"].nunique(), block["value"].nunique()
    panel = (style.DOUBLE - 0.3) / n_columns * shape[0] * height / (shape[1] * width)
    return float(n_rows * (panel + 0.36) + 0.3)


def _blocks(rows: pd.DataFrame) -> list[tuple[str, pd.DataFrame, tuple[int, int]]]:
    """Return name, rows and `_shape` of each data set."""
    names = unique(rows["dataset"])
    blocks = [(name, rows[rows["dataset"] == name]) for name in names]
    return [(name, block, _shape(block, len(names))) for name, block in blocks]
