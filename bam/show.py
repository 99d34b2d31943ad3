"""Show the outcome of studies on the terminal: one main table of all, and where the rest is."""

import math
from pathlib import Path

import pandas as pd
from rich.console import Console
from rich.table import Table

from bam.errors import DataError

METRICS = {
    "worst_group_accuracy": "worst group",
    "accuracy": "average",
    "adjusted_accuracy": "adjusted average",
}


def show(*results: Path) -> None:
    """Print `tables/main.csv` in percent (mean ± standard deviation over seeds), and the paths of figures and report.

    Parameters
    ----------
    results
        Folders of studies; their main tables stand below one another in one table.

    Raises
    ------
    DataError
        If a study has no main table yet.
    """
    frames = [_main_table(folder / "tables" / "main.csv") for folder in results]
    table = Table(
        "data set", "method", "rule", "groups seen", *METRICS.values(), title="test accuracy, %, mean ± std over seeds"
    )
    keys = ["dataset", "method", "selection", "needs_groups"]
    previous = None
    for values, rows in (group for frame in frames for group in frame.groupby(keys, sort=False)):
        if previous not in (None, values[:2]):
            table.add_section()
        previous = values[:2]
        by_metric = rows.set_index("metric")
        table.add_row(*map(str, values), *(_percent(by_metric, metric) for metric in METRICS))
    console = Console(width=max(120, Console().width))
    console.print(table)
    for folder in results:
        figures = sorted((folder / "figures").glob("*.pdf"))
        for what, paths in (
            ("tables", [folder / "tables"]),
            ("figures", figures),
            ("report", [folder / "report.html"]),
        ):
            for place in paths:
                console.print(f"{what:8} {place}", soft_wrap=True, highlight=False)


def _main_table(path: Path) -> pd.DataFrame:
    try:
        return pd.read_csv(path)
    except OSError as error:
        raise DataError(f"{path}: cannot be read ({error.strerror}); run the study first") from error
    except ValueError as error:
        raise DataError(f"{path}: is not a table ({error}); delete it and run the study again") from error


def _percent(by_metric: pd.DataFrame, metric: str) -> str:
    if metric not in by_metric.index:
        return ""
    mean, std = (float(str(by_metric.at[metric, key])) for key in ("mean", "std"))
    if math.isnan(mean):
        return "every setting failed"
    return f"{100 * mean:.1f}" + ("" if math.isnan(std) else f" ± {100 * std:.1f}")
