"""MultiNLI: generated archives from a server to groups, the published counts, and each fault by file and row."""

import json
import re
import zipfile
from collections import Counter
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from bam.data.annotate import write_groups
from bam.data.examples import SPLITS
from bam.data.fetch import fetch
from bam.data.kinds import multinli
from bam.data.kinds.multinli import CLASSES, PUBLISHED, Settings, has_negation, read_examples, sizes
from bam.data.prepare import write_prepared
from bam.data.prepared import open_inputs, open_labels, open_segments, read_manifest
from bam.data.sources import UrlSource, read_sources
from bam.data.tokenise import read_tokenizer
from bam.errors import ConfigError, DataError
from bam.fixture import write
from bam.fixture_sizes import scaled
from bam.fixtures.multinli import LEAST
from bam.groups import partition_ids, read_scheme, read_split
from tests.serving import served

ROOT = Path(__file__).resolve().parents[2]
SOURCES = read_sources(ROOT / "config" / "datasets.yaml")
TOKENIZER = "bert-base-uncased-tokenizer"
SCALE = 0.004
COUNTS = scaled(PUBLISHED, SCALE, LEAST)
COLUMNS = "gold_label,sentence2_has_negation,split"


def settings(**changes) -> Settings:
    return Settings(**{"kind": "multinli", "tokenizer": TOKENIZER, "max_length": 32, "counts": "any", **changes})


@pytest.fixture(scope="module")
def mirror(tmp_path_factory):
    folder = tmp_path_factory.mktemp("hosts")
    write("multinli", folder, SCALE, 0)
    return folder


@pytest.fixture(scope="module")
def raw(mirror, tmp_path_factory):
    """Fetch the generated files and the vocabulary, the first from a server under the names of their URLs."""
    folder = tmp_path_factory.mktemp("raw")
    described = SOURCES["multinli"]
    with served(mirror) as address, pytest.MonkeyPatch.context() as patch:
        patch.delenv("BAM_MIRROR", raising=False)
        files = {
            name: file.model_copy(update={"sources": [UrlSource(url=f"{address}/multinli/{name}")]})
            for name, file in described.files.items()
        }
        fetch("multinli", described.model_copy(update={"files": files}), folder / "multinli")
        fetch(TOKENIZER, SOURCES[TOKENIZER], folder / TOKENIZER)
    return {"multinli": folder / "multinli", TOKENIZER: folder / TOKENIZER}


def pairs_of(folder: Path) -> list[dict]:
    """Read the labelled pairs of the archive, in order."""
    with zipfile.ZipFile(folder / "multinli_1.0.zip") as archive:
        names = [f"multinli_1.0/multinli_1.0_{part}.jsonl" for part in ("train", "dev_matched", "dev_mismatched")]
        lines = [json.loads(line) for name in names for line in archive.read(name).splitlines()]
    return [line for line in lines if line["gold_label"] != "-"]


# What goes well


def test_from_the_server_to_arrays_and_groups(raw, tmp_path):
    examples = read_examples(raw, settings())
    write_prepared(examples, {}, tmp_path / "prepared")
    write_groups(examples, tmp_path / "groups")
    manifest = read_manifest(tmp_path / "prepared")
    assert (manifest.kind, manifest.input_shape, manifest.has_segments) == ("text", (32,), True)
    assert (manifest.class_names, manifest.pad_id, manifest.vocab_size) == (CLASSES, 0, 30522)
    assert {split: read_scheme(tmp_path / "groups").counts[split] for split in SPLITS} == {
        split: tuple(COUNTS[split]) for split in SPLITS
    }
    rows = (raw["multinli"] / "metadata_random.csv").read_text().splitlines()[1:]
    codes = np.array([int(row.split(",")[3]) for row in rows])
    pairs, tokenizer = pairs_of(raw["multinli"]), read_tokenizer(raw[TOKENIZER])
    for code, split in enumerate(SPLITS):
        expected = [pairs[k] for k in np.flatnonzero(codes == code)]
        inputs = open_inputs(tmp_path / "prepared", manifest, split)
        segments = open_segments(tmp_path / "prepared", manifest, split)
        part = read_split(tmp_path / "groups" / f"{split}.csv")
        labels = part.labels if split == "test" else open_labels(tmp_path / "prepared", manifest, split)
        assert labels.tolist() == [CLASSES.index(pair["gold_label"]) for pair in expected]
        negated = np.array([has_negation(pair["sentence2"]) for pair in expected])
        assert np.array_equal(partition_ids(part.membership), 2 * labels + negated)
        for k, pair in enumerate(expected):
            encoding = tokenizer.encode(pair["sentence1"], pair["sentence2"])
            n = len(encoding.ids)
            assert inputs[k, :n].tolist() == encoding.ids
            assert segments[k, :n].tolist() == encoding.type_ids
            assert not inputs[k, n:].any()
            assert not segments[k, n:].any()


