"""Facts about source files, kept beside compiled ones, so that each source is taken apart once and not by each job.

A fact is found again by the SHA-256 of the contents it is about, never by a name or a time stamp.
"""

import hashlib
import importlib.util
import json
import os
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path
from typing import Any

MOST = 500  # facts kept; those not asked for in longest go first
FORMAT = b"1"  # of the file


class KeptFacts:
    """What `find` says of contents, on disk where that can be written.

    Parameters
    ----------
    find
        Contents -> something that JSON holds. After a change of the file that defines it all is found anew.
    module
        That file.
    """

    def __init__(self, find: Callable[[str], Any], module: str) -> None:
        self._find = find
        own = Path(importlib.util.cache_from_source(module))  # names the version of Python too
        self._path = own.with_suffix(".json")
        self._salt = hashlib.sha256(FORMAT + Path(module).read_bytes()).hexdigest()
        self._facts: dict[str, Any] | None = None
        self._asked: dict[str, Any] = {}
        self._is_new = False

    def of(self, contents: str) -> Any:
        """Return what `find` says of the contents."""
        if self._facts is None:
            self._facts = self._read()
        key = hashlib.sha256(f"{self._salt}\0{contents}".encode()).hexdigest()
        if key not in self._facts:
            self._facts[key] = self._find(contents)
            self._is_new = True
        self._asked[key] = self._facts[key]
        return self._facts[key]

    def keep(self) -> None:
        """Write what was found since the last time; a folder that cannot be written is no mistake."""
        if not self._is_new or self._facts is None:
            return
        others = {key: fact for key, fact in (self._read() | self._facts).items() if key not in self._asked}
        text = json.dumps(dict([*others.items(), *self._asked.items()][-MOST:]))
        temporary = self._path.with_name(f".{self._path.name}.{os.getpid()}")
        try:
            self._path.parent.mkdir(exist_ok=True)
            temporary.write_text(f"{_checksum(text)}\n{text}", encoding="utf-8")
            temporary.replace(self._path)
        except OSError:
            with suppress(OSError):
                temporary.unlink(missing_ok=True)
        self._is_new = False

    def _read(self) -> dict[str, Any]:
        """Return what was kept; nothing if it is not there or damaged."""
        with suppress(OSError, ValueError):
            checksum, _, text = self._path.read_text(encoding="utf-8").partition("\n")
            facts = json.loads(text) if _checksum(text) == checksum else {}
            if isinstance(facts, dict):
                return facts
        return {}


def _checksum(text: str) -> str:
    return hashlib.sha256(text.encode()).hexdigest()
