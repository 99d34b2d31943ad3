"""The command lines that make a study, for someone without Snakemake: what the rules run, in order."""

import shlex
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from bam.files import canonical_json
from bam.layout import Layout
from bam.plan import Plan, Run
from bam.selection import Sight, sight_of
from bam.study import Arm


@dataclass(frozen=True)
class Block:
    """Command lines of one step."""

    title: str
    lines: tuple[str, ...]


def snakemake_line(plan: Plan) -> str:
    """Return the one command that does everything."""
    return shlex.join(["snakemake", "--cores", "all", "--configfile", config_file(plan)])


def config_file(plan: Plan) -> str:
    """Return the study's config file; a study that came as JSON belongs in one of its own name."""
    return plan.study.source if _is_file(plan) else f"config/{plan.study.name}.yaml"


def blocks(plan: Plan, layout: Layout, tables: Sequence[str], figures: Sequence[str], out: Path) -> list[Block]:
    """Return all command lines of a study, step by step."""
    runs = sorted(plan.stage1.values(), key=lambda run: run.spec.training.epochs)
    found = [
        Block("Fetch, prepare and annotate the data", tuple(_data(plan, layout))),
        Block("Stage 1 and its error sets", tuple(line for run in runs for line in _stage1(run, layout))),
        Block("Stage 2, and training in one stage", tuple(_final(run, layout) for run in plan.trainings.values())),
    ]
    found += [_selection(plan, arm, layout) for arm in plan.arms]
    common = ["--results", str(layout.results), "--data", str(layout.data)]
    reporting = [_with_study(plan, ["table", *tables], common), _with_study(plan, ["figure", *figures], common)]
    reporting.append(_with_study(plan, ["report"], [*common, "--out", str(out)]))
    found.append(Block("Tables, figures and this report", (*_assignment(plan), *reporting)))
    return [block for block in found if block.lines]


def _point(arm: Arm) -> str:
    return f"{arm.value}" + (f", {arm.second_value}" if arm.second_value != "" else "")


def _bam(*words: str) -> str:
    return shlex.join(["python", "-m", "bam", *words])


def _is_file(plan: Plan) -> bool:
    return Path(plan.study.source).suffix in (".yaml", ".yml")


def _assignment(plan: Plan) -> tuple[str, ...]:
    return () if _is_file(plan) else (f"STUDY={shlex.quote(plan.study.json())}",)


def _with_study(plan: Plan, verb: list[str], rest: list[str]) -> str:
    study = shlex.join(["--study", plan.study.source]) if _is_file(plan) else '--study "$STUDY"'
    return f"{_bam(*verb)} {study} {shlex.join(rest)}"


def _data(plan: Plan, layout: Layout) -> list[str]:
    raws = dict.fromkeys(raw for dataset in plan.datasets.values() for raw in dataset.raw)
    lines = [_bam("fetch", raw, "--out", str(layout.raw(raw))) for raw in raws]
    for dataset in plan.datasets.values():
        folders = [word for raw in dataset.raw for word in ("--raw", str(layout.raw(raw)))]
        for verb, settings, out in (
            ("prepare", dataset.array_settings, layout.prepared(dataset.data_id)),
            ("annotate", dataset.settings, layout.groups(dataset.groups_id)),
        ):
            lines.append(_bam(verb, "--settings", canonical_json(dict(settings)), *folders, "--out", str(out)))
    return list(dict.fromkeys(lines))  # data sets that differ in groups share arrays


def _training(verb: str, run: Run, layout: Layout) -> list[str]:
    folders = ["--predictions", str(layout.predictions(run.name)), "--weights", str(layout.weights(run.name))]
    return [verb, "--spec", spec_json(run), "--data", str(layout.prepared(run.dataset.data_id)), *folders]


def _stage1(run: Run, layout: Layout) -> list[str]:
    words = _training("stage1", run, layout)
    if run.previous:
        words += ["--previous-predictions", str(layout.predictions(run.previous))]
        words += ["--previous-weights", str(layout.weights(run.previous))]
    labels = layout.prepared(run.dataset.data_id) / "train" / "labels.npy"
    missed = ["--predictions", str(layout.predictions(run.name) / "train.npz"), "--labels", str(labels), "--out"]
    return [_bam(*words), _bam("error-set", *missed, _error_set(run, layout))]


def _error_set(run: Run, layout: Layout) -> str:
    assert run.error_set is not None
    return str(layout.predictions(run.error_set) / "error_set.npz")


def _final(run: Run, layout: Layout) -> str:
    words = _training(run.spec.step, run, layout)
    if run.stage1:
        words += ["--error-set", _error_set(run, layout)]
        if run.spec.training.start == "stage1":
            words += ["--stage1-weights", str(layout.weights(run.stage1) / "model.safetensors")]
    elif run.spec.training.needs_groups:
        words += ["--groups", str(layout.groups(run.dataset.for_training.groups_id) / "train.csv")]
    return _bam(*words)


def _selection(plan: Plan, arm: Arm, layout: Layout) -> Block:
    """Return the commands of one arm; a sweep's arms carry their own study, in a shell variable."""
    by_name = arm.name == "main" and _is_file(plan)
    study = shlex.join(["--study", plan.study.source]) if by_name else '--study "$STUDY"'
    common = shlex.join(["--results", str(layout.results), "--data", str(layout.data)])
    lines = [] if by_name else [f"STUDY={shlex.quote(arm.study.json())}"]
    jobs: dict[tuple[str, str, Sight], list[str]] = {}
    for dataset, method, rule in arm.choices():
        jobs.setdefault((dataset, method, sight_of(rule)), []).append(rule)
    for (dataset, method, _), rules in jobs.items():
        select, evaluate = ["--dataset", dataset, "--method", method], []
        for rule in rules:
            chosen = str(layout.selection(arm.name, dataset, method, rule))
            select += ["--rule", rule, "--out", chosen]
            evaluate += ["--selection", chosen, "--out", str(layout.evaluation(arm.name, dataset, method, rule))]
        lines.append(f"{_bam('select')} {study} {shlex.join(select)} {common}")
        lines.append(f"{_bam('evaluate')} {study} {shlex.join(evaluate)} {common}")
    title = "Select and evaluate" + ("" if arm.name == "main" else f", {arm.analysis}: {_point(arm)}")
    return Block(title, tuple(lines))


def spec_json(run: Run) -> str:
    """Return a run's settings as the JSON that `--spec` takes."""
    return canonical_json(run.spec.model_dump(mode="json"))
