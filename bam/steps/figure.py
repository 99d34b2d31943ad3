"""Draw one figure from table CSVs."""

from pathlib import Path
from types import ModuleType

from bam.catalogue import suggestion
from bam.errors import ConfigError, DataError
from bam.layout import Layout
from bam.plan import Plan, Run

SWEEP = "sweep_"
TABLES = {
    "worst_group_by_method": ("main",),
    "group_accuracies": ("groups",),
    "class_difference_by_epoch": ("epochs",),
    "error_set_quality": ("error_sets",),
    "auxiliary_by_group": ("auxiliary",),
}
NEEDS_STAGE1 = ("class_difference_by_epoch", "error_set_quality")
TITLES = {
    "worst_group_by_method": "Worst-group accuracy by method and selection rule",
    "group_accuracies": "Accuracy of each group by method",
    "class_difference_by_epoch": "ClassDiff and worst-group accuracy over the epochs of stage 2",
    "error_set_quality": "Precision and recall of the error set on minority groups",
    "auxiliary_by_group": "Auxiliary variables by group over stage 1",
}


def names(plan: Plan) -> list[str]:
    """Return the figures that make sense for a plan, in the order of the report."""
    mains = [cell.stage1 for cell in plan.cells if cell.arm == "main" and cell.stage1]
    has_auxiliary = any(_lambda(run) > 0 for run in mains)
    possible = {
        name: has_auxiliary if name == "auxiliary_by_group" else bool(plan.stage1) or name not in NEEDS_STAGE1
        for name in TABLES
    }
    return [name for name, sensible in possible.items() if sensible] + [
        SWEEP + analysis for analysis in plan.study.file.analyses
    ]


def title(name: str) -> str:
    """Return a figure's title, for headings."""
    return TITLES.get(name, f"Sweep: {name.removeprefix(SWEEP)}")


def inputs(name: str, layout: Layout) -> list[Path]:
    """Return the table CSVs that a figure reads.

    Raises
    ------
    ConfigError
        If there is no such figure.
    """
    if name.startswith(SWEEP):
        return [layout.table("sweeps", "csv")]
    if name not in TABLES:
        raise _unknown(name, [*TABLES, SWEEP + "<analysis>"])
    return [layout.table(table, "csv") for table in TABLES[name]]


def figure(name: str, plan: Plan, layout: Layout) -> None:
    """Draw one figure as PDF, PNG and SVG, and write its caption.

    Raises
    ------
    ConfigError
        If the plan has no such figure.
    DataError
        If a table it reads is missing.
    """
    known = names(plan)
    if name not in known:
        raise _unknown(name, known)
    from bam.figures import style
    from bam.figures.facts import Facts, read_table
    from bam.tables import captions

    frames = {}
    for path in inputs(name, layout):
        if not path.exists():
            raise DataError(f"{path}: is missing; make it first: python -m bam table {path.stem}")
        frames[path.stem] = read_table(path)
    if name.startswith(SWEEP):
        rows = frames["sweeps"]
        frames["sweeps"] = rows[rows["analysis"] == name.removeprefix(SWEEP)]
    study = plan.study
    facts = Facts(
        seeds=tuple(study.file.seeds),
        rules=tuple(study.file.selection),
        data_draw=captions.draw(plan),
        two_stage=tuple(m for m, settings in study.settings.items() if settings[0].recipe.stage1 is not None),
    )
    drawing = _drawing(name)
    style.save(drawing.draw(frames, facts), drawing.caption(frames, facts), layout, name)


def _drawing(name: str) -> ModuleType:
    """Return the module that draws a figure; named here one by one, so that code digests see them all."""
    from bam.figures import (
        auxiliary_by_group,
        class_difference_by_epoch,
        error_set_quality,
        group_accuracies,
        sweep,
        worst_group_by_method,
    )

    modules: dict[str, ModuleType] = {
        "worst_group_by_method": worst_group_by_method,
        "group_accuracies": group_accuracies,
        "class_difference_by_epoch": class_difference_by_epoch,
        "error_set_quality": error_set_quality,
        "auxiliary_by_group": auxiliary_by_group,
    }
    return sweep if name.startswith(SWEEP) else modules[name]


def _lambda(run: Run) -> float:
    return float(getattr(run.spec.training.objective, "coefficient", 0.0))


def _unknown(name: str, known: list[str]) -> ConfigError:
    return ConfigError(f"figure: there is no {name!r}{suggestion(name, known)}; there is {', '.join(known)}")
