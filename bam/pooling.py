"""Maximum pooling of 2 × 2 pixels that is cheaper where no gradient is asked for."""

import torch
from torch import Tensor, nn
from torch.nn.functional import max_pool2d


class MaxPool2x2(nn.Module):
    """`nn.MaxPool2d(2)`, the same to the bit.

    torch's also finds where each maximum stands, which only a gradient needs and which, channels-last on a
    processor, takes longer than a small convolution. A last odd row or column is left out, as there.
    """

    def forward(self, images_BCHW: Tensor) -> Tensor:
        """Return float of shape (B, C, H // 2, W // 2)."""
        if torch.is_grad_enabled():
            return max_pool2d(images_BCHW, kernel_size=2)
        height, width = (side // 2 * 2 for side in images_BCHW.shape[-2:])
        rows = torch.maximum(images_BCHW[..., 0:height:2, :width], images_BCHW[..., 1:height:2, :width])
        return torch.maximum(rows[..., 0::2], rows[..., 1::2])
