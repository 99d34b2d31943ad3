"""Fetching from servers, good and bad: a real one on localhost that answers as it is told."""

import errno
import fcntl
import gzip
import hashlib
import io
import os
import socket
import socketserver
import sys
import tarfile
import threading
import tracemalloc
import zipfile
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import pytest

from bam.data import unpack
from bam.data.download import Patience
from bam.data.fetch import fetch
from bam.data.sources import RawFile, RawSet
from bam.errors import ConfigError, DataError

CONTENTS = bytes(range(256)) * 2000
FLIPPED = CONTENTS[:1000] + bytes([CONTENTS[1000] ^ 1]) + CONTENTS[1001:]
HALF = len(CONTENTS) // 2
HASTY = Patience(tries=3, wait_s=0.0, timeout_s=5.0)
PAGE = b"<!DOCTYPE html><title>Log in</title>"


@dataclass
class Reply:
    """What the server says to one request."""

    body: bytes = b""
    status: int = 200
    headers: dict[str, str] = field(default_factory=dict)
    cut: int | None = None  # bytes after which the connection is closed
    ranges: bool = True
    if_range: bool = True
    shift: int = 0  # added to the start of ranges: a server that answers with others than asked for
    silent_s: float = 0.0

    def part(self, request) -> tuple[int, bytes, dict[str, str]]:
        asked, condition = request.get("Range"), request.get("If-Range")
        changed = self.if_range and condition is not None and condition != self.headers.get("ETag")
        if self.status != 200 or asked is None or not self.ranges or changed:
            return self.status, self.body, {}
        start, total = int(asked.removeprefix("bytes=").removesuffix("-")) + self.shift, len(self.body)
        if start >= total:
            return 416, b"", {"Content-Range": f"bytes */{total}"}
        return 206, self.body[start:], {"Content-Range": f"bytes {start}-{total - 1}/{total}"}


class Server:
    """Replies by path, one after another, the last one again and again; and what was asked."""

    def __init__(self, address: str) -> None:
        self.address = address
        self.replies: dict[str, list[Reply]] = {}
        self.asked: list[tuple[str, dict[str, str]]] = []
        self.stopped = threading.Event()

    def say(self, path: str, *replies: Reply) -> str:
        self.replies[path] = list(replies)
        return self.address + path

    def ranges(self) -> list[str | None]:
        return [headers.get("Range") for _, headers in self.asked]

    def paths(self) -> list[str]:
        return [path for path, _ in self.asked]


class Handler(BaseHTTPRequestHandler):
    def do_GET(self):
        script = self.server.script
        script.asked.append((self.path, dict(self.headers)))
        queue = script.replies.get(self.path, [Reply(status=404)])
        reply = queue.pop(0) if len(queue) > 1 else queue[0]
        script.stopped.wait(reply.silent_s)
        status, body, headers = reply.part(self.headers)
        self.send_response(status, "As it likes" if status == 404 else None)
        for key, value in {"Content-Length": str(len(body)), **reply.headers, **headers}.items():
            self.send_header(key, value)
        self.end_headers()
        self.wfile.write(body[: reply.cut])
        self.close_connection = True

    def log_message(self, *_):
        pass


class Listening(ThreadingHTTPServer):
    def server_bind(self):
        socketserver.TCPServer.server_bind(self)  # HTTPServer's own asks the DNS for a name
        self.server_name, self.server_port = self.server_address[:2]


@pytest.fixture
def server(monkeypatch):
    for name in ("http_proxy", "https_proxy", "all_proxy", "HTTP_PROXY", "HTTPS_PROXY", "ALL_PROXY", "BAM_MIRROR"):
        monkeypatch.delenv(name, raising=False)
    listening = Listening(("127.0.0.1", 0), Handler)
    listening.script = Server(f"http://127.0.0.1:{listening.server_port}")
    thread = threading.Thread(target=listening.serve_forever, kwargs={"poll_interval": 0.01})
    thread.start()
    yield listening.script
    listening.script.stopped.set()
    listening.shutdown()
    thread.join()
    listening.server_close()


def sha(contents: bytes) -> str:
    return hashlib.sha256(contents).hexdigest()


