"""The state of an unfinished training: saved now and then, gone on from after a kill, removed at the end.

One safetensors file beside the run's weights, never among the files that the workflow declares: those
are deleted when a job fails. It holds all that the rest of the training depends on, so that a training
in pieces gives, bit for bit, what one piece gives on the CPU. Random streams follow from (seed, purpose,
epoch), so of them only the dropout stream within an epoch is saved.
"""

import json
import logging
import os
import signal
import threading
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path
from types import FrameType
from typing import Any, Protocol

import torch
from torch import Tensor

from bam.errors import ConfigError, DataError, InterruptedRunError, RunError
from bam.recipe import RunSpec
from bam.steps.outputs import Meter, versions
from bam.training.loop import Trainer
from bam.training.objectives import AuxiliaryObjective
from bam.training.state import checksum, load_metadata, load_tensors, save_tensors

logger = logging.getLogger(__name__)

INTERVAL = "BAM_SAVE_INTERVAL"
INTERVAL_S = 60.0  # a shorter training never saves, and pays nothing
COST_FACTOR = 20  # saving takes at most a twentieth of the time, however large the model is
SIGNALS = (signal.SIGTERM, signal.SIGUSR1, signal.SIGINT)


class Kept(Protocol):
    """What a step has gathered of finished epochs: predictions, losses, weights."""

    def tensors(self, before: int) -> dict[str, Tensor]:
        """Return it for the epochs before a given one."""

    def load(self, tensors: Mapping[str, Tensor]) -> None:
        """Take what `tensors` returned."""


@dataclass
class Position:
    """Where a training is: in an epoch, after the steps of `losses`, or after all of them if `loss` is known."""

    epoch: int
    losses: list[Tensor]
    loss: float | None = None


