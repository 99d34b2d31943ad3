"""`fit_bam` on arrays: equal to the study's own steps, and one line for each mistake."""

import copy
import json
import re
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from torch import nn

from bam import catalogue
from bam.api import FittedModel, fit_bam
from bam.artifacts import read_predictions
from bam.best_epoch import best_epoch
from bam.data.examples import Examples
from bam.errors import BamError, ConfigError, DataError, RunError
from bam.layout import Layout
from bam.pipeline import run_cells
from bam.scoring import choose_and_score
from bam.training.prediction import classes_of
from tests import toy
from tests.toy import SGD

EXAMPLES = toy.examples(seed=3, sizes={"train": 60, "val": 40, "test": 30})
STAGE1 = {"auxiliary_coefficient": 3.0, "loss": "squared", "epochs": 2, "batch_size": 8, "optimizer": SGD}
STAGE2 = {
    "upweight_factor": 4,
    "restart": False,
    "epochs": 5,
    "batch_size": 8,
    "optimizer": {**SGD, "learning_rate": 0.05},
}
MLP = {"name": "mlp", "hidden": [6]}
RULES = catalogue.names("rule")


def arrays(split: str, examples: Examples = EXAMPLES) -> tuple[np.ndarray, np.ndarray]:
    return examples.splits[split].inputs, examples.splits[split].labels


def fit(**changes: Any) -> FittedModel:
    arguments: dict[str, Any] = {
        "train": arrays("train"),
        "val": arrays("val"),
        "network": MLP,
        "stage1": STAGE1,
        "stage2": STAGE2,
        **changes,
    }
    return fit_bam(arguments.pop("train"), arguments.pop("val"), **arguments)


def same_weights(a: FittedModel, b: FittedModel) -> bool:
    return all(map(torch.equal, a.module.state_dict().values(), b.module.state_dict().values()))


@pytest.mark.parametrize("restart", [False, True], ids=["One-M", "Two-M"])
def test_the_study_s_own_steps_give_the_same_model(tmp_path: Path, restart: bool):
    methods = {"bam": {"stage1": STAGE1, "stage2": {**STAGE2, "restart": restart}}}
    plan = toy.plan(seeds=[1], methods=methods, model=MLP, selection=["worst_class"], keep_weights=["worst_class"])
    layout = Layout(tmp_path / "data", tmp_path / "results")
    toy.write_data(plan, layout, sizes={"train": 60, "val": 40, "test": 30})
    examples = toy.examples(seed=0, sizes={"train": 60, "val": 40, "test": 30})  # what write_data wrote first
    cells = toy.cells(plan, "bam")
    run_cells(cells, list(plan.stage1.values()), layout, "cpu")
    choose_and_score(cells, "worst_class", plan.study.file, layout)
    chosen = json.loads(layout.selection("main", "digits", "bam", "worst_class").read_text())["chosen"]

    model = fit(
        train=arrays("train", examples),
        val=arrays("val", examples),
        stage2={**STAGE2, "restart": restart},
        rule="worst_class",
        seed=1,
    )

    (entry,) = chosen
    assert (model.epoch, model.scores[model.epoch - 1]) == (entry["epoch"], entry["score"])
    (run,) = plan.stage1.values()
    missed = read_predictions(layout.predictions(run.name) / "train.npz").classes[-1] != examples.splits["train"].labels
    assert 0 < missed.sum() < 60
    np.testing.assert_array_equal(model.error_set, missed)
    stored = read_predictions(layout.predictions(entry["run"]) / "test.npz")
    np.testing.assert_array_equal(model.predict(arrays("test", examples)[0]), stored.classes[entry["epoch"] - 1])


def test_one_m_goes_on_with_stage_1_and_two_m_starts_afresh_on_the_same_error_set():
    one_m, two_m = fit(), fit(stage2={**STAGE2, "restart": True})
    np.testing.assert_array_equal(one_m.error_set, two_m.error_set)
    assert not same_weights(one_m, two_m)
    # A stage 2 that hardly moves keeps what it started from: stage 1's misses, or the fresh model's.
    still = {**STAGE2, "epochs": 1, "optimizer": {**SGD, "learning_rate": 1e-30}}
    kept = fit(stage2=still)
    x_train, y_train = arrays("train")
    np.testing.assert_array_equal(kept.predict(x_train) != y_train, kept.error_set)
    fresh, other_stage1 = (
        fit(stage1={**STAGE1, "epochs": epochs}, stage2={**still, "restart": True}) for epochs in (2, 4)
    )
    assert same_weights(fresh, other_stage1)
    assert not same_weights(fresh, kept)


@pytest.mark.parametrize("rule", RULES)
def test_the_epoch_is_where_the_rule_s_score_is_best_and_the_module_is_that_epoch_s(rule: str):
    model = fit(rule=rule)
    assert model.scores.shape == (5,)
    assert model.epoch == best_epoch(model.scores) + 1
    x_val, y_val = arrays("val")
    # `last` scores an epoch only as the last one: its own score is that of the whole history's end.
    scored = catalogue.load("rule", rule, "rule").score(model.predict(x_val)[None], y_val, 2)
    assert scored[0] == pytest.approx(model.scores[model.epoch - 1], abs=1e-12)
    if rule == "last":
        assert model.epoch == 5


