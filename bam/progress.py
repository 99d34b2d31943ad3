"""Progress: a bar on a terminal, a line now and then in a log file."""

import logging
import sys
import time
from collections.abc import Iterable, Iterator
from typing import TypeVar

T = TypeVar("T")
LOG_INTERVAL_S = 30.0
logger = logging.getLogger(__name__)


def track(items: Iterable[T], total: int, description: str) -> Iterator[T]:
    """Yield the items, showing how many of `total` are done and the time that remains."""
    if sys.stderr.isatty():
        from rich.console import Console
        from rich.progress import track as rich_track

        yield from rich_track(items, description, total=total, console=Console(stderr=True), transient=True)
        return
    start = logged = time.monotonic()
    for done, item in enumerate(items, start=1):
        yield item
        now = time.monotonic()
        if now - logged > LOG_INTERVAL_S or done == total:
            left = (now - start) / done * (total - done)
            logger.info("%s: %d of %d, %.0f s left", description, done, total, left)
            logged = now
