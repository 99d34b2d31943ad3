"""A study config: read, checked as a whole before anything runs, and expanded to settings."""

import copy
import itertools
import json
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from bam import catalogue
from bam.catalogue import suggestion
from bam.config_errors import validated
from bam.data.examples import Sizes
from bam.errors import ConfigError
from bam.grid import axes, expand
from bam.recipe import Recipe, is_predicted
from bam.selection import RULES
from bam.study_checks import check_inputs, check_lists, check_once, check_validation_size, held
from bam.study_file import NAME, PER_SEED, Scalar, StudyFile
from bam.study_list import check_one
from bam.yaml_files import read_layers


@dataclass(frozen=True)
class Setting:
    """One grid point of a method: what varies in the grid, and what it trains."""

    varied: Mapping[str, Any]
    recipe: Recipe


@dataclass(frozen=True)
class Study:
    """A valid study.

    Attributes
    ----------
    content : the config as read, for restricting and for the report
    source : file name(s), for messages
    settings : method -> its grid points, in config order
    """

    file: StudyFile
    content: Mapping[str, Any]
    source: str
    settings: Mapping[str, tuple[Setting, ...]]

    @property
    def name(self) -> str:
        """The study's name, also its folder under results/."""
        return self.file.study

    def only(self, dataset: str, method: str, rules: Sequence[str] = ()) -> "Study":
        """Return the same study with one data set, one method and (if given) some rules, without analyses."""
        content = {key: value for key, value in self.content.items() if key != "analyses"}
        content["datasets"] = {dataset: self.content["datasets"][dataset]}
        content["methods"] = {method: self.content["methods"][method]}
        content["selection"] = list(rules) or self.content["selection"]
        return parse_study(content, self.source)

    def rules_for(self, method: str) -> list[str]:
        """Return the study's rules that apply to a method: without a stage 1 there are no error cells."""
        has_stage1 = self.settings[method][0].recipe.stage1 is not None
        return [rule for rule in self.file.selection if has_stage1 or not RULES[rule].needs_stage1]

    def dataset_settings(self, dataset: str, seed: int) -> dict[str, Any]:
        """Return a data set's resolved settings for one seed: `per_seed` becomes the seed."""
        entry = self.file.datasets[dataset]
        return _seeded(entry, seed)

    def has_groups(self, dataset: str) -> bool:
        """Return whether a data set has an attribute that makes groups."""
        return self._sizes(dataset).has_groups

    def has_images(self, dataset: str) -> bool:
        """Return whether a data set's examples are images, and not texts."""
        return held(self._sizes(dataset).input_shape) == "image"

    def _sizes(self, dataset: str) -> Sizes:
        settings = self.dataset_settings(dataset, self.file.seeds[0])
        module = catalogue.load("kind", str(settings["kind"]), f"{self.source}: datasets.{dataset}.kind")
        sizes: Sizes = module.sizes(module.Settings.model_validate(settings))
        return sizes

    def json(self) -> str:
        """Return the content as JSON, which `--study` takes in place of a file; its order is the config's."""
        return json.dumps(self.content, separators=(",", ":"))


def read_study(source: str) -> Study:
    """Read a study from a YAML file, or from JSON text that begins with ``{``.

    Raises
    ------
    ConfigError
        With file, key, what was seen and what to do.
    """
    if source.lstrip().startswith("{"):
        try:
            content = json.loads(source)
        except json.JSONDecodeError as error:
            raise ConfigError(f"study: is not valid JSON ({error})") from error
        return parse_study(content, "study")
    return check_study(read_layers(Path(source)), source)


def check_study(content: Any, source: str) -> Study:
    """Check a study as a user wrote it: each part, its sweeps, and the epochs it wants kept.

    Raises
    ------
    ConfigError
        As `read_study`.
    """
    study = parse_study(content, source)
    _check_epochs(study)
    for method in study.settings:
        if not study.rules_for(method):
            raise ConfigError(
                f"{source}: selection: {method} has no stage 1, and each of these rules needs one; "
                "add a rule that needs none, such as class_difference or last"
            )
    for _ in arms(study):
        pass
    return study


