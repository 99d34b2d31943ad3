"""Pruning, sweeping, what a graph asks for without weights or inputs, and what the repository itself publishes."""

import json
import shutil
from pathlib import Path

import pytest
import yaml

from bam.artifacts import Predictions, write_error_set, write_predictions
from bam.cli.options import read_plan
from bam.errors import ConfigError, DataError, RunError
from bam.graph import Graph
from bam.layout import INPUT_FILES, SEGMENT_FILES, Layout
from bam.plan import Plan
from bam.prune import missing_runs, prune
from bam.publish import Job, _stages, below_here, publish
from bam.pull import PREDICTIONS, targets
from bam.store import LIMIT_BYTES, Published, needed_objects, object_path, read_published, sweep, write_published
from bam.training_graph import TrainingGraph
from tests import toy

ROOT = Path(__file__).resolve().parents[2]


@pytest.fixture
def study(tmp_path) -> tuple[Plan, Layout]:
    """A plan, and a file for everything that its trainings write."""
    import numpy as np

    plan, layout = toy.plan(), Layout(tmp_path / "data", tmp_path / "results")
    for name in (*plan.stage1, *plan.trainings):
        folder, weights = layout.predictions(name), layout.weights(name)
        made = Predictions(np.array([1]), np.zeros((1, 3), dtype=np.uint8), np.array([0.5]))
        for split in ("train", "val", "test"):
            write_predictions(folder / f"{split}.npz", made)
        shutil.copy(folder / "val.npz", folder / "auxiliary.npz")
        (folder / "record.json").write_text("{}")
        weights.mkdir(parents=True)
        for file in ("model", "state"):
            (weights / f"{file}.safetensors").write_bytes(b"weights")
    for name in plan.error_sets:
        write_error_set(layout.predictions(name) / "error_set.npz", np.array([True, False]))
    return plan, layout


# Prune


def test_prune_removes_a_link_and_not_what_it_leads_to(study, tmp_path):
    plan, layout = study
    (tmp_path / "elsewhere").mkdir()
    (tmp_path / "elsewhere" / "val.npz").touch()
    link = layout.predictions("train/erm-old-seed0-0")
    link.symlink_to(tmp_path / "elsewhere")
    assert prune(plan, layout) == [link]
    assert not link.is_symlink()
    assert (tmp_path / "elsewhere" / "val.npz").exists()


def test_prune_deletes_exactly_what_the_plan_does_not_name(study):
    plan, layout = study
    before = {path for path in layout.results.rglob("*") if path.is_file()}
    foreign = [
        layout.predictions("train/erm-old-seed0-0") / "val.npz",
        layout.weights("stage1/bam-old-seed0-0") / "model.safetensors",
        layout.predictions("error_set/bam-old-seed0-0") / "error_set.npz",
        layout.table("no_such_table", "csv"),
        layout.predictions(next(iter(plan.trainings))) / ".val.npz.abc123",
    ]
    for path in foreign:
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(b"old")
    listed = prune(plan, layout, dry_run=True)
    assert all(path.exists() for path in foreign)
    assert prune(plan, layout) == listed
    assert len(listed) == len(foreign)
    assert {path for path in layout.results.rglob("*") if path.is_file()} == before
    assert prune(plan, layout) == []


def test_prune_deletes_nothing_while_a_run_that_the_plan_names_is_missing(study):
    plan, layout = study
    lost = next(iter(plan.stage1))
    (layout.predictions(lost) / "train.npz").unlink()
    old = layout.predictions("train/erm-old-seed0-0")
    old.mkdir()
    with pytest.raises(RunError, match=f"1 of the config's runs are not there, {lost} among them"):
        prune(plan, layout)
    assert old.exists()
    assert missing_runs(plan, layout) == [lost]


# What the graph asks for


def graph(study) -> TrainingGraph:
    return TrainingGraph(*study)


def test_runs_without_weights_here_ask_for_nothing(study):
    plan, layout = study
    shutil.rmtree(layout.results / "weights")
    made = graph(study)
    for name in plan.stage1:
        assert (made.manifest(name), made.previous(name)) == ([], [])
    for name in plan.trainings:
        assert (made.manifest(name), made.error_set(name), made.stage1_weights(name)) == ([], [], [])


