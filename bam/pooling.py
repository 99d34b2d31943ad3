"""Maximum pooling of 2 × 2 pixels that is cheaper where no gradient is asked for."""

import torch
from torch import Tensor, nn
from torch.nn.functional import conv2d, max_pool2d, pad


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


class PooledConv2d(nn.Conv2d):
    """A square convolution of stride 1 and `nn.MaxPool2d(2)` after it, in one.

    Where no gradient is asked for, the four places of each pooling window are four times the channels of one
    convolution of stride 2, whose kernels are one pixel larger and hold the own one in their four corners. A
    processor's vectors hold more channels than a first layer has, so the zeros cost nothing. Sums are of the same
    numbers and zeros; in which order is up to torch.
    """

    def __init__(self, in_channels: int, out_channels: int, kernel_size: int, padding: int) -> None:
        super().__init__(in_channels, out_channels, kernel_size, padding=padding)

    def forward(self, images_BCHW: Tensor) -> Tensor:
        """Return float of shape (B, out channels, H' // 2, W' // 2), H' and W' the sides after the convolution."""
        if torch.is_grad_enabled():
            return max_pool2d(super().forward(images_BCHW), kernel_size=2)
        assert self.bias is not None
        corners = [pad(self.weight, (right, 1 - right, low, 1 - low)) for low in (0, 1) for right in (0, 1)]
        weight = torch.cat(corners).contiguous(memory_format=torch.channels_last)
        found = conv2d(images_BCHW, weight, self.bias.repeat(4), stride=2, padding=self.padding)
        upper_left, upper_right, lower_left, lower_right = found.chunk(4, dim=1)
        return torch.maximum(torch.maximum(upper_left, upper_right), torch.maximum(lower_left, lower_right))
