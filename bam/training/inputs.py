"""Rows of a prepared split as batches: gathered as stored, moved, then made what the network takes."""

from pathlib import Path
from typing import Protocol

import numpy as np
import torch
from torch import Tensor

from bam.data.examples import Split
from bam.data.prepared import Manifest, open_inputs, open_segments

# A token becomes the widest layer of a network; 768 floats is BERT base's.
TOKEN_BYTES = 4 * 768
FLOAT_BYTES = 4


class Inputs(Protocol):
    """The inputs of one split.

    Attributes
    ----------
    row_bytes : size of one row as the network first sees it, in float32
    """

    device: torch.device
    row_bytes: int

    def __len__(self) -> int:
        """Return n."""

    def gather(self, index_B: Tensor) -> Tensor:
        """Return the rows as they are stored, in the memory of the host."""

    def place(self, stored: Tensor) -> Tensor:
        """Move gathered rows to the device and make them what the network takes."""

    def batch(self, index_B: Tensor) -> Tensor:
        """Gather and place."""


class ImageInputs:
    """Images of one split, uint8 of shape (n, channels, height, width).

    Parameters
    ----------
    array : uint8 array, possibly memory-mapped
    mean, std : per channel, of pixels scaled to [0, 1]; a channel without spread is only centred
    """

    def __init__(
        self, array: np.ndarray, mean: tuple[float, ...], std: tuple[float, ...], device: torch.device
    ) -> None:
        self._pixels = torch.from_numpy(np.asarray(array))
        self.device = device
        self.row_bytes = FLOAT_BYTES * int(np.prod(array.shape[1:]))
        spread = torch.tensor([value if value > 0 else 1.0 for value in std], dtype=torch.float64)
        centre = torch.tensor(mean, dtype=torch.float64)
        # One multiply and one add a pixel: (x / 255 - mean) / std.
        self._scale = (1 / (255 * spread)).float().view(-1, 1, 1).to(device)
        self._shift = (-centre / spread).float().view(-1, 1, 1).to(device)

    def __len__(self) -> int:
        """Return n."""
        return len(self._pixels)

    def gather(self, index_B: Tensor) -> Tensor:
        """Return the pixels, uint8 of shape (B, channels, height, width)."""
        # Several times faster than indexing, which copies single bytes.
        return torch.index_select(self._pixels, 0, index_B)

    def place(self, stored: Tensor) -> Tensor:
        """Return the normalised pixels, float32 of the same shape, on the device."""
        return torch.addcmul(self._shift, stored.to(self.device, non_blocking=True), self._scale)

    def batch(self, index_B: Tensor) -> Tensor:
        """Return the normalised rows, float32 of shape (B, channels, height, width)."""
        return self.place(self.gather(index_B))


class TextInputs:
    """Token ids of one split, int32 of shape (n, L), with the number of the segment each belongs to if there are any.

    With `trim`, the columns at a batch's end that are padding in all of its rows are left out. Attention
    gives padding a weight of exactly 0, so logits stay the same up to the order of summation; the random
    draws of dropout do not, so a training with `trim` is another training than one without.

    Parameters
    ----------
    ids : int32 array, possibly memory-mapped
    segments : uint8 array of the same shape, or None
    """

    def __init__(
        self, ids: np.ndarray, segments: np.ndarray | None, pad_id: int, device: torch.device, *, trim: bool
    ) -> None:
        self._ids = torch.from_numpy(np.asarray(ids))
        self._segments = None if segments is None else torch.from_numpy(np.asarray(segments))
        self._pad_id = pad_id
        self._trim = trim
        self.device = device
        self.row_bytes = TOKEN_BYTES * ids.shape[1]

    def __len__(self) -> int:
        """Return n."""
        return len(self._ids)

    def gather(self, index_B: Tensor) -> Tensor:
        """Return ids, int32 of shape (B, L'), or ids and segments, int32 of shape (B, 2, L'); L' is at most L."""
        ids_BL = torch.index_select(self._ids, 0, index_B)
        length = self._length(ids_BL) if self._trim else ids_BL.shape[1]
        ids_BL = ids_BL[:, :length]
        if self._segments is None:
            return ids_BL
        segments_BL = torch.index_select(self._segments, 0, index_B)[:, :length]
        return torch.stack([ids_BL, segments_BL.to(torch.int32)], dim=1)

    def place(self, stored: Tensor) -> Tensor:
        """Return the same as int64, on the device."""
        return stored.to(self.device, non_blocking=True).long()

    def batch(self, index_B: Tensor) -> Tensor:
        """Return ids (B, L') or ids and segments (B, 2, L'), int64, on the device."""
        return self.place(self.gather(index_B))

    def _length(self, ids_BL: Tensor) -> int:
        """Return how many columns there are up to the last that has a token; at least one."""
        used = torch.nonzero((ids_BL != self._pad_id).any(dim=0))
        return int(used[-1]) + 1 if len(used) else 1


def open_split(folder: Path, manifest: Manifest, split: Split, device: torch.device, *, trim: bool = True) -> Inputs:
    """Return a split's inputs, of whatever kind its manifest says.

    Parameters
    ----------
    trim
        Whether columns that are padding in all rows of a batch of texts are left out.

    Raises
    ------
    DataError
        If a file is missing or is not what the manifest describes.
    """
    array = open_inputs(folder, manifest, split)
    if manifest.kind == "image":
        return image_inputs(array, manifest, device)
    assert manifest.pad_id is not None
    segments = open_segments(folder, manifest, split) if manifest.has_segments else None
    return TextInputs(array, segments, manifest.pad_id, device, trim=trim)


def image_inputs(array: np.ndarray, manifest: Manifest, device: torch.device) -> ImageInputs:
    """Return a split's images with the manifest's normalisation."""
    return ImageInputs(array, manifest.mean, manifest.std, device)