def test_a_seed_fixes_every_byte_and_another_seed_another_model():
    one, again, other = fit(seed=5), fit(seed=5), fit(seed=6)
    assert same_weights(one, again)
    assert not same_weights(one, other)
    np.testing.assert_array_equal(one.error_set, again.error_set)
    np.testing.assert_array_equal(one.scores, again.scores)
    x_new = arrays("test")[0]
    np.testing.assert_array_equal(one.predict_logits(x_new), again.predict_logits(x_new))


def test_torch_s_global_stream_is_left_where_it_was():
    torch.manual_seed(7)
    expected = torch.rand(3)
    torch.manual_seed(7)
    fit()
    assert torch.equal(torch.rand(3), expected)


def test_nothing_given_is_changed():
    given = {"train": arrays("train"), "val": arrays("val"), "stage1": STAGE1, "stage2": STAGE2, "network": MLP}
    before = copy.deepcopy(given)
    fit()
    np.testing.assert_array_equal(given["train"][0], before["train"][0])
    np.testing.assert_array_equal(given["train"][1], before["train"][1])
    assert (before["stage1"], before["stage2"], before["network"]) == (STAGE1, STAGE2, MLP)


def test_predict_is_the_largest_logit_as_uint8():
    model = fit()
    logits = model.predict_logits(arrays("test")[0])
    assert (logits.dtype, logits.shape) == (np.float32, (30, 2))
    assert model.predict(arrays("test")[0]).dtype == np.uint8
    np.testing.assert_array_equal(model.predict(arrays("test")[0]), classes_of(logits))


def test_labels_of_any_integer_type_and_inputs_of_any_layout_give_the_same_model():
    (x_train, y_train), (x_val, y_val) = arrays("train"), arrays("val")
    other = fit(
        train=(np.asfortranarray(x_train), y_train.astype(np.uint8)), val=(x_val[::-1][::-1], y_val.astype(np.int32))
    )
    assert same_weights(fit(), other)


class WithUnused(nn.Module):
    """Has a layer that no input passes, so its parameters never get a gradient, and a frozen one."""

    def __init__(self, n_inputs: int, n_classes: int) -> None:
        super().__init__()
        self.used = nn.Linear(n_inputs, n_classes)
        self.unused = nn.Linear(3, 3)
        self.frozen = nn.Parameter(torch.zeros(n_classes), requires_grad=False)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        return self.used(x.flatten(1)) + self.frozen


@pytest.mark.parametrize("weight_decay", [0.0, 0.1])
@pytest.mark.parametrize("name", ["sgd", "adamw"])
def test_a_network_of_one_s_own_may_have_parameters_that_are_not_used(name: str, weight_decay: float):
    made: list[dict[str, torch.Tensor]] = []

    def network(input_shape: tuple[int, ...], n_classes: int) -> nn.Module:
        module = WithUnused(int(np.prod(input_shape)), n_classes)
        made.append(copy.deepcopy(module.state_dict()))
        return module

    optimizer = {"name": name, "learning_rate": 0.05, "weight_decay": weight_decay}
    if name == "sgd":
        optimizer["momentum"] = 0.9
    model = fit(network=network, stage2={**STAGE2, "optimizer": optimizer})
    (initial,) = made
    trained = model.module.state_dict()
    assert torch.equal(trained["unused.weight"], initial["unused.weight"])
    assert torch.equal(trained["frozen"], initial["frozen"])
    assert not torch.equal(trained["used.weight"], initial["used.weight"])


def test_a_network_of_one_s_own_is_initialised_under_the_seed():
    def network(input_shape: tuple[int, ...], n_classes: int) -> nn.Module:
        return nn.Sequential(nn.Flatten(), nn.Dropout(0.3), nn.Linear(8, 4), nn.BatchNorm1d(4), nn.Linear(4, n_classes))

    one, again, other = fit(network=network, seed=1), fit(network=network, seed=1), fit(network=network, seed=2)
    assert same_weights(one, again)
    assert not same_weights(one, other)
    assert not one.module.training


def test_three_classes():
    examples = toy.examples(n_classes=3, seed=1, sizes={"train": 60, "val": 40, "test": 30})
    model = fit(train=arrays("train", examples), val=arrays("val", examples))
    assert model.predict_logits(arrays("test", examples)[0]).shape == (30, 3)


def test_a_coefficient_that_diverges_is_one_line():
    with pytest.raises(RunError, match="try a smaller learning rate or auxiliary coefficient") as error:
        fit(stage1={**STAGE1, "auxiliary_coefficient": 1.0e6, "epochs": 5})
    assert "\n" not in str(error.value)


