"""Which tables a study has, and which files each of them reads. Free of pandas, for the workflow."""

from collections.abc import Callable, Iterator, Sequence
from pathlib import Path

from bam.catalogue import suggestion
from bam.errors import ConfigError
from bam.layout import Layout
from bam.plan import Cell, Plan
from bam.published import PUBLISHED, published_for
from bam.selection import RULES
from bam.study import Arm

ORACLE = "worst_group"
OURS = "bam"


def names(plan: Plan) -> list[str]:
    """Return the tables that make sense for a plan, in the order a reader wants them.

    No sweeps without analyses, no comparisons without `bam` and another method, no regret
    without the `worst_group` rule, no rules without it and two pairs of data set and method, no
    error sets without a stage 1, none along sweeps that leave the data alone, no auxiliary
    variables without a λ above 0, and no fidelity without published numbers of the study's
    setting; a working directory without `PUBLISHED` has none, so that one's own study needs no
    such file. Without groups in any data set, no accuracies by group, and nothing that is measured
    against them.
    """
    methods = plan.study.settings
    has_groups = bool(grouped(plan))
    wanted = {
        "groups": has_groups,
        "correlations": has_groups,
        "comparisons": OURS in methods and len(methods) > 1,
        "regret": ORACLE in plan.study.file.selection,
        "rules": ORACLE in plan.study.file.selection and len(methods) * len(plan.study.file.datasets) > 1,
        "error_sets": bool(plan.stage1),
        "sweeps": len(plan.arms) > 1,
        "sweep_regret": len(plan.arms) > 1 and ORACLE in plan.study.file.selection,
        "sweep_error_sets": bool(cells_on_other_data(plan)),
        "fidelity": PUBLISHED.exists() and bool(published_for(plan.study.name)),
        "auxiliary": bool(auxiliary_cells(plan)) and has_groups,
    }
    return [name for name in INPUTS if wanted.get(name, True)]


def inputs(name: str, plan: Plan, layout: Layout) -> list[Path]:
    """Return every file that one table needs, each once; `cost` reads the timings beside them, if there.

    Raises
    ------
    ConfigError
        If there is no such table.
    """
    check_name(name)
    return list(dict.fromkeys(INPUTS[name](plan, layout)))


def check_name(name: str) -> None:
    """Raise ConfigError, with a suggestion and the list, if there is no table of this name."""
    if name not in INPUTS:
        raise ConfigError(f"table: there is no table {name!r}{suggestion(name, INPUTS)}; there is {', '.join(INPUTS)}")


def grouped(plan: Plan) -> list[str]:
    """Return the data sets that have groups."""
    return [name for name in plan.study.file.datasets if plan.study.has_groups(name)]


def sweep_arms(plan: Plan) -> Sequence[Arm]:
    """Return the arms that are values of a sweep."""
    return plan.arms[1:]


def cells_on_other_data(plan: Plan) -> list[Cell]:
    """Return the cells with a stage 1 on data that the main arm does not have."""
    own = {cell.run.dataset.data_id for cell in main_cells(plan)}
    return [cell for cell in plan.cells if cell.stage1 is not None and cell.run.dataset.data_id not in own]


def arm_point(arm: Arm) -> tuple[str, str, str]:
    """Return an arm's analysis and values as text, all empty for the main arm."""
    return arm.analysis, str(arm.value), str(arm.second_value)


def published_arms(plan: Plan) -> list[Arm]:
    """Return the arms that published numbers are set beside."""
    points = {row.key[:3] for row in published_for(plan.study.name)}
    return [arm for arm in plan.arms if arm_point(arm) in points]


def label_only(rule: str) -> bool:
    """Return whether a rule needs no group labels."""
    return RULES[rule].needs_groups == "none"


def epochs_rule(plan: Plan, method: str) -> str:
    """Return the rule whose setting the epochs table follows: ClassDiff, else the first there is."""
    rules = plan.study.rules_for(method)
    return "class_difference" if "class_difference" in rules else rules[0]


def main_cells(plan: Plan) -> list[Cell]:
    """Return the cells of the main arm."""
    return [cell for cell in plan.cells if cell.arm == plan.arms[0].name]


def auxiliary_cells(plan: Plan) -> list[Cell]:
    """Return the main arm's cells whose stage 1 has auxiliary variables with λ above 0."""
    return [cell for cell in main_cells(plan) if cell.stage1 is not None and stage1_key(cell)[0] > 0]


def stage1_key(cell: Cell) -> tuple[float, str]:
    """Return (λ, loss) of a cell's stage 1."""
    assert cell.stage1 is not None
    objective = cell.stage1.spec.training.objective
    assert objective.name == "auxiliary"
    return objective.coefficient, objective.loss


