"""All randomness comes from (seed, purpose): independent streams, the same on every machine."""

import hashlib

import numpy as np


def derive(seed: int, purpose: str, step: int = 0) -> int:
    """Return a 63-bit seed for one purpose, e.g. ``derive(0, "order", epoch)``."""
    text = f"{seed}/{purpose}/{step}"
    return int.from_bytes(hashlib.sha256(text.encode()).digest()[:8], "big") >> 1


def numpy_generator(seed: int, purpose: str, step: int = 0) -> np.random.Generator:
    """Return a numpy generator for one purpose."""
    return np.random.Generator(np.random.PCG64(derive(seed, purpose, step)))
