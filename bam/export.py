"""Take the model that a label-only rule chose out of the study: weights, description, tokeniser, model card."""

import csv
import io
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from bam import catalogue
from bam.artifacts import check_recorded
from bam.catalogue import suggestion
from bam.data import tokenise
from bam.data.prepared import Manifest, read_manifest
from bam.data.raw import is_folder
from bam.data.sources import RawSet
from bam.errors import ConfigError, DataError, RunError
from bam.exported import DESCRIPTION, SCHEMA, TOKENIZER, TOKENS, WEIGHTS
from bam.files import atomic_path, read_checked_text, read_json, sha256_file, write_json, write_text
from bam.layout import Layout
from bam.model_card import card
from bam.model_settings import CONFIG, PretrainedSettings
from bam.plan import Plan, Run
from bam.pretrained import RECORD, model_settings


def export(  # noqa: PLR0913  (what names one model)
    plan: Plan,
    layout: Layout,
    sources: Mapping[str, RawSet],
    *,
    dataset: str,
    method: str,
    rule: str,
    seed: int,
    out: Path,
    with_onnx: bool = False,
) -> None:
    """Write weights, `model.json`, a text model's tokeniser, and a model card `README.md` to `out`.

    Parameters
    ----------
    sources
        The raw sets of `config/datasets.yaml`, for their licences.
    with_onnx
        Whether to write `model.onnx` too.

    Raises
    ------
    ConfigError
        If the rule is an oracle (its epoch has numbers, but no deployable model), or the study does not
        keep the weights of what it chooses.
    RunError
        If the study has not been run.
    """
    import torch

    from bam.exported import load
    from bam.onnx_export import layout as onnx_layout
    from bam.onnx_export import write_onnx
    from bam.training.state import load_tensors, save_tensors

    chosen = _chosen(plan, layout, dataset=dataset, method=method, rule=rule, seed=seed)
    run, path = _weights(chosen, plan, layout, rule)
    manifest = read_manifest(layout.prepared(run.dataset.data_id))
    description = {
        **_network(run, manifest, layout),
        "transform": _transform(run, manifest),
        "chosen": {"dataset": dataset, "method": method, "rule": rule, **chosen},
        "spec": run.spec.model_dump(mode="json"),
        "data": {"id": run.dataset.data_id, "settings": dict(run.dataset.settings), "files": dict(manifest.files)},
        "licences": _licences(run, layout, sources),
    }
    save_tensors(out / WEIGHTS, load_tensors(path))
    if manifest.kind == "text":
        _copy_tokenizer(_tokenizer_folder(run, layout), out / TOKENIZER)
    write_json(out / DESCRIPTION, {**description, "weights_sha256": sha256_file(out / WEIGHTS)})
    model = load(out, torch.device("cpu"))  # what was written is what will be read
    if with_onnx:
        write_onnx(model, out)
    scores = _accuracies(layout.evaluation("main", dataset, method, rule), seed)
    write_text(out / "README.md", card(description, scores, onnx_layout(model) if with_onnx else ""))


def _weights(chosen: Mapping[str, Any], plan: Plan, layout: Layout, rule: str) -> tuple[Run, Path]:
    """Return the chosen run and its weights, checked against its record."""
    if chosen["run"] not in plan.trainings:
        raise RunError(f"{chosen['run']}: was chosen by another config or other code; run the study again")
    run = plan.trainings[chosen["run"]]
    path = layout.weights(run.name) / f"{rule}.safetensors"
    if not path.exists():
        raise RunError(
            f"{path}: is missing; bring it back with `bam pull --weights` from the store it was published to, or "
            f"delete {layout.predictions(run.name)} and run the study again"
        )
    record = layout.predictions(run.name) / "record.json"
    if record.exists():
        check_recorded(path, record, f"weights/{rule}")
    return run, path


def _network(run: Run, manifest: Manifest, layout: Layout) -> dict[str, Any]:
    """Return what builds the network and normalises its inputs."""
    return {
        "schema": SCHEMA,
        "model": _portable(run, layout),
        "kind": manifest.kind,
        "input_shape": list(manifest.input_shape),
        "mean": list(manifest.mean),
        "std": list(manifest.std),
        "pad_id": manifest.pad_id,
        "has_segments": manifest.has_segments,
        "class_names": list(manifest.class_names),
        "precision": run.spec.precision,
    }


def _portable(run: Run, layout: Layout) -> dict[str, Any]:
    """Return the `model:` entry without what it started from: a checkpoint's configuration is written out."""
    model = dict(run.spec.model)
    settings = model_settings(model)
    if not isinstance(settings, PretrainedSettings) or settings.weights_source() is None:
        return model
    if not settings.is_language_model:
        return {**model, "pretrained": None}
    assert run.pretrained is not None
    config = read_json(layout.pretrained(run.pretrained.id) / CONFIG, is_sealed=False)
    kept = {key: value for key, value in model.items() if key not in ("checkpoint", "revision", "pretrained")}
    return {**kept, "config": config}


def _transform(run: Run, manifest: Manifest) -> dict[str, Any] | None:
    """Return how files or texts become inputs; None if the kind does not say, so that only arrays will do."""
    settings = dict(run.dataset.settings)
    kind = catalogue.load("kind", str(settings["kind"]), "kind")
    if hasattr(kind, "transform"):
        transform: dict[str, Any] = kind.transform(kind.Settings.model_validate(settings))
        return transform
    if manifest.kind == "text":
        columns = ["text", "text_pair"] if manifest.has_segments else ["text"]
        return {"name": TOKENS, "max_length": manifest.input_shape[0], "columns": columns}
    return None


def _tokenizer_folder(run: Run, layout: Layout) -> Path:
    name = str(run.dataset.settings["tokenizer"])
    return Path(name) if is_folder(name) else layout.raw(name)


def _copy_tokenizer(source: Path, out: Path) -> None:
    """Copy the files of a tokeniser; DataError if there are none."""
    there = [name for name in tokenise.FILES if (source / name).is_file()]
    if not there:
        raise DataError(f"{source}: holds no tokeniser any more; run `bam fetch` again, or put it back")
    for name in there:
        with atomic_path(out / name) as temporary:
            temporary.write_bytes((source / name).read_bytes())


def _licences(run: Run, layout: Layout, sources: Mapping[str, RawSet]) -> dict[str, str]:
    """Return name -> licence of the data sets and of the pretrained weights, as far as they are known."""
    known = {f"data set {name}": sources[name].licence for name in run.dataset.raw if name in sources}
    if run.pretrained is not None:
        record = layout.pretrained(run.pretrained.id) / RECORD
        said = read_json(record).get("licence") if record.exists() else None
        known[f"pretrained weights {run.pretrained.id}"] = str(said or "not known; see where they come from")
    return known or {"data": "your own"}


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
    if not evaluation.exists():
        return []
    rows = csv.DictReader(io.StringIO(read_checked_text(evaluation)))
    return [row for row in rows if int(row["seed"]) == seed]