def parse_study(content: Any, source: str) -> Study:
    """Check every part of a study's content by itself, and expand its grids.

    Raises
    ------
    ConfigError
        As `read_study`.
    """
    check_one(content, source)
    if not isinstance(content, dict):
        raise ConfigError(f"{source}: expected keys such as study, seeds, datasets; see config/README.md")
    file = validated(StudyFile, content, f"{source}: ")
    for where, names in (("study", [file.study]), ("datasets", file.datasets), ("analyses", file.analyses)):
        for name in names:
            if not NAME.fullmatch(name):
                raise ConfigError(f"{source}: {where}: {name!r} is not allowed: use letters, digits and _")
    check_lists(file, source)
    shapes, without_groups = {}, []
    for name, entry in file.datasets.items():
        kind = _named(entry, "kind", f"{source}: datasets.{name}")
        module = catalogue.load("kind", kind, f"{source}: datasets.{name}.kind")
        settings = validated(module.Settings, _seeded(entry, 0), f"{source}: datasets.{name}")
        sizes: Sizes = module.sizes(settings)
        check_validation_size(file, name, sizes.n_examples["val"], source)
        shapes[name] = sizes.input_shape
        without_groups += [] if sizes.has_groups else [name]
    model = _named(file.model, "name", f"{source}: model")
    module = catalogue.load("model", model, f"{source}: model.name")
    validated(module.Settings, file.model, f"{source}: model")
    check_inputs(model, module.KIND, shapes, source)
    grids = {name: _settings(name, entry, source) for name, entry in file.methods.items()}
    if without_groups:
        _check_group_free(file, grids, without_groups[0], source)
    return Study(file, content, source, grids)


@dataclass(frozen=True)
class Arm:
    """A part of a study within which selection happens: the main one, or one value (or pair) of a sweep."""

    name: str
    study: Study
    analysis: str = ""
    value: Scalar = ""
    second_value: Scalar = ""

    def choices(self) -> Iterator[tuple[str, str, str]]:
        """Yield (dataset, method, rule) in config order: what is selected within this arm."""
        for dataset in self.study.file.datasets:
            for method in self.study.settings:
                for rule in self.study.rules_for(method):
                    yield dataset, method, rule


def arms(study: Study) -> Iterator[Arm]:
    """Yield the main arm, then one for each value of each analysis.

    Raises
    ------
    ConfigError
        If an axis names nothing in the config, or a value is not allowed there.
    """
    yield Arm("main", study)
    for name, analysis in study.file.analyses.items():
        where = f"{study.source}: analyses.{name}"
        for value, other in itertools.product(analysis.values, analysis.across.values if analysis.across else [None]):
            point = {**analysis.fixed, analysis.axis: value}
            if analysis.across is None or other is None:
                yield Arm(f"{name}-{value}", _at(study, point, (analysis.axis,), where), name, value)
            else:
                swept = (analysis.axis, analysis.across.axis)
                part = _at(study, {**point, analysis.across.axis: other}, swept, where)
                yield Arm(f"{name}-{value}-{other}", part, name, value, other)


def _at(study: Study, point: Mapping[str, Any], swept: Sequence[str], where: str) -> Study:
    """Return the study at one point of a sweep; a sweep of one method's settings leaves the other methods out."""
    content = copy.deepcopy({k: v for k, v in study.content.items() if k != "analyses"})
    for key, entry in point.items():
        _set(content, key, entry, where)
    methods = {key.split(".")[0] for key in swept} & set(content["methods"])
    if methods:
        content["methods"] = {name: entry for name, entry in content["methods"].items() if name in methods}
    return parse_study(content, where)


