"""Write a data set's arrays, without groups and without test labels."""

from pathlib import Path

import numpy as np

from bam.data.examples import SPLITS, Examples
from bam.data.normalisation import channel_statistics
from bam.data.prepared import MANIFEST, SCHEMA
from bam.files import atomic_path, sha256_file, write_json


def write_prepared(examples: Examples, settings: dict[str, object], folder: Path) -> None:
    """Write inputs of all splits, labels of train and val, and last the manifest.

    Test labels are not written here: they lie with the test groups.
    """
    arrays = {f"{split}/inputs": examples.splits[split].inputs for split in SPLITS}
    arrays |= {f"{split}/labels": examples.splits[split].labels for split in SPLITS if split != "test"}
    files: dict[str, dict[str, object]] = {}
    for name, array in arrays.items():
        path = folder / f"{name}.npy"
        with atomic_path(path) as temporary, open(temporary, "wb") as file:
            np.save(file, array, allow_pickle=False)
        files[f"{name}.npy"] = {"bytes": path.stat().st_size, "sha256": sha256_file(path)}
    mean, std = channel_statistics(examples.splits["train"].inputs)
    write_json(
        folder / MANIFEST,
        {
            "schema": SCHEMA,
            "kind": "image",
            "input_shape": list(examples.splits["train"].inputs.shape[1:]),
            "dtype": "uint8",
            "mean": list(mean),
            "std": list(std),
            "class_names": list(examples.class_names),
            "sizes": {split: len(examples.splits[split].inputs) for split in SPLITS},
            "settings": settings,
            "files": files,
        },
    )
