"""How well the error set finds minority groups, against the length of stage 1."""

import pandas as pd
from matplotlib.axes import Axes
from matplotlib.colors import to_hex, to_rgb
from matplotlib.figure import Figure

from bam.figures import style
from bam.figures.facts import Facts, Frames, unique

PANELS = (("minority_precision", "precision, %"), ("minority_recall", "recall, %"))
MARKERS = "osD^vP*Xh<>p"
DASHES = ("-", (0, (4, 1.5)), (0, (1, 1)), (0, (4, 1, 1, 1)), (0, (2, 1)), (0, (6, 2)))
Line = tuple[str, float, str]


@style.styled
def draw(frames: Frames, facts: Facts) -> Figure:  # noqa: ARG001
    """Draw precision and recall side by side, a row for each data set, a line for each method and λ."""
    rows = _usable(frames)
    datasets, lines = unique(rows["dataset"]), _lines(rows)
    figure, axes = style.subplots(max(len(datasets), 1), 2, style.DOUBLE, 2.1, sharex="row", sharey=True)
    for dataset, panels in zip(datasets, axes, strict=False):
        here = rows[rows["dataset"] == dataset]
        for ax, (column, label) in zip(panels, PANELS, strict=True):
            for order, (line, look) in enumerate(lines.items()):
                _draw_line(ax, _of(here, line), column, look, 1 - order / len(lines))
            style.percent_axis(ax)
            style.epoch_axis(ax, here["T"].tolist())
            ax.set_ylabel(label)
            ax.set_xlabel("T, finished epochs of stage 1")
            ax.tick_params(labelleft=True)
            if len(datasets) > 1:
                ax.set_title(style.shorten(dataset), loc="left")
    style.legend(figure, [style.handle(look) for look in lines.values()], min(4, max(len(lines), 1)))
    return figure


def caption(frames: Frames, facts: Facts) -> str:
    """Say what is averaged and what the bands are."""
    return (
        "Precision (left) and recall (right) of the error set on minority groups, against T, the finished epochs of "
        f"stage 1. Lines: mean over {facts.seeds_text}, and over runs that differ in nothing that the legend names; "
        f"bands: range from the smallest to the largest of them, no confidence interval. Up to "
        f"{_most_runs(_usable(frames))} runs a point. Where an error set is empty it has no precision: no point."
        f"{facts.main_text}{_about_scale(frames)}"
    )


def _about_scale(frames: Frames) -> str:
    rows = _usable(frames)
    spread = [style.is_spread(here["T"].tolist()) for _, here in rows.groupby("dataset", sort=False)]
    return " T is on a logarithmic axis." if any(spread) else ""


def _draw_line(ax: Axes, rows: pd.DataFrame, column: str, look: style.Look, ahead: float) -> None:
    """Draw one line; `ahead` falls from 1, and lines get thinner, so that none hides behind a later one."""
    by_epoch = rows[rows[column].notna()].groupby("T")[column].agg(["mean", "min", "max"]).sort_index()
    if by_epoch.empty:
        return
    ax.fill_between(by_epoch.index, by_epoch["min"], by_epoch["max"], color=look.color, alpha=0.15, linewidth=0)
    ax.plot(
        by_epoch.index,
        by_epoch["mean"],
        color=look.color,
        marker=look.marker,
        linestyle=look.dash,
        linewidth=0.6 + 1.8 * ahead,
        markersize=3 + 4 * ahead,
    )


def _lines(rows: pd.DataFrame) -> dict[Line, style.Look]:
    """Return a look for each (method, λ, loss): the method's colour, paler for small λ, and a marker of its own."""
    base = style.looks(unique(rows["method"]), style.METHODS)
    found: dict[Line, style.Look] = {}
    for method, item in base.items():
        mine = rows[rows["method"] == method].sort_values("lambda", kind="stable")
        keys = list(dict.fromkeys(zip(mine["lambda"], mine["stage1_loss"], strict=True)))
        varies = {"lambda": mine["lambda"].nunique() > 1, "loss": mine["stage1_loss"].nunique() > 1}
        for place, (coefficient, loss) in enumerate(keys):
            label = style.shorten(item.label, 24)
            label += f", λ = {coefficient:g}" if varies["lambda"] or coefficient > 0 else ""
            label += f", {str(loss).replace('_', ' ')}" if varies["loss"] else ""
            if len(keys) == 1:
                found[method, coefficient, loss] = style.Look(label, item.color, item.marker, item.dash)
            else:
                color = _shade(item.color, place / (len(keys) - 1))
                found[method, coefficient, loss] = style.Look(label, color, MARKERS[place % 12], DASHES[-place % 6])
    return found


def _shade(color: str, share: float) -> str:
    """Mix a colour with white (share 0) or darken it a little (share 1)."""
    target, amount = (1.0, 0.5 * (1 - 2 * share)) if share < 0.5 else (0.0, 0.45 * (2 * share - 1))
    mixed = [(1 - amount) * part + amount * target for part in to_rgb(color)]
    return to_hex((mixed[0], mixed[1], mixed[2]))


def _of(rows: pd.DataFrame, line: Line) -> pd.DataFrame:
    method, coefficient, loss = line
    return rows[(rows["method"] == method) & (rows["lambda"] == coefficient) & (rows["stage1_loss"] == loss)]


def _usable(frames: Frames) -> pd.DataFrame:
    rows = frames["error_sets"]
    return rows[rows["minority_precision"].notna() | rows["minority_recall"].notna()]


def _most_runs(rows: pd.DataFrame) -> int:
    if rows.empty:
        return 0
    return int(rows.groupby(["dataset", "method", "lambda", "stage1_loss", "T"]).size().max())
