"""Stage 2: go on from stage 1's model (One-M) or start afresh (Two-M) with the error set upweighted."""

from pathlib import Path

from bam.artifacts import read_error_set
from bam.recipe import RunSpec
from bam.steps.final_training import TrainFiles, train_and_predict
from bam.training.build import Extras
from bam.training.state import load_tensors


def stage2(
    spec: RunSpec, prepared: Path, error_set: Path, weights: Path | None, files: TrainFiles, device: str
) -> None:
    """Train on the upweighted set and predict every epoch; momentum starts anew.

    Parameters
    ----------
    weights
        Stage 1's model, needed for One-M.
    """
    mask, failed = read_error_set(error_set)
    start = load_tensors(weights) if spec.training.start == "stage1" and weights is not None else None
    train_and_predict(spec, prepared, files, Extras(error_set=mask), device=device, weights=start, failed=failed)
