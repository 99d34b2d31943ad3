"""One's own data, without code: a table of texts or image files, or a folder of images (docs/own-data.md)."""

import hashlib
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np

from bam.data import tokenise, transforms
from bam.data.examples import SPLITS, Examples, Sizes, Split, SplitExamples, TextFacts
from bam.data.own_arrangement import Arrangement, sound_arrangement
from bam.data.own_hashes import hash_files
from bam.data.own_settings import OwnSettings
from bam.data.pictures import OWN_TRANSFORM, PictureRows
from bam.data.rows import Rows
from bam.data.texts import Texts
from bam.errors import DataError
from bam.files import canonical_json, sha256_file

RAW: tuple[str, ...] = ()
RAW_SETTINGS = ("tokenizer",)
GROUP_SETTINGS = ("group_by", "minority", "allow_empty")
VALIDATION = "as_train"
PER_SEED_DRAW = (
    "each seed splits the same examples anew, so test sets of different seeds overlap and intervals over seeds are "
    "too short"
)
IMAGENET = ((0.485, 0.456, 0.406), (0.229, 0.224, 0.225))

Settings = OwnSettings


def sizes(settings: OwnSettings) -> Sizes:
    """Return the sizes that the splits have; DataError as `sound_arrangement`."""
    arrangement = sound_arrangement(settings)
    groups = arrangement.groups
    n_minority = 0 if groups is None else sum(int(arrangement.group_counts("train")[pair]) for pair in groups.minority)
    return Sizes(
        n_examples={split: len(arrangement.indices[split]) for split in SPLITS},
        input_shape=(settings.max_length,) if settings.is_text else (3, settings.side, settings.side),
        n_classes=len(arrangement.class_names),
        n_minority=n_minority,
        has_groups=groups is not None,
    )


def fingerprint(settings: Mapping[str, Any]) -> str:
    """Return the SHA-256 of all contents: the table's bytes, names and bytes of image files, an own tokenizer.

    Raises
    ------
    DataError
        If a file is missing or cannot be read.
    """
    return _fingerprint(OwnSettings.model_validate({**settings, "fingerprint": None}))


def _fingerprint(settings: OwnSettings) -> str:
    contents: dict[str, Any] = {}
    if settings.table is not None:
        contents["table"] = sha256_file(Path(settings.table))
    if not settings.is_text:
        contents["images"] = hash_files(settings.image_folder, sound_arrangement(settings).rows.inputs)
    if settings.tokenizer_folder is not None:
        contents["tokenizer"] = tokenise.fingerprint(str(settings.tokenizer))
    return hashlib.sha256(canonical_json(contents).encode()).hexdigest()


def read_examples(raw: Mapping[str, Path], settings: OwnSettings) -> Examples:
    """Read the table or the folder.

    Returns
    -------
    Examples with inputs uint8 of shape (n, 3, side, side), or token ids int32 of shape (n, max_length)

    Raises
    ------
    DataError
        If something is wrong with the rows, or the contents are no longer what the study was planned for.
    """
    if settings.fingerprint is not None and (seen := _fingerprint(settings)) != settings.fingerprint:
        raise DataError(
            f"{settings.table or settings.images}: has changed since the study was planned (contents {seen[:8]}, "
            f"expected {settings.fingerprint[:8]}); run the same command again"
        )
    arrangement = sound_arrangement(settings)
    inputs, text = _texts(arrangement, settings, raw) if settings.is_text else (_images(arrangement, settings), None)
    groups = arrangement.groups
    return Examples(
        splits={split: _split(arrangement, split, inputs[split]) for split in SPLITS},
        class_names=arrangement.class_names,
        attribute=None if groups is None else (groups.attribute, groups.values),
        minority=frozenset() if groups is None else groups.minority,
        declared_empty=frozenset() if groups is None else frozenset(groups.empty),
        text=text,
        normalisation=IMAGENET if settings.normalisation == "imagenet" and not settings.is_text else None,
    )


def transform(settings: OwnSettings) -> dict[str, Any]:
    """Return how a file or a text becomes an input, for an exported model; columns are those to look for in a CSV."""
    if settings.is_text:
        return {"name": "tokens", "max_length": settings.max_length, "columns": _columns(settings)}
    return transforms.described(OWN_TRANSFORM, settings.side, _columns(settings))


def _columns(settings: OwnSettings) -> list[str]:
    named = [settings.text, settings.text_pair] if settings.is_text else [settings.path or "path"]
    return [name for name in named if name is not None]


def _split(arrangement: Arrangement, split: Split, inputs: Rows) -> SplitExamples:
    rows = arrangement.indices[split]
    attributes = {name: ids[rows] for name, (_, ids) in arrangement.attributes.items()}
    if arrangement.groups is not None:
        attributes[arrangement.groups.attribute] = arrangement.groups.value_ids[rows]
    return SplitExamples(inputs, arrangement.labels[rows], attributes)


def _images(arrangement: Arrangement, settings: OwnSettings) -> Mapping[Split, Rows]:
    files = [settings.image_folder / name for name in arrangement.rows.inputs]
    indices = {split: arrangement.indices[split].tolist() for split in SPLITS}
    return {split: PictureRows([files[k] for k in indices[split]], settings.side) for split in SPLITS}


def _texts(
    arrangement: Arrangement, settings: OwnSettings, raw: Mapping[str, Path]
) -> tuple[Mapping[Split, Rows], TextFacts]:
    folder = settings.tokenizer_folder or raw[str(settings.tokenizer)]
    tokenizer = tokenise.read_tokenizer(folder)
    facts = tokenise.facts(tokenizer, folder)
    first = _packed(arrangement.rows.inputs)
    second = None if arrangement.rows.pairs is None else _packed(arrangement.rows.pairs)
    rows: dict[Split, Rows] = {
        split: tokenise.TokenRows(tokenizer, settings.max_length, facts.pad_id, first, indices.astype(np.int64), second)
        for split, indices in arrangement.indices.items()
    }
    return rows, facts


def _packed(texts: Sequence[str]) -> Texts:
    packed = Texts()
    for text in texts:
        packed.add(text)
    return packed
