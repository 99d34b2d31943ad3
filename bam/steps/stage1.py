"""Stage 1: amplify the bias, and keep what the amplified model predicts without its crutch."""

import json
import logging
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np
import torch
from torch import Tensor

from bam.artifacts import (
    Predictions,
    check_recorded,
    read_auxiliary,
    read_predictions,
    write_auxiliary,
    write_predictions,
)
from bam.data.prepared import open_labels, read_manifest
from bam.errors import DataError
from bam.files import read_json
from bam.recipe import RunSpec
from bam.run_files import Stage1Files
from bam.steps.outputs import Meter, write_record, write_timing
from bam.steps.resume import Resumption
from bam.training.batches import evaluation_batch
from bam.training.build import Extras, build_model, build_trainer, open_splits, set_up_torch
from bam.training.divergence import DivergedError
from bam.training.inputs import Inputs
from bam.training.loop import Trainer, epochs
from bam.training.objectives import AuxiliaryObjective
from bam.training.prediction import classes_of, predict_logits
from bam.training.state import load_tensors, save_tensors

logger = logging.getLogger(__name__)


@dataclass
class Snapshots:
    """What stage 1 keeps of its watched epochs, its last among them; `done` epochs were those of a lower T."""

    done: int = 0
    epochs: list[int] = field(default_factory=list)
    losses: list[float] = field(default_factory=list)
    train: list[np.ndarray] = field(default_factory=list)
    val: list[np.ndarray] = field(default_factory=list)
    auxiliary: dict[int, np.ndarray] = field(default_factory=dict)

    def tensors(self, before: int) -> dict[str, Tensor]:
        """Return what is known of the epochs before a given one, to be saved."""
        n = sum(epoch < before for epoch in self.epochs)
        found = {"done": torch.tensor(self.done), "epochs": torch.tensor(self.epochs[:n])}
        found["losses"] = torch.tensor(self.losses[:n], dtype=torch.float64)
        for k, epoch in enumerate(self.epochs[:n]):
            for name, array in (("train", self.train[k]), ("val", self.val[k]), ("auxiliary", self.auxiliary[epoch])):
                found[f"{name}/{epoch}"] = torch.from_numpy(array)
        return found

    def load(self, tensors: Mapping[str, Tensor]) -> None:
        """Take what `tensors` returned."""
        self.done = int(tensors["done"])
        self.epochs, self.losses = tensors["epochs"].tolist(), tensors["losses"].tolist()
        self.train = [tensors[f"train/{epoch}"].numpy() for epoch in self.epochs]
        self.val = [tensors[f"val/{epoch}"].numpy() for epoch in self.epochs]
        self.auxiliary = {epoch: tensors[f"auxiliary/{epoch}"].numpy() for epoch in self.epochs}


def stage1(
    spec: RunSpec,
    prepared: Path,
    files: Stage1Files,
    previous: Stage1Files | None,
    device: str,
    pretrained: Path | None = None,
) -> None:
    """Train for T epochs with auxiliary variables and write the state and predictions at T.

    Parameters
    ----------
    previous
        The finished run of the same settings at a lower T to go on from; the result is, bit
        for bit, that of one run from the start.
    pretrained
        Folder that `bam pretrained` wrote, for a model that starts from one.
    """
    meter, where = Meter(), set_up_torch(spec.threads, device)
    manifest = read_manifest(prepared)
    train, val = open_splits(spec, prepared, manifest, ("train", "val"), where).values()
    labels = open_labels(prepared, manifest, "train")
    trainer = build_trainer(
        spec.training,
        build_model(spec, manifest, pretrained),
        train,
        labels,
        manifest.n_classes,
        seed=spec.seed,
        extras=Extras(),
        precision=spec.precision,
    )
    snapshots, failed = Snapshots(), ""
    resumption = Resumption(files.resume, spec, trainer, snapshots, meter)
    first = resumption.load()
    if first is None:
        if previous is not None:
            snapshots.done, failed = _continue(trainer, previous, snapshots, spec)
        first = snapshots.done + 1
    n_visited = 0 if failed else len(labels) * (spec.training.epochs - snapshots.done)
    failed = failed or _train(trainer, snapshots, resumption, first, spec, val)
    if failed:
        _keep_failed(snapshots, trainer, spec.training.epochs, val)
    files.record.unlink(missing_ok=True)  # of an earlier run whose files are not all there
    _write(trainer, snapshots, files, failed)
    names = ("train", "val", "auxiliary", "model", "state")
    write_record(files.record, spec, device, {name: getattr(files, name) for name in names}, evaluation_batch(train))
    write_timing(files.timing, meter, n_visited)
    resumption.remove()


