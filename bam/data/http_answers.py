"""What a server's answer, or the lack of one, means: each in a few words."""

import re
from http import HTTPStatus

import requests
import urllib3

from bam.data.unpack import RefusedError

RETRIED = {408, 425, 429, 500, 502, 503, 504}
RANGE = re.compile(r"^bytes (?:(\d+)-\d+|\*)/(\d+|\*)$")


class RetryError(Exception):
    """What went wrong, where the same server may do better in a moment."""


def check_status(response: requests.Response) -> None:
    """Accept 200 and 206.

    Raises
    ------
    RetryError
        For a status that may pass: the server is busy, restarting, or has had enough for now.
    RefusedError
        For any other.
    """
    if response.status_code in (200, 206):
        return
    known = {status.value: status.phrase for status in HTTPStatus}
    answer = f"answered {response.status_code} {known.get(response.status_code, '')}".rstrip()
    raise RetryError(answer) if response.status_code in RETRIED else RefusedError(answer)


def span(response: requests.Response) -> tuple[int | None, int | None]:
    """Return the first byte and the total of a `Content-Range`, each None if it is not said."""
    found = RANGE.match(response.headers.get("Content-Range", "").strip())
    first, total = found.groups() if found else (None, None)
    return int(first) if first else None, int(total) if total and total != "*" else None


def validator(response: requests.Response) -> str | None:
    """Return what `If-Range` may name: a strong ETag, else the time of the last change."""
    etag = response.headers.get("ETag")
    return etag if etag and not etag.startswith("W/") else response.headers.get("Last-Modified")


def is_html(response: requests.Response, first: bytes | None = None) -> bool:
    """Return whether a page came in place of a file, by its content type, or by its first bytes if given."""
    if first is None:
        return response.headers.get("Content-Type", "").lower().startswith(("text/html", "application/xhtml"))
    start = first[:512].removeprefix(b"\xef\xbb\xbf").lstrip().lower()
    return start.startswith((b"<!doctype html", b"<html"))


def html_page() -> str:
    """Say that a page came in place of a file."""
    return "answered with an HTML page in place of the file (a log-in, consent or error page)"


def explain(error: requests.RequestException, timeout_s: float) -> tuple[str, bool]:
    """Return what a failed request means, and whether asking again at once makes sense."""
    reason = getattr(error.args[0], "reason", error.args[0]) if error.args else error
    seconds = f"within {timeout_s:g} s"
    if isinstance(error, requests.exceptions.SSLError):
        text, again = f"cannot be reached (its certificate is not accepted: {reason})", False
    elif isinstance(error, requests.exceptions.ProxyError):
        text, again = f"cannot be reached (the proxy fails: {reason})", False
    elif isinstance(error, requests.ConnectTimeout):
        text, again = f"cannot be reached (no connection {seconds})", False
    elif isinstance(error, requests.ReadTimeout):
        text, again = f"did not answer {seconds}", True
    elif isinstance(reason, urllib3.exceptions.NameResolutionError):
        text, again = "cannot be reached (its name is not known to the DNS)", False
    elif isinstance(reason, urllib3.exceptions.NewConnectionError):
        cause = reason.__cause__
        text, again = f"cannot be reached ({getattr(cause, 'strerror', None) or reason})", False
    elif isinstance(error, requests.ConnectionError):
        text, again = "broke the connection off", True
    else:
        text, again = f"cannot be asked ({error})", False
    return text, again
