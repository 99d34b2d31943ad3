"""Worst-group accuracy against one setting or two, selection within each value or pair of values."""

import math

import pandas as pd
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from bam.figures import style
from bam.figures.facts import Facts, Frames, in_order, nothing_chosen, unique
from bam.figures.published import about_points, draw_points, markers, offset_of, point_handles, points

WORDS = {
    "auxiliary_coefficient": "auxiliary coefficient λ",
    "upweight_factor": "upweight factor µ",
    "stage1.epochs": "stage-1 epochs T",
    "stage2.epochs": "stage-2 epochs",
    "size": "images in all, training 70 %",
    "batch_size": "batch size, examples",
}
VALUES = {
    ("stage-2 restart", "False"): "One-M: stage 2 goes on",
    ("stage-2 restart", "True"): "Two-M: stage 2 restarts",
    ("stage-1 loss", "cross_entropy"): "stage-1 loss: cross-entropy",
    ("stage-1 loss", "squared"): "stage-1 loss: squared",
}


SHORT = {"auxiliary_coefficient": "λ", "upweight_factor": "µ", "stage1.epochs": "T"}
Key = tuple[str, str, str]


@style.styled
def draw(frames: Frames, facts: Facts) -> Figure:
    """Draw a panel for each data set, method and second value, a line for each rule, over the values in config order.

    Where the study has published numbers of this sweep, they are drawn too, each beside its rule's own.
    """
    rows, published = _worst_group(frames), points(frames)
    panels, columns = _arranged(rows)
    rules, values = in_order(rows["selection"], facts.rules), unique(rows["value"])
    width = style.SINGLE if columns == 1 else style.DOUBLE
    figure, axes = style.subplots(
        max(math.ceil(len(panels) / columns), 1), columns, width, 2.9 if columns == 1 else 2.3, sharey=True
    )
    flat = [ax for line in axes for ax in line]
    look = style.looks(rules, style.RULES)
    titles = _titles(rows, panels)
    for ax, key in zip(flat, panels, strict=False):
        _panel(ax, _at(rows, key), values, look)
        draw_points(ax, _at(published, key), values, look, markers(published))
        ax.set_xlabel(style.wrap(axis_label(str(rows["axis"].iloc[0])), 40))
        if len(panels) > 1:
            ax.set_title(titles[key])
    low, high = rows["ci95_low"].fillna(rows["mean"]), rows["ci95_high"].fillna(rows["mean"])
    style.percent_axis(flat[0], *style.span(pd.concat([low, published["published"]]), high))
    for ax in flat[len(panels) :]:
        ax.set_axis_off()
    for line in axes:
        line[0].set_ylabel("worst-group accuracy, %")
    oracles = _oracles(rows)
    handles = [
        style.handle(
            item, filled=rule not in oracles, label=style.shorten(item.label) + (" (oracle)" if rule in oracles else "")
        )
        for rule, item in look.items()
    ]
    style.legend(
        figure,
        [*handles, *point_handles(published, 26 if width == style.SINGLE else 44)],
        2 if width == style.SINGLE else 4,
    )
    return figure


def caption(frames: Frames, facts: Facts) -> str:
    """Say what varies, what the intervals are, and whose the published numbers are."""
    rows = _worst_group(frames)
    axis = axis_label(str(rows["axis"].iloc[0])) if len(rows) else "the swept setting"
    second = axis_label(_second_axis(rows)) if _second_axis(rows) else ""
    panels = f", a panel for each value of {second}" if second else ""
    within = "pair of values" if second else "value"
    oracle = " Hollow markers: oracle rules, which see group labels of the validation split." if _oracles(rows) else ""
    return (
        f"Worst-group accuracy on test against {axis}, equally spaced in config order{panels}; a line for each "
        f"selection rule, which chooses epochs and other settings within each {within}. Markers: mean over "
        f"{facts.fewest_text(rows['n_seeds'])}; bars: {facts.interval_text}{oracle}{about_points(points(frames))}"
        f"{nothing_chosen(_metric(frames))}"
    )


