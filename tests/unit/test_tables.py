"""The tables of a hand-made results tree, against numbers worked out by hand."""

import csv
import io
import math
import shutil
from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from bam.artifacts import Predictions, write_auxiliary, write_error_set, write_predictions
from bam.data.examples import Examples, SplitExamples
from bam.data.prepare import write_prepared
from bam.data.sources import read_sources
from bam.errors import ConfigError, DataError
from bam.files import write_checked_text, write_json, write_text
from bam.groups import GroupScheme, SplitGroups, write_scheme, write_split
from bam.layout import Layout
from bam.plan import Plan, make_plan
from bam.published import PUBLISHED
from bam.statistics import Summary, wilson_interval
from bam.steps.table import inputs, names, table
from bam.study import check_study
from bam.tables import differences
from bam.tables.accuracies import groups_table, main_table, sweeps_table
from bam.tables.auxiliary import auxiliary_table
from bam.tables.captions import FIXED_DRAW, budget, draw
from bam.tables.catalogue import TABLES
from bam.tables.content import Table
from bam.tables.differences import comparisons_table, regret_table, verdict
from bam.tables.epochs import epochs_table
from bam.tables.error_sets import error_sets_table
from bam.tables.inputs import INPUTS
from bam.tables.selected import selected_table
from bam.tables.sweep_error_sets import sweep_error_sets_table
from bam.tables.write import csv_text, latex_text, markdown_text

ROOT = Path(__file__).resolve().parents[2]
T95_DF2 = 4.302652729911275
GROUPS = ("0, red", "0, green", "1, red", "1, green")
LABELS = np.array([0, 0, 0, 1, 1, 1])
MEMBER = np.array([0, 0, 1, 3, 3, 2])
REASON = "the only one, seed 1: loss is nan"
VALUES = {"bam": (0.80, 0.70, 0.90), "erm": (0.50, 0.55, 0.45)}
CONTRACT = {
    "main": "dataset,method,selection,needs_groups,metric,mean,std,ci95_low,ci95_high,n_seeds",
    "groups": "dataset,method,selection,needs_groups,group,mean,std,ci95_low,ci95_high,n_seeds,"
    "n_examples,wilson_low,wilson_high",
    "selected": "dataset,method,selection,setting,seed,epoch,score,n_settings,scope,left_out",
    "comparisons": "dataset,method,selection,other_method,other_selection,metric,difference,std,ci95_low,ci95_high,"
    "n_seeds,verdict",
    "regret": "dataset,method,selection,needs_groups,mean,std,ci95_low,ci95_high,n_seeds",
    "rules": "selection,needs_groups,mean_regret,ci95_low,ci95_high,worst_regret,worst_dataset,worst_method,"
    "share_within_1_point,n_pairs,n_choices",
    "error_sets": "dataset,method,lambda,stage1_loss,T,seed,size,minority_precision,minority_recall,"
    "share_class_0,share_class_1",
    "sweeps": "analysis,axis,value,second_axis,second_value,dataset,method,selection,needs_groups,metric,"
    "mean,std,ci95_low,ci95_high,n_seeds",
    "sweep_regret": "analysis,value,second_value,dataset,method,selection,needs_groups,mean,std,ci95_low,ci95_high,"
    "n_seeds",
    "sweep_error_sets": "analysis,value,second_value,dataset,method,lambda,stage1_loss,T,seed,size,minority_precision,"
    "minority_recall",  # without other data there is no class to have a share
    "fidelity": "dataset,method,selection,metric,published,published_std,source,confidence,ours,ours_std,n_seeds,"
    "difference,verdict,ci95_low,ci95_high,margin,analysis,value,second_value,place,note",
    "epochs": "dataset,method,selection,setting,seed,epoch,train_loss,val_class_difference,val_worst_class,"
    "val_accuracy,val_worst_group_accuracy,test_worst_group_accuracy,test_accuracy",
    "correlations": "dataset,method,criterion,against,mean,std,ci95_low,ci95_high,n_seeds",
    "auxiliary": "dataset,method,lambda,stage1_loss,T,epoch,group,is_minority,n,q05,q25,median,q75,q95",
    "cost": "dataset,method,step,n_runs,wall_s,training_s,evaluation_s,peak_memory_mib,examples_per_s",
}
PUBLISHED_TEXT = """study,dataset,method,selection,metric,analysis,value,second_value,published,published_std,\
published_n,spread_meaning,source,place,confidence,reading_error,comparable,note,published_examples
tiny_study,toy,bam,last,worst_group_accuracy,,,,0.79,0.05,3,standard deviation,Somebody 2020,Table 1,recalled,,yes,,
tiny_study,toy,bam,last,worst_group_accuracy,mu,10,,0.80,,,,Somebody 2020,Figure 1,confirmed,0.005,yes,read off a plot,
tiny_study,toy,erm,last,accuracy,,,,0.6,,,,Somebody 2020,Table 1,second_hand,,no,"another network, by hand",
tiny_study,toy,cnc,last,accuracy,,,,0.6,,,,Somebody 2020,Table 1,recalled,,no,not a method here,
other_study,toy,bam,last,accuracy,,,,0.6,,,,Somebody 2020,Table 1,recalled,,yes,,
"""


