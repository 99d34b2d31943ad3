"""Take pretrained weights over: as safetensors, with their configuration and where they come from."""

import shutil
import tempfile
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from bam.data.hub import download
from bam.data.sources import RawSet
from bam.errors import ConfigError, DataError
from bam.files import atomic_path, sha256_file, write_json
from bam.foreign_weights import read_foreign
from bam.model_settings import CONFIG, WEIGHTS, PretrainedSettings
from bam.pretrained import (
    FOREIGN,
    RECORD,
    TOKENIZER_FILES,
    WeightsSource,
    is_weights,
    local_files,
    locate,
    model_settings,
)
from bam.training.state import load_tensors, save_tensors

SCHEMA = "bam.pretrained/1"
HUB_FILES = (WEIGHTS, "pytorch_model.bin", CONFIG, *TOKENIZER_FILES, "*.pth")


def pretrained(model: Mapping[str, Any], raw: Path | None, sources: Mapping[str, RawSet], out: Path) -> None:
    """Write `model.safetensors`, `config.json` (and a tokenizer's files) and, last, `pretrained.json`.

    Parameters
    ----------
    model
        The `model:` entry of a study.
    raw
        Folder of the fetched raw set, if the weights are one.
    sources
        The raw sets of `config/datasets.yaml`.

    Raises
    ------
    ConfigError
        If the model starts from nothing pretrained, or `raw` is missing.
    DataError
        If the weights cannot be had, or hold more than tensors.
    """
    settings = model_settings(model)
    named = settings.weights_source() if isinstance(settings, PretrainedSettings) else None
    if named is None:
        raise ConfigError("--model: starts from no pretrained weights, so there is nothing to take over")
    source = locate(named, sources)
    with tempfile.TemporaryDirectory() as folder:
        files = _files(source, raw, Path(folder))
        config = model if not settings.is_language_model else None
        stored = _store(files, out, config)
        taken = {name: sha256_file(path) for name, path in sorted(files.items())}
    hashes = {name: sha256_file(out / name) for name in stored}
    write_json(out / RECORD, _record(source, sources.get(source.name), taken, hashes))


def _files(source: WeightsSource, raw: Path | None, scratch: Path) -> dict[str, Path]:
    """Return the source's files by name, downloaded if they are on the hub."""
    if source.kind == "hub":
        download(source.name, source.revision, HUB_FILES, scratch)
        return {path.name: path for path in local_files(scratch)}
    if source.kind == "local":
        return {path.name: path for path in local_files(Path(source.name))}
    if raw is None:
        raise ConfigError(f"--raw: the weights are the raw set {source.name}; fetch it and give its folder")
    lost = [name for name in source.contents if not (raw / name).exists()]
    if lost:
        raise DataError(f"{raw / lost[0]}: is missing; make it with: bam fetch {source.name} --out {raw}")
    return {name: raw / name for name in source.contents}


def _store(files: Mapping[str, Path], out: Path, config: Mapping[str, Any] | None) -> list[str]:
    """Write weights and configuration, a language model's own or the entry itself, and return the files' names."""
    weights = _weights(files)
    if weights.suffix in FOREIGN:
        save_tensors(out / WEIGHTS, read_foreign(weights))
    else:
        load_tensors(weights)  # a corrupt file says so here, and not in the first training
        _copy(weights, out / WEIGHTS)
    if config is not None:
        write_json(out / CONFIG, dict(config))
        return [WEIGHTS, CONFIG]
    if CONFIG not in files:
        raise DataError(f"{weights.parent}: has no {CONFIG}, which says what the network is")
    copied = [name for name in (CONFIG, *TOKENIZER_FILES) if name in files]
    for name in copied:
        _copy(files[name], out / name)
    return [WEIGHTS, *copied]


def _weights(files: Mapping[str, Path]) -> Path:
    """Return model.safetensors, else the only file of weights."""
    if WEIGHTS in files:
        return files[WEIGHTS]
    found = [name for name in files if is_weights(name)]
    if len(found) != 1:
        seen = ", ".join(sorted(found)) or "none"
        raise DataError(f"expected one file of weights, there is {seen}; name the file instead of its folder")
    return files[found[0]]


def _copy(source: Path, target: Path) -> None:
    with atomic_path(target) as temporary:
        shutil.copyfile(source, temporary)


def _record(
    source: WeightsSource, raw_set: RawSet | None, taken: Mapping[str, str], stored: Mapping[str, str]
) -> dict[str, object]:
    return {
        "schema": SCHEMA,
        "source": {"kind": source.kind, "name": source.name, "revision": source.revision or None, "files": dict(taken)},
        "licence": raw_set.licence if raw_set is not None and source.kind == "raw" else None,
        "files": dict(stored),
    }
