"""What every kind of data set turns its raw files into, before anything is written."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Literal

import numpy as np

Split = Literal["train", "val", "test"]
SPLITS: tuple[Split, ...] = ("train", "val", "test")


@dataclass(frozen=True)
class Sizes:
    """What a data set will measure, known from its settings before any file is there.

    Attributes
    ----------
    n_examples : split -> number of examples
    input_shape : (channels, height, width)
    n_minority : training examples in minority groups, the size an ideal error set has
    """

    n_examples: Mapping[Split, int]
    input_shape: tuple[int, ...]
    n_classes: int
    n_minority: int


@dataclass(frozen=True)
class SplitExamples:
    """One split.

    Attributes
    ----------
    inputs : uint8 array of shape (n, channels, height, width)
    labels : int64 array of shape (n,)
    attributes : name -> int64 array of shape (n,)
    """

    inputs: np.ndarray
    labels: np.ndarray
    attributes: Mapping[str, np.ndarray]


@dataclass(frozen=True)
class Examples:
    """A data set with groups label x attribute.

    Attributes
    ----------
    splits : the three splits
    class_names : name of each class
    attribute : which attribute makes the groups, with the name of each of its values
    minority : (label, attribute) pairs in which the two disagree
    declared_empty : pairs that may have no example
    """

    splits: Mapping[Split, SplitExamples]
    class_names: tuple[str, ...]
    attribute: tuple[str, tuple[str, ...]]
    minority: frozenset[tuple[int, int]]
    declared_empty: frozenset[tuple[int, int]] = field(default_factory=frozenset)

    @property
    def pairs(self) -> list[tuple[int, int]]:
        """The (label, attribute) pair of each group, in group order: label * A + attribute."""
        n_values = len(self.attribute[1])
        return [(label, value) for label in range(len(self.class_names)) for value in range(n_values)]

    def group_name(self, pair: tuple[int, int]) -> str:
        """Return e.g. ``"0-4, red"``."""
        return f"{self.class_names[pair[0]]}, {self.attribute[1][pair[1]]}"

    def membership(self, split: Split) -> np.ndarray:
        """Return the bool array of shape (n, G) of one split."""
        examples = self.splits[split]
        values = examples.attributes[self.attribute[0]]
        columns = [(examples.labels == label) & (values == value) for label, value in self.pairs]
        return np.stack(columns, axis=1)
