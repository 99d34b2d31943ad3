"""Figures: each builds from a small frame, saves the same bytes twice, and says what it shows."""

import importlib
import subprocess
import sys
from itertools import product
from pathlib import Path

import pandas as pd
import pytest
from matplotlib.collections import LineCollection

from bam.data.sources import read_sources
from bam.errors import ConfigError, DataError
from bam.figures import style
from bam.figures.facts import Facts, read_table
from bam.figures.sweep import axis_label
from bam.files import write_text
from bam.layout import Layout
from bam.plan import make_plan
from bam.steps import figure as step
from bam.study import read_study
from bam.tables import words

ROOT = Path(__file__).resolve().parents[2]
NASTY = "<b>$x$ 50% _{y}"
SEEDS = (0, 1)
RULES = (("class_difference", "none"), ("worst_group", "val"))
NAMES = [*step.TABLES, "sweep"]
INTERVALS = {
    "worst_group_by_method": "95 % t intervals over seeds",
    "group_accuracies": "95 % t intervals over seeds",
    "class_difference_by_epoch": "no interval",
    "error_set_quality": "range from the smallest to the largest",
    "auxiliary_by_group": "25th to 75th percentile",
    "sweep": "95 % t intervals over seeds",
}
RESULT = {"dataset": "digits", "mean": 0.7, "std": 0.1, "ci95_low": 0.6, "ci95_high": 0.8, "n_seeds": 2}
WILSON = {"n_examples": 90, "wilson_low": 0.65, "wilson_high": 0.75}
METRIC = {"metric": "worst_group_accuracy"}
SWEEP = {"analysis": "lambda", "axis": "bam.stage1.auxiliary_coefficient"}
STAGE1 = {"dataset": "digits", "lambda": 10.0, "stage1_loss": "squared", "T": 5}
MARGIN = {"n": 40, "q05": 0.0, "q25": 0.1, "median": 0.2, "q75": 0.3, "q95": 0.5}


def frames_of(*methods):
    """Return one small frame for each table that a figure reads."""
    chosen = [RESULT | {"method": m, "selection": r, "needs_groups": n} for m, (r, n) in product(methods, RULES)]
    epochs = [
        {"method": m, "seed": s, "epoch": e, "val_class_difference": 0.3 / e, "test_worst_group_accuracy": 0.2 * e}
        for m, s, e in product(methods, SEEDS, (1, 2, 3))
    ]
    sets = [
        {"method": m, "lambda": c, "T": t, "seed": s, "minority_recall": 0.9}
        | {"minority_precision": 0.5 if t < 10 else None}
        for m, c, t, s in product(methods, (0.0, 10.0), (1, 2, 10), SEEDS)
    ]
    margins = [
        {"method": m, "epoch": e, "group": g, "is_minority": str(g == NASTY)} | MARGIN
        for m, e, g in product(methods, (1, 5), ("0, red", NASTY))
    ]
    return {
        "main": pd.DataFrame([row | METRIC for row in chosen]),
        "groups": pd.DataFrame([row | WILSON | {"group": group} for row in chosen for group in ("0, red", NASTY)]),
        "epochs": pd.DataFrame([{"dataset": "digits"} | row for row in epochs]),
        "error_sets": pd.DataFrame([STAGE1 | row for row in sets]),
        "auxiliary": pd.DataFrame([STAGE1 | row for row in margins]),
        "sweeps": pd.DataFrame([row | METRIC | SWEEP | {"value": value} for row in chosen for value in ("0", "10")]),
    }


def facts_of(*methods):
    return Facts(seeds=SEEDS, rules=("class_difference", "worst_group"), two_stage=methods)


def made(name, *methods):
    module = importlib.import_module(f"bam.figures.{name}")
    frames, facts = frames_of(*methods), facts_of(*methods)
    return module.draw(frames, facts), module.caption(frames, facts)


def texts(figure):
    shown = [text.get_text() for legend in figure.legends for text in legend.get_texts()]
    for axes in figure.axes:
        shown += [axes.get_title(), axes.get_title("left"), axes.get_xlabel(), axes.get_ylabel()]
        shown += [label.get_text() for label in (*axes.get_xticklabels(), *axes.get_yticklabels())]
    return shown


