"""Where raw data comes from: `config/datasets.yaml`, typed."""

from pathlib import Path
from typing import Literal

import yaml
from pydantic import Field, ValidationError

from bam.errors import ConfigError
from bam.strict import Strict


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
    try:
        content = yaml.safe_load(path.read_text(encoding="utf-8"))
        return {name: RawSet.model_validate(entry) for name, entry in content.items()}
    except OSError as error:
        raise ConfigError(f"{path}: cannot be read ({error.strerror})") from error
    except (yaml.YAMLError, ValidationError, AttributeError) as error:
        raise ConfigError(f"{path}: {str(error).splitlines()[0]} ({' '.join(str(error).split())})") from error
