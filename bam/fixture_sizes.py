"""How many generated examples each group of each split has."""

from collections.abc import Mapping, Sequence

from bam.data.examples import SPLITS, Split


def scaled(
    published: Mapping[Split, Sequence[int]], scale: float, least: int, least_scored: int = 0
) -> dict[Split, list[int]]:
    """Return the share `scale` of each count, rounded half up, but no fewer than `least` and no more than published.

    Parameters
    ----------
    least
        Examples of a group of any split.
    least_scored
        Examples of a group of validation and test: an accuracy of few examples says little.

    >>> scaled({"train": (1000, 20), "val": (100, 5), "test": (500, 9)}, 0.1, 2, 6)
    {'train': [100, 2], 'val': [10, 5], 'test': [50, 6]}
    """
    floor = {split: least if split == "train" else max(least, least_scored) for split in SPLITS}
    return {split: [min(n, max(floor[split], int(n * scale + 0.5))) for n in published[split]] for split in SPLITS}
