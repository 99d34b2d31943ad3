"""Makes `toy` and `oracles` importable, and the file based fixtures that several folders share."""

from pathlib import Path

import pytest

from bam.data.prepared import read_manifest
from tests import toy


@pytest.fixture
def prepared(tmp_path: Path) -> Path:
    """Return a prepared folder with two classes."""
    return toy.write_toy(tmp_path / "prepared")


@pytest.fixture
def manifest(prepared: Path):
    return read_manifest(prepared)
