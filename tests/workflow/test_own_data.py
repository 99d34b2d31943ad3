"""One's own data from `doctor` to `predict`, with nothing written but the config."""

import csv
import shutil
from pathlib import Path

import pytest
import yaml

from tests import own
from tests.workflow.checkout import Checkout, check_out


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("own")


def snakemake(checkout: Checkout, study: dict, *targets: str) -> None:
    (checkout.folder / "mine.yaml").write_text(yaml.safe_dump(study, sort_keys=False))
    checkout.run("snakemake", "--cores", "2", "--configfile", "mine.yaml", "--", *targets)


def rows(path: Path) -> list[dict[str, str]]:
    with open(path, newline="", encoding="utf-8") as file:
        return list(csv.DictReader(file))


TINY_BERT = {
    "model_type": "bert",
    "vocab_size": 17,
    "hidden_size": 16,
    "num_hidden_layers": 1,
    "num_attention_heads": 2,
    "intermediate_size": 32,
    "max_position_embeddings": 32,
}


def take_away(checkout: Checkout, folder: Path) -> Path:
    """Export, and leave nothing of the study but the exported model, in a folder of its own."""
    checkout.bam("export", "mine.yaml", "--method", "bam", "--out", str(folder))
    for part in ("data", "results", "config", "mine.yaml"):
        path = checkout.folder / part
        path.unlink() if path.is_file() else shutil.rmtree(path)
    return folder


def test_a_folder_of_images_without_groups_goes_from_doctor_to_predict(folder: Path):
    checkout = check_out(folder / "images")
    own.write_image_folder(checkout.folder / "pictures")
    study = own.study({"images": "pictures", "side": 16}, seeds=[0])
    (checkout.folder / "mine.yaml").write_text(yaml.safe_dump(study, sort_keys=False))
    seen = checkout.bam("doctor", "mine.yaml").stdout
    assert "no attributes, so no groups: rules by labels alone" in seen
    assert not (checkout.folder / "data").exists()
    assert "1 prepared data sets" in checkout.bam("plan", "mine.yaml").stdout
    snakemake(checkout, study)
    results = checkout.folder / "results" / "mine"
    assert {row["metric"] for row in rows(results / "tables" / "main.csv")} == {"accuracy"}
    assert all(row["minority_recall"] == "" for row in rows(results / "tables" / "error_sets.csv"))
    assert not (results / "tables" / "groups.csv").exists()
    report = (results / "report.html").read_text(encoding="utf-8")
    assert "mine: no attribute is given, so there are no groups" in report
    assert "Average accuracy on test, %, on mine" in report
    model = take_away(checkout, folder / "image model")
    checkout.bam("predict", str(model), "--inputs", "pictures", "--out", "predictions.csv")
    found = rows(checkout.folder / "predictions.csv")
    assert len(found) == 80
    assert sum(row["predicted"] == row["path"].split("/")[0] for row in found) > 40


@pytest.mark.slow
def test_a_table_of_texts_with_groups_goes_from_doctor_to_predict(folder: Path):
    checkout = check_out(folder / "texts")
    table = own.write_texts(checkout.folder / "mine.csv")
    own.write_tokenizer(checkout.folder / "tokenizer")
    entry = {"table": "mine.csv", "label": "label", "text": "text", "attributes": ["topic"]}
    entry |= {"tokenizer": "./tokenizer", "max_length": 16, "minority": "all_but_largest"}
    study = own.study(entry, seeds=[0], model={"name": "huggingface", "config": TINY_BERT})
    study["selection"] = ["class_difference", "worst_group"]
    (checkout.folder / "mine.yaml").write_text(yaml.safe_dump(study, sort_keys=False))
    assert "groups: class x topic" in checkout.bam("doctor", "mine.yaml").stdout
    snakemake(checkout, study)
    results = checkout.folder / "results" / "mine"
    groups = {row["group"] for row in rows(results / "tables" / "groups.csv")}
    assert groups == {"cat, book", "cat, film", "dog, book", "dog, film"}
    assert any(row["minority_recall"] != "" for row in rows(results / "tables" / "error_sets.csv"))
    model = take_away(checkout, folder / "text model")
    shutil.rmtree(checkout.folder / "tokenizer")
    checkout.bam("predict", str(model), "--inputs", str(table), "--out", "predictions.csv")
    found = rows(checkout.folder / "predictions.csv")
    assert [row["index"] for row in found] == [str(k) for k in range(120)]
    assert all(abs(sum(float(row[f"probability:{name}"]) for name in own.LABELS) - 1) < 1e-9 for row in found)
