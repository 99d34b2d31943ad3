"""Selection through real files never depends on test predictions, nor on groups unless the rule says so."""

import csv
import shutil
from pathlib import Path

import numpy as np
import pytest

from bam.artifacts import Predictions, read_predictions, write_predictions
from bam.groups import read_scheme, write_scheme
from bam.layout import Layout
from bam.plan import Plan
from bam.selection import RULES
from bam.steps.select import select
from tests import toy

LABEL_ONLY = [name for name, rule in RULES.items() if rule.needs_groups == "none"]


def write_runs(plan: Plan, layout: Layout) -> None:
    """Write random predictions for every run of the plan."""
    rng = np.random.default_rng(0)

    def write(path: Path, n: int, epochs: int) -> None:
        classes = rng.integers(0, 2, size=(epochs, n))
        write_predictions(path, Predictions(np.arange(1, epochs + 1), classes, np.zeros(epochs)))

    for run in plan.stage1:
        for split in ("train", "val"):
            write(layout.predictions(run) / f"{split}.npz", SIZES[split], 1)
    for run in plan.trainings:
        for split in ("val", "test"):
            write(layout.predictions(run) / f"{split}.npz", SIZES[split], 5)


SIZES = {"train": 23, "val": 48, "test": 12}


@pytest.fixture(scope="module")
def study(tmp_path_factory) -> tuple[Plan, Layout]:
    folder = tmp_path_factory.mktemp("study")
    plan, layout = toy.plan(), Layout(folder / "data", folder / "results")
    toy.write_data(plan, layout, sizes=SIZES)
    write_runs(plan, layout)
    return plan, layout


def chosen(plan: Plan, layout: Layout, rule: str, scope: str = "across_seeds", method: str = "bam") -> bytes:
    out = layout.results / "chosen.json"
    select(toy.cells(plan, method), {rule: out}, layout, scope)
    return out.read_bytes()


@pytest.mark.parametrize("scope", ["across_seeds", "per_seed"])
def test_rules_applied_in_one_go_choose_what_each_chooses_alone(study, tmp_path, scope):
    plan, layout = study
    alone = {rule: chosen(plan, layout, rule, scope) for rule in RULES}
    outs = {rule: tmp_path / f"{rule}.json" for rule in RULES}
    select(toy.cells(plan, "bam"), outs, layout, scope)
    assert {rule: out.read_bytes() for rule, out in outs.items()} == alone
    assert len(set(alone.values())) == len(RULES), "each file names its rule"


def copy_of(layout: Layout, tmp_path: Path) -> Layout:
    shutil.copytree(layout.data, tmp_path / "data")
    shutil.copytree(layout.results, tmp_path / "results")
    return Layout(tmp_path / "data", tmp_path / "results")


@pytest.mark.parametrize("scope", ["across_seeds", "per_seed"])
@pytest.mark.parametrize("rule", list(RULES))
def test_shuffled_test_predictions_change_no_choice(study, tmp_path, rule, scope):
    plan, layout = study
    copy, rng = copy_of(layout, tmp_path), np.random.default_rng(1)
    for run in plan.trainings:
        path = copy.predictions(run) / "test.npz"
        test = read_predictions(path)
        write_predictions(path, Predictions(test.epochs, rng.permuted(test.classes, axis=1), test.train_loss))
    assert chosen(plan, copy, rule, scope) == chosen(plan, layout, rule, scope)


@pytest.mark.parametrize("rule", LABEL_ONLY)
def test_label_only_rules_choose_the_same_without_groups_and_without_test(study, tmp_path, rule):
    plan, layout = study
    copy = copy_of(layout, tmp_path)
    shutil.rmtree(copy.data / "groups")
    for run in plan.trainings:
        (copy.predictions(run) / "test.npz").unlink()
    assert chosen(plan, copy, rule) == chosen(plan, layout, rule)


def shuffle_groups(layout: Layout) -> None:
    rng = np.random.default_rng(2)
    for path in (layout.data / "groups").rglob("val.csv"):
        with open(path, newline="") as file:
            header, *rows = list(csv.reader(file))
        order = rng.permutation(len(rows))
        with open(path, "w", newline="") as file:
            csv.writer(file).writerows([header, *[[r[0], *rows[k][1:]] for r, k in zip(rows, order, strict=True)]])
        write_scheme(path.parent, read_scheme(path.parent))  # with the hash of what is there now


def test_shuffled_groups_change_the_oracles_scores_and_no_label_only_choice(study, tmp_path):
    plan, layout = study
    copy = copy_of(layout, tmp_path)
    shuffle_groups(copy)
    for rule in LABEL_ONLY:
        assert chosen(plan, copy, rule) == chosen(plan, layout, rule)
    assert chosen(plan, copy, "worst_group") != chosen(plan, layout, "worst_group")


def test_the_choice_is_the_one_that_plain_loops_make(study):
    import json

    plan, layout = study
    content = json.loads(chosen(plan, layout, "worst_class"))
    best: dict[str, dict] = {}
    for cell in toy.cells(plan, "bam"):
        labels = np.load(layout.prepared(cell.run.dataset.data_id) / "val" / "labels.npy")
        classes = read_predictions(layout.predictions(cell.run.name) / "val.npz").classes
        scores = []
        for epoch in classes.tolist():
            right = {c: [p == c for p, y in zip(epoch, labels, strict=True) if y == c] for c in (0, 1)}
            scores.append(min(sum(r) / len(r) for r in right.values()))
        key = json.dumps(dict(cell.setting.varied))
        best.setdefault(key, {})[cell.seed] = (max(scores), 1 + scores.index(max(scores)), cell.run.name)
    means = {key: (seeds[0][0] + seeds[1][0]) / 2 for key, seeds in best.items()}
    winner = max(means, key=means.get)
    assert content["n_settings"] == 4
    assert [row["mean_score"] for row in content["settings"]] == pytest.approx(list(means.values()))
    assert [(c["seed"], c["epoch"], c["run"]) for c in content["chosen"]] == [
        (seed, best[winner][seed][1], best[winner][seed][2]) for seed in (0, 1)
    ]
    assert content["needs_groups"] == "none"


def test_oracles_are_marked_as_needing_groups(study):
    import json

    plan, layout = study
    assert json.loads(chosen(plan, layout, "worst_group"))["needs_groups"] == "val"
    assert json.loads(chosen(plan, layout, "average_adjusted"))["needs_groups"] == "train+val"


def test_a_failed_run_leaves_its_setting_out(study, tmp_path):
    import json

    plan, layout = study
    copy = copy_of(layout, tmp_path)
    run = toy.cells(plan, "bam")[0].run.name
    path = copy.predictions(run) / "val.npz"
    perfect = np.load(copy.prepared(toy.cells(plan, "bam")[0].run.dataset.data_id) / "val" / "labels.npy")
    write_predictions(path, Predictions(np.array([1]), perfect[None], np.zeros(1), failed="training stopped: nan"))
    content = json.loads(chosen(plan, copy, "average"))
    assert content["settings"][0]["mean_score"] is None
    assert len(content["left_out"]) == 1
    assert "seed 0: training stopped: nan" in content["left_out"][0]
    assert run not in [c["run"] for c in content["chosen"]]
