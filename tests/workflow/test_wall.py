"""The wall: with the groups moved away, everything that claims to need none still runs."""

import json
import shutil


def test_group_free_methods_train_and_select_without_any_group_file(copied):
    before = copied.tables()
    chosen_before = {p.name: p.read_bytes() for p in (copied.results / "selection" / "main").iterdir()}
    away = copied.folder / "groups_moved_away"
    (copied.folder / "data" / "groups").rename(away)
    for part in ("predictions", "weights", "selection", "evaluation", "tables", "figures"):
        shutil.rmtree(copied.results / part)
    targets = [
        f"results/small/selection/main/colored_digits.{method}.{rule}.json"
        for method, rule in [
            ("erm", "class_difference"),
            ("bam", "class_difference"),
            ("bam", "worst_error_group"),
        ]
    ]
    copied.snakemake(*targets)
    assert not (copied.folder / "data" / "groups").exists()
    for target in targets:
        path = copied.folder / target
        assert path.read_bytes() == chosen_before[path.name]
        assert json.loads(path.read_text())["needs_groups"] == "none"
    away.rename(copied.folder / "data" / "groups")
    copied.snakemake("all")
    assert copied.tables() == before


def test_group_dro_without_groups_asks_for_them_and_for_nothing_else(copied):
    shutil.rmtree(copied.folder / "data" / "groups")
    shutil.rmtree(copied.results / "predictions" / "train")
    planned = copied.planned("runs")
    assert planned == {"annotate": 2, "train": 4}


def test_prepared_data_hold_no_group_and_no_test_label(finished):
    names = {p.relative_to(p.parents[1]).as_posix() for p in finished.folder.glob("data/prepared/*/*/*")}
    assert names == {"train/inputs.npy", "train/labels.npy", "val/inputs.npy", "val/labels.npy", "test/inputs.npy"}