def error_set(cell: Cell, layout: Layout) -> Path:
    """Return the error set of a cell's stage 1."""
    assert cell.stage1 is not None
    assert cell.stage1.error_set is not None
    return layout.predictions(cell.stage1.error_set) / "error_set.npz"


def _evaluations(arms: Sequence[Arm], layout: Layout) -> list[Path]:
    return [layout.evaluation(arm.name, *choice) for arm in arms for choice in arm.choices()]


def _main(plan: Plan, layout: Layout) -> list[Path]:
    return _evaluations(plan.arms[:1], layout)


def _selected(plan: Plan, layout: Layout) -> list[Path]:
    return [layout.selection(plan.arms[0].name, *choice) for choice in plan.arms[0].choices()]


def _sweeps(plan: Plan, layout: Layout) -> list[Path]:
    return _evaluations(sweep_arms(plan), layout)


def _fidelity(plan: Plan, layout: Layout) -> list[Path]:
    return [PUBLISHED, *_evaluations(published_arms(plan), layout)]


def _comparisons(plan: Plan, layout: Layout) -> list[Path]:
    if OURS not in plan.study.settings:
        return []
    arm = plan.arms[0]
    return [layout.evaluation(arm.name, *choice) for choice in arm.choices() if label_only(choice[2])]


def _regret(plan: Plan, layout: Layout) -> list[Path]:
    return _main(plan, layout) if ORACLE in plan.study.file.selection else []


def _truths(cells: Sequence[Cell], layout: Layout, labels: str, *splits: str) -> Iterator[Path]:
    """Yield labels and groups of the cells' data, once for each data set: cells are many and data sets few."""
    datasets = {cell.run.dataset.groups_id: cell.run.dataset for cell in cells}
    for dataset in datasets.values():
        prepared, groups = layout.prepared(dataset.data_id), layout.groups(dataset.groups_id)
        yield prepared / "manifest.json"
        yield prepared / labels / "labels.npy"
        yield groups / "groups.json"
        yield from (groups / f"{split}.csv" for split in splits)


def _error_sets(plan: Plan, layout: Layout) -> Iterator[Path]:
    return _stage1_on_train(plan.cells, layout)


def _sweep_error_sets(plan: Plan, layout: Layout) -> Iterator[Path]:
    return _stage1_on_train(cells_on_other_data(plan), layout)


def _stage1_on_train(cells: Sequence[Cell], layout: Layout) -> Iterator[Path]:
    with_stage1 = [cell for cell in cells if cell.stage1 is not None]
    for name in dict.fromkeys(cell.stage1.name for cell in with_stage1 if cell.stage1 is not None):
        yield layout.predictions(name) / "train.npz"
    yield from _truths(with_stage1, layout, "train", "train")


def _epochs(plan: Plan, layout: Layout) -> Iterator[Path]:
    for dataset in plan.arms[0].study.file.datasets:
        for method in plan.study.settings:
            yield layout.selection(plan.arms[0].name, dataset, method, epochs_rule(plan, method))
    # Which of these runs are read is known only once selection has chosen.
    for cell in main_cells(plan):
        yield layout.predictions(cell.run.name) / "val.npz"
        yield layout.predictions(cell.run.name) / "test.npz"
    yield from _truths(main_cells(plan), layout, "val", "val", "test")


def _auxiliary(plan: Plan, layout: Layout) -> Iterator[Path]:
    for cell in auxiliary_cells(plan):
        assert cell.stage1 is not None
        yield layout.predictions(cell.stage1.name) / "auxiliary.npz"
        yield error_set(cell, layout)
    yield from _truths(auxiliary_cells(plan), layout, "train", "train")


def _cost(plan: Plan, layout: Layout) -> Iterator[Path]:
    # Not the timings: a lost one must not make its run train again. They come with the predictions.
    for run in (*plan.stage1, *plan.trainings):
        yield layout.predictions(run) / "val.npz"


INPUTS: dict[str, Callable[[Plan, Layout], list[Path] | Iterator[Path]]] = {
    "main": _main,
    "groups": _main,
    "selected": _selected,
    "comparisons": _comparisons,
    "regret": _regret,
    "rules": _regret,
    "error_sets": _error_sets,
    "sweeps": _sweeps,
    "sweep_regret": _sweeps,
    "sweep_error_sets": _sweep_error_sets,
    "fidelity": _fidelity,
    "epochs": _epochs,
    "correlations": _epochs,
    "auxiliary": _auxiliary,
    "cost": _cost,
}
