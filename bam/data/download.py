"""Download over HTTP into a `.part` file: resumed where the server can, retried, and never trusted by itself."""

import json
import logging
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import asdict, dataclass
from itertools import chain
from pathlib import Path
from urllib.parse import urlsplit

import requests
import urllib3

from bam.data.http_answers import RetryError, check_status, explain, html_page, is_html, span, validator
from bam.data.unpack import RefusedError, writing

CHUNK_BYTES = 1 << 16
logger = logging.getLogger(__name__)


@dataclass(frozen=True)
class Patience:
    """How long a server is waited for, and how often it is asked again; waits double."""

    tries: int = 4
    wait_s: float = 1.0
    timeout_s: float = 30.0


@dataclass(frozen=True)
class Note:
    """What a `.part` file is a part of; written beside it as `.part.json`."""

    url: str
    validator: str | None
    size_bytes: int | None


class Downloads:
    """The downloads of one raw set; a host that could not be reached is not asked again."""

    def __init__(self, patience: Patience) -> None:
        self._patience = patience
        self._session = requests.Session()
        self._session.headers["Accept-Encoding"] = "identity"  # a compressed answer could not be resumed
        self._unreachable: dict[str, str] = {}

    def get(self, url: str, part: Path) -> bool:
        """Download `url` to `part`, going on from what is there.

        Returns
        -------
        bool
            Whether bytes of an earlier answer are in it: if its contents are wrong, a whole one may be right.

        Raises
        ------
        RefusedError
            If the server does not hand it out.
        DataError
            If `part` cannot be written.
        """
        host = urlsplit(url).netloc
        if host in self._unreachable:
            raise RefusedError(f"is not asked again: {host} {self._unreachable[host]}")
        problem = ""
        for n_failed in range(self._patience.tries):
            if n_failed:
                logger.info("%s %s; trying again", url, problem)
                time.sleep(self._patience.wait_s * 2 ** (n_failed - 1))
            try:
                return self._asked(url, part)
            except RetryError as error:
                problem = str(error)
        raise RefusedError(f"{problem} ({self._patience.tries} tries)")

    def _asked(self, url: str, part: Path) -> bool:
        """Make one attempt, and say of a failed request what it means."""
        try:
            return self._attempt(url, part)
        except requests.RequestException as error:
            problem, worth_retrying = explain(error, self._patience.timeout_s)
            if worth_retrying:
                raise RetryError(problem) from error
            if isinstance(error, requests.ConnectionError):
                self._unreachable[_host(error) or urlsplit(url).netloc] = problem
            raise RefusedError(problem) from error

    def _attempt(self, url: str, part: Path) -> bool:
        note = _read_note(part)
        start = part.stat().st_size if part.exists() and (note is None or note.url == url) else 0
        headers = {"Range": f"bytes={start}-"} if start else {}
        if start and note is not None and note.validator is not None:
            headers["If-Range"] = note.validator
        with self._session.get(url, headers=headers, stream=True, timeout=self._patience.timeout_s) as response:
            if start and response.status_code == 416 and span(response)[1] == start:
                return True
            if start and (response.status_code == 416 or not _goes_on(response, start, note)):
                discard(part)
                return self._attempt(url, part)
            check_status(response)
            if response.status_code == 206 and span(response)[0] != start:
                raise RefusedError("answered with another range than was asked for")
            offset = start if response.status_code == 206 else 0
            self._receive(response, url, part, offset)
            return offset > 0

    def _receive(self, response: requests.Response, url: str, part: Path, offset: int) -> None:
        """Append the answer's body to the first `offset` bytes of `part`."""
        length = response.headers.get("Content-Length", "")
        total = offset + int(length) if length.isdecimal() else None
        if response.status_code == 206:
            total = span(response)[1] or total
        if is_html(response):
            raise RefusedError(html_page())
        body = _body(response, offset, total)
        first = next(body, b"")
        if offset == 0 and is_html(response, first):
            raise RefusedError(html_page())
        with writing(part, (total or offset) - offset):
            part.parent.mkdir(parents=True, exist_ok=True)
            with open(part, "ab") as file, _bar(part.name.removesuffix(".part"), offset, total) as advance:
                file.truncate(offset)
                _write_note(part, Note(url, validator(response), total))
                for chunk in chain([first], body):
                    file.write(chunk)
                    advance(len(chunk))


def discard(part: Path) -> None:
    """Remove a `.part` file and its note."""
    with writing(part):
        part.unlink(missing_ok=True)
        _note_path(part).unlink(missing_ok=True)


def forget(part: Path) -> None:
    """Remove the note of a `.part` file that got its final name."""
    _note_path(part).unlink(missing_ok=True)


def _goes_on(response: requests.Response, start: int, note: Note | None) -> bool:
    """Return whether an answer can be appended; one that is no 206 need not be."""
    if response.status_code != 206:
        return True
    first, total = span(response)
    if first != start:
        return False
    if note is None:
        return True
    same_file = None in (note.validator, validator(response)) or note.validator == validator(response)
    return same_file and (None in (note.size_bytes, total) or note.size_bytes == total)


def _body(response: requests.Response, offset: int, total: int | None) -> Iterator[bytes]:
    """Yield the bytes as sent, undecoded: they are what a Range request counts."""
    size = offset
    whole = f" of {total:,}" if total is not None else ""
    try:
        for chunk in response.raw.stream(CHUNK_BYTES, decode_content=False):
            size += len(chunk)
            yield chunk
    except (urllib3.exceptions.HTTPError, requests.RequestException) as error:
        raise RetryError(f"stopped after {size:,}{whole} bytes") from error
    if total is not None and size != total:
        raise RetryError(f"stopped after {size:,}{whole} bytes")


def _host(error: requests.RequestException) -> str | None:
    url = error.request.url if error.request is not None else None
    return urlsplit(url).netloc if isinstance(url, str) else None


def _note_path(part: Path) -> Path:
    return part.with_name(f"{part.name}.json")


def _read_note(part: Path) -> Note | None:
    try:
        return Note(**json.loads(_note_path(part).read_text(encoding="utf-8")))
    except (OSError, ValueError, TypeError):
        return None


def _write_note(part: Path, note: Note) -> None:
    _note_path(part).write_text(json.dumps(asdict(note)), encoding="utf-8")


@contextmanager
def _bar(name: str, done: int, total: int | None) -> Iterator[Callable[[int], None]]:
    """Show bytes and speed on a terminal; say nothing elsewhere."""
    if not sys.stderr.isatty():
        yield lambda _: None
        return
    from rich.console import Console
    from rich.progress import BarColumn, DownloadColumn, Progress, TextColumn, TimeRemainingColumn, TransferSpeedColumn

    columns = (TextColumn("{task.description}"), BarColumn(), DownloadColumn(), TransferSpeedColumn())
    with Progress(*columns, TimeRemainingColumn(), console=Console(stderr=True), transient=True) as progress:
        task = progress.add_task(name, total=total, completed=done)
        yield lambda n: progress.advance(task, n)
