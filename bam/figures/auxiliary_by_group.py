"""How the auxiliary variables of each group grow over stage 1."""

import math

import pandas as pd
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.lines import Line2D
from matplotlib.patches import Patch

from bam.figures import style
from bam.figures.facts import Facts, Frames, unique

COLUMNS = 4
MAJORITY, MINORITY = "#0072b2", "#d55e00"


@style.styled
def draw(frames: Frames, facts: Facts) -> Figure:  # noqa: ARG001
    """Draw a panel for each group; a block of panels for each data set, method, λ and loss."""
    rows = _longest(frames)
    blocks = [block for _, block in rows.groupby(["dataset", "method", "lambda", "stage1_loss"], sort=False)]
    most = max((block["group"].nunique() for block in blocks), default=1)
    columns = min(COLUMNS, most)
    heights = [math.ceil(block["group"].nunique() / columns) for block in blocks]
    figure, axes = style.subplots(
        max(sum(heights), 1), columns, style.DOUBLE, 1.8, sharey="all" if len(blocks) <= 1 else "row"
    )
    first = 0
    for block, height in zip(blocks, heights, strict=True):
        flat = [ax for line in axes[first : first + height] for ax in line]
        groups = unique(block["group"])
        for ax, group in zip(flat, groups, strict=False):
            _panel(ax, block[block["group"] == group], group)
        for ax in flat[len(groups) :]:
            ax.set_axis_off()
        for line in axes[first : first + height]:
            line[0].set_ylabel(_block_label(block, len(blocks)))
        first += height
    style.legend(figure, _keys(), 4)
    return figure


def caption(frames: Frames, facts: Facts) -> str:
    """Say what the margin is and what the bands are."""
    rows = _longest(frames)
    counts = ", ".join(f"{group} {n}" for group, n in _counts(rows).items())
    return (
        "Margin of the auxiliary variable towards the label, λ(b_y − mean of b_c over the other classes), over the "
        f"finished epochs of stage 1, by group. Thick line: median over training examples, pooled over "
        f"{facts.seeds_text}; band: 25th to 75th percentile; thin lines: 5th and 95th percentile; these are spreads "
        f"of examples, not confidence intervals. Solid lines and plain bands: majority groups; dashed and hatched: "
        f"minority groups. Examples pooled: {counts}."
    )


def _panel(ax: Axes, rows: pd.DataFrame, group: str) -> None:
    rows = rows.sort_values("epoch")
    minority = _is_minority(rows)
    color, dash = (MINORITY, (0, (3, 1.2))) if minority else (MAJORITY, "-")
    epochs = rows["epoch"]
    band = ax.fill_between(epochs, rows["q25"], rows["q75"], facecolor=(color, 0.25), linewidth=0)
    if minority:
        band.set(hatch="////", edgecolor=color)
    ax.plot(epochs, rows["median"], color=color, linestyle=dash, marker="s" if minority else "o", linewidth=1.6)
    for column in ("q05", "q95"):
        ax.plot(epochs, rows[column], color=color, linestyle=dash, linewidth=0.6)
    style.epoch_axis(ax, epochs.tolist())
    ax.axhline(0, color="#666666", linewidth=0.6, zorder=0)
    kind = "minority" if minority else "majority"
    ax.set_title(f"{style.wrap(style.shorten(group, 48), 24)}\n({kind})")
    ax.set_xlabel("epoch of stage 1")


def _block_label(block: pd.DataFrame, n_blocks: int) -> str:
    first = block.iloc[0]
    label = f"margin of λb\n(λ = {float(first['lambda']):g})"
    if n_blocks > 1:
        method = str(first["method"])
        name = style.looks([method], style.METHODS)[method].label
        label = f"{style.shorten(str(first['dataset']), 24)}, {style.shorten(name, 24)}\n{label}"
    return label


def _keys() -> list[Line2D | Patch]:
    return [
        Line2D([], [], color=MAJORITY, marker="o", linewidth=1.6, label="majority, median"),
        Line2D([], [], color=MINORITY, marker="s", linestyle=(0, (3, 1.2)), linewidth=1.6, label="minority, median"),
        Patch(facecolor=("#4d4d4d", 0.25), label="25–75 %"),
        Line2D([], [], color="#4d4d4d", linewidth=0.6, label="5 % and 95 %"),
    ]


def _longest(frames: Frames) -> pd.DataFrame:
    """Keep the largest T of each λ: shorter runs are its beginning, bit for bit."""
    rows = frames["auxiliary"]
    rows = rows[rows["median"].notna()]
    if rows.empty:
        return rows
    return rows[rows["T"] == rows.groupby(["dataset", "method", "lambda", "stage1_loss"])["T"].transform("max")]


def _counts(rows: pd.DataFrame) -> dict[str, int]:
    return {str(group): int(n) for group, n in rows.groupby("group", sort=False)["n"].max().items()}


def _is_minority(rows: pd.DataFrame) -> bool:
    return str(rows["is_minority"].iloc[0]).lower() in ("true", "1", "1.0", "yes")
