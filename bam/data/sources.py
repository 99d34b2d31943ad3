"""Where raw data comes from: `config/datasets.yaml`, typed."""

from pathlib import Path
from typing import Literal

from pydantic import Field

from bam.config_errors import validated
from bam.errors import ConfigError
from bam.strict import Strict
from bam.yaml_files import read_yaml


class PackageSource(Strict):
    """A file that an installed Python package carries."""

    package: str
    path: str = Field(description="inside the package's folder")
    unpack: Literal["gzip"] | None = None


class RawFile(Strict):
    """One raw file, known by its content."""

    size_bytes: int = Field(ge=0)
    sha256: str = Field(pattern="^[0-9a-f]{64}$", description="of the unpacked contents")
    sources: list[PackageSource]


class RawSet(Strict):
    """A set of raw files under one name."""

    description: str
    licence: str
    citation: str
    files: dict[str, RawFile]


def read_sources(path: Path) -> dict[str, RawSet]:
    """Read `config/datasets.yaml`.

    Raises
    ------
    ConfigError
        If it is missing or not of the typed form above.
    """
    content = read_yaml(path)
    if not isinstance(content, dict):
        raise ConfigError(f"{path}: expected raw sets by name; see config/README.md")
    sets: dict[str, RawSet] = {}
    for name, entry in content.items():
        sets[name] = validated(RawSet, entry, f"{path}: {name}")
    return sets
