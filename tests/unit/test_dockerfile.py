"""The Dockerfile, which is not built here: what it copies exists, and its versions are the repository's."""

import re
import tomllib
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
TEXT = (ROOT / "Dockerfile").read_text()
INSTRUCTION = re.compile(r"^(ARG|FROM|RUN|USER|WORKDIR|COPY|ENV|CMD) (.*)$")


def instructions() -> list[tuple[str, str]]:
    """Return (instruction, arguments), with continued lines joined and comments left out."""
    kept = "\n".join(line for line in TEXT.splitlines() if not line.lstrip().startswith("#"))
    lines = [line for line in re.sub(r"\\\n\s*", "", kept).splitlines() if line.strip()]
    found = [INSTRUCTION.match(line) for line in lines]
    assert all(found), [line for line, match in zip(lines, found, strict=True) if not match]
    return [(match[1], match[2]) for match in found if match]


def copied() -> list[str]:
    sources = []
    for name, arguments in instructions():
        if name == "COPY":
            *files, _ = [word for word in arguments.split() if not word.startswith("--")]
            sources += files
    return sources


def test_every_copied_file_exists_and_is_not_kept_out_by_dockerignore():
    let_in = {line[1:] for line in (ROOT / ".dockerignore").read_text().splitlines() if line.startswith("!")}
    assert set(copied()) == let_in
    assert [name for name in copied() if not (ROOT / name).exists()] == []


def test_what_a_study_reads_is_copied():
    assert {"bam", "config", "workflow", "environment.yml", "snakemake_logger_plugin_bam"} <= set(copied())
    readme = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]["readme"]
    assert {readme, "LICENSE", "requirements.lock"} <= set(copied())


def test_its_python_is_one_that_the_project_supports():
    [base] = [arguments for name, arguments in instructions() if name == "FROM"]
    minor = re.fullmatch(r"python:3\.(\d+)-slim-\w+", base)
    wanted = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]["requires-python"]
    lowest, beyond = re.fullmatch(r">=3\.(\d+),<3\.(\d+)", wanted).groups()
    assert int(lowest) <= int(minor[1]) < int(beyond)


def test_it_installs_the_lock_as_make_setup_does_and_pins_nothing_of_its_own():
    runs = " ".join(arguments for name, arguments in instructions() if name == "RUN")
    assert "--requirement requirements.lock" in runs
    assert "--no-deps --editable ." in runs
    assert "==" not in TEXT


def test_it_runs_as_an_ordinary_user_and_holds_no_secret():
    users = [arguments for name, arguments in instructions() if name == "USER"]
    assert users == ["1000"]
    assert not [
        name for name, arguments in instructions() if name == "ENV" and re.search("KEY|TOKEN|SECRET|PASS", arguments)
    ]
