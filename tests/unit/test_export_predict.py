"""A model leaves its study: what is exported predicts by itself, bit for bit as it did in the study."""

import csv
import json
import shutil
from pathlib import Path

import numpy as np
import pytest
import torch
import yaml
from PIL import Image

from bam.errors import ConfigError, DataError
from bam.export import export
from bam.exported import load
from bam.files import sha256_file, write_json
from bam.layout import Layout
from bam.model_card import card, plain
from bam.plan import make_plan
from bam.predict import predict_file, predict_logits_of
from bam.study import parse_study
from bam.training.inputs import ImageInputs
from bam.training.network import Form
from bam.training.network import network as build
from bam.training.prediction import predict_logits
from bam.training.state import save_tensors
from tests import own
from tests.exporting import made

TINY_BERT = {
    "name": "huggingface",
    "config": {
        "model_type": "bert",
        "vocab_size": 17,
        "hidden_size": 16,
        "num_hidden_layers": 1,
        "num_attention_heads": 2,
        "intermediate_size": 32,
        "max_position_embeddings": 32,
    },
}


@pytest.fixture(scope="module")
def images(tmp_path_factory: pytest.TempPathFactory):
    """A study of image files, and what it exported, with the rest of it gone."""
    folder = tmp_path_factory.mktemp("images")
    own.write_pictures(folder / "mine")
    entry = {"table": str(folder / "mine" / "table.csv"), "folder": str(folder / "mine" / "files"), "path": "path"}
    entry |= {"label": "label", "attributes": ["background"], "side": 16, "minority": "all_but_largest"}
    exported, logits, about = made(folder, entry)
    tests = np.load(next((folder / "data").glob("prepared/*/test/inputs.npy")))
    shutil.rmtree(folder / "data")
    shutil.rmtree(folder / "results")
    return folder, exported, logits, tests, about


def test_an_exported_model_gives_the_studys_logits_bit_for_bit(images):
    _, exported, logits, tests, _ = images
    assert logits.dtype == np.float32
    np.testing.assert_array_equal(load(exported, torch.device("cpu")).logits({"inputs": tests}), logits)


def test_image_files_arrays_and_a_table_give_the_same_probabilities(images, tmp_path: Path):
    folder, exported, _, _, about = images
    files = folder / "mine" / "files"
    predict_file(exported, files, tmp_path / "folder.csv", "cpu")
    predict_file(exported, folder / "mine" / "table.csv", tmp_path / "table.csv", "cpu", files)
    by_name = {row["path"]: row for row in read(tmp_path / "folder.csv")}
    listed = read(tmp_path / "table.csv")
    assert len(listed) == len(by_name) == 80
    for row in listed:
        seen = by_name[row["path"]]
        assert {**seen, "index": ""} == {**row, "index": ""}
        shares = [float(row[f"probability:{name}"]) for name in about["class_names"]]
        assert sum(shares) == pytest.approx(1)
        assert row["predicted"] == about["class_names"][int(np.argmax(shares))]


def read(path: Path) -> list[dict[str, str]]:
    with open(path, newline="", encoding="utf-8") as file:
        return list(csv.DictReader(file))


def test_texts_go_from_a_table_to_the_studys_logits_with_the_exported_tokenizer(tmp_path: Path):
    table, tokenizer = own.write_texts(tmp_path / "mine.csv"), own.write_tokenizer(tmp_path / "tokenizer")
    entry = {"table": str(table), "label": "label", "text": "text", "tokenizer": str(tokenizer), "max_length": 16}
    exported, logits, about = made(tmp_path, {**entry, "split": None, "data_seed": 3}, model=TINY_BERT)
    (prepared,) = (tmp_path / "data").glob("prepared/*")
    arrays = {"inputs": np.load(prepared / "test" / "inputs.npy")}
    for part in ("data", "results", "tokenizer"):
        shutil.rmtree(tmp_path / part)
    np.testing.assert_array_equal(load(exported, torch.device("cpu")).logits(arrays), logits)
    again = predict_logits_of(exported, table)
    assert again.shape == (120, 2)
    # The same texts from the CSV, one by one: the same logits up to the order of summation in a batch.
    model = load(exported, torch.device("cpu"))
    texts = [row["text"] for row in read(table)]
    rows = model.text_rows([texts]).read(0, len(texts))
    position = {row.tobytes(): k for k, row in enumerate(rows["inputs"])}
    expected = again[[position[row.tobytes()] for row in arrays["inputs"]]]
    np.testing.assert_allclose(expected, logits, atol=1e-6)
    predict_file(exported, table, tmp_path / "out.csv", "cpu")
    assert [row["predicted"] for row in read(tmp_path / "out.csv")] == [
        about["class_names"][k] for k in again.argmax(axis=1)
    ]


def test_the_model_card_says_where_the_model_comes_from_and_what_it_is_not_for(images):
    _, exported, _, _, about = images
    text = (exported / "README.md").read_text(encoding="utf-8")
    assert "chosen by the rule `class_difference`, which sees validation labels and no group" in text
    assert "| worst group accuracy | " in text
    assert "| group accuracy | cat, red | " in text
    assert about["data"]["settings"]["fingerprint"] in text
    for name, (_, sha256) in about["data"]["files"].items():
        assert f"| `{name}` |" in text
        assert sha256 in text
    assert "Do not use it for decisions on people" in text
    assert "your own" in text


