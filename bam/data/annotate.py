"""Write a data set's groups, samples of each, and its test labels: files that training never reads."""

from pathlib import Path

from bam.data.examples import SPLITS, Examples
from bam.data.samples import write_samples
from bam.errors import DataError
from bam.groups import GroupScheme, SplitGroups, write_scheme, write_split


def write_groups(examples: Examples, folder: Path) -> None:
    """Write each split's group file, sample images of each group, and `groups.json`.

    Raises
    ------
    DataError
        If a group that is not declared empty has no example in some split.
    """
    names = tuple(examples.group_name(pair) for pair in examples.pairs)
    declared_empty = tuple(examples.group_name(pair) for pair in examples.pairs if pair in examples.declared_empty)
    counts: dict[str, tuple[int, ...]] = {}
    for split in SPLITS:
        membership = examples.membership(split)
        counts[split] = tuple(int(count) for count in membership.sum(axis=0))
        for name, count in zip(names, counts[split], strict=True):
            if count == 0 and name not in declared_empty:
                raise DataError(
                    f"{folder}: group {name!r} has no example in {split}; "
                    "use a larger set or a weaker correlation, or declare the cell empty"
                )
        part = examples.splits[split]
        labels = part.labels if split == "test" else None
        write_split(folder / f"{split}.csv", SplitGroups(part.attributes, membership, labels), names)
    write_samples(examples, folder)
    minority = tuple(pair in examples.minority for pair in examples.pairs)
    write_scheme(folder, GroupScheme(names, minority, declared_empty, examples.is_partition, counts))
