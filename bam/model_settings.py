"""What the settings of models that may start from pretrained weights have in common."""

from bam.strict import Strict

WEIGHTS = "model.safetensors"
CONFIG = "config.json"


class PretrainedSettings(Strict):
    """The settings of a model that may start from pretrained weights."""

    name: str

    def weights_source(self) -> str | None:
        """Return a raw set, a path, or a hub name with @revision; None if nothing is pretrained."""
        raise NotImplementedError

    @property
    def is_language_model(self) -> bool:
        """Whether the weights come with the configuration of a Hugging Face model."""
        return False
