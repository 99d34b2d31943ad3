"""Delete what a study's config no longer names, so that it is not published."""

import shutil
from collections.abc import Iterator
from pathlib import Path

from bam.errors import RunError
from bam.layout import Layout
from bam.plan import Plan
from bam.steps import figure as figure_step
from bam.steps import table as table_step


def prune(plan: Plan, layout: Layout, *, dry_run: bool = False) -> list[Path]:
    """Delete runs, tables and figures that are not the plan's, and what a killed writer left; return their paths.

    Raises
    ------
    RunError
        If a run of the plan is missing. After a change of code every stored run has a name that the plan
        does not have, and deleting them all is not what anybody wants.
    """
    missing = missing_runs(plan, layout)
    if missing:
        raise RunError(
            f"{layout.results}: {len(missing)} of the config's runs are not there, {missing[0]} among them, so nothing "
            "is deleted; run the study, or carry its runs over with `bam rekey`"
        )
    found = [*_foreign_runs(plan, layout), *_foreign_outputs(plan, layout), *_leftovers(layout)]
    for path in found if not dry_run else []:
        if path.is_dir() and not path.is_symlink():
            shutil.rmtree(path)
        else:
            path.unlink(missing_ok=True)
    return found


def missing_runs(plan: Plan, layout: Layout) -> list[str]:
    """Return the names of trainings and error sets whose predictions are not all there."""
    trained = [name for name in (*plan.stage1, *plan.trainings) if not layout.is_predicted(name)]
    error_sets = [name for name in plan.error_sets if not (layout.predictions(name) / "error_set.npz").exists()]
    return trained + error_sets


def _foreign_runs(plan: Plan, layout: Layout) -> Iterator[Path]:
    named = {*plan.stage1, *plan.trainings, *plan.error_sets}
    for top in ("predictions", "weights"):
        for folder in sorted((layout.results / top).glob("*/*")):
            if str(folder.relative_to(layout.results / top)) not in named:
                yield folder


def _foreign_outputs(plan: Plan, layout: Layout) -> Iterator[Path]:
    for folder, names in (("tables", table_step.names(plan)), ("figures", figure_step.names(plan))):
        for path in sorted((layout.results / folder).glob("*.*")):
            if path.stem not in names and not path.name.startswith("."):
                yield path


def _leftovers(layout: Layout) -> Iterator[Path]:
    """Yield the temporary files of writers that were killed (bam.files.atomic_path)."""
    for top in ("predictions", "weights", "tables", "figures"):
        yield from sorted(path for path in (layout.results / top).rglob(".*") if path.is_file())
