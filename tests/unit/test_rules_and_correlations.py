"""The pooled tables, `rules` and `correlations`, against loops that do the same the long way."""

import itertools
import math
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from scipy.stats import t

from bam.artifacts import Predictions, write_predictions
from bam.data.sources import read_sources
from bam.layout import Layout
from bam.plan import make_plan
from bam.report.tables import read_rows, read_words, shown
from bam.steps.table import inputs, names, table
from bam.study import check_study
from bam.tables.correlations import correlations_table, rank_correlation, summarised
from bam.tables.epochs import COLUMNS as EPOCHS
from bam.tables.epochs import epochs_table
from bam.tables.rules import rules_table
from bam.tables.sweep_regret import sweep_regret_table
from bam.tables.write import csv_text
from tests.unit.test_tables import LABELS, study_content, the_row, tree, write_evaluation  # noqa: F401  (tree is a fixture)

ROOT = Path(__file__).resolve().parents[2]
SOURCES = read_sources(ROOT / "config/datasets.yaml")
SEEDS = (0, 1, 2)


def interval(values):
    half = t.ppf(0.975, len(values) - 1) * np.std(values, ddof=1) / math.sqrt(len(values))
    return np.mean(values) - half, np.mean(values) + half


def two_sets():
    content = study_content()
    content["datasets"]["other"] = {"kind": "colored_digits", "aligned": 0.8, "data_seed": 0}
    return make_plan(check_study(content, "tiny.yaml"), SOURCES)


def write_random(plan, layout, skipped=()):
    """Write a random test accuracy for each choice, and return them; some choices lack their last seed."""
    rng = np.random.default_rng(0)
    values = {}
    for choice in plan.arms[0].choices():
        seeds = SEEDS[:-1] if choice in skipped else SEEDS
        values[choice] = {seed: float(rng.uniform(0.7, 0.74)) for seed in seeds}
        write_evaluation(layout, "main", choice, values[choice])
    return values


@pytest.mark.parametrize("skipped", [(), (("other", "erm", "last"),)])
def test_rules_are_regrets_pooled_over_pairs_and_seeds(tmp_path, skipped):
    plan, layout = two_sets(), Layout(tmp_path / "data", tmp_path / "results")
    values = write_random(plan, layout, skipped)
    frame = rules_table(plan, layout).frame
    assert list(frame["selection"]) == ["class_difference", "last"]
    pairs = list(itertools.product(("toy", "other"), ("erm", "bam")))
    for rule in frame["selection"]:
        row = the_row(frame, selection=rule)
        regret = {
            (pair, seed): values[*pair, "worst_group"][seed] - values[*pair, rule][seed]
            for pair in pairs
            for seed in SEEDS
            if seed in values[*pair, rule]
        }
        by_seed = [np.mean([v for (_, s), v in regret.items() if s == seed]) for seed in SEEDS]
        by_pair = {pair: np.mean([v for (p, _), v in regret.items() if p == pair]) for pair in pairs}
        worst = max(by_pair, key=by_pair.get)
        assert row["mean_regret"] == pytest.approx(np.mean(by_seed))
        assert (row["ci95_low"], row["ci95_high"]) == pytest.approx(interval(by_seed))
        assert (row["worst_dataset"], row["worst_method"]) == worst
        assert row["worst_regret"] == pytest.approx(by_pair[worst])
        assert row["share_within_1_point"] == pytest.approx(np.mean([v <= 0.01 for v in regret.values()]))
        assert 0 < row["share_within_1_point"] < 1
        assert (row["n_pairs"], row["n_choices"]) == (4, len(regret))
        assert row["needs_groups"] == "none"


def test_regret_along_sweeps_is_paired_within_each_value(tmp_path):
    content = study_content()
    content["analyses"] = {
        "two": {
            "axis": "bam.stage1.epochs",
            "values": [1, 2],
            "across": {"axis": "bam.stage1.auxiliary_coefficient", "values": [0, 5]},
        },
        "part": {"axis": "validation_size", "values": [20, 30]},
    }
    plan, layout = (
        make_plan(check_study(content, "tiny.yaml"), SOURCES),
        Layout(tmp_path / "data", tmp_path / "results"),
    )
    rng = np.random.default_rng(1)
    values = {}
    for arm in plan.arms[1:]:
        for choice in arm.choices():
            values[arm.name, choice] = {seed: float(rng.uniform(0.5, 0.9)) for seed in SEEDS}
            write_evaluation(layout, arm.name, choice, values[arm.name, choice])
    frame = sweep_regret_table(plan, layout).frame
    assert {(row.value, row.second_value) for row in frame.itertuples() if row.analysis == "two"} == {
        ("1", "0"),
        ("1", "5"),
        ("2", "0"),
        ("2", "5"),
    }
    assert set(frame.loc[frame["analysis"] == "two", "method"]) == {"bam"}
    assert set(frame.loc[frame["analysis"] == "part", "method"]) == {"erm", "bam"}
    assert "worst_group" not in set(frame["selection"])
    for row in frame.to_dict("records"):
        arm = "-".join(filter(None, (row["analysis"], row["value"], row["second_value"])))
        own = values[arm, (row["dataset"], row["method"], row["selection"])]
        oracle = values[arm, (row["dataset"], row["method"], "worst_group")]
        differences = [oracle[seed] - own[seed] for seed in SEEDS]
        assert row["mean"] == pytest.approx(np.mean(differences))
        assert (row["ci95_low"], row["ci95_high"]) == pytest.approx(interval(differences))


