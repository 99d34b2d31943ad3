"""Groups that overlap and leave examples out, from annotate to tables and figures; and what trains on a partition."""

import csv
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from bam.data.annotate import write_groups
from bam.data.prepare import write_prepared
from bam.data.sources import read_sources
from bam.errors import DataError
from bam.groups import partition_ids, read_scheme, read_split
from bam.layout import Layout
from bam.pipeline import run_cells
from bam.plan import make_plan
from bam.scoring import choose_and_score
from bam.steps.figure import figure
from bam.steps.figure import names as figure_names
from bam.steps.table import names as table_names
from bam.steps.table import table
from bam.study import check_study
from tests import toy

ROOT = Path(__file__).resolve().parents[2]
NAMES = ("class 0, even", "class 0, third", "class 1, even", "class 1, third")


def overlapping(seed: int, sizes=None):
    """Return toy examples in which an example is in up to two groups, or in none."""
    made = toy.examples(seed=seed, sizes=sizes)
    splits = {}
    for split, part in made.splits.items():
        rows = np.arange(len(part.labels)) // 2
        splits[split] = replace(
            part, attributes={"even": (rows % 2 == 0).astype(int), "third": (rows % 3 == 0).astype(int)}
        )
    return replace(
        made,
        splits=splits,
        attribute=None,
        overlapping=("even", "third"),
        minority=frozenset({(0, 0), (0, 1)}),
    )


@pytest.fixture(scope="module")
def studied(tmp_path_factory):
    """Train the toy study on overlapping groups; return its plan and layout."""
    folder = tmp_path_factory.mktemp("overlapping")
    plan = toy.plan(methods__bam__stage1__watch_epochs=[1])
    layout = Layout(folder / "data", folder / "results")
    for seed, data in enumerate(plan.datasets.values()):
        made = overlapping(seed)
        write_prepared(made, {}, layout.prepared(data.data_id))
        write_groups(made, layout.groups(data.groups_id))
    run_cells(plan.cells, list(plan.stage1.values()), layout, "cpu")
    for method in plan.study.settings:
        for rule in plan.study.rules_for(method):
            choose_and_score(plan.of("main", "digits", method), rule, plan.study.file, layout)
    return plan, layout


def test_group_files_say_that_groups_overlap(studied):
    plan, layout = studied
    folder = layout.groups(next(iter(plan.datasets)))
    scheme, train = read_scheme(folder), read_split(folder / "train.csv")
    assert (scheme.names, scheme.is_partition) == (NAMES, False)
    assert scheme.minority == (True, True, False, False)
    members = train.membership.sum(axis=1)
    assert set(members.tolist()) == {0, 1, 2}
    with pytest.raises(DataError, match="overlap or leave rows out"):
        partition_ids(train.membership)


def test_the_worst_group_is_over_overlapping_groups_and_no_average_is_adjusted(studied):
    plan, layout = studied
    with open(layout.evaluation("main", "digits", "erm", "worst_group"), newline="") as file:
        rows = [row for row in csv.DictReader(file) if row["seed"] == "0"]
    assert {row["metric"] for row in rows} == {"group_accuracy", "worst_group_accuracy", "accuracy"}
    by_group = {row["group"]: float(row["value"]) for row in rows if row["metric"] == "group_accuracy"}
    (worst,) = (row for row in rows if row["metric"] == "worst_group_accuracy")
    assert set(by_group) == set(NAMES)
    assert float(worst["value"]) == min(by_group.values()) == by_group[worst["group"]]
    # An example of two groups counts in both: there are more memberships than test examples in groups.
    test = read_split(layout.groups(plan.cells[0].run.dataset.groups_id) / "test.csv").membership
    assert (
        sum(int(row["n"]) for row in rows if row["metric"] == "group_accuracy") == test.sum() > test.any(axis=1).sum()
    )


def test_an_oracle_that_needs_a_partition_says_so(studied):
    plan, layout = studied
    with pytest.raises(DataError, match="average_adjusted needs groups that partition the data; these overlap"):
        choose_and_score(plan.of("main", "digits", "erm"), "average_adjusted", plan.study.file, layout)


