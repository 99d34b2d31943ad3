"""What re-runs when something changes: exactly what depends on it."""

import os
import random
import re
import shutil
import sys
from pathlib import Path

from bam.files import read_json, write_json

BY = ("", "_by_errors", "_by_groups")
SELECT = {f"select{by}" for by in BY}
ANALYSIS = {*SELECT, *(f"evaluate{by}" for by in BY), "table", "figure", "report"}


def selections(planned: dict[str, int]) -> dict[str, int]:
    return {rule: count for rule, count in planned.items() if rule in SELECT}


def test_a_finished_study_plans_nothing(copied):
    assert copied.planned() == {}


def test_a_changed_setting_plans_the_runs_that_use_it_and_the_analysis_over_them(copied, study):
    study["methods"]["erm"]["optimizer"] = {**study["methods"]["erm"]["optimizer"], "learning_rate": 2.0e-2}
    copied.write(study)
    planned = copied.planned()
    assert copied.trainings() == {"train": 2}
    assert set(planned) - {"train"} <= ANALYSIS
    # Only ERM's two rules choose anew; worst_error_group needs a stage 1.
    assert selections(planned) == {"select": 1, "select_by_groups": 1}


def test_an_added_seed_plans_that_seed_alone(copied, study):
    study["seeds"] = [0, 1, 2]
    copied.write(study)
    assert copied.trainings() == {"stage1": 2, "error_set": 2, "stage2": 2, "train": 2}
    assert copied.planned()["prepare"] == 1


def test_an_added_upweight_factor_plans_its_cells_alone(copied, study):
    study["methods"]["bam"]["stage2"]["upweight_factor"] = [5, 10]
    copied.write(study)
    assert copied.trainings() == {"stage2": 4}


def test_an_added_T_plans_that_T_alone_though_a_larger_one_would_continue_it(copied, study):
    study["methods"]["bam"]["stage1"]["epochs"] = [1, 2, 3]
    copied.write(study)
    assert copied.trainings() == {"stage1": 2, "error_set": 2, "stage2": 2}


def test_a_dropped_setting_plans_analysis_alone(copied, study):
    study["methods"]["bam"]["stage1"]["epochs"] = [3]
    copied.write(study)
    planned = copied.planned()
    assert set(planned) <= ANALYSIS
    assert selections(planned) == {"select": 1, "select_by_errors": 1, "select_by_groups": 1}


def test_a_changed_data_setting_plans_everything_on_it(copied, study):
    study["datasets"]["colored_digits"]["aligned"] = 0.9
    copied.write(study)
    assert copied.trainings() == {"stage1": 4, "error_set": 4, "stage2": 4, "train": 4}
    assert copied.planned()["prepare"] == 2
    assert "fetch" not in copied.planned()


def test_edited_comments_docstrings_and_blank_lines_plan_nothing(copied):
    copied.edit("bam/training/loop.py", '"""Take every step of one epoch', '"""Walk through one epoch')
    copied.edit("bam/training/loop.py", "    model.train()\n", "    model.train()  # a comment\n\n")
    for path in copied.folder.joinpath("bam").rglob("*.py"):
        os.utime(path)
    assert copied.planned() == {}


def test_edited_training_code_plans_every_training(copied):
    copied.edit("bam/training/loop.py", "    model.train()\n", "    model.train(True)\n")
    assert copied.trainings() == {"stage1": 4, "error_set": 4, "stage2": 4, "train": 4}
    assert "prepare" not in copied.planned()


def test_edited_stage_2_code_leaves_stage_1_and_one_stage_methods(copied):
    copied.edit(
        "bam/steps/stage2.py", "mask, failed = read_error_set(error_set)", "(mask, failed) = read_error_set(error_set)"
    )
    assert copied.trainings() == {"stage2": 4}


def test_edited_error_set_code_plans_error_sets_and_stage_2_and_no_stage_1(copied):
    copied.edit("bam/error_set.py", "return np.asarray(predicted != labels)", "return np.asarray(labels != predicted)")
    assert copied.trainings() == {"error_set": 4, "stage2": 4}


