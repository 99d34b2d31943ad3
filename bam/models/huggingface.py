"""Any Hugging Face sequence classifier: by checkpoint, or small and fresh from a configuration."""

from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal, Self

from pydantic import Field, model_validator

from bam.errors import ConfigError, DataError
from bam.files import read_json
from bam.model_settings import CONFIG, PretrainedSettings

if TYPE_CHECKING:
    from torch import nn

KIND = "text"


class Settings(PretrainedSettings):
    """The `model:` entry of a study."""

    name: Literal["huggingface"]
    checkpoint: str | None = Field(
        default=None, description="a raw set such as bert-base-uncased, a folder, or with `revision` a name on the hub"
    )
    revision: str | None = Field(default=None, description="commit of the hub's repository")
    pretrained: bool = Field(default=True, description="false: the checkpoint's configuration, with fresh weights")
    config: dict[str, Any] | None = Field(
        default=None, description="a configuration in place of a checkpoint: model_type and what it takes; not a grid"
    )
    trim_padding: bool = Field(default=True, description="leave out columns that are padding in a whole batch")

    @model_validator(mode="after")
    def _names_one_network(self) -> Self:
        if (self.checkpoint is None) == (self.config is None):
            raise ValueError("give either a checkpoint or a config, such as {model_type: bert, hidden_size: 64}")
        if self.config is not None and "model_type" not in self.config:
            raise ValueError("config needs a model_type, e.g. bert")
        if self.revision is not None and self.checkpoint is None:
            raise ValueError("a revision is that of a checkpoint")
        return self

    def weights_source(self) -> str | None:
        """Return the checkpoint, on the hub if it has a revision."""
        return self.checkpoint if self.revision is None else f"{self.checkpoint}@{self.revision}"

    @property
    def is_language_model(self) -> bool:
        """Whether the weights come with the configuration of a Hugging Face model."""
        return True


def build(
    settings: Settings,
    input_shape: tuple[int, ...],
    n_classes: int,
    pretrained: Path | None = None,
    pad_id: int | None = None,
) -> "nn.Module":
    """Return the classifier with a fresh head, as a module from one integer tensor to logits.

    Parameters
    ----------
    input_shape
        (L,): tokens of one text.
    pretrained
        Folder that `bam pretrained` wrote; for a checkpoint it is needed even with fresh weights.
    pad_id
        The id that fills up short texts.

    Raises
    ------
    ConfigError
        If there is no such type of model, it has no sequence classifier, or texts are too long for it.
    DataError
        If the folder is not that of a Hugging Face model.
    """
    from bam.sequence_classifier import SequenceClassifier, from_config, load_pretrained

    config = _config(settings, pretrained)
    config.num_labels = n_classes
    config.pad_token_id = config.pad_token_id if pad_id is None else pad_id
    _check_length(config, input_shape)
    network = from_config(config)
    if settings.checkpoint is not None and settings.pretrained:
        assert pretrained is not None
        load_pretrained(network, pretrained)
    # A configuration may ask for 16 bits; master weights are float32.
    return SequenceClassifier(network.float(), config.pad_token_id)


def _config(settings: Settings, pretrained: Path | None) -> Any:
    from transformers import CONFIG_MAPPING, AutoConfig

    if settings.config is not None:
        content = dict(settings.config)
    elif pretrained is None:
        raise DataError("model: this checkpoint needs --pretrained <folder that `bam pretrained` wrote>")
    else:
        content = read_json(pretrained / CONFIG, is_sealed=False)
    kind = content.pop("model_type", None)
    if kind not in CONFIG_MAPPING:
        raise ConfigError(f"model: the installed transformers has no model_type {kind!r}")
    try:
        return AutoConfig.for_model(kind, **content)
    except Exception as error:  # the library's own checks of types, of several kinds
        reason = str(error).strip().splitlines()
        raise ConfigError(
            f"model: config: {kind} cannot be made of it ({reason[-1].strip() if reason else error!r})"
        ) from error


def _check_length(config: Any, input_shape: tuple[int, ...]) -> None:
    longest = getattr(config, "max_position_embeddings", None)
    if isinstance(longest, int) and longest > 0 and input_shape[0] > longest:
        raise ConfigError(
            f"model: takes texts of at most {longest} tokens, the data has {input_shape[0]}; shorten max_length"
        )
