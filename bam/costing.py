"""What a study will cost: runs, time by this machine's speed or a given one, disk and memory, before it starts."""

import contextlib
import math
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Literal

from bam.backbone import on_meta
from bam.data.examples import Sizes
from bam.layout import Layout
from bam.plan import Plan, Run
from bam.recipe import PrecisionName
from bam.workload import n_visited, sizes_of

if TYPE_CHECKING:
    import torch

JOB_OVERHEAD_S = 2.0  # interpreter, import of torch, Snakemake's own work
PREDICTED_PER_TRAINED = 3.0  # a backward pass is about two forward ones
MOST_TIMED_STEPS, TIMED_S = 20, 5.0
TIMED_BYTES, FEWEST_TIMED_ROWS = 4 << 20, 8  # large inputs are timed in smaller batches
INTERPRETER_BYTES = 650e6  # with torch; trainings of MNIST's size peak at 580 to 710 MB
FLOAT_BYTES = 4
# Below this many weights a network is too small for 16 bits to save time, and a gain below a tenth is not worth a word.
FEWEST_HALVED_WEIGHTS, MOST_HALVED_SHARE = 1_000_000, 0.9


@dataclass(frozen=True)
class Speed:
    """Seconds a trained and a predicted example take, and the model's number of weights.

    Attributes
    ----------
    bfloat16_share : time of a training step in bfloat16 over that in the study's float32, where both were measured
    """

    training_s: float
    predicting_s: float
    n_parameters: int
    bfloat16_share: float | None = None


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
    """Return the cost of a plan as text: for each step runs, hours, examples, disk and memory; what predictions cost.

    Parameters
    ----------
    rate
        Training examples a second of the device that is meant; without it, this machine's processor is timed.
    """
    settings = {run.dataset.data_id: run.dataset.settings for run in _runs(plan)}
    sizes = {data_id: sizes_of(each) for data_id, each in settings.items()}
    shapes = {_shape(size): size for size in sizes.values()}
    speeds = {shape: _speed(plan, size, rate) for shape, size in shapes.items()}
    unit = "core-hours" if rate is None else "hours"

    def cost(run: Run) -> Cost:
        size = sizes[run.dataset.data_id]
        return _cost(run, n_visited(run, plan, size), size, speeds[_shape(size)])

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
        costs = {run.name: cost(run) for run in runs}
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
    lines += [line for shape, speed in speeds.items() if (line := _halved(shape, speed))]
    return "\n".join([*lines, *_choices(plan, cost, unit)])


def _halved(shape: tuple[object, ...], speed: Speed) -> str:
    """Return what 16 bits would save on this machine, empty if little or not measured; nothing is chosen by it."""
    if speed.bfloat16_share is None or speed.bfloat16_share > MOST_HALVED_SHARE:
        return ""
    return (
        f"bfloat16: a training step on {' x '.join(map(str, shape[:-1]))} takes {speed.bfloat16_share:.2f} of its time "
        "on this processor; `precision: bfloat16` in the config asks for it, on every machine and under ids of its own"
    )


def _choices(plan: Plan, cost: Callable[[Run], Cost], unit: str) -> Iterator[str]:
    """Yield what all final trainings cost by how often validation and test are predicted."""
    ours = plan.study.file.predict_every
    longest = max(run.spec.training.epochs for run in plan.trainings.values())
    yield f"{'predict_every':24} {f'{unit} of all final trainings':>36} {'predicted, M':>13}"
    for every in sorted({1, 2, 5, ours, longest}):
        if every > longest and every != ours:
            continue
        changed = [
            replace(run, spec=run.spec.model_copy(update={"predict_every": every})) for run in plan.trainings.values()
        ]
        costs = [cost(run) for run in changed]
        title = f"{every}{' (last epoch only)' * (every >= longest)}{' *' * (every == ours)}"
        hours, predicted = sum(c.seconds for c in costs) / 3600, sum(c.n_predicted for c in costs) / 1e6
        yield f"{title:24} {hours:36.3f} {predicted:13.2f}"
    yield "* this study's. Rules choose among the predicted epochs alone"


