"""Batches in order; on a GPU the next one is gathered while this one is computed with."""

from collections.abc import Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor

import torch
from torch import Tensor

from bam.training.inputs import Inputs

EVALUATION_BYTES = 64 << 20
MOST_ROWS = 512  # of small images more take twice as long a row: what a layer makes of them leaves the caches


def batches(inputs: Inputs, parts: Sequence[Tensor], *, ahead: bool | None = None) -> Iterator[Tensor]:
    """Yield the batch of each part of an order, on the device.

    Parameters
    ----------
    parts
        int64 tensors of row numbers, on the host.
    ahead
        Whether a thread gathers one batch ahead, into pinned memory where there is a GPU to copy from
        it without waiting. None: on a GPU, and not on a CPU, whose cores the training has use for.
    """
    if ahead is None:
        ahead = inputs.device.type == "cuda"
    if not ahead:
        yield from map(inputs.batch, parts)
        return
    is_pinned = inputs.device.type == "cuda"

    def gathered(part: Tensor) -> Tensor:
        stored = inputs.gather(part)
        return stored.pin_memory() if is_pinned else stored

    with ThreadPoolExecutor(max_workers=1) as thread:
        following = thread.submit(gathered, parts[0]) if len(parts) else None
        for k in range(len(parts)):
            assert following is not None
            stored = following.result()
            following = thread.submit(gathered, parts[k + 1]) if k + 1 < len(parts) else None
            yield inputs.place(stored)


def evaluation_batch(inputs: Inputs) -> int:
    """Return how many rows are predicted at once: 64 MiB of input, at most 512 rows.

    That is 512 images of 28 x 28, 111 of 3 x 224 x 224, and 170 texts of 128 tokens. It depends on
    the data alone, not on the memory that happens to be free, since another batch may round otherwise.
    """
    return max(1, min(MOST_ROWS, EVALUATION_BYTES // inputs.row_bytes))


def in_batches(n_rows: int, size: int) -> Sequence[Tensor]:
    """Return the row numbers 0 to n - 1 in parts of one size."""
    return torch.split(torch.arange(n_rows), size)
