"""Get the raw files of a set."""

from pathlib import Path

from bam.catalogue import suggestion
from bam.data.fetch import fetch as fetch_files
from bam.data.sources import read_sources
from bam.errors import ConfigError


def fetch(name: str, sources: Path, out: Path, copy: Path | None = None) -> None:
    """Fetch the raw set `name`, as `sources` (config/datasets.yaml) describes it, into `out`; or take a copy."""
    known = read_sources(sources)
    if name not in known:
        raise ConfigError(f"{sources}: there is no raw set {name!r}{suggestion(name, known)}")
    fetch_files(name, known[name], out, copy=copy)
