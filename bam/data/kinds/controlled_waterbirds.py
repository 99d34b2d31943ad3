"""Controlled-Waterbirds: Waterbirds' 11,788 images pooled, drawn to given group sizes and split anew.

From the authors' follow-up (Liu & Wu 2022): group sizes d = {WW, WL, LW, LL}, split .7/.15/.15. Here the
split is made within each group: validation and test each get floor(.15 n + .5) of a group of n, the rest
trains; so validation and test have train's correlation.
"""

from collections.abc import Mapping
from pathlib import Path
from typing import Any, Literal

import numpy as np
from pydantic import Field, model_validator

from bam.data import waterbird_list
from bam.data.benchmark import ImageSettings
from bam.data.examples import SPLITS, Examples, Sizes, Split
from bam.data.waterbird_list import BENCHMARK, RAW_SET, read_birds
from bam.errors import DataError
from bam.randomness import numpy_generator
from bam.strict import Strict

RAW = (RAW_SET,)
VALIDATION = "as_train"
PER_SEED_DRAW = (
    "each seed draws and splits the same 11,788 published images anew; draws share images, so intervals over seeds "
    "omit part of the sampling error"
)
SMALLEST = 4  # of which validation and test get one each
CELLS: dict[str, tuple[int, int]] = {"WW": (1, 1), "WL": (1, 0), "LW": (0, 1), "LL": (0, 0)}


class GroupSizes(Strict):
    """Images of each group, over all splits: first the bird, then the background."""

    WW: int = Field(ge=SMALLEST, description="waterbirds on water")
    WL: int = Field(ge=SMALLEST, description="waterbirds on land")
    LW: int = Field(ge=SMALLEST, description="landbirds on water")
    LL: int = Field(ge=SMALLEST, description="landbirds on land")


class Settings(ImageSettings):
    """The `datasets:` entry of a study."""

    kind: Literal["controlled_waterbirds"]
    sizes: GroupSizes
    data_seed: int = Field(ge=0, description="seed of the draw and of the split, or `per_seed`")

    @model_validator(mode="after")
    def _fits_the_pool(self) -> "Settings":
        for name, (label, background) in CELLS.items():
            n_pool = sum(BENCHMARK.count(split, label, background) for split in SPLITS)
            wanted = getattr(self.sizes, name)
            if wanted > n_pool:
                raise ValueError(f"sizes.{name}: {wanted:,} is more than the {n_pool:,} images that there are")
        return self


def sizes(settings: Settings) -> Sizes:
    """Return the sizes that the splits have."""
    shares = {cell: _shares(getattr(settings.sizes, name)) for name, cell in CELLS.items()}
    return Sizes(
        n_examples={split: sum(share[split] for share in shares.values()) for split in SPLITS},
        input_shape=(3, settings.side, settings.side),
        n_classes=len(BENCHMARK.class_names),
        n_minority=sum(shares[cell]["train"] for cell in BENCHMARK.minority),
    )


def transform(settings: Settings) -> dict[str, Any]:
    """Return how an image file becomes an input, for an exported model."""
    return waterbird_list.transform(settings.side)


def read_examples(raw: Mapping[str, Path], settings: Settings) -> Examples:
    """Draw images of each group from the pool and split them.

    Returns
    -------
    Examples with inputs uint8 of shape (n, 3, side, side), in the order of the published list

    Raises
    ------
    DataError
        If the archive is not what is published, or holds fewer images than are asked for.
    """
    birds = read_birds(raw[RAW_SET], settings.counts)
    chosen: dict[Split, list[np.ndarray]] = {split: [] for split in SPLITS}
    for name, (label, background) in CELLS.items():
        pool = np.flatnonzero((birds.labels == label) & (birds.backgrounds == background))
        wanted = getattr(settings.sizes, name)
        if wanted > len(pool):
            raise DataError(f"{birds.path}: has {len(pool):,} images of {name}; sizes.{name} asks for {wanted:,}")
        drawn = numpy_generator(settings.data_seed, f"draw/{name}").permutation(pool)
        start = 0
        for split, n in _shares(wanted).items():
            chosen[split].append(drawn[start : start + n])
            start += n
    return birds.examples({split: np.sort(np.concatenate(parts)) for split, parts in chosen.items()}, settings.side)


def _shares(n: int) -> dict[Split, int]:
    """Split a group's size.

    >>> _shares(200), _shares(831)
    ({'train': 140, 'val': 30, 'test': 30}, {'train': 581, 'val': 125, 'test': 125})
    """
    part = (15 * n + 50) // 100
    return {"train": n - 2 * part, "val": part, "test": part}
