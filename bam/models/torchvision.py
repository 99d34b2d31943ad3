"""Any image classifier of torchvision, by name."""

import re
from pathlib import Path
from typing import TYPE_CHECKING, Literal

from pydantic import Field

from bam import backbone
from bam.backbone import WeightsName
from bam.model_settings import PretrainedSettings

if TYPE_CHECKING:
    from torch import nn

KIND = "image"
IMAGENET = re.compile(r"imagenet1k_v[12]")


class Settings(PretrainedSettings):
    """The `model:` entry of a study."""

    name: Literal["torchvision"]
    architecture: str = Field(description="as torchvision names it, e.g. resnet50")
    pretrained: WeightsName = Field(
        description="imagenet1k_v1 or imagenet1k_v2 (the raw set <architecture>-imagenet1k-v1), another raw set, "
        "a .pth or .safetensors file; none for fresh ones"
    )

    def weights_source(self) -> str | None:
        """Return what `pretrained` names, torchvision's own names spelt as raw sets."""
        if self.pretrained is not None and IMAGENET.fullmatch(self.pretrained):
            return f"{self.architecture}-{self.pretrained.replace('_', '-')}"
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
        (3, height, width).
    pretrained
        Folder that `bam pretrained` wrote.

    Raises
    ------
    ConfigError
        If torchvision has no such classifier, or it does not take such images.
    DataError
        If the weights are those of another network.
    """
    from torchvision import models

    backbone.check_known(settings.architecture, models.list_models(module=models), "torchvision")

    def make(n: int) -> "nn.Module":
        network: nn.Module = models.get_model(settings.architecture, weights=None, num_classes=n)
        return network

    return backbone.image_network(make, input_shape, n_classes, pretrained)
