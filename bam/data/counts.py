"""Compare the counts of a benchmark's groups with the published ones."""

from collections.abc import Mapping, Sequence

import numpy as np

from bam.data.examples import Split
from bam.errors import DataError


def check_counts(
    groups: Mapping[Split, np.ndarray], published: Mapping[Split, Sequence[int]], names: Sequence[str], where: str
) -> None:
    """Refuse a benchmark that is not the published one, by the examples of each group in each split.

    Parameters
    ----------
    groups
        Split -> group of each example, integers from 0, in the order of `names`.
    where
        What was counted, for the message.

    Raises
    ------
    DataError
        With what was expected and what was seen, for each group that differs.
    """
    seen = {split: np.bincount(ids, minlength=len(names)).tolist() for split, ids in groups.items()}
    if all(list(published[split]) == seen[split] for split in seen):
        return
    differing = [
        f"{split} {name!r} has {found:,} of {expected:,}"
        for split in seen
        for name, expected, found in zip(names, published[split], seen[split], strict=True)
        if found != expected
    ]
    raise DataError(
        f"{where}: the groups are not as large as published, so this is another or a damaged version of the data "
        f"(a smaller copy is read with `counts: any`): {'; '.join(differing)}"
    )


def check_classes(labels: Mapping[Split, np.ndarray], names: Sequence[str], where: str) -> None:
    """Refuse a data set in which a split has no example of a class.

    Raises
    ------
    DataError
        It names the split and the class.
    """
    for split, values in labels.items():
        for label, count in enumerate(np.bincount(values, minlength=len(names))):
            if count == 0:
                raise DataError(f"{where}: {split} has no example of the class {names[label]!r}; is the file whole?")
