"""Torch generators from (seed, purpose), and a scope for the layers that use the global one."""

from collections.abc import Iterator
from contextlib import contextmanager

import torch

from bam.randomness import derive


def generator(seed: int, purpose: str, step: int = 0) -> torch.Generator:
    """Return a CPU generator for one purpose; orders are drawn on the CPU for every device."""
    return torch.Generator().manual_seed(derive(seed, purpose, step))


@contextmanager
def global_stream(seed: int, purpose: str, step: int = 0) -> Iterator[None]:
    """Seed torch's global generators inside the block (initialisation, dropout), then restore them."""
    with torch.random.fork_rng():
        torch.manual_seed(derive(seed, purpose, step))
        yield
