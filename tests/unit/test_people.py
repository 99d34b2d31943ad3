"""The verbs for people: what they print, and how a mistake ends."""

import json
import math
import os
import re
import subprocess
import sys
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
import torch
import yaml

from bam import costing
from bam.artifacts import Predictions, write_predictions
from bam.costing import describe
from bam.data.annotate import write_groups
from bam.data.examples import Examples, SplitExamples
from bam.data.prepare import write_prepared
from bam.doctor import examine
from bam.errors import DataError, RunError
from bam.files import write_json
from bam.groups import GroupScheme, SplitGroups, write_scheme, write_split
from bam.layout import Layout
from bam.run import run
from bam.schema import study_schema
from bam.show import show
from bam.status import look
from bam.study_file import StudyFile
from bam.workload import sizes_of
from tests import toy

ROOT = Path(__file__).resolve().parents[2]
VERBS = (
    *("fetch", "prepare", "annotate", "pretrained", "stage1", "error-set", "stage2", "train", "select", "evaluate"),
    *(
        "table",
        "figure",
        "report",
        "run",
        "plan",
        "status",
        "cost",
        "show",
        "doctor",
        "verify",
        "rekey",
        "export",
        "predict",
        "spec",
        "propose",
        "fixture",
        "pull",
        "publish",
        "prune",
    ),
)


def bam(*arguments: str, folder: Path = ROOT) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, "-m", "bam", *arguments]
    return subprocess.run(command, cwd=folder, capture_output=True, text=True, check=False)


# bam plan


def counts(text: str) -> dict[str, tuple[int, int]]:
    """Return step -> (runs, to do) of what `bam plan` prints."""
    rows = [line.split() for line in text.splitlines()]
    return {row[0]: (int(row[1]), int(row[2])) for row in rows if row and row[0] in ("stage1", "stage2", "train")}


def test_plan_counts_runs_and_those_still_to_do(tmp_path: Path):
    plan, layout = toy.plan(), Layout(tmp_path / "data", tmp_path / "results")
    text = describe(plan, layout)
    assert text.startswith("study toy: 2 prepared data sets, 4 stage-1 runs, 12 final trainings, 1 arms\n")
    # Two seeds; BAM with T of 1 and 2, two factors each; ERM with two learning rates.
    assert counts(text) == {"stage1": (4, 4), "stage2": (8, 8), "train": (4, 4)}
    for name in (next(iter(plan.stage1)), *plan.trainings):
        if not name.startswith("train/"):
            layout.predictions(name).mkdir(parents=True)
            (layout.predictions(name) / "record.json").write_text("{}")
    assert counts(describe(plan, layout)) == {"stage1": (4, 3), "stage2": (8, 0), "train": (4, 4)}


def test_plan_asks_for_no_time_where_nothing_is_to_do_and_for_more_where_more_is(tmp_path: Path):
    layout = Layout(tmp_path / "data", tmp_path / "results")

    def hours(plan) -> dict[str, float]:
        rows = [line.split() for line in describe(plan, layout).splitlines()]
        return {row[0]: float(row[3]) for row in rows if row and row[0] in ("stage1", "stage2", "train")}

    plan = toy.plan()
    for name in plan.stage1:
        layout.predictions(name).mkdir(parents=True)
        (layout.predictions(name) / "record.json").write_text("{}")
    before = hours(plan)
    assert before["stage1"] == 0
    assert before["stage2"] > 0
    assert hours(toy.plan(seeds=[0, 1, 2, 3]))["stage2"] > before["stage2"]


def rows_of(text: str) -> dict[str, list[float]]:
    """Return step -> the numbers of its line."""
    rows = {row[0]: row[1:] for row in map(str.split, text.splitlines())}
    return {step: [float(cell) for cell in rows[step]] for step in ("stage1", "stage2", "train")}


