"""`make audit` says what it found, and is never content because it could not look."""

import importlib.util
import json
import sys
from pathlib import Path

import pytest

SCRIPT = Path(__file__).resolve().parents[2] / "docs" / "audit.py"


def package(name, **more):
    return {"name": name, "version": "1.0", **({"vulns": []} | more)}


SKIPPED = {"name": "b", "skip_reason": "not found"}
HOLE = {"id": "CVE-1", "fix_versions": ["1.1"]}
UNREACHABLE = "Traceback (most recent call last):\n  File x\nConnectionError: no such host\n"


def script():
    spec = importlib.util.spec_from_file_location("audit", SCRIPT)
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


@pytest.mark.parametrize(
    ("said", "status", "lines"),
    [
        ([package("a")], 0, ["audit: no known vulnerability in 1 packages of requirements.lock"]),
        ([package("a", vulns=[HOLE])], 1, ["audit: a 1.0: CVE-1, mended in 1.1"]),
        (
            [package("a"), SKIPPED],
            2,
            [
                "audit: 1 of 2 packages could not be looked up, b among them (not found); "
                "run it where the public package index itself is reached"
            ],
        ),
        (
            None,
            2,
            ["audit: pip-audit gave no answer (ConnectionError: no such host); nothing was looked up"],
        ),
    ],
)
def test_each_outcome_is_one_line(tmp_path, capsys, said, status, lines):
    stand_in = tmp_path / "pip-audit"
    out = "" if said is None else json.dumps({"dependencies": said, "fixes": []})
    code = f"import sys; sys.stdout.write({out!r}); sys.stderr.write({UNREACHABLE!r}); sys.exit(1)"
    stand_in.write_text(f"#!{sys.executable}\n{code}\n")
    stand_in.chmod(0o755)
    assert script().audit(str(stand_in)) == status
    assert capsys.readouterr().out.splitlines() == lines


def test_a_pip_audit_that_is_not_there_or_says_nothing_is_no_answer_either(tmp_path, capsys):
    stand_in = tmp_path / "pip-audit"
    assert script().audit(str(stand_in)) == 2
    stand_in.write_text("#!/bin/sh\nexit 3\n")
    stand_in.chmod(0o755)
    assert script().audit(str(stand_in)) == 2
    assert capsys.readouterr().out.splitlines() == [
        f"audit: pip-audit gave no answer ({stand_in}: No such file or directory); nothing was looked up",
        "audit: pip-audit gave no answer (it ended with status 3); nothing was looked up",
    ]
