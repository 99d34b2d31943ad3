"""Draw one figure from table CSVs, or from the sample images beside the groups."""

from collections.abc import Sequence
from pathlib import Path
from types import ModuleType
from typing import TYPE_CHECKING

from bam.catalogue import suggestion
from bam.errors import ConfigError, DataError
from bam.layout import Layout
from bam.plan import Plan
from bam.tables import inputs as needed

if TYPE_CHECKING:
    import pandas as pd

SWEEP = "sweep_"
SAMPLES = "samples"
PUBLISHED = "fidelity"  # the table of published numbers, which sweeps show where a study has it
TABLES: dict[str, tuple[str, ...]] = {
    "worst_group_by_method": ("main",),
    "regret": ("regret",),
    "group_accuracies": ("groups",),
    "class_difference_by_epoch": ("epochs", "correlations"),
    "error_set_quality": ("error_sets",),
    "auxiliary_by_group": ("auxiliary",),
    SAMPLES: (),
}
TITLES = {
    "worst_group_by_method": "Worst-group accuracy by method and selection rule",
    "regret": "Regret of each selection rule against the worst-group oracle",
    "group_accuracies": "Accuracy of each group by method",
    "class_difference_by_epoch": "ClassDiff and worst-group accuracy over the epochs of stage 2",
    "error_set_quality": "Precision and recall of the error set on minority groups",
    "auxiliary_by_group": "Auxiliary variables by group over stage 1",
    SAMPLES: "Training images of each group",
}


def names(plan: Plan) -> list[str]:
    """Return the figures that make sense for a plan, in the order of the report: those whose tables do."""
    tables = needed.names(plan)
    grouped = needed.grouped(plan)
    wanted = {
        "worst_group_by_method": bool(grouped),
        "class_difference_by_epoch": bool(plan.stage1),
        "error_set_quality": bool(grouped),
        SAMPLES: bool(_pictured(plan)),
    }
    possible = [name for name, reads in TABLES.items() if set(reads) <= set(tables) and wanted.get(name, True)]
    return possible + [SWEEP + analysis for analysis in plan.study.file.analyses if grouped]


def title(name: str) -> str:
    """Return a figure's title, for headings."""
    return TITLES.get(name, f"Sweep: {name.removeprefix(SWEEP)}")


def inputs(name: str, plan: Plan, layout: Layout) -> list[Path]:
    """Return the files that a figure reads: table CSVs, and for the sample images group files.

    Raises
    ------
    ConfigError
        If there is no such figure.
    """
    if name == SAMPLES:
        folders = _group_folders(plan, layout).values()
        return [folder / file for folder in folders for file in ("groups.json", "samples.npz")]
    return [layout.table(table, "csv") for table in _tables(name, plan)]


def figures(wanted: Sequence[str], plan: Plan, layout: Layout) -> None:
    """Draw some figures, or none if the plan does not have one of them; errors as `figure`."""
    known = names(plan)
    for name in wanted:
        if name not in known:
            raise _unknown(name, known)
    for name in wanted:
        figure(name, plan, layout)


def figure(name: str, plan: Plan, layout: Layout) -> None:
    """Draw one figure as PDF, PNG and SVG, and write its caption.

    Raises
    ------
    ConfigError
        If the plan has no such figure.
    DataError
        If a file it reads is missing.
    """
    known = names(plan)
    if name not in known:
        raise _unknown(name, known)
    from bam.figures import style
    from bam.figures.facts import Facts
    from bam.tables import captions

    frames = _frames(name, plan, layout)
    study = plan.study
    facts = Facts(
        seeds=tuple(study.file.seeds),
        rules=tuple(study.file.selection),
        data_draw=captions.draw(plan),
        two_stage=tuple(m for m, settings in study.settings.items() if settings[0].recipe.stage1 is not None),
        predicted_epochs=captions.predicted_epochs(plan).strip(),
        setting=captions.followed(plan),
        has_sweeps=bool(study.file.analyses),
    )
    drawing = _drawing(name)
    style.save(drawing.draw(frames, facts), drawing.caption(frames, facts), layout, name)


def _tables(name: str, plan: Plan) -> tuple[str, ...]:
    if name.startswith(SWEEP):
        return ("sweeps", PUBLISHED) if PUBLISHED in needed.names(plan) else ("sweeps",)
    if name not in TABLES:
        raise _unknown(name, [*TABLES, SWEEP + "<analysis>"])
    return TABLES[name]


def _group_folders(plan: Plan, layout: Layout) -> dict[str, Path]:
    """Return data set of images -> folder of its group files, as the first seed draws it."""
    first = [cell for cell in needed.main_cells(plan) if cell.seed == plan.study.file.seeds[0]]
    shown = _pictured(plan)
    return {cell.dataset: layout.groups(cell.run.dataset.groups_id) for cell in first if cell.dataset in shown}


def _pictured(plan: Plan) -> list[str]:
    """Return the data sets that have groups of images: token ids are nothing to look at."""
    return [name for name in needed.grouped(plan) if plan.study.has_images(name)]


def _frames(name: str, plan: Plan, layout: Layout) -> "dict[str, pd.DataFrame]":
    """Read what a figure shows; of a sweep, the rows of its own analysis."""
    from bam.figures import samples
    from bam.figures.facts import read_table

    if name == SAMPLES:
        return {SAMPLES: samples.read(_group_folders(plan, layout))}
    frames = {}
    for path in inputs(name, plan, layout):
        if not path.exists():
            raise DataError(f"{path}: is missing; make it first: python -m bam table {path.stem}")
        frames[path.stem] = read_table(path)
    if name.startswith(SWEEP):
        analysis = name.removeprefix(SWEEP)
        frames = {table: rows[rows["analysis"] == analysis] for table, rows in frames.items()}
    return frames


def _drawing(name: str) -> ModuleType:
    """Return the module that draws a figure; named here one by one, so that code digests see them all."""
    from bam.figures import (
        auxiliary_by_group,
        class_difference_by_epoch,
        error_set_quality,
        group_accuracies,
        regret,
        samples,
        sweep,
        worst_group_by_method,
    )

    modules: dict[str, ModuleType] = {
        "worst_group_by_method": worst_group_by_method,
        "regret": regret,
        "group_accuracies": group_accuracies,
        "class_difference_by_epoch": class_difference_by_epoch,
        "error_set_quality": error_set_quality,
        "auxiliary_by_group": auxiliary_by_group,
        SAMPLES: samples,
    }
    return sweep if name.startswith(SWEEP) else modules[name]


def _unknown(name: str, known: list[str]) -> ConfigError:
    return ConfigError(f"figure: there is no {name!r}{suggestion(name, known)}; there is {', '.join(known)}")
