"""YAML as users write it, and configs that extend one another."""

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import yaml

from bam.catalogue import suggestion
from bam.errors import ConfigError


def read_yaml(path: Path) -> Any:
    """Read one YAML file; ConfigError if it is missing, not YAML, or names a key twice."""
    try:
        # The loader is a SafeLoader: it makes plain values alone.
        return yaml.load(path.read_text(encoding="utf-8"), Loader=_UniqueKeyLoader)  # nosec B506
    except OSError as error:
        raise ConfigError(f"{path}: cannot be read ({error.strerror})") from error
    except (
        yaml.YAMLError,
        ValueError,
        TypeError,
        AttributeError,
        LookupError,
        ArithmeticError,
        RecursionError,
    ) as error:
        raise ConfigError(f"{path}: is not valid YAML ({' '.join(str(error).split())})") from error


EXTENDS = "extends"


def read_layers(path: Path) -> Any:
    """Read a YAML file and, below it, the file that its key `extends` names; errors as `with_base`."""
    return with_base(read_yaml(path), path)


def with_base(content: Any, path: Path, above: tuple[Path, ...] = ()) -> Any:
    """Lay a config's content over the file that its key `extends` names, relative to the config's folder.

    Mappings are merged, any other value takes the place of the one below, and null removes a key, as
    in a JSON merge patch (RFC 7386).

    Parameters
    ----------
    path
        The file that the content is from.
    above
        Files that extend this one.

    Raises
    ------
    ConfigError
        If that file is missing, is not a mapping or extends one that extends it, if the content has no
        `study` of its own, or if a null stands for a key that is not below.
    """
    if not isinstance(content, dict) or EXTENDS not in content:
        return content
    name = content[EXTENDS]
    if not isinstance(name, str):
        raise ConfigError(f"{path}: {EXTENDS}: {name!r} is not allowed: expected the name of a file beside it")
    if "study" not in content:
        raise ConfigError(f"{path}: study: is missing; a config that extends another needs a name of its own")
    base, chain = path.parent / name, (*above, path.resolve())
    if not base.is_file():
        raise ConfigError(f"{path}: {EXTENDS}: there is no file {base}{suggestion(base.name, _beside(base))}")
    if base.resolve() in chain:
        raise ConfigError(f"{path}: {EXTENDS}: {name} extends this file in turn")
    below = with_base(read_yaml(base), base, chain)
    if not isinstance(below, dict):
        raise ConfigError(f"{base}: expected keys such as study, seeds, datasets; see config/README.md")
    return merged(below, {key: value for key, value in content.items() if key != EXTENDS}, f"{path}: ")


def _beside(path: Path) -> list[str]:
    return [other.name for other in path.parent.glob("*.y*ml")] if path.parent.is_dir() else []


def merged(below: Mapping[str, Any], above: Mapping[str, Any], where: str = "") -> dict[str, Any]:
    """Return `below` with `above` laid over it; ConfigError if a null stands for a key that is not below.

    >>> merged({"a": {"b": 1, "c": [2]}, "d": 3}, {"a": {"c": [4, 5]}, "d": None, "e": 6})
    {'a': {'b': 1, 'c': [4, 5]}, 'e': 6}
    """
    found = dict(below)
    for key, value in above.items():
        if value is None and key not in found:
            raise ConfigError(f"{where}{key}: null removes a key, and there is none{suggestion(key, found)}")
        if value is None:
            del found[key]
        elif isinstance(value, dict):
            under = found.get(key)
            found[key] = merged(under if isinstance(under, dict) else {}, value, f"{where}{key}.")
        else:
            found[key] = value
    return found


class _UniqueKeyLoader(yaml.SafeLoader):
    """YAML's last-one-wins for a key written twice would silently drop a setting; merge keys (<<) stay allowed."""

    def construct_mapping(self, node: yaml.MappingNode, deep: bool = False) -> dict[Any, Any]:
        """Refuse a key that stands twice in one mapping."""
        keys = [key.value for key, _ in node.value if isinstance(key, yaml.ScalarNode)]
        for key in keys:
            if keys.count(key) > 1:
                raise yaml.MarkedYAMLError(problem=f"key {key!r} stands twice", problem_mark=node.start_mark)
        return super().construct_mapping(node, deep)
