"""Worst-group accuracy by method and selection rule: the study's main result."""

import pandas as pd
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.patches import Patch

from bam.figures import style
from bam.figures.facts import Facts, Frames, in_order, nothing_chosen, unique


@style.styled
def draw(frames: Frames, facts: Facts) -> Figure:
    """Draw a panel for each data set: rules side by side, a marker for each method."""
    rows = _worst_group(frames)
    datasets, rules = unique(rows["dataset"]), in_order(rows["selection"], facts.rules)
    look = style.looks(unique(rows["method"]), style.METHODS)
    figure, axes = style.subplots(max(len(datasets), 1), 1, style.DOUBLE, 2.5)
    for dataset, (ax,) in zip(datasets, axes, strict=False):
        _panel(ax, rows[rows["dataset"] == dataset], rules, look)
        if len(datasets) > 1:
            ax.set_title(style.shorten(dataset), loc="left")
    trained_on_groups = set(rows.loc[rows["needs_groups"].str.contains("train") & ~_oracle(rows), "method"])
    handles = [
        style.handle(
            item, filled=method not in trained_on_groups, line=False, label=_label(item, method in trained_on_groups)
        )
        for method, item in look.items()
    ]
    oracle = Patch(facecolor=style.SHADE, edgecolor="#d0d0d0", hatch="///", linewidth=0, label="oracle rule")
    shown = [oracle] if _oracle(rows).any() else []
    style.legend(figure, [*handles, *shown], 6)
    return figure


def caption(frames: Frames, facts: Facts) -> str:
    """Say what the markers, intervals and shading are."""
    rows = _worst_group(frames)
    oracle = _oracle(rows)
    text = (
        "Worst-group accuracy on test, by method and selection rule. "
        f"Markers: mean over {facts.fewest_text(rows['n_seeds'])}; bars: {facts.interval_text} "
        "Hollow markers: group labels were used, in training or in selection."
    )
    if oracle.any():
        text += " Hatched: oracle rules, which see group labels of the validation split."
    return text + facts.main_text + nothing_chosen(_metric(frames))


def _panel(ax: Axes, rows: pd.DataFrame, rules: list[str], look: dict[str, style.Look]) -> None:
    oracles = {rule for rule in rules if _oracle(rows[rows["selection"] == rule]).any()}
    for at, rule in enumerate(rules):
        if rule in oracles:
            ax.axvspan(
                at - 0.5, at + 0.5, facecolor=style.SHADE, edgecolor="#d0d0d0", hatch="///", linewidth=0, zorder=0
            )
    for order, (method, item) in enumerate(look.items()):
        offset = (order - (len(look) - 1) / 2) * 0.75 / max(len(look), 1)
        for _, row in rows[rows["method"] == method].iterrows():
            sees = row["needs_groups"] != "none"
            ax.errorbar(
                [rules.index(row["selection"]) + offset],
                [row["mean"]],
                yerr=style.intervals(row.to_frame().T.astype({"mean": float, "ci95_low": float, "ci95_high": float})),
                color=item.color,
                marker=item.marker,
                markerfacecolor="white" if sees else item.color,
                linewidth=1,
            )
    names = style.looks(rules, style.RULES)
    labels = [style.wrap(names[rule].label, 12) + ("\n(oracle)" if rule in oracles else "") for rule in rules]
    ax.set_xticks(range(len(rules)), labels)
    ax.set_xlim(-0.5, len(rules) - 0.5)
    ax.grid(False, axis="x")
    style.percent_axis(ax, *style.span(rows["ci95_low"].fillna(rows["mean"]), rows["ci95_high"].fillna(rows["mean"])))
    ax.set_ylabel("worst-group accuracy, %")


def _worst_group(frames: Frames) -> pd.DataFrame:
    rows = _metric(frames)
    return rows[rows["mean"].notna()]


def _metric(frames: Frames) -> pd.DataFrame:
    rows = frames["main"]
    return rows[rows["metric"] == "worst_group_accuracy"]


def _oracle(rows: pd.DataFrame) -> "pd.Series[bool]":
    return rows["needs_groups"].map(style.is_oracle).astype(bool)


def _label(item: style.Look, trains_on_groups: bool) -> str:
    return style.shorten(item.label, 24) + (" (trains on groups)" if trains_on_groups else "")
