"""A JSON schema of study configs, for editors: `python -m bam.schema > config/schema.json`."""

import json
import sys
from typing import Any

from bam import catalogue
from bam.study_file import StudyFile


def study_schema() -> dict[str, Any]:
    """Return the schema; in a method's settings each scalar may also be a list, a grid axis."""
    schema = StudyFile.model_json_schema()
    definitions = schema.setdefault("$defs", {})
    schema["$schema"] = "https://json-schema.org/draft/2020-12/schema"
    schema["title"] = "BAM study"
    schema["properties"]["methods"] = {
        "type": "object",
        "minProperties": 1,
        "additionalProperties": False,
        "properties": {name: _grid(_part("method", name, definitions)) for name in catalogue.names("method")},
    }
    schema["properties"]["model"] = {"anyOf": [_part("model", n, definitions) for n in catalogue.names("model")]}
    layer = dict.fromkeys(("extends", *schema["properties"]), True)
    kinds = [_per_seed(_part("kind", name, definitions)) for name in catalogue.names("kind")]
    schema["properties"]["datasets"]["additionalProperties"] = {"anyOf": kinds}
    whole = {key: schema.pop(key) for key in ("type", "properties", "required", "additionalProperties")}
    # A file that extends another holds parts; what they are worth shows only once they are merged.
    part = {"type": "object", "properties": layer, "additionalProperties": False}
    return {**schema, "if": {"required": ["extends"]}, "then": part, "else": whole}


def _part(what: str, name: str, definitions: dict[str, Any]) -> dict[str, Any]:
    """Return the schema of one method, model or kind with its definitions spelt out in place."""
    settings = catalogue.load(what, name, what).Settings.model_json_schema()
    own = settings.pop("$defs", {})
    inlined: dict[str, Any] = _inline(settings, own)
    assert not set(own) & set(definitions), "two definitions of one name"
    return inlined


def _inline(node: Any, definitions: dict[str, Any]) -> Any:
    if isinstance(node, list):
        return [_inline(item, definitions) for item in node]
    if not isinstance(node, dict):
        return node
    if "$ref" in node:
        return _inline(definitions[node["$ref"].rsplit("/", 1)[1]], definitions)
    # A discriminator's mapping points at definitions; `oneOf` with const names says the same.
    return {key: _inline(value, definitions) for key, value in node.items() if key != "discriminator"}


def _grid(node: dict[str, Any]) -> dict[str, Any]:
    """Let every scalar below also be a list of such scalars."""
    for key in ("oneOf", "anyOf"):
        if key in node:
            return {**node, key: [_grid(option) for option in node[key]]}
    if node.get("type") == "object":
        return {**node, "properties": {k: _grid(v) for k, v in node.get("properties", {}).items()}}
    if node.get("type") == "array" or "const" in node:
        return node
    return {"anyOf": [node, {"type": "array", "items": node, "minItems": 1}]}


def _per_seed(node: dict[str, Any]) -> dict[str, Any]:
    properties = {
        k: {"anyOf": [v, {"const": "per_seed"}]} if k == "data_seed" else v for k, v in node["properties"].items()
    }
    return {**node, "properties": properties}


if __name__ == "__main__":
    sys.stdout.write(json.dumps(study_schema(), indent=2, ensure_ascii=False) + "\n")
