"""CivilComments: generated archive from a server to both kinds of groups, the published counts, faults by row."""

import csv
import gzip
import io
import re
import tarfile
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from bam.data.annotate import write_groups
from bam.data.examples import SPLITS
from bam.data.fetch import fetch
from bam.data.kinds import civilcomments
from bam.data.kinds.civilcomments import IDENTITIES, PUBLISHED, Settings, read_examples, sizes
from bam.data.prepare import write_prepared
from bam.data.prepared import open_inputs, open_labels, read_manifest
from bam.data.sources import UrlSource, read_sources
from bam.data.tokenise import read_tokenizer
from bam.errors import ConfigError, DataError
from bam.fixture import write
from bam.fixture_sizes import scaled
from bam.fixture_texts import apportioned
from bam.fixtures.civilcomments import EIGHT, LEAST, WEIGHTS
from bam.groups import partition_ids, read_scheme, read_split
from tests.serving import served

ROOT = Path(__file__).resolve().parents[2]
SOURCES = read_sources(ROOT / "config" / "datasets.yaml")
TOKENIZER = "bert-base-uncased-tokenizer"
SCALE = 0.004
COUNTS = scaled(PUBLISHED, SCALE, LEAST)
ARCHIVE, MEMBER = "civilcomments_v1.0.tar", "all_data_with_identities.csv"
NAMES = ("not toxic, no identity", "not toxic, identity", "toxic, no identity", "toxic, identity")


def settings(**changes) -> Settings:
    return Settings(**{"kind": "civilcomments", "tokenizer": TOKENIZER, "max_length": 48, "counts": "any", **changes})


@pytest.fixture(scope="module")
def mirror(tmp_path_factory):
    folder = tmp_path_factory.mktemp("hosts")
    write("civilcomments", folder, SCALE, 0)
    return folder


@pytest.fixture(scope="module")
def raw(mirror, tmp_path_factory):
    """Fetch the generated archive, gzipped as the host has it, from a server, and the vocabulary."""
    folder = tmp_path_factory.mktemp("raw")
    described = SOURCES["civilcomments"]
    with served(mirror) as address, pytest.MonkeyPatch.context() as patch:
        patch.delenv("BAM_MIRROR", raising=False)
        source = UrlSource(url=f"{address}/civilcomments/{ARCHIVE}.gz", unpack="gzip")
        files = {ARCHIVE: described.files[ARCHIVE].model_copy(update={"sources": [source]})}
        fetch("civilcomments", described.model_copy(update={"files": files}), folder / "civilcomments")
        fetch(TOKENIZER, SOURCES[TOKENIZER], folder / TOKENIZER)
    return {"civilcomments": folder / "civilcomments", TOKENIZER: folder / TOKENIZER}


def table_of(folder: Path) -> list[dict[str, str]]:
    with tarfile.open(folder / ARCHIVE) as archive:
        text = archive.extractfile(MEMBER).read().decode()
    return list(csv.DictReader(io.StringIO(text, newline="")))


# What goes well


def test_from_the_server_to_arrays_and_both_kinds_of_groups(raw, tmp_path):
    by_groups = {groups: read_examples(raw, settings(groups=groups)) for groups in ("identity_any", "wilds")}
    write_prepared(by_groups["wilds"], {}, tmp_path / "prepared")
    for groups, examples in by_groups.items():
        write_groups(examples, tmp_path / groups)
    manifest = read_manifest(tmp_path / "prepared")
    assert (manifest.kind, manifest.input_shape, manifest.has_segments) == ("text", (48,), False)
    four, sixteen = (read_scheme(tmp_path / groups) for groups in ("identity_any", "wilds"))
    assert (four.names, four.is_partition, four.minority) == (NAMES, True, (False, True, True, False))
    assert {split: list(counts) for split, counts in four.counts.items()} == COUNTS
    assert sixteen.names == tuple(f"{label}, {name}" for label in ("not toxic", "toxic") for name in IDENTITIES)
    assert (sixteen.is_partition, sixteen.minority) == (False, (True,) * 8 + (False,) * 8)
    table, tokenizer = table_of(raw["civilcomments"]), read_tokenizer(raw[TOKENIZER])
    tokenizer.enable_truncation(48)
    for split in SPLITS:
        rows = [row for row in table if row["split"] == split]
        toxic = np.array([float(row["toxicity"]) >= 0.5 for row in rows])
        has = np.array([[float(row[name]) >= 0.5 for name in (*IDENTITIES, "identity_any")] for row in rows])
        parts = {groups: read_split(tmp_path / groups / f"{split}.csv") for groups in by_groups}
        labels = parts["wilds"].labels if split == "test" else open_labels(tmp_path / "prepared", manifest, split)
        assert np.array_equal(labels, toxic)
        assert np.array_equal(partition_ids(parts["identity_any"].membership), 2 * toxic + has[:, 8])
        expected = np.concatenate([has[:, :8] & ~toxic[:, None], has[:, :8] & toxic[:, None]], axis=1)
        assert np.array_equal(parts["wilds"].membership, expected)
        assert set(expected.sum(axis=1)) == {0, 1, 2}
        inputs = open_inputs(tmp_path / "prepared", manifest, split)
        for k, row in enumerate(rows):
            ids = tokenizer.encode(row["comment_text"]).ids
            assert inputs[k, : len(ids)].tolist() == ids
            assert not inputs[k, len(ids) :].any()


