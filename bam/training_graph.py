"""What the training rules ask: which files a job needs, and which settings it gets.

A run's folder name holds its id, and the id everything that can change the run; so a job whose
predictions are all there needs nothing, and asks for no input. Then no time stamp, no missing raw
file, no weights or inputs that were not pulled, and no added lower T can make Snakemake repeat it.
For the same reason the training rules' params take `input` as an argument: Snakemake records no such
params, so that a new lower T to go on from, or another device, repeats nothing that is there.
"""

import functools
import shlex
from collections.abc import Mapping
from pathlib import Path

from bam.data.complete import missing_files
from bam.files import canonical_json
from bam.layout import SPLIT_FILES, Layout
from bam.plan import Plan, Run
from bam.pretrained import FILES
from bam.run_files import Stage1Files
from bam.workload import priorities


class TrainingGraph:
    """The trainings and error sets of one plan, as files."""

    def __init__(self, plan: Plan, layout: Layout) -> None:
        self.plan = plan
        self.layout = layout

    def run(self, name: str) -> Run:
        """Return a run by its name."""
        return self.plan.stage1[name] if name in self.plan.stage1 else self.plan.trainings[name]

    def spec(self, name: str) -> str:
        """Return a run's spec as JSON."""
        return canonical_json(self.run(name).spec.model_dump(mode="json"))

    def stage1_files(self, name: str) -> Stage1Files:
        """Return the files of a stage-1 run."""
        return Stage1Files.below(self.layout.predictions(name), self.layout.weights(name))

    def is_done(self, name: str) -> bool:
        """Return whether a run has nothing left to do in this study."""
        return name not in self._to_train

    @functools.cached_property
    def _to_train(self) -> frozenset[str]:
        """The runs without predictions, and each stage 1 whose lost weights one of them starts from."""
        missing = {name for name in (*self.plan.stage1, *self.plan.trainings) if not self.layout.is_predicted(name)}
        starts = {self.run(name).stage1 for name in missing if self.stage1_model(name) is not None}
        return frozenset(missing | {name for name in starts if name and not self.stage1_files(name).model.exists()})

    @functools.cached_property
    def data(self) -> frozenset[str]:
        """The ids of the data that a run has yet to train on."""
        return frozenset(self.run(name).dataset.data_id for name in self._to_train)

    @functools.cached_property
    def missing(self) -> Mapping[str, list[str]]:
        """Id of prepared data -> its files that are not there."""
        ids = dict.fromkeys(data.data_id for data in self.plan.datasets.values())
        return {data_id: missing_files(self.layout.prepared(data_id)) for data_id in ids}

    def priority(self, name: str) -> float:
        """Return a final training's priority, by what it has to do."""
        return self._priorities[name]

    @functools.cached_property
    def _priorities(self) -> Mapping[str, float]:
        return priorities(self.plan)

    def inputs(self, name: str) -> list[str]:
        """Return what a training reads, or nothing if it is done."""
        if self.is_done(name):
            return []
        parts = (self.manifest, self.pretrained, self.previous, self.error_set, self.stage1_weights, self.train_groups)
        return [path for part in parts for path in part(name)]

    def options(self, name: str, device: str) -> str:
        """Return the options of the verb that trains a run, all but its spec."""
        folders = f"--predictions {self.layout.predictions(name)} --weights {self.layout.weights(name)}"
        parts = (
            f"--data {self.prepared(name)}",
            self.error_set_options(name),
            self.stage1_options(name),
            self.groups_options(name),
            self.previous_options(name),
            folders,
            self.pretrained_options(name),
            f"--device {shlex.quote(device)}",
        )
        return " ".join(part for part in parts if part)

    def manifest(self, name: str) -> list[str]:
        """Return the manifest that a run trains on, or nothing if the run is done.

        Arrays are named only where one is missing, so that it is made again.
        """
        if self.is_done(name):
            return []
        data_id = self.run(name).dataset.data_id
        folder, missing = self.layout.prepared(data_id), self.missing[data_id]
        if "manifest.json" in missing:
            return [str(folder / "manifest.json")]  # its rule makes all others
        # Where an array of every data set is missing, the rule that makes it makes all others.
        made = [name for name in missing if name in SPLIT_FILES] or missing
        return [str(folder / name) for name in dict.fromkeys(["manifest.json", *made])]

    def prepared(self, name: str) -> str:
        """Return the folder of prepared data that a run trains on."""
        return str(self.layout.prepared(self.run(name).dataset.data_id))

    def pretrained(self, name: str) -> list[str]:
        """Return the pretrained weights that a run's fresh model starts from, or nothing if the run is done."""
        weights = self.run(name).pretrained
        if weights is None or self.is_done(name):
            return []
        return [str(self.layout.pretrained(weights.id) / file) for file in FILES]

    def pretrained_options(self, name: str) -> str:
        """Return the option that names their folder."""
        weights = self.run(name).pretrained
        return "" if weights is None else f"--pretrained {self.layout.pretrained(weights.id)}"

    def previous(self, name: str) -> list[str]:
        """Return the state of the next lower T to go on from, if there is one and the run is not done.

        Where that run is done and its weights were not pulled, this one trains from the start instead,
        to the same bytes: nothing that is there is repeated.
        """
        previous = self._previous(name)
        if previous is None or self.is_done(name):
            return []
        return [str(path) for path in self.stage1_files(previous).continued()]

    def _previous(self, name: str) -> str | None:
        previous = self.run(name).previous
        if previous is None:
            return None
        is_there = all(path.exists() for path in self.stage1_files(previous).continued())
        return previous if is_there or not self.is_done(previous) else None

    def previous_options(self, name: str) -> str:
        """Return the options that name the lower T's folders."""
        previous = self._previous(name)
        if previous is None:
            return ""
        return (
            f"--previous-predictions {self.layout.predictions(previous)} "
            f"--previous-weights {self.layout.weights(previous)}"
        )

    def error_set_source(self, name: str) -> Path:
        """Return the stage-1 predictions on train that give an error set."""
        return self.stage1_files(self.plan.error_sets[name].name).train

    def error_set_inputs(self, name: str) -> list[str]:
        """Return what `error_set` reads, or nothing if the error set is there."""
        if (self.layout.predictions(name) / "error_set.npz").exists():
            return []
        return [str(self.error_set_source(name)), self.labels(name)]

    def labels(self, name: str) -> str:
        """Return the training labels behind an error set."""
        return str(self.layout.prepared(self.plan.error_sets[name].dataset.data_id) / "train" / "labels.npy")

    def error_set(self, name: str) -> list[str]:
        """Return the error set that a stage 2 trains on, or nothing if the run is done."""
        path = self._error_set_path(name)
        return [] if path is None or self.is_done(name) else [path]

    def error_set_options(self, name: str) -> str:
        """Return the option that names it."""
        path = self._error_set_path(name)
        return "" if path is None else f"--error-set {path}"

    def _error_set_path(self, name: str) -> str | None:
        run = self.run(name)
        if run.stage1 is None or run.error_set is None:
            return None
        return str(self.layout.predictions(run.error_set) / "error_set.npz")

    def stage1_model(self, name: str) -> Stage1Files | None:
        """Return stage 1's files for a One-M stage 2, which goes on from its model; None for a Two-M one."""
        run = self.run(name)
        if run.stage1 is None or run.spec.training.start != "stage1":
            return None
        return self.stage1_files(run.stage1)

    def stage1_weights(self, name: str) -> list[str]:
        """Return that model and the record to check it against, or nothing if the run is done."""
        files = self.stage1_model(name)
        return [] if files is None or self.is_done(name) else [str(files.model), str(files.record)]

    def stage1_options(self, name: str) -> str:
        """Return the options that name the two."""
        files = self.stage1_model(name)
        return "" if files is None else f"--stage1-weights {files.model} --stage1-record {files.record}"

    def train_groups_path(self, name: str) -> str | None:
        """Return the training groups for Group-DRO, None for other methods."""
        run = self.run(name)
        if not run.spec.training.needs_groups:
            return None
        return str(self.layout.groups(run.dataset.for_training.groups_id) / "train.csv")

    def train_groups(self, name: str) -> list[str]:
        """Return the same as a list, or nothing if the run is done."""
        path = self.train_groups_path(name)
        return [] if path is None or self.is_done(name) else [path]

    def groups_options(self, name: str) -> str:
        """Return the option that names the training groups."""
        path = self.train_groups_path(name)
        return "" if path is None else f"--groups {path}"
