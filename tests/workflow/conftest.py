"""A small study, run once by Snakemake in a copy of the repository; tests take copies of the copy."""

import copy
import shutil
from pathlib import Path

import pytest

from tests.workflow.checkout import STUDY, Checkout, check_out


@pytest.fixture(scope="session")
def finished(tmp_path_factory: pytest.TempPathFactory) -> Checkout:
    """The small study, done. Never change it: take `copied`."""
    checkout = check_out(tmp_path_factory.mktemp("finished"))
    checkout.snakemake("all")
    return checkout


@pytest.fixture
def copied(finished: Checkout, tmp_path: Path) -> Checkout:
    """A copy of the finished study, time stamps and Snakemake's records included."""
    shutil.copytree(finished.folder, tmp_path / "copy", symlinks=True)
    return Checkout(tmp_path / "copy")


@pytest.fixture
def study() -> dict:
    """The small study's config, to change."""
    return copy.deepcopy(STUDY)
