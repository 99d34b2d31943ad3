"""Ids do not depend on the Python that computes them."""

import shutil
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]
CODE = (
    "import sys; sys.path.insert(0, sys.argv[1])\n"
    "from bam.code_digest import ROOT, digest\n"
    "paths = sorted(p.relative_to(ROOT.parent) for p in ROOT.rglob('*.py') if p.name != '__init__.py')\n"
    "print([digest(('.'.join(p.with_suffix('').parts),)) for p in paths])\n"
)


def digests(python: str) -> str:
    return subprocess.run([python, "-c", CODE, str(ROOT)], capture_output=True, text=True, check=True).stdout


def works(python: str | None) -> bool:
    return (
        python is not None and subprocess.run([python, "--version"], capture_output=True, check=False).returncode == 0
    )


@pytest.mark.parametrize("version", ["3.11", "3.12", "3.13"])
def test_every_module_has_the_same_digest_on_every_supported_python(version):
    python = shutil.which(f"python{version}")
    if not works(python):
        pytest.skip(f"no python{version} on PATH")
    assert digests(python) == digests(sys.executable)
