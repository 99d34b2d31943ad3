"""Archives that stay packed: what is refused, what is trusted, and a copy that the user has."""

import gzip
import hashlib
import io
import stat
import tarfile
import tracemalloc
import zipfile
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

from bam.data.fetch import fetch
from bam.data.members import contents_sha256, open_members
from bam.data.raw import contents_of
from bam.data.sources import RawFile, RawSet
from bam.errors import ConfigError, DataError
from bam.files import read_json
from tests.serving import served

MEMBERS = {"set/list.csv": b"a,b\n", "set/one/1.jpg": bytes(range(256)), "set/one/2.jpg": b"two" * 1000}
KINDS = ["tar", "zip"]


@pytest.fixture(autouse=True)
def _no_mirror(monkeypatch):
    monkeypatch.delenv("BAM_MIRROR", raising=False)


def tar_of(members: dict[str, bytes], *special: tarfile.TarInfo) -> bytes:
    buffer = io.BytesIO()
    with tarfile.open(fileobj=buffer, mode="w") as archive:
        for name, contents in members.items():
            info = tarfile.TarInfo(name)
            info.size = len(contents)
            archive.addfile(info, io.BytesIO(contents))
        for info in special:
            archive.addfile(info)
    return buffer.getvalue()


def zip_of(members: dict[str, bytes], how: int = zipfile.ZIP_DEFLATED) -> bytes:
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w", how) as archive:
        for name, contents in members.items():
            archive.writestr(zipfile.ZipInfo(name), contents, how)
    return buffer.getvalue()


def packed(kind: str, members: dict[str, bytes]) -> bytes:
    return tar_of(members) if kind == "tar" else zip_of(members)


def raw_set(kind: str, *sources, required=("list.csv",), md5=None, sha256=None, known=None, limit=100_000) -> RawSet:
    file = {
        "size_bytes": None,
        "max_bytes": limit,
        "sha256": sha256,
        "md5": md5,
        "archive": {
            "max_members": 10,
            "max_unpacked_bytes": limit,
            "required": list(required),
            "contents_sha256": known,
        },
        "sources": list(sources),
    }
    return RawSet(description="-", licence="-", citation="-", files={f"a.{kind}": RawFile.model_validate(file)})


def mirror(tmp_path: Path, monkeypatch, kind: str, contents: bytes) -> None:
    (tmp_path / "mirror" / "toy").mkdir(parents=True, exist_ok=True)
    (tmp_path / "mirror" / "toy" / f"a.{kind}").write_bytes(contents)
    monkeypatch.setenv("BAM_MIRROR", str(tmp_path / "mirror"))


def refusal(tmp_path: Path, monkeypatch, kind: str, contents: bytes, **what) -> str:
    mirror(tmp_path, monkeypatch, kind, contents)
    with pytest.raises(DataError) as error:
        fetch("toy", raw_set(kind, **what), tmp_path / "out")
    left = {path.name for path in (tmp_path / "out").iterdir()} - {f"a.{kind}.rejected"}
    assert left == set(), "nothing lies under a final name"
    assert set(tmp_path.iterdir()) == {tmp_path / "out", tmp_path / "mirror"}, "nothing is written elsewhere"
    assert "\n" not in str(error.value)
    return str(error.value)


@pytest.mark.parametrize("kind", KINDS)
def test_an_archive_stays_packed_and_its_members_are_read_by_threads(tmp_path, monkeypatch, kind):
    mirror(tmp_path, monkeypatch, kind, packed(kind, MEMBERS))
    fetch("toy", raw_set(kind), tmp_path / "out")
    assert {path.name for path in (tmp_path / "out").iterdir()} == {f"a.{kind}", "fetched.json"}
    members = open_members(tmp_path / "out" / f"a.{kind}")
    assert members.sizes == {name: len(contents) for name, contents in MEMBERS.items()}
    with ThreadPoolExecutor(8) as pool:
        names = list(MEMBERS) * 200
        assert list(pool.map(members.read, names)) == [MEMBERS[name] for name in names]


