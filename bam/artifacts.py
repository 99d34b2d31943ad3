"""The array files that steps hand to one another: predictions, error sets, auxiliary variables."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np

from bam.errors import DataError
from bam.files import read_npz, write_npz

PREDICTIONS = "bam.predictions/1"
ERROR_SET = "bam.error_set/1"
AUXILIARY = "bam.auxiliary/1"


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
        if self.classes.ndim != 2 or len(self.epochs) != len(self.classes):
            raise ValueError(f"classes {self.classes.shape} do not fit {len(self.epochs)} epochs")


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
        If the file is missing or corrupt, or is not about `n_examples` examples.
    """
    arrays = read_npz(path, PREDICTIONS, ("epochs", "classes", "train_loss", "failed"))
    logits = {int(k.removeprefix("logits_")): v for k, v in arrays.items() if k.startswith("logits_")}
    classes = arrays["classes"]
    if n_examples is not None and classes.shape[1] != n_examples:
        raise DataError(f"{path}: predicts {classes.shape[1]} examples, the split has {n_examples}")
    return Predictions(arrays["epochs"], classes, arrays["train_loss"], logits, str(arrays["failed"]))


def write_error_set(path: Path, mask: np.ndarray, failed: str = "") -> None:
    """Write an error set (bool mask over the training split) as npz."""
    write_npz(path, ERROR_SET, {"mask": mask.astype(bool), "failed": np.array(failed)})


def read_error_set(path: Path) -> tuple[np.ndarray, str]:
    """Return (mask of shape (n_train,), why stage 1 failed or an empty string)."""
    arrays = read_npz(path, ERROR_SET, ("mask", "failed"))
    return arrays["mask"], str(arrays["failed"])


def write_auxiliary(path: Path, scaled: Mapping[int, np.ndarray]) -> None:
    """Write epoch -> λb, each a float32 array of shape (n_train, C)."""
    write_npz(path, AUXILIARY, {f"epoch_{epoch}": array for epoch, array in scaled.items()})


def read_auxiliary(path: Path) -> dict[int, np.ndarray]:
    """Return epoch -> λb, each a float32 array of shape (n_train, C)."""
    arrays = read_npz(path, AUXILIARY)
    return {int(name.removeprefix("epoch_")): array for name, array in sorted(arrays.items())}
