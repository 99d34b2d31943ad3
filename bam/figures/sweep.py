"""Worst-group accuracy against one setting, selection within each value."""

import math

import pandas as pd
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from bam.figures import style
from bam.figures.facts import Facts, Frames, in_order, nothing_chosen, unique

WORDS = {
    "auxiliary_coefficient": "auxiliary coefficient λ",
    "upweight_factor": "upweight factor µ",
    "stage1.epochs": "stage-1 epochs T",
    "stage2.epochs": "stage-2 epochs",
    "size": "training-set size, examples",
    "batch_size": "batch size, examples",
}


@style.styled
def draw(frames: Frames, facts: Facts) -> Figure:
    """Draw a panel for each data set and method, a line for each rule, over the values in config order."""
    rows = _worst_group(frames)
    panels = list(dict.fromkeys(zip(rows["dataset"], rows["method"], strict=True)))
    rules, values = in_order(rows["selection"], facts.rules), unique(rows["value"])
    columns = 1 if len(panels) <= 1 else 2 if len(panels) in (2, 4) else 3
    width = style.SINGLE if columns == 1 else style.DOUBLE
    figure, axes = style.subplots(
        max(math.ceil(len(panels) / columns), 1), columns, width, 2.9 if columns == 1 else 2.3, sharey=True
    )
    flat = [ax for line in axes for ax in line]
    look = style.looks(rules, style.RULES)
    several = rows["dataset"].nunique() > 1
    methods = style.looks([method for _, method in panels], style.METHODS)
    for ax, (dataset, method) in zip(flat, panels, strict=False):
        _panel(ax, rows[(rows["dataset"] == dataset) & (rows["method"] == method)], values, look)
        ax.set_xlabel(style.wrap(axis_label(str(rows["axis"].iloc[0])), 40))
        if len(panels) > 1:
            ax.set_title(
                style.shorten(methods[method].label, 24) + (f", {style.shorten(dataset, 24)}" if several else "")
            )
    style.percent_axis(
        flat[0], *style.span(rows["ci95_low"].fillna(rows["mean"]), rows["ci95_high"].fillna(rows["mean"]))
    )
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
    style.legend(figure, handles, 2 if width == style.SINGLE else 4)
    return figure


def caption(frames: Frames, facts: Facts) -> str:
    """Say what varies and what the intervals are."""
    rows = _worst_group(frames)
    axis = axis_label(str(rows["axis"].iloc[0])) if len(rows) else "the swept setting"
    oracle = " Hollow markers: oracle rules, which see group labels of the validation split." if _oracles(rows) else ""
    return (
        f"Worst-group accuracy on test against {axis}, equally spaced in config order; a line for each "
        f"selection rule, which chooses epochs and other settings within each value. Markers: mean over "
        f"{facts.fewest_text(rows['n_seeds'])}; bars: {facts.interval_text}{oracle}{nothing_chosen(_metric(frames))}"
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


def _panel(ax: Axes, rows: pd.DataFrame, values: list[str], look: dict[str, style.Look]) -> None:
    for order, (rule, item) in enumerate(look.items()):
        line = rows[rows["selection"] == rule]
        offset = (order - (len(look) - 1) / 2) * 0.5 / max(len(look), 1)
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


def _worst_group(frames: Frames) -> pd.DataFrame:
    rows = _metric(frames)
    return rows[rows["mean"].notna()]


def _metric(frames: Frames) -> pd.DataFrame:
    rows = frames["sweeps"]
    return rows[rows["metric"] == "worst_group_accuracy"]


def _oracles(rows: pd.DataFrame) -> set[str]:
    return set(rows.loc[rows["needs_groups"].map(style.is_oracle).astype(bool), "selection"])
