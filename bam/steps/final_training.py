"""The training whose epochs are selected, and its predictions of every epoch, or each k-th."""

import logging
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np
import torch

from bam import catalogue
from bam.artifacts import Predictions, write_predictions
from bam.best_epoch import best_epoch
from bam.data.examples import SPLITS, Split
from bam.data.prepared import Manifest, open_labels, read_manifest
from bam.errors import DataError
from bam.recipe import RunSpec
from bam.run_files import TrainFiles
from bam.steps.outputs import Meter, write_record, write_timing
from bam.steps.resume import Resumption
from bam.training.batches import evaluation_batch
from bam.training.build import Extras, build_model, build_trainer, open_splits, set_up_torch
from bam.training.divergence import DivergedError
from bam.training.inputs import Inputs
from bam.training.loop import Trainer, epochs
from bam.training.prediction import classes_of, predict_logits
from bam.training.state import save_tensors

logger = logging.getLogger(__name__)


@dataclass
class History:
    """Predictions of each epoch that is predicted, the weights that each kept rule prefers, and the last epoch done."""

    labels: np.ndarray
    n_classes: int
    epochs: list[int] = field(default_factory=list)
    losses: list[float] = field(default_factory=list)
    val: list[np.ndarray] = field(default_factory=list)
    test: list[np.ndarray] = field(default_factory=list)
    val_logits: dict[int, np.ndarray] = field(default_factory=dict)
    test_logits: dict[int, np.ndarray] = field(default_factory=dict)
    weights: dict[str, dict[str, torch.Tensor]] = field(default_factory=dict)
    last: int = 0

    def tensors(self, before: int) -> dict[str, torch.Tensor]:
        """Return what is known of the epochs before a given one, to be saved."""
        n = sum(epoch < before for epoch in self.epochs)
        found = {"epochs": torch.tensor(self.epochs[:n]), "losses": torch.tensor(self.losses[:n], dtype=torch.float64)}
        for name, each in (("val", self.val), ("test", self.test)):
            found |= {f"{name}/{epoch}": torch.from_numpy(each[k]) for k, epoch in enumerate(self.epochs[:n])}
        for name, logits in (("val_logits", self.val_logits), ("test_logits", self.test_logits)):
            found |= {f"{name}/{epoch}": torch.from_numpy(array) for epoch, array in logits.items() if epoch < before}
        for rule, weights in self.weights.items():
            found |= {f"weights/{rule}/{key}": tensor for key, tensor in weights.items()}
        return found

    def load(self, tensors: Mapping[str, torch.Tensor]) -> None:
        """Take what `tensors` returned."""
        self.epochs, self.losses = tensors["epochs"].tolist(), tensors["losses"].tolist()
        self.val = [tensors[f"val/{epoch}"].numpy() for epoch in self.epochs]
        self.test = [tensors[f"test/{epoch}"].numpy() for epoch in self.epochs]
        for name, tensor in tensors.items():
            part, _, rest = name.partition("/")
            if part in ("val_logits", "test_logits"):
                logits = self.val_logits if part == "val_logits" else self.test_logits
                logits[int(rest)] = tensor.numpy()
            elif part == "weights":
                rule, _, key = rest.partition("/")
                self.weights.setdefault(rule, {})[key] = tensor