class Resumption:
    """Watches one training; an instance of `bam.training.loop.Watch`.

    Parameters
    ----------
    path
        Where the state is kept until the training ends.
    kept
        Filled by `load`, and saved with the rest.
    """

    def __init__(self, path: Path, spec: RunSpec, trainer: Trainer, kept: Kept, meter: Meter) -> None:
        self.path = path
        self._spec, self._trainer, self._kept, self.meter = spec, trainer, kept, meter
        self._identity = {"id": spec.id, "device": trainer.labels_n.device.type, "versions": versions()}
        self._interval_s = _interval_s()
        self._due = time.monotonic() + self._interval_s
        self._signal: int | None = None
        self._at_rest = False
        self._position: Position | None = None
        self._random: dict[str, Tensor] = {}

    # Going on

    def load(self) -> int | None:
        """Go on from the saved state and return the epoch that it is in; None if there is none to go on from.

        A state that is corrupt, or of another run, is set aside with a warning.
        """
        for leftover in self.path.parent.glob(f".{self.path.name}.*"):  # of a kill amid a save
            leftover.unlink(missing_ok=True)
        if not self.path.exists():
            return None
        try:
            progress, tensors = self._read()
        except DataError as error:
            aside = self.path.with_name(f"{self.path.name}.set-aside")
            with suppress(OSError):
                self.path.replace(aside)
            logger.warning("%s; it is not used but set aside as %s, and the training starts anew", error, aside.name)
            return None
        self._restore(progress, tensors)
        epoch, step = progress["epoch"], progress["n_steps"]
        where = f"epoch {epoch}, step {step}" if progress["loss"] is None else f"the end of epoch {epoch}"
        logger.info("goes on from %s, saved at %s", self.path, where)
        return int(epoch)

    def _read(self) -> tuple[dict[str, Any], dict[str, Tensor]]:
        metadata, tensors = load_metadata(self.path), load_tensors(self.path)
        text = metadata.get("progress", "")
        if metadata.get("sha256") != checksum(tensors, text):
            raise DataError(f"{self.path}: is corrupt (its contents do not have their SHA-256)")
        progress: dict[str, Any] = json.loads(text)
        for key, ours in self._identity.items():
            if progress["identity"][key] != ours:
                raise DataError(f"{self.path}: is of {key} {progress['identity'][key]}, expected {ours}")
        return progress, tensors

    def _restore(self, progress: dict[str, Any], tensors: dict[str, Tensor]) -> None:
        trainer = self._trainer
        trainer.model.load_state_dict(_below("model", tensors))
        trainer.optimizer.load(tensors)
        trainer.precision.load(tensors)
        objective = _below("objective", tensors)
        if isinstance(trainer.objective, AuxiliaryObjective):
            trainer.objective.variables.load_raw(objective)
        else:
            trainer.objective.load(objective)
        self._kept.load(_below("kept", tensors))
        self.meter.add(progress["spent"])
        losses = list(tensors["losses"].to(trainer.labels_n.device).unbind()) if progress["n_steps"] else []
        self._position = Position(progress["epoch"], losses, progress["loss"])
        self._random = _below("random", tensors)

    # Looking on: see `bam.training.loop.Watch`

    def finished_loss(self, epoch: int) -> float | None:
        """Return the mean loss of an epoch whose steps were all taken before an interruption, else None."""
        if self._position is None or self._position.epoch != epoch:
            return None
        return self._position.loss

    def begin(self, epoch: int) -> list[Tensor]:
        """Return the losses of the steps already taken, and set the dropout stream to where it was after them."""
        self._at_rest = False
        losses: list[Tensor] = []
        if self._position is not None and self._position.epoch == epoch and self._position.losses:
            losses = self._position.losses
            torch.set_rng_state(self._random["cpu"])
            if "device" in self._random:
                self._device_module().set_rng_state(self._random["device"])
        self._position = None
        return losses

    def after_step(self, epoch: int, losses: list[Tensor]) -> None:
        """Save if it is time to, or if a signal has come; then stop.

        Raises
        ------
        InterruptedRunError
            If a signal has come.
        """
        if self._signal is None and time.monotonic() < self._due:
            return
        if self._signal is not None:
            self._save_and_stop(Position(epoch, losses))
        self._save(Position(epoch, losses))

    def after_epoch(self, epoch: int, loss: float) -> None:
        """Save if it is time to; from here to the next epoch a signal saves and stops at once."""
        self._position = Position(epoch, [], loss)
        if time.monotonic() >= self._due:
            self._save(self._position)
        self._at_rest = True
        if self._signal is not None:
            self._save_and_stop(self._position)

    # Saving

    @contextmanager
    def listening(self) -> Iterator[None]:
        """Let SIGTERM, SIGUSR1 (a scheduler's warning) and SIGINT save and stop the training inside the block."""
        if threading.current_thread() is not threading.main_thread():  # only there can Python hear signals
            yield
            return
        before = {number: signal.signal(number, self._hear) for number in SIGNALS}
        try:
            yield
        finally:
            for number, handler in before.items():
                signal.signal(number, handler)

    def remove(self) -> None:
        """Remove the state of a training that has ended."""
        self.path.unlink(missing_ok=True)

    def _hear(self, number: int, frame: FrameType | None) -> None:  # noqa: ARG002
        self._signal = number
        if self._at_rest and self._position is not None:
            self._save_and_stop(self._position)

    def _save_and_stop(self, position: Position) -> None:
        self._at_rest = False  # a second signal waits
        is_saved = self._save(position)
        name = signal.Signals(self._signal or 0).name
        outcome = f"the state is saved in {self.path}" if is_saved else "the state could not be saved now"
        raise InterruptedRunError(f"stopped by {name}; {outcome}; the same command goes on from the last saved state")

    def _save(self, position: Position) -> bool:
        """Write the state and return whether that worked; if the disk is full, the training goes on without."""
        start = time.monotonic()
        tensors = self._tensors(position)
        progress = json.dumps(
            {
                "identity": self._identity,
                "epoch": position.epoch,
                "n_steps": len(position.losses),
                "loss": position.loss,
                "spent": self.meter.so_far(),
            }
        )
        is_saved = True
        try:
            save_tensors(self.path, tensors, {"progress": progress, "sha256": checksum(tensors, progress)})
        except RunError as error:
            is_saved = False
            logger.warning("%s", error)
        now = time.monotonic()
        self._due = now + max(self._interval_s, COST_FACTOR * (now - start))
        return is_saved

    def _device_module(self) -> Any:
        return torch.get_device_module(self._trainer.labels_n.device)

    def _tensors(self, position: Position) -> dict[str, Tensor]:
        trainer = self._trainer
        objective = trainer.objective
        raw = objective.variables.raw_state() if isinstance(objective, AuxiliaryObjective) else objective.state()
        random = {"cpu": torch.get_rng_state()}
        if trainer.labels_n.device.type != "cpu":
            random["device"] = self._device_module().get_rng_state()
        parts = {
            "model": trainer.model.state_dict(),
            "objective": raw,
            "kept": self._kept.tensors(position.epoch),
            "random": random,
        }
        named = {f"{part}/{name}": tensor for part, those in parts.items() for name, tensor in those.items()}
        if position.losses:
            named["losses"] = torch.stack(position.losses)
        return {**named, **trainer.optimizer.state(), **trainer.precision.state()}


def _below(part: str, tensors: Mapping[str, Tensor]) -> dict[str, Tensor]:
    prefix = f"{part}/"
    return {name.removeprefix(prefix): tensor for name, tensor in tensors.items() if name.startswith(prefix)}


def _interval_s() -> float:
    text = os.environ.get(INTERVAL, "")
    try:
        seconds = float(text) if text else INTERVAL_S
    except ValueError:
        seconds = -1.0
    if not 0 <= seconds < float("inf"):
        raise ConfigError(f"{INTERVAL}: {text!r} is not allowed: expected seconds, 0 or more")
    return seconds
