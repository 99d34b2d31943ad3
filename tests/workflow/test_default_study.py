"""The default study itself, twice: slow, and left out of `make test`."""

import pytest

from tests.workflow.checkout import check_out


@pytest.mark.slow
def test_the_default_study_in_two_folders_has_byte_identical_tables(tmp_path):
    tables = []
    for name in ("first", "second"):
        checkout = check_out(tmp_path / name)
        checkout.run("snakemake", "--cores", "all", "--", "tables")
        folder = checkout.folder / "results" / "digits" / "tables"
        tables.append({p.name: p.read_bytes() for p in folder.iterdir() if p.stem != "cost"})
    assert tables[0] == tables[1]
    assert {"main.csv", "comparisons.csv", "regret.csv", "error_sets.csv", "groups.csv"} <= tables[0].keys()