def test_a_gzipped_tar_is_downloaded_and_unpacked_to_the_tar(tmp_path):
    (tmp_path / "host").mkdir()
    (tmp_path / "host" / "x.tar.gz").write_bytes(gzip.compress(tar_of(MEMBERS)))
    with served(tmp_path / "host") as address:
        fetch("toy", raw_set("tar", {"url": f"{address}/x.tar.gz", "unpack": "gzip"}), tmp_path / "out")
    assert (tmp_path / "out" / "a.tar").read_bytes() == tar_of(MEMBERS)


# What is refused


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("name", ["../evil", "set/../../evil", "/tmp/evil", "C:/evil", "..\\evil"])
def test_a_path_that_leaves_its_folder_is_refused(tmp_path, monkeypatch, kind, name):
    message = refusal(tmp_path, monkeypatch, kind, packed(kind, {**MEMBERS, name: b"x"}))
    assert f"is not trusted: it holds the path {name!r}, which leaves the archive's folder" in message


@pytest.mark.parametrize("type_", [tarfile.SYMTYPE, tarfile.LNKTYPE, tarfile.CHRTYPE, tarfile.FIFOTYPE])
def test_a_link_or_device_in_a_tar_is_refused(tmp_path, monkeypatch, type_):
    info = tarfile.TarInfo("set/link")
    info.type, info.linkname = type_, "/etc/passwd"
    message = refusal(tmp_path, monkeypatch, "tar", tar_of(MEMBERS, info))
    assert "its member 'set/link' is a link or device, no plain file" in message


def test_a_link_in_a_zip_is_refused(tmp_path, monkeypatch):
    buffer = io.BytesIO(zip_of(MEMBERS))
    with zipfile.ZipFile(buffer, "a") as archive:
        info = zipfile.ZipInfo("set/link")
        info.external_attr = (stat.S_IFLNK | 0o777) << 16
        archive.writestr(info, "/etc/passwd")
    assert "its member 'set/link' is a link or device" in refusal(tmp_path, monkeypatch, "zip", buffer.getvalue())


def test_a_zip_that_unpacks_to_more_than_expected_is_refused(tmp_path, monkeypatch):
    bomb = zip_of({**MEMBERS, "zeros": bytes(50_000_000)})
    assert len(bomb) < 100_000
    message = refusal(tmp_path, monkeypatch, "zip", bomb)
    assert "unpacks to 50,003,260 bytes, expected at most 100,000" in message


def test_a_gzip_that_unpacks_to_more_than_expected_is_not_unpacked_to_its_end(tmp_path, monkeypatch):
    (tmp_path / "mirror" / "toy").mkdir(parents=True)
    (tmp_path / "mirror" / "toy" / "a.tar.gz").write_bytes(gzip.compress(bytes(100_000_000)))
    monkeypatch.setenv("BAM_MIRROR", str(tmp_path / "mirror"))
    with pytest.raises(DataError, match=r"has more than 16,877,216 bytes, expected at most 100,000"):
        fetch("toy", raw_set("tar"), tmp_path / "out")
    assert list((tmp_path / "out").iterdir()) == []


def test_a_zip_member_that_is_longer_than_listed_is_not_read_on(tmp_path):
    contents = bytearray(zip_of({"a.jpg": bytes(100_000)}))
    at = contents.rindex(b"PK\x01\x02") + 24
    contents[at : at + 4] = (10).to_bytes(4, "little")  # the index says ten bytes
    (tmp_path / "a.zip").write_bytes(contents)
    members = open_members(tmp_path / "a.zip")
    with pytest.raises((EOFError, zipfile.BadZipFile)):
        members.read("a.jpg")


def test_a_zip_member_whose_name_begins_with_a_nul_is_refused(tmp_path):
    contents = bytearray(zip_of({"a.jpg": b"a"}))
    contents[contents.rindex(b"PK\x01\x02") + 46] = 0  # the index's copy of the name
    (tmp_path / "a.zip").write_bytes(contents)
    with pytest.raises(DataError, match=r"a\.zip: is not trusted: it has a member without a name; run `bam fetch`"):
        open_members(tmp_path / "a.zip")


@pytest.mark.parametrize("kind", KINDS)
def test_too_many_members_are_refused(tmp_path, monkeypatch, kind):
    members = {**MEMBERS, **{f"set/{k}": b"" for k in range(8)}}
    message = refusal(tmp_path, monkeypatch, kind, packed(kind, members))
    assert "has 11 members, expected at most 10" in message


