"""The array files that steps hand to one another: predictions, error sets, auxiliary variables."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np

from bam.errors import DataError
from bam.files import read_json, read_npz, sha256_file, write_npz

PREDICTIONS = "bam.predictions/1"
ERROR_SET = "bam.error_set/1"
AUXILIARY = "bam.auxiliary/1"


RECORD = "record.json"


def check_recorded(path: Path, record: Path, name: str) -> None:
    """Compare a file with the SHA-256 that a run's record has for it.

    Parameters
    ----------
    name
        The output's name in the record.

    Raises
    ------
    DataError
        If the record is corrupt, does not know the output, or describes another file.
    """
    outputs = read_json(record).get("outputs")
    if not isinstance(outputs, dict) or sha256_file(path) != outputs.get(name):
        raise DataError(f"{path}: is not the file that {record} describes; delete it to have it made again")


def _check_beside(path: Path) -> None:
    """Check a file against the record beside it; an error set has none, and zip's own checksums."""
    record = path.parent / RECORD
    if path.exists() and record.exists():
        check_recorded(path, record, path.stem)


@dataclass(frozen=True)
class Predictions:
    """Predicted classes of one split at some epochs of one run. Holds no label and no group.

    Attributes
    ----------
    epochs : int32 array of shape (E,), finished epochs, counted from 1, increasing
    classes : uint8 array of shape (E, n)
    train_loss : float64 array of shape (E,), mean training loss of each of these epochs
    logits : epoch -> float32 array of shape (n, C), for the epochs listed in `keep_logits`
    failed : empty, or why the run stopped before its last epoch
    """

    epochs: np.ndarray
    classes: np.ndarray
    train_loss: np.ndarray
    logits: Mapping[int, np.ndarray] = field(default_factory=dict)
    failed: str = ""

    def __post_init__(self) -> None:
        """Check that epochs and rows agree."""
        n_epochs = self.classes.shape[:1]
        if self.classes.ndim != 2 or not self.epochs.shape == self.train_loss.shape == n_epochs:
            raise ValueError(
                f"classes {self.classes.shape} do not fit epochs {self.epochs.shape} and losses {self.train_loss.shape}"
            )


def write_predictions(path: Path, predictions: Predictions) -> None:
    """Write predictions as npz."""
    logits = {f"logits_{epoch}": array for epoch, array in predictions.logits.items()}
    write_npz(
        path,
        PREDICTIONS,
        {
            "epochs": predictions.epochs.astype(np.int32),
            "classes": predictions.classes.astype(np.uint8),
            "train_loss": predictions.train_loss.astype(np.float64),
            "failed": np.array(predictions.failed),
            **logits,
        },
    )


def read_predictions(path: Path, n_examples: int | None = None) -> Predictions:
    """Read predictions.

    Raises
    ------
    DataError
        If the file is missing or corrupt, is not the one of the record beside it, or is not about
        `n_examples` examples.
    """
    _check_beside(path)
    arrays = read_npz(path, PREDICTIONS, ("epochs", "classes", "train_loss", "failed"))
    classes = arrays["classes"]
    try:
        logits = _numbered("logits_", arrays)
        predictions = Predictions(arrays["epochs"], classes, arrays["train_loss"], logits, str(arrays["failed"]))
    except (ValueError, TypeError) as error:
        raise DataError(f"{path}: is corrupt ({error}); delete it to have it made again") from error
    if n_examples is not None and classes.shape[1] != n_examples:
        raise DataError(f"{path}: predicts {classes.shape[1]} examples, the split has {n_examples}")
    return predictions


def _numbered(prefix: str, arrays: Mapping[str, np.ndarray]) -> dict[int, np.ndarray]:
    """Return epoch -> array of the names that begin with a prefix and go on with an epoch."""
    return {int(name.removeprefix(prefix)): array for name, array in arrays.items() if name.startswith(prefix)}


def write_error_set(path: Path, mask: np.ndarray, failed: str = "") -> None:
    """Write an error set (bool mask over the training split) as npz."""
    write_npz(path, ERROR_SET, {"mask": mask.astype(bool), "failed": np.array(failed)})


def read_error_set(path: Path) -> tuple[np.ndarray, str]:
    """Return (mask of shape (n_train,), why stage 1 failed or an empty string); DataError as `read_npz`."""
    arrays = read_npz(path, ERROR_SET, ("mask", "failed"))
    if arrays["mask"].ndim != 1 or arrays["mask"].dtype != bool:
        raise DataError(f"{path}: is corrupt (its mask is no column of bools); delete it to have it made again")
    return arrays["mask"], str(arrays["failed"])


def write_auxiliary(path: Path, scaled: Mapping[int, np.ndarray]) -> None:
    """Write epoch -> λb, each a float32 array of shape (n_train, C)."""
    write_npz(path, AUXILIARY, {f"epoch_{epoch}": array for epoch, array in scaled.items()})


def read_auxiliary(path: Path) -> dict[int, np.ndarray]:
    """Return epoch -> λb, each a float32 array of shape (n_train, C); DataError as `read_predictions`."""
    _check_beside(path)
    arrays = read_npz(path, AUXILIARY)
    try:
        return _numbered("epoch_", dict(sorted(arrays.items())))
    except ValueError as error:
        raise DataError(f"{path}: is corrupt ({error}); delete it to have it made again") from error
