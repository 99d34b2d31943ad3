"""Which raw sets a `datasets:` entry is made from, and what is known of their contents."""

from collections.abc import Mapping
from types import ModuleType
from typing import Any

from bam.data.sources import RawSet


def raw_names(kind: ModuleType, settings: Mapping[str, Any]) -> tuple[str, ...]:
    """Return the raw sets of a kind: its own, `RAW`, then those that its `RAW_SETTINGS` name, such as a tokeniser."""
    named = [_value(kind, settings, key) for key in getattr(kind, "RAW_SETTINGS", ())]
    return (*kind.RAW, *(str(name) for name in named if name is not None))


def contents_of(raw_set: RawSet) -> dict[str, Any]:
    """Return what identifies the contents of a raw set: file -> SHA-256, or what is known of it.

    Where a hash is not known whole, also the counts that are expected.
    """
    contents: dict[str, Any] = {name: file.known_hash for name, file in raw_set.files.items()}
    if raw_set.expected is None or all(file.known for file in raw_set.files.values()):
        return contents
    return {**contents, "expected": raw_set.expected}


def _value(kind: ModuleType, settings: Mapping[str, Any], key: str) -> Any:
    """Return a setting, or its default."""
    return settings[key] if key in settings else kind.Settings.model_fields[key].get_default()