def raw_file(*sources, contents: bytes = CONTENTS) -> dict:
    return {"size_bytes": len(contents), "sha256": sha(contents), "sources": list(sources)}


def raw_set(files: dict[str, dict]) -> RawSet:
    made = {name: RawFile.model_validate(file) for name, file in files.items()}
    return RawSet(description="-", licence="-", citation="-", files=made)


def get(folder: Path, *sources, contents: bytes = CONTENTS, patience: Patience = HASTY) -> bytes:
    fetch("toy", raw_set({"a.bin": raw_file(*sources, contents=contents)}), folder, patience)
    return (folder / "a.bin").read_bytes()


def refusal(folder: Path, *sources, patience: Patience = HASTY) -> str:
    with pytest.raises(DataError) as error:
        get(folder, *sources, patience=patience)
    assert not (folder / "a.bin").exists()
    assert "\n" not in str(error.value)
    return str(error.value)


def left(folder: Path) -> set[str]:
    return {path.name for path in folder.rglob("*")}


# What goes well


def test_a_file_is_downloaded_and_nothing_else_is_left(server, tmp_path):
    assert get(tmp_path, {"url": server.say("/a.bin", Reply(CONTENTS))}) == CONTENTS
    assert left(tmp_path) == {"a.bin", "fetched.json"}


def test_a_file_that_is_there_is_not_asked_for(server, tmp_path):
    source = {"url": server.say("/a.bin", Reply(CONTENTS))}
    get(tmp_path, source)
    get(tmp_path, source)
    assert len(server.asked) == 1


@pytest.mark.parametrize("headers", [{}, {"Content-Encoding": "gzip"}])
def test_a_gzipped_file_is_unpacked_and_its_contents_are_what_is_compared(server, tmp_path, headers):
    url = server.say("/a.bin.gz", Reply(gzip.compress(CONTENTS), headers=headers))
    assert get(tmp_path, {"url": url, "unpack": "gzip"}) == CONTENTS
    assert left(tmp_path) == {"a.bin", "fetched.json"}


def test_a_redirect_is_followed(server, tmp_path):
    server.say("/there", Reply(CONTENTS))
    assert get(tmp_path, {"url": server.say("/a.bin", Reply(status=302, headers={"Location": "/there"}))}) == CONTENTS


def test_a_redirect_without_end_is_left_and_its_host_still_asked(server, tmp_path):
    loop = {"url": server.say("/loop", Reply(status=302, headers={"Location": "/loop"}))}
    assert f"{loop['url']} cannot be asked (Exceeded 30 redirects.)" in refusal(tmp_path, loop)
    assert get(tmp_path, loop, {"url": server.say("/a.bin", Reply(CONTENTS))}) == CONTENTS


def test_the_proxy_of_the_environment_is_asked(server, tmp_path, monkeypatch):
    server.say("http://far.invalid/a.bin", Reply(CONTENTS))
    monkeypatch.setenv("http_proxy", server.address)
    assert get(tmp_path, {"url": "http://far.invalid/a.bin"}) == CONTENTS


@pytest.mark.parametrize("packed", [False, True])
def test_a_large_file_is_never_held_in_memory(server, tmp_path, packed):
    contents = bytes(48 << 20)
    body = gzip.compress(contents, 1) if packed else contents
    source = {"url": server.say("/a.bin", Reply(body)), **({"unpack": "gzip"} if packed else {})}
    files = raw_set({"a.bin": raw_file(source, contents=contents)})
    tracemalloc.start()
    try:
        fetch("toy", files, tmp_path, HASTY)
        assert tracemalloc.get_traced_memory()[1] < 12 << 20
    finally:
        tracemalloc.stop()


# Mirrors


@pytest.mark.parametrize("packed", [False, True])
@pytest.mark.parametrize("kind", ["folder", "address"])
def test_the_mirror_is_asked_first_for_the_file_and_the_gzipped_file(server, tmp_path, monkeypatch, kind, packed):
    name, body = ("a.bin.gz", gzip.compress(CONTENTS)) if packed else ("a.bin", CONTENTS)
    (tmp_path / "mirror" / "toy").mkdir(parents=True)
    (tmp_path / "mirror" / "toy" / name).write_bytes(body)
    server.say(f"/files/toy/{name}", Reply(body))
    monkeypatch.setenv("BAM_MIRROR", str(tmp_path / "mirror") if kind == "folder" else f"{server.address}/files/")
    listed = server.say("/listed", Reply(CONTENTS))
    assert get(tmp_path / "out", {"url": listed}) == CONTENTS
    assert "/listed" not in server.paths()


