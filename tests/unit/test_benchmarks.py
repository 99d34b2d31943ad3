"""What the benchmarks compare is the same mathematics, and their table says what was measured."""

import csv
import math

import pytest
import torch

from bam.data.sources import read_sources
from bam.files import write_json
from bam.graph import SOURCES
from bam.layout import Layout
from bam.plan import make_plan
from bam.study import check_study, read_study
from bam.tables.cost import cost_table
from bam.training.loop import run_epoch
from bam.verify import verify
from benchmarks import bench, scale, whole_study
from benchmarks.pairs import Row, ratios, seconds
from benchmarks.trainers import LENET, MLP, RESNET_64, TINY_BERT, bare_epoch, make_trainer, torch_sgd


@pytest.mark.parametrize("case", [MLP, LENET, TINY_BERT, RESNET_64], ids=lambda case: case.name)
def test_the_bare_loop_takes_the_same_steps_as_ours(case):
    ours, bare = make_trainer(case), make_trainer(case)
    rows = torch.arange(2 * case.batch_size - 1)
    for trainer in (ours, bare):
        trainer.order = lambda _: rows
    before = [parameter.clone() for parameter in ours.model.parameters()]
    torch.manual_seed(1)
    run_epoch(ours, 1)
    torch.manual_seed(1)
    bare_epoch(bare, torch_sgd(bare))
    pairs = zip(ours.model.parameters(), bare.model.parameters(), strict=True)
    assert all(torch.equal(a, b) for a, b in pairs)
    assert any(not torch.equal(a, b) for a, b in zip(ours.model.parameters(), before, strict=True))


def test_more_rows_than_are_visited_have_labels_and_auxiliary_variables():
    trainer = make_trainer(MLP, n_rows=MLP.n_visited + 7, auxiliary=True)
    assert len(trainer.labels_n) == len(trainer.objective.variables.all()) == MLP.n_visited + 7
    assert sorted(trainer.order(1).tolist()) == list(range(MLP.n_visited))


def test_what_the_benchmark_of_scale_makes_up_is_what_a_finished_study_has(tmp_path):
    plan = make_plan(check_study(scale.study(20), "scale"), read_sources(SOURCES))
    layout = Layout(tmp_path / "data", tmp_path / "results")
    scale.write_all(plan, layout)
    _, problems = verify(plan, layout)
    assert problems == []
    assert sum(cost_table(plan, layout).frame["n_runs"]) == len(plan.stage1) + len(plan.trainings)


def test_works_take_turns_after_a_warm_up():
    done = []
    taken = list(seconds((lambda: done.append("a"), lambda: done.append("b")), 3))
    assert "".join(done) == "ab" + "ab" + "ba" + "ab"
    assert len(taken) == 3


def test_a_ratio_is_that_of_the_work():
    def spin(n):
        return sum(math.sqrt(k) for k in range(n))

    values = ratios(lambda: spin(400_000), lambda: spin(100_000), 5)
    assert 2 < Row("spin", values).median < 8


@pytest.mark.parametrize(
    ("target", "values", "verdict"),
    [
        ("at most 1.05", (1.0, 1.04, 9.0), "met"),
        ("at most 1.05", (1.0, 1.06, 1.1), "missed"),
        ("at least 10", (9.0, 10.0, 30.0), "met"),
        ("at least 10", (9.9,), "missed"),
        ("", (5.0,), ""),
    ],
)
def test_the_verdict_is_on_the_median(target, values, verdict):
    assert Row("what", values, target).verdict == verdict


def test_a_part_run_alone_leaves_the_other_rows(tmp_path, monkeypatch):
    out = tmp_path / "bench.csv"
    monkeypatch.setattr(
        bench, "PARTS", {"one": lambda: iter([Row("x", (1.0,))]), "two": lambda: iter([Row("y", (2.0,))])}
    )
    for arguments in ([], ["one"]):
        monkeypatch.setattr("sys.argv", ["bench", *arguments, "--out", str(out)])
        bench.main()
    with open(out, newline="") as file:
        lines = list(csv.DictReader(file))
    assert [(line["part"], line["what"], line["median"]) for line in lines] == [
        ("one", "x", "1.000"),
        ("two", "y", "2.000"),
    ]
    assert "torch" in lines[0]["machine"]


def test_an_unknown_part_is_named(monkeypatch, capsys):
    monkeypatch.setattr("sys.argv", ["bench", "speed"])
    with pytest.raises(SystemExit) as stopped:
        bench.main()
    assert stopped.value.code == 2
    assert "no part speed; there is overhead, " in capsys.readouterr().err


def test_a_whole_study_is_counted_from_its_trainings(tmp_path):
    for step, name, training in (("train", "a", 30.0), ("stage2", "b", 10.0)):
        timing = {"training_s": training, "evaluation_s": 4.0, "wall_s": training + 5.0}
        (tmp_path / "predictions" / step / name).mkdir(parents=True)
        write_json(tmp_path / "predictions" / step / name / "timing.json", timing)
    whole = whole_study.counted(tmp_path, wall_s=26.0)
    assert (whole.n_trainings, whole.training_s, whole.evaluation_s, whole.job_s) == (2, 40.0, 8.0, 50.0)
    assert whole.ratio == pytest.approx(26 / 20)
    assert whole.cell_s == 20
    assert whole.other_s == pytest.approx((2 * 26 - 48) / 2)


def test_the_whole_study_is_the_published_main_table_with_one_seed():
    content = whole_study.study()
    study = check_study(content, "whole_study")
    assert list(study.settings) == ["erm", "jtt", "bam_no_aux", "bam", "group_dro"]
    assert {len(settings) for settings in study.settings.values()} == {4}
    assert len(study.file.seeds) == 1
    published = read_study(str(whole_study.ROOT / "config" / "cmnist.yaml"))
    before = published.settings["erm"][0].recipe.final.epochs
    assert study.settings["erm"][0].recipe.final.epochs == whole_study.LONGER * before
