"""Apply selection rules to the runs of one method on one data set."""

from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np

from bam.artifacts import read_predictions
from bam.catalogue import suggestion
from bam.data.prepared import open_labels, read_manifest
from bam.errors import ConfigError
from bam.evidence import Evidence, GroupEvidence, part_of
from bam.files import sha256_file, write_json
from bam.groups import read_scheme, read_split
from bam.layout import Layout
from bam.needs import needs_groups
from bam.plan import Cell, DataSet
from bam.selection import RULES, Candidate, Choice, Rule, Scope, choose_each


def select(
    cells: Sequence[Cell],
    outs: Mapping[str, Path],
    layout: Layout,
    scope: Scope,
    *,
    validation_size: int | None = None,
) -> None:
    """Choose a setting and an epoch per seed among `cells`, by each of some rules; write what was chosen, and why.

    Reads validation predictions and labels, once for all rules; validation groups only if one of them is an oracle.

    Parameters
    ----------
    cells
        All grid cells of one data set and one method, in config order.
    outs
        Rule -> JSON file to write.
    validation_size
        How many validation examples the rule may see; all if None.

    Raises
    ------
    ConfigError
        If there is no such rule, no cell, or no stage 1 where the rule needs one.
    """
    for name in outs:
        if name not in RULES:
            raise ConfigError(f"--rule: there is no {name!r}{suggestion(name, RULES)}; there is {', '.join(RULES)}")
    if not cells:
        raise ConfigError("the study has no runs of this data set and method; see `bam plan`")
    for name in outs:
        if RULES[name].needs_stage1 and cells[0].stage1 is None:
            raise ConfigError(f"--rule {name}: needs a stage 1, which {cells[0].method} has not")
    rules = [RULES[name] for name in outs]
    candidate = _reader(cells, layout, rules, validation_size)
    by_setting: dict[int, list[Cell]] = {}
    for cell in cells:
        by_setting.setdefault(id(cell.setting), []).append(cell)
    choices = choose_each(rules, ([candidate(cell) for cell in row] for row in by_setting.values()), scope)
    varied = [dict(row[0].setting.varied) for row in by_setting.values()]
    for (name, out), choice in zip(outs.items(), choices, strict=True):
        content = _content(cells[0], name, scope, choice, varied)
        write_json(out, {**content, "records": [_record(layout, scored.run) for scored in choice.chosen]})


def _record(layout: Layout, run: str) -> str | None:
    """Return the SHA-256 of a run's record: made again elsewhere, it may be chosen alike and test otherwise."""
    path = layout.predictions(run) / "record.json"
    return sha256_file(path) if path.exists() else None


def _content(cell: Cell, rule: str, scope: Scope, choice: Choice, varied: list[dict[str, object]]) -> dict[str, Any]:
    return {
        "dataset": cell.dataset,
        "method": cell.method,
        "selection": rule,
        "scope": scope,
        "needs_groups": needs_groups(cell.setting.recipe.needs_train_groups, RULES[rule].needs_groups),
        "n_settings": len(varied),
        "settings": [
            {"setting": setting, "mean_score": mean} for setting, mean in zip(varied, choice.mean_scores, strict=True)
        ],
        "left_out": list(choice.left_out),
        "chosen": [
            {
                "seed": scored.seed,
                "run": scored.run,
                "setting": dict(scored.setting),
                "epoch": scored.epoch,
                "score": scored.epoch_score,
            }
            for scored in choice.chosen
        ],
    }


def _reader(
    cells: Sequence[Cell], layout: Layout, rules: Sequence[Rule], validation_size: int | None
) -> Callable[[Cell], Candidate]:
    """Return what reads one cell's predictions, beside what several cells share: labels, groups, stage 1's errors."""
    labels = {cell.run.dataset.data_id: _val_labels(layout, cell.run.dataset) for cell in cells}
    with_groups = any(rule.needs_groups != "none" for rule in rules)
    groups = {c.run.dataset.groups_id: _val_groups(layout, c.run.dataset) for c in cells if with_groups}
    missed = _missed_by_stage1(cells, layout, labels) if any(rule.needs_stage1 for rule in rules) else {}

    def read(cell: Cell) -> Candidate:
        truth, n_classes = labels[cell.run.dataset.data_id]
        predictions = read_predictions(layout.predictions(cell.run.name) / "val.npz", n_examples=len(truth))
        family = {c.stage1.name: missed.get(c.stage1.name) for c in cells if c.stage1 and c.seed == cell.seed}
        evidence = Evidence(
            predicted=predictions.classes,
            labels=truth,
            n_classes=n_classes,
            missed=missed.get(cell.stage1.name) if cell.stage1 else None,
            missed_by_any=tuple(mask for mask in family.values() if mask is not None),
            groups=groups.get(cell.run.dataset.groups_id),
        )
        return Candidate(
            setting=cell.setting.varied,
            seed=cell.seed,
            run=cell.run.name,
            epochs=predictions.epochs,
            evidence=evidence if validation_size is None else part_of(evidence, validation_size, cell.seed),
            failed=predictions.failed,
        )

    return read


def _missed_by_stage1(
    cells: Sequence[Cell], layout: Layout, labels: dict[str, tuple[np.ndarray, int]]
) -> dict[str, np.ndarray]:
    """Return, for each stage-1 run that did not fail, which validation examples it misses at its last epoch."""
    missed = {}
    for run in {cell.stage1.name: cell.stage1 for cell in cells if cell.stage1}.values():
        truth, _ = labels[run.dataset.data_id]
        predictions = read_predictions(layout.predictions(run.name) / "val.npz", n_examples=len(truth))
        if not predictions.failed:
            missed[run.name] = predictions.classes[-1] != truth
    return missed


def _val_labels(layout: Layout, dataset: DataSet) -> tuple[np.ndarray, int]:
    folder = layout.prepared(dataset.data_id)
    manifest = read_manifest(folder)
    return open_labels(folder, manifest, "val"), manifest.n_classes


def _val_groups(layout: Layout, dataset: DataSet) -> GroupEvidence:
    folder = layout.groups(dataset.groups_id)
    scheme = read_scheme(folder)
    return GroupEvidence(
        membership=read_split(folder / "val.csv").membership,
        names=scheme.names,
        declared_empty=scheme.declared_empty,
        is_partition=scheme.is_partition,
        train_counts=np.array(scheme.counts["train"]),
    )
