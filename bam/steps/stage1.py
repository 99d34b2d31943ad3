"""Stage 1: amplify the bias, and keep what the amplified model predicts without its crutch."""

import logging
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np

from bam.artifacts import Predictions, read_auxiliary, read_predictions, write_auxiliary, write_predictions
from bam.data.prepared import open_inputs, open_labels, read_manifest
from bam.recipe import RunSpec
from bam.steps.outputs import Meter, write_record, write_timing
from bam.training.build import Extras, build_model, build_trainer, set_up_torch
from bam.training.inputs import ImageInputs, image_inputs
from bam.training.loop import DivergedError, Trainer, epochs
from bam.training.objectives import AuxiliaryObjective
from bam.training.prediction import classes_of, predict_logits
from bam.training.state import load_tensors, save_tensors

logger = logging.getLogger(__name__)


@dataclass(frozen=True)
class Stage1Files:
    """The files of one stage-1 run, read (by the run that continues it) and written."""

    train: Path
    val: Path
    auxiliary: Path
    model: Path
    state: Path
    record: Path
    timing: Path

    @classmethod
    def below(cls, predictions: Path, weights: Path) -> "Stage1Files":
        """Return the files of a run from its two folders."""
        return cls(
            train=predictions / "train.npz",
            val=predictions / "val.npz",
            auxiliary=predictions / "auxiliary.npz",
            model=weights / "model.safetensors",
            state=weights / "state.safetensors",
            record=predictions / "record.json",
            timing=predictions / "timing.json",
        )


@dataclass
class Snapshots:
    """What stage 1 keeps of its watched epochs, its last among them."""

    epochs: list[int] = field(default_factory=list)
    losses: list[float] = field(default_factory=list)
    train: list[np.ndarray] = field(default_factory=list)
    val: list[np.ndarray] = field(default_factory=list)
    auxiliary: dict[int, np.ndarray] = field(default_factory=dict)


def stage1(spec: RunSpec, prepared: Path, files: Stage1Files, previous: Stage1Files | None, device: str) -> None:
    """Train for T epochs with auxiliary variables and write the state and predictions at T.

    Parameters
    ----------
    previous
        The finished run of the same settings at a lower T to go on from; the result is, bit
        for bit, that of one run from the start.
    """
    meter, where = Meter(), set_up_torch(spec.threads, device)
    manifest = read_manifest(prepared)
    train = image_inputs(open_inputs(prepared, manifest, "train"), manifest, where)
    val = image_inputs(open_inputs(prepared, manifest, "val"), manifest, where)
    labels = open_labels(prepared, manifest, "train")
    trainer = build_trainer(
        spec.training, build_model(spec, manifest), train, labels, manifest.n_classes, seed=spec.seed, extras=Extras()
    )
    snapshots = Snapshots()
    done, failed = (0, "") if previous is None else _resume(trainer, previous, snapshots, spec)
    total = 0 if failed else spec.training.epochs - done
    try:
        for epoch, loss in meter.epochs(epochs(trainer, spec.training.epochs, first=done + 1), total, "stage 1"):
            if epoch in spec.training.watch_epochs or epoch == spec.training.epochs:
                _keep(snapshots, trainer, epoch, loss, val, meter)
    except DivergedError as error:
        failed = f"stage 1 stopped: {error}"
        logger.warning(failed)
    if failed:
        _keep(snapshots, trainer, spec.training.epochs, float("nan"), val, meter)
    _write(trainer, snapshots, files, failed)
    names = ("train", "val", "auxiliary", "model", "state")
    write_record(files.record, spec, device, {name: getattr(files, name) for name in names})
    write_timing(files.timing, meter, n_visited=len(labels) * total)


def _keep(snapshots: Snapshots, trainer: Trainer, epoch: int, loss: float, val: ImageInputs, meter: Meter) -> None:
    snapshots.epochs.append(epoch)
    snapshots.losses.append(loss)
    with meter.evaluation.running():
        snapshots.train.append(classes_of(predict_logits(trainer.model, trainer.inputs)))
        snapshots.val.append(classes_of(predict_logits(trainer.model, val)))
    objective = trainer.objective
    assert isinstance(objective, AuxiliaryObjective)
    snapshots.auxiliary[epoch] = objective.scaled().cpu().numpy()


def _resume(trainer: Trainer, previous: Stage1Files, snapshots: Snapshots, spec: RunSpec) -> tuple[int, str]:
    """Load the state of a lower T and its snapshots of watched epochs; return that T, and why it failed if so."""
    trainer.model.load_state_dict(load_tensors(previous.model))
    state = load_tensors(previous.state)
    trainer.optimizer.load(state)
    trainer.objective.load(state)
    train, val = read_predictions(previous.train), read_predictions(previous.val)
    auxiliary = read_auxiliary(previous.auxiliary)
    # A failed run files the model it stopped at under its T, an epoch it never finished.
    finished = train.epochs.tolist()[: -1 if train.failed else None]
    for k, epoch in enumerate(finished):
        if epoch in spec.training.watch_epochs:
            snapshots.epochs.append(epoch)
            snapshots.losses.append(float(train.train_loss[k]))
            snapshots.train.append(train.classes[k])
            snapshots.val.append(val.classes[k])
            snapshots.auxiliary[epoch] = auxiliary[epoch]
    return int(train.epochs[-1]), train.failed


def _write(trainer: Trainer, snapshots: Snapshots, files: Stage1Files, failed: str) -> None:
    when, losses = np.array(snapshots.epochs), np.array(snapshots.losses)
    for path, classes in ((files.train, snapshots.train), (files.val, snapshots.val)):
        write_predictions(path, Predictions(when, np.stack(classes), losses, failed=failed))
    write_auxiliary(files.auxiliary, snapshots.auxiliary)
    save_tensors(files.model, trainer.model.state_dict())
    save_tensors(files.state, {**trainer.optimizer.state(), **trainer.objective.state()})