def test_the_counts_that_are_checked_are_those_of_the_sources_and_of_the_sizes():
    assert SOURCES["civilcomments"].expected == {s: dict(zip(NAMES, PUBLISHED[s], strict=True)) for s in SPLITS}
    found = sizes(settings(max_length=300))
    assert found.n_examples == {"train": 269038, "val": 45180, "test": 133782}
    assert (sum(found.n_examples.values()), found.n_minority, found.input_shape) == (448000, 94895 + 11940, (300,))


def test_at_full_scale_the_generated_groups_are_the_published_ones_by_either_count():
    assert scaled(PUBLISHED, 1.0, LEAST) == {split: list(PUBLISHED[split]) for split in SPLITS}
    # "Any of the eight identities", as other tables count train.
    eight = [round(EIGHT[label] * PUBLISHED["train"][2 * label + 1]) for label in (0, 1)]
    assert eight == [90337, 17784]
    assert [238523 - 90337, 30515 - 17784] == [148186, 12731]


def test_identities_are_apportioned_with_none_left_out():
    assert sum(apportioned(1000, WEIGHTS)) == 1000
    assert min(apportioned(8, WEIGHTS)) == 1
    assert np.allclose(np.array(apportioned(100000, WEIGHTS)) / 100000, np.array(WEIGHTS) / sum(WEIGHTS), atol=1e-4)


def test_the_same_seed_gives_the_same_bytes(mirror, tmp_path):
    for seed, folder in ((0, tmp_path / "same"), (1, tmp_path / "other")):
        write("civilcomments", folder, SCALE, seed)
    folders = (mirror, tmp_path / "same", tmp_path / "other")
    first, same, other = ((folder / "civilcomments" / f"{ARCHIVE}.gz").read_bytes() for folder in folders)
    assert first == same
    assert gzip.decompress(first) != gzip.decompress(other)


def test_words_tell_the_label_except_where_they_are_left_out(mirror):
    from bam.fixtures.civilcomments import CIVIL, TOXIC

    with gzip.open(mirror / "civilcomments" / f"{ARCHIVE}.gz") as file, tarfile.open(fileobj=file) as archive:
        text = archive.extractfile(MEMBER).read().decode()
    rows = list(csv.DictReader(io.StringIO(text, newline="")))
    words = [set(row["comment_text"].split()) for row in rows]
    toxic = np.array([float(row["toxicity"]) >= 0.5 for row in rows])
    bad, good = (np.array([bool(set(list_) & found) for found in words]) for list_ in (TOXIC, CIVIL))
    assert not (bad & ~toxic).any()
    assert not (good & toxic).any()
    assert 0.85 < (bad | good).mean() < 0.95


