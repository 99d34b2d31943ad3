"""Maximum pooling without the places of maxima, alone and with a convolution before it, against torch's."""

import pytest
import torch
from torch.nn.functional import conv2d, max_pool2d

from bam.pooling import MaxPool2x2, PooledConv2d


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


@pytest.mark.parametrize("padding", [0, 1, 2])
@pytest.mark.parametrize("kernel_size", [1, 3, 5])
@pytest.mark.parametrize("shape", [(4, 3, 28, 28), (2, 1, 9, 6), (3, 2, 7, 8), (1, 3, 6, 6)])
def test_a_pooled_convolution_is_a_convolution_and_pooling_with_gradients_and_without(shape, kernel_size, padding):
    torch.manual_seed(0)
    layer, images = PooledConv2d(shape[1], 6, kernel_size, padding), torch.randn(shape)
    expected = max_pool2d(conv2d(images, layer.weight, layer.bias, padding=padding), 2)
    assert torch.equal(layer(images), expected)
    with torch.inference_mode():
        ours = layer(images)
    assert ours.shape == expected.shape
    torch.testing.assert_close(ours, expected.detach(), rtol=1e-5, atol=1e-5)


def test_a_pooled_convolution_that_diverged_says_so():
    layer = PooledConv2d(3, 6, 5, 0)
    with torch.no_grad():
        layer.weight[0, 0, 0, 0] = float("nan")
        assert layer(torch.randn(2, 3, 12, 12))[:, 0].isnan().all()


def test_a_pooled_convolution_starts_as_torchs():
    torch.manual_seed(0)
    ours = PooledConv2d(3, 6, 5, 2)
    torch.manual_seed(0)
    torchs = torch.nn.Conv2d(3, 6, 5, padding=2)
    assert torch.equal(ours.weight, torchs.weight)
    assert torch.equal(ours.bias, torchs.bias)
