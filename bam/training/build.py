"""From a RunSpec and arrays to a Trainer."""

import math
import os
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch
from torch import nn

from bam.data.examples import Split
from bam.data.prepared import Manifest
from bam.errors import DataError, RunError
from bam.pretrained import RECORD
from bam.recipe import PrecisionName, RunSpec, Training
from bam.training.inputs import Inputs, open_split
from bam.training.last_batch import check_last_batch
from bam.training.loop import Trainer
from bam.training.network import form_of, network, trims_padding
from bam.training.objectives import build_objective
from bam.training.optimizers import Optimizer
from bam.training.precision import Precision
from bam.training.sampling import build_order
from bam.training.schedule import learning_rate
from bam.training.streams import global_stream


@dataclass(frozen=True)
class Extras:
    """What only some trainings need: an error set (bool, n), or group ids (int64, n) and their number."""

    error_set: np.ndarray | None = None
    groups: np.ndarray | None = None
    n_groups: int = 0


def build_model(spec: RunSpec, manifest: Manifest, pretrained: Path | None = None) -> nn.Module:
    """Return the model that the spec names: what is fresh in it comes from (seed, "init").

    Raises
    ------
    ConfigError, DataError
        As `bam.training.network.network`; also if the spec names pretrained weights that are not given.
    """
    if spec.pretrained is not None and (pretrained is None or not (pretrained / RECORD).exists()):
        seen = f"{pretrained} is none" if pretrained else "none is given"
        raise DataError(f"{spec.method} starts from {spec.pretrained}: give --pretrained <its folder>; {seen}")
    with global_stream(spec.seed, "init"):
        model = network(spec.model, form_of(manifest), pretrained)
    if spec.compile:
        model.compile()
    return model


def open_splits(
    spec: RunSpec, prepared: Path, manifest: Manifest, splits: Sequence[Split], device: torch.device
) -> dict[Split, Inputs]:
    """Return the inputs of some splits as the spec's model takes them; DataError as `open_inputs`."""
    trim = trims_padding(spec.model)
    return {split: open_split(prepared, manifest, split, device, trim=trim) for split in splits}


def build_trainer(  # noqa: PLR0913  (a training is just these)
    training: Training,
    model: nn.Module,
    inputs: Inputs,
    labels: np.ndarray,
    n_classes: int,
    *,
    seed: int,
    extras: Extras,
    precision: PrecisionName = "float32",
) -> Trainer:
    """Return a Trainer at its first step, on the device of the inputs.

    Parameters
    ----------
    labels : int64 array of shape (n,)

    Raises
    ------
    ConfigError
        As `check_last_batch`.
    """
    device = inputs.device
    model.to(device)
    groups_n = None if extras.groups is None else torch.from_numpy(extras.groups).to(device)
    order = build_order(training, len(labels), seed, extras.error_set, extras.groups)
    first_epoch = order(1)
    check_last_batch(model, inputs, first_epoch, training.batch_size)
    n_steps = training.epochs * math.ceil(len(first_epoch) / training.batch_size)
    return Trainer(
        model=model,
        optimizer=Optimizer(model, training.optimizer),
        objective=build_objective(training, len(labels), n_classes, groups_n, extras.n_groups, device),
        inputs=inputs,
        labels_n=torch.from_numpy(np.asarray(labels)).to(device),
        order=order,
        batch_size=training.batch_size,
        seed=seed,
        rate=learning_rate(training.optimizer, n_steps),
        precision=Precision(precision, device),
    )


def set_up_torch(threads: int, device: str) -> torch.device:
    """Fix what torch lets float (thread count, kernels that vary) and return the device.

    Raises
    ------
    RunError
        If this machine or this build of torch has no such device.
    """
    # cuBLAS is deterministic only with a workspace of its own, to be named before CUDA starts.
    os.environ.setdefault("CUBLAS_WORKSPACE_CONFIG", ":4096:8")
    torch.backends.cuda.matmul.allow_tf32 = False
    torch.backends.cudnn.allow_tf32 = False
    torch.set_num_threads(threads)
    # What use_deterministic_algorithms(True) sets, without importing the compiler to tell it too.
    torch.set_deterministic_debug_mode("error")
    has_device = {"cpu": True, "cuda": torch.cuda.is_available(), "mps": torch.backends.mps.is_available()}
    if not has_device.get(device, False):
        there = ", ".join(name for name, is_there in has_device.items() if is_there)
        raise RunError(f"--device {device}: is not available here; there is {there}")
    return torch.device(device)
