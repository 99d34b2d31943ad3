"""Publish, clone, pull: what came back is used, and nothing trains."""

import json
import shutil
import subprocess
from pathlib import Path

import pytest

from tests.workflow.checkout import Checkout
from tests.workflow.publishing import (
    ANALYSIS,
    an_object,
    cached,
    clone,
    commit,
    git,
    make_repository,
    publish,
    shuffle_time_stamps,
)


@pytest.fixture(scope="session")
def published(finished: Checkout, tmp_path_factory: pytest.TempPathFactory) -> Checkout:
    """The small study, published and committed. Never change it: take a clone."""
    repository = make_repository(finished, tmp_path_factory.mktemp("published") / "repository")
    publish(repository)
    return repository


@pytest.fixture(scope="session")
def first_pull(published: Checkout, tmp_path_factory: pytest.TempPathFactory) -> Checkout:
    pulled = clone(published, tmp_path_factory.mktemp("pulled") / "clone")
    said = pulled.bam("pull").stdout
    assert "small: 12 of 12 runs are there and match code, config, data and their records" in said
    assert "weights of 12 of them are not here, and not checked" in said
    return pulled


@pytest.fixture
def pulled(first_pull: Checkout, tmp_path: Path) -> Checkout:
    """A clone with predictions, labels and groups pulled: no weights, inputs, raw data or Snakemake records."""
    shutil.copytree(first_pull.folder, tmp_path / "clone", symlinks=True)
    return Checkout(tmp_path / "clone")


def test_a_study_is_published_whole_and_git_has_nothing_of_data_and_results(published):
    assert git(published.folder, "status", "--short") == ""
    tracked = git(published.folder, "ls-files").splitlines()
    assert not [name for name in tracked if name.startswith(("data/", "results/"))]
    assert "docs/results/small/tables/main.csv" in tracked
    done = published.run("dvc", "status")
    assert done.stdout.strip() == "Data and pipelines are up to date."


def test_published_again_nothing_changes(published, tmp_path):
    shutil.copytree(published.folder, tmp_path / "copy", symlinks=True)
    again = Checkout(tmp_path / "copy")
    head = git(again.folder, "rev-parse", "HEAD")
    said = again.bam("publish", "config/small.yaml", "--commit", "again").stdout
    assert "nothing has changed, so there is nothing to commit to git" in said
    assert git(again.folder, "status", "--short") == ""
    assert git(again.folder, "rev-parse", "HEAD") == head


def test_results_are_not_committed_before_the_code_and_configs_that_made_them(published, tmp_path):
    shutil.copytree(published.folder, tmp_path / "copy", symlinks=True)
    changed = Checkout(tmp_path / "copy")
    changed.edit("config/small.yaml", "study: small", "study: small  # a note")
    said = changed.bam("publish", "config/small.yaml", "--commit", "again", expect=2).stderr
    assert said == "bam: publish: config/small.yaml has changes that no commit has; commit code and configs first\n"
    said = changed.bam("publish", "config/small.yaml").stdout
    assert 'git commit -m "Publish results" (config/small.yaml has changes too: commit code and configs first)' in said


def test_a_clone_rebuilds_tables_figures_and_report_byte_for_byte_and_trains_nothing(published, pulled):
    there = {path.name for path in pulled.results.iterdir()}
    assert there == {"predictions", "model"}
    assert not (pulled.folder / "data" / "raw").exists()
    assert not list(pulled.folder.glob("data/prepared/*/*/inputs.npy"))
    shuffle_time_stamps(pulled)
    assert set(pulled.planned()) == ANALYSIS
    cached(pulled, "all")
    for kind in ("tables", "figures"):
        for path in (published.folder / "docs" / "results" / "small" / kind).iterdir():
            assert (pulled.results / kind / path.name).read_bytes() == path.read_bytes(), path.name
    report = (published.results / "report.html").read_bytes()
    assert (pulled.results / "report.html").read_bytes() == report
    assert git(pulled.folder, "status", "--short") == ""


