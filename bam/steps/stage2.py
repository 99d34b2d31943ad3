"""Stage 2: go on from stage 1's model (One-M) or start afresh (Two-M) with the error set upweighted."""

from pathlib import Path

from bam.artifacts import check_recorded, read_error_set
from bam.errors import DataError
from bam.recipe import RunSpec
from bam.run_files import TrainFiles
from bam.steps.final_training import train_and_predict
from bam.training.build import Extras
from bam.training.state import load_tensors


def stage2(  # noqa: PLR0913  (the options of the verb)
    spec: RunSpec,
    prepared: Path,
    error_set: Path,
    weights: Path | None,
    files: TrainFiles,
    device: str,
    pretrained: Path | None = None,
    *,
    stage1_record: Path | None = None,
) -> None:
    """Train on the upweighted set and predict every epoch, or each k-th; momentum starts anew.

    Parameters
    ----------
    weights
        Stage 1's model, needed for One-M.
    pretrained
        Folder that `bam pretrained` wrote, for a model that starts from one.
    stage1_record
        Stage 1's record, which the model is checked against if it is given.

    Raises
    ------
    DataError
        If One-M is given no weights or not those of the record, or the error set is not about the training split.
    """
    mask, failed = read_error_set(error_set)
    start = None
    if spec.training.start == "stage1":
        if weights is None:
            raise DataError(
                f"{spec.method} goes on from stage 1 (One-M): give --stage1-weights <its model.safetensors>"
            )
        if stage1_record is not None:
            check_recorded(weights, stage1_record, "model")
        start = load_tensors(weights)
    extras = Extras(error_set=mask)
    train_and_predict(spec, prepared, files, extras, device=device, pretrained=pretrained, weights=start, failed=failed)