@pytest.mark.parametrize("kind", KINDS)
def test_a_missing_member_is_named(tmp_path, monkeypatch, kind):
    message = refusal(tmp_path, monkeypatch, kind, packed(kind, MEMBERS), required=("list.csv", "other.csv"))
    assert "has no member other.csv" in message


@pytest.mark.parametrize("kind", KINDS)
def test_a_member_that_is_there_twice_is_refused(tmp_path, monkeypatch, kind):
    message = refusal(tmp_path, monkeypatch, kind, packed(kind, {**MEMBERS, "./set/list.csv": b"other"}))
    assert "it holds 'set/list.csv' twice" in message


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("cut", [0.01, 0.5])
def test_an_archive_that_is_cut_off_is_refused(tmp_path, monkeypatch, kind, cut):
    message = refusal(tmp_path, monkeypatch, kind, packed(kind, MEMBERS)[: int(cut * len(packed(kind, MEMBERS)))])
    assert any(text in message for text in ("cannot be read as an archive", "ends in the middle", "has no member"))


def test_something_else_than_an_archive_is_refused(tmp_path, monkeypatch):
    assert "cannot be read as an archive" in refusal(tmp_path, monkeypatch, "tar", b"Hello, world" * 1000)


def test_a_wrong_md5_is_refused_and_the_right_one_taken(tmp_path, monkeypatch):
    contents = zip_of(MEMBERS)
    right = hashlib.md5(contents).hexdigest()
    message = refusal(tmp_path, monkeypatch, "zip", contents, md5="0" * 32)
    assert f"has MD5 {right}, expected {'0' * 32}" in message
    assert message.endswith(f"whose contents have at most 100,000 bytes and MD5 {'0' * 32}")
    fetch("toy", raw_set("zip", md5=right), tmp_path / "out")


def test_what_a_file_manager_leaves_in_an_archive_is_no_member(tmp_path):
    junk = {"__MACOSX/set/._1.jpg": b"x", "set/._list.csv": b"x", "set/.DS_Store": b"x"}
    (tmp_path / "a.zip").write_bytes(zip_of({**MEMBERS, **junk}))
    assert set(open_members(tmp_path / "a.zip").sizes) == set(MEMBERS)


# What is trusted at first


def test_the_hash_of_contents_is_recorded_and_other_contents_are_refused_ever_after(tmp_path, monkeypatch):
    mirror(tmp_path, monkeypatch, "tar", tar_of(MEMBERS))
    fetch("toy", raw_set("tar"), tmp_path / "out")
    recorded = read_json(tmp_path / "out" / "fetched.json")
    expected = hashlib.sha256(
        b"".join(
            f"{hashlib.sha256(MEMBERS[name]).hexdigest()}  {name.removeprefix('set/')}\n".encode()
            for name in sorted(MEMBERS)
        )
    ).hexdigest()
    assert recorded == {"a.tar": expected}
    (tmp_path / "out" / "a.tar").unlink()
    mirror(tmp_path, monkeypatch, "tar", tar_of({**MEMBERS, "set/one/2.jpg": b"other"}))
    with pytest.raises(DataError, match=rf"has members of SHA-256 [0-9a-f]{{64}}, expected {expected}.*fetched.json"):
        fetch("toy", raw_set("tar"), tmp_path / "out")
    assert not (tmp_path / "out" / "a.tar").exists()
    mirror(tmp_path, monkeypatch, "tar", tar_of(dict(reversed(MEMBERS.items()))))
    fetch("toy", raw_set("tar"), tmp_path / "out")  # another packing of the same
    assert read_json(tmp_path / "out" / "fetched.json") == recorded


def test_a_published_hash_of_the_contents_is_compared_at_once(tmp_path, monkeypatch):
    message = refusal(tmp_path, monkeypatch, "zip", zip_of(MEMBERS), known="0" * 64)
    assert f"expected {'0' * 64}" in message


def test_an_archive_that_is_damaged_on_the_disk_is_fetched_again(tmp_path, monkeypatch):
    mirror(tmp_path, monkeypatch, "tar", tar_of(MEMBERS))
    fetch("toy", raw_set("tar"), tmp_path / "out")
    damaged = bytearray(tar_of(MEMBERS))
    damaged[damaged.index(b"twotwo")] ^= 1
    (tmp_path / "out" / "a.tar").write_bytes(damaged)
    fetch("toy", raw_set("tar"), tmp_path / "out")
    assert (tmp_path / "out" / "a.tar").read_bytes() == tar_of(MEMBERS)


