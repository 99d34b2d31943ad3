"""Published numbers: the file, its reader, the interval of a difference, the verdicts and the table."""

import csv
import importlib.util
import json
import math
from collections import Counter
from dataclasses import replace
from decimal import Decimal
from pathlib import Path
from types import ModuleType

import numpy as np
import pytest
from scipy import stats
from scipy.stats import ttest_ind, ttest_ind_from_stats

from bam import catalogue
from bam.errors import ConfigError
from bam.files import write_text
from bam.layout import Layout
from bam.plan import Plan
from bam.published import COLUMNS, PUBLISHED, Published, published_for, read_published
from bam.report.tables import cell_words, column_words
from bam.selection import RULES
from bam.statistics import Summary, interval_against, welch_interval
from bam.steps.table import inputs, names
from bam.tables.fidelity import MARGIN, compare, difference_interval, fidelity_table, verdict
from bam.tables.words import METHODS, METRICS, OTHER_METHODS
from tests.unit.test_tables import PUBLISHED_TEXT, plan_of, the_row, write_choices, write_evaluation

ROOT = Path(__file__).resolve().parents[2]
FILE = ROOT / PUBLISHED
ROWS = read_published(FILE)
FOLLOW_UP = "Liu & Wu 2022 (follow-up report)"


@pytest.fixture
def tree(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> tuple[Plan, Layout]:
    monkeypatch.chdir(tmp_path)
    write_text(PUBLISHED, PUBLISHED_TEXT)
    plan, layout = plan_of(), Layout(tmp_path / "data", tmp_path / "results")
    write_choices(plan, layout)
    return plan, layout


# Welch's interval


@pytest.mark.parametrize("sizes", [(2, 2), (3, 5), (10, 3)])
def test_welch_is_scipy_s(sizes):
    generator = np.random.default_rng(sum(sizes))
    first, second = generator.normal(0.8, 0.02, sizes[0]), generator.normal(0.7, 0.1, sizes[1])
    stats = (first.mean(), first.std(ddof=1), len(first)), (second.mean(), second.std(ddof=1), len(second))
    low, high = welch_interval(*stats[0], *stats[1])
    expected = ttest_ind(first, second, equal_var=False).confidence_interval(0.95)
    assert (low, high) == pytest.approx((expected.low, expected.high), rel=1e-9)
    # A bound is the difference that a test at 5 % just refuses.
    for bound in (low, high):
        moved = (stats[0][0] - bound, *stats[0][1:])
        assert ttest_ind_from_stats(*moved, *stats[1], equal_var=False).pvalue == pytest.approx(0.05, rel=1e-6)


def test_welch_without_any_spread_has_no_width_and_needs_two_values():
    assert welch_interval(0.75, 0.0, 3, 0.5, 0.0, 3) == (0.25, 0.25)
    with pytest.raises(ValueError, match="got 3 and 1"):
        welch_interval(0.75, 0.1, 3, 0.5, 0.1, 1)


# Verdicts


@pytest.mark.parametrize(
    ("difference", "bounds", "expected"),
    [
        (0.0, (-MARGIN, MARGIN), "agrees"),
        (0.0, (-MARGIN - 1e-9, MARGIN), "inconclusive"),
        (0.01, (0.005, 0.015), "agrees"),
        (0.03, (1e-9, 0.06), "differs"),
        (-0.03, (-0.06, -1e-9), "differs"),
        (0.03, (0.0, 0.06), "inconclusive"),
        (MARGIN, (0.001, 0.039), "inconclusive"),
        (0.05, None, "inconclusive"),
    ],
)
def test_a_verdict_at_its_bounds(difference, bounds, expected):
    assert verdict(difference, bounds) == expected


EXACT = Published(
    *("s", "d", "bam", "last", "accuracy", "", "", "", 0.75, None, None, ""),
    *("Somebody", "", "confirmed", 0.0, True, ""),
)
OURS = Summary(0.80, 0.02, 0.78, 0.82, 3)


def test_without_a_published_spread_our_interval_stands_around_the_number():
    assert difference_interval(EXACT, OURS) == pytest.approx((0.03, 0.07))
    read_off = replace(EXACT, reading_error=0.005)
    assert difference_interval(read_off, OURS) == pytest.approx((0.025, 0.075))
    spread_of_unknown_runs = replace(EXACT, published_std=0.01, spread_meaning="?")
    assert difference_interval(spread_of_unknown_runs, OURS) == pytest.approx((0.03, 0.07))


def test_with_the_examples_behind_it_a_published_number_has_their_binomial_error():
    row = replace(EXACT, published_examples=96, published_n=4)
    error = math.sqrt((74 / 100) * (26 / 100) / (100 * 4))
    variance = 0.02**2 / 3 + error**2
    freedom = variance**2 / ((0.02**2 / 3) ** 2 / 2)
    half = stats.t.ppf(0.975, freedom) * math.sqrt(variance)
    assert difference_interval(row, OURS) == pytest.approx((0.05 - half, 0.05 + half))
    assert interval_against(0.8, 0.02, 3, 0.75, 0.0) == pytest.approx(
        (0.05 - stats.t.ppf(0.975, 2) * 0.02 / math.sqrt(3), 0.05 + stats.t.ppf(0.975, 2) * 0.02 / math.sqrt(3))
    )
    assert interval_against(0.8, 0.0, 3, 0.75, 0.01) == pytest.approx((0.05 - 1.959964 * 0.01, 0.05 + 1.959964 * 0.01))
    assert replace(EXACT, published=1.0, published_examples=8).sampling_error > 0.08
    assert EXACT.sampling_error is None


def test_the_examples_behind_the_follow_up_s_numbers_are_those_of_its_construction():
    by_point = {(r.analysis, r.value, r.second_value): r.published_examples for r in ROWS if r.dataset == "cmnist"}
    assert by_point["T_mu", "2", "10"] == 375
    assert by_point["flip_rate", "0.3", "5"] == 450
    assert by_point["class_ratio", "3.0", "5"] == 75


def test_with_a_published_spread_it_is_welch_s_widened_by_the_reading_error():
    low, high = welch_interval(0.80, 0.02, 3, 0.75, 0.01, 5)
    row = replace(EXACT, published_std=0.01, published_n=5, spread_meaning="std", reading_error=0.005)
    assert difference_interval(row, OURS) == pytest.approx((low - 0.005, high + 0.005))


def test_where_neither_has_a_spread_our_wilson_interval_stands():
    row = replace(EXACT, published=0.0, published_std=0.0, published_n=3, spread_meaning="std")
    still = Summary(0.0, 0.0, 0.0, 0.01, 3)
    assert difference_interval(row, still) == (0.0, 0.01)
    assert compare(row, still).verdict == "agrees"


def test_one_seed_is_inconclusive_however_close_or_far():
    for mean in (0.75, 0.1):
        one = compare(EXACT, Summary(mean, None, None, None, 1))
        assert (one.difference, one.low, one.verdict) == (mean - 0.75, None, "inconclusive")


def test_what_is_not_comparable_has_our_number_and_no_difference():
    one = compare(replace(EXACT, is_comparable=False, note="another network"), OURS)
    assert (one.ours, one.difference, one.low, one.verdict) == (OURS, None, None, "not comparable")
    assert compare(EXACT, None).verdict == "not comparable"


# The table


def test_the_table_has_every_published_row_of_the_study_and_of_no_other(tree):
    made = fidelity_table(*tree)
    assert len(made.frame) == 4
    row = the_row(made.frame, analysis="", method="bam")
    low, high = welch_interval(0.8, 0.1, 3, 0.79, 0.05, 3)
    assert row["ours"] == pytest.approx(0.8)
    assert (row["ours_std"], row["n_seeds"], row["confidence"]) == (pytest.approx(0.1), 3, "recalled")
    assert (row["difference"], row["ci95_low"], row["ci95_high"]) == pytest.approx((0.01, low, high))
    assert (row["verdict"], row["margin"]) == ("inconclusive", 0.02)


def test_a_value_of_a_sweep_meets_the_same_value_as_text(tree):
    plan, layout = tree
    write_evaluation(layout, "mu-10", ("toy", "bam", "last"), {0: 0.9, 1: 0.91, 2: 0.92})
    row = the_row(fidelity_table(plan, layout).frame, analysis="mu")
    half = 4.302652729911275 * 0.01 / 3**0.5
    assert row["difference"] == pytest.approx(0.11)
    assert (row["ci95_low"], row["ci95_high"]) == pytest.approx((0.11 - half - 0.005, 0.11 + half + 0.005))
    assert row["verdict"] == "differs"


def test_rows_without_a_value_here_are_kept_and_named(tree):
    made = fidelity_table(*tree)
    row = the_row(made.frame, method="cnc")
    assert (row["ours"], row["n_seeds"], row["verdict"]) == (None, 0, "not comparable")
    assert "† No value here: toy, CnC, last epoch, Average accuracy." in made.notes
    assert "† Not comparable: toy, ERM, last epoch, Average accuracy: another network, by hand." in made.notes


def test_a_method_whose_every_setting_failed_is_named_too(tree):
    plan, layout = tree
    write_evaluation(layout, "mu-10", ("toy", "bam", "last"), {})
    made = fidelity_table(plan, layout)
    assert "† No value here: toy, BAM, last epoch, Worst-group accuracy at mu 10." in made.notes


def test_verdicts_are_counted_and_spreads_explained(tree):
    notes = fidelity_table(*tree).notes
    assert notes[0].startswith(
        "Verdicts on 4 published numbers: 0 agrees, 0 differs, 2 inconclusive, 2 not comparable. "
        "Ours is at or above the published number in 2 of the 2 compared."
    )
    assert "± of published numbers: standard deviation." in notes
    assert "Somebody 2020, Figure 1: read off a plot." in notes


def test_missing_seeds_and_lone_seeds_are_said(tree):
    plan, layout = tree
    write_evaluation(layout, "main", ("toy", "bam", "last"), {0: 0.8, 2: 0.9})
    write_evaluation(layout, "mu-10", ("toy", "bam", "last"), {1: 0.8})
    notes = fidelity_table(plan, layout).notes
    assert any("BAM" in note and "no value for seed 1;" in note for note in notes)
    assert any(note.startswith("1 of ours are of one seed") for note in notes)


def test_readers_see_points_source_and_confidence(tree):
    shown = fidelity_table(*tree).shown
    row = the_row(shown, At="mu 10")
    assert row["Published"] == "80.0"
    assert row["Difference"].startswith("0.0 [")
    assert (row["Source"], row["Confidence"]) == ("Somebody 2020, Figure 1", "confirmed")
    assert the_row(shown, Method="ERM")["Confidence"] == "second hand"


def test_the_table_is_made_only_for_studies_that_published_rows_name(tree, tmp_path):
    plan, layout = tree
    assert "fidelity" in names(plan)
    assert inputs("fidelity", plan, layout)[0] == PUBLISHED
    text = PUBLISHED.read_text()
    PUBLISHED.write_text(text.replace("tiny_study", "another_study"))
    assert "fidelity" not in names(plan)
    assert len(fidelity_table(plan, layout).frame) == 0
    PUBLISHED.unlink()
    assert "fidelity" not in names(plan), "one's own study in one's own folder needs no such file"
    with pytest.raises(ConfigError, match=r"config/published\.csv: cannot be read"):
        fidelity_table(plan, layout)


def test_the_report_says_percent_for_levels_and_points_for_differences():
    assert column_words("fidelity", "published") == "published, %"
    assert column_words("fidelity", "ci95_low") == "95 % interval from, points"
    assert cell_words("published", "0.944") == "94.4"
    assert cell_words("confidence", "second_hand") == "second hand"


# The document


@pytest.fixture
def copy_results() -> ModuleType:
    spec = importlib.util.spec_from_file_location("copy_results", ROOT / "docs" / "copy_results.py")
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def test_the_document_is_what_its_command_writes(copy_results):
    written = (ROOT / "docs" / "fidelity.md").read_text(encoding="utf-8")
    assert written == copy_results.fidelity_text(ROWS), "run: python docs/copy_results.py --fidelity"


def test_the_document_takes_the_table_of_every_study_that_was_copied(copy_results, tmp_path, monkeypatch):
    monkeypatch.setattr(copy_results, "ROOT", tmp_path)
    write_text(tmp_path / "config" / "cmnist_grid.yaml", "study: cmnist_grid\n")
    for part in ("tables/main.md", "tables/fidelity.md", "figures/sweep_T_mu.txt"):
        write_text(tmp_path / "results" / "cmnist_grid" / part, f"content of {part}\n")
    head = "dataset,method,selection,metric,mean\n"
    row = "cmnist,bam,class_difference,worst_group_accuracy,0.75\n"
    write_text(tmp_path / "results" / "cmnist_grid" / "tables/main.csv", head + row)
    assert copy_results.other_studies() == []
    write_text(tmp_path / "results" / "cmnist_grid" / "report.html", "made last\n")
    assert copy_results.other_studies() == ["cmnist_grid"]
    copy_results.copy_study("cmnist_grid")
    metrics = tmp_path / "docs" / "results" / "cmnist_grid" / "metrics.json"
    assert json.loads(metrics.read_text()) == {"bam": {"class_difference": 0.75}}
    text = copy_results.fidelity_text(ROWS)
    assert "## cmnist_grid\n\ncontent of tables/fidelity.md\n" in text
    assert "`cmnist_grid`" not in text
    assert "`cmnist_size`" in text


def test_the_document_says_why_of_every_number_that_cannot_be_compared(copy_results):
    text = copy_results.fidelity_text(ROWS)
    for row in ROWS:
        assert row.is_comparable or f"| {row.note} |" in text
    lines = text[text.index("| Data set |") :].splitlines()[2:]
    assert sum(int(line.split("|")[-2]) for line in lines) == sum(not row.is_comparable for row in ROWS)


# The file


def test_a_bad_file_is_refused_with_row_column_and_what_was_expected(tmp_path):
    path = tmp_path / "published.csv"
    lines = FILE.read_text(encoding="utf-8").splitlines()[:3]
    good = dict(zip(COLUMNS, next(csv.reader([lines[1]])), strict=True))

    def refused(changes: dict[str, str]) -> str:
        with open(path, "w", encoding="utf-8", newline="") as file:
            writer = csv.DictWriter(file, COLUMNS)
            writer.writeheader()
            writer.writerows([good, good | changes])
        with pytest.raises(ConfigError) as error:
            read_published(path)
        return str(error.value)

    assert refused({"published": "94.4"}) == (
        f"{path}: row 3: column published: '94.4' is not allowed: expected a fraction from 0 to 1"
    )
    for changes, expected in (
        ({"published": "nan"}, "column published"),
        ({"published": ""}, "column published"),
        ({"published_n": "0"}, "column published_n: '0' is not allowed: expected a number of runs"),
        ({"published_std": "x"}, "column published_std"),
        ({"published_std": "0.1", "spread_meaning": ""}, "column spread_meaning"),
        ({"confidence": "sure"}, "expected one of confirmed, second_hand, recalled, conflict"),
        ({"reading_error": "-1"}, "column reading_error"),
        ({"comparable": "maybe"}, "column comparable: 'maybe' is not allowed: expected yes or no"),
        ({"study": ""}, "column study: '' is not allowed: expected a name, since comparable is yes"),
        ({"comparable": "no", "note": ""}, "column note: '' is not allowed: expected why it is not comparable"),
        ({"source": ""}, "column source"),
        ({"value": ""}, "column value"),
        ({"analysis": ""}, "column analysis"),
    ):
        assert expected in refused(changes), changes
    path.write_text("a,b\n")
    with pytest.raises(ConfigError, match="row 1: expected the columns study,dataset"):
        read_published(path)
    path.write_text(f"{lines[0]}\n{lines[1]},more\n")
    with pytest.raises(ConfigError, match="row 2: has 20 cells, expected 19"):
        read_published(path)


def test_every_row_parses_and_comparable_ones_have_names_that_exist():
    assert len(ROWS) > 400
    for row in ROWS:
        assert 0 <= row.published <= 1
        assert not row.method or row.method in METHODS | OTHER_METHODS, row.method
        if row.is_comparable:
            assert row.method in catalogue.names("method")
            assert row.selection in RULES
            assert row.metric in METRICS


def test_no_comparable_number_stands_twice():
    counts = Counter((row.study, row.key) for row in ROWS if row.is_comparable)
    assert [key for key, n in counts.items() if n > 1] == []


def test_the_whole_table_of_upweighting_and_t_is_there():
    found = {
        (row.second_value, row.value): row
        for row in ROWS
        if row.study == "cmnist_grid" and row.analysis == "T_mu" and row.place == "Table 4"
    }
    assert set(found) == {(T, mu) for T in ("10", "20", "30", "40", "50") for mu in ("2", "5", "10", "20", "50")}
    for point, published in ((("10", "2"), 0.929), (("40", "50"), 0.967), (("50", "10"), 0.947)):
        assert found[point].published == published
    assert {row.source for row in found.values()} == {FOLLOW_UP}
    assert {row.reading_error for row in found.values()} == {0.0}


def test_numbers_read_off_a_plot_say_so_and_tables_do_not():
    for row in ROWS:
        is_figure = row.source == FOLLOW_UP and row.place.startswith("Figure")
        assert (row.reading_error == 0.005) == is_figure == ("read off a plot" in row.note)


@pytest.mark.parametrize(
    ("study", "n"), [("cmnist_grid", 25 + 14), ("cmnist_size", 20), ("cmnist_imbalance", 20 + 16), ("cmnist_star", 20)]
)
def test_each_study_has_all_its_published_numbers(study, n):
    assert len(published_for(study, FILE)) == n


def test_recalled_numbers_of_the_main_tables_keep_their_confidence():
    rows = [row for row in ROWS if row.study == "waterbirds" and row.method == "bam"]
    assert {row.confidence for row in rows} == {"recalled"}
    assert {(row.selection, row.published) for row in rows if row.metric == "worst_group_accuracy"} == {
        ("worst_group", 0.892),
        ("class_difference", 0.891),
    }
    assert not any(row.is_comparable for row in ROWS if row.study == "spuco_mnist")


def test_percent_in_the_sources_became_fractions_without_rounding():
    with open(FILE, encoding="utf-8", newline="") as file:
        for row in csv.DictReader(file):
            assert abs(Decimal(row["published"]).as_tuple().exponent) <= 4