def test_minority_examples_are_those_in_any_minority_group(studied):
    plan, layout = studied
    table("error_sets", plan, layout)
    with open(layout.table("error_sets", "csv"), newline="") as file:
        rows = list(csv.DictReader(file))
    made = overlapping(0)
    minority = made.membership("train")[:, :2].any(axis=1)
    assert rows
    from bam.artifacts import read_predictions

    cell = next(cell for cell in plan.cells if cell.stage1 and cell.seed == 0)
    predicted = read_predictions(layout.predictions(cell.stage1.name) / "train.npz", n_examples=len(minority))
    missed = predicted.classes[-1] != made.splits["train"].labels
    row = next(r for r in rows if r["seed"] == "0" and int(r["T"]) == predicted.epochs[-1])
    assert int(row["size"]) == missed.sum()
    assert float(row["minority_recall"]) == pytest.approx((missed & minority).sum() / minority.sum())


def test_every_table_and_figure_of_the_study_is_made(studied):
    plan, layout = studied
    for name in table_names(plan):
        table(name, plan, layout)
    for name in figure_names(plan):
        figure(name, plan, layout)
    main = layout.table("main", "csv").read_text()
    assert "worst_group_accuracy" in main
    assert "adjusted_accuracy" not in main
    assert all(name in layout.table("groups", "csv").read_text() for name in NAMES)
    shown = layout.table("main", "md").read_text()
    assert "Adjusted" not in shown
    assert "the groups overlap, so none is adjusted by their shares" in shown


CIVIL = {"kind": "civilcomments", "tokenizer": "bert-base-uncased-tokenizer", "max_length": 32}
BERT = {"model_type": "bert", "hidden_size": 8, "num_hidden_layers": 1, "num_attention_heads": 2}
TEXT_MODEL = {"name": "huggingface", "config": {**BERT, "intermediate_size": 8}}
DRO = {"epochs": 2, "batch_size": 4, "optimizer": toy.SGD, "step_size": 0.01, "adjustment": 0.0}
DRO |= {"batches": "every_example"}


def civil_plan():
    """Return a plan that scores the same trainings by both definitions of CivilComments' groups."""
    content = toy.study_content(
        datasets={"any": dict(CIVIL), **{name: {**CIVIL, "groups": name} for name in ("identity_any", "wilds")}},
        seeds=[0],
        model=TEXT_MODEL,
    )
    content["methods"]["group_dro"] = DRO
    return make_plan(check_study(content, "toy.yaml"), read_sources(ROOT / "config" / "datasets.yaml"))


def test_both_definitions_of_groups_score_the_same_trainings():
    plan = civil_plan()
    runs = {
        name: {cell.run.name for cell in plan.cells if cell.dataset == name}
        for name in ("any", "identity_any", "wilds")
    }
    assert runs["any"] == runs["identity_any"] == runs["wilds"]
    groups = {cell.dataset: cell.run.dataset.groups_id for cell in plan.cells}
    assert groups["any"] == groups["identity_any"] != groups["wilds"]
    assert len({cell.run.dataset.data_id for cell in plan.cells}) == 1


def test_group_dro_trains_on_the_partition_whatever_groups_are_evaluated():
    cells = [cell for cell in civil_plan().cells if cell.method == "group_dro"]
    partition = next(cell.run.dataset.groups_id for cell in cells if cell.dataset == "any")
    assert {cell.run.spec.groups for cell in cells} == {partition}
    assert {cell.run.dataset.for_training.groups_id for cell in cells} == {partition}


def test_a_study_of_overlapping_groups_alone_also_makes_the_partition_that_group_dro_needs():
    content = toy.study_content(datasets={"wilds": {**CIVIL, "groups": "wilds"}}, seeds=[0], model=TEXT_MODEL)
    sources = read_sources(ROOT / "config" / "datasets.yaml")
    assert [d.settings["groups"] for d in make_plan(check_study(content, "t"), sources).datasets.values()] == ["wilds"]
    content["methods"]["group_dro"] = DRO
    made = make_plan(check_study(content, "toy.yaml"), sources).datasets.values()
    assert {data.settings["groups"] for data in made} == {"wilds", "identity_any"}


def test_the_figure_of_sample_images_leaves_texts_out():
    plan = civil_plan()
    assert "samples" not in figure_names(plan)
    assert "samples" in figure_names(toy.plan())
