"""Write the groups of a data set, apart from its arrays."""

from pathlib import Path
from typing import Any

from bam import catalogue
from bam.config_errors import validated
from bam.data.annotate import write_groups


def annotate(settings: dict[str, Any], raw: Path, out: Path) -> None:
    """Write `data/groups/<id>/` for one resolved `datasets:` entry."""
    module = catalogue.load("kind", settings["kind"], "--settings: kind")
    write_groups(module.read_examples(raw, validated(module.Settings, settings, "--settings")), out)
