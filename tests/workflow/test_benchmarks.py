"""The four benchmarks from a server's archives to the report, on the archives and studies of `make fixtures`."""

import csv
import json
import re
import shlex
import statistics
from pathlib import Path

import numpy as np
import pytest
import yaml

from bam import catalogue, fixture
from bam.data.examples import SPLITS
from bam.fixture_sizes import scaled
from bam.yaml_files import read_layers
from tests.serving import served
from tests.workflow.checkout import REPOSITORY, Checkout, check_out

pytestmark = pytest.mark.slow
SEEDS = 2  # of the three of `make fixtures`: a third costs minutes
# Over seeds, in the last epoch: BAM's worst-group accuracy minus ERM's; and of the group that ERM loses, how much more
# often than chance an example of it is in the error set, and the share of it that is.
LEAST_GAIN, LEAST_LIFT, LEAST_RECALL = 0.15, 1.3, 0.5
BENCHMARKS = ("waterbirds", "celeba", "multinli", "civilcomments")
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


def archive_options(name: str) -> tuple[float, list[str]]:
    """Return scale and options with which `make fixtures` writes a benchmark's archive."""
    makefile = (REPOSITORY / "Makefile").read_text(encoding="utf-8").replace("\\\n", " ")
    (line,) = re.findall(rf"bam fixture {name} (.*)", makefile)
    words = shlex.split(line)
    scale = float(words[words.index("--scale") + 1])
    return scale, [words[k + 1] for k, word in enumerate(words) if word == "--set"]


def rows(path: Path) -> list[dict[str, str]]:
    with open(path, newline="", encoding="utf-8") as file:
        return list(csv.DictReader(file))


def is_partition(scheme: Path) -> bool:
    return json.loads(scheme.read_text())["is_partition"]


def schemes(checkout: Checkout) -> list[dict]:
    """Return every `groups.json`."""
    return [json.loads(path.read_text()) for path in checkout.folder.glob("data/groups/*/groups.json")]


@pytest.fixture(scope="module", params=BENCHMARKS)
def finished_benchmark(request, tmp_path_factory: pytest.TempPathFactory) -> tuple[str, Checkout]:
    """A benchmark's study, done by Snakemake; its archives came from a web server."""
    name, folder = request.param, tmp_path_factory.mktemp(request.param)
    scale, options = archive_options(name)
    fixture.write(name, folder / "mirror", scale, 0, options)
    checkout = check_out(folder / "checkout")
    checkout.write({"extends": f"quick/{name}.yaml", "study": "small", "seeds": list(range(SEEDS))})
    with served(folder / "mirror") as address, pytest.MonkeyPatch.context() as patch:
        patch.setenv("BAM_MIRROR", address)
        checkout.snakemake("all")
    return name, checkout


def test_a_benchmark_goes_from_url_to_report(finished_benchmark: tuple[str, Checkout]):
    name, checkout = finished_benchmark
    main = rows(checkout.results / "tables" / "main.csv")
    assert {row["method"] for row in main} == {"erm", "bam"}
    assert {row["dataset"] for row in main} >= {name}
    assert {"worst_group_accuracy", "accuracy"} <= {row["metric"] for row in main}
    assert {row["n_seeds"] for row in main} == {str(SEEDS)}
    report = (checkout.results / "report.html").read_text(encoding="utf-8")
    assert name in report
    assert "</html>" in report


def test_the_error_set_is_rich_in_the_group_that_erm_loses(finished_benchmark: tuple[str, Checkout]):
    name, checkout = finished_benchmark
    lasts = {
        row["group"]: float(row["mean"])
        for row in rows(checkout.results / "tables" / "groups.csv")
        if (row["dataset"], row["method"], row["selection"]) == (name, "erm", "last")
    }
    lost = min(lasts, key=lasts.__getitem__)
    (folder,) = (path.parent for path in checkout.folder.glob("data/groups/*/groups.json") if is_partition(path))
    of_group = np.array([row[f"group:{lost}"] == "1" for row in rows(folder / "train.csv")])
    masks = [np.load(path)["mask"] for path in checkout.results.glob("predictions/error_set/bam-*/error_set.npz")]
    assert len(masks) == SEEDS
    recalls = [mask[of_group].mean() for mask in masks]
    lifts = [recall / mask.mean() for recall, mask in zip(recalls, masks, strict=True)]
    assert statistics.mean(lifts) >= LEAST_LIFT, (lost, lifts, recalls)
    assert statistics.mean(recalls) >= LEAST_RECALL, (lost, lifts, recalls)


