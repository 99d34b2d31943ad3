"""What the rules of selection and reporting ask: which files a job reads, and digests of what it covers.

These jobs take seconds, so Snakemake may repeat them by time stamps; the digests, as params, make
it notice what a time stamp does not show: a shrunken grid, other groups, other code.

A training writes all its predictions in one go, so naming one of them is enough, and of a large grid as
few as possible are named: Snakemake's planning takes the longer the more there are. The others are named
where they are lost, so that they are made again.
"""

import functools
import shlex
from collections.abc import Container, Iterable
from pathlib import Path
from typing import get_args

from bam import catalogue
from bam.code_digest import digest
from bam.files import short_hash
from bam.layout import Layout
from bam.plan import Plan
from bam.selection import RULES, Sight, sight_of
from bam.steps import figure as figure_step
from bam.steps import table as table_step


def rule_name(step: str, sight: Sight) -> str:
    """Return the name of the rule that selects, or evaluates what was selected, by rules of one sight."""
    return step if sight == "labels" else f"{step}_by_{sight}"


class AnalysisGraph:
    """The selections, evaluations, tables and figures of one plan, as files."""

    def __init__(self, plan: Plan, layout: Layout) -> None:
        self.plan = plan
        self.layout = layout
        self._arms = {arm.name: arm for arm in plan.arms}

    def sights(self) -> list[Sight]:
        """Return which of labels, errors and groups the study has rules for."""
        return [sight for sight in get_args(Sight) if self.rules(sight)]

    def rules(self, sight: Sight) -> list[str]:
        """Return the study's rules that see this much, in config order: one job applies them all to a method."""
        return [rule for rule in self.plan.study.file.selection if sight_of(rule) == sight]

    def part(self, arm: str, dataset: str, method: str, sight: Sight) -> str:
        """Return the study cut down to what selections choose among, as JSON."""
        return self._arms[arm].study.only(dataset, method, self.rules(sight)).json()

    def select_outputs(self, sight: Sight) -> list[str]:
        """Return the selections that one job makes, with wildcards for arm, data set and method."""
        return [str(self.layout.selection("{arm}", "{dataset}", "{method}", rule)) for rule in self.rules(sight)]

    def select_inputs(self, arm: str, dataset: str, method: str, sight: Sight) -> list[str]:
        """Return the validation predictions and labels that rules read, and groups for oracles."""
        of = self._validation(arm, dataset, method)
        has_errors = any(RULES[rule].needs_stage1 for rule in self.rules(sight))
        stage1 = self._stage1_validation(arm, dataset, method) if has_errors else ()
        groups = self._group_files(arm, dataset, method, "val") if sight == "groups" else ()
        return [*of, *stage1, *groups]

    def select_options(self, arm: str, dataset: str, method: str, sight: Sight) -> str:
        """Return the options of `bam select` that name rules and files, as they stand in a shell."""
        outs = [(rule, str(self.layout.selection(arm, dataset, method, rule))) for rule in self.rules(sight)]
        return shlex.join(word for rule, out in outs for word in ("--rule", rule, "--out", out))

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

    def select_code(self, sight: Sight) -> str:
        """Return the digest of the code of `select` and of the label-only rules, which it looks up by name."""
        known = catalogue.names("rule")
        by_name = [catalogue.module_name("rule", rule) for rule in self.rules(sight) if rule in known]
        return digest(("bam.steps.select", *by_name))

    def evaluate_outputs(self, sight: Sight) -> list[str]:
        """Return the evaluations that one job makes and their checksums, with wildcards as `select_outputs`."""
        made = [self.layout.evaluation("{arm}", "{dataset}", "{method}", rule) for rule in self.rules(sight)]
        return [name for path in made for name in (str(path), f"{path}.sha256")]

    def evaluate_inputs(self, arm: str, dataset: str, method: str, sight: Sight) -> list[str]:
        """Return selections, the groups by which chosen runs are scored, and test predictions that are lost."""
        chosen = [self.layout.selection(arm, dataset, method, rule) for rule in self.rules(sight)]
        is_selected = any(path.exists() for path in chosen)
        runs = dict.fromkeys(cell.run.name for cell in self.plan.of(arm, dataset, method))
        tests = (self.layout.predictions(run) / "test.npz" for run in runs if is_selected or self._is_there(run))
        lost = (str(path) for path in tests if not path.exists())
        return [*map(str, chosen), *lost, *self._group_files(arm, dataset, method, "test")]

    def evaluate_options(self, arm: str, dataset: str, method: str, sight: Sight) -> str:
        """Return the options of `bam evaluate` that name files, as they stand in a shell."""
        choices = [(arm, dataset, method, rule) for rule in self.rules(sight)]
        files = [(str(self.layout.selection(*each)), str(self.layout.evaluation(*each))) for each in choices]
        return shlex.join(word for chosen, out in files for word in ("--selection", chosen, "--out", out))

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
        """Return the files that a figure reads."""
        return [str(path) for path in figure_step.inputs(name, self.plan, self.layout)]

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
