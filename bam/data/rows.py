"""Inputs of a split that are made when asked for, so that no data set has to fit in memory."""

from collections.abc import Mapping
from typing import Protocol

import numpy as np

Shapes = Mapping[str, tuple[tuple[int, ...], str]]


class Rows(Protocol):
    """What a kind gives in place of an array: it decodes images or tokenises texts block by block.

    Attributes
    ----------
    shapes : name of an array ("inputs", for pairs of texts also "segments") -> (shape of one example, dtype)
    """

    @property
    def shapes(self) -> Shapes:
        """Name of each array -> (shape of one example, name of its dtype)."""

    def __len__(self) -> int:
        """Return n."""

    def read(self, start: int, stop: int) -> dict[str, np.ndarray]:
        """Return the arrays of the rows from `start` to `stop`; several threads may call it at once.

        Raises
        ------
        DataError
            If a file behind a row cannot be read; it names the file.
        """


class ArrayRows:
    """An array that is in memory already.

    Parameters
    ----------
    inputs : array of shape (n, ...)
    """

    def __init__(self, inputs: np.ndarray) -> None:
        self._inputs = inputs

    @property
    def shapes(self) -> Shapes:
        """The array's own."""
        return {"inputs": (self._inputs.shape[1:], self._inputs.dtype.name)}

    def __len__(self) -> int:
        """Return n."""
        return len(self._inputs)

    def read(self, start: int, stop: int) -> dict[str, np.ndarray]:
        """Return a view."""
        return {"inputs": self._inputs[start:stop]}


def as_rows(inputs: "np.ndarray | Rows") -> Rows:
    """Return either kind of inputs as rows."""
    return ArrayRows(inputs) if isinstance(inputs, np.ndarray) else inputs