def test_several_mirrors_are_asked_in_turn_and_then_the_sources(server, tmp_path, monkeypatch, caplog):
    (tmp_path / "empty").mkdir()
    monkeypatch.setenv("BAM_MIRROR", f"{tmp_path / 'empty'}, {server.address}/m")
    assert get(tmp_path / "out", {"url": server.say("/listed", Reply(CONTENTS))}) == CONTENTS
    assert server.paths() == ["/m/toy/a.bin", "/m/toy/a.bin.gz", "/listed"]
    assert not [record for record in caplog.records if record.levelname == "WARNING"], "nothing was wrong"


def test_a_folder_that_has_not_the_file_is_named_once(tmp_path, monkeypatch):
    monkeypatch.setenv("BAM_MIRROR", str(tmp_path))
    message = refusal(tmp_path / "out")
    assert f"no source has it: {tmp_path / 'toy' / 'a.bin'} is missing. Set" in message


@pytest.mark.parametrize("mirror", ["ftp://a/b", "/no/such/folder"])
def test_a_mirror_that_is_neither_a_folder_nor_an_address_is_named(tmp_path, monkeypatch, mirror):
    monkeypatch.setenv("BAM_MIRROR", mirror)
    with pytest.raises(ConfigError, match=f"BAM_MIRROR: '{mirror}' is no folder and no http"):
        get(tmp_path)


# Servers that refuse, or are not there


def test_a_missing_file_is_one_line_with_every_try_and_what_to_do(server, tmp_path):
    first, second = f"{server.address}/none", server.say("/gone", Reply(status=410))
    message = refusal(tmp_path, {"npm": "bam-none", "path": "a.bin"}, {"url": first}, {"url": second})
    assert message == (
        f"{tmp_path / 'a.bin'}: no source has it: npm package bam-none, a.bin is missing; "
        f"{first} answered 404 Not Found; {second} answered 410 Gone. "
        "Set BAM_MIRROR to a folder or http(s) address that holds toy/a.bin or the same with .gz, "
        f"whose contents have {len(CONTENTS):,} bytes and SHA-256 {sha(CONTENTS)}"
    )
    assert server.paths() == ["/none", "/gone"], "a refusal is not asked for again"
    assert left(tmp_path) == set()


def test_a_busy_server_is_asked_again(server, tmp_path):
    assert get(tmp_path, {"url": server.say("/a.bin", Reply(status=503), Reply(CONTENTS))}) == CONTENTS


def test_a_server_that_stays_busy_is_given_up_after_a_few_tries(server, tmp_path):
    url = server.say("/a.bin", Reply(status=503))
    assert f"{url} answered 503 Service Unavailable (3 tries)" in refusal(tmp_path, {"url": url})
    assert len(server.asked) == 3


@pytest.mark.parametrize(
    ("body", "kind"),
    [(PAGE, "application/gzip"), (b"\xef\xbb\xbf \n<html>", "application/octet-stream"), (b"Hello", "text/html; a=b")],
)
def test_a_page_in_place_of_the_file_is_recognised(server, tmp_path, body, kind):
    url = server.say("/a.bin", Reply(body, headers={"Content-Type": kind}))
    assert f"{url} answered with an HTML page in place of the file" in refusal(tmp_path, {"url": url})
    assert len(server.asked) == 1
    assert left(tmp_path) == set()


def test_a_silent_server_is_not_waited_for_without_end(server, tmp_path):
    url = server.say("/a.bin", Reply(CONTENTS, silent_s=30))
    patience = Patience(tries=2, wait_s=0.0, timeout_s=0.1)
    assert f"{url} did not answer within 0.1 s (2 tries)" in refusal(tmp_path, {"url": url}, patience=patience)