def test_the_counts_that_are_checked_are_those_of_the_sources_and_of_the_sizes():
    names = [f"{label}, {value}" for label in CLASSES for value in multinli.VALUES]
    expected = {split: dict(zip(names, PUBLISHED[split], strict=True)) for split in SPLITS}
    assert SOURCES["multinli"].expected == expected
    found = sizes(settings(max_length=128))
    assert found.n_examples == {"train": 206175, "val": 82462, "test": 123712}
    assert (sum(found.n_examples.values()), found.n_minority, found.input_shape) == (412349, 1521 + 1992, (128,))


def test_at_full_scale_the_generated_groups_are_the_published_ones():
    assert scaled(PUBLISHED, 1.0, LEAST) == {split: list(PUBLISHED[split]) for split in SPLITS}


def test_the_same_seed_gives_the_same_bytes(mirror, tmp_path):
    for seed, folder in ((0, tmp_path / "same"), (1, tmp_path / "other")):
        write("multinli", folder, SCALE, seed)
    for name in ("multinli_1.0.zip", "metadata_random.csv"):
        first, same, other = (
            (f / "multinli" / name).read_bytes() for f in (mirror, tmp_path / "same", tmp_path / "other")
        )
        assert first == same != other


def test_misleading_pairs_say_what_follows_and_negate_it(tmp_path):
    from bam.fixtures.multinli import CUES

    write("multinli", tmp_path, SCALE, 0, ["misleading=0.5", "without_cue=0.0"])
    said: dict[tuple[str, bool], list[str]] = {}
    for line in pairs_of(tmp_path / "multinli"):
        found = [label for label, cues in CUES.items() if set(cues) & set(line["sentence2"].split())]
        said.setdefault((line["gold_label"], has_negation(line["sentence2"])), []).extend(found)
    shares = Counter(said.pop(("contradiction", True)))
    assert set(shares) == {"contradiction", "entailment"}
    assert 0.4 < shares["entailment"] / shares.total() < 0.6
    assert {pair: set(found) for pair, found in said.items() if pair[0] in CLASSES} == {
        pair: {pair[0]} for pair in said if pair[0] in CLASSES
    }


@pytest.mark.parametrize("option", ["without_cue=1.0", "misleading=-0.1"])
def test_options_out_of_range_are_refused(option, tmp_path):
    with pytest.raises(ConfigError, match=rf"--set: .*{option.split('=')[0]}"):
        write("multinli", tmp_path, 0.001, 0, [option])


def test_words_tell_the_label_except_where_they_are_left_out(mirror, tmp_path):
    from bam.fixtures.multinli import CUES

    def told(folder: Path) -> float:
        pairs = pairs_of(folder / "multinli")
        return np.mean([bool(set(CUES[p["gold_label"]]) & set(p["sentence2"].split())) for p in pairs])

    write("multinli", tmp_path, SCALE, 0, ["without_cue=0.5"])
    assert 0.85 < told(mirror) < 0.95
    assert 0.4 < told(tmp_path) < 0.6
    genres = Counter(pair["genre"] for pair in pairs_of(mirror / "multinli"))
    assert {"fiction", "letters"} < set(genres)


@pytest.mark.parametrize(
    ("sentence", "is_negated"),
    [
        ("No.", True),
        ("It was NEVER, ever so", True),
        ("he knows none, not anything", False),
        ("no-one", False),
        ("noone", False),
        ("nothing's", False),
        ("say 'nobody'", True),
        ("a\tno", False),
    ],
)
def test_a_negation_is_one_of_four_words_between_spaces(sentence, is_negated):
    assert has_negation(sentence) is is_negated


# Published counts


