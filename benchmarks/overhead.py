"""Our training epoch against a bare loop of the same gather, forward, backward and step, as a ratio.

    python benchmarks/overhead.py

Each pair is timed alternately in one process, so that whatever else the machine does hits both;
the table gives the minimum, median and maximum of the per-pair ratios, and is written to
benchmarks/overhead.csv.
"""

import csv
import statistics
import time
from collections.abc import Callable
from functools import partial
from pathlib import Path

import numpy as np
import torch
from rich.console import Console
from rich.table import Table
from torch.nn import functional

from bam import catalogue
from bam.recipe import Auxiliary, CrossEntropy, EveryExample, Sgd, Training
from bam.training.build import Extras, build_trainer, set_up_torch
from bam.training.inputs import ImageInputs
from bam.training.loop import Trainer, run_epoch

N_PAIRS = 9
CASES = {
    "mlp 2x8x8, n = 20,000": ({"name": "mlp", "hidden": [128]}, (2, 8, 8), 20_000),
    "lenet 2x28x28, n = 5,000": ({"name": "lenet"}, (2, 28, 28), 5_000),
}
LARGE = ("lenet 2x28x28, n = 450,000 rows, 5,000 visited", {"name": "lenet"}, (2, 28, 28), 450_000)
BATCH = 64
SGD = Sgd(name="sgd", learning_rate=1e-3, momentum=0.9, weight_decay=0.0)


def make_trainer(network: dict[str, object], shape: tuple[int, ...], n: int, *, auxiliary: bool) -> Trainer:
    """Return a trainer on random images; with auxiliary variables of strength 0.1 if asked."""
    generator = np.random.default_rng(0)
    # Rows beyond 5,000 share memory: what is measured is the bookkeeping of n rows, not n images.
    images = generator.integers(0, 256, (min(n, 20_000), *shape), dtype=np.uint8)
    labels = generator.integers(0, 2, n)
    module = catalogue.load("model", str(network["name"]), "benchmark")
    torch.manual_seed(0)
    model = module.build(module.Settings.model_validate(network), shape, 2)
    objective = Auxiliary(coefficient=0.1, loss="cross_entropy") if auxiliary else CrossEntropy()
    training = Training(
        epochs=1, batch_size=BATCH, optimizer=SGD, objective=objective, sampling=EveryExample(), start="fresh"
    )
    inputs = ImageInputs(images, (0.1,) * shape[0], (0.3,) * shape[0], torch.device("cpu"))
    trainer = build_trainer(training, model, inputs, labels, 2, seed=0, extras=Extras())
    if n > len(images):
        visited = torch.randperm(len(images), generator=torch.Generator().manual_seed(0))[:5_000]
        trainer.order = lambda _: visited
    return trainer


def bare_epoch(trainer: Trainer, optimizer: torch.optim.Optimizer) -> None:
    """Do the same mathematics, with torch's own optimiser, and nothing else."""
    model = trainer.model
    pixels, labels = trainer.inputs._pixels, trainer.labels_n
    scale, shift = trainer.inputs._scale, trainer.inputs._shift
    for index in torch.split(trainer.order(1), BATCH):
        optimizer.zero_grad(set_to_none=True)
        x = torch.addcmul(shift, pixels[index], scale)
        functional.cross_entropy(model(x), labels[index]).backward()
        optimizer.step()


def torch_sgd(trainer: Trainer) -> torch.optim.Optimizer:
    """Return torch's fused SGD with the settings of ours."""
    return torch.optim.SGD(
        trainer.model.parameters(), lr=SGD.learning_rate, momentum=SGD.momentum, weight_decay=0.0, fused=True
    )


def ratios(first: Callable[[], object], second: Callable[[], object]) -> list[float]:
    """Return time(first) / time(second) of alternating runs, after a warm-up of each."""
    first(), second()
    found = []
    for k in range(N_PAIRS):
        order = (first, second) if k % 2 == 0 else (second, first)
        seconds = {}
        for function in order:
            start = time.perf_counter()
            function()
            seconds[function] = time.perf_counter() - start
        found.append(seconds[first] / seconds[second])
    return found


def main() -> None:
    """Measure, print and write the table."""
    set_up_torch(1, "cpu")
    rows = []
    for name, case in CASES.items():
        ours, bare = (make_trainer(*case, auxiliary=False) for _ in range(2))
        pair = (partial(run_epoch, ours, 1), partial(bare_epoch, bare, torch_sgd(bare)))
        rows.append((f"epoch / bare loop: {name}", ratios(*pair)))
    for name, *case in [(k, *v) for k, v in CASES.items()] + [LARGE]:
        pair = tuple(partial(run_epoch, make_trainer(*case, auxiliary=flag), 1) for flag in (True, False))
        rows.append((f"with auxiliary variables / without: {name}", ratios(*pair)))
    table = Table("ratio of times", "min", "median", "max", title=f"{N_PAIRS} alternating pairs, one thread")
    out = Path(__file__).with_name("overhead.csv")
    with open(out, "w", newline="") as file:
        writer = csv.writer(file, lineterminator="\n")
        writer.writerow(["ratio", "min", "median", "max", "n_pairs"])
        for name, values in rows:
            low, middle, high = min(values), statistics.median(values), max(values)
            table.add_row(name, *(f"{value:.2f}" for value in (low, middle, high)))
            writer.writerow([name, *(f"{value:.3f}" for value in (low, middle, high)), N_PAIRS])
    console = Console(width=120)
    console.print(table)
    console.print(f"written to {out.name}")


if __name__ == "__main__":
    main()