def study_content(*, data_seed: object = "per_seed", rates: object = 0.01, methods: tuple[str, ...] = ("erm", "bam")):
    optimizer = {"name": "sgd", "learning_rate": 0.01, "momentum": 0.9, "weight_decay": 0.0}
    erm = {"epochs": 2, "batch_size": 4, "optimizer": optimizer | {"learning_rate": rates}}
    bam = {
        "stage1": {
            "auxiliary_coefficient": 5.0,
            "loss": "squared",
            "epochs": 2,
            "batch_size": 4,
            "optimizer": optimizer,
            "watch_epochs": [1],
        },
        "stage2": {"upweight_factor": 5, "restart": False, "epochs": 2, "batch_size": 4, "optimizer": optimizer},
    }
    return {
        "study": "tiny_study",
        "seeds": [0, 1, 2],
        "datasets": {"toy": {"kind": "colored_digits", "aligned": 0.9, "data_seed": data_seed}},
        "model": {"name": "mlp", "hidden": [2]},
        "methods": {name: entry for name, entry in (("erm", erm), ("bam", bam)) if name in methods},
        "selection": ["class_difference", "last", "worst_group"],
        "analyses": {"mu": {"axis": "bam.stage2.upweight_factor", "values": [5, 10]}} if "bam" in methods else {},
    }


def plan_of(**changes) -> Plan:
    return make_plan(check_study(study_content(**changes), "tiny.yaml"), read_sources(ROOT / "config/datasets.yaml"))


def write_evaluation(
    layout: Layout, arm: str, choice: tuple[str, str, str], worst: Mapping[int, float], n: int = 20
) -> None:
    """Write worst-group accuracies over n examples; the average is the same over 2 n, adjusted is 0.9."""
    text = io.StringIO()
    writer = csv.writer(text, lineterminator="\n")
    text.write("dataset,method,selection,needs_groups,seed,setting,epoch,metric,group,value,n,low,high\n")
    needs = "val" if choice[2] == "worst_group" else "none"
    for seed, value in worst.items():
        for metric, group, score, count in (
            ("group_accuracy", "0, red", value, n),
            ("group_accuracy", "NA", 1.0, n),
            ("worst_group_accuracy", "0, red", value, n),
            ("accuracy", "", value, 2 * n),
            ("adjusted_accuracy", "", 0.9, ""),
        ):
            writer.writerow([*choice, needs, seed, "-", 1, metric, group, score, count, "", ""])
    write_checked_text(layout.evaluation(arm, *choice), text.getvalue())


def write_data(plan: Plan, layout: Layout) -> None:
    membership = MEMBER[:, None] == np.arange(4)
    counts = tuple(membership.sum(axis=0).tolist())
    scheme = GroupScheme(GROUPS, (False, True, True, False), (), True, dict.fromkeys(("train", "val", "test"), counts))
    part = SplitExamples(np.arange(6, dtype=np.uint8).reshape(6, 1, 1, 1), LABELS, {"color": MEMBER % 2})
    splits = dict.fromkeys(("train", "val", "test"), part)
    examples = Examples(splits, ("zero", "one"), ("color", ("red", "green")), frozenset({(0, 1), (1, 0)}))
    for dataset in plan.datasets.values():
        prepared, groups = layout.prepared(dataset.data_id), layout.groups(dataset.groups_id)
        write_prepared(examples, {}, prepared)
        write_scheme(groups, scheme)
        for split in ("train", "val", "test"):
            truth = LABELS if split == "test" else None
            write_split(groups / f"{split}.csv", SplitGroups({"color": MEMBER % 2}, membership, truth), GROUPS)


