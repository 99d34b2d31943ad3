"""The network that a `model:` entry names, for inputs of a given form."""

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

from torch import nn

from bam import catalogue
from bam.config_errors import validated
from bam.data.prepared import Manifest
from bam.errors import ConfigError


@dataclass(frozen=True)
class Form:
    """What a network must know of its inputs.

    Attributes
    ----------
    input_shape : (channels, height, width) of images, (L,) of texts
    pad_id, vocab_size : of texts
    """

    kind: Literal["image", "text"]
    input_shape: tuple[int, ...]
    n_classes: int
    pad_id: int | None = None
    vocab_size: int | None = None


def form_of(manifest: Manifest) -> Form:
    """Return the form of a prepared data set."""
    return Form(manifest.kind, manifest.input_shape, manifest.n_classes, manifest.pad_id, manifest.vocab_size)


def trims_padding(model: Mapping[str, Any]) -> bool:
    """Return whether a `model:` entry leaves out columns that are padding in a whole batch of texts."""
    return bool(model.get("trim_padding", True))


def network(model: Mapping[str, Any], form: Form, pretrained: Path | None = None) -> nn.Module:
    """Return a network whose fresh weights come from torch's global generator.

    Parameters
    ----------
    model
        The `model:` entry of a study.
    pretrained
        Folder that `bam pretrained` wrote, for a model that starts from one.

    Raises
    ------
    ConfigError
        If there is no such model, or it does not take such inputs.
    DataError
        If the pretrained weights are missing or are those of another network.
    """
    module = catalogue.load("model", str(model.get("name")), "model.name")
    settings = validated(module.Settings, dict(model), "model")
    if form.kind != module.KIND:
        raise ConfigError(f"model.name: {settings.name} takes {module.KIND}s, the data set holds {form.kind}s")
    built: nn.Module = module.build(settings, form.input_shape, form.n_classes, pretrained, form.pad_id)
    n_ids = getattr(built, "n_ids", None)
    if n_ids is not None and form.vocab_size is not None and form.vocab_size > n_ids:
        raise ConfigError(
            f"model: knows {n_ids:,} token ids, the data set's tokenizer gives {form.vocab_size:,}; "
            "use the tokenizer of this checkpoint"
        )
    return built
