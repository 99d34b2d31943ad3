"""From a study to its runs: specs, ids, readable names, and what builds on what."""

import functools
from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Any

from bam import catalogue
from bam.catalogue import suggestion
from bam.code_digest import digest
from bam.data.raw import contents_of, raw_names
from bam.data.sources import RawSet
from bam.errors import ConfigError
from bam.files import canonical_json, short_hash
from bam.pretrained import Pretrained, find, needs_configuration
from bam.recipe import RunSpec, Step, Training, is_predicted
from bam.study import Arm, Setting, Study, arms

STEP_MODULES = {
    "prepare": ("bam.steps.prepare",),
    "annotate": ("bam.steps.annotate",),
    "stage1": ("bam.steps.stage1",),
    "error_set": ("bam.steps.error_set",),
    "stage2": ("bam.steps.stage2", "bam.steps.error_set"),
    "train": ("bam.steps.train",),
}


_digest = functools.cache(digest)  # each run of a plan asks for one of a few


@dataclass(frozen=True)
class DataSet:
    """One prepared data set and its groups: ids, the raw sets and the settings they come from.

    Attributes
    ----------
    settings : all of them, as groups are made from
    array_settings : those that the arrays are made from; two data sets may share arrays and differ in groups
    partition : the same data with the groups that a method trains on, where its own overlap
    """

    data_id: str
    groups_id: str
    raw: tuple[str, ...]
    settings: Mapping[str, Any]
    array_settings: Mapping[str, Any]
    partition: "DataSet | None" = None

    @property
    def for_training(self) -> "DataSet":
        """The data set whose groups a method may train on."""
        return self.partition or self


@dataclass(frozen=True)
class Run:
    """One training job.

    Attributes
    ----------
    name : folder name, ``<step>/<method>-<main settings>-seed<k>-<id>``
    previous : name of the stage-1 run at the next lower T, to go on from
    stage1 : name of the stage-1 run that a stage 2 builds on
    error_set : name of the error set that a stage 1 gives, or that a stage 2 trains on
    pretrained : the weights that its fresh model starts from
    """

    name: str
    spec: RunSpec
    dataset: DataSet
    previous: str | None = None
    stage1: str | None = None
    error_set: str | None = None
    pretrained: Pretrained | None = None


@dataclass(frozen=True)
class Cell:
    """One place in the grid of one arm: data set x method x setting x seed."""

    arm: str
    dataset: str
    method: str
    setting: Setting
    seed: int
    run: Run
    stage1: Run | None


@dataclass(frozen=True)
class Plan:
    """All runs of a study; runs that several arms share stand once.

    Attributes
    ----------
    datasets : id of groups -> data set
    error_sets : name of an error set -> the stage-1 run whose predictions give it
    """

    study: Study
    arms: tuple[Arm, ...]
    datasets: Mapping[str, DataSet]
    stage1: Mapping[str, Run]
    error_sets: Mapping[str, Run]
    trainings: Mapping[str, Run]
    cells: tuple[Cell, ...]
    pretrained: Mapping[str, Pretrained]

    def of(self, arm: str, dataset: str, method: str) -> list[Cell]:
        """Return the cells that one selection chooses among, in config order."""
        return self._by_choice.get((arm, dataset, method), [])

    @functools.cached_property
    def _by_choice(self) -> dict[tuple[str, str, str], list[Cell]]:
        found: dict[tuple[str, str, str], list[Cell]] = {}
        for cell in self.cells:
            found.setdefault((cell.arm, cell.dataset, cell.method), []).append(cell)
        return found


def make_plan(study: Study, sources: Mapping[str, RawSet]) -> Plan:
    """Expand a study to its runs.

    Parameters
    ----------
    sources
        The raw sets of `config/datasets.yaml`; their content hashes go into the ids of data.
    """
    all_arms = tuple(arms(study))
    known: dict[str, DataSet] = {}
    cells = [
        _cell(arm, dataset, method, setting, seed, sources, known)
        for arm in all_arms
        for dataset in arm.study.file.datasets
        for method, settings in arm.study.settings.items()
        for setting in settings
        for seed in arm.study.file.seeds
    ]
    stage1 = _chained([cell.stage1 for cell in cells if cell.stage1])
    return Plan(
        study=study,
        arms=all_arms,
        datasets={data.groups_id: data for cell in cells for data in _data_sets(cell.run)},
        stage1=stage1,
        error_sets={run.error_set: run for run in stage1.values() if run.error_set},
        trainings={cell.run.name: cell.run for cell in cells},
        cells=tuple(cells),
        pretrained={
            run.pretrained.id: run.pretrained
            for cell in cells
            for run in (cell.stage1, cell.run)
            if run is not None and run.pretrained is not None
        },
    )


def _data_sets(run: Run) -> list[DataSet]:
    """Return the data sets that a run and its evaluation need."""
    return [run.dataset, run.dataset.for_training] if run.spec.training.needs_groups else [run.dataset]


