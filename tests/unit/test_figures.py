"""Figures: each builds from a small frame, saves the same bytes twice, and says what it shows."""

import importlib
import subprocess
import sys
from dataclasses import replace
from itertools import product
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from matplotlib.collections import LineCollection

from bam.data.annotate import write_groups
from bam.data.sources import read_sources
from bam.errors import ConfigError, DataError
from bam.figures import samples, style, sweep
from bam.figures.facts import Facts, read_table
from bam.figures.sweep import axis_label
from bam.files import write_text
from bam.layout import Layout
from bam.plan import make_plan
from bam.steps import figure as step
from bam.study import read_study
from bam.tables import words
from bam.tables.captions import predicted_epochs
from tests import toy

ROOT = Path(__file__).resolve().parents[2]
NASTY = "<b>$x$ 50% _{y}"
SEEDS = (0, 1)
RULES = (("class_difference", "none"), ("worst_group", "val"))
NAMES = [*step.TABLES, "sweep"]
INTERVALS = {
    "worst_group_by_method": "95 % t intervals over seeds",
    "regret": "95 % t intervals over seeds",
    "samples": "in file order",
    "group_accuracies": "95 % t intervals over seeds",
    "class_difference_by_epoch": "no interval",
    "error_set_quality": "range from the smallest to the largest",
    "auxiliary_by_group": "25th to 75th percentile",
    "sweep": "95 % t intervals over seeds",
}
RESULT = {"dataset": "digits", "mean": 0.7, "std": 0.1, "ci95_low": 0.6, "ci95_high": 0.8, "n_seeds": 2}
WILSON = {"n_examples": 90, "wilson_low": 0.65, "wilson_high": 0.75}
METRIC = {"metric": "worst_group_accuracy"}
ONE_AXIS = {"second_axis": "", "second_value": ""}
SWEEP = {"analysis": "lambda", "axis": "bam.stage1.auxiliary_coefficient"} | ONE_AXIS
STAGE1 = {"dataset": "digits", "lambda": 10.0, "stage1_loss": "squared", "T": 5}
CORRELATION = {"criterion": "class_difference", "against": "test_worst_group_accuracy"}
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
        "regret": pd.DataFrame([row for row in chosen if row["selection"] != "worst_group"]),
        "correlations": pd.DataFrame([RESULT | CORRELATION | {"method": m} for m in methods]),
        "samples": pd.DataFrame([sample(group, images_of(8)) for group in range(4)]),
        "groups": pd.DataFrame([row | WILSON | {"group": group} for row in chosen for group in ("0, red", NASTY)]),
        "epochs": pd.DataFrame([{"dataset": "digits"} | row for row in epochs]),
        "error_sets": pd.DataFrame([STAGE1 | row for row in sets]),
        "auxiliary": pd.DataFrame([STAGE1 | row for row in margins]),
        "sweeps": pd.DataFrame([row | METRIC | SWEEP | {"value": value} for row in chosen for value in ("0", "10")]),
    }


def images_of(n, channels=3):
    return np.random.default_rng(n).integers(0, 256, (n, channels, 4, 3), dtype=np.uint8)


