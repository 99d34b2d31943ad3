"""From stage 1's predictions on train to the error set."""

from pathlib import Path

import numpy as np

from bam.artifacts import read_predictions, write_error_set
from bam.error_set import find
from bam.errors import DataError


def error_set(predictions: Path, labels: Path, out: Path) -> None:
    """Write the mask of training examples that stage 1 misses at its last epoch.

    Raises
    ------
    DataError
        If a file is missing or corrupt, or the two are not about the same examples.
    """
    try:
        truth = np.load(labels, allow_pickle=False)
    except (OSError, ValueError, EOFError) as error:
        raise DataError(f"{labels}: cannot be read ({error})") from error
    stage1 = read_predictions(predictions, n_examples=len(truth))
    write_error_set(out, find(stage1.classes[-1], truth), stage1.failed)