def inputs_as(split: str, change: Callable[[np.ndarray], np.ndarray]) -> tuple[np.ndarray, np.ndarray]:
    inputs, labels = arrays(split)
    return change(inputs), labels


def labels_as(split: str, change: Callable[[np.ndarray], np.ndarray]) -> tuple[np.ndarray, np.ndarray]:
    inputs, labels = arrays(split)
    return inputs, change(labels)


MISTAKES: dict[str, tuple[dict[str, Any], type[BamError], str]] = {
    "float inputs": ({"train": inputs_as("train", lambda x: x / 255.0)}, DataError, "train: expected uint8 inputs"),
    "float val inputs": ({"val": inputs_as("val", lambda x: x / 255.0)}, DataError, "val: expected uint8 inputs"),
    "flat inputs": ({"train": inputs_as("train", lambda x: x.reshape(60, -1))}, DataError, r"got uint8 \(60, 8\)"),
    "no example": ({"train": (arrays("train")[0][:0], arrays("train")[1][:0])}, DataError, "train: expected uint8"),
    "too few labels": ({"train": labels_as("train", lambda y: y[:-1])}, DataError, r"and \(59,\)"),
    "labels as a column": ({"val": labels_as("val", lambda y: y[:, None])}, DataError, r"and \(40, 1\)"),
    "float labels": ({"train": labels_as("train", lambda y: y * 1.0)}, DataError, "integer labels, got float64"),
    "float val labels": ({"val": labels_as("val", lambda y: y * 1.0)}, DataError, "val: expected integer labels"),
    "bool labels": ({"train": labels_as("train", lambda y: y == 1)}, DataError, "integer labels, got bool"),
    "labels from 1": ({"train": labels_as("train", lambda y: y + 1)}, DataError, "all of 0 to 2 .*got 1, 2"),
    "negative labels": ({"train": labels_as("train", lambda y: y - 1)}, DataError, "train: labels must be"),
    "a class not in val": ({"val": labels_as("val", lambda y: y * 0)}, DataError, "val: labels must be .* got 0$"),
    "a class only in val": ({"val": labels_as("val", lambda y: y + y)}, DataError, "val: labels must be .*got 0, 2"),
    "another size in val": (
        {"val": inputs_as("val", lambda x: x[..., :1])},
        DataError,
        r"val: inputs have shape \(2, 2, 1\), those of train \(2, 2, 2\)",
    ),
    "seed -1": ({"seed": -1}, ConfigError, "seed -1 and threads 1 are not allowed"),
    "threads 0": ({"threads": 0}, ConfigError, "seed 0 and threads 0 are not allowed"),
    "rule": ({"rule": "class_diference"}, ConfigError, r"did you mean 'class_difference'\?"),
    "oracle": ({"rule": "worst_group"}, ConfigError, "there is no rule 'worst_group'"),
    "network": ({"network": {"name": "mpl", "hidden": [4]}}, ConfigError, r"network.name: .*did you mean 'mlp'\?"),
    "no name": ({"network": {"hidden": [4]}}, ConfigError, "network: its key 'name' is missing; there is .*lenet, mlp"),
    "no width": ({"network": {"name": "mlp"}}, ConfigError, "network.hidden: is missing"),
    "missing": ({"stage1": {k: v for k, v in STAGE1.items() if k != "epochs"}}, ConfigError, "stage1.epochs: is missi"),
    "unknown": ({"stage2": {**STAGE2, "mu": 20}}, ConfigError, "stage2.mu: unknown key"),
    "a list": ({"stage2": {**STAGE2, "upweight_factor": [5, 20]}}, ConfigError, "stage2.upweight_factor: "),
    "T of 0": ({"stage1": {**STAGE1, "epochs": 0}}, ConfigError, "stage1.epochs: 0 is not allowed"),
    "device": ({"device": "tpu"}, RunError, "device tpu: is not available here; there is cpu"),
}


@pytest.mark.parametrize("mistake", MISTAKES)
def test_a_mistake_is_one_line_that_says_what_was_seen(mistake: str):
    changes, kind, message = MISTAKES[mistake]
    with pytest.raises(kind) as error:
        fit(**changes)
    assert re.search(message, str(error.value)), str(error.value)
    assert "\n" not in str(error.value)


@pytest.mark.parametrize(
    "inputs",
    [
        np.zeros((3, 2, 2, 2), dtype=np.float32),
        np.zeros((3, 2, 2, 3), dtype=np.uint8),
        np.zeros((2, 2, 2), dtype=np.uint8),
    ],
    ids=["floats", "another shape", "one image"],
)
def test_predict_refuses_what_the_model_was_not_trained_on(inputs: np.ndarray):
    model = fit(stage2={**STAGE2, "epochs": 1})
    expected = re.escape(f"expected uint8 inputs of shape (n, 2, 2, 2), got {inputs.dtype} {inputs.shape}")
    for predict in (model.predict, model.predict_logits):
        with pytest.raises(DataError, match=expected):
            predict(inputs)
