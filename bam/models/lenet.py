"""A LeNet-5 with padding, ReLU and max pooling, so that 8 x 8 and 28 x 28 inputs both fit."""

from typing import TYPE_CHECKING, Literal

from bam.strict import Strict

if TYPE_CHECKING:
    from torch import nn


class Settings(Strict):
    """The `model:` entry of a study."""

    name: Literal["lenet"]


def build(settings: Settings, input_shape: tuple[int, ...], n_classes: int) -> "nn.Module":
    """Return two 5 x 5 convolutions (6 and 16 channels), then 120, 84 and `n_classes` units.

    Parameters
    ----------
    input_shape
        (channels, height, width); height and width at least 4.

    References
    ----------
    LeCun et al. 1998; there without padding and with average pooling and tanh.
    """
    from torch import nn

    channels, height, width = input_shape
    return nn.Sequential(
        nn.Conv2d(channels, 6, kernel_size=5, padding=2),
        nn.ReLU(),
        nn.MaxPool2d(2),
        nn.Conv2d(6, 16, kernel_size=5, padding=2),
        nn.ReLU(),
        nn.MaxPool2d(2),
        nn.Flatten(),
        nn.Linear(16 * (height // 4) * (width // 4), 120),
        nn.ReLU(),
        nn.Linear(120, 84),
        nn.ReLU(),
        nn.Linear(84, n_classes),
    )
