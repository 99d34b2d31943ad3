"""What each selection rule loses against the oracle's choice, by method."""

import math

import pandas as pd
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from bam.figures import style
from bam.figures.facts import Facts, Frames, in_order, unique


@style.styled
def draw(frames: Frames, facts: Facts) -> Figure:
    """Draw a panel for each data set: rules from top to bottom, a marker for each method."""
    rows = _usable(frames)
    datasets, rules = unique(rows["dataset"]), in_order(rows["selection"], facts.rules)
    look = style.looks(unique(rows["method"]), style.METHODS)
    columns = 1 if len(datasets) <= 1 else 2 if len(datasets) in (2, 4) else 3
    lane = max(0.09 * len(look) + 0.06, 0.24)
    height = lane * max(len(rules), 1) + (0.45 if len(datasets) > columns else 0.65)
    figure, axes = style.subplots(
        max(math.ceil(len(datasets) / columns), 1), columns, style.DOUBLE, height, sharex=True, sharey=True
    )
    flat = [ax for line in axes for ax in line]
    for ax, dataset in zip(flat, datasets, strict=False):
        _panel(ax, rows[rows["dataset"] == dataset], rules, look)
        if len(datasets) > 1:
            ax.set_title(style.shorten(dataset), loc="left")
    _axes(flat[0], rows, rules)
    for ax in flat[len(datasets) :]:
        ax.set_axis_off()
    for place, ax in enumerate(flat[: len(datasets)]):
        if place + columns >= len(datasets):
            ax.set_xlabel("regret, points")
            ax.tick_params(labelbottom=True)
    handles = [style.handle(item, line=False, label=style.shorten(item.label, 24)) for item in look.values()]
    style.legend(figure, handles, 6)
    return figure


def caption(frames: Frames, facts: Facts) -> str:
    """Say what regret is and what the intervals are."""
    rows = _usable(frames)
    interval = (
        "none, as there is one seed."
        if len(facts.seeds) == 1
        else "95 % t intervals over seeds, cut at ±100 points; where the regret is the same for all, no bar. "
        f"{facts.data_draw}".rstrip()
    )
    oracle = " Oracle rules see group labels of the validation split." if len(_oracles(rows)) else ""
    return (
        "Regret of each selection rule: test worst-group accuracy of the choice by worst-group validation accuracy (an "
        "oracle) minus that of the rule's choice, in points, by method. Right of 0 the rule loses; it can win, since "
        f"the oracle looks at validation and not at test. Markers: mean over {facts.fewest_text(rows['n_seeds'])}; "
        f"bars: {interval}{oracle}"
    )


def _panel(ax: Axes, rows: pd.DataFrame, rules: list[str], look: dict[str, style.Look]) -> None:
    for order, (method, item) in enumerate(look.items()):
        mine = rows[rows["method"] == method]
        offset = (order - (len(look) - 1) / 2) * 0.7 / len(look)
        ax.errorbar(
            mine["mean"].tolist(),
            [rules.index(rule) + offset for rule in mine["selection"]],
            xerr=style.intervals(mine),
            color=item.color,
            marker=item.marker,
            linestyle="none",
            linewidth=1,
        )
    ax.axvline(0, color="#333333", linewidth=0.8, zorder=1)
    for border in range(1, len(rules)):
        ax.axhline(border - 0.5, color=style.GRID, linewidth=0.5)
    ax.grid(False, axis="y")


def _axes(ax: Axes, rows: pd.DataFrame, rules: list[str]) -> None:
    """Set the axes that all panels share."""
    oracles = _oracles(rows)
    names = style.looks(rules, style.RULES)
    labels = [style.shorten(names[rule].label, 28) + (" (oracle)" if rule in oracles else "") for rule in rules]
    ax.set_yticks(range(len(rules)), labels)
    ax.set_ylim(max(len(rules), 1) - 0.5, -0.5)
    bounds = pd.concat([rows["mean"], rows["ci95_low"], rows["ci95_high"], pd.Series([0.0])]).dropna()
    style.percent_axis(ax, float(bounds.min()), max(float(bounds.max()), float(bounds.min()) + 0.01), horizontal=True)


def _usable(frames: Frames) -> pd.DataFrame:
    rows = frames["regret"]
    return rows[rows["mean"].notna()]


def _oracles(rows: pd.DataFrame) -> set[str]:
    return set(rows.loc[rows["needs_groups"].map(style.is_oracle).astype(bool), "selection"])
