"""A LeNet-5 with ReLU and max pooling, for images of 8 x 8 pixels (with padding) and more."""

from pathlib import Path
from typing import TYPE_CHECKING, Literal

from pydantic import Field

from bam.errors import ConfigError
from bam.strict import Strict

if TYPE_CHECKING:
    from torch import nn

KIND = "image"


class Settings(Strict):
    """The `model:` entry of a study."""

    name: Literal["lenet"]
    padding: Literal[0, 2] = Field(
        default=2, description="around each 5 x 5 convolution; 2 keeps the size, 0 is for images of 16 x 16 and more"
    )


def build(
    settings: Settings,
    input_shape: tuple[int, ...],
    n_classes: int,
    pretrained: Path | None = None,
    pad_id: int | None = None,
) -> "nn.Module":
    """Return two 5 x 5 convolutions (6 and 16 channels), then 120, 84 and `n_classes` units.

    Pooling stands before the ReLU: the function is the same, on a quarter of the values. Weights lie
    channels-last in memory, for which a processor's convolutions are faster.

    Parameters
    ----------
    input_shape
        (channels, height, width); height and width at least 4, without padding at least 16.

    Raises
    ------
    ConfigError
        If the images are smaller.

    References
    ----------
    LeCun et al. 1998; there with average pooling and tanh.
    """
    import torch
    from torch import nn

    from bam.pooling import MaxPool2x2, PooledConv2d

    channels, *sides = input_shape
    for _ in range(2):
        sides = [(side - 4 + 2 * settings.padding) // 2 for side in sides]
    if min(sides) < 1:
        raise ConfigError(
            f"model: lenet with padding {settings.padding} does not fit images of {input_shape[1]} x {input_shape[2]} "
            "pixels; use padding 2, or the mlp"
        )
    layers = nn.Sequential(
        PooledConv2d(channels, 6, kernel_size=5, padding=settings.padding),
        nn.ReLU(),
        nn.Conv2d(6, 16, kernel_size=5, padding=settings.padding),
        MaxPool2x2(),
        nn.ReLU(),
        nn.Flatten(),
        nn.Linear(16 * sides[0] * sides[1], 120),
        nn.ReLU(),
        nn.Linear(120, 84),
        nn.ReLU(),
        nn.Linear(84, n_classes),
    )
    for parameter in layers.parameters():
        if parameter.dim() == 4:
            parameter.data = parameter.data.contiguous(memory_format=torch.channels_last)
    return layers
