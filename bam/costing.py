"""What a study will cost: runs, time by this machine's speed or a given one, disk and memory, before it starts."""

import math
import time
from collections.abc import Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from bam import catalogue
from bam.data.examples import Sizes
from bam.layout import Layout
from bam.plan import Plan, Run
from bam.recipe import Upweighted

if TYPE_CHECKING:
    import torch

JOB_OVERHEAD_S = 2.0  # interpreter, import of torch, Snakemake's own work
N_TIMED_STEPS = 20
PREDICTED_PER_TRAINED = 3.0  # a backward pass is about two forward ones
INTERPRETER_BYTES = 400e6
FLOAT_BYTES = 4


@dataclass(frozen=True)
class Speed:
    """Seconds a trained and a predicted example take, and the model's number of weights."""

    training_s: float
    predicting_s: float
    n_parameters: int


@dataclass(frozen=True)
class Cost:
    """Estimated cost of one run; bytes of files are upper bounds, before compression."""

    n_trained: float
    n_predicted: float
    seconds: float
    predictions_bytes: float
    weights_bytes: float
    memory_bytes: float


def describe(plan: Plan, layout: Layout, rate: float | None = None) -> str:
    """Return the cost of a plan as text: per step, runs in all and to do, hours, examples, disk and memory.

    Parameters
    ----------
    rate
        Training examples a second of the device that is meant; without it, this machine's processor is timed.
    """
    sizes = {run.dataset.data_id: _sizes(run.dataset.settings) for run in _runs(plan)}
    shapes = {_shape(size): size for size in sizes.values()}
    speeds = {shape: _speed(plan, size, rate) for shape, size in shapes.items()}
    unit = "core-hours" if rate is None else "hours"
    lines = [
        f"study {plan.study.name}: {len(sizes)} prepared data sets, {len(plan.stage1)} stage-1 runs, "
        f"{len(plan.trainings)} final trainings, {len(plan.arms)} arms",
        f"{'step':8} {'runs':>6} {'to do':>6} {f'{unit} to do':>17} {'trained, M':>11} {'predicted, M':>13} "
        f"{'disk, MB':>9} {'memory a run, MB':>17}",
    ]
    for step in ("stage1", "stage2", "train"):
        runs = [run for run in _runs(plan) if run.spec.step == step]
        if not runs:
            continue
        costs = {
            run.name: _cost(
                run, _epochs(run, plan), sizes[run.dataset.data_id], speeds[_shape(sizes[run.dataset.data_id])]
            )
            for run in runs
        }
        to_do = [costs[run.name] for run in runs if not (layout.predictions(run.name) / "record.json").exists()]
        trained, predicted = (sum(getattr(cost, name) for cost in to_do) / 1e6 for name in ("n_trained", "n_predicted"))
        hours = sum(cost.seconds for cost in to_do) / 3600
        disk = sum(cost.predictions_bytes + cost.weights_bytes for cost in costs.values()) / 1e6
        memory = max(cost.memory_bytes for cost in costs.values()) / 1e6
        lines.append(
            f"{step:8} {len(runs):6} {len(to_do):6} {hours:17.3f} {trained:11.2f} {predicted:13.2f} "
            f"{disk:9.1f} {memory:17.0f}"
        )
    lines.append(f"time: {_how_timed(plan, rate)}; error sets taken to be as large as the minority groups")
    return "\n".join(lines)


def _how_timed(plan: Plan, rate: float | None) -> str:
    if rate is not None:
        return (
            f"{rate:g} training examples a second, as asked for, predictions {PREDICTED_PER_TRAINED:g} times as fast, "
            f"plus {JOB_OVERHEAD_S:g} s a job"
        )
    return (
        f"{N_TIMED_STEPS} steps of each shape measured here on {plan.study.file.threads} thread(s), plus "
        f"{JOB_OVERHEAD_S:g} s a job"
    )


def _runs(plan: Plan) -> list[Run]:
    return [*plan.stage1.values(), *plan.trainings.values()]


def _sizes(settings: Mapping[str, Any]) -> Sizes:
    module = catalogue.load("kind", str(settings["kind"]), "kind")
    sizes: Sizes = module.sizes(module.Settings.model_validate(settings))
    return sizes


