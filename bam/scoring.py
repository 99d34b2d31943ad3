"""Selection and evaluation in one go, of one method by one rule."""

from collections.abc import Sequence
from pathlib import Path

from bam.layout import Layout
from bam.plan import Cell
from bam.steps.evaluate import evaluate
from bam.steps.select import select
from bam.study_file import StudyFile


def choose_and_score(
    cells: Sequence[Cell], rule: str, study: StudyFile, layout: Layout, into: Layout | None = None
) -> Path:
    """Select by one rule, evaluate what it chose, and return the evaluation CSV.

    Parameters
    ----------
    into
        Where selection and evaluation are written; `layout`, which all else is read from, if None.
    """
    first, written = cells[0], into or layout
    chosen = written.selection(first.arm, first.dataset, first.method, rule)
    scored = written.evaluation(first.arm, first.dataset, first.method, rule)
    select(cells, {rule: chosen}, layout, study.selection_scope, validation_size=study.validation_size)
    evaluate(chosen, {cell.seed: cell.run.dataset.groups_id for cell in cells}, layout, scored)
    return scored
