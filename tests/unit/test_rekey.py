"""Carrying runs over to the ids of changed code: only what is the same byte for byte, and never silently."""

import json
import shutil

import pytest

import bam.plan
from bam.errors import DataError
from bam.layout import Layout
from bam.pipeline import files_of, run_cells
from bam.rekey import rekey
from bam.training.optimizers import Optimizer
from bam.verify import verify
from tests import toy

WHY = "only names changed"


@pytest.fixture
def finished(tmp_path):
    """A toy study that is trained, and its layout."""
    plan, layout = toy.plan(), Layout(tmp_path / "data", tmp_path / "results")
    toy.write_data(plan, layout)
    run_cells(plan.cells, list(plan.stage1.values()), layout, "cpu")
    return plan, layout


@pytest.fixture
def changed(finished, monkeypatch):
    """The same study, after an edit of the code that trains."""
    _, layout = finished
    digest = bam.plan._digest
    monkeypatch.setattr(bam.plan, "_digest", lambda roots: digest(roots) if "prepare" in str(roots) else "0" * 12)
    plan = toy.plan()
    for old, new in zip(finished[0].datasets.values(), plan.datasets.values(), strict=True):
        if old.groups_id != new.groups_id:
            layout.groups(old.groups_id).rename(layout.groups(new.groups_id))
    return plan, layout


def there(plan, layout) -> set[str]:
    runs = (*plan.stage1.values(), *plan.trainings.values())
    return {run.name for run in runs if all(path.exists() for path in files_of(run, layout).all())}


def test_runs_get_their_new_names_and_the_record_says_from_where_and_why(finished, changed):
    before, (plan, layout) = finished[0], changed
    assert not there(plan, layout)
    said = rekey(plan, layout, WHY, 1, "cpu")
    every = {*plan.stage1, *plan.trainings}
    assert there(plan, layout) == every
    assert said.startswith(f"{len(every)} runs carried over")
    for old, new in zip((*before.stage1, *before.trainings), (*plan.stage1, *plan.trainings), strict=True):
        record = json.loads((layout.predictions(new) / "record.json").read_text())
        assert record["rekeyed"] == [{"from": old, "because": WHY}]
        for name in ("val.npz",):
            assert (layout.predictions(new) / name).read_bytes() == (layout.predictions(old) / name).read_bytes()
    _, problems = verify(plan, layout)
    assert problems == []
    assert rekey(plan, layout, WHY, 1, "cpu").startswith("nothing to carry over")


def test_code_that_trains_otherwise_carries_nothing_over(changed, monkeypatch):
    plan, layout = changed
    step = Optimizer.step

    def twice(self):
        step(self)
        step(self)

    monkeypatch.setattr(Optimizer, "step", twice)
    with pytest.raises(DataError, match=r"today's code trains another .*; nothing is carried over"):
        rekey(plan, layout, WHY, 1, "cpu")
    assert not there(plan, layout)


def test_a_change_of_one_later_step_is_noticed_too(changed, monkeypatch):
    plan, layout = changed
    import bam.pipeline

    final = bam.pipeline.stage2

    def spoilt(spec, prepared, error_set, weights, files, *others, **named):
        final(spec, prepared, error_set, weights, files, *others, **named)
        files.test.write_bytes(files.test.read_bytes() + b"x")

    monkeypatch.setattr(bam.pipeline, "stage2", spoilt)
    with pytest.raises(DataError, match=r"another test\.npz"):
        rekey(plan, layout, WHY, 1, "cpu")
    assert not there(plan, layout)


def test_weights_that_are_not_here_are_said_and_not_taken_for_other_code(finished, changed):
    plan, layout = changed
    shutil.rmtree(layout.results / "weights")
    with pytest.raises(
        DataError, match=r"model\.safetensors: is not here, so nothing shows .*; nothing is carried over"
    ):
        rekey(plan, layout, WHY, 1, "cpu")
    # Runs that have their names already are not carried over to themselves.
    assert rekey(finished[0], layout, WHY, 1, "cpu").startswith("nothing to carry over")


def test_a_stale_record_that_is_damaged_stops_nothing(changed):
    plan, layout = changed
    records = sorted((layout.results / "predictions").glob("train/*/record.json"))
    for record, text in zip(records, ("{", '{"rpec": {}}', '{"spec": 3}'), strict=False):
        record.write_text(text)
    summary, problems = verify(plan, layout)
    assert problems == []
    assert summary.count("is stale, and its record is corrupt") == min(3, len(records))
    assert f"{len(plan.stage1) + len(plan.trainings)} stale" in summary


def test_a_lost_error_set_and_lost_groups_are_named(finished):
    plan, layout = finished
    assert "is missing" not in verify(plan, layout)[0]
    name = next(iter(plan.error_sets))
    (layout.predictions(name) / "error_set.npz").unlink()
    shutil.rmtree(layout.data / "groups")
    summary, problems = verify(plan, layout)
    path = layout.predictions(name) / "error_set.npz"
    assert problems == []
    assert f"{path}: is missing, and not checked; run the study to have it made again" in summary
    assert "the groups are not here, and not checked" in summary


def test_other_settings_or_other_data_are_not_carried_over(finished, monkeypatch):
    _, layout = finished
    monkeypatch.setattr(bam.plan, "_digest", lambda roots: "0" * 12)
    other = toy.plan(seeds=[7])
    toy.write_data(other, layout)
    assert rekey(other, layout, WHY, 1, "cpu").startswith("nothing to carry over")
