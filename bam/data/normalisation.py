"""Mean and spread of each channel, measured on the training split."""

import numpy as np

BLOCK = 4096  # images looked at together: the array may be larger than memory


def channel_statistics(inputs: np.ndarray) -> tuple[tuple[float, ...], tuple[float, ...]]:
    """Return (mean, std) of each channel of pixels scaled to [0, 1].

    Parameters
    ----------
    inputs : uint8 array of shape (n, channels, height, width)

    Raises
    ------
    ValueError
        If there is no example.
    """
    if len(inputs) == 0:
        raise ValueError("no example to measure mean and spread on")
    # Counting the 256 values of each channel is exact and needs no float copy of the images.
    counts = np.zeros((inputs.shape[1], 256), dtype=np.int64)
    for start in range(0, len(inputs), BLOCK):
        block = inputs[start : start + BLOCK]
        counts += np.stack([np.bincount(block[:, c].ravel(), minlength=256) for c in range(inputs.shape[1])])
    values = np.arange(256) / 255.0
    shares = counts / counts.sum(axis=1, keepdims=True)
    mean = shares @ values
    std = np.sqrt((shares * (values - mean[:, None]) ** 2).sum(axis=1))
    return tuple(mean.tolist()), tuple(std.tolist())