def axis_label(key: str) -> str:
    """Turn an axis's dotted config key into words.

    >>> axis_label("bam.stage1.epochs")
    'stage-1 epochs T'
    >>> axis_label("erm.optimizer.learning_rate")
    'learning rate'
    """
    path = key.split(".")
    for ending in (".".join(path[-2:]), path[-1]):
        if ending in WORDS:
            return WORDS[ending]
    stage = next((f"stage-{step[-1]} " for step in path if step in ("stage1", "stage2")), "")
    place = "model: " if path[0] == "model" else ""
    return place + stage + path[-1].replace("_", " ")


def short_label(key: str) -> str:
    """Turn an axis's dotted config key into a symbol, or into words if it has none.

    >>> short_label("bam.stage1.epochs"), short_label("validation_size")
    ('T', 'validation size')
    """
    path = key.split(".")
    endings = (".".join(path[-2:]), path[-1])
    return next((SHORT[ending] for ending in endings if ending in SHORT), axis_label(key))


def _panel(ax: Axes, rows: pd.DataFrame, values: list[str], look: dict[str, style.Look]) -> None:
    for rule, item in look.items():
        line = rows[rows["selection"] == rule]
        offset = offset_of(rule, look)
        hollow = bool(_oracles(line))
        ax.errorbar(
            [values.index(value) + offset for value in line["value"]],
            line["mean"].tolist(),
            yerr=style.intervals(line),
            color=item.color,
            marker=item.marker,
            linestyle=item.dash,
            markerfacecolor="white" if hollow else item.color,
            linewidth=1,
            elinewidth=0.6,
            markersize=3.5,
        )
    ax.set_xticks(range(len(values)), [style.wrap(style.shorten(value, 24), 8) for value in values])
    ax.set_xlim(-0.5, len(values) - 0.5)
    ax.grid(False, axis="x")


def _arranged(rows: pd.DataFrame) -> tuple[list[Key], int]:
    """Return the (data set, method, second value) of each panel, and how many panels stand side by side."""
    there = dict.fromkeys(zip(rows["dataset"], rows["method"], rows["second_value"], strict=True))
    seconds = unique(rows["second_value"])
    by_dataset = list(dict.fromkeys((dataset, method) for dataset, method, _ in there))
    panels = [(*pair, second) for pair in by_dataset for second in seconds if (*pair, second) in there]
    if len(by_dataset) > 1 and 2 <= len(seconds) <= 4:
        return panels, len(seconds)
    return panels, 1 if len(panels) <= 1 else 2 if len(panels) in (2, 4) else 3


def _titles(rows: pd.DataFrame, panels: list[Key]) -> dict[Key, str]:
    """Return what tells a panel from the others: its method and data set, and the second setting's value."""
    looks = style.looks([method for _, method, _ in panels], style.METHODS)
    second = short_label(_second_axis(rows))
    several = {"dataset": rows["dataset"].nunique() > 1, "method": rows["method"].nunique() > 1 or not second}
    found = {}
    for dataset, method, value in panels:
        parts = [style.shorten(looks[method].label, 24)] if several["method"] else []
        parts += [style.shorten(dataset, 24)] if several["dataset"] else []
        parts += [VALUES.get((second, value), f"{second} = {style.shorten(value, 24)}")] if second else []
        found[dataset, method, value] = style.wrap(", ".join(parts), 40)
    return found


def _at(rows: pd.DataFrame, key: Key) -> pd.DataFrame:
    dataset, method, second = key
    return rows[(rows["dataset"] == dataset) & (rows["method"] == method) & (rows["second_value"] == second)]


def _second_axis(rows: pd.DataFrame) -> str:
    return str(rows["second_axis"].iloc[0]) if len(rows) else ""


def _worst_group(frames: Frames) -> pd.DataFrame:
    rows = _metric(frames)
    return rows[rows["mean"].notna()]


def _metric(frames: Frames) -> pd.DataFrame:
    rows = frames["sweeps"]
    return rows[rows["metric"] == "worst_group_accuracy"]


def _oracles(rows: pd.DataFrame) -> set[str]:
    return set(rows.loc[rows["needs_groups"].map(style.is_oracle).astype(bool), "selection"])
