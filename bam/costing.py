"""What a study will cost: runs, time measured on this machine, disk and memory, before it starts."""

import math
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Literal

from bam import catalogue
from bam.data.examples import Sizes
from bam.layout import Layout
from bam.plan import Plan, Run
from bam.recipe import Upweighted

if TYPE_CHECKING:
    import torch

JOB_OVERHEAD_S = 2.0  # interpreter, import of torch, Snakemake's own work
MOST_TIMED_STEPS, TIMED_S = 20, 5.0
TIMED_BYTES, FEWEST_TIMED_ROWS = 4 << 20, 8  # large inputs are timed in smaller batches
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
        f"time: up to {MOST_TIMED_STEPS} steps of each shape measured here on {plan.study.file.threads} thread(s), "
        f"plus {JOB_OVERHEAD_S:g} s a job; error sets taken to be as large as the minority groups"
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

    from bam.training.inputs import TOKEN_BYTES

    torch.set_num_threads(plan.study.file.threads)
    model = _network(plan, sizes)
    is_text = len(sizes.input_shape) == 1
    most = TIMED_BYTES // (math.prod(sizes.input_shape) * (TOKEN_BYTES if is_text else FLOAT_BYTES))
    batch_size = min(max(FEWEST_TIMED_ROWS, most), *(run.spec.training.batch_size for run in _runs(plan)))
    x_B = torch.ones(batch_size, *sizes.input_shape, dtype=torch.int64 if is_text else torch.float32)
    labels_B = torch.zeros(batch_size, dtype=torch.int64)
    optimizer = torch.optim.SGD(model.parameters(), lr=0.0)

    def train() -> None:
        optimizer.zero_grad()
        torch.autograd.backward(torch.nn.functional.cross_entropy(model(x_B), labels_B))
        optimizer.step()

    train()  # the first step sets things up
    training = _seconds(train) / batch_size
    with torch.inference_mode():
        predicting = _seconds(lambda: model(x_B)) / batch_size
    return training, predicting, sum(p.numel() for p in model.parameters())


def _network(plan: Plan, sizes: Sizes) -> "torch.nn.Module":
    """Return the study's network, with fresh weights; a checkpoint that is not there yet is taken to be BERT base."""
    from bam.training.network import Form, network

    model = dict(plan.study.file.model)
    if model["name"] == "huggingface" and "checkpoint" in model:
        model = {"name": "huggingface", "config": {"model_type": "bert"}}
    elif "pretrained" in model:
        model["pretrained"] = None
    kind: Literal["image", "text"] = "text" if len(sizes.input_shape) == 1 else "image"
    return network(model, Form(kind, sizes.input_shape, sizes.n_classes, pad_id=0))


def _seconds(step: Callable[[], object]) -> float:
    """Return the mean time of a step, over as many as fit into a few seconds."""
    start, n_steps = time.perf_counter(), 0
    while n_steps < MOST_TIMED_STEPS and (n_steps == 0 or time.perf_counter() - start < TIMED_S):
        step()
        n_steps += 1
    return (time.perf_counter() - start) / n_steps


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
