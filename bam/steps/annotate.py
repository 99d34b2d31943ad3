"""Write the groups of a data set, apart from its arrays."""

from collections.abc import Sequence
from pathlib import Path
from typing import Any

from bam.data.annotate import write_groups
from bam.data.read import read


def annotate(settings: dict[str, Any], raw: Sequence[Path], out: Path) -> None:
    """Write `data/groups/<id>/` for one resolved `datasets:` entry; errors as `bam.data.read.read`."""
    examples = read(settings, raw)
    write_groups(examples, out)