def write_runs(plan: Plan, layout: Layout) -> None:
    """Epoch 1 is right everywhere; epoch 2 misses one minority and one majority example of class 0."""
    missing_two = LABELS.copy()
    missing_two[[0, 2]] = 1
    found = Predictions(np.array([1, 2]), np.stack([LABELS, missing_two]), np.array([0.5, 0.25]))
    scaled = np.zeros((6, 2), dtype=np.float32)
    scaled[:, 0] = np.arange(6)
    for run in (*plan.stage1, *plan.trainings):
        folder = layout.predictions(run)
        for split in ("train", "val", "test"):
            write_predictions(folder / f"{split}.npz", found)
        write_auxiliary(folder / "auxiliary.npz", {1: 0 * scaled, 2: scaled})
        seconds = {"wall_s": 2.0, "training_s": 1.0, "evaluation_s": 0.5}
        write_json(folder / "timing.json", {**seconds, "peak_memory_bytes": 3 << 20, "examples_per_s": 100.0})
    for error_set in plan.error_sets:
        write_error_set(layout.predictions(error_set) / "error_set.npz", missing_two != LABELS)


def fail_every_setting(plan: Plan, layout: Layout, method: str) -> None:
    """Let every setting of a method have a failed seed, so that no rule can choose."""
    for arm in plan.arms:
        for choice in arm.choices():
            if choice[1] == method:
                write_evaluation(layout, arm.name, choice, {})
                content = {"chosen": [], "left_out": [REASON], "n_settings": 1, "scope": "across_seeds"}
                write_json(layout.selection(arm.name, *choice), content)


def write_choices(plan: Plan, layout: Layout) -> None:
    for arm in plan.arms:
        for dataset, method, rule in arm.choices():
            values = dict(enumerate(VALUES[method]))
            if rule == "worst_group":
                values = {seed: value + 0.05 * seed for seed, value in values.items()}
            write_evaluation(layout, arm.name, (dataset, method, rule), values)
            chosen = [
                {"seed": cell.seed, "run": cell.run.name, "setting": {}, "epoch": 2, "score": -0.25}
                for cell in plan.of(arm.name, dataset, method)[:3]
            ]
            content = {"chosen": chosen, "left_out": [], "n_settings": 1, "scope": "across_seeds"}
            write_json(layout.selection(arm.name, dataset, method, rule), content)


