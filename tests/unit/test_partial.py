"""The main table of a study under way, as `bam status --table` prints it."""

import io
import subprocess
import sys
from pathlib import Path

import pytest
from rich.console import Console

from bam.errors import DataError
from bam.layout import Layout
from bam.partial import partial_table
from bam.plan import Plan
from tests.unit.test_tables import VALUES, plan_of, write_choices, write_data, write_evaluation, write_runs


@pytest.fixture
def under_way(tmp_path: Path) -> tuple[Plan, Layout]:
    plan, layout = plan_of(), Layout(tmp_path / "data", tmp_path / "results")
    write_data(plan, layout)
    write_runs(plan, layout)
    write_choices(plan, layout)
    return plan, layout


def lines(plan: Plan, layout: Layout) -> dict[tuple[str, str], list[str]]:
    """Return (method, rule) -> the other cells of its printed row."""
    console = Console(width=400, record=True, file=io.StringIO())
    console.print(partial_table(plan, layout))
    rows = [[cell.strip() for cell in line.split("│")[1:-1]] for line in console.export_text().splitlines()]
    return {(row[1], row[2]): row[4:] for row in rows if row}


def test_a_method_that_lacks_a_training_has_no_numbers_though_other_seeds_are_there(under_way):
    plan, layout = under_way
    lacking = next(cell.run.name for cell in plan.of("main", "toy", "bam"))
    (layout.predictions(lacking) / "val.npz").unlink()
    for rule in ("class_difference", "last", "worst_group"):
        layout.evaluation("main", "toy", "bam", rule).unlink()
    found = lines(plan, layout)
    assert [found["bam", rule] for rule in ("class_difference", "worst_group")] == [
        ["2 of 3 trainings there", "", ""],
        ["2 of 3 trainings there", "", ""],
    ]
    mean = 100 * sum(VALUES["erm"]) / 3
    assert found["erm", "last"][0] == f"{mean:.1f} ± 5.0"


def test_what_is_trained_and_not_evaluated_is_scored_and_leaves_no_file(under_way):
    plan, layout = under_way
    for rule in ("class_difference", "last", "worst_group"):
        layout.evaluation("main", "toy", "bam", rule).unlink()
        layout.selection("main", "toy", "bam", rule).unlink()
    before = sorted(layout.results.rglob("*"))
    found = lines(plan, layout)
    assert found["bam", "last"][1] == "66.7 ± 0.0", "the second epoch misses two of six"
    assert found["bam", "class_difference"][0] == found["bam", "worst_group"][0] == "100.0 ± 0.0", "the first is right"
    assert sorted(layout.results.rglob("*")) == before


def test_a_method_that_cannot_be_scored_says_why_and_the_others_have_numbers(under_way):
    plan, layout = under_way
    for method in ("bam", "erm"):
        layout.evaluation("main", "toy", method, "last").unlink()
    damaged = layout.predictions(plan.of("main", "toy", "bam")[0].run.name) / "test.npz"
    damaged.write_bytes(damaged.read_bytes()[:-9])
    found = lines(plan, layout)
    assert found["bam", "last"][0].startswith(f"trained, cannot be scored: {damaged}")
    assert found["erm", "last"][1] == "66.7 ± 0.0"


def test_a_training_whose_test_predictions_are_not_there_yet_is_under_way(under_way):
    plan, layout = under_way
    (layout.predictions(plan.of("main", "toy", "bam")[0].run.name) / "test.npz").unlink()
    assert lines(plan, layout)["bam", "last"] == ["2 of 3 trainings there", "", ""]


def test_status_loads_no_torch():
    code = "import sys, bam.partial; sys.exit('torch' in sys.modules)"
    assert subprocess.run([sys.executable, "-c", code], check=False).returncode == 0


def test_what_failed_is_said(under_way):
    plan, layout = under_way
    write_evaluation(layout, "main", ("toy", "erm", "last"), {})
    write_evaluation(layout, "main", ("toy", "erm", "worst_group"), {0: 0.5, 2: 0.7})
    found = lines(plan, layout)
    assert found["erm", "last"][0] == "every setting failed"
    assert found["erm", "worst_group"][0].endswith("(without seed 1)")


def test_an_evaluation_of_other_settings_or_seeds_gives_no_numbers_but_trainings_do(under_way):
    _, layout = under_way
    grown = plan_of(rates=[0.01, 0.1])
    assert lines(grown, layout)["erm", "last"] == ["3 of 6 trainings there", "", ""]
    write_runs(grown, layout)
    assert lines(grown, layout)["erm", "last"][1] == "66.7 ± 0.0", "not the evaluation of the first setting alone"
    write_choices(grown, layout)
    shrunk = plan_of(rates=[0.1])
    assert lines(shrunk, layout)["erm", "last"][1] == "66.7 ± 0.0", "not the evaluation of two settings"


def test_a_damaged_evaluation_is_an_error_and_no_number(under_way):
    plan, layout = under_way
    path = layout.evaluation("main", "toy", "erm", "last")
    path.write_text(path.read_text().replace("0.5", "0.9"))
    with pytest.raises(DataError, match=r"toy\.erm\.last"):
        partial_table(plan, layout)
