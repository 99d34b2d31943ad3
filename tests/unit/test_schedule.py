"""Linear schedule over the upweighted steps, clipping, and no weight decay on biases and norm layers."""

import numpy as np
import pytest
import torch
from torch import nn

from bam.errors import ConfigError
from bam.methods.bam import Settings
from bam.recipe import AdamW, Sgd
from bam.study import check_study
from bam.training.build import Extras, build_trainer
from bam.training.inputs import ImageInputs
from bam.training.loop import epochs
from bam.training.network import Form, network
from bam.training.optimizers import Optimizer
from tests import toy

LINEAR = {"schedule": "linear", "clip_norm": 1.0, "decay": "weights"}
TINY_BERT = {
    "name": "huggingface",
    "config": {
        **{"model_type": "bert", "hidden_size": 16, "num_hidden_layers": 2, "num_attention_heads": 2},
        **{"intermediate_size": 16, "vocab_size": 30, "max_position_embeddings": 12},
    },
}


def rates(training, n: int, mask: np.ndarray | None, monkeypatch) -> list[float]:
    """Train a linear model on n images, and return the learning rate of each step."""
    images = np.zeros((n, 1, 2, 2), dtype=np.uint8)
    inputs = ImageInputs(images, (0.5,), (0.5,), torch.device("cpu"))
    model = nn.Sequential(nn.Flatten(), nn.Linear(4, 2))
    extras = Extras(error_set=mask)
    trainer = build_trainer(training, model, inputs, np.arange(n) % 2, 2, seed=0, extras=extras)
    seen: list[float] = []
    step = Optimizer.step

    def noted(self):
        seen.append(self.learning_rate)
        step(self)

    monkeypatch.setattr(Optimizer, "step", noted)
    for _ in epochs(trainer, training.epochs):
        pass
    return seen


def test_the_linear_schedule_is_zero_at_the_last_step_of_the_upweighted_epochs(monkeypatch):
    mask = np.arange(10) < 3
    optimizer = Sgd(name="sgd", learning_rate=0.1, momentum=0.9, weight_decay=0.0, schedule="linear")
    training = toy.upweighted(5, "fresh", epochs=3, batch_size=4, optimizer=optimizer)
    n_steps = 3 * 6  # 7 + 3 x 5 = 22 rows an epoch: 6 batches
    seen = rates(training, 10, mask, monkeypatch)
    np.testing.assert_allclose(seen, [0.1 * (n_steps - k) / n_steps for k in range(1, n_steps + 1)])
    assert seen[-1] == 0.0


def test_the_rate_stays_where_no_schedule_is_named(monkeypatch):
    assert rates(toy.training(epochs=2, batch_size=4), 10, None, monkeypatch) == [0.1] * 6


@pytest.mark.parametrize(
    ("ours", "theirs"),
    [
        (
            Sgd(name="sgd", learning_rate=0.1, momentum=0.9, weight_decay=0.01, clip_norm=0.05),
            lambda p: torch.optim.SGD(p, lr=0.1, momentum=0.9, weight_decay=0.01),
        ),
        (
            AdamW(name="adamw", learning_rate=0.01, weight_decay=0.1, clip_norm=0.05),
            lambda p: torch.optim.AdamW(p, lr=0.01, weight_decay=0.1),
        ),
    ],
)
def test_a_clipped_step_is_torch_s_clip_and_step(ours, theirs):
    torch.manual_seed(0)
    first, second = nn.Linear(3, 2), nn.Linear(3, 2)
    second.load_state_dict(first.state_dict())
    mine, reference = Optimizer(first, ours), theirs(second.parameters())
    for k in range(4):
        x = torch.randn(8, 3, generator=torch.Generator().manual_seed(k))
        mine.zero_grad()
        first(x).square().mean().backward()
        mine.step()
        reference.zero_grad()
        second(x).square().mean().backward()
        norm = nn.utils.clip_grad_norm_(second.parameters(), 0.05)
        assert norm > 0.05
        reference.step()
    for a, b in zip(first.parameters(), second.parameters(), strict=True):
        torch.testing.assert_close(a, b)


def decayed(model: nn.Module, settings: Sgd | AdamW) -> set[str]:
    """Return the names of the parameters that a step with gradients of zero moves."""
    for parameter in model.parameters():
        parameter.data.fill_(1.0)
        parameter.grad = torch.zeros_like(parameter)
    Optimizer(model, settings).step()
    return {name for name, parameter in model.named_parameters() if not bool((parameter == 1.0).all())}


@pytest.mark.parametrize("name", ["sgd", "adamw"])
def test_biases_and_norm_layers_of_a_bert_have_no_weight_decay(name):
    common = {"learning_rate": 0.1, "weight_decay": 0.5, "decay": "weights"}
    settings = Sgd(name="sgd", momentum=0.0, **common) if name == "sgd" else AdamW(name="adamw", **common)
    model = network(TINY_BERT, Form("text", (8,), 3, pad_id=0, vocab_size=30))
    names = {name for name, _ in model.named_parameters()}
    expected = {name for name in names if not name.endswith("bias") and "LayerNorm" not in name}
    assert decayed(model, settings) == expected
    assert {name.rsplit(".", 1)[1] for name in names - expected} == {"bias", "weight"}
    everywhere = settings.model_copy(update={"decay": "all"})
    assert decayed(model, everywhere) == names


@pytest.mark.parametrize(("key", "value"), [("schedule", "linear"), ("clip_norm", 1.0)])
def test_stage_1_takes_plain_steps(key, value):
    content = toy.study_content()
    content["methods"]["bam"]["stage1"]["optimizer"] = {**toy.SGD, key: value}
    with pytest.raises(ConfigError, match=r"stage1\.optimizer: stage 1 takes plain SGD steps") as caught:
        check_study(content, "toy.yaml")
    assert "\n" not in str(caught.value)


def test_stage_2_takes_all_of_them_and_lists_of_them_are_axes():
    stage2 = {**toy.STUDY["methods"]["bam"]["stage2"], "upweight_factor": 5}
    stage1 = {**toy.STUDY["methods"]["bam"]["stage1"], "epochs": 1}
    optimizer = {"name": "adamw", "learning_rate": 1e-5, "weight_decay": 0.1, **LINEAR}
    recipe = Settings.model_validate({"stage1": stage1, "stage2": {**stage2, "optimizer": optimizer}}).recipe()
    assert recipe.final.optimizer.schedule == "linear" and recipe.final.optimizer.clip_norm == 1.0
    content = toy.study_content(methods__erm__optimizer={**toy.SGD, "clip_norm": [0.5, 1.0]})
    varied = [setting.varied for setting in check_study(content, "toy.yaml").settings["erm"]]
    assert varied == [{"optimizer.clip_norm": 0.5}, {"optimizer.clip_norm": 1.0}]
