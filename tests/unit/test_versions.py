"""Versions are stated once: the lock, the conda environment and pyproject agree."""

import re
import tomllib
from pathlib import Path

import yaml

from tests.conda_names import PIP_NAMES

ROOT = Path(__file__).resolve().parents[2]


def locked() -> dict[str, str]:
    lines = (ROOT / "requirements.lock").read_text().splitlines()
    return {m[1].lower(): m[2] for m in (re.match(r"([A-Za-z0-9_.-]+)==([^ ;]+)", line) for line in lines) if m}


def declared() -> set[str]:
    project = tomllib.loads((ROOT / "pyproject.toml").read_text())
    groups = [project["project"]["dependencies"], project["dependency-groups"]["dev"]]
    return {re.match(r"[A-Za-z0-9_.-]+", entry)[0].lower() for group in groups for entry in group}


def test_every_declared_dependency_is_locked():
    assert declared() <= set(locked())


def test_the_lock_names_no_cuda_package_so_that_a_cpu_build_needs_none():
    assert not [name for name in locked() if name.startswith(("nvidia", "cuda", "triton"))]


def conda_environment() -> list:
    return yaml.safe_load((ROOT / "environment.yml").read_text())["dependencies"]


def test_the_conda_environment_has_the_locked_versions_of_every_dependency_of_a_study():
    versions = dict(entry.split("=") for entry in conda_environment())
    assert versions.pop("python") in {"3.11", "3.12", "3.13"}
    versions = {PIP_NAMES.get(name, name): version for name, version in versions.items()}
    lock = locked()
    assert versions == {name: lock[name] for name in versions}
    project = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]
    wanted = [
        *project["dependencies"],
        *project["optional-dependencies"]["cluster"],
        *project["optional-dependencies"]["s3"],
        *project["optional-dependencies"]["ssh"],
    ]
    # With `--logger bam`, which the Makefile's verbs use.
    wanted.append("snakemake-logger-plugin-rich")
    assert set(versions) == {re.match(r"[A-Za-z0-9_.-]+", entry)[0].lower() for entry in wanted}


def test_the_conda_environment_installs_no_checkout_of_this_repository():
    assert all(isinstance(entry, str) and "-e" not in entry.split() for entry in conda_environment())