def sample(group, images, dataset="digits"):
    place = {"dataset": dataset, "group": f"group {group}", "label": group // 2, "value": group % 2}
    return place | {"is_minority": group in (1, 2), "n_train": len(images), "images": images}


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
        if table == "samples":
            continue
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
    assert step.names(one_stage) == ["worst_group_by_method", "regret", "group_accuracies", "samples"]
    no_oracle = make_plan(study.only("colored_digits", "erm", ["last"]), sources)
    assert step.names(no_oracle) == ["worst_group_by_method", "group_accuracies", "samples"]
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
        step.inputs("nothing", plan, layout)
    with pytest.raises(DataError, match=r"groups\.csv: is missing; make it first: python -m bam table groups"):
        step.figure("group_accuracies", plan, layout)


def test_a_figure_is_made_from_csv_files(sources, tmp_path):
    plan = make_plan(read_study(str(ROOT / "config/digits.yaml")), sources)
    layout = Layout(tmp_path / "data", tmp_path / "results")
    for table, frame in frames_of("erm", "bam").items():
        if table == "samples":
            continue
        write_text(layout.table(table, "csv"), frame.to_csv(index=False, lineterminator="\n"))
    with pytest.raises(DataError, match=r"groups\.json: cannot be read"):
        step.figure("samples", plan, layout)
    write_groups(toy.examples(), step.inputs("samples", plan, layout)[0].parent)
    for name in step.names(plan):
        step.figure(name, plan, layout)
        assert all(layout.figure(name, suffix).stat().st_size > 0 for suffix in style.SUFFIXES)
        assert all(path.exists() for path in step.inputs(name, plan, layout))


# Sweeps over two axes, and published numbers


def two_axes(*seconds, methods=("bam",), datasets=("digits",)):
    """Return a sweep of µ for each T; the mean tells the point."""
    rows = []
    for value, second, dataset, method in product(("2", "5", "20"), seconds, datasets, methods):
        place = {"value": value, "second_value": second, "dataset": dataset, "method": method}
        for k, (rule, needs) in enumerate(RULES):
            mean = 0.1 + int(value) / 100 + int(second) / 50 + k / 200
            interval = {"mean": mean, "ci95_low": mean - 0.01, "ci95_high": mean + 0.01}
            rows.append(RESULT | METRIC | place | interval | {"selection": rule, "needs_groups": needs})
    axes = {"analysis": "T_mu", "axis": "bam.stage2.upweight_factor", "second_axis": "bam.stage1.epochs"}
    return pd.DataFrame(rows).assign(**axes)


def published(*points):
    """Return rows of a fidelity table: (rule, value, second value, published, source)."""
    rows = [
        {"selection": rule, "value": value, "second_value": second, "published": number, "source": source}
        for rule, value, second, number, source in points
    ]
    about = {"confidence": "recalled, read off a plot", "place": "Figure 5", "analysis": "T_mu"}
    return pd.DataFrame(rows).assign(dataset="digits", method="bam", metric="worst_group_accuracy", **about)


def lines_of(axes):
    """Return (colour, xs, ys) of each rule's line."""
    drawn = [line for line in axes.lines if len(line.get_xdata()) > 1]
    return [(line.get_color(), list(line.get_xdata()), list(line.get_ydata())) for line in drawn]


def stars_of(axes):
    drawn = [line for line in axes.lines if line.get_marker() in ("*", "X") and line.get_linestyle() == "None"]
    return [(line.get_marker(), line.get_color(), line.get_xdata()[0], line.get_ydata()[0]) for line in drawn]


def test_each_second_value_has_a_panel_with_its_own_numbers():
    figure = sweep.draw({"sweeps": two_axes("1", "10")}, facts_of("bam"))
    assert [axes.get_title() for axes in figure.axes] == ["T = 1", "T = 10"]
    for axes, second in zip(figure.axes, (1, 10), strict=True):
        (_, _, ours), (_, _, oracle) = lines_of(axes)
        assert ours == pytest.approx([0.1 + value / 100 + second / 50 for value in (2, 5, 20)])
        assert oracle == pytest.approx([mean + 1 / 200 for mean in ours])
        assert [label.get_text() for label in axes.get_xticklabels()] == ["2", "5", "20"]
        assert axes.get_xlabel() == "upweight factor µ"
        assert axes.get_ylim() == figure.axes[0].get_ylim()
    caption = sweep.caption({"sweeps": two_axes("1", "10")}, facts_of("bam"))
    assert "a panel for each value of stage-1 epochs T" in caption
    assert "within each pair of values" in caption


@pytest.mark.parametrize(("n", "shape"), [(2, (1, 2)), (3, (1, 3)), (4, (2, 2)), (5, (2, 3)), (6, (2, 3))])
def test_panels_of_second_values_wrap(n, shape):
    seconds = [str(k) for k in range(1, n + 1)]
    figure = sweep.draw({"sweeps": two_axes(*seconds)}, facts_of("bam"))
    assert figure.axes[0].get_gridspec().get_geometry() == shape
    assert [axes.get_title() for axes in figure.axes][:n] == [f"T = {second}" for second in seconds]


def test_with_several_methods_and_data_sets_a_row_holds_the_second_values_of_one():
    frame = two_axes("1", "10", methods=("bam", "jtt"), datasets=("digits", "other"))
    figure = sweep.draw({"sweeps": frame}, facts_of("bam"))
    assert figure.axes[0].get_gridspec().get_geometry() == (4, 2)
    titles = [axes.get_title() for axes in figure.axes]
    assert titles[:3] == ["BAM, digits, T = 1", "BAM, digits, T = 10", "JTT, digits, T = 1"]
    assert titles[-1] == "JTT, other, T = 10"


def test_published_numbers_are_stars_at_their_place_in_the_colour_of_their_rule():
    frames = {
        "sweeps": two_axes("1", "10"),
        "fidelity": published(
            ("class_difference", "5", "10", 0.45, "Li 2024"),
            ("worst_group", "20", "10", 0.5, "Other 2023"),
            ("class_difference", "7", "10", 0.9, "Nowhere 2022"),
        ),
    }
    figure = sweep.draw(frames, facts_of("bam"))
    assert stars_of(figure.axes[0]) == []
    ours, oracle = lines_of(figure.axes[1])
    assert stars_of(figure.axes[1]) == [("*", ours[0], ours[1][1], 0.45), ("X", oracle[0], oracle[1][2], 0.5)]
    assert ours[0] != oracle[0]
    assert figure.axes[1].get_ylim()[1] > 0.5
    assert {"published (Li 2024)", "published (Other 2023)"} <= set(texts(figure))
    caption = sweep.caption(frames, facts_of("bam"))
    assert (
        "from Li 2024, Figure 5 (recalled, read off a plot); Other 2023, Figure 5 (recalled, read off a plot)."
        in caption
    )
    assert "Nowhere" not in caption
    assert not any("Nowhere" in text for text in texts(figure))


def test_a_published_number_of_a_rule_that_the_study_lacks_is_black():
    frames = {"sweeps": two_axes("1", "10"), "fidelity": published(("mine", "2", "1", 0.3, "Li 2024"))}
    assert stars_of(sweep.draw(frames, facts_of("bam")).axes[0]) == [("*", "black", 0, 0.3)]


def test_sweeps_read_the_published_numbers_where_the_study_has_them(sources, tmp_path, monkeypatch):
    plan = make_plan(read_study(str(ROOT / "config/digits_sweeps.yaml")), sources)
    layout = Layout(tmp_path / "data", tmp_path / "results")
    ours = [table for table in step.needed.names(plan) if table != step.PUBLISHED]
    monkeypatch.setattr(step.needed, "names", lambda plan: ours)
    assert step.inputs("sweep_mu", plan, layout) == [layout.table("sweeps", "csv")]
    monkeypatch.setattr(step.needed, "names", lambda plan: [*ours, step.PUBLISHED])
    files = [layout.table("sweeps", "csv"), layout.table("fidelity", "csv")]
    assert step.inputs("sweep_mu", plan, layout) == files
    frame = published(("last", "5", "", 0.3, "Li 2024"), ("last", "010", "", None, "2024"))
    frame = pd.concat([frame.assign(analysis="mu"), frame])
    swept = frames_of("bam")["sweeps"].assign(analysis="mu")
    for path, rows in zip(files, (swept, frame), strict=True):
        write_text(path, rows.to_csv(index=False, lineterminator="\n"))
    found = step._frames("sweep_mu", plan, layout)["fidelity"]
    assert list(found["analysis"]) == ["mu", "mu"]
    assert list(found["value"]) == ["5", "010"]
    assert list(found["second_value"]) == ["", ""]
    assert list(found["source"]) == ["Li 2024", "2024"]


# Correlations, regret and samples


def test_panels_and_caption_say_the_tables_correlation():
    figure, caption = made("class_difference_by_epoch", "bam")
    assert figure.axes[0].get_title() == "BAM\nρ = 0.70 [0.60, 0.80]"
    assert "BAM on digits 0.70 [0.60, 0.80]." in caption
    assert "from the table `correlations`" in caption


@pytest.mark.parametrize(("epochs", "marker"), [((3,), "D"), ((2, 3), "D"), ((1, 2, 3), "None")])
def test_the_mean_of_one_predicted_epoch_can_be_seen(epochs, marker):
    module = importlib.import_module("bam.figures.class_difference_by_epoch")
    frames = frames_of("bam")
    frames["epochs"] = frames["epochs"][frames["epochs"]["epoch"].isin(epochs)]
    figure = module.draw(frames, facts_of("bam"))
    for ax in figure.axes:
        (mean,) = (line for line in ax.lines if line.get_linewidth() == 1.6 and line.get_zorder() == 4)
        assert len(mean.get_xdata()) == len(epochs)
        assert mean.get_marker() == marker
    (legend,) = figure.legends
    assert [handle.get_marker() for handle in legend.legend_handles] == [marker, "None", "o"]


def test_the_caption_over_epochs_says_which_are_predicted_if_not_all():
    module = importlib.import_module("bam.figures.class_difference_by_epoch")
    frames, facts = frames_of("bam"), facts_of("bam")
    whole, sentence = module.caption(frames, facts), predicted_epochs(toy.plan(predict_every=2))
    some = module.caption(frames, replace(facts, predicted_epochs=sentence.strip()))
    assert sentence and some.replace(sentence, "") == whole


def test_data_sets_stand_side_by_side_while_they_are_few():
    module = importlib.import_module("bam.figures.class_difference_by_epoch")

    def drawn(*methods):
        frames = frames_of(*methods)
        both = {
            name: pd.concat([frames[name].assign(dataset=dataset) for dataset in ("symmetric", "asymmetric")])
            for name in ("epochs", "correlations")
        }
        return module.draw(both, facts_of(*methods)).axes

    two = drawn("bam")
    assert two[0].get_gridspec().get_geometry() == (2, 2)
    assert two[0].get_title().splitlines()[:2] == ["symmetric", "BAM"]
    assert two[1].get_title().splitlines()[:2] == ["asymmetric", "BAM"]
    assert drawn("bam", "jtt", "bam_no_aux")[0].get_gridspec().get_geometry() == (4, 3)


def test_regret_stands_at_its_rule_with_zero_marked_and_unknown_rules_keep_their_names():
    module = importlib.import_module("bam.figures.regret")
    rows = [
        RESULT | {"method": m, "selection": r, "needs_groups": n, "dataset": d} | {"mean": x, "ci95_low": x - 0.1}
        for d, m, (r, n), x in [
            ("digits", "bam", ("class_difference", "none"), 0.1),
            ("digits", "erm", ("my_rule", "none"), -0.2),
            ("other", "bam", ("average_adjusted", "train+val"), 0.3),
        ]
    ]
    figure = module.draw({"regret": pd.DataFrame(rows)}, facts_of("bam"))
    names = [label.get_text() for label in figure.axes[0].get_yticklabels()]
    assert names == ["ClassDiff", "my_rule", "adjusted average (oracle)"]
    assert [axes.get_title("left") for axes in figure.axes] == ["digits", "other"]
    for axes in figure.axes:
        assert any(list(line.get_xdata()) == [0, 0] for line in axes.lines)
    marks = {line.get_marker(): line.get_xydata() for line in figure.axes[0].lines if line.get_marker() in ("o", "s")}
    assert marks["o"][0][0] == pytest.approx(0.1)
    assert marks["s"][0][0] == pytest.approx(-0.2)
    assert [round(marks[marker][0][1]) for marker in "os"] == [0, 1]


def sheets(figure):
    return [axes.images[0].get_array() for axes in figure.axes if axes.images]


@pytest.mark.parametrize("channels", [1, 2, 3])
def test_samples_are_the_pixels_themselves_gray_red_and_green_or_rgb(channels):
    images = images_of(8, channels)
    (sheet, *_) = sheets(samples.draw({"samples": pd.DataFrame([sample(0, images)])}, facts_of("bam")))
    assert sheet.dtype == np.uint8
    for place, image in enumerate(images):
        part = np.asarray(sheet)[:4, 4 * place : 4 * place + 3]
        expected = np.zeros((4, 3, 3), dtype=np.uint8)
        for color in range(3):
            expected[..., color] = image[0] if channels == 1 else image[color] if color < channels else 0
        np.testing.assert_array_equal(part, expected)
        if place:
            assert (np.asarray(sheet)[:, 4 * place - 1] == 255).all()


def test_samples_stand_class_by_attribute_and_say_what_they_are():
    frame = pd.DataFrame([sample(g, images_of(8 if g else 0)) for g in (3, 1, 0, 2)])
    figure = samples.draw({"samples": frame}, facts_of("bam"))
    assert [axes.get_title() for axes in figure.axes] == [
        "group 0\nmajority, n = 0",
        "group 1\nminority, n = 8",
        "group 2\nminority, n = 8",
        "group 3\nmajority, n = 8",
    ]
    assert [text.get_text() for text in figure.axes[0].texts] == ["no training example"]
    assert (np.asarray(sheets(figure)[0]) == 255).all()
    caption = samples.caption({"samples": frame}, facts_of("bam"))
    assert "Training images of seed 0, the first of n = 2 seeds (0, 1)" in caption
    assert "the first 8 in file order, or all if it has fewer" in caption


def test_of_many_groups_four_images_are_shown():
    rows = [sample(g, images_of(8)) | {"label": g // 5, "value": g % 5} for g in range(25)]
    figure = samples.draw({"samples": pd.DataFrame(rows)}, facts_of("bam"))
    assert len(figure.axes) == 25
    assert sheets(figure)[0].shape == (2 * 4 + 1, 2 * 3 + 1, 3)
    assert "the first 4 in file order, raw" in samples.caption({"samples": pd.DataFrame(rows)}, facts_of("bam"))


def test_the_sample_images_come_from_the_group_files_of_the_first_seed(sources, tmp_path):
    study = read_study(str(ROOT / "config/digits.yaml"))
    plan = make_plan(study, sources)
    layout = Layout(tmp_path / "data", tmp_path / "results")
    first = {c.run.dataset.groups_id for c in plan.cells if c.seed == study.file.seeds[0]}
    paths = step.inputs("samples", plan, layout)
    assert {path.parent for path in paths} == {layout.groups(name) for name in first}
    write_groups(toy.examples(), paths[0].parent)
    frame = step._frames("samples", plan, layout)["samples"]
    assert list(frame["group"]) == ["class 0, red", "class 0, green", "class 1, red", "class 1, green"]
    assert list(zip(frame["label"], frame["value"], strict=True)) == [(0, 0), (0, 1), (1, 0), (1, 1)]
    assert list(frame["is_minority"]) == [False, True, True, False]
    assert all(len(images) == min(8, n) for images, n in zip(frame["images"], frame["n_train"], strict=True))


def test_names_import_neither_matplotlib_nor_torch():
    code = "import sys, bam.steps.figure; sys.exit('matplotlib' in sys.modules or 'torch' in sys.modules)"
    subprocess.run([sys.executable, "-c", code], check=True, cwd=ROOT)
