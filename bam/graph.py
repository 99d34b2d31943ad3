"""What the rules of data and training ask: which files a job needs, and which settings it gets.

A run's folder name holds its id, and the id everything that can change the run; so a job whose
predictions are all there needs nothing, and asks for no input. Then no time stamp, no missing raw
file, no weights or inputs that were not pulled, and no added lower T can make Snakemake repeat it.
For the same reason the training rules' params take `input` as an argument: Snakemake records no such
params, so that a new lower T to go on from, or another device, repeats nothing that is there.
"""

import functools
import os
import sys
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from bam.data.raw import contents_of
from bam.data.sources import read_sources
from bam.errors import ConfigError, RunError
from bam.files import canonical_json
from bam.layout import GROUP_FILES, LABEL_FILES, SPLIT_FILES, Layout
from bam.plan import DataSet, Run, make_plan
from bam.pretrained import FILES, RECORD
from bam.run_files import Stage1Files
from bam.study import check_study
from bam.yaml_files import EXTENDS, read_yaml, with_base

SOURCES = Path("config/datasets.yaml")


class Graph:
    """The plan of one study, as files.

    Parameters
    ----------
    content
        The study config as Snakemake has it.
    source
        The config file's name, for messages.
    config_files
        The files that the content was read from.
    """

    def __init__(self, content: Mapping[str, Any], source: str, config_files: Sequence[Path | str] = ()) -> None:
        # Read again for mistakes that the parsed content no longer shows, such as a key written twice.
        layers = [read_yaml(Path(path)) for path in config_files]
        if len(layers) > 1 and any(isinstance(layer, dict) and EXTENDS in layer for layer in layers):
            raise ConfigError(f"{source}: {EXTENDS}: does not go with several config files; let one extend the other")
        self.study = check_study(with_base(dict(content), Path(config_files[-1] if config_files else source)), source)
        self.raw_sets = read_sources(SOURCES)
        self.plan = make_plan(self.study, self.raw_sets)
        self.layout = Layout(Path("data"), Path("results") / self.study.name)
        self.by_data_id = {data.data_id: data for data in self.plan.datasets.values()}
        self.weights = tuple(f"{rule}.safetensors" for rule in self.study.file.keep_weights)

    def check_writable(self) -> None:
        """Refuse a results folder that cannot be written to, unless every run and the report are there.

        Snakemake would name each file in turn, or end in a traceback where a folder is missing.

        Raises
        ------
        RunError
            Naming the folder, or the one above that it is to be made in.
        """
        place = self.layout.results
        while not place.exists() and place != place.parent:
            place = place.parent
        if os.access(place, os.W_OK) and place.is_dir():
            return
        files = [*map(Path, self.run_files()), self.layout.results / "report.html"]
        if all(path.exists() for path in files):
            return
        raise RunError(
            f"{place}: cannot be written to; make the folder writable, "
            "or put a link to a folder on another disk in its place; what is finished is kept"
        )

    # Data

    def raw_set(self, name: str) -> str:
        """Return the content hashes of a raw set, so that other contents are fetched anew."""
        return canonical_json(contents_of(self.raw_sets[name]))

    def fetched(self, dataset: DataSet, folder: Path, files: Sequence[str]) -> list[str]:
        """Return the markers of the raw sets, or nothing if all of `files` are in `folder`."""
        if all((folder / name).exists() for name in files):
            return []
        return [str(self.layout.raw(raw) / "fetched.json") for raw in dataset.raw]

    def data_settings(self, data_id: str) -> str:
        """Return the resolved settings of prepared data as JSON."""
        return canonical_json(self.by_data_id[data_id].array_settings)

    def group_settings(self, groups_id: str) -> str:
        """Return the resolved settings of groups as JSON."""
        return canonical_json(self.plan.datasets[groups_id].settings)

    def raw_options(self, an_id: str) -> str:
        """Return the options that name the folders of raw files behind prepared data or groups."""
        dataset = self.by_data_id.get(an_id) or self.plan.datasets[an_id]
        return " ".join(f"--raw {self.layout.raw(raw)}" for raw in dataset.raw)

    def raw_for_prepare(self, data_id: str) -> list[str]:
        """Return what `prepare` needs; where no run has to train, labels are enough."""
        files = SPLIT_FILES if data_id in self._to_train_on else LABEL_FILES
        return self.fetched(self.by_data_id[data_id], self.layout.prepared(data_id), files)

    def raw_for_annotate(self, groups_id: str) -> list[str]:
        """Return what `annotate` needs."""
        return self.fetched(self.plan.datasets[groups_id], self.layout.groups(groups_id), GROUP_FILES)

    def pretrained_model(self, pretrained_id: str) -> str:
        """Return the `model:` entry behind pretrained weights as JSON."""
        return canonical_json(dict(self.plan.pretrained[pretrained_id].model))

    def pretrained_raw(self, pretrained_id: str) -> str | None:
        """Return the folder of the raw set behind pretrained weights, None if they are from elsewhere."""
        raw = self.plan.pretrained[pretrained_id].raw
        return None if raw is None else str(self.layout.raw(raw))

    def raw_for_pretrained(self, pretrained_id: str) -> list[str]:
        """Return what `pretrained` needs."""
        raw, folder = self.pretrained_raw(pretrained_id), self.layout.pretrained(pretrained_id)
        return [] if raw is None or all((folder / file).exists() for file in FILES) else [f"{raw}/fetched.json"]

    def pretrained_raw_options(self, pretrained_id: str) -> str:
        """Return the option that names the folder of the raw set."""
        raw = self.pretrained_raw(pretrained_id)
        return "" if raw is None else f"--raw {raw}"

    # Training

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
    def _to_train_on(self) -> frozenset[str]:
        """The ids of the data that a run has to train on."""
        return frozenset(self.run(name).dataset.data_id for name in self._to_train)

    def manifest(self, name: str) -> list[str]:
        """Return the manifest that a run trains on, or nothing if the run is done.

        Arrays are named only where one is missing, so that it is made again.
        """
        if self.is_done(name):
            return []
        folder = self.layout.prepared(self.run(name).dataset.data_id)
        missing = [path for file in SPLIT_FILES if not (path := folder / file).exists()]
        return [str(path) for path in dict.fromkeys([folder / "manifest.json", *missing])]

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

    def error_set_path(self, name: str) -> str:
        """Return the error set that a stage 2 trains on."""
        error_set = self.run(name).error_set
        assert error_set is not None
        return str(self.layout.predictions(error_set) / "error_set.npz")

    def error_set(self, name: str) -> list[str]:
        """Return the same as a list, or nothing if the run is done."""
        return [] if self.is_done(name) else [self.error_set_path(name)]

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

    # Targets

    def data_files(self) -> list[str]:
        """Return one file of every prepared data set and of its groups, and the record of all pretrained weights."""
        weights = [str(self.layout.pretrained(name) / RECORD) for name in self.plan.pretrained]
        return weights + [
            str(path)
            for data in self.plan.datasets.values()
            for path in (
                self.layout.prepared(data.data_id) / "manifest.json",
                self.layout.groups(data.groups_id) / "groups.json",
            )
        ]

    def run_files(self) -> list[str]:
        """Return the predictions of every stage 1 and every final training, and every error set."""
        trained = [self.layout.predictions(name) / "val.npz" for name in (*self.plan.stage1, *self.plan.trainings)]
        error_sets = [self.layout.predictions(name) / "error_set.npz" for name in self.plan.error_sets]
        return [str(path) for path in [*trained, *error_sets]]


def use_own_python() -> None:
    """Let `python` in shell commands be the one that runs Snakemake, unless a conda environment goes before it."""
    os.environ["PATH"] = f"{Path(sys.executable).parent}{os.pathsep}{os.environ['PATH']}"
