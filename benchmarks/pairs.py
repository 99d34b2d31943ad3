"""Two ways of doing the same work, timed alternately in one process, as ratios.

Whatever else the machine does hits both sides of a pair. Ratios are of processor time: all that is compared runs on one
thread and waits for nothing, so this is what a clock on the wall would say of a free machine.
"""

import statistics
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass

Work = Callable[[], object]


@dataclass(frozen=True)
class Row:
    """One line of the table.

    Attributes
    ----------
    values : one of each repeat
    target : what the median should be, such as "at most 1.10"; empty if there is none
    unit : "ratio" unless a quantity is given for itself
    """

    what: str
    values: tuple[float, ...]
    target: str = ""
    unit: str = "ratio"

    @property
    def median(self) -> float:
        """Median of the repeats."""
        return statistics.median(self.values)

    @property
    def verdict(self) -> str:
        """Return "met" or "missed" for the median, empty without a target."""
        if not self.target:
            return ""
        sense, _, bound = self.target.rpartition(" ")
        is_met = self.median <= float(bound) if sense == "at most" else self.median >= float(bound)
        return "met" if is_met else "missed"


def seconds(works: tuple[Work, ...], n_repeats: int) -> Iterator[tuple[float, ...]]:
    """Yield the processor seconds of each work, repeat by repeat, after a warm-up of each.

    The order turns about, so that no work is always the one that follows another.
    """
    for work in works:
        work()
    for k in range(n_repeats):
        taken = [0.0] * len(works)
        for number in range(len(works)) if k % 2 == 0 else reversed(range(len(works))):
            start = time.process_time()
            works[number]()
            taken[number] = time.process_time() - start
        yield tuple(taken)


def ratios(first: Work, second: Work, n_repeats: int) -> tuple[float, ...]:
    """Return time(first) / time(second) of alternating pairs."""
    return tuple(a / b for a, b in seconds((first, second), n_repeats))
