"""What can be named: one module a method, a model, a kind of data set, a label-only rule or a fixture."""

import difflib
import importlib
import pkgutil
from collections.abc import Iterable
from types import ModuleType

import bam
from bam.errors import ConfigError

FOLDERS = {"method": "methods", "model": "models", "kind": "data.kinds", "rule": "label_rules", "fixture": "fixtures"}


def suggestion(word: str, known: Iterable[str]) -> str:
    """Return `` (did you mean 'x'?)`` for a near miss, else an empty string.

    >>> suggestion("lern_rate", ["learning_rate", "epochs"])
    " (did you mean 'learning_rate'?)"
    """
    near = difflib.get_close_matches(word, list(known), n=1, cutoff=0.6)
    return f" (did you mean {near[0]!r}?)" if near else ""


def module_name(what: str, name: str) -> str:
    """Return the full module name, e.g. ``("model", "mlp")`` -> ``"bam.models.mlp"``."""
    return f"bam.{FOLDERS[what]}.{name}"


def names(what: str) -> list[str]:
    """List the methods, models, kinds, rules or fixtures there are, without importing them."""
    folder = bam.__path__[0] + "/" + FOLDERS[what].replace(".", "/")
    return sorted(module.name for module in pkgutil.iter_modules([folder]))


def load(what: str, name: str, where: str) -> ModuleType:
    """Import the module of a method, a model, a kind, a rule or a fixture.

    Raises
    ------
    ConfigError
        If there is none of that name; the message says where it was asked for.
    """
    known = names(what)
    if name not in known:
        raise ConfigError(f"{where}: there is no {what} {name!r}{suggestion(name, known)}; there is {', '.join(known)}")
    return importlib.import_module(module_name(what, name))