def test_a_closed_port_is_named_and_its_host_is_not_asked_again(server, tmp_path):
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        host = f"127.0.0.1:{free.getsockname()[1]}"
    message = refusal(tmp_path, {"url": f"http://{host}/a"}, {"url": f"http://{host}/b"})
    assert f"http://{host}/a cannot be reached (Connection refused); " in message
    assert f"http://{host}/b is not asked again: {host} cannot be reached" in message


def test_an_unknown_name_is_named_and_not_retried(server, tmp_path, monkeypatch):
    asked = []

    def unknown(*arguments, **_):
        asked.append(arguments[0])
        raise socket.gaierror(socket.EAI_NONAME, "Name or service not known")

    monkeypatch.setattr(socket, "getaddrinfo", unknown)
    message = refusal(tmp_path, {"url": "http://far.invalid/a.bin"})
    assert "http://far.invalid/a.bin cannot be reached (its name is not known to the DNS). Set" in message
    assert asked == ["far.invalid"]


# Resuming


def test_a_download_that_stops_half_way_goes_on_where_it_stopped(server, tmp_path):
    url = server.say(
        "/a.bin", Reply(CONTENTS, cut=HALF, headers={"ETag": '"1"'}), Reply(CONTENTS, headers={"ETag": '"1"'})
    )
    assert get(tmp_path, {"url": url}) == CONTENTS
    first, second = server.ranges()
    assert first is None
    start = int(second.removeprefix("bytes=").removesuffix("-"))
    assert HALF - (1 << 17) < start <= HALF
    assert server.asked[1][1]["If-Range"] == '"1"'
    assert left(tmp_path) == {"a.bin", "fetched.json"}


def test_the_next_run_goes_on_where_the_last_one_gave_up(server, tmp_path):
    url = server.say("/a.bin", Reply(CONTENTS, cut=HALF))
    message = refusal(tmp_path, {"url": url}, patience=Patience(tries=1, wait_s=0.0))
    start = (tmp_path / "a.bin.part").stat().st_size
    assert f"{url} stopped after {start:,} of {len(CONTENTS):,} bytes (1 tries)" in message
    server.say("/a.bin", Reply(CONTENTS))
    assert get(tmp_path, {"url": url}) == CONTENTS
    assert server.ranges() == [None, f"bytes={start}-"]


def test_a_part_of_another_address_is_not_gone_on_with(server, tmp_path):
    stopping = server.say("/a.bin", Reply(FLIPPED, cut=HALF), Reply(status=503))
    assert get(tmp_path, {"url": stopping}, {"url": server.say("/b", Reply(CONTENTS))}) == CONTENTS
    assert server.paths() == ["/a.bin", "/a.bin", "/a.bin", "/b"]
    assert server.ranges()[-1] is None


def test_a_part_that_is_whole_is_not_downloaded_again(server, tmp_path):
    (tmp_path / "a.bin.part").write_bytes(CONTENTS)
    assert get(tmp_path, {"url": server.say("/a.bin", Reply(CONTENTS))}) == CONTENTS
    assert server.ranges() == [f"bytes={len(CONTENTS)}-"]


def test_a_part_longer_than_the_file_is_thrown_away(server, tmp_path):
    (tmp_path / "a.bin.part").write_bytes(CONTENTS + b"more")
    assert get(tmp_path, {"url": server.say("/a.bin", Reply(CONTENTS))}) == CONTENTS
    assert server.ranges() == [f"bytes={len(CONTENTS) + 4}-", None]


def test_a_server_that_ignores_ranges_starts_over(server, tmp_path):
    url = server.say("/a.bin", Reply(CONTENTS, cut=HALF), Reply(CONTENTS, ranges=False))
    assert get(tmp_path, {"url": url}) == CONTENTS
    assert len(server.asked) == 2
    assert server.ranges()[1] is not None


def test_an_answer_with_another_range_is_not_appended(server, tmp_path):
    url = server.say("/a.bin", Reply(CONTENTS, cut=HALF), Reply(CONTENTS, shift=5), Reply(CONTENTS))
    assert get(tmp_path, {"url": url}) == CONTENTS
    assert [asked is None for asked in server.ranges()] == [True, False, True]