def test_a_missing_stage_2_asks_for_its_own_stage_1_again_and_for_no_other(study):
    plan, layout = study
    shutil.rmtree(layout.results / "weights")
    run = next(run for run in plan.trainings.values() if run.stage1)
    shutil.rmtree(layout.predictions(run.name))
    made = graph(study)
    again = {name for name in (*plan.stage1, *plan.trainings) if not made.is_done(name)}
    assert again == {run.name, run.stage1}
    weights, record = layout.weights(run.stage1) / "model.safetensors", layout.predictions(run.stage1) / "record.json"
    assert made.stage1_weights(run.name) == [str(weights), str(record)]


def test_a_higher_T_goes_on_from_a_lower_one_only_if_its_state_is_here_or_it_trains_too(study):
    plan, layout = study
    name = next(name for name, run in plan.stage1.items() if run.previous)
    lower = plan.stage1[name].previous
    shutil.rmtree(layout.predictions(name))
    assert graph(study).previous(name)
    assert lower in graph(study).previous_options(name)
    shutil.rmtree(layout.weights(lower))
    assert graph(study).previous(name) == []
    assert graph(study).previous_options(name) == ""
    shutil.rmtree(layout.predictions(lower))
    assert graph(study).previous(name)


def whole(study) -> Graph:
    made = Graph(toy.study_content(), "toy.yaml")
    made.plan, made.layout = study
    made.by_data_id = {data.data_id: data for data in made.plan.datasets.values()}
    made.trainings = graph(study)
    return made


def test_raw_data_are_asked_for_only_where_a_run_has_to_train(study):
    plan, layout = study
    toy.write_data(plan, layout)
    data_ids = [data.data_id for data in plan.datasets.values()]
    for path in layout.data.rglob("inputs.npy"):
        path.unlink()
    assert [whole(study).raw_for_prepare(an_id) for an_id in data_ids] == [[], []]
    run = next(iter(plan.trainings.values()))
    shutil.rmtree(layout.predictions(run.name))
    asked = {an_id for an_id in data_ids if whole(study).raw_for_prepare(an_id)}
    assert asked == {run.dataset.data_id}


# The store


def stored(artifacts: Path, md5: str, content: str = "x") -> Path:
    path = object_path(md5, artifacts)
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(content)
    return path


def test_sweep_keeps_what_the_lock_names_and_the_contents_of_its_folders(tmp_path):
    lock, artifacts = tmp_path / "dvc.lock", tmp_path / "artifacts"
    outs = [{"path": "a", "md5": "aa11"}, {"path": "b", "md5": "bb22.dir"}, {"path": "in git", "hash": "md5"}]
    lock.write_text(yaml.safe_dump({"stages": {"one": {"cmd": "-", "outs": outs}, "two": {"cmd": "-"}}}))
    kept = [stored(artifacts, "aa11"), stored(artifacts, "cc33")]
    kept.append(stored(artifacts, "bb22.dir", json.dumps([{"md5": "cc33", "relpath": "f"}])))
    lost = stored(artifacts, "dd44")
    assert sweep(lock, artifacts) == sum(path.stat().st_size for path in kept)
    assert all(path.exists() for path in kept)
    assert not lost.exists()
    object_path("bb22.dir", artifacts).write_text("[{")
    with pytest.raises(DataError, match="is corrupt"):
        sweep(lock, artifacts)
    assert all(path.exists() for path in kept)


def test_published_yaml_is_read_as_it_was_written_and_refused_otherwise(tmp_path):
    path = tmp_path / "published.yaml"
    assert read_published(path) == Published()
    entry = {"config": "c.yaml", "remote": "artifacts"}
    made = Published(studies={"s": {**entry, "data": ["d"], "groups": ["g"]}}, data={"d": entry}, groups={"g": entry})
    write_published(made, path)
    assert read_published(path) == made
    path.write_text("studys: {}\n")
    with pytest.raises(DataError, match="is not what `bam publish` writes"):
        read_published(path)
    path.write_text("studies: {s: {config: c.yaml, remote: artifacts, groups: []}}\n")
    with pytest.raises(DataError, match="studies: s: lacks its data or groups"):
        read_published(path)


def test_a_pull_names_each_stage_once_and_large_ones_only_if_asked():
    published = Published(
        studies={"a": {"data": ["d", "e"], "groups": ["g"]}, "b": {"data": ["d"], "groups": ["g"]}}, models={"a": {}}
    )
    small = targets(published, ["a", "b"], with_weights=False, with_inputs=False)
    assert small[:4] == ["labels@d", "labels@e", "groups@g", "stage1@a"]
    assert small[-1] == "model@a"
    assert len(small) == len(set(small)) == 12
    every = targets(published, ["b"], with_weights=True, with_inputs=True)
    assert set(every) - set(small) == {"large/dvc.yaml:inputs@d", "large/dvc.yaml:weights@b"}