def test_regret_along_a_sweep_marks_a_mean_over_fewer_seeds_and_names_what_is_left_out(tmp_path):
    content = study_content()
    content["analyses"] = {"part": {"axis": "validation_size", "values": [20, 30]}}
    plan = make_plan(check_study(content, "tiny.yaml"), SOURCES)
    layout = Layout(tmp_path / "data", tmp_path / "results")
    for arm in plan.arms[1:]:
        for choice in arm.choices():
            write_evaluation(layout, arm.name, choice, dict.fromkeys(SEEDS, 0.8))
    complete = sweep_regret_table(plan, layout)
    assert not any("†" in note for note in complete.notes)
    assert not any("†" in str(cell) for cell in complete.shown.to_numpy().ravel())

    arm = plan.arms[1].name
    write_evaluation(layout, arm, ("toy", "bam", "last"), {seed: 0.7 for seed in SEEDS if seed != 1})
    for choice in plan.arms[1].choices():
        if choice[1] == "erm":
            write_evaluation(layout, arm, choice, {})
    made = sweep_regret_table(plan, layout)
    row = the_row(made.frame, value="20", method="bam", selection="last")
    assert (row["mean"], row["n_seeds"]) == (pytest.approx(0.1), len(SEEDS) - 1)
    shown = the_row(made.shown, Value="20", Method="BAM")
    assert shown["last epoch"] == "10.0 †"
    assert [note for note in made.notes if "no value for seed 1" in note and "last epoch" in note and "20" in note]
    assert [note for note in made.notes if "ERM" in note and "every setting has a failed seed" in note]
    assert made.frame.query("method == 'erm'")["value"].unique().tolist() == ["30"]


def test_a_regret_of_just_one_point_is_within_one(tree):  # noqa: F811
    plan, layout = tree
    for method in ("erm", "bam"):
        write_evaluation(layout, "main", ("toy", method, "worst_group"), dict.fromkeys(SEEDS, 0.83))
        write_evaluation(layout, "main", ("toy", method, "last"), dict.fromkeys(SEEDS, 0.82))
    row = the_row(rules_table(plan, layout).frame, selection="last")
    assert 0.83 - 0.82 > 0.01
    assert row["share_within_1_point"] == 1


def test_rules_name_what_a_rule_lacks_and_what_the_interval_is(tmp_path):
    plan, layout = two_sets(), Layout(tmp_path / "data", tmp_path / "results")
    write_random(plan, layout, [("other", "erm", "last")])
    write_evaluation(layout, "main", ("toy", "bam", "last"), {})
    made = rules_table(plan, layout)
    assert the_row(made.frame, selection="last")["n_pairs"] == 3
    assert "† last epoch: no choice for toy, BAM; other, ERM, seed 2." in made.notes
    assert the_row(made.shown, **{"Selection rule": "last epoch"})["Pairs"] == "3 †"
    assert the_row(made.shown, **{"Selection rule": "ClassDiff"})["Pairs"] == "4"
    assert not any("ClassDiff" in note for note in made.notes)
    assert "they are not independent" in made.caption
    assert "t interval over seeds, cut at ±100, of each seed's mean over the pairs" in made.caption


def test_rules_need_two_pairs_and_the_oracle():
    def named(**changes):
        return names(make_plan(check_study(study_content() | changes, "tiny.yaml"), SOURCES))

    assert "rules" in named()
    assert "rules" not in named(selection=["last"])
    one = study_content()["methods"]["erm"]
    assert "rules" not in named(methods={"erm": one}, analyses={})


# Correlations


def ranks(values):
    """Return each value's rank, ties at the mean of theirs."""
    return [
        sum(other < value for other in values) + (sum(other == value for other in values) + 1) / 2 for value in values
    ]


def spearman(first, second):
    a, b = ranks(first), ranks(second)
    mean_a, mean_b = sum(a) / len(a), sum(b) / len(b)
    covariance = sum((x - mean_a) * (y - mean_b) for x, y in zip(a, b, strict=True))
    return covariance / math.sqrt(sum((x - mean_a) ** 2 for x in a) * sum((y - mean_b) ** 2 for y in b))


