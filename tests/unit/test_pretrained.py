"""Pretrained weights: found by name, an id from their contents, foreign files as tensors alone, mirrors, runs."""

import hashlib
import json
import sys
from pathlib import Path

import pytest
import torch
from torch import nn

from bam.data.fetch import fetch
from bam.data.hub import download
from bam.data.sources import FolderSource, RawFile, RawSet, read_sources
from bam.errors import ConfigError, DataError
from bam.files import read_json
from bam.foreign_weights import read_foreign
from bam.graph import Graph
from bam.layout import Layout
from bam.pipeline import make_pretrained, run_cells
from bam.plan import make_plan
from bam.pretrained import find, locate
from bam.steps.pretrained import pretrained
from bam.study import check_study
from bam.verify import verify
from tests import toy

ROOT = Path(__file__).parents[2]
SOURCES = read_sources(ROOT / "config" / "datasets.yaml")
COMMIT = "0123456789abcdef0123456789abcdef01234567"
BERT = {
    **{"model_type": "bert", "hidden_size": 8, "num_hidden_layers": 1, "num_attention_heads": 2},
    **{"intermediate_size": 8, "vocab_size": 20, "max_position_embeddings": 8},
}


class Malicious:
    """Creates a file when it is unpickled."""

    def __init__(self, path: str) -> None:
        self.path = path

    def __reduce__(self):
        return (open, (self.path, "w"))


def timm_weights(path: Path, seed: int = 0) -> dict:
    import timm

    torch.manual_seed(seed)
    torch.save(timm.create_model("resnet10t", num_classes=4).state_dict(), path)
    return {"name": "timm", "architecture": "resnet10t", "pretrained": str(path)}


def test_a_malicious_pickle_is_refused_and_does_nothing(tmp_path):
    path, trace = tmp_path / "evil.pth", tmp_path / "trace"
    torch.save({"weight": torch.zeros(1), "more": Malicious(str(trace))}, path)
    with pytest.raises(DataError, match=r"evil\.pth: is refused: it is a pickle of more than tensors") as caught:
        read_foreign(path)
    assert "\n" not in str(caught.value)
    assert not trace.exists()
    model = {"name": "timm", "architecture": "resnet10t", "pretrained": str(path)}
    with pytest.raises(DataError, match="is refused"):
        pretrained(model, None, SOURCES, tmp_path / "out")
    assert not (tmp_path / "out" / "pretrained.json").exists()


@pytest.mark.parametrize(
    ("content", "message"),
    [
        (torch.zeros(2), "holds no state dict, but Tensor"),
        ({"epoch": 3, "weight": torch.zeros(1)}, "'epoch' is no tensor"),
        ({}, "holds no state dict"),
    ],
)
def test_a_file_that_is_no_state_dict_is_refused(tmp_path, content, message):
    torch.save(content, tmp_path / "w.pth")
    with pytest.raises(DataError, match=message):
        read_foreign(tmp_path / "w.pth")


def test_a_whole_module_and_a_damaged_file_are_refused(tmp_path):
    torch.save(nn.Linear(2, 2), tmp_path / "module.pth")
    with pytest.raises(DataError, match="is refused"):
        read_foreign(tmp_path / "module.pth")
    torch.save({"w": torch.zeros(1000)}, tmp_path / "cut.pth")
    (tmp_path / "cut.pth").write_bytes((tmp_path / "cut.pth").read_bytes()[:500])
    with pytest.raises(DataError, match=r"cut\.pth"):
        read_foreign(tmp_path / "cut.pth")


def test_the_id_covers_the_contents_and_not_the_place(tmp_path):
    model = timm_weights(tmp_path / "a.pth")
    (tmp_path / "elsewhere").mkdir()
    (tmp_path / "elsewhere" / "a.pth").write_bytes((tmp_path / "a.pth").read_bytes())
    moved = {**model, "pretrained": str(tmp_path / "elsewhere" / "a.pth")}
    first = find(model, SOURCES)
    assert first is not None and first.raw is None
    assert find(moved, SOURCES).id == first.id
    timm_weights(tmp_path / "a.pth", seed=1)
    assert find(model, SOURCES).id != first.id


def test_torchvision_s_names_stand_for_raw_sets():
    model = {"name": "torchvision", "architecture": "resnet50", "pretrained": "imagenet1k_v1"}
    first, second = find(model, SOURCES), find({**model, "pretrained": "imagenet1k_v2"}, SOURCES)
    assert first.raw == "resnet50-imagenet1k-v1" and second.raw == "resnet50-imagenet1k-v2"
    assert first.id != second.id
    assert find({**model, "pretrained": None}, SOURCES) is None
    assert find({"name": "lenet"}, SOURCES) is None


def test_a_hub_s_commit_is_part_of_the_id():
    model = {"name": "huggingface", "checkpoint": "google-bert/bert-base-uncased", "revision": COMMIT}
    first = find(model, SOURCES)
    assert locate(f"google-bert/bert-base-uncased@{COMMIT}", SOURCES).kind == "hub"
    assert find({**model, "revision": COMMIT[::-1]}, SOURCES).id != first.id
    assert find({**model, "trim_padding": False}, SOURCES).id == first.id


