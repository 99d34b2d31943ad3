"""What the rules of selection and reporting ask: which files a job reads, and digests of what it covers.

These jobs take seconds, so Snakemake may repeat them by time stamps; the digests, as params, make
it notice what a time stamp does not show: a shrunken grid, other groups, other code.

A training writes all its predictions in one go, so naming one of them is enough, and of a large grid as
few as possible are named: Snakemake's planning takes the longer the more there are. The others are named
where they are lost, so that they are made again.
"""

import functools
from collections.abc import Container, Iterable
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

        wanted = RULES[rule]
        of = self._validation(arm, dataset, method)
        stage1 = self._stage1_validation(arm, dataset, method) if wanted.needs_stage1 else ()
        groups = self._group_files(arm, dataset, method, "val") if wanted.needs_groups != "none" else ()
        return [*of, *stage1, *groups]

    @functools.cache  # noqa: B019  (one graph lives as long as the process)
    def _validation(self, arm: str, dataset: str, method: str) -> tuple[str, ...]:
        cells = self.plan.of(arm, dataset, method)
        prepared = dict.fromkeys(self.layout.prepared(cell.run.dataset.data_id) for cell in cells)
        return (
            *dict.fromkeys(str(self.layout.predictions(cell.run.name) / "val.npz") for cell in cells),
            *(str(folder / name) for folder in prepared for name in ("manifest.json", "val/labels.npy")),
        )

    @functools.cache  # noqa: B019
    def _stage1_validation(self, arm: str, dataset: str, method: str) -> tuple[str, ...]:
        names = dict.fromkeys(cell.stage1.name for cell in self.plan.of(arm, dataset, method) if cell.stage1)
        return tuple(str(self.layout.predictions(name) / "val.npz") for name in names)

    def _group_files(self, arm: str, dataset: str, method: str, split: str) -> list[str]:
        ids = dict.fromkeys(cell.run.dataset.groups_id for cell in self.plan.of(arm, dataset, method))
        return [str(self.layout.groups(an_id) / name) for an_id in ids for name in ("groups.json", f"{split}.csv")]

    def select_code(self, rule: str) -> str:
        """Return the digest of the code of `select` and of a label-only rule, which it looks up by name."""
        by_name = [catalogue.module_name("rule", rule)] if rule in catalogue.names("rule") else []
        return digest(("bam.steps.select", *by_name))

    def evaluate_inputs(self, arm: str, dataset: str, method: str, rule: str) -> list[str]:
        """Return the groups by which the chosen runs are scored, and those test predictions that are to be made."""
        is_selected = self.layout.selection(arm, dataset, method, rule).exists()
        runs = dict.fromkeys(cell.run.name for cell in self.plan.of(arm, dataset, method))
        paths = (self.layout.predictions(run) / "test.npz" for run in runs if is_selected or self._is_there(run))
        return [
            *(str(path) for path in paths if not path.exists()),
            *self._group_files(arm, dataset, method, "test"),
        ]

    @functools.cache  # noqa: B019
    def _is_there(self, run: str) -> bool:
        return (self.layout.predictions(run) / "val.npz").exists()

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
        """Return what a table reads, as far as it has to be named, and the checksums beside evaluations."""
        paths = table_step.inputs(name, self.plan, self.layout)
        behind = self._behind(paths)
        return _with_checksums(dict.fromkeys(named for path in paths for named in self._named(path, behind)))

    def _behind(self, paths: Iterable[Path]) -> set[str]:
        """Return the trainings that need not be named because a selection among the paths has read them, or will."""
        found = set()
        for path in paths:
            runs = [cell.run.name for cell in self.plan.of(*self._selections.get(path, ("", "", "")))]
            found |= {run for run in runs if self._is_there(run)} if path.exists() else set(runs)
        return found

    def _named(self, path: Path, behind: Container[str]) -> Iterable[Path]:
        """Return what stands for a file: for a training's predictions its val.npz, and themselves if they are lost."""
        run = self._trainings.get(path.parent)
        if run is None or (self._is_there(run) and not path.exists()):
            return (path,)
        return () if run in behind else (self.layout.predictions(run) / "val.npz",)

    @functools.cached_property
    def _selections(self) -> dict[Path, tuple[str, str, str]]:
        """File of a selection -> arm, data set and method."""
        choices = ((arm.name, *choice) for arm in self.plan.arms for choice in arm.choices())
        return {self.layout.selection(*choice): choice[:3] for choice in choices}

    @functools.cached_property
    def _trainings(self) -> dict[Path, str]:
        """Folder of predictions -> training."""
        return {self.layout.predictions(run): run for run in (*self.plan.stage1, *self.plan.trainings)}

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