def test_a_changed_setting_plans_exactly_the_runs_that_use_it(pulled, study):
    study["methods"]["erm"]["optimizer"] = {**study["methods"]["erm"]["optimizer"], "learning_rate": 2.0e-2}
    pulled.write(study)
    assert pulled.trainings() == {"train": 2}
    assert pulled.planned()["prepare"] == 2  # its inputs were not pulled


def test_a_new_T_trains_from_the_start_where_the_lower_T_has_no_weights_here(pulled, study):
    study["methods"]["bam"]["stage1"]["epochs"] = [1, 2, 3]
    pulled.write(study)
    assert pulled.trainings() == {"stage1": 2, "error_set": 2, "stage2": 2}


def test_a_new_stage_2_makes_the_weights_again_that_it_starts_from(pulled, study):
    study["methods"]["bam"]["stage2"]["upweight_factor"] = [5, 10]
    pulled.write(study)
    assert pulled.trainings() == {"stage1": 4, "stage2": 4}


def test_changed_code_plans_what_it_can_affect(pulled):
    pulled.edit("bam/error_set.py", "return np.asarray(predicted != labels)", "return np.asarray(labels != predicted)")
    assert pulled.trainings() == {"stage1": 4, "error_set": 4, "stage2": 4}  # One-M: stage 1's weights are not here
    said = pulled.bam("verify", "config/small.yaml").stdout
    assert "is stale: code in its spec is not that of the config's stage2/" in said
    assert "8 of 12 runs are there and match" in said


def test_what_is_not_there_is_an_error_that_names_it_and_never_success(pulled):
    lost = next(pulled.results.glob("predictions/stage2/*/val.npz"))
    lost.unlink()
    for target in ("all", "tables", "results/small/tables/main.csv"):
        done = cached(pulled, target, expect=None)
        assert done.returncode != 0
        assert str(lost.relative_to(pulled.folder)) in done.stdout + done.stderr


def test_a_tampered_file_is_refused_by_name(pulled):
    path = next(pulled.results.glob("predictions/train/*/test.npz"))
    path.write_bytes(path.read_bytes()[:-1] + b"x")
    words = f"{path.relative_to(pulled.folder)}: is not the file that its record describes"
    assert words in pulled.bam("verify", "config/small.yaml", expect=2).stdout
    done = cached(pulled, "tables", expect=1)
    assert words in done.stdout + done.stderr


def test_a_run_under_another_run_s_name_is_refused(pulled):
    first, second = sorted(pulled.results.glob("predictions/train/erm-*"))
    shutil.rmtree(second)
    shutil.copytree(first, second)
    said = pulled.bam("verify", "config/small.yaml", expect=2).stdout
    assert "dataset and seed in its spec is not what the folder's name stands for" in said


@pytest.mark.parametrize("how", ["missing", "tampered"])
def test_a_pull_of_a_damaged_remote_names_what_did_not_come(published, tmp_path, how):
    damaged = clone(published, tmp_path / "clone")
    path = next(published.results.glob("predictions/stage1/*/val.npz"))
    stored = an_object(damaged, path)
    content = stored.read_bytes()
    stored.chmod(0o644)
    stored.unlink()
    if how == "tampered":
        stored.write_bytes(content[:-1] + b"x")
    said = damaged.bam("pull", expect=2).stderr
    assert said.startswith("bam: dvc pull: ")
    assert "results/small/predictions/stage1" in said
    assert len(said.splitlines()) == 1


def test_weights_that_no_store_here_has_are_one_line_that_says_where_they_are(pulled):
    said = pulled.bam("pull", "--weights", expect=2).stderr
    assert said.startswith("bam: pull: the DVC remote `store` here lacks weights or inputs of these studies")
    assert len(said.splitlines()) == 1


def test_dvc_pulls_one_stage_without_the_others_and_repeats_nothing(published, pulled, tmp_path):
    one = clone(published, tmp_path / "one")
    one.run("dvc", "pull", "stage2@small")
    assert sorted(path.name for path in one.results.glob("*/*")) == ["stage2"]
    assert not (one.folder / "data").exists()
    before = {path: path.stat().st_mtime_ns for path in pulled.results.rglob("*")}
    said = pulled.run("dvc", "repro").stdout
    assert "Running stage" not in said
    assert {path: path.stat().st_mtime_ns for path in pulled.results.rglob("*")} == before


