"""Look at a data set before training on it: sizes, classes x groups, duplicates, and what to do."""

import hashlib
import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np

from bam.config_errors import validated
from bam.data.examples import SPLITS
from bam.data.own_checks import Look, look
from bam.data.own_settings import OwnSettings
from bam.data.prepared import Manifest, corrupt_files, open_inputs, open_labels, read_manifest
from bam.data.sources import read_sources
from bam.errors import ConfigError, DataError
from bam.groups import read_scheme, read_split
from bam.layout import Layout
from bam.pipeline import make_data
from bam.plan import make_plan
from bam.study import read_study
from bam.study_file import PER_SEED
from bam.yaml_files import read_layers

FEW = 10
OWN = "own_data"
UNNAMED = "none"  # to look at texts needs no tokenizer


def diagnose(source: str, columns: Mapping[str, object], data: Path, sources: Path) -> tuple[str, list[str]]:
    """Describe the data sets of a study, or a table or folder of images, and list what would stop a study.

    One's own data is looked at as it is; other data sets are prepared first, if they are not.

    Parameters
    ----------
    source
        A study config, or a .csv or .parquet file, or a folder.
    columns
        For a table: settings of `own_data` such as `label`; empty for a config.

    Raises
    ------
    ConfigError
        If the config or the columns are not as they should be.
    """
    if source.lstrip().startswith("{") or Path(source).suffix.lower() in (".yaml", ".yml"):
        if columns:
            raise ConfigError(
                f"{source}: is a config, which names its columns itself; leave out --{next(iter(columns))}"
            )
        return _study(source, data, sources)
    return _own([validated(OwnSettings, _entry(Path(source), columns), source)])


def _entry(path: Path, columns: Mapping[str, object]) -> dict[str, object]:
    """Return the settings that a table or a folder on the command line stands for."""
    place = {"images": str(path)} if path.is_dir() else {"table": str(path)}
    tokenizer = {"tokenizer": UNNAMED} if "text" in columns else {}
    return {"kind": OWN, **place, **tokenizer, **columns}


def _study(config: str, data: Path, sources: Path) -> tuple[str, list[str]]:
    own = [validated(OwnSettings, entry, f"{config}: datasets.{name}") for name, entry in _own_entries(config).items()]
    text, problems = _own(own)
    if problems:
        return text, problems
    plan, layout, described = make_plan(read_study(config), read_sources(sources)), Layout(data, Path()), [text]
    for dataset in plan.datasets.values():
        if dataset.settings["kind"] == OWN:
            continue
        make_data(dataset, read_sources(sources), layout)
        seen, found = examine(layout.prepared(dataset.data_id), layout.groups(dataset.groups_id))
        described.append(seen)
        problems += found
    return "\n".join(part for part in described if part), problems


def _own_entries(config: str) -> dict[str, dict[str, Any]]:
    """Return the config's data sets of one's own, `per_seed` taken for seed 0; other mistakes are for `read_study`."""
    content = json.loads(config) if config.lstrip().startswith("{") else read_layers(Path(config))
    datasets = content.get("datasets") if isinstance(content, dict) else None
    found = {}
    for name, entry in (datasets if isinstance(datasets, dict) else {}).items():
        if isinstance(entry, dict) and entry.get("kind") == OWN:
            found[str(name)] = {**entry, "data_seed": 0} if entry.get("data_seed") == PER_SEED else entry
    return found


def _own(entries: list[OwnSettings]) -> tuple[str, list[str]]:
    parts: list[str] = []
    problems: list[str] = []
    for settings in entries:
        try:
            seen = look(settings)
        except DataError as error:
            seen = Look("", (), (str(error),))
        parts += [seen.text, *(f"note: {note}" for note in seen.notes)]
        problems += seen.problems
    return "\n".join(part for part in parts if part), problems


def examine(prepared: Path, groups: Path) -> tuple[str, list[str]]:
    """Return a description of a prepared data set, with notes on thin groups, and a list of problems with advice.

    Raises
    ------
    DataError
        If the manifest or the groups cannot be read at all.
    """
    manifest = read_manifest(prepared)
    problems = corrupt_files(prepared, manifest)
    if problems:
        return f"{prepared}", problems
    scheme = read_scheme(groups)
    lines = [
        f"{prepared}: {' + '.join(f'{manifest.sizes[s]:,} {s}' for s in SPLITS)} examples of shape "
        f"{'x'.join(map(str, manifest.input_shape))}, classes {', '.join(manifest.class_names)}"
    ]
    for split in SPLITS:
        parts = read_split(groups / f"{split}.csv")
        labels = open_labels(prepared, manifest, split) if split != "test" else parts.labels
        assert labels is not None
        classes = np.bincount(labels, minlength=manifest.n_classes)
        counts = parts.membership.sum(axis=0)
        named = ", ".join(f"{name}: {count:,}" for name, count in zip(scheme.names, counts, strict=True))
        lines.append(f"  {split:5} classes {' / '.join(map(str, classes))}; groups {named}")
        lines += _thin_groups(scheme.names, counts)
        problems += _empty_groups(split, scheme.names, counts, scheme.declared_empty)
    problems += _duplicates(prepared, manifest)
    return "\n".join(lines), [f"{prepared.name}: {problem}" for problem in problems]


def _thin_groups(names: tuple[str, ...], counts: np.ndarray) -> list[str]:
    return [
        f"        note: {name!r} has {count} examples; one of them is {100 / count:.0f} points of its accuracy"
        for name, count in zip(names, counts, strict=True)
        if 0 < count < FEW
    ]


def _empty_groups(split: str, names: tuple[str, ...], counts: np.ndarray, declared_empty: tuple[str, ...]) -> list[str]:
    return [
        f"{split}: group {name!r} is empty, so worst-group accuracy is undefined; declare it empty or split again"
        for name, count in zip(names, counts, strict=True)
        if count == 0 and name not in declared_empty
    ]


def _duplicates(folder: Path, manifest: Manifest) -> list[str]:
    """Find inputs that stand in more than one split."""
    seen: dict[bytes, str] = {}
    shared: dict[str, int] = {}
    for split in SPLITS:
        own: dict[bytes, str] = {}
        for row in open_inputs(folder, manifest, split):
            key = hashlib.blake2b(row.tobytes(), digest_size=16).digest()
            if key in seen:
                pair = f"{seen[key]} and {split}"
                shared[pair] = shared.get(pair, 0) + 1
            own[key] = split
        seen = own | seen
    return [f"{n} inputs stand in both {pair}: test accuracy is flattered; split again" for pair, n in shared.items()]
