"""What the rules of selection and reporting ask: which files a job reads, and digests of what it covers.

These jobs take seconds, so Snakemake may repeat them by time stamps; the digests, as params, make
it notice what a time stamp does not show: a shrunken grid, other groups, other code.
"""

from collections.abc import Iterable
from pathlib import Path

from bam import catalogue
from bam.code_digest import digest
from bam.files import short_hash
from bam.layout import Layout
from bam.plan import Plan
from bam.steps import figure as figure_step
from bam.steps import table as table_step


class AnalysisGraph:
    """The selections, evaluations, tables and figures of one plan, as files."""

    def __init__(self, plan: Plan, layout: Layout) -> None:
        self.plan = plan
        self.layout = layout
        self._arms = {arm.name: arm for arm in plan.arms}

    def part(self, arm: str, dataset: str, method: str, rule: str) -> str:
        """Return the study cut down to what one selection chooses among, as JSON."""
        return self._arms[arm].study.only(dataset, method, [rule]).json()

    def select_inputs(self, arm: str, dataset: str, method: str, rule: str) -> list[str]:
        """Return the validation predictions and labels that a rule reads, and groups for oracles."""
        from bam.selection import RULES

        paths: dict[Path, None] = {}
        for cell in self.plan.of(arm, dataset, method):
            prepared = self.layout.prepared(cell.run.dataset.data_id)
            paths[self.layout.predictions(cell.run.name) / "val.npz"] = None
            paths[prepared / "manifest.json"] = None
            paths[prepared / "val" / "labels.npy"] = None
            if RULES[rule].needs_stage1 and cell.stage1:
                paths[self.layout.predictions(cell.stage1.name) / "val.npz"] = None
            if RULES[rule].needs_groups != "none":
                groups = self.layout.groups(cell.run.dataset.groups_id)
                paths |= {groups / "groups.json": None, groups / "val.csv": None}
        return [str(path) for path in paths]

    def select_code(self, rule: str) -> str:
        """Return the digest of the code of `select` and of a label-only rule, which it looks up by name."""
        by_name = [catalogue.module_name("rule", rule)] if rule in catalogue.names("rule") else []
        return digest(("bam.steps.select", *by_name))

    def evaluate_inputs(self, arm: str, dataset: str, method: str) -> list[str]:
        """Return the test predictions and groups from which the chosen ones are scored."""
        paths: dict[Path, None] = {}
        for cell in self.plan.of(arm, dataset, method):
            groups = self.layout.groups(cell.run.dataset.groups_id)
            paths[self.layout.predictions(cell.run.name) / "test.npz"] = None
            paths |= {groups / "groups.json": None, groups / "test.csv": None}
        return [str(path) for path in paths]

    def covers(self, arm: str, dataset: str, method: str) -> str:
        """Return a digest of the runs and groups behind a selection: a shrunken grid, or other groups, are noticed."""
        cells = self.plan.of(arm, dataset, method)
        return short_hash([[cell.run.name, cell.run.dataset.groups_id] for cell in cells])

    def evaluations(self) -> list[str]:
        """Return every evaluation file of the study."""
        return [
            str(self.layout.evaluation(arm.name, dataset, method, rule))
            for arm in self.plan.arms
            for dataset, method, rule in arm.choices()
        ]

    def table_inputs(self, name: str) -> list[str]:
        """Return the files that a table reads, and the checksums beside evaluations."""
        return _with_checksums(table_step.inputs(name, self.plan, self.layout))

    def figure_inputs(self, name: str) -> list[str]:
        """Return the files that a figure reads, and the checksums beside evaluations."""
        return _with_checksums(figure_step.inputs(name, self.plan, self.layout))

    def tables(self) -> list[str]:
        """Return every table of the study, in every format."""
        names = table_step.names(self.plan)
        return [str(self.layout.table(name, suffix)) for name in names for suffix in ("csv", "md", "tex")]

    def figures(self) -> list[str]:
        """Return every figure of the study, in every format, with its caption."""
        names = figure_step.names(self.plan)
        return [str(self.layout.figure(name, suffix)) for name in names for suffix in ("pdf", "png", "svg", "txt")]

    def all_runs(self) -> str:
        """Return a digest of all runs and groups of the study."""
        return short_hash([[cell.run.name, cell.run.dataset.groups_id] for cell in self.plan.cells])

    def code(self, module: str) -> str:
        """Return the digest of the code of an analysis step."""
        return digest((module,))


def _with_checksums(paths: Iterable[Path]) -> list[str]:
    found: list[str] = []
    for path in paths:
        found.append(str(path))
        if path.suffix == ".csv" and "evaluation" in path.parts:
            found.append(f"{path}.sha256")
    return found
