"""Which raw sets a `datasets:` entry is made from, and what is known of their contents."""

from collections.abc import Mapping
from types import ModuleType
from typing import Any

from bam.data.sources import RawSet


def is_folder(name: str) -> bool:
    """Return whether a setting that may name a raw set is the path of a folder: one with a slash.

    >>> is_folder("bert-base-uncased-tokenizer"), is_folder("./my_tokenizer")
    (False, True)
    """
    return "/" in name


def raw_names(kind: ModuleType, settings: Mapping[str, Any]) -> tuple[str, ...]:
    """Return the raw sets of a kind: its own, `RAW`, then those that its `RAW_SETTINGS` name, such as a tokeniser.

    A folder of this machine is no raw set: the kind's `fingerprint` says what is in it.
    """
    named = [_value(kind, settings, key) for key in getattr(kind, "RAW_SETTINGS", ())]
    return (*kind.RAW, *(str(name) for name in named if name is not None and not is_folder(str(name))))


def contents_of(raw_set: RawSet) -> dict[str, Any]:
    """Return what identifies the contents of a raw set: file -> SHA-256.

    Where none is published, the MD5, or null; then also the counts that are expected.
    """
    contents: dict[str, Any] = {name: file.known or file.md5 for name, file in raw_set.files.items()}
    if all(file.known for file in raw_set.files.values()):
        return contents
    return {**contents, "expected": raw_set.expected}


def _value(kind: ModuleType, settings: Mapping[str, Any], key: str) -> Any:
    """Return a setting, or its default."""
    return settings[key] if key in settings else kind.Settings.model_fields[key].get_default()
