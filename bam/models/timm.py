"""Any image classifier of timm, by name."""

from pathlib import Path
from typing import TYPE_CHECKING, Literal

from pydantic import Field

from bam import backbone
from bam.backbone import WeightsName
from bam.model_settings import PretrainedSettings

if TYPE_CHECKING:
    from torch import nn

KIND = "image"


class Settings(PretrainedSettings):
    """The `model:` entry of a study."""

    name: Literal["timm"]
    architecture: str = Field(description="as timm names it, without a tag of weights, e.g. resnet50 or convnext_tiny")
    pretrained: WeightsName = Field(
        description="a raw set, a .pth or .safetensors file, or a hub name such as "
        "timm/convnext_tiny.fb_in1k@<revision>; none for fresh ones"
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
    """Return the network with a fresh head; weights lie channels-last.

    Parameters
    ----------
    input_shape
        (channels, height, width); timm builds first layers for any number of channels, pretrained ones have 3.
    pretrained
        Folder that `bam pretrained` wrote.

    Raises
    ------
    ConfigError
        If timm has no such classifier, or it does not take such images.
    DataError
        If the weights are those of another network.
    """
    import timm

    backbone.check_known(settings.architecture, timm.list_models(), "timm")

    def make(n: int) -> "nn.Module":
        network: nn.Module = timm.create_model(
            settings.architecture, pretrained=False, num_classes=n, in_chans=input_shape[0]
        )
        return network

    return backbone.image_network(make, input_shape, n_classes, pretrained)
