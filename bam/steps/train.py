"""Train a one-stage method: ERM, or Group-DRO with the groups of the training split."""

from pathlib import Path

from bam.errors import DataError
from bam.groups import partition_ids, read_split
from bam.recipe import RunSpec
from bam.run_files import TrainFiles
from bam.steps.final_training import train_and_predict
from bam.training.build import Extras


def train(
    spec: RunSpec,
    prepared: Path,
    groups: Path | None,
    files: TrainFiles,
    device: str,
    pretrained: Path | None = None,
) -> None:
    """Train and predict every epoch, or each k-th.

    Parameters
    ----------
    groups
        The training split's group file, for Group-DRO alone.
    pretrained
        Folder that `bam pretrained` wrote, for a model that starts from one.

    Raises
    ------
    DataError
        If the groups overlap, or are not given to a method that needs them.
    """
    extras = Extras()
    if spec.training.needs_groups:
        if groups is None:
            raise DataError(f"{spec.method} needs the training groups: give --groups data/groups/<id>/train.csv")
        membership = read_split(groups).membership
        extras = Extras(groups=partition_ids(membership), n_groups=membership.shape[1])
    train_and_predict(spec, prepared, files, extras, device=device, pretrained=pretrained)