def test_ids_know_an_unpublished_hash_by_what_the_config_expects(tmp_path):
    unknown = raw_set("tar")
    assert contents_of(unknown) == {"a.tar": "..."}
    assert contents_of(unknown.model_copy(update={"expected": {"train": {"g": 3}}}))["expected"] == {"train": {"g": 3}}
    assert contents_of(raw_set("tar", md5="1" * 32))["a.tar"] == "1" * 32
    assert contents_of(raw_set("tar", known="2" * 64)) == {"a.tar": "2" * 64}


def test_a_file_of_unknown_size_needs_a_bound():
    with pytest.raises(ValueError, match="needs max_bytes"):
        RawFile.model_validate({"size_bytes": None, "sha256": None, "sources": []})


# A copy that the user has


@pytest.mark.parametrize("name", ["a.tar", "a.tar.gz", "whatever.tgz"])
def test_a_copy_of_the_archive_is_taken_whatever_its_name(tmp_path, name):
    contents = tar_of(MEMBERS)
    (tmp_path / name).write_bytes(contents if name == "a.tar" else gzip.compress(contents))
    fetch("toy", raw_set("tar"), tmp_path / "out", copy=tmp_path / name)
    assert (tmp_path / "out" / "a.tar").read_bytes() == contents
    assert (tmp_path / name).exists()


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("inside", [".", "set", "deeper"])
def test_an_unpacked_copy_is_packed_and_known_by_the_same_hash(tmp_path, kind, inside):
    for name, contents in MEMBERS.items():
        path = tmp_path / "mine" / inside / name.removeprefix("set/")
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(contents)
    (tmp_path / "archive").write_bytes(packed(kind, MEMBERS))
    fetch("toy", raw_set(kind, md5="0" * 32), tmp_path / "out", copy=tmp_path / "mine")
    assert read_json(tmp_path / "out" / "fetched.json") == {f"a.{kind}": contents_sha256(tmp_path / "archive")}
    assert open_members(tmp_path / "out" / f"a.{kind}").read("one/1.jpg") == MEMBERS["set/one/1.jpg"]


def test_a_folder_that_holds_something_else_is_refused(tmp_path):
    (tmp_path / "mine").mkdir()
    (tmp_path / "mine" / "other").write_bytes(b"x")
    with pytest.raises(DataError, match=r"mine/a.tar is missing. Give --from a folder that holds a.tar or what is in"):
        fetch("toy", raw_set("tar"), tmp_path / "out", copy=tmp_path / "mine")


def test_a_folder_that_is_far_too_large_is_not_packed(tmp_path):
    (tmp_path / "mine").mkdir()
    (tmp_path / "mine" / "list.csv").write_bytes(b"x")
    (tmp_path / "mine" / "film").write_bytes(bytes(200_000))
    with pytest.raises(DataError, match="has 200,001 bytes in 2 files, expected at most 100,000"):
        fetch("toy", raw_set("tar"), tmp_path / "out", copy=tmp_path / "mine")
    assert list((tmp_path / "out").iterdir()) == []


def test_a_copy_that_is_not_there_is_named(tmp_path):
    with pytest.raises(ConfigError, match="is neither a file nor a folder"):
        fetch("toy", raw_set("tar"), tmp_path / "out", copy=tmp_path / "nowhere")


@pytest.mark.parametrize("kind", KINDS)
def test_a_large_member_is_hashed_piece_by_piece(kind, tmp_path):
    large = {**MEMBERS, "set/large.bin": bytes(9_000_001)}
    (tmp_path / "archive").write_bytes(packed(kind, large))
    expected = hashlib.sha256()
    for name in sorted(large):
        line = f"{hashlib.sha256(large[name]).hexdigest()}  {name.removeprefix('set/')}\n"
        expected.update(line.encode())
    tracemalloc.start()
    try:
        assert contents_sha256(tmp_path / "archive") == expected.hexdigest()
        assert tracemalloc.get_traced_memory()[1] < 5_000_000
    finally:
        tracemalloc.stop()
    assert open_members(tmp_path / "archive").read("set/large.bin") == large["set/large.bin"]
