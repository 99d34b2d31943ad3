"""A real HTTP server on localhost that serves a folder, and the verbs of the command against it."""

import functools
import json
import socketserver
import threading
from contextlib import contextmanager
from http.server import SimpleHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

from bam.steps.annotate import annotate
from bam.steps.fetch import fetch
from bam.steps.prepare import prepare

ROOT = Path(__file__).parents[1]
SOURCES = ROOT / "config" / "datasets.yaml"


class Quiet(SimpleHTTPRequestHandler):
    def log_message(self, *_):
        pass


class Listening(ThreadingHTTPServer):
    def server_bind(self):
        socketserver.TCPServer.server_bind(self)  # HTTPServer's own asks the DNS for a name
        self.server_name, self.server_port = self.server_address[:2]


@contextmanager
def served(folder: Path):
    """Yield the address of a server of a folder."""
    server = Listening(("127.0.0.1", 0), functools.partial(Quiet, directory=str(folder)))
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01})
    thread.start()
    try:
        yield f"http://127.0.0.1:{server.server_port}"
    finally:
        server.shutdown()
        thread.join()
        server.server_close()


def prepared(settings: dict, raw: Path, out: Path) -> tuple[Path, Path]:
    """Prepare and annotate one raw set; return both folders."""
    prepare(settings, [raw], out / "prepared")
    annotate(settings, [raw], out / "groups")
    return out / "prepared", out / "groups"


def fetched(name: str, folder: Path, sources: Path = SOURCES) -> dict[str, str]:
    """Fetch a raw set; return what `fetched.json` says."""
    fetch(name, sources, folder)
    return json.loads((folder / "fetched.json").read_text())
