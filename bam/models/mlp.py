"""A multi-layer perceptron on flattened inputs, for small images."""

from pathlib import Path
from typing import TYPE_CHECKING, Literal

from pydantic import Field

from bam.strict import Strict

if TYPE_CHECKING:
    from torch import nn

KIND = "image"


class Settings(Strict):
    """The `model:` entry of a study."""

    name: Literal["mlp"]
    hidden: list[int] = Field(description="width of each hidden layer, first to last; not a grid")


def build(
    settings: Settings,
    input_shape: tuple[int, ...],
    n_classes: int,
    pretrained: Path | None = None,
    pad_id: int | None = None,
) -> "nn.Module":
    """Return Linear-ReLU layers and a linear head.

    Parameters
    ----------
    input_shape
        (channels, height, width).
    """
    import itertools
    import math

    from torch import nn

    widths = [math.prod(input_shape), *settings.hidden]
    layers: list[nn.Module] = [nn.Flatten()]
    for n_in, n_out in itertools.pairwise(widths):
        layers += [nn.Linear(n_in, n_out), nn.ReLU()]
    return nn.Sequential(*layers, nn.Linear(widths[-1], n_classes))
