"""The digest sees behaviour and nothing else."""

import itertools
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from bam import code_digest
from bam.kept_facts import KeptFacts

SOURCE = '''"""Module docstring."""

import math  # why

GREETING = "a # b"
TEXT = """first # not a comment

third"""


class Thing:
    """Class docstring."""

    size = 3


def area(radius, scale=f"{GREETING}#"):
    """Return it.

    Over several lines.
    """
    # a comment
    if radius > 0:  # another, with ü
        return math.pi * radius**2
    return "µ", scale  # after a wide character


async def later():
    'one line'
    return 1
'''
counter = itertools.count()


def behaviour(folder: Path, source: str) -> str:
    """Digest through a file of its own: results are cached by path."""
    path = folder / f"m{next(counter)}" / "module.py"
    path.parent.mkdir(parents=True)
    path.write_text(source, encoding="utf-8")
    return code_digest.behaviour(path)


SILENT = [
    ('"""Module docstring."""', '"""Another,\n\nlonger one # with a hash."""'),
    ('"""Module docstring."""\n', ""),
    ("  # why", "  # because"),
    ("  # why", ""),
    ('    """Class docstring."""\n', ""),
    ('"""Class docstring."""', '"""Its size."""'),
    ("    Over several lines.\n", "    Over\n\n    four lines.\n"),
    ("    # a comment\n", ""),
    ("    # a comment\n", "    # a comment\n    # a second\n\n"),
    ("another, with ü", "ä ö ü"),
    ("  # after a wide character", ""),
    ("'one line'", "'''another\n    line'''"),
    ("\n\nclass Thing", "\n\n\n\nclass Thing"),
    ("    size = 3\n", "\n    size = 3   \n"),
]
LOUD = [
    ('"a # b"', '"a # c"'),
    ('"a # b"', '"a "'),
    ("first # not a comment", "first # no comment"),
    ("first # not a comment", "first"),
    ("third", "fourth"),
    ("size = 3", "size = 4"),
    ("radius > 0", "radius >= 0"),
    ('f"{GREETING}#"', 'f"{GREETING}"'),
    ('f"{GREETING}#"', 'f"{TEXT}#"'),
    ("**2", "**3"),
    ('"µ"', '"λ"'),
    ("async def", "def"),
    ("return 1", "return 2"),
    ("    return 1\n", ""),
    ("import math", "import cmath as math"),
    ("first # not a comment\n\nthird", "first # not a comment\nthird"),
    ("first # not a comment\n\nthird", "first # not a comment   \n\nthird"),
    ("first # not a comment\n\nthird", "first # not a comment\n\n\nthird"),
]


@pytest.mark.parametrize(("old", "new"), SILENT, ids=range(len(SILENT)))
def test_comments_docstrings_and_blank_lines_change_nothing(tmp_path, old, new):
    assert SOURCE.count(old) == 1
    assert behaviour(tmp_path, SOURCE.replace(old, new)) == behaviour(tmp_path, SOURCE)


@pytest.mark.parametrize(("old", "new"), LOUD, ids=[f"{o} -> {n}".replace("\n", "|") for o, n in LOUD])
def test_any_edit_of_behaviour_changes_it(tmp_path, old, new):
    assert SOURCE.count(old) == 1
    assert behaviour(tmp_path, SOURCE.replace(old, new)) != behaviour(tmp_path, SOURCE)


def test_no_docstring_or_comment_is_left(tmp_path):
    text = behaviour(tmp_path, SOURCE)
    for gone in ("docstring", "why", "Over several", "a comment\n    if", "another", "after a wide", "one line"):
        assert gone not in text
    for kept in ('GREETING = "a # b"', "first # not a comment", "third", "size = 3", 'return "µ", scale'):
        assert kept in text


@pytest.mark.parametrize("separator", ["\u2028", "\x0c", "\x85"], ids=["U+2028", "form feed", "U+0085"])
def test_characters_that_only_splitlines_takes_for_line_ends_hide_no_edit(tmp_path, separator):
    source = f'X = "a{separator}b"\n\n\ndef f():\n    """Doc."""\n    return 1\n'
    assert behaviour(tmp_path, source) != behaviour(tmp_path, source.replace("return 1", "return 2"))
    assert behaviour(tmp_path, source) == behaviour(tmp_path, source.replace("Doc.", "Other."))


