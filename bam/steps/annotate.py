"""Write the groups of a data set, apart from its arrays."""

from pathlib import Path
from typing import Any

from bam import catalogue
from bam.data.annotate import write_groups


def annotate(settings: dict[str, Any], raw: Path, out: Path) -> None:
    """Write `data/groups/<id>/` for one resolved `datasets:` entry."""
    module = catalogue.load("kind", settings["kind"], "kind")
    write_groups(module.read_examples(raw, module.Settings.model_validate(settings)), out)