def random_epochs(n=9):
    """Return rows of an epochs table with many ties."""
    rng = np.random.default_rng(1)
    rows = []
    for dataset, method, seed in itertools.product(("symmetric", "asymmetric"), ("erm", "bam"), SEEDS):
        for epoch in range(1, n + 1):
            numbers = {column: float(rng.integers(0, 5)) / 10 for column in EPOCHS[6:]}
            rows.append({"dataset": dataset, "method": method, "seed": seed, "epoch": epoch, **numbers})
    return pd.DataFrame(rows)


def test_correlations_are_spearmans_with_ties_and_averaged_over_seeds():
    epochs = random_epochs()
    frame = summarised(epochs, list(SEEDS))
    assert len(frame) == 2 * 2 * 3 * 2
    columns = {"class_difference": "val_class_difference", "worst_class": "val_worst_class", "average": "val_accuracy"}
    for row in frame.to_dict("records"):
        here = epochs[(epochs["dataset"] == row["dataset"]) & (epochs["method"] == row["method"])]
        sign = -1 if row["criterion"] == "class_difference" else 1
        each = []
        for seed in SEEDS:
            run = here[here["seed"] == seed]
            each.append(sign * spearman(list(run[columns[row["criterion"]]]), list(run[row["against"]])))
        low, high = interval(each)
        assert row["mean"] == pytest.approx(np.mean(each))
        assert (row["ci95_low"], row["ci95_high"]) == pytest.approx((max(low, -1), min(high, 1)))
        assert (row["n_seeds"], row["missing"]) == (3, "")


def test_a_perfect_guide_has_1_and_a_constant_has_none():
    rising, constant = pd.Series([0.1, 0.2, 0.4]), pd.Series([0.5, 0.5, 0.5])
    assert rank_correlation(rising, rising**2) == 1
    assert rank_correlation(-rising, rising) == -1
    assert rank_correlation(constant, rising) is None
    assert rank_correlation(rising, constant) is None
    assert rank_correlation(rising, pd.Series([0.1, None, 0.2])) is None


def test_runs_that_are_constant_over_epochs_are_counted_as_missing(tree):  # noqa: F811
    plan, layout = tree
    (run,) = [cell.run.name for cell in plan.of("main", "toy", "bam") if cell.seed == 1]
    same = Predictions(np.array([1, 2]), np.stack([LABELS, LABELS]), np.array([0.5, 0.25]))
    write_predictions(layout.predictions(run) / "val.npz", same)
    made = correlations_table(plan, layout)
    for criterion, against in itertools.product(
        ("class_difference", "worst_class", "average"), made.frame["against"].unique()
    ):
        row = the_row(made.frame, method="bam", criterion=criterion, against=against)
        assert row["n_seeds"] == 2
        assert row["mean"] == pytest.approx(1)
    (note,) = [note for note in made.notes if note.startswith("†")]
    assert note.startswith("† toy, BAM: no correlation for seed 1 (all of them), where ")
    whole = the_row(made.frame, method="erm", criterion="average", against="test_worst_group_accuracy")
    assert whole["n_seeds"] == 3


def test_without_any_correlation_the_cells_are_empty(tree):  # noqa: F811
    plan, layout = tree
    same = Predictions(np.array([1, 2]), np.stack([LABELS, LABELS]), np.array([0.5, 0.25]))
    for run in plan.trainings:
        write_predictions(layout.predictions(run) / "test.npz", same)
    made = correlations_table(plan, layout)
    assert "toy,erm,average,test_worst_group_accuracy,,,,,0\n" in csv_text(made)
    row = the_row(made.shown, Method="ERM", Criterion="average accuracy")
    assert (row["Test worst group"], row["Seeds"]) == ("– †", "0 †")


def test_correlations_read_what_the_epochs_table_reads(tree):  # noqa: F811
    plan, layout = tree
    assert inputs("correlations", plan, layout) == inputs("epochs", plan, layout)
    again = summarised(epochs_table(plan, layout).frame, list(SEEDS)).drop(columns="missing")
    assert again.equals(correlations_table(plan, layout).frame)


def test_the_report_shows_correlations_as_they_are_and_pooled_regret_in_points(tree):  # noqa: F811
    plan, layout = tree
    for name in ("rules", "correlations"):
        table(name, plan, layout)
    pages = {
        name: shown(name, read_rows(layout.table(name, "csv")), read_words(layout.table(name, "md")))
        for name in ("rules", "correlations")
    }
    row = dict(zip(pages["correlations"].columns, pages["correlations"].rows[0], strict=True))
    assert (row["criterion"], row["mean"]) == ("ClassDiff", "1.00")
    assert row["with"] == "worst-group accuracy on validation"
    row = dict(zip(pages["rules"].columns, pages["rules"].rows[0], strict=True))
    assert (row["mean regret, points"], row["worst regret, points"]) == ("5.0", "5.0")
    assert (row["worst on"], row["worst for"]) == ("toy", "ERM")
    assert row["choices within 1 point, %"] == "33.3"
