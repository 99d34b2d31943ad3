"""A small study, run once by Snakemake in a copy of the repository; tests take copies of the copy."""

import copy
import shutil
from pathlib import Path

import pytest
from filelock import FileLock

from tests.workflow.checkout import STUDY, Checkout, check_out


@pytest.fixture(scope="session")
def finished(tmp_path_factory: pytest.TempPathFactory, worker_id: str) -> Checkout:
    """The small study, done, once for all of pytest-xdist's workers. Never change it: take `copied`."""
    base = tmp_path_factory.getbasetemp()
    folder = (base if worker_id == "master" else base.parent) / "finished"
    done = folder.with_suffix(".done")
    with FileLock(folder.with_suffix(".lock")):
        if not done.exists():
            shutil.rmtree(folder, ignore_errors=True)  # what another worker failed at
        checkout = Checkout(folder) if done.exists() else check_out(folder)
        if not done.exists():
            checkout.snakemake("all")
            done.touch()
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
