"""Look at a data set before training on it: sizes, classes x groups, duplicates, and what to do."""

import hashlib
from pathlib import Path

import numpy as np

from bam.data.examples import SPLITS
from bam.data.prepared import Manifest, corrupt_files, open_inputs, open_labels, read_manifest
from bam.groups import read_scheme, read_split

FEW = 10


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