def test_dvc_shows_metrics_and_how_they_changed(pulled):
    path = pulled.folder / "docs" / "results" / "small" / "metrics.json"
    shown = json.loads(pulled.run("dvc", "metrics", "show", "--json").stdout)
    metrics = shown[""]["data"]["docs/results/small/metrics.json"]["data"]
    assert metrics == json.loads(path.read_text())
    assert set(metrics) == {"erm", "bam", "group_dro"}
    assert set(metrics["bam"]) == {"class_difference", "worst_group"}
    path.write_text(path.read_text().replace('"worst_group": ', '"worst_group": 1'))
    assert "group_dro.worst_group" in pulled.run("dvc", "metrics", "diff").stdout


def test_the_chosen_model_comes_with_a_pull(pulled):
    model = json.loads((pulled.results / "model" / "model.json").read_text())
    assert model["chosen"]["method"] == "bam"
    assert (pulled.results / "model" / "model.safetensors").exists()


def test_a_tagged_model_is_found_by_its_name_and_predicts(published, tmp_path):
    registry = clone(published, tmp_path / "registry")
    registry.edit("dvc.yaml", "path: results/digits/model", "path: results/small/model")
    for key, value in (("user.name", "test"), ("user.email", "test@example.org")):
        git(registry.folder, "config", key, value)
    commit(registry.folder, "name the small study's model")
    get = ("dvc", "artifacts", "get", str(registry.folder), "digits-bam", "--out", str(tmp_path / "model"))
    untagged = registry.run(*get, expect=None)
    assert untagged.returncode != 0
    assert "Unable to find artifact 'digits-bam'" in untagged.stderr
    registry.run("gto", "register", "digits-bam")
    commit_of_version = git(registry.folder, "rev-parse", "HEAD").strip()

    show = "import dvc.api, json; print(json.dumps(dvc.api.artifacts_show('digits-bam', version='v0.0.1')))"
    shown = json.loads(registry.run("python", "-c", show).stdout)
    assert shown == {"rev": commit_of_version, "path": "results/small/model"}
    registry.run(*get)
    wanted = {path.name: path.read_bytes() for path in (published.results / "model").iterdir()}
    assert {path.name: path.read_bytes() for path in (tmp_path / "model").iterdir()} == wanted
    inputs = next(published.folder.glob("data/prepared/*/test/inputs.npy"))
    registry.bam("predict", str(tmp_path / "model"), "--inputs", str(inputs), "--out", str(tmp_path / "predicted.csv"))
    assert len((tmp_path / "predicted.csv").read_text().splitlines()) == 1 + 540


def test_unpublished_runs_are_not_lost_to_a_pull(published, tmp_path):
    mine = clone(published, tmp_path / "clone")
    kept = mine.results / "predictions" / "train" / "mine" / "val.npz"
    kept.parent.mkdir(parents=True)
    kept.write_bytes(b"mine")
    said = mine.bam("pull", expect=2).stderr
    assert "results/small/predictions/train" in said
    assert "was not published, and would be lost" in said
    assert kept.read_bytes() == b"mine"


def test_a_study_that_is_not_published_is_named_and_a_user_s_dvc_settings_are_left_alone(published, tmp_path):
    said = published.bam("pull", "smal", expect=2).stderr
    assert said == "bam: pull: 'smal' is not published (did you mean 'small'?); published: small\n"
    home = tmp_path / "home"
    home.mkdir()
    mine = clone(published, tmp_path / "clone")
    command = ("env", f"HOME={home}", f"XDG_CONFIG_HOME={home}/config", "python", "-m", "bam", "pull")
    assert isinstance(mine.run(*command), subprocess.CompletedProcess)
    assert not list(home.rglob("*onfig*/dvc/config"))
    assert not list(home.rglob("user_id"))
