"""One look for all figures: sizes, fonts, a fixed colour and shape for each method, rule and group; and saving.

No pyplot: figures are plain objects, so drawing leaves no state behind and opens no display.
"""

import functools
import logging
import math
import textwrap
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from typing import Any, Literal, ParamSpec, TypeVar

import matplotlib
import pandas as pd
from matplotlib.artist import Artist
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.lines import Line2D
from matplotlib.ticker import FixedLocator, FuncFormatter, MaxNLocator, NullFormatter, NullLocator, ScalarFormatter

from bam.files import atomic_path, write_text
from bam.layout import Layout
from bam.tables.words import short_method_words, short_rule_words

Share = bool | Literal["none", "all", "row", "col"]
P = ParamSpec("P")
R = TypeVar("R")

SINGLE = 3.4
DOUBLE = 7.0
SUFFIXES = ("pdf", "png", "svg", "txt")
GRID = "#d9d9d9"
SHADE = "#ececec"

RC: Any = {
    "font.family": "sans-serif",
    "font.sans-serif": ["DejaVu Sans"],  # ships with matplotlib, so every machine draws the same
    "font.size": 7.5,
    "axes.labelsize": 7.5,
    "axes.titlesize": 7.5,
    "xtick.labelsize": 7,
    "ytick.labelsize": 7,
    "legend.fontsize": 7,
    "legend.frameon": False,
    "axes.linewidth": 0.6,
    "axes.spines.top": False,
    "axes.spines.right": False,
    "axes.grid": True,
    "axes.axisbelow": True,
    "grid.color": GRID,
    "grid.linewidth": 0.5,
    "lines.linewidth": 1.2,
    "lines.markersize": 4,
    "hatch.linewidth": 0.5,
    "figure.constrained_layout.use": True,
    "figure.dpi": 100,
    "savefig.dpi": 300,
    "text.parse_math": False,  # names come from users; a $ in one is a dollar
    "text.usetex": False,
    "pdf.fonttype": 42,
    "svg.fonttype": "path",  # the same shapes wherever it is opened; the report gives alt texts
    "svg.hashsalt": "bam",
    "path.simplify": False,
}


@dataclass(frozen=True)
class Look:
    """How one method, rule or group is drawn, in every figure."""

    label: str
    color: str
    marker: str
    dash: Any = "-"


def _looks(words: Callable[[str], str], drawn: dict[str, tuple[str, str, Any]]) -> dict[str, Look]:
    return {name: Look(words(name), *parts) for name, parts in drawn.items()}


# Okabe and Ito's palette: distinct under the common colour-vision deficiencies.
METHODS = _looks(
    short_method_words,
    {
        "erm": ("#4d4d4d", "s", (0, (1, 1))),
        "jtt": ("#e69f00", "^", (0, (4, 1.5))),
        "bam_no_aux": ("#cc79a7", "D", (0, (4, 1, 1, 1))),
        "bam": ("#0072b2", "o", "-"),
        "group_dro": ("#009e73", "v", (0, (2, 1))),
    },
)
RULES = _looks(
    short_rule_words,
    {
        "class_difference": ("#0072b2", "o", "-"),
        "worst_class": ("#56b4e9", "D", (0, (4, 1, 1, 1))),
        "worst_error_group": ("#009e73", "^", (0, (5, 1))),
        "worst_error_group_own": ("#117733", "<", (0, (7, 1))),
        "worst_error_group_least": ("#a6761d", "h", (0, (1, 2))),
        "worst_error_group_vote": ("#332288", ">", (0, (5, 3))),
        "average": ("#e69f00", "s", (0, (3, 1.5))),
        "last": ("#4d4d4d", "P", (0, (1, 1))),
        "worst_group": ("#d55e00", "v", (0, (6, 2))),
        "average_adjusted": ("#cc79a7", "X", (0, (2, 2))),
    },
)
SPARE = [
    ("#56b4e9", "P", (0, (3, 1, 1, 1, 1, 1))),
    ("#d55e00", "X", (0, (6, 2))),
    ("#a6761d", "h", (0, (1, 2))),
    ("#332288", "*", (0, (5, 3))),
    ("#882255", "<", (0, (2, 1, 1, 1))),
    ("#117733", ">", (0, (7, 1))),
]


def styled(draw: Callable[P, R]) -> Callable[P, R]:
    """Decorate a drawing function so that it draws with these settings, whatever the caller's."""

    @functools.wraps(draw)
    def wrapped(*args: P.args, **kwargs: P.kwargs) -> R:
        with matplotlib.rc_context(RC):
            return draw(*args, **kwargs)

    return wrapped


def looks(names: Iterable[str], known: dict[str, Look]) -> dict[str, Look]:
    """Return the look of each name: its own if it has one, else the next spare one."""
    found: dict[str, Look] = {}
    for name in names:
        if name not in found:
            spare = SPARE[sum(n not in known for n in found) % len(SPARE)]
            found[name] = known.get(name, Look(name, *spare))
    return found