@pytest.mark.parametrize(
    ("named", "message"),
    [
        (
            "bert-base-uncase",
            r"there are no pretrained weights 'bert-base-uncase' \(did you mean 'bert-base-uncased'\?\)",
        ),
        ("google-bert/bert-base-uncased", "on the hub it names no commit; pin it"),
        ("google-bert/bert-base-uncased@main", "on the hub it names no commit; pin it"),
        ("weights/nothing.pth", "expected a raw set of config/datasets.yaml, a file or folder"),
    ],
)
def test_a_name_of_nothing_is_one_line(named, message):
    with pytest.raises(ConfigError, match=message) as caught:
        find({"name": "huggingface", "checkpoint": named}, SOURCES)
    assert "\n" not in str(caught.value)


def test_a_folder_of_a_mirror_stands_in_for_the_hub(tmp_path, monkeypatch):
    from bam.training.network import Form, network

    donor = network({"name": "huggingface", "config": BERT}, Form("text", (8,), 2, pad_id=0))
    repository = tmp_path / "mirror" / "org" / "tiny"
    repository.mkdir(parents=True)
    torch.save(donor.network.state_dict(), repository / "pytorch_model.bin")
    (repository / "config.json").write_text(json.dumps(BERT))
    monkeypatch.setenv("BAM_MIRROR", str(tmp_path / "mirror"))
    model = {"name": "huggingface", "checkpoint": "org/tiny", "revision": COMMIT}
    pretrained(model, None, SOURCES, tmp_path / "out")
    record = json.loads((tmp_path / "out" / "pretrained.json").read_text())
    assert record["source"]["revision"] == COMMIT and record["source"]["kind"] == "hub"
    assert set(record["source"]["files"]) == {"pytorch_model.bin", "config.json"}
    assert set(record["files"]) == {"model.safetensors", "config.json"}
    loaded = network(model, Form("text", (8,), 2, pad_id=0), tmp_path / "out").network
    assert torch.equal(loaded.bert.pooler.dense.weight, donor.network.bert.pooler.dense.weight)


def test_without_a_network_the_message_says_what_to_do(tmp_path, monkeypatch):
    import huggingface_hub

    def offline(*_, **__):
        raise FileNotFoundError("Got: ConnectError: Name or service not known\nmore")

    monkeypatch.setattr(huggingface_hub, "snapshot_download", offline)
    monkeypatch.delenv("BAM_MIRROR", raising=False)
    with pytest.raises(
        DataError, match=r"cannot be downloaded .*Without a network, copy .* BAM_MIRROR=<folder>"
    ) as caught:
        download("org/name", COMMIT, ("model.safetensors",), tmp_path)
    assert "\n" not in str(caught.value)


def toy_raw_sets() -> dict:
    return {**SOURCES, **toy.RAW_SETS}


@pytest.fixture
def study(tmp_path, monkeypatch) -> dict:
    """Return a study whose ResNet starts from a local .pth, on images of 64 x 64."""
    # At 32 x 32 a last batch of one image would leave batch norm with one value a channel.
    monkeypatch.setattr(toy, "SHAPE", (3, 64, 64))
    content = toy.study_content(seeds=[0], model=timm_weights(tmp_path / "a.pth"))
    content["methods"]["erm"] |= {"epochs": 1, "batch_size": 8, "optimizer": {**toy.SGD, "learning_rate": 0.001}}
    content["methods"]["bam"]["stage1"] |= {"epochs": 1, "batch_size": 8}
    content["methods"]["bam"]["stage2"] |= {
        "upweight_factor": 2,
        "epochs": 1,
        "batch_size": 8,
        "restart": [False, True],
    }
    return content


def test_a_fresh_model_starts_from_them_and_one_m_does_not(study, tmp_path):
    plan = make_plan(check_study(study, "toy.yaml"), toy_raw_sets())
    (only,) = plan.pretrained.values()
    assert {run.spec.pretrained for run in plan.stage1.values()} == {only.id}
    by_step = {(run.spec.step, run.spec.training.start): run.spec.pretrained for run in plan.trainings.values()}
    assert by_step == {("train", "fresh"): only.id, ("stage2", "fresh"): only.id, ("stage2", "stage1"): None}


def test_a_whole_study_runs_from_them_and_is_verified(study, tmp_path):
    plan, layout = make_plan(check_study(study, "toy.yaml"), toy_raw_sets()), Layout(tmp_path / "d", tmp_path / "r")
    toy.write_data(plan, layout)
    (only,) = plan.pretrained.values()
    cells = list(plan.cells)
    with pytest.raises(DataError, match=rf"starts from {only.id}: give --pretrained"):
        run_cells(cells, list(plan.stage1.values()), layout, "cpu")
    make_pretrained(only, toy_raw_sets(), layout)
    run_cells(cells, list(plan.stage1.values()), layout, "cpu")
    summary, problems = verify(plan, layout)
    assert not problems and "4 of 4 runs" in summary
    path = layout.pretrained(only.id) / "config.json"
    path.write_text(path.read_text() + " ")
    assert any("config.json: is not the file that pretrained.json describes" in p for p in verify(plan, layout)[1])


