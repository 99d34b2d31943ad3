"""The tables of a hand-made results tree, against numbers worked out by hand."""

import csv
import io
import math
import shutil
from collections.abc import Mapping
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from bam.artifacts import Predictions, write_auxiliary, write_error_set, write_predictions
from bam.data.sources import read_sources
from bam.errors import ConfigError, DataError
from bam.files import write_json, write_text
from bam.groups import GroupScheme, SplitGroups, write_scheme, write_split
from bam.layout import Layout
from bam.plan import Plan, make_plan
from bam.statistics import Summary, wilson_interval
from bam.steps.table import inputs, names, table
from bam.study import check_study
from bam.tables.accuracies import groups_table, main_table, sweeps_table
from bam.tables.auxiliary import auxiliary_table
from bam.tables.captions import budget
from bam.tables.catalogue import TABLES
from bam.tables.content import Table
from bam.tables.differences import comparisons_table, regret_table, verdict
from bam.tables.epochs import epochs_table
from bam.tables.error_sets import error_sets_table
from bam.tables.inputs import INPUTS, choices
from bam.tables.selected import selected_table
from bam.tables.write import csv_text, latex_text, markdown_text

ROOT = Path(__file__).resolve().parents[2]
T95_DF2 = 4.302652729911275
GROUPS = ("0, red", "0, green", "1, red", "1, green")
LABELS = np.array([0, 0, 0, 1, 1, 1])
MEMBER = np.array([0, 0, 1, 3, 3, 2])
VALUES = {"bam": (0.80, 0.70, 0.90), "erm": (0.50, 0.55, 0.45)}
CONTRACT = {
    "main": "dataset,method,selection,needs_groups,metric,mean,std,ci95_low,ci95_high,n_seeds",
    "groups": "dataset,method,selection,needs_groups,group,mean,std,ci95_low,ci95_high,n_seeds,"
    "n_examples,wilson_low,wilson_high",
    "selected": "dataset,method,selection,setting,seed,epoch,score,n_settings,scope,left_out",
    "comparisons": "dataset,method,selection,other_method,other_selection,metric,difference,std,ci95_low,ci95_high,"
    "n_seeds,verdict",
    "regret": "dataset,method,selection,needs_groups,mean,std,ci95_low,ci95_high,n_seeds",
    "error_sets": "dataset,method,lambda,stage1_loss,T,seed,size,minority_precision,minority_recall,"
    "share_class_0,share_class_1",
    "sweeps": "analysis,axis,value,dataset,method,selection,needs_groups,metric,mean,std,ci95_low,ci95_high,n_seeds",
    "epochs": "dataset,method,selection,setting,seed,epoch,train_loss,val_class_difference,val_worst_class,"
    "val_accuracy,val_worst_group_accuracy,test_worst_group_accuracy,test_accuracy",
    "auxiliary": "dataset,method,lambda,stage1_loss,T,epoch,group,is_minority,n,q05,q25,median,q75,q95",
    "cost": "dataset,method,step,n_runs,wall_s,training_s,evaluation_s,peak_memory_mib,examples_per_s",
}


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
    write_text(layout.evaluation(arm, *choice), text.getvalue())


def write_data(plan: Plan, layout: Layout) -> None:
    membership = MEMBER[:, None] == np.arange(4)
    counts = tuple(membership.sum(axis=0).tolist())
    scheme = GroupScheme(GROUPS, (False, True, True, False), (), True, dict.fromkeys(("train", "val", "test"), counts))
    for dataset in plan.datasets.values():
        prepared, groups = layout.prepared(dataset.data_id), layout.groups(dataset.groups_id)
        write_json(prepared / "manifest.json", {"class_names": ["zero", "one"]})
        write_scheme(groups, scheme)
        for split in ("train", "val", "test"):
            (prepared / split).mkdir(parents=True, exist_ok=True)
            np.save(prepared / split / "labels.npy", LABELS)
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
        write_error_set(folder / "error_set.npz", missing_two != LABELS)
        seconds = {"wall_s": 2.0, "training_s": 1.0, "evaluation_s": 0.5}
        write_json(folder / "timing.json", {**seconds, "peak_memory_bytes": 3 << 20, "examples_per_s": 100.0})


def write_choices(plan: Plan, layout: Layout) -> None:
    for arm in plan.arms:
        for dataset, method, rule in choices(arm):
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
def tree(tmp_path: Path) -> tuple[Plan, Layout]:
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
    assert set(TABLES) == set(INPUTS) == set(CONTRACT) == set(names(plan))
    for name, header in CONTRACT.items():
        table(name, plan, layout)
        lines = layout.table(name, "csv").read_text().splitlines()
        assert lines[0] == header
        assert len(lines) > 1
        assert "nan" not in layout.table(name, "csv").read_text().lower().replace(",na,", "")


def test_a_table_reads_nothing_but_its_inputs_and_repeats_its_bytes(tree, tmp_path):
    plan, layout = tree
    for name in names(plan):
        table(name, plan, layout)
        root = tmp_path / "only" / name
        for path in inputs(name, plan, layout):
            copy = root / path.relative_to(tmp_path)
            copy.parent.mkdir(parents=True, exist_ok=True)
            shutil.copy(path, copy)
        alone = Layout(root / "data", root / "results")
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
    write_error_set(layout.predictions(failing) / "error_set.npz", LABELS < 0, "loss is nan")
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


def test_sweeps_name_axis_and_value(tree):
    frame = sweeps_table(*tree).frame
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
    assert "drawn anew for each seed" in caption


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
    assert names(plan) == ["main", "groups", "selected", "regret", "epochs", "cost"]
    for name in ("comparisons", "error_sets", "sweeps", "auxiliary"):
        assert inputs(name, plan, layout) == []
        table(name, plan, layout)
        assert len(layout.table(name, "csv").read_text().splitlines()) == 1
        assert "There is nothing to show." in layout.table(name, "md").read_text()


def test_no_interval_gives_no_verdict():
    assert verdict(Summary(0.1, 0.1, 0.01, 0.2, 3)) == "higher"
    assert verdict(Summary(-0.1, 0.1, -0.2, -0.01, 3)) == "lower"
    assert verdict(Summary(0.1, None, None, None, 1)) == "not clear of 0"
