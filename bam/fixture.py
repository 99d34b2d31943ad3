"""Write generated archives as a benchmark's hosts serve the real ones."""

import inspect
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import yaml

from bam import catalogue
from bam.catalogue import suggestion
from bam.errors import ConfigError


def write(name: str, out: Path, scale: float, seed: int, options: Sequence[str] = ()) -> None:
    """Let the module `bam.fixtures.<name>` write its archives below `out`, a folder that `BAM_MIRROR` can name.

    A module has ``write(out: Path, scale: float, seed: int, **options) -> None``; it writes
    `<out>/<raw set>/<file of the raw set>`, as `bam fetch` asks a mirror for them.

    Parameters
    ----------
    options
        As `name=value`; which there are says the module's own `write`, values are read as YAML.

    Raises
    ------
    ConfigError
        If there is no such benchmark or option, or a value is out of range.
    """
    module = catalogue.load("fixture", name, "bam fixture")
    if not 0 < scale <= 1:
        raise ConfigError(f"--scale: {scale:g} is not allowed: should be above 0 and at most 1")
    module.write(out, scale, seed, **_parsed(module.write, options, name))


def _parsed(function: Callable[..., None], options: Sequence[str], name: str) -> dict[str, Any]:
    """Return the options by name; each must be one that the function takes, of the type of its default."""
    known = {key: p.default for key, p in inspect.signature(function).parameters.items() if p.default is not p.empty}
    parsed: dict[str, Any] = {}
    for option in options:
        key, sign, text = option.partition("=")
        if not sign or key not in known:
            choice = f"; there is {', '.join(known) or 'none'}"
            raise ConfigError(f"--set {option}: {name} has no option {key!r}{suggestion(key, known)}{choice}")
        try:
            value = yaml.safe_load(text)
        except yaml.YAMLError:
            value = None
        if type(value) is not type(known[key]):
            raise ConfigError(f"--set {option}: expected a value such as {known[key]!r}, as in {key}={known[key]}")
        parsed[key] = value
    return parsed
