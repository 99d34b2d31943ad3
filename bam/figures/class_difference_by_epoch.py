"""ClassDiff on validation beside worst-group accuracy on test, over the epochs of stage 2."""

import pandas as pd
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.lines import Line2D
from matplotlib.ticker import MaxNLocator

from bam.figures import style
from bam.figures.facts import Facts, Frames, unique
from bam.tables.words import number

ROWS = (
    ("val_class_difference", "ClassDiff on\nvalidation, %"),
    ("test_worst_group_accuracy", "worst-group accuracy\non test, %"),
)


SIDE_BY_SIDE = 4
FEWEST_FOR_A_LINE = 3
AGAINST = "test_worst_group_accuracy"
Column = tuple[str, str]


@style.styled
def draw(frames: Frames, facts: Facts) -> Figure:
    """Draw a column for each data set and two-stage method, two rows; many make blocks, one below the other."""
    runs = _two_stage(frames, facts)
    look = style.looks(unique(runs["method"]), style.METHODS)
    blocks = _blocks(runs)
    columns = max((len(block) for block in blocks), default=1)
    width = style.SINGLE if columns == 1 else style.DOUBLE
    figure, axes = style.subplots(2 * max(len(blocks), 1), columns, width, 1.75, sharex=True, sharey="row")
    for place, block in enumerate(blocks):
        lines = axes[2 * place : 2 * place + 2]
        here = runs[runs["dataset"].isin([dataset for dataset, _ in block])]
        for (column, label), line in zip(ROWS, lines, strict=True):
            for ax, (dataset, method) in zip(line, block, strict=False):
                _panel(ax, here[(here["dataset"] == dataset) & (here["method"] == method)], column, look[method])
            style.percent_axis(line[0], *_range(here[column], column))
            line[0].set_ylabel(label)
        for ax, key in zip(lines[0], block, strict=False):
            ax.set_title(_title(key, runs, look[key[1]].label, _correlation(frames, key)))
        for ax in [ax for line in lines for ax in line[len(block) :]]:
            ax.set_axis_off()
    for ax in axes[-1]:
        ax.set_xlabel("epoch of stage 2")
        ax.xaxis.set_major_locator(MaxNLocator(6, integer=True))
    markers = [_mean_marker(panel) for _, panel in runs.groupby(["dataset", "method"])]
    style.legend(figure, _keys(min(markers, default="None")), 1 if width == style.SINGLE else 3)
    return figure


def caption(frames: Frames, facts: Facts) -> str:
    """Say what the lines are, and how the two quantities go together over epochs."""
    runs = _two_stage(frames, facts)
    look = style.looks(unique(runs["method"]), style.METHODS)
    found = [(key, _correlation(frames, key)) for block in _blocks(runs) for key in block]
    parts = [f"{look[method].label} on {dataset} {words}" for (dataset, method), words in found if words]
    interval = " [95 % t interval over seeds]" if any("[" in part for part in parts) else ""
    correlations = (
        f" ρ: Spearman correlation of −ClassDiff on validation with worst-group accuracy on test over the epochs of a "
        f"run, mean over seeds{interval}, from the table `correlations`; 1 where ClassDiff is a perfect guide, 0 where "
        f"it is none: {'; '.join(parts)}."
        if parts
        else ""
    )
    predicted = f" {facts.predicted_epochs}" if facts.predicted_epochs else ""
    setting = f", of {facts.setting}" if facts.setting else ""
    return (
        "ClassDiff on validation (top; needs class labels only) and worst-group accuracy on test (bottom) over the "
        f"epochs of stage 2{setting}. Thick lines: mean over {facts.seeds_text}; thin lines: each seed, no interval is "
        "drawn. Circles: each seed's epoch of smallest ClassDiff (the earliest, if several)."
        f"{predicted}{correlations}"
    )


def _blocks(runs: pd.DataFrame) -> list[list[Column]]:
    """Return the (data set, method) of each column: all side by side if they are few, else a block a data set."""
    there = set(zip(runs["dataset"], runs["method"], strict=True))
    by_dataset = [
        [(dataset, method) for method in unique(runs["method"]) if (dataset, method) in there]
        for dataset in unique(runs["dataset"])
    ]
    together = [key for block in by_dataset for key in block]
    return [together] if 0 < len(together) <= SIDE_BY_SIDE else by_dataset


def _title(key: Column, runs: pd.DataFrame, label: str, correlation: str) -> str:
    lines = [style.wrap(style.shorten(key[0], 46), 24)] if runs["dataset"].nunique() > 1 else []
    return "\n".join([*lines, style.shorten(label, 30), *([f"ρ = {correlation}"] if correlation else [])])


def _correlation(frames: Frames, key: Column) -> str:
    """Return mean and interval of the correlation of −ClassDiff with worst-group accuracy on test; empty without."""
    rows = frames["correlations"]
    rows = rows[(rows["dataset"] == key[0]) & (rows["method"] == key[1])]
    rows = rows[(rows["criterion"] == "class_difference") & (rows["against"] == AGAINST) & rows["mean"].notna()]
    if rows.empty:
        return ""
    row = rows.iloc[0]
    interval = f" [{number(row['ci95_low'], 2)}, {number(row['ci95_high'], 2)}]" if pd.notna(row["ci95_low"]) else ""
    return number(row["mean"], 2) + interval


def _range(values: "pd.Series[float]", column: str) -> tuple[float, float]:
    """Return the axis: ClassDiff from 0, which is its best; worst-group accuracy over what it spans."""
    if column == "val_class_difference":
        return 0.0, max(float(values.max()), 0.02)
    return style.span(values, values)


def _panel(ax: Axes, runs: pd.DataFrame, column: str, item: style.Look) -> None:
    for _, run in runs.groupby("seed", sort=False):
        ax.plot(run["epoch"], run[column], color=item.color, linewidth=0.5, alpha=0.5)
        lowest = run.iloc[int(run["val_class_difference"].argmin())]
        ax.plot(
            [lowest["epoch"]],
            [lowest[column]],
            marker="o",
            markersize=3.5,
            color="black",
            markerfacecolor="white",
            zorder=5,
        )
    mean = runs.groupby("epoch")[column].mean()
    ax.plot(
        mean.index, mean.to_numpy(), color=item.color, linewidth=1.6, zorder=4, marker=_mean_marker(runs), markersize=5
    )
    style.epoch_axis(ax, runs["epoch"].tolist())
    ax.set_xscale("linear")


def _mean_marker(runs: pd.DataFrame) -> str:
    """Return the marker of the mean over seeds: a line through one epoch would draw nothing."""
    return "D" if runs["epoch"].nunique() < FEWEST_FOR_A_LINE else "None"


def _keys(mean_marker: str) -> list[Line2D]:
    return [
        Line2D([], [], color="black", linewidth=1.6, marker=mean_marker, markersize=5, label="mean over seeds"),
        Line2D([], [], color="black", linewidth=0.5, alpha=0.6, label="one seed"),
        Line2D(
            [],
            [],
            color="black",
            marker="o",
            markersize=3.5,
            markerfacecolor="white",
            linestyle="none",
            label="smallest ClassDiff",
        ),
    ]


def _two_stage(frames: Frames, facts: Facts) -> pd.DataFrame:
    rows = frames["epochs"]
    rows = rows[rows["method"].isin(facts.two_stage) & rows["val_class_difference"].notna()]
    return rows[rows[AGAINST].notna()]  # a data set without groups has none