names = st.sampled_from(["alpha", "beta", "gamma"])
values = st.integers(0, 99) | st.text("ab#'\" \\", max_size=6)
statements = st.tuples(names, values)
comments = st.text("xy #'\"", max_size=8)


@given(st.lists(statements, min_size=1, max_size=5), st.lists(comments, min_size=6, max_size=6), comments)
@settings(max_examples=60, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
def test_generated_sources_ignore_generated_comments_and_see_each_value(tmp_path, program, notes, doc):
    plain = "".join(f"{name} = {value!r}\n" for name, value in program)
    quoted = doc.replace('"', "").replace("\\", "")
    noted = f'"""D{quoted}."""\n' + "".join(
        f"\n# {note}\n{name} = {value!r}  # {note}\n" for (name, value), note in zip(program, notes, strict=False)
    )
    assert behaviour(tmp_path, noted) == behaviour(tmp_path, plain)
    name, value = program[-1]
    changed = plain.removesuffix(f"{name} = {value!r}\n") + f"{name} = {(value, 1)!r}\n"
    assert behaviour(tmp_path, changed) != behaviour(tmp_path, plain)


def test_the_closure_of_a_training_step_holds_what_training_runs_and_no_reporting():
    closure = code_digest.import_closure(["bam.steps.stage1"])
    assert closure == sorted(closure)
    assert {"bam.training.loop", "bam.training.auxiliary", "bam.training.objectives", "bam.recipe"} <= set(closure)
    assert not [name for name in closure if name.startswith(("bam.tables", "bam.figures", "bam.report", "bam.cli"))]
    assert not {"bam.selection", "bam.groups", "bam.steps.select", "bam.study", "bam.plan"} & set(closure)


def test_the_digest_follows_a_change_below_the_named_module(tmp_path, monkeypatch):
    package = tmp_path / "bam"
    package.mkdir()
    (package / "top.py").write_text("from bam import low\n")
    (package / "low.py").write_text("X = 1\n")
    monkeypatch.setattr(code_digest, "ROOT", package)

    def fresh() -> str:
        code_digest.behaviour.cache_clear()
        code_digest._facts.cache_clear()
        code_digest._imports.cache_clear()
        return code_digest.digest(("bam.top",))

    try:
        before = fresh()
        (package / "low.py").write_text("X = 1  # one\n")
        assert fresh() == before
        (package / "low.py").write_text("X = 2\n")
        assert fresh() != before
    finally:
        code_digest.behaviour.cache_clear()
        code_digest._facts.cache_clear()
        code_digest._imports.cache_clear()


def test_facts_are_found_once_kept_for_other_processes_and_never_taken_for_those_of_other_contents(tmp_path):
    module = tmp_path / "finder.py"
    module.write_text("first")
    asked = []

    def find(contents: str) -> list[str]:
        asked.append(contents)
        return [contents.upper()]

    def fresh() -> KeptFacts:
        return KeptFacts(find, str(module))

    facts = fresh()
    assert facts.of("a") == facts.of("a") == ["A"]
    facts.keep()
    assert fresh().of("a") == ["A"]
    assert asked == ["a"]
    assert fresh().of("b") == ["B"]
    # Another finder, and damage to what was kept, forget it all.
    module.write_text("second")
    assert fresh().of("a") == ["A"]
    module.write_text("first")
    (kept,) = (tmp_path / "__pycache__").iterdir()
    content = bytearray(kept.read_bytes())
    content[-3] ^= 1
    kept.write_bytes(content)
    assert fresh().of("a") == ["A"]
    assert asked == ["a", "b", "a", "a"]


def test_facts_that_cannot_be_kept_are_found_all_the_same(tmp_path):
    module = tmp_path / "finder.py"
    module.write_text("first")
    (tmp_path / "__pycache__").write_text("a file in the way")
    facts = KeptFacts(str.upper, str(module))
    assert facts.of("a") == "A"
    facts.keep()
    assert facts.of("b") == "B"
