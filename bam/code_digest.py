"""What code a step runs, as a digest: its module and all `bam` modules below it.

Comments, docstrings and blank lines are cut by position, so editing them changes no id, and
the digest is the same on every Python version (an `ast.dump` would not be).
"""

import ast
import functools
import hashlib
import io
import tokenize
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

from bam.kept_facts import KeptFacts

# What these do is show progress, word mistakes and name runs; no result can depend on it.
WITHOUT_EFFECT = frozenset({"bam.progress", "bam.errors", "bam.code_digest", "bam.kept_facts"})
ROOT = Path(__file__).resolve().parent
DATA_SUFFIXES = {".html", ".css", ".j2"}


def digest(roots: Sequence[str]) -> str:
    """Return 12 hex digits for the code that `roots` can reach by imports within `bam`.

    Parameters
    ----------
    roots
        Module names such as ``"bam.steps.stage1"``. Modules found by name at run time (a
        model, a method) are not seen by the import scan: name them too.
    """
    hashed = hashlib.sha256()
    for name in import_closure(roots):
        hashed.update(name.encode() + b"\0" + behaviour(_path(name)).encode() + b"\0")
    KEPT.keep()
    return hashed.hexdigest()[:12]


def import_closure(roots: Sequence[str]) -> list[str]:
    """Return, sorted, all `bam` modules that `roots` import, at module level or inside functions."""
    seen: set[str] = set()
    waiting = list(roots)
    while waiting:
        name = waiting.pop()
        if name not in seen:
            seen.add(name)
            waiting.extend(_imports(name))
    return sorted(seen - WITHOUT_EFFECT)


@functools.cache
def behaviour(path: Path) -> str:
    """Return a source file's text without comments, docstrings and blank lines.

    Other files in a module's folder that its code reads (templates) are appended whole.
    """
    read = sorted(p for p in path.parent.iterdir() if p.suffix in DATA_SUFFIXES)
    return str(_facts(path)["text"]) + "".join(p.read_text(encoding="utf-8") for p in read)


@functools.cache
def _facts(path: Path) -> dict[str, Any]:
    return dict(KEPT.of(path.read_text(encoding="utf-8")))


def _found(source: str) -> dict[str, Any]:
    """Return a source's text without what changes no behaviour, and the names that it imports."""
    return {"text": _stripped(source), "imports": _imported(source)}


def _stripped(source: str) -> str:
    # Not splitlines(): that also splits at form feeds and the like, where Python's own rows do not end.
    lines = [line.encode() for line in source.split("\n")]
    in_string = _rows_in_strings(source)
    inside = [(row in in_string, row + 1 in in_string) for row in range(len(lines))]
    for first_row, first_column, last_row, last_column in sorted(_cuts(source), reverse=True):
        joined = lines[first_row][:first_column].rstrip() + lines[last_row][last_column:]
        lines[first_row : last_row + 1] = [joined]
        inside[first_row : last_row + 1] = [(inside[first_row][0], inside[last_row][1])]
    # Blank rows and trailing blanks count within a string, and nowhere else.
    texts = [
        (line if goes_on else line.rstrip()).decode()
        for line, (begins, goes_on) in zip(lines, inside, strict=True)
        if begins or line.strip()
    ]
    return "\n".join(texts)


def _rows_in_strings(source: str) -> set[int]:
    """Return the rows, 0-based, that begin inside a string of several rows."""
    starts: list[int] = []
    rows: set[int] = set()
    for token in tokenize.generate_tokens(io.StringIO(source).readline):
        kind = tokenize.tok_name[token.type]
        if kind == "FSTRING_START":  # from Python 3.12 on; before, an f-string is one STRING
            starts.append(token.start[0])
        elif kind in ("STRING", "FSTRING_END"):
            first = starts.pop() if kind == "FSTRING_END" else token.start[0]
            rows.update(range(first, token.end[0]))
    return rows


def _cuts(source: str) -> Iterator[tuple[int, int, int, int]]:
    """Yield (row, byte column, row, byte column), 0-based, of comments and docstrings."""
    lines = source.split("\n")
    for token in tokenize.generate_tokens(io.StringIO(source).readline):
        if token.type == tokenize.COMMENT:
            row, column = token.start[0] - 1, token.start[1]
            yield row, len(lines[row][:column].encode()), row, len(lines[row].encode())
    for node in ast.walk(ast.parse(source)):
        if isinstance(node, ast.Module | ast.ClassDef | ast.FunctionDef | ast.AsyncFunctionDef):
            docstring = _docstring(node)
            if docstring is not None:
                assert docstring.end_lineno is not None and docstring.end_col_offset is not None
                yield docstring.lineno - 1, docstring.col_offset, docstring.end_lineno - 1, docstring.end_col_offset


def _docstring(node: ast.Module | ast.ClassDef | ast.FunctionDef | ast.AsyncFunctionDef) -> ast.Expr | None:
    first = node.body[0] if node.body else None
    is_text = (
        isinstance(first, ast.Expr) and isinstance(first.value, ast.Constant) and isinstance(first.value.value, str)
    )
    return first if is_text and isinstance(first, ast.Expr) else None


def _path(name: str) -> Path:
    """Return the file of a module; of a package, its `__init__.py`."""
    base = ROOT.joinpath(*name.split(".")[1:])
    return base / "__init__.py" if base.is_dir() else base.with_suffix(".py")


@functools.cache
def _imports(name: str) -> tuple[str, ...]:
    """Return the `bam` modules that one module imports anywhere in its text."""
    found = _facts(_path(name))["imports"]
    assert "." not in found, f"{name}: relative imports are not followed; write the full name"
    return tuple(n for n in found if n.split(".")[0] == "bam" and n != "bam" and _path(n).exists())


def _imported(source: str) -> list[str]:
    """Return every name that is imported, sorted; a dot stands for a relative import."""
    found: set[str] = set()
    for node in ast.walk(ast.parse(source)):
        if isinstance(node, ast.Import):
            found.update(alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom):
            module = "." if node.module is None or node.level else node.module
            found.add(module)
            found.update(f"{module}.{alias.name}" for alias in node.names)
    return sorted(found)


KEPT = KeptFacts(_found, __file__)
