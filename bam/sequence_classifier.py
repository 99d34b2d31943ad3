"""A Hugging Face sequence classifier as a module from one integer tensor to logits.

Shapes: B batch, L tokens, C classes.
"""

import logging
from pathlib import Path
from typing import Any

import torch
from safetensors import SafetensorError
from torch import Tensor, nn
from transformers import AutoModel, AutoModelForSequenceClassification

from bam.errors import ConfigError, DataError

logger = logging.getLogger(__name__)


class SequenceClassifier(nn.Module):
    """Takes ids (B, L), or ids and segments (B, 2, L); attends to everything but padding; returns logits (B, C)."""

    def __init__(self, network: nn.Module, pad_id: int | None) -> None:
        super().__init__()
        self.network = network
        self.pad_id = pad_id

    @property
    def n_ids(self) -> int:
        """How many token ids there are."""
        table: Any = self.network.get_input_embeddings()  # type: ignore[operator]
        return int(table.num_embeddings)

    def forward(self, tokens: Tensor) -> Tensor:
        """Return the logits of each text."""
        segments: dict[str, Tensor] = {}
        if tokens.dim() == 3:
            segments, tokens = {"token_type_ids": tokens[:, 1]}, tokens[:, 0]
        mask = torch.ones_like(tokens) if self.pad_id is None else (tokens != self.pad_id).long()
        logits: Tensor = self.network(input_ids=tokens, attention_mask=mask, **segments).logits
        return logits


def from_config(config: Any) -> Any:
    """Return a fresh sequence classifier of the library; ConfigError if it has none of this type or these sizes."""
    make: Any = AutoModelForSequenceClassification.from_config
    try:
        return make(config, trust_remote_code=False)
    except ValueError as error:
        raise ConfigError(f"model: {str(error).splitlines()[0]}") from error
    except Exception as error:  # sizes that do not go together end in whatever they run into first
        raise ConfigError(
            f"model: config: {config.model_type} cannot be built of it ({type(error).__name__}: {error})"
        ) from error


def load_pretrained(network: Any, folder: Path) -> None:
    """Load the weights of a folder into all of a classifier but its head.

    The library reads its own older names; what a classifier has and the checkpoint has not (a head, or
    the pooler of some) stays as it was drawn.

    Raises
    ------
    DataError
        If the folder holds no such model, or lacks weights below the head.
    """
    prefix = network.base_model_prefix
    body: nn.Module = getattr(network, prefix)
    try:
        loaded, report = AutoModel.from_pretrained(  # nosec B615: from a local folder
            str(folder), local_files_only=True, use_safetensors=True, trust_remote_code=False, output_loading_info=True
        )
    except (OSError, ValueError, RuntimeError, SafetensorError) as error:
        raise DataError(
            f"{folder}: holds no model that transformers can read ({str(error).splitlines()[0]})"
        ) from error
    missing = set(report["missing_keys"])
    lost = sorted(name for name in missing if "pooler" not in name)
    if lost:
        raise DataError(f"{folder}: the weights are not those of its configuration: they lack {', '.join(lost[:3])}")
    if missing:
        logger.info("%s: has no %s; drawn afresh", folder, ", ".join(sorted(missing)))
    own = body.state_dict()
    found = {name: tensor for name, tensor in loaded.state_dict().items() if name in own and name not in missing}
    body.load_state_dict({**own, **found})