def test_plan_with_a_rate_counts_examples_by_hand_and_needs_no_stopwatch(tmp_path: Path, monkeypatch):
    monkeypatch.setattr(costing, "_measure", lambda *_: pytest.fail("measured"))
    plan, layout = toy.plan(), Layout(tmp_path / "data", tmp_path / "results")
    sizes = {sizes_of(run.dataset.settings).n_minority for run in plan.trainings.values()}
    (n,) = {tuple(sizes_of(run.dataset.settings).n_examples.values()) for run in plan.trainings.values()}
    (n_minority,) = sizes
    found = rows_of(describe(plan, layout, rate=0.5))
    finals = [run.spec.training for run in plan.trainings.values() if run.spec.step == "stage2"]
    trained = {
        "stage1": 2 * 2 * n[0],  # two seeds, and T = 2 goes on from T = 1: two epochs a seed, not three
        "stage2": sum(t.epochs * (n[0] + (t.sampling.factor - 1) * n_minority) for t in finals),
    }
    predicted = {"stage1": 2 * 2 * (n[0] + n[1]), "stage2": sum(t.epochs * (n[1] + n[2]) for t in finals)}
    for step, runs in (("stage1", 4), ("stage2", 8)):
        seconds = trained[step] / 0.5 + predicted[step] / 1.5 + costing.JOB_OVERHEAD_S * runs
        assert found[step][2] == pytest.approx(seconds / 3600, abs=0.001)


@pytest.mark.parametrize(
    ("own", "times", "share"),
    [
        ("float32", [1.0, 0.3, 0.5], "0.50"),  # a step in float32, a prediction, a step in bfloat16
        ("float32", [1.0, 0.3, 0.95], None),
        ("bfloat16", [0.5, 0.3], None),
    ],
)
def test_plan_says_what_16_bits_would_save_here_and_changes_nothing(tmp_path: Path, monkeypatch, own, times, share):
    monkeypatch.setattr(costing, "FEWEST_HALVED_WEIGHTS", 0)
    left = iter(times)

    def seconds(step) -> float:
        step()
        return next(left)

    monkeypatch.setattr(costing, "_seconds", seconds)
    plan = toy.plan(precision=own)
    said = [line for line in describe(plan, Layout(tmp_path, tmp_path)).splitlines() if line.startswith("bfloat16")]
    assert not list(left)
    assert said == (
        [
            f"bfloat16: a training step on 2 x 8 x 8 takes {share} of its time on this processor; "
            "`precision: bfloat16` in the config asks for it, on every machine and under ids of its own"
        ]
        if share
        else []
    )
    assert {run.spec.precision for run in plan.trainings.values()} == {own}


def test_plan_is_silent_on_16_bits_where_an_operation_has_none_here(tmp_path: Path, monkeypatch):
    monkeypatch.setattr(costing, "FEWEST_HALVED_WEIGHTS", 0)

    class OnlyFloat32(torch.nn.Linear):
        def forward(self, x: torch.Tensor) -> torch.Tensor:
            if torch.is_autocast_enabled("cpu"):
                raise RuntimeError('"an_operation" not implemented for BFloat16')
            return super().forward(x.flatten(1))

    monkeypatch.setattr(costing, "_network", lambda plan, sizes: OnlyFloat32(math.prod(sizes.input_shape), 2))
    text = describe(toy.plan(), Layout(tmp_path, tmp_path))
    assert "stage2" in text and "bfloat16" not in text


def test_plan_leaves_small_networks_alone(tmp_path: Path):
    assert "bfloat16" not in describe(toy.plan(), Layout(tmp_path, tmp_path))


# bam doctor


def looked_at(tmp_path: Path, examples: Examples) -> tuple[str, list[str]]:
    write_prepared(examples, {}, tmp_path / "prepared")
    write_groups(examples, tmp_path / "groups")
    return examine(tmp_path / "prepared", tmp_path / "groups")


