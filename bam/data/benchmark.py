"""What the published benchmarks have in common: classes, one spurious attribute, three fixed splits, known counts."""

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np
from pydantic import Field

from bam.data.counts import check_classes, check_counts
from bam.data.examples import SPLITS, Sizes, Split
from bam.data.members import Members
from bam.data.origin import Counts, check_origin
from bam.strict import Strict

SPLIT_CODES: Mapping[Split, int] = {"train": 0, "val": 1, "test": 2}  # as lists of images number them


class BenchmarkSettings(Strict):
    """The setting that the `datasets:` entries of all benchmarks have."""

    counts: Counts = Field(
        default="published",
        description="`any` takes data that are not the published ones, `generated` those of `bam fixture` alone",
    )


class ImageSettings(BenchmarkSettings):
    """The settings that the `datasets:` entries of image benchmarks have."""

    side: int = Field(default=224, ge=8, le=1024, description="height and width of the images, in pixels")


@dataclass(frozen=True)
class Benchmark:
    """What is known of a benchmark before its files are there.

    Attributes
    ----------
    class_names : name of each class
    attribute : name of the spurious attribute, with the name of each of its values
    minority : (label, value) pairs in which the two disagree
    published : split -> examples of each group, in group order: label * A + value
    """

    class_names: tuple[str, ...]
    attribute: tuple[str, tuple[str, ...]]
    minority: frozenset[tuple[int, int]]
    published: Mapping[Split, tuple[int, ...]]

    def count(self, split: Split, label: int, value: int) -> int:
        """Return the published size of one group of one split."""
        return self.published[split][label * len(self.attribute[1]) + value]

    def sizes(self, input_shape: tuple[int, ...]) -> Sizes:
        """Return the published sizes; a smaller copy, with `counts: any`, stays below."""
        return Sizes(
            n_examples={split: sum(self.published[split]) for split in SPLITS},
            input_shape=input_shape,
            n_classes=len(self.class_names),
            n_minority=sum(self.count("train", *pair) for pair in self.minority),
        )

    def check(
        self, cells: Mapping[Split, tuple[np.ndarray, np.ndarray]], counts: Counts, where: str, members: Members
    ) -> None:
        """Refuse what is not the benchmark.

        Parameters
        ----------
        cells : split -> label and attribute value of each example, int64 arrays of shape (n,)
        counts : whether each group of each split must be as large as published
        where : what was read, for messages
        members : of the archive that it was read from

        Raises
        ------
        DataError
            If a split has no example of a class, or a group is not as large as published, or the archive is generated
            where the published one is asked for, or the other way round.
        """
        check_classes({split: labels for split, (labels, _) in cells.items()}, self.class_names, where)
        if counts == "published":
            values = self.attribute[1]
            groups = {split: labels * len(values) + ids for split, (labels, ids) in cells.items()}
            names = [f"{label}, {value}" for label in self.class_names for value in values]
            check_counts(groups, self.published, names, where)
        check_origin(members, counts, where)