@pytest.mark.parametrize("if_range", [True, False])
def test_a_file_that_changes_between_tries_is_not_glued_together(server, tmp_path, caplog, if_range):
    caplog.set_level("INFO")
    old = Reply(FLIPPED, cut=HALF, headers={"ETag": '"1"'})
    url = server.say("/a.bin", old, Reply(CONTENTS, headers={"ETag": '"2"'}, if_range=if_range))
    assert get(tmp_path, {"url": url}) == CONTENTS
    assert [asked is None for asked in server.ranges()] == ([True, False] if if_range else [True, False, True])
    assert "a.bin.rejected" not in left(tmp_path)
    assert "downloading it again" not in caplog.text, "headers show it, before the hash does"


@pytest.mark.parametrize("date", [None, "Tue, 24 Nov 2026 10:00:00 GMT"])
def test_a_weak_etag_is_no_proof_and_the_time_of_change_stands_in_for_it(server, tmp_path, date):
    headers = {"ETag": 'W/"1"', **({"Last-Modified": date} if date else {})}
    url = server.say("/a.bin", Reply(CONTENTS, cut=HALF, headers=headers), Reply(CONTENTS, if_range=False))
    assert get(tmp_path, {"url": url}) == CONTENTS
    assert [asked.get("If-Range") for _, asked in server.asked] == [None, date]


def test_a_glued_file_that_no_header_betrays_is_downloaded_again_whole(server, tmp_path):
    url = server.say("/a.bin", Reply(FLIPPED, cut=HALF), Reply(CONTENTS))
    assert get(tmp_path, {"url": url}) == CONTENTS
    assert [asked is None for asked in server.ranges()] == [True, False, True]
    assert "a.bin.rejected" not in left(tmp_path)


# Wrong contents


def test_one_flipped_bit_is_refused_with_both_hashes_and_kept_aside(server, tmp_path):
    url = server.say("/a.bin", Reply(FLIPPED))
    message = refusal(tmp_path, {"url": url})
    assert f"{url} has SHA-256 {sha(FLIPPED)}, expected {sha(CONTENTS)}. The last wrong download" in message
    assert f"is kept as {tmp_path / 'a.bin.rejected'}. Set BAM_MIRROR" in message
    assert (tmp_path / "a.bin.rejected").read_bytes() == FLIPPED
    assert left(tmp_path) == {"a.bin.rejected"}


@pytest.mark.parametrize("pack", [bytes, gzip.compress])
def test_after_wrong_contents_the_next_source_is_used_and_a_warning_says_so(server, tmp_path, caplog, pack):
    how = {"unpack": "gzip"} if pack is gzip.compress else {}
    wrong = {"url": server.say("/wrong", Reply(pack(FLIPPED))), **how}
    assert get(tmp_path, wrong, {"url": server.say("/right", Reply(CONTENTS))}) == CONTENTS
    assert (tmp_path / "a.bin.rejected").read_bytes() == FLIPPED
    assert left(tmp_path) == {"a.bin", "a.bin.rejected", "fetched.json"}
    (warning,) = [record.getMessage() for record in caplog.records if record.levelname == "WARNING"]
    assert f"taken from {server.address}/right, after {server.address}/wrong has SHA-256 {sha(FLIPPED)}" in warning


def test_what_an_earlier_run_kept_aside_is_not_taken_for_this_run_s(server, tmp_path):
    (tmp_path / "a.bin.rejected").write_bytes(FLIPPED)
    assert "is kept as" not in refusal(tmp_path, {"url": f"{server.address}/none"})


def test_a_truncated_gzip_is_refused_and_the_download_kept_aside(server, tmp_path):
    body = gzip.compress(CONTENTS)[:-200]
    url = server.say("/a.bin.gz", Reply(body))
    assert f"{url} cannot be read (Compressed file ended" in refusal(tmp_path, {"url": url, "unpack": "gzip"})
    assert (tmp_path / "a.bin.rejected").read_bytes() == body
    assert left(tmp_path) == {"a.bin.rejected"}


def test_contents_far_larger_than_described_are_not_unpacked_to_the_end(server, tmp_path, monkeypatch):
    monkeypatch.setattr(unpack, "EXCESS_BYTES", 1000)
    url = server.say("/a.bin.gz", Reply(gzip.compress(bytes(len(CONTENTS) + (8 << 20)))))
    message = refusal(tmp_path, {"url": url, "unpack": "gzip"})
    assert f"has more than {len(CONTENTS) + 1000:,} bytes, expected {len(CONTENTS):,}" in message
    assert (tmp_path / "a.bin.rejected").stat().st_size < len(CONTENTS) + (4 << 20)


