"""Turn raw files into the arrays that training reads."""

from collections.abc import Sequence
from pathlib import Path
from typing import Any

from bam.data.prepare import write_prepared
from bam.data.read import read


def prepare(settings: dict[str, Any], raw: Sequence[Path], out: Path) -> None:
    """Write `data/prepared/<id>/` for one resolved `datasets:` entry; errors as `bam.data.read.read`."""
    examples = read(settings, raw)
    write_prepared(examples, settings, out)
