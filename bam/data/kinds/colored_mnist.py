"""Colored-MNIST of the authors' follow-up report: digits 0-4 against 5-9, in red or green.

Red goes with class 0 and green with class 1, except for the share `flip_rate` of each class. Of the
pool of 70,000 digits, `size` are drawn and split .7/.15/.15, all three with the same correlation.
Every group has an exact count in every split.
"""

from collections.abc import Mapping
from pathlib import Path
from typing import Annotated, Literal

import numpy as np
from pydantic import Field, model_validator

from bam.data.draws import cut, some_of, split_rows
from bam.data.examples import SPLITS, Examples, Sizes, Split, SplitExamples
from bam.data.idx import read_labelled
from bam.randomness import numpy_generator
from bam.strict import Strict

RAW = ("mnist",)
VALIDATION = "as_train"
PER_SEED_DRAW = (
    "each seed draws, splits and colours images of one pool of 70,000 anew; test sets of different seeds share "
    "images, so intervals over seeds are somewhat too short where the set is large"
)
SHARES = (0.7, 0.15)
COLORS = ("red", "green")
POOL = (35735, 34265)  # digits 0-4 and 5-9 among all 70,000
Rate = Annotated[float, Field(ge=0, lt=0.5)]


class Settings(Strict):
    """The `datasets:` entry of a study."""

    kind: Literal["colored_mnist"]
    size: int = Field(ge=20, le=70000, description="images drawn, train, val and test together")
    flip_rate: Rate | Annotated[list[Rate], Field(min_length=2, max_length=2)] = Field(
        description="share of each class in the other class's colour: one number, or [class 0, class 1]"
    )
    class_ratio: float = Field(gt=0, description="images of class 0 for each of class 1")
    label_noise: Rate = Field(default=0.0, description="share of train and val labels that are wrong; test is clean")
    data_seed: int = Field(ge=0, description="seed of the draw, the split, the colours and the noise, or `per_seed`")

    @model_validator(mode="after")
    def _fits_the_pool(self) -> "Settings":
        for label, (n, available) in enumerate(zip(self.class_sizes, POOL, strict=True)):
            if n > available:
                raise ValueError(
                    f"class {label} needs {n:,} images, MNIST has {available:,}; lower size or class_ratio"
                )
        return self

    @model_validator(mode="after")
    def _leaves_no_group_empty_by_chance(self) -> "Settings":
        """Let a group be empty only where its rate is 0: no class, and no group that rounding has emptied."""
        for (label, color), counts in self.cells().items():
            if min(counts) == 0 and (label == color or self.rates[label] > 0):
                raise ValueError(
                    f"class {label} in {COLORS[color]} would have {', '.join(map(str, counts))} images in train, val "
                    "and test; raise size, or make rates and class_ratio less uneven"
                )
        return self

    @property
    def rates(self) -> list[float]:
        """Flip rate of class 0 and of class 1."""
        return self.flip_rate if isinstance(self.flip_rate, list) else [self.flip_rate] * 2

    @property
    def class_sizes(self) -> tuple[int, int]:
        """Images of class 0 and of class 1."""
        second = round(self.size / (1 + self.class_ratio))
        return self.size - second, second

    def cells(self) -> dict[tuple[int, int], list[int]]:
        """Return (class, colour) -> number of images in train, val and test, before label noise."""
        found = {}
        for label, (n, rate) in enumerate(zip(self.class_sizes, self.rates, strict=True)):
            n_flipped = round(rate * n)
            found[label, label] = cut(n - n_flipped, SHARES)
            found[label, 1 - label] = cut(n_flipped, SHARES)
        return found


def sizes(settings: Settings) -> Sizes:
    """Return the sizes that the splits will have."""
    cells = settings.cells()
    n_minority = 0
    for (label, color), counts in cells.items():
        n_wrong = round(settings.label_noise * counts[0])
        n_minority += n_wrong if label == color else counts[0] - n_wrong
    return Sizes(
        n_examples={split: sum(counts[k] for counts in cells.values()) for k, split in enumerate(SPLITS)},
        input_shape=(2, 28, 28),
        n_classes=2,
        n_minority=n_minority,
    )


def read_examples(raw: Mapping[str, Path], settings: Settings) -> Examples:
    """Draw, split and colour the digits.

    Returns
    -------
    Examples with inputs uint8 of shape (n, 2, 28, 28), channels red and green. A label that is
    noise counts as the label: groups are (given label, colour).

    Raises
    ------
    DataError
        If a raw file is not what MNIST's is.
    """
    parts = [read_labelled(raw["mnist"], part) for part in ("train", "t10k")]
    images, digits = (np.concatenate([getattr(part, name) for part in parts]) for name in ("images", "classes"))
    dealt = _deal(digits, settings)
    splits: dict[Split, SplitExamples] = {}
    for split in SPLITS:
        rows, labels, colors = dealt[split]
        inputs = np.zeros((len(rows), 2, 28, 28), dtype=np.uint8)
        inputs[np.arange(len(rows)), colors] = images[rows]
        wrong = np.zeros(len(rows), dtype=bool)
        if split != "test":
            wrong = _noise(labels, colors, settings.label_noise, numpy_generator(settings.data_seed, f"noise/{split}"))
        given = np.where(wrong, 1 - labels, labels)
        splits[split] = SplitExamples(inputs, given, {"color": colors, "label_is_wrong": wrong.astype(np.int64)})
    return Examples(
        splits=splits,
        class_names=("0-4", "5-9"),
        attribute=("color", COLORS),
        minority=frozenset({(0, 1), (1, 0)}),
        declared_empty=frozenset(_empty_cells(settings)),
    )


def _deal(digits: np.ndarray, settings: Settings) -> dict[Split, tuple[np.ndarray, np.ndarray, np.ndarray]]:
    """Return (row in the pool, class, colour) of each split's examples, in random order."""
    generator = numpy_generator(settings.data_seed, "draw")
    pieces: dict[Split, list[np.ndarray]] = {split: [] for split in SPLITS}
    cells = settings.cells()
    for label, n in enumerate(settings.class_sizes):
        drawn = some_of(np.flatnonzero((digits >= 5) == bool(label)), n, generator)
        n_own = sum(cells[label, label])
        for color, rows in ((label, drawn[:n_own]), (1 - label, drawn[n_own:])):
            for split, part in split_rows(rows, cells[label, color], generator).items():
                pieces[split].append(np.stack([part, np.full(len(part), label), np.full(len(part), color)]))
    mixed = {split: generator.permutation(np.concatenate(found, axis=1), axis=1) for split, found in pieces.items()}
    return {split: (table[0], table[1], table[2]) for split, table in mixed.items()}


def _noise(labels: np.ndarray, colors: np.ndarray, rate: float, generator: np.random.Generator) -> np.ndarray:
    """Return which labels are wrong: exactly round(rate * n) of each (class, colour)."""
    wrong = np.zeros(len(labels), dtype=bool)
    for label in (0, 1):
        for color in (0, 1):
            cell = np.flatnonzero((labels == label) & (colors == color))
            wrong[some_of(cell, round(rate * len(cell)), generator)] = True
    return wrong


def _empty_cells(settings: Settings) -> list[tuple[int, int]]:
    """Return the (class, colour) that a flip rate of 0 leaves without any image; label noise fills train and val."""
    return [cell for cell, counts in settings.cells().items() if sum(counts) == 0]