def test_pairs_of_texts_are_published_and_pulled_with_their_segments(study):
    plan, layout = study
    job = Job("config/a.yaml", "artifacts", plan, layout)
    first, *others = job.data_ids
    folder = layout.prepared(first)
    for name in (*INPUT_FILES, *SEGMENT_FILES):
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        (folder / name).touch()
    stages = set(_stages(job))
    assert f"large/dvc.yaml:segments@{first}" in stages
    assert not {f"large/dvc.yaml:segments@{an_id}" for an_id in others} & stages
    published = Published(studies={plan.study.name: {"data": job.data_ids, "groups": []}}, segments={first: {}})
    asked = targets(published, [plan.study.name], with_weights=False, with_inputs=True)
    assert [stage for stage in asked if "segments" in stage] == [f"large/dvc.yaml:segments@{first}"]


def test_two_configs_of_one_study_are_not_published_together(study):
    jobs = [Job(name, "artifacts", *study) for name in ("a.yaml", "b.yaml")]
    with pytest.raises(ConfigError, match="is named by two configs"):
        publish(jobs, lambda _: None)


def test_a_config_is_published_by_its_path_in_the_repository(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    for given in ("config/a.yaml", "./config/a.yaml", str(tmp_path / "config" / "a.yaml")):
        assert below_here(given) == "config/a.yaml"
    with pytest.raises(ConfigError, match="is not in this repository, so no clone of it would have it"):
        below_here("../a.yaml")


# What this repository publishes


def test_what_is_published_is_what_today_s_code_and_configs_would_train():
    """Else `make pull` brings back runs of which none has the name that the study looks for."""
    stages = yaml.safe_load((ROOT / "dvc.lock").read_text())["stages"]
    for name, entry in read_published(ROOT / "published.yaml").studies.items():
        plan = read_plan(str(ROOT / entry["config"]), ROOT / "config" / "datasets.yaml")
        stored = set()
        for step in PREDICTIONS:
            out = stages[f"{step}@{name}"]["outs"][0]
            listing = json.loads(object_path(out["md5"], ROOT / "artifacts").read_text())
            stored |= {f"{step}/{file['relpath'].split('/')[0]}" for file in listing}
        assert stored == {*plan.stage1, *plan.error_sets, *plan.trainings}, f"run {entry['config']}, `bam publish` it"
        assert {data.data_id for data in plan.datasets.values()} == set(entry["data"])
        assert set(plan.datasets) == set(entry["groups"])


def test_dvc_s_lock_names_nothing_that_the_repository_s_remote_lacks():
    lock, artifacts = ROOT / "dvc.lock", ROOT / "artifacts"
    published = read_published(ROOT / "published.yaml")
    if not published.studies:
        assert not lock.exists()
        return
    stages = yaml.safe_load(lock.read_text())["stages"]
    small = [*published.studies.items(), *published.data.items(), *published.groups.items(), *published.models.items()]
    at_home = {name for name, entry in small if entry["remote"] == "artifacts"}
    for name, stage in stages.items():
        step, _, key = name.partition("@")
        for out in stage.get("outs", []) if key in at_home and step != "results" else []:
            assert object_path(out["md5"], artifacts).exists(), f"{name}: {out['path']}"
    there = {path.parent.name + path.name for path in artifacts.glob("files/md5/*/*")}
    assert there <= set(needed_objects(lock, artifacts)), "run `bam publish`: it sweeps"
    assert sum(path.stat().st_size for path in artifacts.rglob("*") if path.is_file()) <= LIMIT_BYTES


def test_what_a_killed_dvc_left_half_written_is_put_out_of_the_way_once(tmp_path, monkeypatch):
    from bam import store
    from bam.errors import RunError

    monkeypatch.chdir(tmp_path)
    store.HALF_WRITTEN.parent.mkdir(parents=True)
    store.HALF_WRITTEN.write_text('{"wri')

    def run(command, name):
        if store.HALF_WRITTEN.exists():
            raise RunError("dvc commit: Unable to read RWLock-file '.dvc/tmp/rwlock'. JSON structure is corrupted")
        return "done"

    monkeypatch.setattr(store, "_run", run)
    assert store.dvc("commit") == "done"
    store.HALF_WRITTEN.write_text("{}")
    monkeypatch.setattr(store, "_run", lambda command, name: (_ for _ in ()).throw(RunError("dvc: is busy")))
    with pytest.raises(RunError, match="busy"):
        store.dvc("commit")
    assert store.HALF_WRITTEN.exists()