def train_and_predict(  # noqa: PLR0913  (what one-stage and two-stage methods each need)
    spec: RunSpec,
    prepared: Path,
    files: TrainFiles,
    extras: Extras,
    *,
    device: str,
    pretrained: Path | None = None,
    weights: dict[str, torch.Tensor] | None = None,
    failed: str = "",
) -> None:
    """Train, predicting validation and test after the epochs of `predict_every`; test labels are not at hand.

    Parameters
    ----------
    pretrained
        Folder that `bam pretrained` wrote, for a model that starts from one.
    weights
        What to start from; None for a fresh model.
    failed
        Why the stage 1 below failed, or empty; then nothing is trained and the run is marked.
    """
    meter, where = Meter(), set_up_torch(spec.threads, device)
    manifest = read_manifest(prepared)
    inputs = open_splits(spec, prepared, manifest, SPLITS, where)
    labels = open_labels(prepared, manifest, "train")
    _check_lengths(extras, len(labels))
    trainer = build_trainer(
        spec.training,
        _start(spec, manifest, pretrained, weights),
        inputs["train"],
        labels,
        manifest.n_classes,
        seed=spec.seed,
        extras=extras,
        precision=spec.precision,
    )
    history = History(open_labels(prepared, manifest, "val"), manifest.n_classes)
    resumption = Resumption(files.resume, spec, trainer, history, meter)
    first = resumption.load() or 1
    failed = failed or _train(trainer, history, resumption, first, spec, inputs)
    files.record.unlink(missing_ok=True)  # of an earlier run whose files are not all there
    _write(history, trainer, inputs, files, failed)
    write_record(files.record, spec, device, files.outputs(), evaluation_batch(inputs["val"]))
    write_timing(files.timing, meter, n_visited=len(trainer.order(1)) * history.last)
    resumption.remove()


def _train(
    trainer: Trainer,
    history: History,
    resumption: Resumption,
    first: int,
    spec: RunSpec,
    inputs: Mapping[Split, Inputs],
) -> str:
    """Train from a first epoch on, predicting as asked; return why it stopped early, or an empty text."""
    last, meter, history.last = spec.training.epochs, resumption.meter, first - 1
    running = epochs(trainer, last, first, resumption)
    try:
        with resumption.listening():
            for epoch, loss in meter.epochs(running, last + 1 - first, "training"):
                history.last = epoch
                _predict(history, trainer, epoch, loss, inputs, spec, meter)
    except DivergedError as error:
        logger.warning("training stopped: %s", error)
        return f"training stopped: {error}"
    return ""


def _check_lengths(extras: Extras, n_examples: int) -> None:
    for what, array in (("the error set", extras.error_set), ("the group file", extras.groups)):
        if array is not None and len(array) != n_examples:
            raise DataError(f"{what} is about {len(array):,} examples, the training split has {n_examples:,}")


def _start(
    spec: RunSpec, manifest: Manifest, pretrained: Path | None, weights: dict[str, torch.Tensor] | None
) -> torch.nn.Module:
    model = build_model(spec, manifest, pretrained)
    if weights is not None:
        model.load_state_dict(weights)
    return model


def _predict(  # noqa: PLR0913  (what an epoch leaves)
    history: History,
    trainer: Trainer,
    epoch: int,
    loss: float,
    inputs: Mapping[Split, Inputs],
    spec: RunSpec,
    meter: Meter,
) -> None:
    if not spec.predicts(epoch):
        return
    with meter.evaluation.running():
        val, test = (predict_logits(trainer.model, inputs[split], spec.precision) for split in ("val", "test"))
    history.epochs.append(epoch)
    history.losses.append(loss)
    history.val.append(classes_of(val))
    history.test.append(classes_of(test))
    if epoch in spec.keep_logits:
        history.val_logits[epoch], history.test_logits[epoch] = val, test
    for rule in spec.keep_weights:
        score = catalogue.load("rule", rule, "keep_weights").score
        scores = score(np.stack(history.val), history.labels, history.n_classes)
        if best_epoch(scores) == len(scores) - 1:
            history.weights[rule] = {k: v.detach().clone() for k, v in trainer.model.state_dict().items()}


def _write(history: History, trainer: Trainer, inputs: Mapping[Split, Inputs], files: TrainFiles, failed: str) -> None:
    when, losses = np.array(history.epochs), np.array(history.losses)
    sides = (
        (files.val, history.val, history.val_logits, inputs["val"]),
        (files.test, history.test, history.test_logits, inputs["test"]),
    )
    for path, classes, logits, split in sides:
        stacked = np.array(classes, dtype=np.uint8).reshape(len(when), len(split))
        write_predictions(path, Predictions(when, stacked, losses, logits, failed))
    for rule, path in files.weights.items():
        save_tensors(path, history.weights.get(rule, trainer.model.state_dict()))