@pytest.mark.parametrize("name", NAMES)
def test_two_saves_are_the_same_bytes_and_carry_no_date(name, tmp_path):
    contents = []
    for folder in ("a", "b"):
        layout = Layout(tmp_path, tmp_path / folder)
        figure, caption = made(name, "bam", NASTY)
        style.save(figure, caption, layout, name)
        contents.append({suffix: layout.figure(name, suffix).read_bytes() for suffix in style.SUFFIXES})
    assert contents[0] == contents[1]
    assert b"CreationDate" not in contents[0]["pdf"]
    assert b"<dc:date>" not in contents[0]["svg"]
    assert b"Software" not in contents[0]["png"]


@pytest.mark.parametrize("name", NAMES)
def test_captions_name_the_seeds_and_the_interval(name):
    _, caption = made(name, "bam")
    assert "n = 2 seeds (0, 1)" in caption
    assert INTERVALS[name] in caption


@pytest.mark.parametrize("name", NAMES)
def test_every_text_is_at_least_7_points(name):
    figure, _ = made(name, "bam", "erm")
    figure.draw_without_rendering()
    sizes = [text.get_fontsize() for text in figure.findobj(lambda item: hasattr(item, "get_fontsize"))]
    assert min(sizes) >= 7
    assert figure.get_figwidth() in (style.SINGLE, style.DOUBLE)


def test_oracle_rules_are_marked():
    figure, caption = made("worst_group_by_method", "bam")
    assert "worst group\n(oracle)" in texts(figure)
    assert "ClassDiff" in texts(figure)
    assert "oracle rules" in caption
    swept, caption = made("sweep", "bam")
    assert "worst group (oracle)" in texts(swept)
    assert "oracle rules" in caption


def test_user_names_are_drawn_as_they_are():
    figure, _ = made("worst_group_by_method", NASTY)
    assert NASTY in texts(figure)
    figure, _ = made("group_accuracies", "bam")
    assert any(NASTY in text for text in texts(figure))


def test_one_draw_of_the_data_is_said_in_the_caption():
    module = importlib.import_module("bam.figures.worst_group_by_method")
    facts = Facts(seeds=SEEDS, data_draw="All seeds share one fixed draw of the data.")
    assert "pooled over seeds. All seeds share one fixed draw of the data. Hollow" in module.caption(
        frames_of("bam"), facts
    )


def bars(figure):
    """Return (low, high) of each horizontal bar, once."""
    found = set()
    for lines in figure.axes[0].findobj(LineCollection):
        found |= {(round(float(s[0][0]), 6), round(float(s[1][0]), 6)) for s in lines.get_segments()}
    return found


def test_group_bars_are_intervals_over_seeds_and_wilsons_only_of_a_single_seed():
    module = importlib.import_module("bam.figures.group_accuracies")
    frames = frames_of("bam")
    assert bars(module.draw(frames, facts_of("bam"))) == {(0.6, 0.8)}
    alone = frames["groups"].assign(n_seeds=1, std=None, ci95_low=float("nan"), ci95_high=float("nan"))
    assert bars(module.draw({"groups": alone}, Facts(seeds=(0,)))) == {(0.65, 0.75)}
    caption = module.caption({"groups": alone}, Facts(seeds=(0,)))
    assert "95 % Wilson interval" in caption
    assert "t interval" not in caption


@pytest.mark.parametrize("name", ["worst_group_by_method", "group_accuracies", "sweep"])
@pytest.mark.parametrize("failed", [("bam",), ("bam", "erm")])
def test_where_nothing_was_chosen_there_is_no_marker_and_the_caption_says_so(name, failed):
    module = importlib.import_module(f"bam.figures.{name}")
    frames = {}
    for table, frame in frames_of("bam", "erm").items():
        found = frame.copy()
        empty = [column for column in (*RESULT, *WILSON) if column in found and column != "dataset"]
        found[empty] = found[empty].astype(float)
        found.loc[found["method"].isin(failed), empty] = float("nan")
        found.loc[found["method"].isin(failed), "n_seeds"] = 0
        frames[table] = found
    figure = module.draw(frames, facts_of("bam"))
    figure.draw_without_rendering()
    assert "BAM" not in texts(figure)
    caption = module.caption(frames, facts_of("bam"))
    named = "BAM" if len(failed) == 1 else "BAM, ERM"
    assert f"No marker where every setting had a failed seed, so that nothing was chosen: {named}." in caption
    assert "at least 0" not in caption