def balanced(sizes: dict[str, tuple[int, int, int, int]]) -> Examples:
    """Return random images with the given number of each group, class 0 first."""
    rng = np.random.default_rng(0)
    splits = {}
    for split, numbers in sizes.items():
        group = np.repeat(np.arange(4), numbers)
        inputs = rng.integers(0, 256, size=(len(group), *toy.SHAPE)).astype(np.uint8)
        splits[split] = SplitExamples(inputs, group // 2, {"color": group % 2})
    return Examples(splits, ("zero", "one"), ("color", ("red", "green")), frozenset({(0, 1), (1, 0)}))


def test_doctor_describes_sizes_classes_and_groups_and_notes_thin_ones(tmp_path: Path):
    sizes = {"train": (30, 10, 12, 28), "val": (20, 9, 10, 21), "test": (11, 11, 11, 4)}
    text, problems = looked_at(tmp_path, balanced(sizes))
    assert problems == []
    head, *lines = text.splitlines()
    assert head.endswith(": 80 train + 60 val + 37 test examples of shape 2x2x2, classes zero, one")
    note = "        note: "
    assert lines == [
        "  train classes 40 / 40; groups zero, red: 30, zero, green: 10, one, red: 12, one, green: 28",
        "  val   classes 29 / 31; groups zero, red: 20, zero, green: 9, one, red: 10, one, green: 21",
        f"{note}'zero, green' has 9 examples; one of them is 11 points of its accuracy",
        "  test  classes 22 / 15; groups zero, red: 11, zero, green: 11, one, red: 11, one, green: 4",
        f"{note}'one, green' has 4 examples; one of them is 25 points of its accuracy",
    ]


@pytest.mark.parametrize("declared", [True, False])
def test_doctor_finds_an_empty_group_unless_the_data_set_declares_it(tmp_path: Path, declared: bool):
    prepared = toy.write_toy(tmp_path / "prepared")
    names = ("a", "b")
    for split, n in toy.SIZES.items():
        labels = np.arange(n) % 2 if split == "test" else None
        membership = np.stack([np.ones(n, dtype=bool), np.arange(n) < (0 if split == "val" else n)], axis=1)
        write_split(tmp_path / "groups" / f"{split}.csv", SplitGroups({}, membership, labels), names)
    empty = ("b",) if declared else ()
    write_scheme(tmp_path / "groups", GroupScheme(names, (False, True), empty, False, {"train": (23, 23)}))
    _, problems = examine(prepared, tmp_path / "groups")
    expected = [
        "prepared: val: group 'b' is empty, so worst-group accuracy is undefined; declare it empty or split again"
    ]
    assert problems == ([] if declared else expected)


def test_doctor_finds_inputs_that_stand_in_two_splits(tmp_path: Path):
    examples = toy.examples()
    test = examples.splits["test"]
    inputs = test.inputs.copy()
    inputs[:2] = examples.splits["train"].inputs[3:5]
    inputs[5] = examples.splits["val"].inputs[0]
    inputs[6] = inputs[7]  # twice in one split is no leak
    splits = {**examples.splits, "test": SplitExamples(inputs, test.labels, test.attributes)}
    changed = Examples(splits, examples.class_names, examples.attribute, examples.minority)
    _, problems = looked_at(tmp_path, changed)
    assert problems == [
        "prepared: 2 inputs stand in both train and test: test accuracy is flattered; split again",
        "prepared: 1 inputs stand in both val and test: test accuracy is flattered; split again",
    ]


@pytest.mark.parametrize("harm", ["flipped", "cut", "missing"])
def test_doctor_names_a_corrupt_file(tmp_path: Path, harm: str):
    examples = toy.examples()
    looked_at(tmp_path, examples)
    path = tmp_path / "prepared" / "val" / "inputs.npy"
    content = bytearray(path.read_bytes())
    if harm == "flipped":
        content[-1] ^= 1
        path.write_bytes(content)
    elif harm == "cut":
        path.write_bytes(content[:-1])
    else:
        path.unlink()
    _, (problem,) = examine(tmp_path / "prepared", tmp_path / "groups")
    assert problem.startswith(f"{path}: is ")
    assert problem.endswith(f"delete {tmp_path / 'prepared'} to have it made again")


def test_doctor_refuses_groups_that_are_not_what_groups_json_describes(tmp_path: Path):
    looked_at(tmp_path, toy.examples())
    path = tmp_path / "groups" / "val.csv"
    path.write_text(path.read_text() + "14,0,1,0,0,0\n")
    with pytest.raises(DataError, match=r"val\.csv: is not the file that groups\.json describes"):
        examine(tmp_path / "prepared", tmp_path / "groups")


def test_doctor_leaves_with_0_on_thin_groups_and_with_1_on_problems(tmp_path: Path):
    path = tmp_path / "small.yaml"
    path.write_text(yaml.safe_dump(toy.study_content(datasets__digits__aligned=0.98, seeds=[0])))
    done = bam("doctor", str(path), "--data", str(tmp_path / "data"))
    assert done.returncode == 0, done.stderr
    assert "note: '0-4, green' has " in done.stdout
    assert done.stdout.splitlines()[-1] == "no problem found"
    (labels,) = (tmp_path / "data").glob("prepared/*/val/labels.npy")
    labels.write_bytes(labels.read_bytes()[:-1])
    done = bam("doctor", str(path), "--data", str(tmp_path / "data"))
    assert (done.returncode, done.stderr) == (1, "")
    assert f"- {labels}: is corrupt" in done.stdout
    assert done.stdout.splitlines()[-1] == "1 problem found"


# bam show


def main_table(folder: Path) -> Path:
    keys = {"dataset": "d", "method": "bam", "selection": "last", "needs_groups": "none"}
    rows = [
        {**keys, "metric": "worst_group_accuracy", "mean": 0.6254, "std": 0.0312},
        {**keys, "metric": "accuracy", "mean": 0.9, "std": float("nan")},
    ]
    (folder / "tables").mkdir(parents=True)
    pd.DataFrame(rows).to_csv(folder / "tables" / "main.csv", index=False)
    return folder


def test_show_prints_the_main_table_in_percent_and_where_the_rest_is(tmp_path: Path, capsys):
    show(main_table(tmp_path / "results"))
    text = capsys.readouterr().out
    (row,) = [line for line in text.splitlines() if "bam" in line]
    assert [cell.strip() for cell in row.strip("│").split("│")] == [
        *("d", "bam", "last", "none"),
        *("62.5 ± 3.1", "90.0", ""),
    ]
    assert f"report   {tmp_path / 'results' / 'report.html'}" in text


def test_show_puts_several_studies_into_one_table(tmp_path: Path, capsys):
    folders = [main_table(tmp_path / name) for name in ("first", "second")]
    second = pd.read_csv(folders[1] / "tables" / "main.csv").assign(dataset="e")
    second.to_csv(folders[1] / "tables" / "main.csv", index=False)
    show(*folders)
    text = capsys.readouterr().out
    rows = [[cell.strip() for cell in line.strip("│").split("│")] for line in text.splitlines() if "62.5" in line]
    assert [row[0] for row in rows] == ["d", "e"]
    assert text.count("worst group") == 1
    assert all(f"report   {folder / 'report.html'}" in text for folder in folders)


def test_show_without_a_table_is_one_line(tmp_path: Path):
    with pytest.raises(DataError) as error:
        show(tmp_path)
    path = tmp_path / "tables" / "main.csv"
    assert str(error.value) == f"{path}: cannot be read (No such file or directory); run the study first"
    path.parent.mkdir()
    path.write_text("")
    with pytest.raises(DataError, match="is not a table"):
        show(tmp_path)


# bam status


def test_status_counts_what_is_there_and_names_failed_runs_and_logs(tmp_path: Path):
    plan, layout = toy.plan(), Layout(tmp_path / "data", tmp_path / "results")
    assert look(plan, layout).text.splitlines() == [
        "prepared data        0 of 2",
        "stage 1              0 of 4",
        "final trainings      0 of 12",
        "selections           0 of 11",
        "evaluations          0 of 11",
    ]
    toy.write_data(plan, layout)
    name = next(iter(plan.stage1))
    folder = layout.predictions(name)
    why = "stage 1 stopped: the loss is inf at epoch 1, step 3 of 6"
    write_predictions(folder / "val.npz", Predictions(np.array([2]), np.zeros((1, 14)), np.array([np.nan]), failed=why))
    (folder / "record.json").write_text("{}")
    logs = layout.results / "logs" / "figure"
    logs.mkdir(parents=True)
    (logs / "good.log").write_text("a training that went well\n")
    (logs / "bad.log").write_text("".join(f"line {k}\n" for k in range(9)) + "bam: val.npz: is missing\n")
    (logs / "bug.log").write_text("Traceback (most recent call last):\n  ...\nKeyError: 1\n")
    lines = look(plan, layout).text.splitlines()
    assert lines[0] == "prepared data        2 of 2"
    assert lines[1] == "stage 1              1 of 4: 3 waiting"
    assert f"failed: {name}: {why}" in lines
    assert [line for line in lines if line.startswith("log ")] == [f"log {logs}/bad.log:", f"log {logs}/bug.log:"]
    assert lines[lines.index(f"log {logs}/bad.log:") + 1 :][:5] == [
        *(f"  line {k}" for k in range(5, 9)),
        "  bam: val.npz: is missing",
    ]


def test_status_tells_running_failed_and_stopped_trainings_apart_and_says_how_long_the_rest_takes(tmp_path: Path):
    plan, layout = toy.plan(), Layout(tmp_path / "data", tmp_path / "results")
    names = list(plan.stage1)
    for name in names:
        (layout.results / "logs" / f"{name}.log").parent.mkdir(parents=True, exist_ok=True)
    done, running, broken, stopped = (layout.results / "logs" / f"{name}.log" for name in names)
    for log, text in (
        (done, ""),
        (running, ""),
        (broken, "bam: no space left\n"),
        (stopped, "stage 1: 1 of 9, 7 s left\n"),
    ):
        log.write_text(text)
    os.utime(stopped, (1.0e9, 1.0e9))
    folder = layout.predictions(names[0])
    folder.mkdir(parents=True)
    (folder / "record.json").write_text("{}")
    write_json(folder / "timing.json", {"wall_s": 30.0})
    lines = look(plan, layout).text.splitlines()
    assert lines[1] == "stage 1              1 of 4: 1 running, 1 failed, 1 stopped"
    assert lines[2] == "final trainings      0 of 12"
    # Nothing is known of final trainings yet, so all 15 that are left are taken to be a stage 1 of 30 s.
    assert lines[5] == "time left        about 8 min of training, one after another"
    assert lines[6:] == [f"log {broken}:", "  bam: no space left"]

    running.write_text("stage 1: 3 of 9, 10 s left\nstage 1: 6 of 9, 5 s left\n")
    (layout.results / "logs" / "stage2").mkdir()
    final = [name for name in plan.trainings if name.startswith("stage2/")]
    for name in final[:2]:
        (layout.results / "logs" / f"{name}.log").write_text("stage 2: 3 of 9, 20 s left\n")
    # 5 + 30 + 30 for stage 1, 20 + 20 for the two that say so, and the mean of these five for the other ten.
    assert look(plan, layout).text.splitlines()[5] == (
        "time left        about 5 min of training, one after another; 2 min with 3 at a time as now"
    )

    # A state to go on from, left beside the outputs a moment ago, is a sign of life too.
    state = layout.weights(names[3])
    state.mkdir(parents=True)
    (state / "state").write_text("")
    assert "1 stopped" not in look(plan, layout).text


# The command itself


def test_help_lists_every_verb():
    text = bam("--help").stdout
    listed = {match[1] for line in text.splitlines() if (match := re.match(r"│ ([a-z][a-z0-9-]*) ", line))}
    assert listed == set(VERBS)


@pytest.mark.parametrize("verb", VERBS)
def test_every_verb_says_what_it_does_and_what_each_option_is(verb: str):
    from typer.main import get_command

    from bam.cli.app import app

    command = get_command(app).commands[verb]  # type: ignore[attr-defined]
    assert command.help
    assert all(parameter.help for parameter in command.params)


def test_the_schema_command_prints_the_schema_that_config_holds():
    done = subprocess.run([sys.executable, "-m", "bam.schema"], cwd=ROOT, capture_output=True, text=True, check=True)
    assert json.loads(done.stdout) == study_schema()
    assert set(study_schema()["else"]["properties"]) == set(StudyFile.model_fields)
    assert done.stdout == (ROOT / "config" / "schema.json").read_text(encoding="utf-8")


@pytest.mark.parametrize("arguments", [["nonsense"], ["plan"], ["run", "x.yaml"], ["plan", "x.yaml", "--seed", "1"]])
def test_a_wrong_call_is_status_2_without_a_traceback(arguments: list[str]):
    done = bam(*arguments)
    assert done.returncode == 2
    assert "Usage: " in done.stderr
    assert "Traceback" not in done.stderr


EXPORTED = {"schema": "bam.model/2", "model": {"name": "mlp", "hidden": [4]}}
STUDY = json.dumps(toy.study_content())
OF_DIGITS = ("--dataset", "digits", "--results", "r", "--out", "o.json")
BY_LAST = (*OF_DIGITS, "--rule", "last")
MISTAKES = {
    "broken JSON": (["plan", "{x"], "study: is not valid JSON"),
    "no file": (["plan", "no.yaml"], "no.yaml: cannot be read (No such file or directory)"),
    "unknown key": (["plan", json.dumps({**toy.STUDY, "seed": 1})], "seed: unknown key (did you mean 'seeds'?)"),
    "unknown rule": (
        ["select", "--study", STUDY, "--method", "bam", *OF_DIGITS, "--rule", "class_diference"],
        "--rule: there is no 'class_diference' (did you mean 'class_difference'?)",
    ),
    "rule without stage 1": (
        ["select", "--study", STUDY, "--method", "erm", *OF_DIGITS, "--rule", "worst_error_group"],
        "--rule worst_error_group: needs a stage 1, which erm has not",
    ),
    "unknown method": (["select", "--study", STUDY, "--method", "bm", *BY_LAST], "has no runs"),
    "nothing trained": (["select", "--study", STUDY, "--method", "erm", *BY_LAST], "manifest.json"),
    "no selection": (
        ["evaluate", "--study", STUDY, "--selection", "other.json", "--results", "r", "--out", "o.csv"],
        "other.json: is not a selection; make it with `bam select`",
    ),
    "more rules than files": (
        ["select", "--study", STUDY, "--method", "bam", *BY_LAST, "--rule", "average"],
        "--rule, --out: 2 rules and 1 files; give one file for each rule",
    ),
    "a rule twice": (
        ["select", "--study", STUDY, "--method", "bam", *BY_LAST, "--rule", "last", "--out", "p.json"],
        "--rule: one of last, last stands twice",
    ),
    "more selections than files": (
        ["evaluate", "--study", STUDY, *("--selection", "a", "--selection", "b"), "--results", "r", "--out", "o"],
        "--selection, --out: 2 selections and 1 files; give one for each",
    ),
    "unknown table": (["table", "main", "mian", "--study", STUDY, "--results", "r"], "did you mean 'main'?"),
    "table of other studies": (
        ["table", "main", "sweeps", "--study", STUDY, "--results", "r"],
        "table: this study has no 'sweeps'; it has main, ",
    ),
    "unknown figure": (["figure", "regret", "regrets", "--study", STUDY, "--results", "r"], "did you mean 'regret'?"),
    "incomplete settings": (
        ["prepare", "--settings", '{"kind": "colored_digits"}', "--raw", "raw", "--out", "o"],
        "aligned",
    ),
    "settings without a kind": (
        ["prepare", "--settings", "{}", "--raw", "raw", "--out", "o"],
        "--settings: expected a JSON object with a key 'kind'",
    ),
    "settings not JSON": (["annotate", "--settings", "x", "--raw", "raw", "--out", "o"], "--settings: is not JSON"),
    "no raw set": (["fetch", "digit", "--out", "o"], "did you mean 'digits'?"),
    "spec not JSON": (
        ["train", "--spec", "{}", "--data", "d", "--predictions", "p", "--weights", "w"],
        "--spec: step: is missing",
    ),
    "two ways to look": (
        ["status", STUDY, "--watch", "60", "--table"],
        "status: --table and --watch do not go together; give one of the two",
    ),
    "half a previous run": (
        [
            *("stage1", "--spec", "{}", "--data", "d", "--predictions", "p", "--weights", "w"),
            *("--previous-weights", "w0"),
        ],
        "--previous-predictions and --previous-weights go together; give both or neither",
    ),
    "not a model": (
        ["predict", "not_a_model", "--inputs", "x.npy", "--out", "o.csv"],
        "does not describe a model that `bam export` wrote",
    ),
    "half a model": (
        ["predict", "half_a_model", "--inputs", "x.npy", "--out", "o.csv"],
        "lacks weights_sha256, kind, input_shape, class_names, precision, mean, std, pad_id, has_segments, transform; "
        "export the model",
    ),
    "no model": (["predict", "nowhere", "--inputs", "x.npy", "--out", "o.csv"], "nowhere/model.json: "),
    "unknown method of run": (["run", STUDY, "--method", "bm", "--out", "o"], "has no method 'bm' (did you mean 'bam'"),
    "proposal without bam": (
        ["propose", json.dumps({**toy.STUDY, "methods": {"erm": toy.STUDY["methods"]["erm"]}}), "--out", "o"],
        "has no method 'bam'; it has erm",
    ),
    "proposal for no data set": (
        ["propose", STUDY, "--dataset", "digit", "--out", "o"],
        "has no dataset 'digit' (did you mean 'digits'?)",
    ),
    "proposal for two learning rates": (
        ["propose", json.dumps(toy.study_content(methods__bam__stage1__batch_size=[4, 8])), "--out", "o"],
        "methods.bam.stage1: is a grid of 2 settings beside λ and T",
    ),
    "seed -1": (["run", STUDY, "--method", "bam", "--out", "o", "--seed", "-1"], "seeds[0]: -1 is not allowed"),
    "oracle's weights": (
        ["export", STUDY, "--method", "bam", "--rule", "worst_group", "--out", "o"],
        "--rule worst_group: weights exist only for rules that need validation labels alone",
    ),
    "no study yet": (["show", "results/none"], "run the study first"),
}


@pytest.fixture(scope="module")
def wrong(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with the repository's sources of data and a few files that are not what a verb expects."""
    folder = tmp_path_factory.mktemp("wrong")
    (folder / "config").mkdir()
    (folder / "config" / "datasets.yaml").write_bytes((ROOT / "config" / "datasets.yaml").read_bytes())
    for name, content in (("not_a_model", {"schema": "other"}), ("half_a_model", EXPORTED)):
        (folder / name).mkdir()
        write_json(folder / name / "model.json", content)
    write_json(folder / "other.json", {"some": "thing"})
    return folder


@pytest.mark.parametrize("mistake", MISTAKES)
def test_a_mistake_is_one_line_on_stderr_and_status_2(wrong: Path, mistake: str):
    arguments, message = MISTAKES[mistake]
    done = bam(*arguments, folder=wrong)
    assert (done.returncode, done.stdout) == (2, ""), done.stderr
    (line,) = done.stderr.splitlines()
    assert line.startswith("bam: ")
    assert message in line
    assert [path for path in wrong.rglob("*") if path.name in ("o", "o.csv", "o.json")] == []


def test_debug_adds_the_traceback():
    done = bam("--debug", "plan", "{x")
    assert done.returncode != 0
    assert "Traceback (most recent call last)" in done.stderr
    assert "bam.errors.ConfigError: study: is not valid JSON" in done.stderr


def test_a_run_whose_every_setting_diverges_is_one_line(tmp_path: Path):
    content = toy.study_content(methods__erm__optimizer__learning_rate=1.0e30)
    (tmp_path / "study.yaml").write_text(yaml.safe_dump(content))
    with pytest.raises(RunError, match=r"so .* has nothing to choose from; try a smaller") as error:
        run(
            str(tmp_path / "study.yaml"),
            dataset=None,
            method="erm",
            seed=0,
            out=tmp_path / "out",
            data=tmp_path / "data",
            sources=ROOT / "config" / "datasets.yaml",
            device="cpu",
        )
    assert "\n" not in str(error.value)