def test_a_card_without_groups_says_that_nothing_is_known_of_any():
    about = {
        "model": {"name": "mlp"},
        "kind": "image",
        "input_shape": [3, 8, 8],
        "class_names": ["a|b", "<script>\n"],
        "chosen": {"method": "bam", "dataset": "d", "rule": "last", "seed": 0, "epoch": 1, "run": "r", "setting": {}},
        "spec": {"seed": 0},
        "precision": "float32",
        "transform": None,
        "data": {"id": "d", "settings": {}, "files": {}},
        "licences": {"data": "your own"},
    }
    text = card(about, [{"metric": "accuracy", "group": "", "value": "0.5", "n": "4"}])
    assert "No groups are known, so nothing is known of its accuracy on any" in text
    assert "<script>" not in text
    assert "a\\|b, &lt;script&gt;" in text
    assert plain("`$(x)` *") == "\\`$(x)\\` \\*"


@pytest.mark.parametrize("mode", ["table", "folder"])
def test_an_unreadable_image_is_named(images, tmp_path: Path, mode: str):
    _, exported, *_ = images
    (tmp_path / "files").mkdir()
    Image.new("RGB", (20, 20)).save(tmp_path / "files" / "good.png")
    (tmp_path / "files" / "bad.png").write_bytes(b"not a png")
    table = own.write_csv(tmp_path / "t.csv", ("path",), [("good.png",), ("bad.png",)])
    source = table if mode == "table" else tmp_path / "files"
    with pytest.raises(DataError, match=r"bad\.png: cannot be read as an image"):
        predict_file(exported, source, tmp_path / "out.csv", "cpu", tmp_path / "files")
    assert not (tmp_path / "out.csv").exists()


WRONG = {
    "another column": (("file",), [("a.png",)], r"has no column 'path'; it has 'file'"),
    "no such image": (("path",), [("none.png",)], r"line 2: .*none\.png: is no file"),
    "a way out": (("path",), [("../../etc/passwd",)], r"line 2: path '\.\./\.\./etc/passwd' is no path below"),
    "no row": (("path",), [], "has a header and no row"),
}


@pytest.mark.parametrize("what", WRONG)
def test_a_wrong_table_is_one_line(images, tmp_path: Path, what: str):
    _, exported, *_ = images
    header, rows, message = WRONG[what]
    with pytest.raises(DataError, match=message):
        predict_file(exported, own.write_csv(tmp_path / "t.csv", header, rows), tmp_path / "out.csv", "cpu")


def test_weights_of_another_network_are_refused(images, tmp_path: Path):
    _, exported, *_ = images
    other = shutil.copytree(exported, tmp_path / "other")
    about = json.loads((other / "model.json").read_text())
    about["model"]["hidden"] = [9]
    write_json(other / "model.json", about)
    with pytest.raises(DataError, match="holds the weights of another network"):
        load(other, torch.device("cpu"))


def test_a_network_that_torch_cannot_build_without_memory_is_loaded(images, tmp_path: Path):
    _, exported, _, tests, _ = images
    model = {"name": "torchvision", "architecture": "regnet_x_400mf", "pretrained": None}
    other = shutil.copytree(exported, tmp_path / "other")
    about = json.loads((other / "model.json").read_text())
    write_json(other / "model.json", {**about, "model": model})
    with pytest.raises(DataError, match="holds the weights of another network"):
        load(other, torch.device("cpu"))
    network = build(model, Form("image", tuple(about["input_shape"]), len(about["class_names"])))
    save_tensors(other / "model.safetensors", network.state_dict())
    sha256 = sha256_file(other / "model.safetensors")
    write_json(other / "model.json", {**about, "model": model, "weights_sha256": sha256})
    logits = load(other, torch.device("cpu")).logits({"inputs": tests[:3]})
    inputs = ImageInputs(tests[:3], tuple(about["mean"]), tuple(about["std"]), torch.device("cpu"))
    np.testing.assert_array_equal(logits, predict_logits(network.eval(), inputs))


@pytest.mark.parametrize("kind", ["image", "text"])
def test_onnx_agrees_with_the_network_at_every_batch_size(images, tmp_path: Path, kind: str):
    onnxruntime = pytest.importorskip("onnxruntime")
    pytest.importorskip("onnxscript")
    from bam.onnx_export import write_onnx

    if kind == "image":
        _, exported, _, arrays, _ = images
        name = "images"
    else:
        tokenizer = own.write_tokenizer(tmp_path / "tokenizer")
        entry = {"table": str(own.write_texts(tmp_path / "mine.csv")), "label": "label", "text": "text"}
        entry |= {"tokenizer": str(tokenizer), "max_length": 16}
        exported, _, _ = made(tmp_path, entry, model=TINY_BERT)
        arrays = np.load(next((tmp_path / "data").glob("prepared/*/test/inputs.npy"))).astype(np.int64)
        name = "tokens"
    model = load(exported, torch.device("cpu"))
    write_onnx(model, tmp_path / "onnx")
    session = onnxruntime.InferenceSession(tmp_path / "onnx" / "model.onnx")
    for n in (1, 3, len(arrays)):
        (seen,) = session.run(None, {name: arrays[:n]})
        inputs = arrays[:n] if kind == "image" else arrays[:n].astype(np.int32)
        np.testing.assert_allclose(seen, model.logits({"inputs": inputs}), atol=1e-4)


def test_a_rule_that_needs_groups_has_no_model(images):
    folder, *_ = images
    entry = {"table": str(folder / "mine" / "table.csv"), "folder": str(folder / "mine" / "files"), "path": "path"}
    content = own.study({**entry, "label": "label", "attributes": ["background"], "side": 16})
    content["selection"].append("worst_group")
    plan = make_plan(parse_study(content, yaml.safe_dump({})), {})
    with pytest.raises(ConfigError, match="worst_group: weights exist only for rules that need validation labels"):
        export(plan, Layout(folder, folder), {}, dataset="mine", method="bam", rule="worst_group", seed=0, out=folder)
