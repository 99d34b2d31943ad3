"""Write a split's inputs block by block, on all cores; what an interrupted run has written is kept."""

import os
from collections import deque
from collections.abc import Iterator, Mapping, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import ExitStack, contextmanager
from pathlib import Path
from typing import BinaryIO

import numpy as np

from bam.data.rows import Rows
from bam.errors import DataError, RunError
from bam.files import write_text
from bam.progress import track

BLOCK_BYTES = 16 << 20  # of inputs in a block: small beside memory, large beside the cost of a file's name


def write_rows(rows: Rows, folder: Path, description: str) -> list[str]:
    """Write `<name>.npy` for each array of the rows, and return the names.

    Blocks are made by threads (decoding and tokenising release Python's lock) and written to
    `.<name>.npy.part`; the journal `.blocks` counts the blocks that are on disk, so that a run that was
    interrupted goes on there. Files take their names when whole.

    Raises
    ------
    DataError
        What the rows raise, and if they give a block that is not of their shape.
    RunError
        If the disk is full or the folder cannot be written to.
    """
    try:
        folder.mkdir(parents=True, exist_ok=True)
        parts = {name: folder / f".{name}.npy.part" for name in rows.shapes}
        journal = folder / ".blocks"
        _fill(rows, parts, journal, description)
        for name, part in parts.items():
            part.replace(folder / f"{name}.npy")
        journal.unlink(missing_ok=True)
    except OSError as error:
        raise RunError(
            f"{folder}: cannot be written ({error.strerror or error}); free the disk or make the folder writable, "
            "then run the same command again: what is finished is kept"
        ) from error
    return list(rows.shapes)


def _fill(rows: Rows, parts: Mapping[str, Path], journal: Path, description: str) -> None:
    """Make the blocks that are still to do and write each to its place in the parts."""
    per_example = sum(int(np.prod(shape)) * np.dtype(dtype).itemsize for shape, dtype in rows.shapes.values())
    size = max(1, BLOCK_BYTES // max(1, per_example))
    starts = list(range(0, len(rows), size))
    n_done = _done(journal, parts, rows, size)
    with ThreadPoolExecutor(_n_workers()) as pool, ExitStack() as opened:
        files = {name: opened.enter_context(_open(path, rows, name, n_done * size)) for name, path in parts.items()}
        blocks = _ahead(pool, rows, starts[n_done:], size)
        for k in track(range(n_done, len(starts)), len(starts) - n_done, description):
            for name, block in next(blocks).items():
                shape, dtype = rows.shapes[name]
                _check(
                    block,
                    (min(size, len(rows) - starts[k]), *shape),
                    f"{parts[name].parent}: {name}, row {starts[k]:,}",
                )
                files[name].write(np.ascontiguousarray(block, dtype=dtype).data)
                files[name].flush()
                os.fsync(files[name].fileno())
            write_text(journal, f"{size} {k + 1}\n")


def _check(block: np.ndarray, shape: tuple[int, ...], where: str) -> None:
    """Refuse a block that is too short or too narrow: it would shift all that follows."""
    if block.shape != shape:
        raise DataError(f"{where}: a block of shape {block.shape} and not {shape}")


def _ahead(pool: ThreadPoolExecutor, rows: Rows, starts: Sequence[int], size: int) -> Iterator[dict[str, np.ndarray]]:
    """Yield blocks in order, with no more than two a worker made ahead."""
    waiting: deque[Future[dict[str, np.ndarray]]] = deque()
    for start in starts:
        if len(waiting) == 2 * _n_workers():
            yield waiting.popleft().result()
        waiting.append(pool.submit(rows.read, start, min(start + size, len(rows))))
    while waiting:
        yield waiting.popleft().result()


def _n_workers() -> int:
    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1


def _done(journal: Path, parts: Mapping[str, Path], rows: Rows, size: int) -> int:
    """Return how many blocks an interrupted run has left, 0 if what it left does not go with these rows."""
    try:
        written, n_done = (int(word) for word in journal.read_text(encoding="utf-8").split())
    except (OSError, ValueError):
        return 0
    for name, part in parts.items():
        shape, dtype = rows.shapes[name]
        try:
            there = np.load(part, mmap_mode="r", allow_pickle=False)
        except (OSError, ValueError):
            return 0
        if there.shape != (len(rows), *shape) or there.dtype != dtype:
            return 0
    return n_done if written == size and n_done * size < len(rows) + size else 0


@contextmanager
def _open(path: Path, rows: Rows, name: str, first: int) -> Iterator[BinaryIO]:
    """Open a part to write the rows from `first` on: plainly, as written pages of a mapped file stay in memory."""
    shape, dtype = rows.shapes[name]
    if first == 0:
        np.lib.format.open_memmap(path, mode="w+", dtype=dtype, shape=(len(rows), *shape))
    with open(path, "rb+") as file:
        size = os.fstat(file.fileno()).st_size
        if first == 0 and hasattr(os, "posix_fallocate"):
            os.posix_fallocate(file.fileno(), 0, size)  # a disk that is too small says so now, and not hours later
        file.seek(size - (len(rows) - first) * int(np.prod(shape)) * np.dtype(dtype).itemsize)
        yield file
