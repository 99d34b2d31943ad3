"""Rows of a prepared split as float batches: gathered as uint8, moved, then normalised on the device."""

import numpy as np
import torch
from torch import Tensor

from bam.data.prepared import Manifest


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
        spread = torch.tensor([value if value > 0 else 1.0 for value in std], dtype=torch.float64)
        centre = torch.tensor(mean, dtype=torch.float64)
        # One multiply and one add a pixel: (x / 255 - mean) / std.
        self._scale = (1 / (255 * spread)).float().view(-1, 1, 1).to(device)
        self._shift = (-centre / spread).float().view(-1, 1, 1).to(device)

    def __len__(self) -> int:
        """Return n."""
        return len(self._pixels)

    def batch(self, index_B: Tensor) -> Tensor:
        """Return the normalised rows, float32 of shape (B, channels, height, width)."""
        pixels = self._pixels[index_B].to(self.device, non_blocking=True)
        return torch.addcmul(self._shift, pixels, self._scale)


def image_inputs(array: np.ndarray, manifest: Manifest, device: torch.device) -> ImageInputs:
    """Return a split's inputs with the manifest's normalisation."""
    return ImageInputs(array, manifest.mean, manifest.std, device)
