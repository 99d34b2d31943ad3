"""Error sets at the values of analyses that change the data, where `error_sets` shows the study's own data alone."""

from bam.layout import Layout
from bam.plan import Cell, Plan
from bam.tables.accuracies import HEADERS as POINT_HEADERS
from bam.tables.accuracies import POINT, without_empty
from bam.tables.captions import spreads
from bam.tables.content import Table
from bam.tables.error_sets import EMPTY_SETS, FAMILY, HEADERS, kept_epochs, max_classes, means, measured, one_a_seed
from bam.tables.inputs import arm_point, cells_on_other_data
from bam.tables.truth import Truth


def sweep_error_sets_table(plan: Plan, layout: Layout) -> Table:
    """Return size, precision, recall and class shares of every stage 1 on data other than the main arm's."""
    truth, points = Truth(layout), {arm.name: arm_point(arm) for arm in plan.arms}
    runs: dict[tuple[str, ...], Cell] = {}
    for cell in cells_on_other_data(plan):
        assert cell.stage1 is not None
        runs.setdefault((*points[cell.arm], cell.dataset, cell.method, cell.stage1.name), cell)
    rows: list[dict[str, object]] = []
    notes = []
    for cell in runs.values():
        found, failed = kept_epochs(cell, truth, layout)
        point = dict(zip(POINT, points[cell.arm], strict=True))
        rows += [{**point, **row} for row in found]
        notes += [f"Left out: {failed}."] if failed else []
    shown_rows, hidden = one_a_seed(rows, [*POINT, *FAMILY])
    frame = measured(shown_rows, [*POINT, *FAMILY], max_classes(runs.values(), truth))
    shown, marked = means(frame, {name: POINT_HEADERS[name] for name in POINT} | HEADERS, plan.study.file.seeds)
    return Table(
        frame=frame,
        shown=without_empty(shown),
        caption="Error sets of stage 1 after T epochs at each value of the analyses that change the data, against the "
        f"minority groups of train: {spreads(plan)}, percent except size, study {plan.study.name}.",
        notes=(*dict.fromkeys(notes), *hidden, *marked, EMPTY_SETS),
    )
