"""A random split of a user's own data: stratified, seeded, with exact counts."""

from collections.abc import Sequence

import numpy as np

from bam.data.draws import split_rows
from bam.data.examples import Split
from bam.randomness import numpy_generator


def make_split(strata: Sequence[tuple[str, ...]], sizes: Sequence[float], data_seed: int) -> list[Split]:
    """Return a split for each row, each stratum dealt out by itself.

    Parameters
    ----------
    strata
        Of each row its class, and its attributes if there are some.
    sizes
        Shares of train, val and test.

    Notes
    -----
    A stratum's rows are drawn by (data_seed, its name), so a new stratum leaves the others' split as it was.
    """
    rows: dict[tuple[str, ...], list[int]] = {}
    for row, stratum in enumerate(strata):
        rows.setdefault(stratum, []).append(row)
    found: list[Split] = ["train"] * len(strata)
    for stratum, members in rows.items():
        generator = numpy_generator(data_seed, f"split/{stratum!r}")
        dealt = split_rows(np.array(members), stratum_counts(len(members), sizes), generator)
        for split, indices in dealt.items():
            for row in indices.tolist():
                found[row] = split
    return found


def stratum_counts(n: int, sizes: Sequence[float]) -> list[int]:
    """Return how many of n rows go to train, val and test.

    The nearest whole numbers to n times the shares that add up to n, ties in favour of the earlier
    split; three rows or more leave no split empty.

    >>> [stratum_counts(n, [0.7, 0.15, 0.15]) for n in (100, 5, 1)]
    [[70, 15, 15], [3, 1, 1], [1, 0, 0]]
    """
    exact = [round(n * share, 9) for share in sizes]  # 0.15 is not a binary fraction
    counts = [max(int(share), 1 if n >= len(sizes) else 0) for share in exact]
    while sum(counts) < n:
        counts[max(range(len(counts)), key=lambda k: (exact[k] - counts[k], -k))] += 1
    while sum(counts) > n:
        counts[max(range(len(counts)), key=lambda k: (counts[k] > 1, counts[k] - exact[k], k))] -= 1
    return counts
