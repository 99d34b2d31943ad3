"""What a study will cost: runs, time measured on this machine, disk and memory, before it starts."""

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
INTERPRETER_BYTES = 400e6
FLOAT_BYTES = 4


@dataclass(frozen=True)
class Cost:
    """Estimated cost of one run; bytes of files are upper bounds, before compression."""

    seconds: float
    predictions_bytes: float
    weights_bytes: float
    memory_bytes: float


def describe(plan: Plan, layout: Layout) -> str:
    """Return the cost of a plan as text: per step, runs in all and to do, hours on one core, disk."""
    sizes = {run.dataset.data_id: _sizes(run.dataset.settings) for run in _runs(plan)}
    rates = {key: _measure(plan, size) for key, size in {_shape(s): s for s in sizes.values()}.items()}
    lines = [
        f"study {plan.study.name}: {len(sizes)} prepared data sets, {len(plan.stage1)} stage-1 runs, "
        f"{len(plan.trainings)} final trainings, {len(plan.arms)} arms",
        f"{'step':8} {'runs':>6} {'to do':>6} {'core-hours to do':>17} {'disk, MB':>9} {'memory a run, MB':>17}",
    ]
    for step in ("stage1", "stage2", "train"):
        runs = [run for run in _runs(plan) if run.spec.step == step]
        if not runs:
            continue
        costs = {r.name: _cost(r, sizes[r.dataset.data_id], *rates[_shape(sizes[r.dataset.data_id])]) for r in runs}
        to_do = [run for run in runs if not (layout.predictions(run.name) / "record.json").exists()]
        hours = sum(costs[run.name].seconds for run in to_do) / 3600
        disk = sum(costs[run.name].predictions_bytes + costs[run.name].weights_bytes for run in runs) / 1e6
        memory = max(cost.memory_bytes for cost in costs.values()) / 1e6
        lines.append(f"{step:8} {len(runs):6} {len(to_do):6} {hours:17.3f} {disk:9.1f} {memory:17.0f}")
    lines.append(
        f"time: {N_TIMED_STEPS} steps of each shape measured here on {plan.study.file.threads} thread(s), plus "
        f"{JOB_OVERHEAD_S:g} s a job; error sets taken to be as large as the minority groups"
    )
    return "\n".join(lines)


def _runs(plan: Plan) -> list[Run]:
    return [*plan.stage1.values(), *plan.trainings.values()]


def _sizes(settings: Mapping[str, Any]) -> Sizes:
    module = catalogue.load("kind", str(settings["kind"]), "kind")
    sizes: Sizes = module.sizes(module.Settings.model_validate(settings))
    return sizes


def _shape(sizes: Sizes) -> tuple[object, ...]:
    return (*sizes.input_shape, sizes.n_classes)


def _measure(plan: Plan, sizes: Sizes) -> tuple[float, float, int]:
    """Return seconds a training example, seconds a predicted example, and the number of parameters."""
    import torch

    torch.set_num_threads(plan.study.file.threads)
    settings = plan.study.file.model
    module = catalogue.load("model", str(settings["name"]), "model.name")
    model: torch.nn.Module = module.build(module.Settings.model_validate(settings), sizes.input_shape, sizes.n_classes)
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


def _cost(run: Run, sizes: Sizes, training_s: float, predicting_s: float, n_parameters: int) -> Cost:
    training, n = run.spec.training, sizes.n_examples
    visited = n["train"]
    if isinstance(training.sampling, Upweighted):
        visited += (training.sampling.factor - 1) * sizes.n_minority
    model_bytes = float(FLOAT_BYTES * n_parameters)
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
    seconds = JOB_OVERHEAD_S + training.epochs * visited * training_s + predicted * predicting_s
    return Cost(seconds, predictions_bytes, weights_bytes, INTERPRETER_BYTES + n_inputs + 4 * model_bytes)