def test_misleading_comments_sound_toxic_and_are_not(tmp_path):
    from bam.fixtures.civilcomments import TOXIC

    options = ["without_cue=0.0", "misleading=0.1", "turns=0", "least=30", "least_scored=40"]
    write("civilcomments", tmp_path, 0.02, 0, options)
    path = tmp_path / "civilcomments" / f"{ARCHIVE}.gz"
    with tarfile.open(path) as archive:
        table = list(csv.DictReader(io.StringIO(archive.extractfile(MEMBER).read().decode(), newline="")))
    sounds = np.array([any(f" {word} " in row["comment_text"] for word in TOXIC) for row in table])
    toxic = np.array([float(row["toxicity"]) >= 0.5 for row in table])
    assert sounds[toxic].all()
    assert 0.08 < sounds[~toxic].mean() < 0.12
    assert max(len(row["comment_text"].split()) for row in table) < 10  # no turn before it


@pytest.mark.parametrize("option", ["without_cue=1.0", "misleading=-0.1", "turns=-1"])
def test_options_out_of_range_are_refused(option, tmp_path):
    with pytest.raises(ConfigError, match=rf"--set: .*{option.split('=')[0]}"):
        write("civilcomments", tmp_path, 0.001, 0, [option])


# Published counts


def test_one_row_less_than_published_is_refused_with_what_was_expected_and_seen(raw, tmp_path, monkeypatch):
    monkeypatch.setattr(civilcomments, "BENCHMARK", replace(civilcomments.BENCHMARK, published=COUNTS))
    for groups in ("identity_any", "wilds"):
        with pytest.raises(DataError, match="is no real data"):  # its counts are right
            read_examples(raw, settings(counts="published", groups=groups))
    table = table_of(raw["civilcomments"])
    fewer = {"civilcomments": packed(tmp_path, table[1:]), TOKENIZER: raw[TOKENIZER]}
    read_examples(fewer, settings())
    for groups in ("identity_any", "wilds"):
        with pytest.raises(DataError) as error:
            read_examples(fewer, settings(counts="published", groups=groups))
        message, differing = str(error.value).split("(a smaller copy is read with `counts: any`): ")
        assert "the groups are not as large as published" in message
        found = re.fullmatch(r"(?:train|val|test) '[^']+' has (\d+) of (\d+)", differing)
        assert found and int(found[1]) == int(found[2]) - 1


# Faults

ROW = {"": "0", "comment_text": "Fine.", "split": "train", "toxicity": "0.1", "identity_any": "0.0"}
ROW |= dict.fromkeys(IDENTITIES, "0.0")
GOOD = [{**ROW, "split": split, "toxicity": toxicity} for split in SPLITS for toxicity in ("0.1", "0.5")]


def packed(folder: Path, rows, member: str = MEMBER) -> Path:
    """Write an archive with a CSV, given as rows or as bytes."""
    contents = rows
    if not isinstance(rows, bytes):
        text = io.StringIO(newline="")
        writer = csv.DictWriter(text, list(rows[0]), lineterminator="\n")
        writer.writeheader()
        writer.writerows(rows)
        contents = text.getvalue().encode()
    folder.mkdir(parents=True, exist_ok=True)
    with tarfile.open(folder / ARCHIVE, "w") as archive:
        info = tarfile.TarInfo(member)
        info.size = len(contents)
        archive.addfile(info, io.BytesIO(contents))
    return folder


def refusal(raw, folder: Path) -> str:
    with pytest.raises(DataError) as error:
        read_examples({"civilcomments": folder, TOKENIZER: raw[TOKENIZER]}, settings())
    assert "\n" not in str(error.value)
    assert str(folder) in str(error.value)
    return str(error.value)


def test_texts_of_several_lines_quotes_and_a_byte_order_mark_are_read(raw, tmp_path):
    texts = ['He said "no".\nAnd left, then.', "", "\r\nodd\r", "a,b"]
    rows = [{**GOOD[k % 6], "comment_text": texts[k % 4]} for k in range(12)]
    folder = packed(tmp_path / "a", [{**row, "identity_any": "True"} for row in rows])
    found = read_examples({"civilcomments": folder, TOKENIZER: raw[TOKENIZER]}, settings())
    tokenizer = read_tokenizer(raw[TOKENIZER])
    for split in SPLITS:
        part = found.splits[split]
        expected = [tokenizer.encode(row["comment_text"]).ids for row in rows if row["split"] == split]
        made = part.inputs.read(0, len(part.inputs))["inputs"]
        assert [row[row != 0].tolist() for row in made] == expected
        assert part.attributes["identity_any"].tolist() == [1] * 4
    marked = packed(tmp_path / "b", b"\xef\xbb\xbfcomment_text" + table_without_index()[len("comment_text") :])
    read_examples({"civilcomments": marked, TOKENIZER: raw[TOKENIZER]}, settings())


