"""Turn raw files into the arrays that training reads."""

from pathlib import Path
from typing import Any

from bam import catalogue
from bam.config_errors import validated
from bam.data.prepare import write_prepared


def prepare(settings: dict[str, Any], raw: Path, out: Path) -> None:
    """Write `data/prepared/<id>/` for one resolved `datasets:` entry."""
    module = catalogue.load("kind", settings["kind"], "--settings: kind")
    write_prepared(module.read_examples(raw, validated(module.Settings, settings, "--settings")), settings, out)
