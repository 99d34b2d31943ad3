"""Take the model that a label-only rule chose out of the study: weights, description, model card."""

from pathlib import Path
from typing import Any

from bam import catalogue
from bam.catalogue import suggestion
from bam.data.prepared import read_manifest
from bam.errors import ConfigError, RunError
from bam.files import read_json, write_json, write_text
from bam.layout import Layout
from bam.plan import Plan

MODEL_SCHEMA = "bam.model/1"


def export(  # noqa: PLR0913  (what names one model)
    plan: Plan, layout: Layout, *, dataset: str, method: str, rule: str, seed: int, out: Path
) -> None:
    """Write `model.safetensors`, `model.json` and a model card `README.md` to `out`.

    Raises
    ------
    ConfigError
        If the rule is an oracle (its epoch has numbers, but no deployable model), or the study does not
        keep the weights of what it chooses.
    RunError
        If the study has not been run.
    """
    from bam.training.state import load_tensors, save_tensors

    chosen = _chosen(plan, layout, dataset=dataset, method=method, rule=rule, seed=seed)
    if chosen["run"] not in plan.trainings:
        raise RunError(f"{chosen['run']}: was chosen by another config or other code; run the study again")
    run = plan.trainings[chosen["run"]]
    path = layout.weights(run.name) / f"{rule}.safetensors"
    if not path.exists():
        raise RunError(
            f"{path}: is missing; bring it back with `bam pull --weights`, or delete "
            f"{layout.predictions(run.name)} and run the study again"
        )
    weights = load_tensors(path)
    manifest = read_manifest(layout.prepared(run.dataset.data_id))
    description = {
        "schema": MODEL_SCHEMA,
        "model": run.spec.model,
        "input_shape": list(manifest.input_shape),
        "mean": list(manifest.mean),
        "std": list(manifest.std),
        "class_names": list(manifest.class_names),
        "chosen": {"dataset": dataset, "method": method, "rule": rule, **chosen},
        "spec": run.spec.model_dump(mode="json"),
        "data": {"id": run.dataset.data_id, "settings": dict(run.dataset.settings), "files": dict(manifest.files)},
    }
    save_tensors(out / "model.safetensors", weights)
    write_json(out / "model.json", description)
    evaluation = layout.evaluation("main", dataset, method, rule)
    write_text(out / "README.md", _card(description, _accuracies(evaluation, seed)))


def _chosen(plan: Plan, layout: Layout, *, dataset: str, method: str, rule: str, seed: int) -> dict[str, Any]:
    kept = plan.study.file.keep_weights
    if rule not in catalogue.names("rule"):
        raise ConfigError(
            f"--rule {rule}: weights exist only for rules that need validation labels alone"
            f"{suggestion(rule, catalogue.names('rule'))}: {', '.join(catalogue.names('rule'))}"
        )
    if rule not in kept:
        raise ConfigError(
            f"--rule {rule}: the study keeps weights for {', '.join(kept) or 'no rule'}; add it to keep_weights"
        )
    path = layout.selection("main", dataset, method, rule)
    if not path.exists():
        raise RunError(f"{path}: is missing; run the study first")
    by_seed: dict[int, dict[str, Any]] = {entry["seed"]: entry for entry in read_json(path)["chosen"]}
    if seed not in by_seed:
        raise ConfigError(f"--seed {seed}: the study has seeds {', '.join(map(str, by_seed))}")
    return by_seed[seed]


def _accuracies(evaluation: Path, seed: int) -> list[dict[str, str]]:
    import csv

    if not evaluation.exists():
        return []
    with open(evaluation, newline="", encoding="utf-8") as file:
        return [row for row in csv.DictReader(file) if int(row["seed"]) == seed]


def _card(description: dict[str, Any], rows: list[dict[str, str]]) -> str:
    chosen, data = description["chosen"], description["data"]
    scores = "\n".join(
        f"| {row['metric'].replace('_', ' ')} | {row['group']} | {100 * float(row['value']):.1f} | {row['n']} |"
        for row in rows
    )
    shape = ", ".join(map(str, description["input_shape"]))
    return f"""# {chosen["method"]} on {chosen["dataset"]}, seed {chosen["seed"]}

Network `{description["model"]["name"]}`, inputs uint8 of shape (n, {shape}),
classes {", ".join(description["class_names"])}. Epoch {chosen["epoch"]},
chosen by the rule `{chosen["rule"]}`, which sees validation labels and no group.

Predict with `bam predict <this folder> --inputs images.npy --out predictions.csv`.

## Test accuracy

| metric | group | % | n |
|---|---|---|---|
{scores or "| not evaluated | | | |"}

## Made from

Data `{data["id"]}` (settings and SHA-256 of its files in `model.json`), run `{chosen["run"]}`. The weights follow from
that data: its licence applies to what is derived from it.
"""
