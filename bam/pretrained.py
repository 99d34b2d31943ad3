"""Which pretrained weights a model starts from: found by name before they are there, with an id of their own."""

import functools
import re
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

from bam import catalogue
from bam.catalogue import suggestion
from bam.code_digest import digest
from bam.config_errors import validated
from bam.data.sources import RawSet
from bam.errors import ConfigError, DataError
from bam.files import sha256_file, short_hash
from bam.model_settings import CONFIG, WEIGHTS, PretrainedSettings

RECORD = "pretrained.json"
FILES = (WEIGHTS, CONFIG, RECORD)
STEP_MODULE = "bam.steps.pretrained"
FOREIGN = (".pth", ".pt", ".bin")
TOKENIZER_FILES = ("vocab.txt", "tokenizer.json", "tokenizer_config.json", "special_tokens_map.json")
HUB_NAME = re.compile(r"([\w.-]+/)?[\w.-]+")
COMMIT = re.compile(r"[0-9a-f]{40}")


@dataclass(frozen=True)
class WeightsSource:
    """Where weights come from.

    Attributes
    ----------
    name : of a raw set, a path, or a repository on the hub
    revision : commit of the repository, or empty
    contents : file -> SHA-256, or what else is known of it before it is there
    """

    kind: Literal["raw", "local", "hub"]
    name: str
    revision: str
    contents: Mapping[str, str]


@dataclass(frozen=True)
class Pretrained:
    """The weights that a model starts from, as an artifact.

    Attributes
    ----------
    model : the `model:` entry, which `bam pretrained --model` takes
    raw : the raw set that they are made from, if they are
    """

    id: str
    model: Mapping[str, Any]
    raw: str | None


def model_settings(model: Mapping[str, Any], where: str = "model") -> Any:
    """Return a `model:` entry as its module's settings; ConfigError if it is not one."""
    module = catalogue.load("model", str(model.get("name")), f"{where}.name")
    return validated(module.Settings, dict(model), where)


def find(model: Mapping[str, Any], sources: Mapping[str, RawSet]) -> Pretrained | None:
    """Return the artifact that a model starts from, or None if nothing is pretrained.

    Its id covers the source's contents (of a hub's repository the commit), and the code that converts them.

    Raises
    ------
    ConfigError
        If `pretrained` or `checkpoint` names nothing.
    """
    settings = model_settings(model)
    if not isinstance(settings, PretrainedSettings):
        return None
    named = settings.weights_source()
    if named is None:
        return None
    source = locate(named, sources)
    content = [settings.name, getattr(settings, "architecture", None), dict(source.contents), source.revision]
    identity = [*content, source.name if source.kind == "hub" else "", _code()]
    stem = re.sub(r"[^\w.-]", "-", Path(source.name).name)
    return Pretrained(f"{stem}-{short_hash(identity)}", model, source.name if source.kind == "raw" else None)


def needs_configuration(model: Mapping[str, Any]) -> bool:
    """Return whether a network cannot be built without its artifact, whatever weights it then gets."""
    settings = model_settings(model)
    return isinstance(settings, PretrainedSettings) and settings.is_language_model


def locate(named: str, sources: Mapping[str, RawSet]) -> WeightsSource:
    """Tell a raw set, a path and a name on the hub apart.

    Raises
    ------
    ConfigError
        If it is none of them.
    """
    if named in sources:
        hashes = {name: file.known_hash for name, file in sources[named].files.items()}
        return WeightsSource("raw", named, "", hashes)
    if Path(named).exists():
        return WeightsSource("local", named, "", {path.name: _hash(path) for path in local_files(Path(named))})
    name, _, revision = named.partition("@")
    if HUB_NAME.fullmatch(name) and COMMIT.fullmatch(revision):
        return WeightsSource("hub", name, revision, {})
    if HUB_NAME.fullmatch(name) and (revision or "/" in name) and Path(name).suffix not in (*FOREIGN, ".safetensors"):
        raise ConfigError(
            f"model: {named!r} is no path here, and on the hub it names no commit; "
            f"pin it: {name}@<the 40 hex digits of a commit>"
        )
    raise ConfigError(
        f"model: there are no pretrained weights {named!r}{suggestion(named, sources)}: expected a raw set of "
        "config/datasets.yaml, a file or folder, or organisation/name@commit on the hub"
    )


def local_files(path: Path) -> list[Path]:
    """Return the files of a folder that weights can be taken from, sorted, or the file itself.

    Raises
    ------
    DataError
        If the folder holds no weights.
    """
    if path.is_file():
        return [path]
    taken = sorted(p for p in path.iterdir() if p.name in (*TOKENIZER_FILES, CONFIG) or is_weights(p.name))
    if not any(is_weights(file.name) for file in taken):
        raise DataError(f"{path}: holds no weights; expected model.safetensors, or one .pth, .pt or .bin file")
    return taken


def is_weights(name: str) -> bool:
    """Return whether a file's name is that of weights."""
    return Path(name).suffix in (".safetensors", *FOREIGN)


def _hash(path: Path) -> str:
    status = path.stat()
    return _hashed(path.resolve(), status.st_size, status.st_mtime_ns)


@functools.cache  # a plan asks once for each run
def _hashed(path: Path, _size: int, _changed: int) -> str:
    return sha256_file(path)


@functools.cache
def _code() -> str:
    return digest((STEP_MODULE,))