def test_the_graph_asks_for_them_until_the_run_is_done(study, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    (tmp_path / "config").symlink_to(ROOT / "config")
    graph = Graph(study, "toy.yaml")
    (only,) = graph.plan.pretrained
    name = next(iter(graph.plan.stage1))
    files = [f"data/pretrained/{only}/{file}" for file in ("model.safetensors", "config.json", "pretrained.json")]
    assert graph.trainings.pretrained(name) == files
    assert graph.trainings.pretrained_options(name) == f"--pretrained data/pretrained/{only}"
    assert graph.raw_for_pretrained(only) == [] and graph.pretrained_raw_options(only) == ""
    assert files[2] in graph.data_files()
    for path in graph.trainings.stage1_files(name).all():
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text("")
    graph = Graph(study, "toy.yaml")
    assert graph.trainings.pretrained(name) == []
    one_m = next(n for n, run in graph.plan.trainings.items() if run.spec.training.start == "stage1")
    assert graph.trainings.pretrained(one_m) == [] and graph.trainings.pretrained_options(one_m) == ""


def test_a_raw_set_of_weights_is_fetched_first():
    comments = {"kind": "civilcomments", "tokenizer": "bert-base-uncased-tokenizer", "max_length": 16}
    model = {"name": "huggingface", "checkpoint": "minilm-l6-v2"}
    content = toy.study_content(model=model, datasets={"comments": comments})
    graph = Graph(content, "toy.yaml")
    (only,) = graph.plan.pretrained
    assert graph.raw_for_pretrained(only) == ["data/raw/minilm-l6-v2/fetched.json"]
    assert graph.pretrained_raw_options(only) == "--raw data/raw/minilm-l6-v2"
    # A language model's configuration is needed even where stage 1's weights are loaded.
    assert {run.spec.pretrained for run in graph.plan.trainings.values()} == {only}


def test_planning_imports_no_torch():
    import subprocess

    code = (
        "import sys\n"
        "from pathlib import Path\n"
        "from bam.data.sources import read_sources\n"
        "from bam.pretrained import find\n"
        "sources = read_sources(Path('config/datasets.yaml'))\n"
        "assert find({'name': 'torchvision', 'architecture': 'resnet50', 'pretrained': 'imagenet1k_v1'}, sources)\n"
        "assert find({'name': 'huggingface', 'checkpoint': 'bert-base-uncased'}, sources)\n"
        "assert not {'torch', 'transformers', 'timm', 'huggingface_hub'} & set(sys.modules)\n"
    )
    subprocess.run([sys.executable, "-c", code], check=True, cwd=ROOT)


def test_specs_of_before_still_parse():
    from bam.recipe import RunSpec

    content = toy.spec("train", toy.training()).model_dump(mode="json")
    for key in ("pretrained", "compile"):
        del content[key]
    for key in ("schedule", "clip_norm", "decay"):
        del content["training"]["optimizer"][key]
    assert RunSpec.model_validate_json(json.dumps(content)) == toy.spec("train", toy.training())


def first_trust_set(folder: Path, contents: bytes, prefix: str | None = None) -> RawSet:
    source = FolderSource(folder=str(folder), path="a.bin")
    file = RawFile(size_bytes=len(contents), sha256=None, sha256_prefix=prefix, sources=[source])
    return RawSet(description="-", licence="-", citation="-", files={"a.bin": file})


def test_without_a_published_hash_the_first_contents_are_trusted_and_others_refused_ever_after(tmp_path, monkeypatch):
    monkeypatch.delenv("BAM_MIRROR", raising=False)
    (tmp_path / "a.bin").write_bytes(b"first")
    raw_set, out = first_trust_set(tmp_path, b"first"), tmp_path / "raw"
    fetch("weights", raw_set, out)
    assert read_json(out / "fetched.json") == {"a.bin": hashlib.sha256(b"first").hexdigest()}
    (tmp_path / "a.bin").write_bytes(b"other")
    fetch("weights", raw_set, out)  # what is there is right
    (out / "a.bin").unlink()
    with pytest.raises(DataError, match=f"expected {hashlib.sha256(b'first').hexdigest()}"):
        fetch("weights", raw_set, out)


def test_a_prefix_is_compared(tmp_path, monkeypatch):
    monkeypatch.delenv("BAM_MIRROR", raising=False)
    (tmp_path / "a.bin").write_bytes(b"first")
    digest = hashlib.sha256(b"first").hexdigest()
    fetch("weights", first_trust_set(tmp_path, b"first", digest[:8]), tmp_path / "raw")
    wrong = first_trust_set(tmp_path, b"first", "00000000")
    with pytest.raises(DataError, match=r"expected 00000000\.\.\."):
        fetch("weights", wrong, tmp_path / "other")
