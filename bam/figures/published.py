"""Published numbers in a sweep's figure: an open star at the same settings, in the colour of its selection rule."""

import pandas as pd
from matplotlib.axes import Axes
from matplotlib.lines import Line2D

from bam.figures import style
from bam.figures.facts import Frames, unique

MARKERS = "*XPHd"
PLACE = ["dataset", "method", "value", "second_value"]
COLUMNS = [*PLACE, "selection", "metric", "published", "source", "confidence", "place"]
OTHER = "black"  # a rule that the study does not use


def points(frames: Frames) -> pd.DataFrame:
    """Return the published worst-group accuracies at points of the sweep; none where the study has no such table."""
    rows = frames.get("fidelity", pd.DataFrame(columns=COLUMNS).astype({"published": float}))
    swept = set(zip(*(frames["sweeps"][name] for name in PLACE), strict=True))
    is_swept = pd.Series([key in swept for key in zip(*(rows[name] for name in PLACE), strict=True)], rows.index, bool)
    return rows[is_swept & (rows["metric"] == "worst_group_accuracy") & rows["published"].notna()]


def offset_of(rule: str, look: dict[str, style.Look]) -> float:
    """Return how far right of a value a rule's marker stands, so that rules stand side by side."""
    rules = list(look)
    return (rules.index(rule) - (len(rules) - 1) / 2) * 0.5 / max(len(rules), 1) if rule in look else 0.0


def markers(rows: pd.DataFrame) -> dict[str, str]:
    """Return the marker of each source."""
    return {source: MARKERS[k % len(MARKERS)] for k, source in enumerate(unique(rows["source"]))}


def draw_points(
    ax: Axes, rows: pd.DataFrame, values: list[str], look: dict[str, style.Look], drawn: dict[str, str]
) -> None:
    """Draw the points of one panel.

    Parameters
    ----------
    drawn
        The `markers` of the whole figure's sources.
    """
    for row in rows.to_dict("records"):
        rule = str(row["selection"])
        ax.plot(
            [values.index(str(row["value"])) + offset_of(rule, look)],
            [float(row["published"])],
            marker=drawn[str(row["source"])],
            color=look[rule].color if rule in look else OTHER,
            markerfacecolor="none",
            markeredgewidth=1,
            markersize=8,
            linestyle="none",
            zorder=6,
        )


def point_handles(rows: pd.DataFrame, width: int) -> list[Line2D]:
    """Return a legend entry for each source, in lines of `width` letters."""
    return [
        Line2D(
            [],
            [],
            marker=marker,
            color=OTHER,
            markerfacecolor="none",
            markersize=8,
            linestyle="none",
            label=style.wrap(f"published ({style.shorten(source, 60)})", width),
        )
        for source, marker in markers(rows).items()
    ]


def about_points(rows: pd.DataFrame) -> str:
    """Name the sources, and how sure their numbers are."""
    if rows.empty:
        return ""
    sources = [_about(source, rows[rows["source"] == source]) for source in unique(rows["source"])]
    return (
        " Open stars or crosses, in the colours of the rules: published worst-group accuracy at the same point of "
        f"the axes (other settings may differ: table `fidelity`), without its spread, from {'; '.join(sources)}."
    )


def _about(source: str, rows: pd.DataFrame) -> str:
    """Return a source, where in it the numbers stand, and how sure they are."""
    counts = {name: int((rows["confidence"] == name).sum()) for name in unique(rows["confidence"])}
    sure = ", ".join(name if len(counts) == 1 else f"{n} {name}" for name, n in counts.items())
    places = ", ".join(place for place in unique(rows["place"]) if place)
    return f"{source}{', ' * bool(places)}{places} ({sure})"