def test_edited_groups_plan_evaluation_and_group_dro_and_no_other_training(copied):
    copied.edit(
        "bam/data/annotate.py",
        "minority = tuple(pair in examples.minority",
        "minority = tuple(pair not in examples.minority",
    )
    planned = copied.planned()
    assert copied.trainings() == {"train": 2}
    assert planned["annotate"] == 2
    assert selections(planned) == {"select": 3, "select_by_errors": 1, "select_by_groups": 3}
    assert [planned[f"evaluate{by}"] for by in BY] == [3, 1, 3]
    assert planned["table"] >= 8


def test_a_new_label_only_rule_trains_nothing(copied, study):
    rule = copied.folder / "bam" / "label_rules" / "average.py"
    (rule.parent / "mean.py").write_text(rule.read_text())
    study["selection"] = [*study["selection"], "mean"]
    copied.write(study)
    assert copied.trainings() == {}
    assert selections(copied.planned()) == {"select": 3}


def test_what_stage_1_watches_repeats_stage_1_and_no_stage_2(copied, study):
    study["methods"]["bam"]["stage1"]["watch_epochs"] = [1, 2, 3]
    copied.write(study)
    assert copied.trainings() == {"stage1": 2}


def test_another_device_and_lost_timings_plan_no_training(copied):
    for path in copied.results.glob("predictions/*/*/timing.json"):
        path.unlink()
    (copied.results / "tables" / "cost.csv").unlink()
    command = ("snakemake", "--dry-run", "--cores", "2", "--configfile", "config/small.yaml", "--config", "device=mps")
    text = copied.run(*command, "--", "all").stdout
    assert "stage1" not in text.split("Job stats:")[1].split("total")[0]
    assert "train" not in text.split("Job stats:")[1].split("total")[0]


def test_edited_code_of_another_model_plans_nothing(copied):
    copied.edit("bam/models/lenet.py", "kernel_size=5", "kernel_size=3")
    assert copied.planned() == {}


def test_edited_rules_plan_selection_but_no_training(copied):
    copied.edit("bam/error_cells.py", "SMALLEST_CELL = 5", "SMALLEST_CELL = 6")
    planned = copied.planned()
    assert copied.trainings() == {}
    assert selections(planned) == {"select": 3, "select_by_errors": 1, "select_by_groups": 3}


def test_an_edited_label_only_rule_plans_its_own_selections_and_no_training(copied):
    copied.edit("bam/label_rules/class_difference.py", "return -class_difference(", "return -1.0 * class_difference(")
    planned = copied.planned()
    # It is also the rule whose weights the study keeps, so final trainings depend on it; stage 1 does not.
    assert copied.trainings() == {"stage2": 4, "train": 4}
    assert selections(planned) == {"select": 3, "select_by_errors": 1, "select_by_groups": 3}


def test_an_edited_rule_whose_weights_nobody_keeps_trains_nothing(copied, study):
    study["selection"] = [*study["selection"], "worst_class"]
    copied.write(study)
    chosen = [
        f"results/small/selection/main/colored_digits.{method}.worst_class.json"
        for method in ("erm", "bam", "group_dro")
    ]
    copied.snakemake(*chosen)
    assert copied.planned(*chosen) == {}
    copied.edit("bam/label_rules/worst_class.py", ".min(axis=-1)", ".min(axis=1)")
    assert copied.planned(*chosen) == {"select": 3}
    assert copied.trainings() == {}


def test_shuffled_time_stamps_without_snakemakes_records_plan_no_training(copied):
    shutil.rmtree(copied.folder / ".snakemake")
    paths = [p for top in ("data", "results") for p in (copied.folder / top).rglob("*") if p.is_file()]
    generator = random.Random(0)
    for path in paths:
        stamp = generator.uniform(1.0e9, 1.5e9)
        os.utime(path, (stamp, stamp))
    assert copied.trainings() == {}
    assert set(copied.planned()) <= ANALYSIS