@pytest.fixture
def tree(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> tuple[Plan, Layout]:
    monkeypatch.chdir(tmp_path)
    write_text(PUBLISHED, PUBLISHED_TEXT)
    plan, layout = plan_of(), Layout(tmp_path / "data", tmp_path / "results")
    write_data(plan, layout)
    write_runs(plan, layout)
    write_choices(plan, layout)
    return plan, layout


def the_row(frame: pd.DataFrame, **where: object) -> dict:
    for name, value in where.items():
        frame = frame[frame[name] == value]
    assert len(frame) == 1
    return frame.iloc[0].to_dict()


def test_every_csv_has_exactly_the_columns_of_the_contract(tree):
    plan, layout = tree
    assert set(TABLES) == set(INPUTS) == set(CONTRACT)
    assert set(TABLES) - set(names(plan)) == {"sweep_error_sets"}, "its one analysis leaves the data alone"
    for name, header in CONTRACT.items():
        table(name, plan, layout)
        lines = layout.table(name, "csv").read_text().splitlines()
        assert lines[0] == header
        assert len(lines) > 1 or name not in names(plan)
        assert "nan" not in layout.table(name, "csv").read_text().lower().replace(",na,", "")


def test_a_table_reads_nothing_but_its_inputs_and_repeats_its_bytes(tree, tmp_path, monkeypatch):
    plan, layout = tree
    for name in names(plan):
        table(name, plan, layout)
        root = tmp_path / "only" / name
        timings = [path.with_name("timing.json") for path in inputs(name, plan, layout) if path.name == "val.npz"]
        checksums = [Path(f"{path}.sha256") for path in inputs(name, plan, layout) if "evaluation" in path.parts]
        for path in [*inputs(name, plan, layout), *checksums, *(timings if name == "cost" else [])]:
            copy = root / (path.relative_to(tmp_path) if path.is_absolute() else path)
            copy.parent.mkdir(parents=True, exist_ok=True)
            shutil.copy(path, copy)
        alone = Layout(root / "data", root / "results")
        with monkeypatch.context() as elsewhere:
            elsewhere.chdir(root)
            table(name, plan, alone)
        for suffix in ("csv", "md", "tex"):
            assert alone.table(name, suffix).read_bytes() == layout.table(name, suffix).read_bytes()


def test_main_has_mean_std_and_t_interval_over_seeds(tree):
    row = the_row(main_table(*tree).frame, method="bam", selection="last", metric="worst_group_accuracy")
    half = T95_DF2 * 0.1 / math.sqrt(3)
    assert row["mean"] == pytest.approx(0.8)
    assert row["std"] == pytest.approx(0.1)
    assert row["ci95_low"] == pytest.approx(0.8 - half)
    assert row["ci95_high"] == 1.0
    assert row["n_seeds"] == 3
    assert row["needs_groups"] == "none"


def test_main_follows_the_config_order(tree):
    frame = main_table(*tree).frame
    assert list(dict.fromkeys(frame["method"])) == ["erm", "bam"]
    assert list(dict.fromkeys(frame["selection"])) == ["class_difference", "last", "worst_group"]
    assert list(frame["metric"][:3]) == ["worst_group_accuracy", "accuracy", "adjusted_accuracy"]


def test_where_all_seeds_agree_the_pooled_wilson_interval_stands(tree):
    plan, layout = tree
    write_evaluation(layout, "main", ("toy", "bam", "last"), {0: 0.75, 1: 0.75, 2: 0.75})
    frame = main_table(plan, layout).frame
    row = the_row(frame, method="bam", selection="last", metric="worst_group_accuracy")
    assert (row["std"], row["ci95_low"], row["ci95_high"]) == (0.0, *wilson_interval(45, 60))
    adjusted = the_row(frame, method="bam", selection="last", metric="adjusted_accuracy")
    assert adjusted["ci95_low"] == adjusted["ci95_high"] == pytest.approx(0.9)


def test_groups_pool_counts_over_seeds_and_keep_a_group_named_na(tree):
    frame = groups_table(*tree).frame
    row = the_row(frame, method="bam", selection="last", group="0, red")
    assert row["n_examples"] == 60
    assert (row["wilson_low"], row["wilson_high"]) == wilson_interval(48, 60)
    assert the_row(frame, method="bam", selection="last", group="NA")["mean"] == 1.0


def test_a_missing_seed_is_marked_and_named(tree):
    plan, layout = tree
    write_evaluation(layout, "main", ("toy", "bam", "last"), {0: 0.8, 2: 0.9})
    made = main_table(plan, layout)
    assert the_row(made.frame, method="bam", selection="last", metric="accuracy")["n_seeds"] == 2
    assert the_row(made.shown, Method="BAM", **{"Selection rule": "last epoch"})["Seeds"] == "2 †"
    assert any("no value for seed 1;" in note for note in made.notes)
    compared = comparisons_table(plan, layout).frame
    pair = the_row(compared, selection="last", other_selection="last", metric="accuracy")
    assert pair["n_seeds"] == 2
    assert pair["difference"] == pytest.approx((0.8 - 0.5 + 0.9 - 0.45) / 2)


def test_one_seed_has_no_spread(tree):
    plan, layout = tree
    write_evaluation(layout, "main", ("toy", "bam", "last"), {1: 0.8})
    row = the_row(main_table(plan, layout).frame, method="bam", selection="last", metric="accuracy")
    assert [row[name] for name in ("std", "ci95_low", "ci95_high")] == [None, None, None]
    assert ",bam,last,none,accuracy,0.8,,,,1\n" in csv_text(main_table(plan, layout))


def test_comparisons_are_paired_by_seed(tree):
    made = comparisons_table(*tree)
    row = the_row(made.frame, selection="class_difference", other_selection="last", metric="worst_group_accuracy")
    differences = np.array(VALUES["bam"]) - np.array(VALUES["erm"])
    half = T95_DF2 * differences.std(ddof=1) / math.sqrt(3)
    assert row["difference"] == pytest.approx(0.3)
    assert row["ci95_low"] == pytest.approx(0.3 - half)
    assert row["verdict"] == "not clear of 0"
    assert set(made.frame["method"]) == {"bam"}
    assert "worst_group" not in {*made.frame["selection"], *made.frame["other_selection"]}
    assert len(made.frame) == 2 * 2 * 3
    assert len(made.shown) == 2


def test_a_verdict_needs_an_interval_clear_of_zero(tree):
    plan, layout = tree
    write_evaluation(layout, "main", ("toy", "erm", "last"), {0: 0.2, 1: 0.1, 2: 0.3})
    where = {"other_selection": "last", "selection": "last", "metric": "accuracy"}
    assert the_row(comparisons_table(plan, layout).frame, **where)["verdict"] == "higher"
    write_evaluation(layout, "main", ("toy", "bam", "last"), {0: 0.1})
    row = the_row(comparisons_table(plan, layout).frame, **where)
    assert (row["n_seeds"], row["ci95_low"], row["verdict"]) == (1, None, "not clear of 0")


def test_regret_is_the_oracles_choice_minus_the_rules(tree):
    made = regret_table(*tree)
    row = the_row(made.frame, method="erm", selection="last")
    assert row["mean"] == pytest.approx(0.05)
    assert row["std"] == pytest.approx(0.05)
    assert "worst_group" not in set(made.frame["selection"])


def test_error_sets_by_hand(tree):
    frame = error_sets_table(*tree).frame
    assert len(frame) == 3 * 2, "each of three seeds' stage 1 once, at its watched and its last epoch"
    empty, two = the_row(frame, seed=0, T=1), the_row(frame, seed=0, T=2)
    assert (empty["size"], empty["minority_precision"], empty["minority_recall"]) == (0, None, 0.0)
    assert (empty["share_class_0"], empty["share_class_1"]) == (None, None)
    assert (two["size"], two["minority_precision"], two["minority_recall"]) == (2, 0.5, 0.5)
    assert (two["share_class_0"], two["share_class_1"]) == (1.0, 0.0)
    assert "toy,bam,5.0,squared,1,0,0,,0.0,,\n" in csv_text(error_sets_table(*tree))


def test_error_sets_along_sweeps_are_those_of_other_data_alone(tmp_path):
    content = study_content()
    content["analyses"] |= {"colour": {"axis": "datasets.toy.aligned", "values": [0.9, 0.8, 0.7]}}
    plan = make_plan(check_study(content, "tiny.yaml"), read_sources(ROOT / "config/datasets.yaml"))
    layout = Layout(tmp_path / "data", tmp_path / "results")
    write_data(plan, layout)
    write_runs(plan, layout)
    assert "sweep_error_sets" in names(plan)
    other = [cell.stage1.name for cell in plan.cells if cell.arm in ("colour-0.8", "colour-0.7") and cell.stage1]
    read = [path for path in inputs("sweep_error_sets", plan, layout) if path.name == "train.npz"]
    assert set(read) == {layout.predictions(name) / "train.npz" for name in other}
    made = sweep_error_sets_table(plan, layout)
    assert list(dict.fromkeys(made.frame["value"])) == ["0.8", "0.7"], "0.9 is the study's own data, and µ changes none"
    assert len(made.frame) == 2 * 3 * 2
    two = the_row(made.frame, value="0.8", seed=0, T=2)
    assert (two["size"], two["minority_precision"], two["minority_recall"], two["share_class_0"]) == (2, 0.5, 0.5, 1.0)
    shown = the_row(made.shown, Value="0.7", T="2")
    assert (shown["Analysis"], shown["Minority recall"], shown["Seeds"]) == ("colour", "50.0 ± 0.0", "3")
    assert "sweep_error_sets" not in names(plan_of())


def test_a_sweep_over_data_shows_one_error_set_a_seed_and_says_what_it_hides(tmp_path):
    content = study_content()
    content["analyses"] = {"colour": {"axis": "datasets.toy.aligned", "values": [0.8]}}
    stage1 = content["methods"]["bam"]["stage1"]
    stage1["optimizer"] = {**stage1["optimizer"], "learning_rate": [0.01, 0.02]}
    plan = make_plan(check_study(content, "tiny.yaml"), read_sources(ROOT / "config/datasets.yaml"))
    layout = Layout(tmp_path / "data", tmp_path / "results")
    write_data(plan, layout)
    write_runs(plan, layout)
    fast = [
        cell.stage1 for cell in plan.cells if cell.stage1 and cell.stage1.spec.training.optimizer.learning_rate > 0.01
    ]
    found = Predictions(np.array([1, 2]), np.stack([1 - LABELS, LABELS]), np.array([0.5, 0.25]))
    for run in fast:
        write_predictions(layout.predictions(run.name) / "train.npz", found)
    made = sweep_error_sets_table(plan, layout)
    assert len(made.frame) == 3 * 2
    assert list(made.shown["Seeds"]) == ["3", "3"]
    assert any(note.startswith("6 rows of the same λ, loss, T and seed but other") for note in made.notes)


def test_without_minority_groups_the_minority_columns_are_empty(tree):
    plan, layout = tree
    for dataset in plan.datasets.values():
        scheme = GroupScheme(GROUPS, (False,) * 4, (), True, {"train": (2, 1, 1, 2)})
        write_scheme(layout.groups(dataset.groups_id), scheme)
    frame = error_sets_table(plan, layout).frame
    assert frame["minority_precision"].isna().all()
    assert frame["minority_recall"].isna().all()


def test_a_failed_stage1_is_left_out_at_its_last_epoch_and_named(tree):
    plan, layout = tree
    failing = next(iter(plan.stage1))
    last = Predictions(np.array([1, 2]), np.stack([LABELS, LABELS]), np.array([1.0, np.nan]), failed="loss is nan")
    write_predictions(layout.predictions(failing) / "train.npz", last)
    error_set = plan.stage1[failing].error_set
    write_error_set(layout.predictions(error_set) / "error_set.npz", LABELS < 0, "loss is nan")
    made = error_sets_table(plan, layout)
    assert len(made.frame) == 5
    assert any(failing in note for note in made.notes)
    assert list(made.shown["Seeds"]) == ["3", "2 †"]
    pooled = auxiliary_table(plan, layout)
    assert the_row(pooled.frame, epoch=2, group="0, red")["n"] == 4
    assert any("without seed 0" in note for note in pooled.notes)


def test_auxiliary_margins_are_pooled_over_seeds(tree):
    frame = auxiliary_table(*tree).frame
    red = the_row(frame, epoch=2, group="0, red")
    assert (red["n"], red["is_minority"], red["median"]) == (6, False, 0.5)
    assert red["q95"] == 1.0
    assert the_row(frame, epoch=2, group="1, red")["median"] == -5.0


def test_epochs_score_every_epoch_of_the_chosen_run(tree):
    frame = epochs_table(*tree).frame
    assert len(frame) == 2 * 3 * 2
    row = the_row(frame, method="erm", seed=1, epoch=2)
    assert row["val_class_difference"] == pytest.approx(2 / 3)
    assert row["val_worst_class"] == pytest.approx(1 / 3)
    assert row["val_accuracy"] == row["test_accuracy"] == pytest.approx(4 / 6)
    assert row["val_worst_group_accuracy"] == row["test_worst_group_accuracy"] == 0.0
    assert row["train_loss"] == 0.25


def test_cost_sums_each_distinct_run_once(tree):
    plan, layout = tree
    table("cost", plan, layout)
    row = the_row(pd.read_csv(layout.table("cost", "csv")), method="bam", step="stage2")
    assert (row["n_runs"], row["wall_s"], row["peak_memory_mib"]) == (6, 12.0, 3.0)


def test_a_lost_timing_is_counted_and_no_reason_to_train_again(tree):
    plan, layout = tree
    every = [*plan.stage1, *plan.trainings]
    assert set(inputs("cost", plan, layout)) == {layout.predictions(run) / "val.npz" for run in every}
    (layout.predictions(next(run for run in every if run.startswith("stage2"))) / "timing.json").unlink()
    made = TABLES["cost"](plan, layout)
    row = the_row(made.frame, method="bam", step="stage2")
    assert (row["n_runs"], row["wall_s"]) == (5, 10.0)
    assert "1 run has no timing." in made.notes
    for run in every:
        (layout.predictions(run) / "timing.json").unlink(missing_ok=True)
    made = TABLES["cost"](plan, layout)
    assert f"{len(every)} runs have no timing." in made.notes
    assert "toy,erm,train,0,,,,,\n" in csv_text(made)


def test_where_every_setting_failed_the_accuracies_are_empty_and_it_is_said(tree):
    plan, layout = tree
    fail_every_setting(plan, layout, "bam")
    note = "toy, BAM, under ClassDiff, last epoch, worst group (oracle): every setting has a failed seed"
    for make, across in ((main_table, "metric"), (groups_table, "group"), (sweeps_table, "metric")):
        made = make(plan, layout)
        rows = made.frame[made.frame["method"] == "bam"]
        assert rows[["mean", "std", "ci95_low", "ci95_high"]].isna().all(axis=None)
        assert set(rows["n_seeds"]) == {0}
        assert list(dict.fromkeys(rows["selection"])) == ["class_difference", "last", "worst_group"]
        assert set(rows.loc[rows["selection"] == "worst_group", "needs_groups"]) == {"val"}
        if make is not sweeps_table:
            assert set(rows[across]) == set(made.frame.loc[made.frame["method"] == "erm", across])
        assert any(note in text for text in made.notes)
        assert not any("mean is over the other seeds" in text for text in made.notes)
        assert "nan" not in csv_text(made)
    assert "toy,bam,last,none,accuracy,,,,,0\n" in csv_text(main_table(plan, layout))
    assert "| BAM | ClassDiff | none | – | – | – | 0 † |" in markdown_text(main_table(plan, layout))
    assert [row for row in csv_text(sweeps_table(plan, layout)).splitlines()[1:] if not row.endswith(",,,,,0")] == []


def test_where_every_setting_failed_the_other_tables_leave_it_out_and_say_so(tree):
    plan, layout = tree
    fail_every_setting(plan, layout, "bam")
    for make in (comparisons_table, regret_table, epochs_table):
        made = make(plan, layout)
        assert "bam" not in set(made.frame["method"])
        assert any("BAM" in note and "every setting has a failed seed" in note for note in made.notes)
    assert "erm" in set(regret_table(plan, layout).frame["method"])
    chosen = selected_table(plan, layout)
    row = the_row(chosen.frame, method="bam", selection="last")
    assert [row[name] for name in ("setting", "seed", "epoch", "score")] == [None] * 4
    assert (row["n_settings"], row["left_out"]) == (1, REASON)
    assert f'toy,bam,last,,,,,1,across_seeds,"{REASON}"\n' in csv_text(chosen)
    shown = the_row(chosen.shown, Method="BAM", **{"Selection rule": "last epoch"})
    assert (shown["Setting"], shown["Epochs"], shown["Scores"], shown["Left out"]) == ("–", "– †", "–", "1")


def test_where_every_method_failed_each_table_still_stands(tree):
    plan, layout = tree
    for method in ("erm", "bam"):
        fail_every_setting(plan, layout, method)
    for name in names(plan):
        table(name, plan, layout)
        assert "nan" not in layout.table(name, "csv").read_text().replace("loss is nan", "")
    assert len(main_table(plan, layout).frame) == 2 * 3 * 3
    assert set(groups_table(plan, layout).frame["group"]) == {""}
    assert len(epochs_table(plan, layout).frame) == 0


def test_sweeps_name_axis_and_value(tree):
    made = sweeps_table(*tree)
    frame = made.frame
    assert "1 hyper-parameter setting for the method." in " ".join(made.notes)
    assert "hyper-parameter setting" not in made.caption, "the main arm's budget is not the sweep's"
    assert list(dict.fromkeys(frame["value"])) == ["5", "10"]
    assert set(frame["axis"]) == {"bam.stage2.upweight_factor"}
    assert set(frame["method"]) == {"bam"}


def test_selected_lists_settings_left_out(tree):
    plan, layout = tree
    path = layout.selection("main", "toy", "bam", "last")
    chosen = [{"seed": s, "run": "r", "setting": {"stage1.epochs": 2}, "epoch": s + 1, "score": 0.5} for s in range(3)]
    reason = "{'stage1.epochs': 1} seed 1: loss is nan"
    write_json(path, {"chosen": chosen, "left_out": [reason], "n_settings": 2, "scope": "across_seeds"})
    made = selected_table(plan, layout)
    rows = made.frame[(made.frame["method"] == "bam") & (made.frame["selection"] == "last")]
    assert list(rows["setting"]) == ["stage1.epochs=2"] * 3
    assert list(rows["left_out"]) == [reason] * 3
    assert the_row(made.shown, Method="BAM", **{"Selection rule": "last epoch"})["Epochs"] == "1, 2, 3"
    assert any(reason in note for note in made.notes)


def test_captions_say_scope_budget_seeds_and_draw(tree):
    caption = main_table(*tree).caption
    for part in ("selection_scope across_seeds", "1 hyper-parameter setting for every method", "0, 1, 2", "95 % t"):
        assert part in caption
    assert "Each seed splits and colours the same 1,797 images anew" in caption
    assert "include sampling error" not in caption
    for make in (error_sets_table, epochs_table, auxiliary_table):
        assert "1,797" not in make(*tree).caption, "no interval, so nothing to say of it"


def test_captions_of_a_study_with_one_seed_promise_no_interval(tmp_path):
    content = study_content(methods=("erm",)) | {"seeds": [1], "selection": ["last"]}
    plan = make_plan(check_study(content, "tiny.yaml"), read_sources(ROOT / "config/datasets.yaml"))
    layout = Layout(tmp_path / "data", tmp_path / "results")
    write_data(plan, layout)
    write_runs(plan, layout)
    write_choices(plan, layout)
    assert names(plan) == ["main", "groups", "selected", "epochs", "correlations", "cost"]
    for name in names(plan):
        made = TABLES[name](plan, layout)
        words = " ".join((made.caption, *made.notes))
        assert "±" not in words
        assert "t interval" not in words
        assert "sample standard deviation" not in words
        assert "1 seeds" not in words
        assert "every method" not in words
    assert "One seed, so there is no standard deviation" in main_table(plan, layout).caption
    assert "settings that last epoch chose" in epochs_table(plan, layout).caption


def test_data_sets_that_are_drawn_differently_are_each_said():
    content = study_content()
    content["datasets"]["still"] = {"kind": "colored_digits", "aligned": 0.9, "data_seed": 3}
    plan = make_plan(check_study(content, "tiny.yaml"), read_sources(ROOT / "config/datasets.yaml"))
    assert draw(plan).startswith("Data of toy: each seed splits and colours")
    assert draw(plan).endswith(f"Data of still: {FIXED_DRAW}.")


def test_a_fixed_draw_and_unequal_budgets_are_said_plainly(tree):
    _, layout = tree
    plan = plan_of(data_seed=0, rates=[0.01, 0.1])
    caption = main_table(plan, layout).caption
    assert "omit sampling error" in caption
    assert "DIFFER between methods: ERM 2, BAM 1." in caption
    assert budget(plan.arms[-1]) == "1 hyper-parameter setting for the method."


def test_markdown_is_in_percent_with_one_decimal(tree):
    text = markdown_text(main_table(*tree))
    assert "| BAM | ClassDiff | none | 80.0 ± 10.0 [55.2, 100.0] |" in text
    assert text.startswith("**Test accuracy in percent, study tiny_study.**")


def test_latex_is_escaped():
    frame = pd.DataFrame({"a_b": ["50 % & λ ± {1}"]})
    text = latex_text(Table(frame, frame, "Under_scored #1", ("~^\\",)))
    assert r"a\_b \\" in text
    assert r"50 \% \& $\lambda$ $\pm$ \{1\} \\" in text
    assert r"\caption{Under\_scored \#1}" in text
    assert r"\textasciitilde{}\textasciicircum{}\textbackslash{}" in text


def test_markdown_pipes_are_escaped():
    frame = pd.DataFrame({"a": ["x|y"]})
    assert "x\\|y" in markdown_text(Table(frame, frame, "c"))


def test_an_unknown_table_is_refused_with_the_nearest_name(tree):
    plan, layout = tree
    with pytest.raises(ConfigError, match=r"did you mean 'groups'.*there is main, groups"):
        table("group", plan, layout)
    with pytest.raises(ConfigError, match="no table 'mian'"):
        inputs("mian", plan, layout)


def test_a_missing_evaluation_is_named(tree):
    plan, layout = tree
    layout.evaluation("main", "toy", "erm", "last").unlink()
    with pytest.raises(DataError, match=r"toy\.erm\.last\.csv: cannot be read"):
        main_table(plan, layout)


def test_a_study_of_erm_alone_has_only_tables_that_make_sense(tree):
    _, layout = tree
    plan = plan_of(methods=("erm",))
    assert names(plan) == ["main", "groups", "selected", "regret", "fidelity", "epochs", "correlations", "cost"]
    for name in ("comparisons", "error_sets", "sweeps", "auxiliary"):
        assert inputs(name, plan, layout) == []
        table(name, plan, layout)
        assert len(layout.table(name, "csv").read_text().splitlines()) == 1
        assert "There is nothing to show." in layout.table(name, "md").read_text()


def test_epochs_says_which_epochs_its_csv_has(tree):
    plan, layout = tree
    assert " Every epoch stands in the CSV. " in epochs_table(plan, layout).caption
    second = plan.study.file.model_copy(update={"predict_every": 2})
    some = replace(plan, study=replace(plan.study, file=second))
    assert " Every predicted epoch stands in the CSV. " in epochs_table(some, layout).caption


def test_epochs_names_the_rule_that_chose(tree):
    assert "settings that ClassDiff chose" in epochs_table(*tree).caption


def test_a_method_that_trains_on_groups_is_named_as_such():
    optimizer = {"name": "sgd", "learning_rate": 0.01, "momentum": 0.9, "weight_decay": 0.0}
    dro = {"epochs": 2, "batch_size": 4, "step_size": 0.01, "adjustment": 0, "batches": "group_balanced"}
    content = study_content()
    content["methods"]["group_dro"] = dro | {"optimizer": optimizer}
    plan = make_plan(check_study(content, "tiny.yaml"), read_sources(ROOT / "config/datasets.yaml"))
    assert [differences._name(name, plan) for name in ("group_dro", "erm")] == ["Group-DRO (trains on groups)", "ERM"]


@pytest.mark.parametrize(("gap", "cell"), [(0.0003, "0.03 ± 0.01 [0.01, 0.05]"), (0.2, "20.0 ± 0.0 [20.0, 20.0]")])
def test_a_bound_clear_of_zero_is_not_shown_as_zero(tree, gap, cell):
    plan, layout = tree
    steps = (0.9999, 1.0, 1.0001) if gap == 0.2 else (0.74, 1.0, 1.26)
    for rule in ("class_difference", "last"):
        write_evaluation(layout, "main", ("toy", "bam", rule), {s: 0.5 + gap * step for s, step in enumerate(steps)})
        write_evaluation(layout, "main", ("toy", "erm", rule), dict.fromkeys(range(3), 0.5))
    made = comparisons_table(plan, layout)
    shown = the_row(made.shown, **{"Its rule": "last epoch"})
    assert shown["Average accuracy"] == cell
    assert shown["Average accuracy: BAM is"] == "higher"


def test_no_interval_gives_no_verdict():
    assert verdict(Summary(0.1, 0.1, 0.01, 0.2, 3)) == "higher"
    assert verdict(Summary(-0.1, 0.1, -0.2, -0.01, 3)) == "lower"
    assert verdict(Summary(0.1, None, None, None, 1)) == "not clear of 0"
