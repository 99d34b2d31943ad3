"""From stage 1's predictions on train to the error set."""

from pathlib import Path

from bam.artifacts import read_predictions, write_error_set
from bam.data.prepared import read_labels
from bam.error_set import find


def error_set(predictions: Path, labels: Path, out: Path) -> None:
    """Write the mask of training examples that stage 1 misses at its last epoch.

    Raises
    ------
    DataError
        If a file is missing or corrupt, or the two are not about the same examples.
    """
    truth = read_labels(labels)
    stage1 = read_predictions(predictions, n_examples=len(truth))
    write_error_set(out, find(stage1.classes[-1], truth), stage1.failed)