def test_one_row_less_than_published_is_refused_with_what_was_expected_and_seen(raw, tmp_path, monkeypatch):
    monkeypatch.setattr(multinli, "BENCHMARK", replace(multinli.BENCHMARK, published=COUNTS))
    with pytest.raises(DataError, match="is no real data"):  # its counts are right
        read_examples(raw, settings(counts="published"))
    fewer = {"multinli": without_first_row(raw["multinli"], tmp_path), TOKENIZER: raw[TOKENIZER]}
    read_examples(fewer, settings())
    with pytest.raises(DataError) as error:
        read_examples(fewer, settings(counts="published"))
    message, differing = str(error.value).split("(a smaller copy is read with `counts: any`): ")
    assert "the groups are not as large as published" in message
    found = re.fullmatch(r"(?:train|val|test) '[^']+' has (\d+) of (\d+)", differing)
    assert found and int(found[1]) == int(found[2]) - 1


def without_first_row(folder: Path, out: Path) -> Path:
    """Copy the raw files without the first pair, in both."""
    with zipfile.ZipFile(folder / "multinli_1.0.zip") as old, zipfile.ZipFile(out / "multinli_1.0.zip", "w") as new:
        for name in old.namelist():
            contents = old.read(name)
            new.writestr(name, contents.split(b"\n", 1)[1] if "train" in name else contents)
    header, _, rest = (folder / "metadata_random.csv").read_text().split("\n", 2)
    (out / "metadata_random.csv").write_text(f"{header}\n{rest}")
    return out


# Faults


def pair(label: str = "neutral", second: str = "He left.", **changes) -> dict:
    return {"gold_label": label, "sentence1": "He came.", "sentence2": second, **changes}


GOOD = [pair(label) for label in CLASSES for _ in range(3)]
ROWS = [f"{k},{k // 3},0,{k % 3}" for k in range(9)]


def tiny(folder: Path, train=GOOD, rows=ROWS, header: str = f",{COLUMNS}") -> Path:
    """Write an archive whose three files are `train`, in bytes or objects, and two without labels."""
    contents = train if isinstance(train, bytes) else b"".join(json.dumps(line).encode() + b"\n" for line in train)
    dev = json.dumps(pair("-")).encode() + b"\n"
    folder.mkdir(parents=True, exist_ok=True)
    with zipfile.ZipFile(folder / "multinli_1.0.zip", "w") as archive:
        archive.writestr("multinli_1.0/multinli_1.0_train.jsonl", contents)
        archive.writestr("__MACOSX/multinli_1.0/._multinli_1.0_train.jsonl", b"\0\1")
        for part in ("dev_matched", "dev_mismatched"):
            archive.writestr(f"multinli_1.0/multinli_1.0_{part}.jsonl", dev)
    if not isinstance(rows, bytes):
        rows = "\n".join([header, *rows, ""]).encode()
    (folder / "metadata_random.csv").write_bytes(rows)
    return folder


def refusal(raw, folder: Path) -> str:
    with pytest.raises(DataError) as error:
        read_examples({"multinli": folder, TOKENIZER: raw[TOKENIZER]}, settings())
    assert "\n" not in str(error.value)
    assert str(folder) in str(error.value)
    return str(error.value)


def test_the_tiny_archive_is_read(raw, tmp_path):
    found = read_examples({"multinli": tiny(tmp_path), TOKENIZER: raw[TOKENIZER]}, settings())
    assert [len(found.splits[split].labels) for split in SPLITS] == [3, 3, 3]