def _set(content: dict[str, Any], key: str, value: Any, where: str) -> None:
    """Set a dotted key that is there already; `bam.stage1.epochs` means `methods.bam.stage1.epochs`."""
    path = key.split(".")
    if path == ["validation_size"]:
        content["validation_size"] = value
        return
    if path[0] not in ("datasets", "model"):
        path = ["methods", *path]
    place: Any = content
    for depth, step in enumerate(path):
        if not isinstance(place, dict) or step not in place:
            known = list(place) if isinstance(place, dict) else []
            missing = ".".join(path[: depth + 1])
            near = suggestion(step, known) or "; a key with a default must be written into the config to be swept"
            raise ConfigError(f"{where}: {key}: there is no {missing}{near}")
        if depth == len(path) - 1:
            place[step] = value
        place = place[step]


def _settings(method: str, entry: dict[str, Any], source: str) -> tuple[Setting, ...]:
    where = f"{source}: methods.{method}"
    module = catalogue.load("method", method, f"{source}: methods")
    for key, values in axes(entry, module.Settings).items():
        if not values:
            raise ConfigError(f"{where}.{key}: the list is empty, so there is nothing to run")
        check_once(values, f"{where}.{key}")
    points = expand(entry, module.Settings)
    return tuple(Setting(varied, validated(module.Settings, p, where).recipe()) for varied, p in points)


def _seeded(entry: Mapping[str, Any], seed: int) -> dict[str, Any]:
    """Resolve `data_seed: per_seed`."""
    return {**entry, "data_seed": seed} if entry.get("data_seed") == PER_SEED else dict(entry)


def _named(entry: dict[str, Any], key: str, where: str) -> str:
    if key not in entry:
        raise ConfigError(f"{where}.{key}: is missing, and has no default")
    if not isinstance(entry[key], str):
        raise ConfigError(f"{where}.{key}: {entry[key]!r} is not allowed: expected a name")
    return str(entry[key])


def _check_group_free(file: StudyFile, grids: Mapping[str, Sequence[Setting]], dataset: str, source: str) -> None:
    """Refuse rules and methods that need groups where a data set has none."""
    free = [name for name, rule in RULES.items() if rule.needs_groups == "none"]
    for name in file.selection:
        if name not in free:
            raise ConfigError(
                f"{source}: selection: {name!r} needs groups, and datasets.{dataset} has no attributes; "
                f"name attributes, or use {', '.join(free)}"
            )
    for name, settings in grids.items():
        if any(setting.recipe.needs_train_groups for setting in settings):
            raise ConfigError(
                f"{source}: methods.{name}: trains on groups, and datasets.{dataset} has no attributes; "
                "name attributes, or leave the method out"
            )


def _check_epochs(study: Study) -> None:
    """Refuse epochs to keep that no run of the method reaches."""
    for method, settings in study.settings.items():
        stages = [setting.recipe.stage1 for setting in settings if setting.recipe.stage1]
        watched = {epoch for stage in stages for epoch in stage.watch_epochs}
        n_stage1 = max((stage.epochs for stage in stages), default=0)
        for epoch in sorted(watched - set(range(1, n_stage1 + 1))):
            raise ConfigError(
                f"{study.source}: methods.{method}.stage1.watch_epochs: {epoch} is beyond "
                f"the {n_stage1} stage-1 epochs; stage1.epochs (T) must reach it"
            )
    lengths = {s.recipe.final.epochs for settings in study.settings.values() for s in settings}
    n_epochs = max(lengths)
    for epoch in study.file.keep_logits:
        if not 1 <= epoch <= n_epochs:
            raise ConfigError(f"{study.source}: keep_logits: {epoch} is beyond the {n_epochs} epochs of every run")
        if not any(is_predicted(epoch, last, study.file.predict_every) for last in lengths):
            raise ConfigError(
                f"{study.source}: keep_logits: {epoch} is not predicted; predict_every {study.file.predict_every} "
                "leaves its multiples and the last epoch"
            )