# Disks


@pytest.mark.parametrize("module", ["bam.data.download", "bam.data.unpack"])
def test_a_full_disk_is_named_with_the_bytes_needed_and_no_other_source_is_tried(server, tmp_path, monkeypatch, module):
    class Full(io.FileIO):
        def write(self, data):
            raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))

    def opened(path, mode):
        return open(path, mode) if mode == "rb" else Full(path, mode)

    monkeypatch.setattr(sys.modules[module], "open", opened, raising=False)
    first = {"url": server.say("/a.gz", Reply(gzip.compress(CONTENTS))), "unpack": "gzip"}
    second = {"url": server.say("/b", Reply(CONTENTS))}
    message = refusal(tmp_path, first, second)
    needed = len(CONTENTS) if module.endswith("unpack") else len(gzip.compress(CONTENTS))
    assert f"{tmp_path / 'a.bin'}" in message
    assert f"cannot be written (No space left on device); it needs {needed:,} bytes. Free the disk" in message
    assert server.paths() == ["/a.gz"]


def test_a_folder_that_cannot_be_made_is_named(server, tmp_path):
    (tmp_path / "file").write_text("")
    url = server.say("/a.bin", Reply(CONTENTS))
    with pytest.raises(DataError, match=r"file/out: cannot be written \(Not a directory\)"):
        get(tmp_path / "file" / "out", {"url": url})
    assert server.asked == []


def test_a_second_process_waits_for_the_first(server, tmp_path):
    url = server.say("/a.bin", Reply(CONTENTS))
    handle = os.open(tmp_path, os.O_RDONLY)
    fcntl.flock(handle, fcntl.LOCK_EX)
    second = threading.Thread(target=get, args=(tmp_path, {"url": url}))
    second.start()
    second.join(0.2)
    assert second.is_alive()
    assert server.asked == []
    (tmp_path / "a.bin").write_bytes(CONTENTS)
    os.close(handle)
    second.join(5)
    assert not second.is_alive()
    assert server.asked == []


# Archives


def zipped(members: dict[str, bytes]) -> bytes:
    made = io.BytesIO()
    with zipfile.ZipFile(made, "w", zipfile.ZIP_DEFLATED) as archive:
        for name, content in members.items():
            archive.writestr(name, content)
    return made.getvalue()


def tarred(members: dict[str, bytes], links: dict[str, str] | None = None) -> bytes:
    made = io.BytesIO()
    with tarfile.open(fileobj=made, mode="w:gz") as archive:
        for name, content in members.items():
            info = tarfile.TarInfo(name)
            info.size = len(content)
            archive.addfile(info, io.BytesIO(content))
        for name, goal in (links or {}).items():
            info = tarfile.TarInfo(name)
            info.type, info.linkname = tarfile.SYMTYPE, goal
            archive.addfile(info)
    return made.getvalue()


ARCHIVES = pytest.mark.parametrize(("kind", "pack"), [("zip", zipped), ("tar", tarred)])
TWO = {"d/a.bin": CONTENTS, "d/b.bin": b"b"}


def two_files(url: str, kind: str) -> RawSet:
    a = raw_file({"url": url, "unpack": kind, "member": "d/a.bin"})
    b = raw_file({"url": url, "unpack": kind, "member": "d/b.bin"}, contents=b"b")
    return raw_set({"a.bin": a, "b.bin": b})


@ARCHIVES
def test_an_archive_of_two_files_is_downloaded_once(server, tmp_path, kind, pack):
    url = server.say("/all", Reply(pack(TWO)))
    fetch("toy", two_files(url, kind), tmp_path, HASTY)
    assert (tmp_path / "a.bin").read_bytes() == CONTENTS
    assert (tmp_path / "b.bin").read_bytes() == b"b"
    assert server.paths() == ["/all"]
    assert left(tmp_path) == {"a.bin", "b.bin", "fetched.json"}