def _shape(sizes: Sizes) -> tuple[object, ...]:
    return (*sizes.input_shape, sizes.n_classes)


def _speed(plan: Plan, sizes: Sizes, rate: float | None) -> Speed:
    """Measure the model here, or take the rate and count weights on torch's device without memory."""
    import torch

    if rate is None:
        return Speed(*_measure(plan, sizes))
    with torch.device("meta"):
        n_parameters = sum(parameter.numel() for parameter in _build(plan, sizes).parameters())
    return Speed(1 / rate, 1 / (PREDICTED_PER_TRAINED * rate), n_parameters)


def _build(plan: Plan, sizes: Sizes) -> "torch.nn.Module":
    settings = plan.study.file.model
    module = catalogue.load("model", str(settings["name"]), "model.name")
    model: torch.nn.Module = module.build(module.Settings.model_validate(settings), sizes.input_shape, sizes.n_classes)
    return model


def _measure(plan: Plan, sizes: Sizes) -> tuple[float, float, int]:
    """Return seconds a training example, seconds a predicted example, and the number of parameters."""
    import torch

    torch.set_num_threads(plan.study.file.threads)
    model = _build(plan, sizes)
    batch_size = min(run.spec.training.batch_size for run in _runs(plan))
    x_B = torch.zeros(batch_size, *sizes.input_shape)
    labels_B = torch.zeros(batch_size, dtype=torch.int64)
    optimizer = torch.optim.SGD(model.parameters(), lr=0.0)
    _steps(model, optimizer, x_B, labels_B)  # the first steps set things up
    start = time.perf_counter()
    _steps(model, optimizer, x_B, labels_B)
    training = (time.perf_counter() - start) / (N_TIMED_STEPS * batch_size)
    with torch.inference_mode():
        start = time.perf_counter()
        for _ in range(N_TIMED_STEPS):
            model(x_B)
    predicting = (time.perf_counter() - start) / (N_TIMED_STEPS * batch_size)
    return training, predicting, sum(p.numel() for p in model.parameters())


def _steps(
    model: "torch.nn.Module", optimizer: "torch.optim.Optimizer", x_B: "torch.Tensor", labels_B: "torch.Tensor"
) -> None:
    import torch
    from torch.nn import functional

    for _ in range(N_TIMED_STEPS):
        optimizer.zero_grad()
        torch.autograd.backward(functional.cross_entropy(model(x_B), labels_B))
        optimizer.step()


def _epochs(run: Run, plan: Plan) -> int:
    """Return the epochs that a run trains itself: a stage 1 goes on from the next lower T."""
    before = plan.stage1[run.previous].spec.training.epochs if run.previous else 0
    return run.spec.training.epochs - before


def _cost(run: Run, epochs: int, sizes: Sizes, speed: Speed) -> Cost:
    training, n = run.spec.training, sizes.n_examples
    visited = n["train"]
    if isinstance(training.sampling, Upweighted):
        visited += (training.sampling.factor - 1) * sizes.n_minority
    model_bytes = float(FLOAT_BYTES * speed.n_parameters)
    n_inputs = sum(n.values()) * math.prod(sizes.input_shape)
    if run.spec.step == "stage1":
        n_kept = len(training.watch_epochs) + 1
        predicted, per_epoch = n_kept * (n["train"] + n["val"]), n["train"] + n["val"]
        auxiliary = FLOAT_BYTES * n["train"] * sizes.n_classes
        predictions_bytes = float((per_epoch + auxiliary) * n_kept)
        weights_bytes = 2 * model_bytes + 2.0 * auxiliary
    else:
        predicted = training.epochs * (n["val"] + n["test"])
        predictions_bytes = float(predicted)
        weights_bytes = model_bytes * len(run.spec.keep_weights)
    n_trained = epochs * visited
    seconds = JOB_OVERHEAD_S + n_trained * speed.training_s + predicted * speed.predicting_s
    memory = INTERPRETER_BYTES + n_inputs + 4 * model_bytes
    return Cost(n_trained, predicted, seconds, predictions_bytes, weights_bytes, memory)
