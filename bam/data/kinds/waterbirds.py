"""Waterbirds (Sagawa et al. 2020, arXiv 1911.08731): landbirds and waterbirds before land and water.

Images are resized to 256 x 256 and the central 224 x 224 are kept. Validation and test are balanced
over backgrounds within each class, which helps selection without groups.
"""

from collections.abc import Mapping
from pathlib import Path
from typing import Any, Literal

import numpy as np

from bam.data import waterbird_list
from bam.data.benchmark import SPLIT_CODES, ImageSettings
from bam.data.examples import Examples, Sizes
from bam.data.waterbird_list import BENCHMARK, RAW_SET, read_birds

RAW = (RAW_SET,)
VALIDATION = "as_test"
PER_SEED_DRAW = "the published splits are the same for all seeds, so intervals over seeds omit the sampling error"


class Settings(ImageSettings):
    """The `datasets:` entry of a study."""

    kind: Literal["waterbirds"]


def sizes(settings: Settings) -> Sizes:
    """Return the published sizes."""
    return BENCHMARK.sizes((3, settings.side, settings.side))


def transform(settings: Settings) -> dict[str, Any]:
    """Return how an image file becomes an input, for an exported model."""
    return waterbird_list.transform(settings.side)


def read_examples(raw: Mapping[str, Path], settings: Settings) -> Examples:
    """Read the list; images are decoded as they are asked for.

    Returns
    -------
    Examples with inputs uint8 of shape (n, 3, side, side), channels red, green and blue

    Raises
    ------
    DataError
        If the archive is not what is published.
    """
    birds = read_birds(raw[RAW_SET], settings.counts)
    indices = {split: np.flatnonzero(birds.splits == code) for split, code in SPLIT_CODES.items()}
    return birds.examples(indices, settings.side)
