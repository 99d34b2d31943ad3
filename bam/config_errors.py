"""From pydantic's errors to one line: file, key, what was seen, what is expected."""

import re
import types
import typing
from typing import Any

from pydantic import BaseModel, ValidationError

from bam.catalogue import suggestion
from bam.errors import ConfigError

NUMBER_AS_TEXT = re.compile(r"^[-+]?\d+(\.\d*)?[eE][-+]?\d+$")


def validated(model: type[BaseModel], content: Any, prefix: str) -> Any:
    """Return the content as `model`.

    Raises
    ------
    ConfigError
        As `config_error`.
    """
    try:
        return model.model_validate(content)
    except ValidationError as error:
        raise config_error(error, model, prefix) from error


def config_error(error: ValidationError, model: type[BaseModel], prefix: str) -> ConfigError:
    """Return the first problem as a one-line ConfigError.

    Parameters
    ----------
    model
        The model that was validated against, to know which keys there are.
    prefix
        File and key path above the validated part, e.g. ``"config/x.yaml: methods.erm"``.
    """
    # An unknown key first: a misspelt one is also a missing one, and says less as that.
    problem = min(error.errors(), key=lambda found: found["type"] != "extra_forbidden")
    path, fields = _walk(model, problem["loc"])
    where = prefix + "".join(f"[{p}]" if isinstance(p, int) else f".{p}" for p in path)
    where = where.replace(": .", ": ")
    return ConfigError(f"{where}: {_explain(problem, fields)}")


def _explain(problem: Any, fields: list[str]) -> str:
    seen, kind, context = problem["input"], problem["type"], problem.get("ctx", {})
    if kind == "extra_forbidden":
        key = str(problem["loc"][-1])
        near = suggestion(key, fields)
        text = f"unknown key{near}" + ("" if near else f"; known keys: {', '.join(fields)}")
    elif kind == "missing":
        text = "is missing, and has no default"
    elif kind == "union_tag_not_found":
        text = f"its key {context['discriminator']} is missing, and has no default"
    elif kind == "union_tag_invalid":
        text = _no_such(context["tag"], context["expected_tags"])
    elif isinstance(seen, str) and NUMBER_AS_TEXT.match(seen):
        text = f"{seen!r} is text in YAML, not a number; write {_as_yaml_number(seen)}"
    elif kind == "literal_error" and isinstance(seen, str):
        text = _no_such(seen, context["expected"])
    elif kind == "model_type":
        text = f"{seen!r} is not allowed: should be a mapping of keys"
    elif kind == "value_error" and isinstance(seen, dict):
        text = problem["msg"].removeprefix("Value error, ")
    else:
        text = f"{seen!r} is not allowed: {problem['msg'].removeprefix('Value error, ').removeprefix('Input ')}"
    return text


def _no_such(name: str, quoted: str) -> str:
    """Name what there is; pydantic lists the choices as text in quotes."""
    known = re.findall(r"'([^']+)'", quoted)
    return f"there is no {name!r}{suggestion(name, known)}; there is {', '.join(known)}"


def _as_yaml_number(text: str) -> str:
    """Write 1e-3 as YAML 1.1 reads a float: with a point and a signed exponent."""
    mantissa, exponent = re.split("[eE]", text)
    point = mantissa if "." in mantissa else f"{mantissa}.0"
    return f"{point}e{'' if exponent[0] in '+-' else '+'}{exponent}"


def _walk(model: type[BaseModel], location: tuple[int | str, ...]) -> tuple[list[int | str], list[str]]:
    """Return the location without pydantic's union tags, and the keys known where it ends."""
    path: list[int | str] = []
    current: Any = model
    for step in location:
        members = [m for m in _models(current) if _tag(m) == step]
        if members and not (_is_model(current) and step in current.model_fields):
            current = members[0]
            continue
        if isinstance(step, str) and _is_union(current) and not _models(current):
            continue  # the name of a plain member, such as "float", which no config has
        path.append(step)
        if _is_model(current) and step in current.model_fields and step != location[-1]:
            current = current.model_fields[step].annotation
    return path, list(current.model_fields) if _is_model(current) else []


def _is_model(annotation: Any) -> bool:
    return isinstance(annotation, type) and issubclass(annotation, BaseModel)


def _is_union(annotation: Any) -> bool:
    return typing.get_origin(annotation) in (typing.Union, types.UnionType)


def _models(annotation: Any) -> list[type[BaseModel]]:
    """Return the models among a union's members."""
    if _is_union(annotation):
        return [member for member in typing.get_args(annotation) if _is_model(member)]
    return []


def _tag(model: type[BaseModel]) -> str | None:
    field = model.model_fields.get("name")
    arguments = typing.get_args(field.annotation) if field else ()
    return arguments[0] if arguments else None
