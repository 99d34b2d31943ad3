"""BAM on arrays in memory, without files, configs or Snakemake.

>>> from bam.api import fit_bam  # doctest: +SKIP
>>> sgd = {"name": "sgd", "learning_rate": 1e-2, "momentum": 0.9, "weight_decay": 0.0}
>>> model = fit_bam(  # doctest: +SKIP
...     train=(x_train, y_train),
...     val=(x_val, y_val),
...     network={"name": "mlp", "hidden": [128]},
...     stage1={"auxiliary_coefficient": 10.0, "loss": "squared", "epochs": 10, "batch_size": 32, "optimizer": sgd},
...     stage2={"upweight_factor": 20, "restart": False, "epochs": 20, "batch_size": 32, "optimizer": sgd},
... )
>>> model.error_set.sum(), model.epoch, model.predict(x_new)  # doctest: +SKIP
"""

import copy
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
from torch import nn

from bam import catalogue
from bam.best_epoch import best_epoch
from bam.config_errors import validated
from bam.data.normalisation import channel_statistics
from bam.error_set import find
from bam.errors import ConfigError, DataError, RunError
from bam.methods.bam import Settings
from bam.recipe import Recipe, Training
from bam.training.build import Extras, build_trainer, set_up_torch
from bam.training.divergence import DivergedError
from bam.training.inputs import ImageInputs
from bam.training.loop import Trainer, epochs
from bam.training.prediction import classes_of, predict_logits
from bam.training.streams import global_stream

Network = Mapping[str, Any] | Callable[[tuple[int, ...], int], nn.Module]
Arrays = tuple[np.ndarray, np.ndarray]
Score = Callable[[np.ndarray, np.ndarray, int], np.ndarray]


@dataclass(frozen=True)
class FittedModel:
    """A model trained by BAM, at the stage-2 epoch that a label-only rule chose.

    Attributes
    ----------
    module : the network, in evaluation mode
    error_set : bool array of shape (n_train,), what stage 1 missed
    epoch : the chosen stage-2 epoch, from 1
    scores : float64 array of shape (stage-2 epochs,), the rule's score of each; larger is better
    """

    module: nn.Module
    error_set: np.ndarray
    epoch: int
    scores: np.ndarray
    input_shape: tuple[int, ...]
    mean: tuple[float, ...]
    std: tuple[float, ...]

    def predict_logits(self, inputs: np.ndarray) -> np.ndarray:
        """Return logits, float32 of shape (n, C), for uint8 inputs of shape (n, channels, height, width).

        Raises
        ------
        DataError
            If the inputs are not uint8 or not of the training inputs' shape.
        """
        if inputs.dtype != np.uint8 or inputs.shape[1:] != self.input_shape:
            expected = ", ".join(map(str, self.input_shape))
            raise DataError(f"expected uint8 inputs of shape (n, {expected}), got {inputs.dtype} {inputs.shape}")
        device = next(self.module.parameters()).device
        return predict_logits(self.module, ImageInputs(inputs, self.mean, self.std, device))

    def predict(self, inputs: np.ndarray) -> np.ndarray:
        """Return predicted classes, uint8 of shape (n,)."""
        return classes_of(self.predict_logits(inputs))


def fit_bam(  # noqa: PLR0913  (one argument for each part of the method)
    train: Arrays,
    val: Arrays,
    *,
    network: Network,
    stage1: Mapping[str, Any],
    stage2: Mapping[str, Any],
    rule: str = "class_difference",
    seed: int = 0,
    threads: int = 1,
    device: str = "cpu",
) -> FittedModel:
    """Amplify the bias, find the error set, rebalance, and keep the epoch that `rule` prefers.

    Parameters
    ----------
    train, val
        (inputs, labels): uint8 of shape (n, channels, height, width), integers of shape (n,) in 0 .. C - 1.
        No group label is needed anywhere.
    network
        A `model:` entry such as ``{"name": "lenet"}``, or a function (input shape, C) -> module.
    stage1, stage2
        The keys of `methods: bam:` in a study config (config/README.md).
    rule
        A label-only rule: class_difference, worst_class, average or last.

    Raises
    ------
    ConfigError, DataError
        If settings or arrays are not as described.
    RunError
        If the loss becomes NaN or infinite.

    References
    ----------
    Li, Liu & Hu, TMLR 2024, arXiv 2309.06717.
    """
    recipe = _recipe(stage1, stage2)
    score = catalogue.load("rule", rule, "rule").score
    if seed < 0 or threads < 1:
        raise ConfigError(f"seed {seed} and threads {threads} are not allowed: expected at least 0 and 1")
    problem = _problem(train, val, seed, set_up_torch(threads, device))
    with global_stream(seed, "init"):
        model = _network(network, problem.input_shape, problem.n_classes)
    fresh = copy.deepcopy(model)
    try:
        error_set = _amplify(problem, recipe, model)
        start = model if recipe.final.start == "stage1" else fresh
        scores = _rebalance(problem, recipe.final, start, error_set, score)
    except DivergedError as error:
        raise RunError(f"{error}; try a smaller learning rate or auxiliary coefficient") from error
    return FittedModel(
        module=start.eval(),
        error_set=error_set,
        epoch=best_epoch(scores) + 1,
        scores=scores,
        input_shape=problem.input_shape,
        mean=problem.mean,
        std=problem.std,
    )


