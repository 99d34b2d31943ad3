"""Colours at equal steps around the circle of hues, at full saturation and value."""

import colorsys

import numpy as np

HUES = ("red", "lime", "green", "blue", "purple")  # 0, 72, 144, 216 and 288 degrees


def palette() -> np.ndarray:
    """Return the five colours as uint8 of shape (5, 3).

    >>> palette().tolist()[0]
    [255, 0, 0]
    """
    steps = [colorsys.hsv_to_rgb(k / len(HUES), 1.0, 1.0) for k in range(len(HUES))]
    return np.round(255 * np.array(steps)).astype(np.uint8)