def _how_timed(plan: Plan, rate: float | None) -> str:
    if rate is not None:
        return (
            f"{rate:g} training examples a second, as asked for, predictions {PREDICTED_PER_TRAINED:g} times as fast, "
            f"plus {JOB_OVERHEAD_S:g} s a job"
        )
    return (
        f"up to {MOST_TIMED_STEPS} steps of each shape measured here on {plan.study.file.threads} thread(s), plus "
        f"{JOB_OVERHEAD_S:g} s a job"
    )


def _runs(plan: Plan) -> list[Run]:
    return [*plan.stage1.values(), *plan.trainings.values()]


def _shape(sizes: Sizes) -> tuple[object, ...]:
    return (*sizes.input_shape, sizes.n_classes)


def _speed(plan: Plan, sizes: Sizes, rate: float | None) -> Speed:
    """Measure the model here, or take the rate and count weights on torch's device without memory."""
    if rate is None:
        return _measure(plan, sizes)
    shapes = on_meta(lambda: _network(plan, sizes))
    n_parameters = sum(parameter.numel() for parameter in shapes.parameters())
    return Speed(1 / rate, 1 / (PREDICTED_PER_TRAINED * rate), n_parameters)


def _measure(plan: Plan, sizes: Sizes) -> Speed:
    """Time steps of the study's own precision, and of bfloat16 where that might save time."""
    import torch

    from bam.training.inputs import TOKEN_BYTES
    from bam.training.precision import autocast

    cpu, own = torch.device("cpu"), plan.study.file.precision
    torch.set_num_threads(plan.study.file.threads)
    model = _network(plan, sizes)
    is_text = len(sizes.input_shape) == 1
    most = TIMED_BYTES // (math.prod(sizes.input_shape) * (TOKEN_BYTES if is_text else FLOAT_BYTES))
    batch_size = min(max(FEWEST_TIMED_ROWS, most), *(run.spec.training.batch_size for run in _runs(plan)))
    x_B = torch.ones(batch_size, *sizes.input_shape, dtype=torch.int64 if is_text else torch.float32)
    labels_B = torch.zeros(batch_size, dtype=torch.int64)
    optimizer = torch.optim.SGD(model.parameters(), lr=0.0)

    def train(precision: PrecisionName) -> None:
        optimizer.zero_grad()
        with autocast(precision, cpu):
            logits_BC = model(x_B)
        torch.autograd.backward(torch.nn.functional.cross_entropy(logits_BC.float(), labels_B))
        optimizer.step()

    def training_s(precision: PrecisionName) -> float:
        train(precision)  # the first step sets things up
        return _seconds(lambda: train(precision))

    training = training_s(own)
    with torch.inference_mode(), autocast(own, cpu):
        predicting = _seconds(lambda: model(x_B))
    n_parameters = sum(p.numel() for p in model.parameters())
    is_worth_a_try = own == "float32" and n_parameters >= FEWEST_HALVED_WEIGHTS
    share = None
    if is_worth_a_try:
        with contextlib.suppress(RuntimeError):  # an operation may have no bfloat16 on this processor
            share = training_s("bfloat16") / training
    return Speed(training / batch_size, predicting / batch_size, n_parameters, share)


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


def _cost(run: Run, n_trained: int, sizes: Sizes, speed: Speed) -> Cost:
    training, n = run.spec.training, sizes.n_examples
    model_bytes = float(FLOAT_BYTES * speed.n_parameters)
    n_inputs = sum(n.values()) * math.prod(sizes.input_shape)
    if run.spec.step == "stage1":
        n_kept = len(training.watch_epochs) + 1
        predicted, per_epoch = n_kept * (n["train"] + n["val"]), n["train"] + n["val"]
        auxiliary = FLOAT_BYTES * n["train"] * sizes.n_classes
        predictions_bytes = float((per_epoch + auxiliary) * n_kept)
        weights_bytes = 2 * model_bytes + 2.0 * auxiliary
    else:
        n_predicted = sum(run.spec.predicts(epoch) for epoch in range(1, training.epochs + 1))
        predicted = n_predicted * (n["val"] + n["test"])
        predictions_bytes = float(predicted)
        weights_bytes = model_bytes * len(run.spec.keep_weights)
    seconds = JOB_OVERHEAD_S + n_trained * speed.training_s + predicted * speed.predicting_s
    memory = INTERPRETER_BYTES + n_inputs + 4 * model_bytes
    return Cost(n_trained, predicted, seconds, predictions_bytes, weights_bytes, memory)
