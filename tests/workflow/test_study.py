"""A whole study: the same bytes every time, and nothing lost by a user's mistake."""

import csv
import json
import re

import pytest

from tests.workflow.checkout import STUDY, check_out


def test_the_study_in_another_folder_has_the_same_tables_and_figures(finished, tmp_path):
    again = check_out(tmp_path)
    again.snakemake("all")
    assert again.tables() == finished.tables()
    for path in (finished.results / "figures").iterdir():
        assert (again.results / "figures" / path.name).read_bytes() == path.read_bytes(), path.name
    # The report holds the cost table too, so it is compared with the first study's cost in place of its own.
    own, other = ((c.results / "tables" / "cost.csv").read_bytes() for c in (again, finished))
    assert own != other
    (again.results / "tables" / "cost.csv").write_bytes(other)
    study = json.dumps(STUDY)
    again.bam("report", "--study", study, "--results", "results/small", "--out", "results/small/report.html")
    assert (again.results / "report.html").read_bytes() == (finished.results / "report.html").read_bytes()


def test_the_main_table_has_the_promised_columns(finished):
    with open(finished.results / "tables" / "main.csv", newline="") as file:
        rows = list(csv.DictReader(file))
    columns = "dataset,method,selection,needs_groups,metric,mean,std,ci95_low,ci95_high,n_seeds"
    assert list(rows[0]) == columns.split(",")
    needs = {(row["method"], row["selection"]): row["needs_groups"] for row in rows}
    assert needs["erm", "class_difference"] == "none"
    assert needs["bam", "worst_group"] == "val"
    assert needs["group_dro", "class_difference"] == "train"
    assert needs["group_dro", "worst_group"] == "train+val"
    assert all(0 <= float(row["mean"]) <= 1 for row in rows)


def test_run_without_snakemake_gives_the_study_s_predictions(finished, tmp_path):
    finished.bam("run", "config/small.yaml", "--method", "bam", "--seed", "0", "--out", str(tmp_path))
    there = sorted(p.relative_to(tmp_path) for p in (tmp_path / "predictions").glob("*/*/*.npz"))
    assert len(there) == 2 * 4 + 2 * 2
    for path in there:
        assert (tmp_path / path).read_bytes() == (finished.results / path).read_bytes(), path


def test_verify_finds_a_tampered_prediction_and_a_stale_run(copied, study):
    assert copied.bam("verify", "config/small.yaml").stdout.startswith("12 of 12 runs are there and match")
    path = next(copied.results.glob("predictions/stage2/*/val.npz"))
    content = bytearray(path.read_bytes())
    content[-1] ^= 1
    path.write_bytes(content)
    found = copied.bam("verify", "config/small.yaml", expect=2).stdout
    assert f"{path.relative_to(copied.folder)}: is not the file that its record describes" in found
    study["methods"]["erm"]["epochs"] = 2
    copied.write(study)
    found = copied.bam("verify", "config/small.yaml", expect=2).stdout
    assert "is stale: training in its spec is not that of the config's train/erm-lr0.01-wd0-seed0-" in found


def test_status_counts_what_is_done(finished):
    text = finished.bam("status", "config/small.yaml").stdout
    assert "stage 1              4 of 4" in text
    assert "final trainings      8 of 8" in text


def test_an_exported_model_predicts_what_the_study_predicted(finished, tmp_path):
    import numpy as np

    finished.bam("export", "config/small.yaml", "--method", "bam", "--seed", "1", "--out", str(tmp_path / "model"))
    description = json.loads((tmp_path / "model" / "model.json").read_text())
    inputs = finished.folder / "data" / "prepared" / description["data"]["id"] / "test" / "inputs.npy"
    finished.bam("predict", str(tmp_path / "model"), "--inputs", str(inputs), "--out", str(tmp_path / "p.csv"))
    with open(tmp_path / "p.csv", newline="") as file:
        predicted = [row["predicted"] for row in csv.DictReader(file)]
    chosen = description["chosen"]
    with np.load(finished.results / "predictions" / chosen["run"] / "test.npz") as stored:
        row = stored["classes"][list(stored["epochs"]).index(chosen["epoch"])]
    assert predicted == [["0-4", "5-9"][c] for c in row]
    assert "worst group accuracy" in (tmp_path / "model" / "README.md").read_text()