@ARCHIVES
def test_an_archive_with_one_wrong_file_still_gives_the_others_and_is_asked_for_once(server, tmp_path, kind, pack):
    url = server.say("/all", Reply(pack({"d/a.bin": FLIPPED, "d/b.bin": b"b"})))
    files = two_files(url, kind).model_dump()["files"]
    files["a.bin"]["sources"].append({"url": server.say("/a", Reply(CONTENTS))})
    fetch("toy", raw_set(files), tmp_path, HASTY)
    assert server.paths() == ["/all", "/a"]
    assert left(tmp_path) == {"a.bin", "a.bin.rejected", "b.bin", "fetched.json"}


def test_an_archive_that_is_not_there_is_asked_for_once(server, tmp_path):
    files = two_files(f"{server.address}/all", "zip").model_dump()["files"]
    files["a.bin"]["sources"].append({"url": server.say("/a", Reply(CONTENTS))})
    files["b.bin"]["sources"].append({"url": server.say("/b", Reply(b"b"))})
    fetch("toy", raw_set(files), tmp_path, HASTY)
    assert server.paths() == ["/all", "/a", "/b"]


def test_an_archive_is_kept_for_the_next_run_while_files_are_missing(server, tmp_path):
    url = server.say("/all", Reply(zipped(TWO)))
    c = raw_file({"url": server.say("/c", Reply(status=404), Reply(b"c"))}, contents=b"c")
    files = two_files(url, "zip").model_dump()["files"]
    files = {"a.bin": files["a.bin"], "c.bin": c, "b.bin": files["b.bin"]}
    with pytest.raises(DataError, match=r"c\.bin: no source has it"):
        fetch("toy", raw_set(files), tmp_path, HASTY)
    fetch("toy", raw_set(files), tmp_path, HASTY)
    assert server.paths() == ["/all", "/c", "/c"]
    assert left(tmp_path) == {"a.bin", "b.bin", "c.bin", "fetched.json"}


def test_an_archive_left_damaged_by_an_earlier_run_is_downloaded_again(server, tmp_path):
    url = server.say("/all", Reply(zipped(TWO)))
    c = raw_file({"url": f"{server.address}/c"}, contents=b"c")
    files = two_files(url, "zip").model_dump()["files"]
    with pytest.raises(DataError):
        fetch("toy", raw_set({"a.bin": files["a.bin"], "c.bin": c}), tmp_path, HASTY)
    (archive,) = (tmp_path / ".archives").iterdir()
    archive.write_bytes(b"damaged")
    fetch("toy", raw_set(files), tmp_path, HASTY)
    assert server.paths() == ["/all", "/c", "/all"]


@ARCHIVES
@pytest.mark.parametrize("evil", ["../evil", "/evil", "d/../../evil"])
def test_an_archive_with_a_path_that_leaves_its_folder_is_refused(server, tmp_path, kind, pack, evil):
    url = server.say("/all", Reply(pack({"d/a.bin": CONTENTS, evil: b"evil"})))
    message = refusal(tmp_path / "out", {"url": url, "unpack": kind, "member": "d/a.bin"})
    assert f"{url} is not trusted: it holds the path {evil!r}, which leaves the archive's folder" in message
    assert not [path for path in tmp_path.rglob("*") if path.is_file()]


def test_a_link_in_an_archive_is_not_followed(server, tmp_path):
    url = server.say("/all", Reply(tarred({}, {"a.bin": str(tmp_path / "secret")})))
    (tmp_path / "secret").write_bytes(CONTENTS)
    message = refusal(tmp_path / "out", {"url": url, "unpack": "tar", "member": "a.bin"})
    assert "holds a.bin as a link or folder, expected a file" in message


@ARCHIVES
def test_a_missing_member_and_a_damaged_archive_are_named(server, tmp_path, kind, pack):
    whole = pack(TWO)
    empty, half = server.say("/empty", Reply(pack({}))), server.say("/half", Reply(whole[: len(whole) // 2]))
    how = {"unpack": kind, "member": "d/a.bin"}
    message = refusal(tmp_path, {"url": empty, **how}, {"url": half, **how})
    assert f"{empty} has no member d/a.bin; {half} cannot be read (" in message
    assert not [path for path in tmp_path.rglob("*") if path.is_file()]
