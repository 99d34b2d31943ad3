"""Small builders: a data set of a few dozen tiny images, run specs, and a study with hand-written predictions."""

import copy
from pathlib import Path
from typing import Any

import numpy as np

from bam.data.examples import Examples, SplitExamples
from bam.data.prepare import write_prepared
from bam.data.sources import PackageSource, RawFile, RawSet
from bam.layout import Layout
from bam.plan import Cell, Plan, make_plan
from bam.recipe import (
    Auxiliary,
    CrossEntropy,
    EveryExample,
    GroupBalanced,
    GroupDro,
    RunSpec,
    Sgd,
    Training,
    Upweighted,
)
from bam.study import check_study

SIZES = {"train": 23, "val": 14, "test": 12}
SHAPE = (2, 2, 2)
RAW_SETS = {
    "digits": RawSet(
        description="-",
        licence="-",
        citation="-",
        files={
            "digits.csv": RawFile(
                size_bytes=1, sha256="0" * 64, sources=[PackageSource(package="sklearn", path="nothing.csv")]
            )
        },
    )
}


def examples(n_classes: int = 2, seed: int = 0, sizes: dict[str, int] | None = None) -> Examples:
    """Return random images whose first pixels follow the class, and a two-valued attribute."""
    rng = np.random.default_rng(seed)
    splits = {}
    for split, n in (sizes or SIZES).items():
        labels = np.arange(n) % n_classes
        rng.shuffle(labels)
        inputs = rng.integers(0, 256, size=(n, *SHAPE))
        inputs[:, 0, 0, 0] = (inputs[:, 0, 0, 0] + 400 * labels) // (1 + 2 * n_classes)
        attribute = (np.arange(n) // n_classes) % 2
        splits[split] = SplitExamples(inputs.astype(np.uint8), labels.astype(np.int64), {"color": attribute})
    names = tuple(f"class {label}" for label in range(n_classes))
    return Examples(splits, names, ("color", ("red", "green")), frozenset({(0, 1), (1, 0)}))


def write_toy(folder: Path, **options: Any) -> Path:
    """Write a prepared folder and return it."""
    write_prepared(examples(**options), {}, folder)
    return folder


def sgd(learning_rate: float = 0.1, momentum: float = 0.9, weight_decay: float = 0.0) -> Sgd:
    return Sgd(name="sgd", learning_rate=learning_rate, momentum=momentum, weight_decay=weight_decay)


def training(epochs: int = 2, batch_size: int = 4, optimizer: Sgd | None = None, **changes: Any) -> Training:
    """Return ERM's training; `changes` replace its pieces."""
    pieces: dict[str, Any] = {"objective": CrossEntropy(), "sampling": EveryExample(), "start": "fresh", **changes}
    return Training(epochs=epochs, batch_size=batch_size, optimizer=optimizer or sgd(), **pieces)


def auxiliary(coefficient: float, loss: str = "squared", **options: Any) -> Training:
    return training(objective=Auxiliary(coefficient=coefficient, loss=loss), **options)


def upweighted(factor: int, start: str = "stage1", **options: Any) -> Training:
    return training(sampling=Upweighted(factor=factor), start=start, **options)


def group_dro(step_size: float, adjustment: float, *, balanced: bool = False, **options: Any) -> Training:
    objective = GroupDro(step_size=step_size, adjustment=adjustment)
    return training(objective=objective, sampling=GroupBalanced() if balanced else EveryExample(), **options)


def spec(step: str, training: Training, *, seed: int = 0, hidden: tuple[int, ...] = (5,), **changes: Any) -> RunSpec:
    fields: dict[str, Any] = {
        "method": "toy",
        "dataset": "toy",
        "threads": 1,
        "precision": "float32",
        "keep_logits": (),
        "keep_weights": (),
        "stage1": None,
        "groups": None,
        "code": "code",
        **changes,
    }
    return RunSpec(step=step, model={"name": "mlp", "hidden": list(hidden)}, training=training, seed=seed, **fields)


SGD = {"name": "sgd", "learning_rate": 0.01, "momentum": 0.9, "weight_decay": 0.0}
STUDY: dict[str, Any] = {
    "study": "toy",
    "seeds": [0, 1],
    "datasets": {"digits": {"kind": "colored_digits", "aligned": 0.9, "data_seed": "per_seed"}},
    "model": {"name": "mlp", "hidden": [5]},
    "methods": {
        "erm": {"epochs": 3, "batch_size": 4, "optimizer": {**SGD, "learning_rate": [0.01, 0.1]}},
        "bam": {
            "stage1": {
                "auxiliary_coefficient": 5.0,
                "loss": "squared",
                "epochs": [1, 2],
                "batch_size": 4,
                "optimizer": SGD,
            },
            "stage2": {"upweight_factor": [5, 10], "restart": False, "epochs": 3, "batch_size": 4, "optimizer": SGD},
        },
    },
    "selection": ["class_difference", "worst_class", "worst_error_group", "average", "last", "worst_group"],
}


def study_content(**changes: Any) -> dict[str, Any]:
    """Return a study's content; keys such as ``methods__erm__epochs=5`` replace single entries."""
    content = copy.deepcopy(STUDY)
    for key, value in changes.items():
        *path, last = key.split("__")
        place = content
        for step in path:
            place = place[step]
        place[last] = value
    return content


def plan(**changes: Any) -> Plan:
    return make_plan(check_study(study_content(**changes), "toy.yaml"), RAW_SETS)


def cells(plan: Plan, method: str) -> list[Cell]:
    return plan.of("main", "digits", method)


def write_data(plan: Plan, layout: Layout, **options: Any) -> None:
    """Write toy arrays and groups under the ids of the plan's data sets."""
    from bam.data.annotate import write_groups

    for seed, data in enumerate(plan.datasets.values()):
        made = examples(seed=seed, **options)
        write_prepared(made, dict(data.array_settings), layout.prepared(data.data_id))
        write_groups(made, layout.groups(data.groups_id))
