"""YAML as users write it."""

from pathlib import Path
from typing import Any

import yaml

from bam.errors import ConfigError


def read_yaml(path: Path) -> Any:
    """Read one YAML file; ConfigError if it is missing, not YAML, or names a key twice."""
    try:
        return yaml.load(path.read_text(encoding="utf-8"), Loader=_UniqueKeyLoader)
    except OSError as error:
        raise ConfigError(f"{path}: cannot be read ({error.strerror})") from error
    except (yaml.YAMLError, UnicodeDecodeError) as error:
        raise ConfigError(f"{path}: is not valid YAML ({' '.join(str(error).split())})") from error


class _UniqueKeyLoader(yaml.SafeLoader):
    """YAML's last-one-wins for a key written twice would silently drop a setting; merge keys (<<) stay allowed."""

    def construct_mapping(self, node: yaml.MappingNode, deep: bool = False) -> dict[Any, Any]:
        """Refuse a key that stands twice in one mapping."""
        keys = [key.value for key, _ in node.value if isinstance(key, yaml.ScalarNode)]
        for key in keys:
            if keys.count(key) > 1:
                raise yaml.MarkedYAMLError(problem=f"key {key!r} stands twice", problem_mark=node.start_mark)
        return super().construct_mapping(node, deep)