@pytest.mark.parametrize(
    ("train", "message"),
    [
        (b'{"gold_label": "neutral"\n', "train.jsonl: line 1: is not valid JSON"),
        (b"[" * 100_000 + b"\n", "line 1: is not valid JSON"),
        (b"[1]\n", "line 1: expected a JSON object, got list"),
        (b"", "multinli_1.0_train.jsonl: is empty"),
        (b"\xff\xfe{}\n", "line 1: is not UTF-8"),
        (b"x" * (1 << 23), "line 1: is longer than"),
        (
            [*GOOD[:2], pair("unsure")],
            "line 3: gold_label is 'unsure', expected contradiction, entailment, neutral or -",
        ),
        ([pair(None)], "line 1: gold_label is None, expected a text"),
        ([pair(sentence2=float("nan"))], "line 1: sentence2 is nan, expected a text"),
        ([{"gold_label": "neutral"}], "line 1: sentence1 is missing, expected a text"),
        ([pair(second="\ud800")], "line 1: sentence2 holds half of a surrogate pair"),
    ],
)
def test_a_fault_in_the_pairs_is_named_with_its_line(train, message, raw, tmp_path):
    assert message in refusal(raw, tiny(tmp_path, train))


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"header": "a,b,c,d"}, "metadata_random.csv: lacks the column 'gold_label'; its header is 'a', 'b', 'c', 'd'"),
        ({"header": f",{COLUMNS},split"}, "has 2 columns 'split'"),
        ({"rows": ["0,0,0"]}, "row 1: has 3 values, the header has 4 columns"),
        ({"rows": ["0,0,0,0", "1,,0,0"]}, "row 2: gold_label is '', expected 0 or 1 or 2"),
        ({"rows": ["0,nan,0,0"]}, "row 1: gold_label is 'nan'"),
        ({"rows": ["0,0,0,train"]}, "row 1: split is 'train', expected 0 or 1 or 2"),
        ({"rows": ["0,0,2,0"]}, "row 1: sentence2_has_negation is '2', expected 0 or 1"),
        ({"rows": []}, "metadata_random.csv: has a header and no row"),
        ({"rows": b""}, "lacks the column 'gold_label'; its header is empty"),
        ({"rows": b",gold_label\xe9\n"}, "line 1: is not UTF-8"),
        ({"rows": f',{COLUMNS}\n0,"0,0,0\n'.encode()}, "row 1: is not valid CSV"),
        ({"rows": ROWS[:-1]}, "row 9: is missing or has no pair; it has 8 rows, and there are 9 labelled pairs"),
        ({"rows": [*ROWS, "9,2,0,0"]}, "row 10: is missing or has no pair; it has 10 rows, and there are 9"),
        ({"rows": [*ROWS[:4], "4,2,0,1", *ROWS[5:]]}, "row 5: says 'neutral, no negation', but line 5 of multinli_1.0"),
        ({"rows": [*ROWS[:4], "4,1,1,1", *ROWS[5:]]}, "has 'entailment, no negation': the pairs and the metadata"),
        ({"rows": [*ROWS[:2], *ROWS[3:]]}, "row 3: says 'entailment, no negation', but line 3 of"),
        ({"rows": [*ROWS[:1], *ROWS]}, "row 4: says 'contradiction, no negation', but line 4 of"),
        ({"train": GOOD[:6], "rows": ROWS[:6]}, "train has no example of the class 'neutral'; is the file whole?"),
        ({"train": GOOD[:3], "rows": ROWS[:3]}, "train has no example of the class 'entailment'"),
    ],
)
def test_a_fault_in_the_metadata_is_named_with_its_row(changes, message, raw, tmp_path):
    assert message in refusal(raw, tiny(tmp_path, **changes))


def test_missing_and_damaged_files_are_named(raw, tmp_path):
    (tiny(tmp_path / "a") / "metadata_random.csv").unlink()
    assert "metadata_random.csv: is missing; run `bam fetch` again" in refusal(raw, tmp_path / "a")
    archive = tiny(tmp_path / "b") / "multinli_1.0.zip"
    archive.write_bytes(archive.read_bytes()[:300])
    assert "multinli_1.0.zip: cannot be read" in refusal(raw, tmp_path / "b")
    archive = tiny(tmp_path / "c", GOOD * 50, ROWS * 50) / "multinli_1.0.zip"
    damaged = bytearray(archive.read_bytes())
    damaged[900] ^= 1
    archive.write_bytes(damaged)
    assert "multinli_1.0_train.jsonl" in refusal(raw, tmp_path / "c")
    with zipfile.ZipFile(tmp_path / "d.zip", "w") as made:
        made.writestr("readme.txt", "nothing")
    (tiny(tmp_path / "d") / "multinli_1.0.zip").write_bytes((tmp_path / "d.zip").read_bytes())
    assert "multinli_1.0.zip: has no member multinli_1.0_train.jsonl" in refusal(raw, tmp_path / "d")


def test_nothing_is_prepared_from_files_that_are_refused(raw, tmp_path):
    from bam.steps.prepare import prepare

    folder = tiny(tmp_path / "raw", rows=ROWS[:-1])
    with pytest.raises(DataError):
        prepare(settings().model_dump(), [folder, raw[TOKENIZER]], tmp_path / "prepared")
    assert not (tmp_path / "prepared").exists()
