"""`snakemake --use-conda` through Snakemake's own code, with a stand-in for conda (tests/conda_standin)."""

import os
import re
import subprocess
import sys
import time
from pathlib import Path

import pytest

from tests.workflow.checkout import TRAINING, check_out

pytestmark = pytest.mark.conda
STANDIN = Path(__file__).resolve().parents[1] / "conda_standin" / "bin"
QUICK = "config/quick/digits.yaml"
TABLE = "results/digits_quick/tables/main.csv"


@pytest.fixture(scope="module")
def plain(tmp_path_factory):
    """The quick study, done without conda; the tests add to it, in their order."""
    checkout = check_out(tmp_path_factory.mktemp("conda"))
    snakemake(checkout, "--", TABLE)
    return checkout


def snakemake(checkout, *options: str, expect: int = 0) -> str:
    environment = {**os.environ, "PYTHONPATH": "", "CONDA_STANDIN_PYTHON": sys.executable}
    environment["PATH"] = os.pathsep.join([str(STANDIN), str(Path(sys.executable).parent), environment["PATH"]])
    # PYTHONPATH is empty, so that what a job imports comes from its environment; Snakemake itself needs `bam` only
    # to read the Snakefile, which Python finds in the current folder.
    command = [sys.executable, "-m", "snakemake", "--cores", "2", "--configfile", QUICK, *options]
    done = subprocess.run(command, cwd=checkout.folder, env=environment, capture_output=True, text=True, check=False)
    assert done.returncode == expect, done.stdout + done.stderr
    return done.stdout + done.stderr


def planned(checkout, *options: str) -> dict[str, int]:
    text = snakemake(checkout, "--dry-run", *options, "--", TABLE)
    stats = re.search(r"Job stats:\n.*?\n-+ .*?\n(.*?)\ntotal", text, re.DOTALL)
    return {line.split()[0]: int(line.split()[1]) for line in stats.group(1).splitlines()} if stats else {}


def test_a_first_run_with_conda_after_a_plain_one_plans_nothing(plain):
    assert planned(plain, "--use-conda") == {}


def test_a_fresh_run_with_conda_makes_one_environment_and_uses_its_python(plain, tmp_path):
    fresh = check_out(tmp_path)
    begun = time.monotonic()
    text = snakemake(fresh, "--use-conda", "--", TABLE)
    print(f"fresh run with --use-conda: {time.monotonic() - begun:.0f} s")
    assert text.count("Creating conda environment") == 1
    environments = [path for path in (fresh.folder / ".snakemake" / "conda").iterdir() if path.is_dir()]
    assert len(environments) == 1
    assert (fresh.folder / TABLE).read_bytes() == (plain.folder / TABLE).read_bytes()

    # That the jobs' Python is the environment's: without it, they fail.
    for victim in fresh.folder.glob("results/digits_quick/tables/main.*"):
        victim.unlink()
    (environments[0] / "bin" / "python").unlink()
    (environments[0] / "bin" / "python").write_text("#!/bin/sh\necho the environment is used; exit 1\n")
    (environments[0] / "bin" / "python").chmod(0o755)
    assert "the environment is used" in snakemake(fresh, "--use-conda", "--", TABLE, expect=1)


def test_a_changed_environment_file_retrains_nothing(plain):
    plain.edit("environment.yml", "dependencies:\n", "# another comment\ndependencies:\n")
    assert not set(planned(plain, "--use-conda")) & set(TRAINING)


def test_a_version_that_is_not_there_is_an_error_that_names_it(plain):
    plain.edit("environment.yml", "numpy=", "numpy=999.")
    for victim in plain.folder.glob("results/digits_quick/tables/main.*"):
        victim.unlink()
    text = snakemake(plain, "--use-conda", "--", TABLE, expect=1)
    by_pip = "No matching distribution found for numpy==999."  # with BAM_CONDA_FULL=1
    assert by_pip in text or re.search(r"numpy=999\.\d+\.\d+\.\d+ \(there is \d+\.\d+\.\d+\)", text), text
