"""Maximum pooling without the places of maxima, against torch's."""

import pytest
import torch
from torch.nn.functional import max_pool2d

from bam.pooling import MaxPool2x2


@pytest.mark.parametrize("layout", [torch.contiguous_format, torch.channels_last])
@pytest.mark.parametrize("shape", [(4, 6, 24, 24), (2, 3, 5, 7), (1, 1, 2, 3), (3, 16, 9, 8)])
def test_maxima_without_gradients_are_torchs_to_the_bit_and_lie_as_torchs(shape, layout):
    images = torch.randn(shape, generator=torch.Generator().manual_seed(0)).contiguous(memory_format=layout)
    images[0, 0, 0, 0] = float("nan")
    with torch.inference_mode():
        ours, torchs = MaxPool2x2()(images), max_pool2d(images, 2)
    torch.testing.assert_close(ours, torchs, rtol=0, atol=0, equal_nan=True)
    assert ours.stride() == torchs.stride()


def test_gradients_are_torchs_where_maxima_tie():
    ours, torchs = (torch.zeros(2, 3, 6, 6, requires_grad=True) for _ in range(2))
    weights = torch.randn(2, 3, 3, 3, generator=torch.Generator().manual_seed(0))
    (MaxPool2x2()(ours) * weights).sum().backward()
    (max_pool2d(torchs, 2) * weights).sum().backward()
    assert torch.equal(ours.grad, torchs.grad)
