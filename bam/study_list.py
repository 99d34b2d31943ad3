"""Several studies in one file: a study has one model, and a paper's table may need more."""

import os
from pathlib import Path
from typing import Any

from bam.catalogue import suggestion
from bam.errors import ConfigError
from bam.yaml_files import read_yaml

STUDIES = "studies"


def configs_of(config: str) -> list[str]:
    """Return the configs that a list of studies names, relative to its folder; what is no list, alone.

    Raises
    ------
    ConfigError
        If the file is a list that names no file, or has other keys beside.
    """
    path = Path(config)
    is_json = config.lstrip().startswith("{")  # the content of a study
    is_file = not is_json and os.path.isfile(config)  # noqa: PTH113  (Path.is_file raises on too long a name)
    content = read_yaml(path) if is_file else None
    if not isinstance(content, dict) or STUDIES not in content:
        return [config]
    names = content[STUDIES]
    others = [str(key) for key in content if key != STUDIES]
    if others:
        raise ConfigError(f"{path}: {others[0]}: does not go with {STUDIES}; settings stand in the studies' own files")
    if not isinstance(names, list) or not names or not all(isinstance(name, str) for name in names):
        raise ConfigError(f"{path}: {STUDIES}: expected a list of files beside it, such as [waterbirds.yaml]")
    for name in names:
        if not (path.parent / name).is_file():
            near = suggestion(name, [other.name for other in path.parent.glob("*.y*ml")])
            raise ConfigError(f"{path}: {STUDIES}: there is no file {path.parent / name}{near}")
    return [str(path.parent / name) for name in names]


def check_one(content: Any, source: str) -> None:
    """Raise a ConfigError if a list of studies stands where one study is wanted."""
    if isinstance(content, dict) and STUDIES in content:
        raise ConfigError(
            f"{source}: lists several studies, each with a model of its own; they run one after another: "
            "give one of its files, or see `bam plan` of this one and `make paper`"
        )
