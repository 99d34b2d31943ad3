"""Turn raw files into the arrays that training reads."""

from pathlib import Path
from typing import Any

from bam import catalogue
from bam.data.prepare import write_prepared


def prepare(settings: dict[str, Any], raw: Path, out: Path) -> None:
    """Write `data/prepared/<id>/` for one resolved `datasets:` entry."""
    module = catalogue.load("kind", settings["kind"], "kind")
    write_prepared(module.read_examples(raw, module.Settings.model_validate(settings)), settings, out)
