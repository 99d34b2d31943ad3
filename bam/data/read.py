"""Read the examples of one `datasets:` entry, whatever its kind."""

from collections.abc import Sequence
from pathlib import Path
from typing import Any

from bam import catalogue
from bam.config_errors import validated
from bam.data.examples import Examples
from bam.data.raw import raw_names
from bam.errors import ConfigError


def read(settings: dict[str, Any], raw: Sequence[Path]) -> Examples:
    """Let the kind that the settings name read its raw files.

    Parameters
    ----------
    raw
        Folders of the kind's raw sets, in the order of `bam.data.raw.raw_names`.

    Raises
    ------
    ConfigError
        If there is no such kind, a setting is not allowed, or the number of folders is wrong.
    DataError
        If a raw file is missing or is not what it should be.
    """
    module = catalogue.load("kind", settings["kind"], "--settings: kind")
    names = raw_names(module, settings)
    if len(raw) != len(names):
        raise ConfigError(
            f"--raw: {settings['kind']} is made from {len(names)} raw set(s), {', '.join(names)}; "
            f"got {len(raw)} folder(s); give --raw once for each, in this order"
        )
    parsed = validated(module.Settings, settings, "--settings")
    examples: Examples = module.read_examples(dict(zip(names, raw, strict=True)), parsed)
    return examples
