"""The four benchmarks from a server's archives to the report, on generated archives and small networks."""

import csv
import json
from pathlib import Path

import pytest
import yaml

from bam import catalogue, fixture
from bam.data.examples import SPLITS
from bam.yaml_files import read_layers
from tests.serving import served
from tests.workflow.checkout import Checkout, check_out

pytestmark = pytest.mark.slow
# Scale and options of each fixture, and what its study is cut down to.
SMALL = {
    "waterbirds": (0.02, ["side=48"], {"datasets": {"waterbirds": {"side": 48}}}),
    "celeba": (0.001, ["layout=kaggle", "width=48"], {"datasets": {"celeba": {"side": 48}}}),
    "multinli": (0.0002, [], {}),
    "civilcomments": (0.0001, [], {}),
}
ONE_EPOCH = {"erm": {"epochs": 1}, "bam": {"stage1": {"epochs": 1}, "stage2": {"epochs": 1}}}
RESNET = {"name": "torchvision", "architecture": "resnet18", "pretrained": None}
BERT = {
    "name": "huggingface",
    "config": {
        "model_type": "bert",
        "vocab_size": 30522,
        "hidden_size": 16,
        "num_hidden_layers": 1,
        "num_attention_heads": 2,
        "intermediate_size": 32,
        "max_position_embeddings": 64,
    },
}
TINY = {"waterbirds": RESNET, "celeba": RESNET, "multinli": BERT, "civilcomments": BERT}


def write_study(checkout: Checkout, name: str) -> None:
    """Write `config/small.yaml`: the quick study with one seed, one epoch and fewer pixels."""
    content = {"extends": f"quick/{name}.yaml", "study": "small", "seeds": [0], "methods": ONE_EPOCH, **SMALL[name][2]}
    content["selection"] = ["class_difference", "worst_group"]
    checkout.write(content)


def rows(path: Path) -> list[dict[str, str]]:
    with open(path, newline="", encoding="utf-8") as file:
        return list(csv.DictReader(file))


def counts(checkout: Checkout) -> list[dict[str, list[int]]]:
    """Return what each `groups.json` says of group sizes."""
    return [json.loads(path.read_text())["counts"] for path in checkout.folder.glob("data/groups/*/groups.json")]


@pytest.fixture(scope="module", params=SMALL)
def finished_benchmark(request, tmp_path_factory: pytest.TempPathFactory) -> tuple[str, Checkout]:
    """A benchmark's study, done by Snakemake; its archives came from a web server."""
    name, folder = request.param, tmp_path_factory.mktemp(request.param)
    scale, options, _ = SMALL[name]
    fixture.write(name, folder / "mirror", scale, 0, options)
    checkout = check_out(folder / "checkout")
    write_study(checkout, name)
    with served(folder / "mirror") as address, pytest.MonkeyPatch.context() as patch:
        patch.setenv("BAM_MIRROR", address)
        checkout.snakemake("all")
    return name, checkout


def test_a_benchmark_goes_from_url_to_report(finished_benchmark: tuple[str, Checkout]):
    name, checkout = finished_benchmark
    tables = checkout.results / "tables"
    main = rows(tables / "main.csv")
    assert {row["method"] for row in main} == {"erm", "bam"}
    assert {row["dataset"] for row in main} >= {name}
    assert {"worst_group_accuracy", "accuracy"} <= {row["metric"] for row in main}
    assert all(0 <= float(row["mean"]) <= 1 for row in main)
    found = [row for row in rows(tables / "error_sets.csv") if row["method"] == "bam"]
    assert found
    for row in found:
        assert 0 <= float(row["minority_precision"]) <= 1
        assert 0 <= float(row["minority_recall"]) <= 1
    report = (checkout.results / "report.html").read_text(encoding="utf-8")
    assert name in report
    assert "</html>" in report


def test_groups_have_the_published_sizes_times_the_scale(finished_benchmark: tuple[str, Checkout]):
    name, checkout = finished_benchmark
    module = catalogue.load("fixture", name, "test")
    published, scale = module.PUBLISHED, SMALL[name][0]
    least = getattr(module, "LEAST", 2)
    expected = {split: [max(least, int(n * scale + 0.5)) for n in published[split]] for split in SPLITS}
    assert expected in counts(checkout)


def test_a_tiny_network_without_pretrained_weights_does_too(finished_benchmark: tuple[str, Checkout]):
    name, checkout = finished_benchmark
    study = {**read_layers(checkout.folder / "config" / "small.yaml"), "study": "tiny", "model": TINY[name]}
    for training in (study["methods"]["bam"]["stage1"], study["methods"]["bam"]["stage2"]):
        training["optimizer"]["learning_rate"] = 1.0e-3  # a fresh ResNet diverges at the pretrained network's
    (checkout.folder / "config" / "tiny.yaml").write_text(yaml.safe_dump(study, sort_keys=False))
    shown = checkout.bam(
        *("run", "config/tiny.yaml", "--dataset", name, "--method", "bam", "--seed", "0", "--out", "results/tiny")
    ).stdout
    assert "class_difference" in shown
    (record,) = checkout.folder.glob("results/tiny/predictions/stage2/bam-*/record.json")
    assert json.loads(record.read_text())["spec"]["model"]["name"] == TINY[name]["name"]


@pytest.mark.parametrize("finished_benchmark", ["multinli"], indirect=True)
def test_three_classes_go_through_the_squared_loss_and_class_difference(finished_benchmark: tuple[str, Checkout]):
    _, checkout = finished_benchmark
    (record,) = checkout.results.glob("predictions/stage1/bam-*/record.json")
    assert json.loads(record.read_text())["spec"]["training"]["objective"]["loss"] == "squared"
    chosen = json.loads((checkout.results / "selection/main/multinli.bam.class_difference.json").read_text())
    assert all(-1 <= entry["score"] <= 0 for entry in chosen["chosen"])
    assert len(rows(checkout.results / "tables" / "groups.csv")) >= 6


@pytest.mark.parametrize("finished_benchmark", ["civilcomments"], indirect=True)
def test_comments_have_both_kinds_of_groups_over_the_same_trainings(finished_benchmark: tuple[str, Checkout]):
    _, checkout = finished_benchmark
    assert {row["dataset"] for row in rows(checkout.results / "tables" / "main.csv")} == {
        "civilcomments",
        "civilcomments_wilds",
    }
    assert len(counts(checkout)) == 2
    assert len(list(checkout.results.glob("predictions/train/erm-*"))) == 1
    assert len(list(checkout.results.glob("predictions/stage2/bam-*"))) == 1
