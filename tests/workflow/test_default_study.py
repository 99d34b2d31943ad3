"""The default study with two of its five seeds, twice: slow, and left out of `make test`.

All five are run by `make check-results`, against what is published.
"""

import pytest

from tests.workflow.checkout import check_out


@pytest.mark.slow
def test_the_default_study_in_two_folders_has_byte_identical_tables(tmp_path):
    tables = []
    for name in ("first", "second"):
        checkout = check_out(tmp_path / name)
        checkout.write({"extends": "digits.yaml", "study": "small", "seeds": [0, 1]})
        checkout.snakemake("tables")
        folder = checkout.results / "tables"
        tables.append({p.name: p.read_bytes() for p in folder.iterdir() if p.stem != "cost"})
    assert tables[0] == tables[1]
    assert {"main.csv", "comparisons.csv", "regret.csv", "error_sets.csv", "groups.csv"} <= tables[0].keys()