@dataclass(frozen=True)
class _Problem:
    inputs: ImageInputs
    labels: np.ndarray
    val_inputs: ImageInputs
    val_labels: np.ndarray
    input_shape: tuple[int, ...]
    n_classes: int
    mean: tuple[float, ...]
    std: tuple[float, ...]
    seed: int


def _problem(train: Arrays, val: Arrays, seed: int, device: torch.device) -> _Problem:
    (x_train, y_train), (x_val, y_val) = _checked(train, "train"), _checked(val, "val")
    n_classes = int(y_train.max()) + 1
    if x_val.shape[1:] != x_train.shape[1:]:
        raise DataError(f"val: inputs have shape {x_val.shape[1:]}, those of train {x_train.shape[1:]}")
    for name, labels in (("train", y_train), ("val", y_val)):
        if set(labels.tolist()) != set(range(n_classes)):
            seen = ", ".join(map(str, sorted(set(labels.tolist()))))
            raise DataError(f"{name}: labels must be all of 0 to {n_classes - 1} (the largest of train), got {seen}")
    mean, std = channel_statistics(x_train)
    return _Problem(
        inputs=ImageInputs(x_train, mean, std, device),
        labels=y_train,
        val_inputs=ImageInputs(x_val, mean, std, device),
        val_labels=y_val,
        input_shape=x_train.shape[1:],
        n_classes=n_classes,
        mean=mean,
        std=std,
        seed=seed,
    )


def _amplify(problem: _Problem, recipe: Recipe, model: nn.Module) -> np.ndarray:
    """Do stage 1 on `model` and return the error set, bool of shape (n_train,)."""
    assert recipe.stage1 is not None
    trainer = _trainer(problem, recipe.stage1, model, Extras())
    for _ in epochs(trainer, recipe.stage1.epochs):
        pass
    return find(classes_of(predict_logits(model, problem.inputs)), problem.labels)


def _rebalance(
    problem: _Problem, training: Training, model: nn.Module, error_set: np.ndarray, score: Score
) -> np.ndarray:
    """Do stage 2 on `model`, leave it at the epoch the rule prefers, and return the epochs' scores."""
    trainer = _trainer(problem, training, model, Extras(error_set=error_set))
    predicted: list[np.ndarray] = []
    for _ in epochs(trainer, training.epochs):
        predicted.append(classes_of(predict_logits(model, problem.val_inputs)))
        scores = score(np.stack(predicted), problem.val_labels, problem.n_classes)
        if best_epoch(scores) == len(scores) - 1:
            best = copy.deepcopy(model.state_dict())
    model.load_state_dict(best)
    return scores


def _trainer(problem: _Problem, training: Training, model: nn.Module, extras: Extras) -> Trainer:
    return build_trainer(
        training, model, problem.inputs, problem.labels, problem.n_classes, seed=problem.seed, extras=extras
    )


def _recipe(stage1: Mapping[str, Any], stage2: Mapping[str, Any]) -> Recipe:
    recipe: Recipe = validated(Settings, {"stage1": dict(stage1), "stage2": dict(stage2)}, "fit_bam").recipe()
    return recipe


def _checked(arrays: Arrays, name: str) -> Arrays:
    inputs, labels = np.ascontiguousarray(arrays[0]), np.asarray(arrays[1])
    if not np.issubdtype(labels.dtype, np.integer):
        raise DataError(f"{name}: expected integer labels, got {labels.dtype}")
    labels = labels.astype(np.int64)
    if inputs.dtype != np.uint8 or inputs.ndim != 4 or labels.shape != (len(inputs),) or len(inputs) == 0:
        raise DataError(
            f"{name}: expected uint8 inputs of shape (n, channels, height, width) and n labels, "
            f"got {inputs.dtype} {inputs.shape} and {labels.shape}"
        )
    return inputs, labels


def _network(network: Network, input_shape: tuple[int, ...], n_classes: int) -> nn.Module:
    if callable(network):
        return network(input_shape, n_classes)
    if "name" not in network:
        raise ConfigError(f"network: its key 'name' is missing; there is {', '.join(catalogue.names('model'))}")
    module = catalogue.load("model", str(network["name"]), "network.name")
    model: nn.Module = module.build(validated(module.Settings, dict(network), "network"), input_shape, n_classes)
    return model