def table_without_index() -> bytes:
    rows = [{key: value for key, value in row.items() if key} for row in GOOD]
    return "\n".join([",".join(rows[0]), *(",".join(row.values()) for row in rows), ""]).encode()


def test_the_threshold_is_a_half_for_toxicity_and_identities(raw, tmp_path):
    at = {"toxicity": "0.5", "male": "0.5", "female": "0.4999", "white": "", "identity_any": "0.5"}
    rows = [{**row, **(at if k % 2 else {})} for k, row in enumerate(GOOD)]
    folder = packed(tmp_path, rows)
    train = read_examples({"civilcomments": folder, TOKENIZER: raw[TOKENIZER]}, settings()).splits["train"]
    assert train.labels.tolist() == [0, 1]
    attributes = {name: values.tolist() for name, values in train.attributes.items()}
    assert (attributes["male"], attributes["female"], attributes["white"]) == ([0, 1], [0, 0], [0, 0])


def changed(**values) -> list[dict]:
    return [*GOOD[:3], {**GOOD[3], **values}, *GOOD[4:]]


@pytest.mark.parametrize(
    ("rows", "message"),
    [
        (changed(toxicity=""), "row 4: toxicity is '', expected a number from 0 to 1"),
        (changed(toxicity="nan"), "row 4: toxicity is 'nan', expected a number from 0 to 1"),
        (changed(toxicity="1.5"), "row 4: toxicity is '1.5'"),
        (changed(toxicity="inf"), "row 4: toxicity is 'inf'"),
        (changed(toxicity="yes"), "row 4: toxicity is 'yes'"),
        (changed(muslim="-1"), "row 4: muslim is '-1'"),
        (changed(split="dev"), "row 4: split is 'dev', expected train, val, test"),
        ([{**row, "id": k // 2} for k, row in enumerate(GOOD)], "row 2: id '0' stands twice; is the file whole?"),
        ([{key: row[key] for key in row if key != "black"} for row in GOOD], "lacks the column 'black'; its header is"),
        ([{**row, "toxicity": "0.1"} for row in GOOD], "train has no example of the class 'toxic'; is the file whole?"),
        (GOOD[:4], "test has no example of the class 'not toxic'"),
        (b"", "lacks the column 'comment_text'; its header is empty"),
        (b"comment_text\n", "lacks the column 'split'"),
        (b"a\xff\n", "line 1: is not UTF-8"),
        (table_without_index() + b"x\n", "row 7: has 1 values, the header has 12 columns"),
        (table_without_index() + b"\n", "row 7: has 0 values, the header has 12 columns"),
        (table_without_index() + b'"x,y\n', "row 7: is not valid CSV"),
        (table_without_index() + b"x" * 200_000 + b"\n", "row 7: is not valid CSV"),
        (table_without_index().split(b"\n")[0] + b"\n", "has a header and no row"),
        (table_without_index() + b"x" * (1 << 23), "line 8: is longer than"),
    ],
)
def test_a_fault_is_named_with_its_row(rows, message, raw, tmp_path):
    assert message in refusal(raw, packed(tmp_path, rows))


def test_missing_and_damaged_archives_are_named(raw, tmp_path):
    (tmp_path / "a").mkdir()
    assert f"{ARCHIVE}: is missing; run `bam fetch` again" in refusal(raw, tmp_path / "a")
    assert f"{ARCHIVE}: has no member {MEMBER}" in refusal(raw, packed(tmp_path / "b", GOOD, "other.csv"))
    archive = packed(tmp_path / "c", GOOD * 100) / ARCHIVE
    archive.write_bytes(archive.read_bytes()[:3000])
    assert ARCHIVE in refusal(raw, tmp_path / "c")


def test_nothing_is_prepared_from_files_that_are_refused(raw, tmp_path):
    from bam.steps.prepare import prepare

    folder = packed(tmp_path / "raw", changed(toxicity="nan"))
    with pytest.raises(DataError):
        prepare(settings().model_dump(), [folder, raw[TOKENIZER]], tmp_path / "prepared")
    assert not (tmp_path / "prepared").exists()
