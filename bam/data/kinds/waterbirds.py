"""Waterbirds (Sagawa et al. 2020, arXiv 1911.08731): landbirds and waterbirds before land and water.

Images are resized to 256 x 256 and the central 224 x 224 are kept. Validation and test are balanced
over backgrounds within each class, which helps selection without groups.
"""

from collections.abc import Mapping
from pathlib import Path
from typing import Literal

import numpy as np
from pydantic import Field

from bam.data.counts import Counts
from bam.data.examples import SPLITS, Examples, Sizes
from bam.data.waterbird_list import CLASSES, MINORITY, PUBLISHED, RAW_SET, SPLIT_CODES, read_birds
from bam.strict import Strict

RAW = (RAW_SET,)
VALIDATION = "as_test"
PER_SEED_DRAW = "the published splits are the same for all seeds, so intervals over seeds omit the sampling error"


class Settings(Strict):
    """The `datasets:` entry of a study."""

    kind: Literal["waterbirds"]
    side: int = Field(default=224, ge=8, le=1024, description="height and width of the images, in pixels")
    counts: Counts = Field(default="published", description="`any` takes data that are not the published ones")


def sizes(settings: Settings) -> Sizes:
    """Return the published sizes; a smaller copy, with `counts: any`, stays below."""
    return Sizes(
        n_examples={split: sum(PUBLISHED[split]) for split in SPLITS},
        input_shape=(3, settings.side, settings.side),
        n_classes=len(CLASSES),
        n_minority=sum(PUBLISHED["train"][2 * label + background] for label, background in MINORITY),
    )


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
