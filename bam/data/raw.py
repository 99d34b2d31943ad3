"""Which raw sets a `datasets:` entry is made from, and what is known of their contents."""

from collections.abc import Mapping
from types import ModuleType
from typing import Any

from bam.data.sources import RawSet


def raw_names(kind: ModuleType, settings: Mapping[str, Any]) -> tuple[str, ...]:
    """Return the raw sets of a kind: its own, `RAW`, then those that its `RAW_SETTINGS` name, such as a tokeniser."""
    named = [str(settings[key]) for key in getattr(kind, "RAW_SETTINGS", ()) if settings.get(key) is not None]
    return (*kind.RAW, *named)


def contents_of(raw_set: RawSet) -> dict[str, str]:
    """Return what identifies the contents of a raw set: file -> SHA-256."""
    return {name: file.known_hash for name, file in raw_set.files.items()}