def _train(
    trainer: Trainer, snapshots: Snapshots, resumption: Resumption, first: int, spec: RunSpec, val: Inputs
) -> str:
    """Train from a first epoch on and keep the watched ones; return why it stopped early, or an empty text."""
    last, meter = spec.training.epochs, resumption.meter
    running = epochs(trainer, last, first, resumption)
    try:
        with resumption.listening():
            for epoch, loss in meter.epochs(running, last + 1 - first, "stage 1"):
                _keep(snapshots, trainer, epoch, loss, val, meter, spec)
    except DivergedError as error:
        logger.warning("stage 1 stopped: %s", error)
        return f"stage 1 stopped: {error}"
    return ""


def _keep(  # noqa: PLR0913  (what an epoch leaves)
    snapshots: Snapshots, trainer: Trainer, epoch: int, loss: float, val: Inputs, meter: Meter, spec: RunSpec
) -> None:
    if epoch not in (*spec.training.watch_epochs, spec.training.epochs):
        return
    with meter.evaluation.running():
        train, validation = (
            classes_of(predict_logits(trainer.model, x, trainer.precision.name)) for x in (trainer.inputs, val)
        )
    snapshots.epochs.append(epoch)
    snapshots.losses.append(loss)
    snapshots.train.append(train)
    snapshots.val.append(validation)
    objective = trainer.objective
    assert isinstance(objective, AuxiliaryObjective)
    snapshots.auxiliary[epoch] = objective.scaled().cpu().numpy()


def _keep_failed(snapshots: Snapshots, trainer: Trainer, epoch: int, val: Inputs) -> None:
    """File class 0 throughout under T, so that a failed run has every file, marked as failed."""
    snapshots.epochs.append(epoch)
    snapshots.losses.append(float("nan"))
    snapshots.train.append(np.zeros(len(trainer.inputs), dtype=np.uint8))
    snapshots.val.append(np.zeros(len(val), dtype=np.uint8))
    assert isinstance(trainer.objective, AuxiliaryObjective)
    snapshots.auxiliary[epoch] = trainer.objective.scaled().cpu().numpy()


def _continue(trainer: Trainer, previous: Stage1Files, snapshots: Snapshots, spec: RunSpec) -> tuple[int, str]:
    """Load the state of a lower T and its snapshots of watched epochs; return that T, and why it failed if so."""
    _check_continues(spec, previous)
    for name, path in (("model", previous.model), ("state", previous.state)):
        check_recorded(path, previous.record, name)
    trainer.model.load_state_dict(load_tensors(previous.model))
    state = load_tensors(previous.state)
    trainer.optimizer.load(state)
    trainer.objective.load(state)
    trainer.precision.load(state)
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


def _check_continues(spec: RunSpec, previous: Stage1Files) -> None:
    """Refuse to go on from a run that differs in more than T and in what it watches."""
    content = read_json(previous.record)
    try:
        before = RunSpec.model_validate_json(json.dumps(content["spec"]))
    except (KeyError, TypeError, ValueError) as error:  # pydantic's own is a ValueError
        raise DataError(f"{previous.record}: is not the record of a run") from error
    ours = spec.model_copy(update={"training": spec.training.model_copy(update={"epochs": before.training.epochs})})
    if ours.result_id != before.result_id or before.training.epochs >= spec.training.epochs:
        raise DataError(f"{previous.record}: is not a run of these settings at a lower T")


def _write(trainer: Trainer, snapshots: Snapshots, files: Stage1Files, failed: str) -> None:
    when, losses = np.array(snapshots.epochs), np.array(snapshots.losses)
    for path, classes in ((files.train, snapshots.train), (files.val, snapshots.val)):
        write_predictions(path, Predictions(when, np.stack(classes), losses, failed=failed))
    write_auxiliary(files.auxiliary, snapshots.auxiliary)
    save_tensors(files.model, trainer.model.state_dict())
    save_tensors(files.state, {**trainer.optimizer.state(), **trainer.objective.state(), **trainer.precision.state()})
