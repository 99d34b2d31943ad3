"""Test accuracy of each group by method, under one selection rule."""

import pandas as pd
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from bam.figures import style
from bam.figures.facts import Facts, Frames, nothing_chosen, unique

PREFERRED = "class_difference"


@style.styled
def draw(frames: Frames, facts: Facts) -> Figure:  # noqa: ARG001
    """Draw a panel for each data set: groups from top to bottom, a marker for each method."""
    rows, _ = _chosen(frames)
    datasets = unique(rows["dataset"])
    look = style.looks(unique(rows["method"]), style.METHODS)
    counts = [rows.loc[rows["dataset"] == dataset, "group"].nunique() for dataset in datasets] or [1]
    lane = max(0.1 * len(look) + 0.08, 0.3)
    figure = Figure(
        figsize=(style.DOUBLE, min(lane * sum(counts), 9.0) + 0.5 * len(counts) + 0.3), layout="constrained"
    )
    axes = figure.subplots(len(counts), 1, squeeze=False, sharex=True, height_ratios=counts)
    for dataset, (ax,) in zip(datasets, axes, strict=False):
        _panel(ax, rows[rows["dataset"] == dataset], look)
        if len(datasets) > 1:
            ax.set_title(style.shorten(dataset), loc="left")
    limits = style.span(rows["low"].fillna(rows["mean"]), rows["high"].fillna(rows["mean"]))
    style.percent_axis(axes[-1][0], *limits, horizontal=True)
    axes[-1][0].set_xlabel("accuracy on test, %")
    hollow = set(rows.loc[rows["needs_groups"] != "none", "method"])
    handles = [
        style.handle(item, filled=method not in hollow, line=False, label=style.shorten(item.label, 24))
        for method, item in look.items()
    ]
    style.legend(figure, handles, 6)
    return figure


def caption(frames: Frames, facts: Facts) -> str:
    """Say which rule chose, and what the intervals are."""
    rows, rule = _chosen(frames)
    totals = rows["n_examples"].dropna()
    span = f"{int(totals.min())} to {int(totals.max())}" if len(totals) else "0"
    label = style.looks([rule], style.RULES)[rule].label
    return (
        f"Test accuracy of each group by method, where the rule {label} chose setting and epoch. Markers: mean over "
        f"{facts.fewest_text(rows['n_seeds'])}; bars: {_bars(rows, facts)} Under each group's name: its test "
        f"examples, pooled over seeds, n = {span}. Hollow markers: group labels were used, in training or in "
        f"selection.{nothing_chosen(_of_rule(frames)[0])}"
    )


def _bars(rows: pd.DataFrame, facts: Facts) -> str:
    single = "the 95 % Wilson interval of the test examples"
    if len(facts.seeds) == 1:
        return f"{single}, which leaves out how much seeds differ."
    alone = f" Where only one seed has a value: {single}." if (rows["n_seeds"] == 1).any() else ""
    return facts.interval_text + alone


def _panel(ax: Axes, rows: pd.DataFrame, look: dict[str, style.Look]) -> None:
    groups = unique(rows["group"])
    for order, (method, item) in enumerate(look.items()):
        mine = rows[rows["method"] == method]
        offset = (order - (len(look) - 1) / 2) * 0.72 / len(look)
        ax.errorbar(
            mine["mean"].tolist(),
            [groups.index(group) + offset for group in mine["group"]],
            xerr=style.intervals(mine, "low", "high"),
            color=item.color,
            marker=item.marker,
            markerfacecolor="white" if (mine["needs_groups"] != "none").any() else item.color,
            linestyle="none",
            linewidth=1,
        )
    for border in range(1, len(groups)):
        ax.axhline(border - 0.5, color=style.GRID, linewidth=0.5)
    counts = rows.groupby("group", sort=False)["n_examples"].max()
    labels = [f"{style.wrap(style.shorten(group, 48), 24)}\nn = {int(counts[group])}" for group in groups]
    ax.set_yticks(range(len(groups)), labels)
    ax.set_ylim(len(groups) - 0.5, -0.5)
    ax.grid(False, axis="y")


def _chosen(frames: Frames) -> tuple[pd.DataFrame, str]:
    """Return `_of_rule`'s rows that have a mean, with the bounds to draw: over seeds, or Wilson's of a single seed."""
    rows, rule = _of_rule(frames)
    rows = rows[rows["mean"].notna()]
    single = rows["n_seeds"] == 1
    low = rows["ci95_low"].where(~single, rows["wilson_low"])
    high = rows["ci95_high"].where(~single, rows["wilson_high"])
    return rows.assign(low=low, high=high), rule


def _of_rule(frames: Frames) -> tuple[pd.DataFrame, str]:
    """Return the rows under `class_difference`, or else under the study's first rule, and the rule."""
    rows = frames["groups"]
    rules = unique(rows["selection"])
    rule = PREFERRED if PREFERRED in rules or not rules else rules[0]
    return rows[rows["selection"] == rule], rule
