"""What every kind of data set turns its raw files into, before anything is written."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Literal

import numpy as np

from bam.data.rows import Rows

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
    has_groups : whether there is an attribute that makes groups
    """

    n_examples: Mapping[Split, int]
    input_shape: tuple[int, ...]
    n_classes: int
    n_minority: int
    has_groups: bool = True


@dataclass(frozen=True)
class SplitExamples:
    """One split.

    Attributes
    ----------
    inputs : uint8 array of shape (n, channels, height, width), or rows that are made when asked for
    labels : int64 array of shape (n,)
    attributes : name -> int64 array of shape (n,)
    """

    inputs: np.ndarray | Rows
    labels: np.ndarray
    attributes: Mapping[str, np.ndarray]


@dataclass(frozen=True)
class TextFacts:
    """What a tokeniser says of its token ids: that of padding, and how many there are."""

    pad_id: int
    vocab_size: int


@dataclass(frozen=True)
class Examples:
    """A data set with groups label x attribute, or label x each of several attributes that may overlap.

    Attributes
    ----------
    splits : the three splits
    class_names : name of each class
    attribute : which attribute makes the groups, with the name of each of its values; None without attributes
    minority : (label, attribute) pairs in which the two disagree
    declared_empty : pairs that may have no example
    overlapping
        Names of 0/1 attributes that take the place of `attribute`: a group is then a label and one of them being 1,
        an example may lie in several groups or in none, and the second of a pair counts these names.
    text : for token ids, what the tokeniser says of them
    normalisation : (mean, std) of each channel; measured on train if None
    """

    splits: Mapping[Split, SplitExamples]
    class_names: tuple[str, ...]
    attribute: tuple[str, tuple[str, ...]] | None
    minority: frozenset[tuple[int, int]]
    declared_empty: frozenset[tuple[int, int]] = field(default_factory=frozenset)
    overlapping: tuple[str, ...] = ()
    text: TextFacts | None = None
    normalisation: tuple[tuple[float, ...], tuple[float, ...]] | None = None

    @property
    def value_names(self) -> tuple[str, ...]:
        """What the second of a pair counts: values of the attribute, or overlapping attributes."""
        return self.overlapping or (self.attribute[1] if self.attribute else ())

    @property
    def is_partition(self) -> bool:
        """Whether each example lies in exactly one group."""
        return not self.overlapping

    @property
    def pairs(self) -> list[tuple[int, int]]:
        """The (label, attribute) pair of each group, in group order: label * A + attribute."""
        n_values = len(self.value_names)
        return [(label, value) for label in range(len(self.class_names)) for value in range(n_values)]

    def group_name(self, pair: tuple[int, int]) -> str:
        """Return e.g. ``"0-4, red"``."""
        return f"{self.class_names[pair[0]]}, {self.value_names[pair[1]]}"

    def membership(self, split: Split) -> np.ndarray:
        """Return the bool array of shape (n, G) of one split; without attributes, G is 0."""
        examples = self.splits[split]
        columns = [(examples.labels == label) & self._has(examples, value) for label, value in self.pairs]
        return np.stack(columns, axis=1) if columns else np.zeros((len(examples.labels), 0), dtype=bool)

    def _has(self, examples: SplitExamples, value: int) -> np.ndarray:
        if self.overlapping:
            return np.asarray(examples.attributes[self.overlapping[value]] == 1)
        assert self.attribute is not None
        return np.asarray(examples.attributes[self.attribute[0]] == value)