def test_bam_gains_over_erm_in_the_worst_group(finished_benchmark: tuple[str, Checkout]):
    name, checkout = finished_benchmark
    worst = {
        (row["method"], row["selection"]): float(row["mean"])
        for row in rows(checkout.results / "tables" / "main.csv")
        if row["dataset"] == name and row["metric"] == "worst_group_accuracy"
    }
    assert worst["bam", "last"] - worst["erm", "last"] >= LEAST_GAIN, worst


def test_groups_have_the_published_sizes_times_the_scale(finished_benchmark: tuple[str, Checkout]):
    name, checkout = finished_benchmark
    scale, options = archive_options(name)
    given = {key: int(value) for key, _, value in (option.partition("=") for option in options) if "least" in key}
    expected = scaled(catalogue.load("fixture", name, "test").PUBLISHED, scale, given["least"], given["least_scored"])
    assert {split: expected[split] for split in SPLITS} in [scheme["counts"] for scheme in schemes(checkout)]


def test_a_tiny_network_without_pretrained_weights_does_too(finished_benchmark: tuple[str, Checkout]):
    name, checkout = finished_benchmark
    study = {**read_layers(checkout.folder / "config" / "small.yaml"), "study": "tiny", "model": TINY[name]}
    study["methods"]["bam"]["stage1"]["epochs"] = study["methods"]["bam"]["stage2"]["epochs"] = 1
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
    records = [json.loads(path.read_text()) for path in checkout.results.glob("predictions/stage1/bam-*/record.json")]
    assert [record["spec"]["training"]["objective"]["loss"] for record in records] == ["squared"] * SEEDS
    chosen = json.loads((checkout.results / "selection/main/multinli.bam.class_difference.json").read_text())
    assert all(-1 <= entry["score"] <= 0 for entry in chosen["chosen"])
    assert len({row["group"] for row in rows(checkout.results / "tables" / "groups.csv")}) == 6


@pytest.mark.parametrize("finished_benchmark", ["multinli"], indirect=True)
def test_lost_segments_are_made_again_for_a_new_run_and_no_other_array(finished_benchmark: tuple[str, Checkout]):
    _, checkout = finished_benchmark
    config = checkout.folder / "config" / "small.yaml"
    text, study = config.read_text(), read_layers(config)
    study["methods"]["bam"]["stage2"]["upweight_factor"] += 1
    (lost,) = checkout.folder.glob("data/prepared/*/train/segments.npy")
    segments = lost.read_bytes()
    lost.unlink()
    try:
        checkout.write({**study, "study": "small"})
        assert checkout.planned("runs") == {"prepare_segments": 1, "stage2": SEEDS}
        checkout.snakemake(str(lost.relative_to(checkout.folder)))
        assert lost.read_bytes() == segments
        assert checkout.planned("runs") == {"stage2": SEEDS}
    finally:
        config.write_text(text)


@pytest.mark.parametrize("finished_benchmark", ["civilcomments"], indirect=True)
def test_comments_have_both_kinds_of_groups_over_the_same_trainings(finished_benchmark: tuple[str, Checkout]):
    _, checkout = finished_benchmark
    assert {row["dataset"] for row in rows(checkout.results / "tables" / "main.csv")} == {
        "civilcomments",
        "civilcomments_wilds",
    }
    assert len(schemes(checkout)) == 2
    assert len(list(checkout.results.glob("predictions/train/erm-*"))) == SEEDS
    assert len(list(checkout.results.glob("predictions/stage2/bam-*"))) == SEEDS