def test_predictions_alone_plan_no_training(copied):
    shutil.rmtree(copied.folder / ".snakemake")
    shutil.rmtree(copied.results / "weights")
    for name in ("train/inputs.npy", "test/inputs.npy"):
        for path in copied.folder.glob(f"data/prepared/*/{name}"):
            path.unlink()
    assert copied.trainings("tables") == {}


def test_a_new_factor_after_losing_raw_data_and_records_plans_its_cells_alone(copied, study):
    shutil.rmtree(copied.folder / ".snakemake")
    shutil.rmtree(copied.folder / "data" / "raw")
    study["methods"]["bam"]["stage2"]["upweight_factor"] = [5, 10]
    copied.write(study)
    assert copied.trainings() == {"stage2": 4}
    assert "fetch" not in copied.planned()


def test_without_a_config_file_the_default_study_is_planned_and_overrides_hold(copied):
    plain = copied.run("snakemake", "--dry-run", "--cores", "1").stdout
    assert re.search(r"^stage2 +30$", plain, re.MULTILINE)
    renamed = copied.run("snakemake", "--dry-run", "--cores", "1", "--config", "study=renamed", "--", "all").stdout
    assert re.search(r"^stage2 +30$", renamed, re.MULTILINE)
    assert "results/renamed/report.html" in renamed


def test_a_key_written_twice_is_refused_by_snakemake_too(copied):
    path = copied.folder / "config" / "small.yaml"
    path.write_text(path.read_text() + "threads: 1\nthreads: 2\n")
    done = copied.snakemake("all", expect=1)
    assert "key 'threads' stands twice" in done.stdout + done.stderr


def test_the_snakefile_takes_the_code_beside_it_and_not_an_installed_one(copied):
    copied.edit("bam/graph.py", '"""What the rules', 'raise ImportError("the code beside it")\n"""What the rules')
    snakemake = Path(sys.executable).with_name("snakemake")  # unlike `python -m`, it does not look in this folder
    command = ("env", "PYTHONPATH=", str(snakemake), "-n", "--configfile", "config/small.yaml", "--", "all")
    done = copied.run(*command, expect=1)
    assert "the code beside it" in done.stdout + done.stderr


def test_a_lost_run_is_made_again_for_the_tables_though_its_selections_are_there(copied):
    shutil.rmtree(next(copied.results.glob("predictions/train/erm-*")))
    shutil.rmtree(copied.results / "evaluation")
    for table in copied.results.glob("tables/*"):
        if table.stem != "cost":
            table.unlink()
    assert copied.trainings("tables") == {"train": 1}


def test_another_run_of_the_same_id_has_its_evaluation_made_again_though_the_choice_is_the_same(copied):
    record = next(copied.results.glob("predictions/train/erm-*")) / "record.json"
    chosen = copied.results / "selection" / "main" / "colored_digits.erm.class_difference.json"
    before = chosen.read_text()
    write_json(record, {**read_json(record), "device": "cuda"})
    chosen.unlink()
    copied.snakemake(str(chosen.relative_to(copied.folder)))
    assert chosen.read_text() != before
    assert copied.planned("tables")["evaluate"] >= 1


def test_a_damaged_run_stops_what_needs_it_and_leaves_the_rest(copied):
    path = next(copied.results.glob("predictions/stage2/bam-*")) / "val.npz"
    content = bytearray(path.read_bytes())
    content[len(content) // 2] ^= 1
    path.write_bytes(content)
    for folder in ("selection", "evaluation", "tables"):
        shutil.rmtree(copied.results / folder)
    done = copied.snakemake("all", expect=1)
    assert f"bam: {path.relative_to(copied.folder)}: " in done.stdout + done.stderr
    # ERM and Group-DRO have all of theirs, and so have tables that need no selection.
    scored = [path.name.split(".")[1] for path in copied.results.glob("evaluation/main/*.csv")]
    assert sorted(scored) == ["erm", "erm", "group_dro", "group_dro"]
    assert (copied.results / "tables" / "error_sets.csv").exists()
    assert not (copied.results / "tables" / "main.csv").exists()