def is_oracle(needs_groups: str) -> bool:
    """Return whether a rule looked at group labels of the validation split."""
    return "val" in needs_groups


def subplots(
    rows: int, columns: int, width: float, row_height: float, sharex: Share = False, sharey: Share = False
) -> tuple[Figure, list[list[Axes]]]:
    """Return a figure and its axes, of `width` inches and `row_height` inches a row."""
    figure = Figure(figsize=(width, row_height * rows), layout="constrained")
    axes = figure.subplots(rows, columns, squeeze=False, sharex=sharex, sharey=sharey)
    return figure, [list(row) for row in axes]


def save(figure: Figure, caption: str, layout: Layout, name: str) -> None:
    """Write a figure as PDF, PNG and SVG, and its caption as text; the same figure gives the same bytes."""
    logging.getLogger("fontTools").setLevel(logging.WARNING)  # it logs each font table that it leaves out
    metadata: dict[str, dict[str, None]] = {
        "pdf": {"CreationDate": None, "Creator": None, "Producer": None},
        "png": {"Software": None},
        "svg": {"Date": None, "Creator": None},
    }
    for suffix, fields in metadata.items():
        with atomic_path(layout.figure(name, suffix)) as path, matplotlib.rc_context(RC):
            figure.savefig(path, format=suffix, metadata=fields)
    write_text(layout.figure(name, "txt"), caption.strip() + "\n")


def wrap(text: str, width: int) -> str:
    """Break a label into lines, at its spaces if it has any."""
    return "\n".join(textwrap.wrap(text, width, break_long_words=True)) or text


def shorten(text: str, width: int = 40) -> str:
    """Cut a very long name so that it cannot push the axes off the page."""
    return text if len(text) <= width else text[: width - 1] + "…"


def percent_axis(axes: Axes, low: float = 0.0, high: float = 1.0, *, horizontal: bool = False) -> None:
    """Let an axis of fractions read in percent, with room for markers at both ends."""
    axis = axes.xaxis if horizontal else axes.yaxis
    margin = 0.03 * (high - low)
    (axes.set_xlim if horizontal else axes.set_ylim)(low - margin, high + margin)
    axis.set_major_locator(MaxNLocator(5, steps=[1, 2, 2.5, 5, 10]))
    axis.set_major_formatter(FuncFormatter(lambda value, _: f"{100 * value:g}".replace("-", "−")))


def span(low: pd.Series, high: pd.Series) -> tuple[float, float]:
    """Return the range of an axis of fractions that holds the intervals, to whole tenths within [0, 1]."""
    values = pd.concat([low, high]).dropna()
    if values.empty:
        return 0.0, 1.0
    bottom, top = math.floor(10 * float(values.min()) - 0.05) / 10, math.ceil(10 * float(values.max()) + 0.05) / 10
    return max(min(bottom, top - 0.2), 0.0), min(max(top, bottom + 0.2), 1.0)


def is_spread(epochs: Sequence[int]) -> bool:
    """Return whether epochs are so few and so far apart that `epoch_axis` takes a log scale."""
    values = sorted({int(epoch) for epoch in epochs})
    return 1 < len(values) <= 8 and values[0] > 0 and values[-1] / values[0] >= 8


def epoch_axis(axes: Axes, epochs: Sequence[int]) -> None:
    """Label an axis of whole epochs; a few epochs far apart are spread on a log scale, each with its tick."""
    values = sorted({int(epoch) for epoch in epochs})
    if is_spread(epochs):
        axes.set_xscale("log")
        axes.xaxis.set_major_locator(FixedLocator([float(v) for v in values]))
        axes.xaxis.set_minor_locator(NullLocator())
        axes.xaxis.set_minor_formatter(NullFormatter())
        axes.xaxis.set_major_formatter(ScalarFormatter())
    elif len(values) <= 6:
        axes.xaxis.set_major_locator(FixedLocator([float(v) for v in values]))
    else:
        axes.xaxis.set_major_locator(MaxNLocator(6, integer=True))


def intervals(rows: pd.DataFrame, low: str = "ci95_low", high: str = "ci95_high") -> list[list[float]]:
    """Return the lengths below and above the mean; 0 where there is no interval."""
    below, above = (rows["mean"] - rows[low]).fillna(0), (rows[high] - rows["mean"]).fillna(0)
    return [below.clip(lower=0).tolist(), above.clip(lower=0).tolist()]


def handle(look: Look, *, filled: bool = True, line: bool = True, label: str | None = None) -> Line2D:
    """Return a legend entry."""
    return Line2D(
        [],
        [],
        color=look.color,
        marker=look.marker,
        linestyle=look.dash if line else "none",
        markerfacecolor=look.color if filled else "white",
        label=label or look.label,
    )


def legend(figure: Figure, handles: Sequence[Artist], columns: int) -> None:
    """Put one legend above all panels."""
    labels = [str(item.get_label()).removeprefix("_") for item in handles]
    figure.legend(handles, labels, loc="outside upper center", ncols=columns, handlelength=2.6, columnspacing=1.4)
