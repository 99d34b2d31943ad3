"""What the rules of data ask: which files a job needs, and which settings it gets. Training's are in training_graph."""

import os
import sys
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from bam.data.raw import contents_of
from bam.data.sources import read_sources
from bam.errors import ConfigError
from bam.files import canonical_json
from bam.layout import GROUP_FILES, LABEL_FILES, SPLIT_FILES, Layout
from bam.plan import DataSet, make_plan
from bam.pretrained import FILES, RECORD
from bam.study import check_study
from bam.training_graph import TrainingGraph
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
        self.trainings = TrainingGraph(self.plan, self.layout)
        self.weights = tuple(f"{rule}.safetensors" for rule in self.study.file.keep_weights)

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
        needed = (*SPLIT_FILES, *self.trainings.missing[data_id]) if data_id in self.trainings.data else LABEL_FILES
        return self.fetched(self.by_data_id[data_id], self.layout.prepared(data_id), needed)

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