def test_export_of_an_oracle_s_choice_is_refused(finished, tmp_path):
    done = finished.bam(
        "export", "config/small.yaml", "--method", "bam", "--rule", "worst_group", "--out", str(tmp_path), expect=2
    )
    assert done.stderr.startswith("bam: --rule worst_group: weights exist only for rules that need validation labels")


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (
            lambda s: s["methods"]["erm"].update(batchsize=64),
            "config/small.yaml: methods.erm.batchsize: unknown key (did you mean 'batch_size'?)",
        ),
        (
            lambda s: s["methods"]["bam"]["stage2"].update(upweight_factor=0),
            "config/small.yaml: methods.bam.stage2.upweight_factor: 0 is not allowed: "
            "should be greater than or equal to 1",
        ),
    ],
)
def test_snakemake_reports_a_mistake_in_the_config_in_one_line_and_loses_nothing(copied, study, change, message):
    before = copied.tables()
    change(study)
    copied.write(study)
    done = copied.snakemake("all", expect=1)
    assert message in done.stdout + done.stderr
    assert "Traceback" not in done.stdout + done.stderr
    assert copied.tables() == before


def test_a_corrupt_prepared_file_is_named_in_the_log_and_nothing_finished_is_lost(copied):
    path = next(copied.folder.glob("data/prepared/*/train/inputs.npy"))
    content = bytearray(path.read_bytes())
    content[-1] ^= 1
    path.write_bytes(content)
    kept = {p: p.read_bytes() for p in copied.results.glob("**/*") if p.is_file() and "logs" not in p.parts}
    lost = [p for p in kept if p.parts[-3] == "train" and p.name == "val.npz"]
    for victim in lost:
        victim.unlink()
    done = copied.snakemake("runs", expect=1)
    shown = path.relative_to(copied.folder)
    advice = f"delete {shown.parents[1]} to have it made again"
    assert f"bam: {shown}: is corrupt (its SHA-256 is not the manifest's); {advice}\n" in done.stdout + done.stderr
    repeated = {p.parent.name for p in lost}
    for p, content in kept.items():
        if p.parent.name not in repeated:
            assert p.read_bytes() == content
    # The other seed's data are whole: its runs are back.
    assert sum(p.exists() for p in lost) == len(lost) // 2


def test_a_missing_prepared_file_is_made_again(copied):
    for path in [
        *copied.folder.glob("data/prepared/*/train/inputs.npy"),
        *copied.results.glob("predictions/*/*/val.npz"),
    ]:
        path.unlink()
    assert copied.planned()["prepare"] == 2
    copied.snakemake("runs")
    assert copied.planned("runs") == {}


def test_a_file_in_the_place_of_results_is_one_line(finished, tmp_path):
    blocked = tmp_path / "a_file"
    blocked.write_text("")
    done = finished.bam("run", "config/small.yaml", "--method", "erm", "--out", str(blocked / "below"), expect=2)
    assert "Traceback" not in done.stderr
    words = "is a file, where a folder for results is to be; move it away"
    assert done.stderr.strip().splitlines()[-1] == f"bam: {blocked}: {words}"


def test_a_diverging_setting_is_marked_left_out_and_stops_nothing_else(copied, study):
    study["methods"]["erm"]["optimizer"] = {**study["methods"]["erm"]["optimizer"], "learning_rate": [1.0e-2, 1.0e6]}
    copied.write(study)
    copied.snakemake("tables")
    selection = json.loads((copied.results / "selection/main/colored_digits.erm.class_difference.json").read_text())
    left = selection["left_out"][0]
    assert len(selection["left_out"]) == 2
    assert re.search(r"optimizer.learning_rate=1000000.0, seed 0: .*the loss is .* at epoch \d+, step \d+ of \d+", left)
    assert "Left out, colored_digits, ERM" in (copied.results / "tables" / "selected.md").read_text()
    assert all(path.stat().st_size for path in (copied.results / "tables").iterdir())
    assert {tuple(c["setting"].items()) for c in selection["chosen"]} == {(("optimizer.learning_rate", 1.0e-2),)}
    assert "failed: train/erm-lr1e+06" in copied.bam("status", "config/small.yaml").stdout