def test_labels_are_the_tables_words_made_short():
    assert style.METHODS["bam_no_aux"].label == "BAM without aux. var."
    assert {name: look.label for name, look in style.METHODS.items() if name != "bam_no_aux"} == {
        name: label for name, label in words.METHODS.items() if name != "bam_no_aux"
    }
    assert {name: look.label for name, look in style.RULES.items()} == {
        name: label.removesuffix(" (oracle)") for name, label in words.RULES.items()
    }


def test_a_method_looks_the_same_whatever_stands_beside_it():
    alone, together = style.looks(["bam"], style.METHODS), style.looks(["mine", "erm", "bam"], style.METHODS)
    assert alone["bam"] == together["bam"]
    for known in (style.METHODS, style.RULES):
        for part in ("color", "marker", "dash"):
            values = [getattr(look, part) for look in known.values()]
            assert len(set(values)) == len(values)


@pytest.mark.parametrize("name", NAMES)
def test_a_table_without_rows_gives_an_empty_figure(name):
    module = importlib.import_module(f"bam.figures.{name}")
    frames = {table: frame.iloc[:0] for table, frame in frames_of("bam").items()}
    module.draw(frames, facts_of("bam")).draw_without_rendering()
    assert module.caption(frames, facts_of("bam"))


def test_empty_cells_are_missing_and_names_stay_text(tmp_path):
    write_text(tmp_path / "t.csv", 'value,group,mean\n010,NA,\n1e3,"a,b",0.5\n')
    frame = read_table(tmp_path / "t.csv")
    assert list(frame["value"]) == ["010", "1e3"]
    assert list(frame["group"]) == ["NA", "a,b"]
    assert frame["mean"].isna().tolist() == [True, False]


def test_axes_are_named_in_words():
    assert axis_label("bam.stage1.auxiliary_coefficient") == "auxiliary coefficient λ"
    assert axis_label("bam.stage1.optimizer.learning_rate") == "stage-1 learning rate"
    assert axis_label("model.hidden") == "model: hidden"


@pytest.fixture(scope="module")
def sources():
    return read_sources(ROOT / "config/datasets.yaml")


def test_a_plan_has_the_figures_that_make_sense(sources):
    study = read_study(str(ROOT / "config/digits.yaml"))
    assert step.names(make_plan(study, sources)) == list(step.TABLES)
    one_stage = make_plan(study.only("colored_digits", "erm"), sources)
    assert step.names(one_stage) == ["worst_group_by_method", "group_accuracies"]
    no_auxiliary = make_plan(study.only("colored_digits", "jtt"), sources)
    assert "auxiliary_by_group" not in step.names(no_auxiliary)
    sweeps = make_plan(read_study(str(ROOT / "config/digits_sweeps.yaml")), sources)
    swept = [name for name in step.names(sweeps) if name.startswith("sweep_")]
    assert swept == [f"sweep_{analysis}" for analysis in sweeps.study.file.analyses]


def test_an_unknown_figure_and_a_missing_table_are_named(sources, tmp_path):
    plan = make_plan(read_study(str(ROOT / "config/digits.yaml")), sources)
    layout = Layout(tmp_path / "data", tmp_path / "results")
    with pytest.raises(ConfigError, match=r"did you mean 'group_accuracies'.*there is worst_group_by_method, "):
        step.figure("group_accuracy", plan, layout)
    with pytest.raises(ConfigError, match="no 'nothing'"):
        step.inputs("nothing", layout)
    with pytest.raises(DataError, match=r"groups\.csv: is missing; make it first: python -m bam table groups"):
        step.figure("group_accuracies", plan, layout)


def test_a_figure_is_made_from_csv_files(sources, tmp_path):
    plan = make_plan(read_study(str(ROOT / "config/digits.yaml")), sources)
    layout = Layout(tmp_path / "data", tmp_path / "results")
    for table, frame in frames_of("erm", "bam").items():
        write_text(layout.table(table, "csv"), frame.to_csv(index=False, lineterminator="\n"))
    for name in step.names(plan):
        step.figure(name, plan, layout)
        assert all(layout.figure(name, suffix).stat().st_size > 0 for suffix in style.SUFFIXES)
        assert all(path.exists() for path in step.inputs(name, layout))


def test_names_import_neither_matplotlib_nor_torch():
    code = "import sys, bam.steps.figure; sys.exit('matplotlib' in sys.modules or 'torch' in sys.modules)"
    subprocess.run([sys.executable, "-c", code], check=True, cwd=ROOT)