def data_set(settings: dict[str, Any], sources: Mapping[str, RawSet]) -> DataSet:
    """Return ids for one resolved `datasets:` entry.

    Raises
    ------
    ConfigError
        If its raw set is not in `config/datasets.yaml`.
    """
    kind = str(settings["kind"])
    module = catalogue.load("kind", kind, "kind")
    group_settings = getattr(module, "GROUP_SETTINGS", ())
    # With the defaults, so that a setting that is left out gives the same id as one that is written.
    settings = {**{key: module.Settings.model_fields[key].default for key in group_settings}, **settings}
    raws = raw_names(module, settings)
    for raw in raws:
        if raw not in sources:
            near = suggestion(raw, sources)
            raise ConfigError(f"config/datasets.yaml: has no raw set {raw!r}, which {kind} is made from{near}")
    contents: dict[str, Any] = {raw: contents_of(sources[raw]) for raw in raws}
    if hasattr(module, "fingerprint"):
        contents["own"] = module.fingerprint(settings)
        if "fingerprint" in module.Settings.model_fields:
            # As a setting it reaches `prepare` and `annotate`, which refuse contents that have changed since.
            settings = {**settings, "fingerprint": contents["own"]}
    arrays = {key: value for key, value in settings.items() if key not in group_settings}
    data_id = f"{kind}-{short_hash([arrays, contents, _code('prepare', kind=kind)])}"
    groups_id = f"{kind}-{short_hash([settings, contents, _code('annotate', kind=kind)])}"
    trained = {**settings, **getattr(module, "TRAINING_GROUPS", {})}
    partition = data_set(trained, sources) if trained != settings else None
    return DataSet(data_id, groups_id, raws, settings, arrays, partition)


def _data_set(settings: dict[str, Any], sources: Mapping[str, RawSet], known: dict[str, DataSet]) -> DataSet:
    """Return `data_set`, once for each entry of a plan: one's own data is hashed for it."""
    key = canonical_json(settings)
    if key not in known:
        known[key] = data_set(settings, sources)
    return known[key]


def _code(step: str, **named: str) -> str:
    """Return the digest of a step's code and of the kind it will look up by name."""
    return _digest((*STEP_MODULES[step], *(catalogue.module_name(w, n) for w, n in named.items())))


def _cell(  # noqa: PLR0913  (a cell's place, and what is known of files)
    arm: Arm,
    dataset: str,
    method: str,
    setting: Setting,
    seed: int,
    sources: Mapping[str, RawSet],
    known: dict[str, DataSet],
) -> Cell:
    study, recipe = arm.study, setting.recipe
    data = _data_set(study.dataset_settings(dataset, seed), sources, known)
    weights, stage1 = find(study.file.model, sources), None
    if recipe.stage1 is not None:
        stage1 = _run(study, "stage1", method, data, _watched(recipe.stage1), recipe.stage1_label, seed, weights)
    step: Step = "train" if stage1 is None else "stage2"
    run = _run(study, step, method, data, recipe.final, recipe.label, seed, weights, stage1)
    return Cell(arm.name, dataset, method, setting, seed, run, stage1)


def _run(  # noqa: PLR0913  (the parts of one spec)
    study: Study,
    step: Step,
    method: str,
    data: DataSet,
    training: Training,
    label: str,
    seed: int,
    weights: Pretrained | None,
    stage1: Run | None = None,
) -> Run:
    is_final = step != "stage1"
    if training.start == "stage1" and not needs_configuration(study.file.model):
        weights = None
    spec = RunSpec(
        step=step,
        method=method,
        dataset=data.data_id,
        model=dict(study.file.model),
        training=training,
        seed=seed,
        threads=study.file.threads,
        precision=study.file.precision,
        keep_logits=tuple(e for e in study.file.keep_logits if is_final and _is_predicted(e, training, study)),
        keep_weights=tuple(study.file.keep_weights) if is_final else (),
        stage1=stage1.spec.result_id if stage1 else None,
        groups=data.for_training.groups_id if training.needs_groups else None,
        code=_training_code(step, study),
        pretrained=weights.id if weights else None,
        compile=study.file.compile,
        predict_every=study.file.predict_every if is_final else 1,
    )
    stem = f"{method}-{label}-seed{seed}"
    name = f"{step}/{stem}-{spec.id}"
    if is_final:
        below = {"stage1": stage1.name, "error_set": stage1.error_set} if stage1 else {}
        return Run(name, spec, data, pretrained=weights, **below)
    error_set = f"error_set/{stem}-{short_hash([spec.result_id, _code('error_set')])}"
    return Run(name, spec, data, error_set=error_set, pretrained=weights)


def _is_predicted(epoch: int, training: Training, study: Study) -> bool:
    return epoch <= training.epochs and is_predicted(epoch, training.epochs, study.file.predict_every)


def _training_code(step: Step, study: Study) -> str:
    """Return the digest of a training's code: its step, its model, and the rules whose weights it keeps."""
    rules = () if step == "stage1" else study.file.keep_weights
    modules = [catalogue.module_name("model", str(study.file.model["name"]))]
    modules += [catalogue.module_name("rule", rule) for rule in rules]
    return _digest((*STEP_MODULES[step], *modules))


def _watched(training: Training) -> Training:
    """Leave out watched epochs beyond this T, so that a larger T elsewhere changes no id here."""
    return training.model_copy(update={"watch_epochs": tuple(e for e in training.watch_epochs if e < training.epochs)})


def _chained(runs: list[Run]) -> dict[str, Run]:
    """Let each stage 1 go on from the run that differs from it in nothing but a lower T."""
    by_family: dict[str, list[Run]] = {}
    for run in {run.name: run for run in runs}.values():
        family = run.spec.model_dump(mode="json")
        family["training"] |= {"epochs": None, "watch_epochs": None}
        by_family.setdefault(canonical_json(family), []).append(run)
    chained: dict[str, Run] = {}
    for members in by_family.values():
        ordered = sorted(members, key=lambda run: run.spec.training.epochs)
        for run, lower in zip(ordered, [None, *ordered], strict=False):
            previous = lower.name if lower else None
            chained[run.name] = replace(run, previous=previous)
    return chained
