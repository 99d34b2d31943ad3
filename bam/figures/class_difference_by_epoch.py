"""ClassDiff on validation beside worst-group accuracy on test, over the epochs of stage 2."""

import pandas as pd
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.lines import Line2D
from matplotlib.ticker import MaxNLocator

from bam.figures import style
from bam.figures.facts import Facts, Frames, unique

ROWS = (
    ("val_class_difference", "ClassDiff on\nvalidation, %"),
    ("test_worst_group_accuracy", "worst-group accuracy\non test, %"),
)


@style.styled
def draw(frames: Frames, facts: Facts) -> Figure:
    """Draw a column for each two-stage method, over one epoch axis; two rows a data set."""
    runs = _two_stage(frames, facts)
    datasets, methods = unique(runs["dataset"]), unique(runs["method"])
    look = style.looks(methods, style.METHODS)
    width = style.SINGLE if len(methods) == 1 else style.DOUBLE
    rows, columns = 2 * max(len(datasets), 1), max(len(methods), 1)
    figure, axes = style.subplots(rows, columns, width, 1.6, sharex=True, sharey="row")
    for block, dataset in enumerate(datasets):
        for place, (column, label) in enumerate(ROWS):
            line = axes[2 * block + place]
            for ax, method in zip(line, methods, strict=True):
                _panel(ax, runs[(runs["dataset"] == dataset) & (runs["method"] == method)], column, look[method])
            largest = float(runs.loc[runs["dataset"] == dataset, column].max())
            style.percent_axis(line[0], 0.0, max(largest, 0.02) if column == "val_class_difference" else 1.0)
            prefix = f"{style.shorten(dataset, 24)}\n" if len(datasets) > 1 else ""
            line[0].set_ylabel(prefix + label)
    for ax, method in zip(axes[0], methods, strict=False):
        ax.set_title(style.shorten(look[method].label, 30))
    for ax in axes[-1]:
        ax.set_xlabel("epoch of stage 2")
        ax.xaxis.set_major_locator(MaxNLocator(6, integer=True))
    style.legend(figure, _keys(), 1 if width == style.SINGLE else 3)
    return figure


def caption(frames: Frames, facts: Facts) -> str:
    """Say what the lines are, and how the two quantities go together over epochs."""
    runs = _two_stage(frames, facts)
    look = style.looks(unique(runs["method"]), style.METHODS)
    parts = [f"{look[method].label} on {dataset} {value:.2f}" for dataset, method, value in _correlations(runs)]
    correlations = (
        " Spearman correlation of the two over epochs, mean over runs (negative where ClassDiff is a good guide): "
        f"{'; '.join(parts)}."
        if parts
        else ""
    )
    return (
        "ClassDiff on validation (top; needs class labels only) and worst-group accuracy on test (bottom) over the "
        f"epochs of stage 2. Thick lines: mean over {facts.seeds_text}; thin lines: each seed, no interval is drawn. "
        "Circles: each seed's epoch of smallest ClassDiff (the earliest, if several)."
        f"{correlations}"
    )


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
    ax.plot(mean.index, mean.to_numpy(), color=item.color, linewidth=1.6, zorder=4)
    style.epoch_axis(ax, runs["epoch"].tolist())
    ax.set_xscale("linear")


def _keys() -> list[Line2D]:
    return [
        Line2D([], [], color="black", linewidth=1.6, label="mean over seeds"),
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
    return rows[rows["method"].isin(facts.two_stage) & rows["val_class_difference"].notna()]


def _correlations(runs: pd.DataFrame) -> list[tuple[str, str, float]]:
    """Return (data set, method, mean over seeds of each run's rank correlation over epochs)."""
    found: list[tuple[str, str, float]] = []
    for dataset in unique(runs["dataset"]):
        for method in unique(runs["method"]):
            mine = runs[(runs["dataset"] == dataset) & (runs["method"] == method)]
            each = [
                run["val_class_difference"].rank().corr(run["test_worst_group_accuracy"].rank())
                for _, run in mine.groupby("seed", sort=False)
                if run["val_class_difference"].nunique() > 1 and run["test_worst_group_accuracy"].nunique() > 1
            ]
            if each:
                found.append((dataset, method, sum(each) / len(each)))
    return found
