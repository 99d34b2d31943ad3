"""Write a data set's arrays, without groups and without test labels."""

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np

from bam.data.blocks import write_rows
from bam.data.examples import SPLITS, Examples
from bam.data.normalisation import channel_statistics
from bam.data.prepared import MANIFEST, SCHEMA
from bam.data.rows import as_rows
from bam.files import atomic_path, sha256_file, write_json


def write_prepared(examples: Examples, settings: dict[str, object], folder: Path) -> None:
    """Write inputs of all splits, labels of train and val, and last the manifest.

    Test labels are not written here: they lie with the test groups.

    Raises
    ------
    DataError
        If a raw file behind an input cannot be read.
    RunError
        If the disk is full or the folder cannot be written to; what is finished is kept.
    """
    names: list[str] = []
    for split in SPLITS:
        part = examples.splits[split]
        names += [f"{split}/{name}.npy" for name in write_rows(as_rows(part.inputs), folder / split, f"{split} inputs")]
        if split != "test":
            with atomic_path(folder / split / "labels.npy") as temporary, open(temporary, "wb") as file:
                np.save(file, part.labels, allow_pickle=False)
            names.append(f"{split}/labels.npy")
    write_json(
        folder / MANIFEST,
        {
            "schema": SCHEMA,
            "class_names": list(examples.class_names),
            "sizes": {split: len(examples.splits[split].labels) for split in SPLITS},
            "settings": settings,
            "files": {
                name: {"bytes": (folder / name).stat().st_size, "sha256": sha256_file(folder / name)} for name in names
            },
            **_description(examples, folder),
        },
    )


def _description(examples: Examples, folder: Path) -> Mapping[str, Any]:
    shapes = as_rows(examples.splits["train"].inputs).shapes
    shape, dtype = shapes["inputs"]
    if examples.text is not None:
        text = {"pad_id": examples.text.pad_id, "vocab_size": examples.text.vocab_size}
        return {
            "kind": "text",
            "input_shape": list(shape),
            "dtype": dtype,
            **text,
            "has_segments": "segments" in shapes,
        }
    if examples.normalisation is None:
        inputs = np.load(folder / "train" / "inputs.npy", mmap_mode="r", allow_pickle=False)
        mean, std = channel_statistics(inputs)
    else:
        mean, std = examples.normalisation
    return {"kind": "image", "input_shape": list(shape), "dtype": dtype, "mean": list(mean), "std": list(std)}
