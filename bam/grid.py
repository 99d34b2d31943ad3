"""Lists in a method's settings are grid axes; this expands them, in config order."""

import itertools
import types
import typing
from collections.abc import Iterator
from typing import Any

from pydantic import BaseModel


def expand(settings: dict[str, Any], model: type[BaseModel]) -> Iterator[tuple[dict[str, Any], dict[str, Any]]]:
    """Yield (varied, settings): the dotted keys that vary with their values, and the full point.

    A list is an axis unless the field is itself a list (`watch_epochs`). The first axis in the
    config varies slowest.

    >>> from bam.methods.erm import Settings
    >>> [varied for varied, _ in expand({"epochs": [1, 2], "batch_size": 8}, Settings)]
    [{'epochs': 1}, {'epochs': 2}]
    """
    named = dict(_axes(settings, model, ()))
    for values in itertools.product(*named.values()):
        varied = dict(zip(named, values, strict=True))
        yield {".".join(path): v for path, v in varied.items()}, _filled(settings, varied, ())


def axes(settings: dict[str, Any], model: type[BaseModel]) -> dict[str, list[Any]]:
    """Return the grid's axes: dotted key -> values."""
    return {".".join(path): values for path, values in _axes(settings, model, ())}


def _axes(settings: Any, model: Any, path: tuple[str, ...]) -> Iterator[tuple[tuple[str, ...], list[Any]]]:
    for key, value in settings.items():
        annotation = _annotation(model, key)
        if isinstance(value, dict):
            yield from _axes(value, annotation, (*path, key))
        elif isinstance(value, list) and not _is_list(annotation):
            yield (*path, key), value


def _annotation(model: Any, key: str) -> Any:
    if isinstance(model, type) and issubclass(model, BaseModel) and key in model.model_fields:
        return model.model_fields[key].annotation
    return None


def _is_list(annotation: Any) -> bool:
    if typing.get_origin(annotation) in (typing.Union, types.UnionType):
        return any(_is_list(member) for member in typing.get_args(annotation))
    return typing.get_origin(annotation) in (list, tuple)


def _filled(settings: dict[str, Any], varied: dict[tuple[str, ...], Any], path: tuple[str, ...]) -> dict[str, Any]:
    return {
        key: _filled(value, varied, (*path, key)) if isinstance(value, dict) else varied.get((*path, key), value)
        for key, value in settings.items()
    }
