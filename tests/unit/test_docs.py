"""The documents name what exists: links, verbs, keys, files; and their example runs."""

import csv
import re
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from typer.main import get_command

from bam import catalogue
from bam.cli.app import app
from bam.data.sources import RawFile, RawSet
from bam.methods.bam import Settings as Bam
from bam.methods.group_dro import Settings as GroupDro
from bam.recipe import AdamW, Sgd
from bam.selection import RULES
from bam.study_file import Analysis, StudyFile
from bam.tables.catalogue import TABLES
from bam.yaml_files import read_layers

ROOT = Path(__file__).resolve().parents[2]
DOCUMENTS = [ROOT / "README.md", ROOT / "CONTRIBUTING.md", ROOT / "config" / "README.md"]
RESULTS = ROOT / "docs" / "results"
DOCUMENTS += [*(ROOT / "docs").glob("*.md"), RESULTS / "README.md"]
VERBS = set(get_command(app).commands)  # type: ignore[attr-defined]
LINK = re.compile(r"\]\(([^)\s]+)\)")
FENCE = re.compile(r"```(\w*)\n(.*?)```", re.DOTALL)
ids = pytest.mark.parametrize("path", DOCUMENTS, ids=lambda path: path.relative_to(ROOT).as_posix())


def text(name: str) -> str:
    return (ROOT / name).read_text(encoding="utf-8")


def prose(path: Path) -> str:
    """Return a document without the blocks in fences, which hold Python brackets that look like links."""
    return FENCE.sub("", path.read_text(encoding="utf-8"))


def blocks(name: str, language: str) -> list[str]:
    return [body for kind, body in FENCE.findall(text(name)) if kind == language]


def named(name: str, word: str) -> bool:
    """Return whether a document has a word in backticks, by itself or with a prefix such as ``stage1.``."""
    return re.search(rf"`([a-z0-9_<>]+\.)*\.?{re.escape(word)}(:[^`]*)?`", text(name)) is not None


# Links


def anchors(path: Path) -> set[str]:
    headings = re.findall(r"^#+ (.*)$", FENCE.sub("", path.read_text(encoding="utf-8")), re.MULTILINE)
    return {re.sub(r"[^\w\- ]", "", heading.lower()).replace(" ", "-") for heading in headings}


@ids
def test_every_relative_link_points_to_a_file_that_is_there(path: Path):
    for link in LINK.findall(prose(path)):
        if re.match(r"[a-z]+:", link):
            continue
        target, _, anchor = link.partition("#")
        there = (path.parent / target).resolve() if target else path
        assert there.exists(), f"{path.name}: {link}"
        assert not anchor or anchor in anchors(there), f"{path.name}: {link}"


def test_every_published_study_stands_in_the_list_with_its_command_and_seeds():
    rows = dict(re.findall(r"^\| \[(\w+)\]\(\S+\) \| (.*)$", text("docs/results/README.md"), re.MULTILINE))
    assert rows.keys() == {path.name for path in RESULTS.iterdir() if path.is_dir()}
    for name, row in rows.items():
        command, seeds, _ = row.split(" | ")
        made = {"make study": "digits", "make sweeps": "digits_sweeps"}.get(command.strip("`"), command)
        assert made in (name, f"`snakemake --cores all --configfile config/{name}.yaml`")
        assert int(seeds) == len(read_layers(ROOT / "config" / f"{name}.yaml")["seeds"])


@ids
def test_every_path_in_backticks_below_the_code_s_folders_is_there(path: Path):
    written = re.findall(r"`((?:bam|config|docs|tests|workflow|benchmarks)/[\w./]+)`", prose(path))
    made_by_a_command = "docs/results/"
    for name in written:
        if not name.startswith(made_by_a_command):
            assert (ROOT / name).exists(), f"{path.name}: {name}"


@ids
def test_every_dotted_name_of_bam_can_be_imported(path: Path):
    # Not `bam.py`, a file, and not `bam.stage1.epochs`, a key of a config.
    for name in set(re.findall(r"`(bam(?!\.stage[12]\.|\.py`)(?:\.[A-Za-z_]\w*)+)`", prose(path))):
        module, *rest = _module(name)
        value: object = sys.modules[module]
        for part in rest:
            assert hasattr(value, part), f"{path.name}: {name}"
            value = getattr(value, part)


def _module(name: str) -> list[str]:
    """Import the longest prefix of a dotted name that is a module; return it and what is left."""
    import importlib

    parts = name.split(".")
    for length in range(len(parts), 0, -1):
        try:
            importlib.import_module(".".join(parts[:length]))
        except ModuleNotFoundError:
            continue
        return [".".join(parts[:length]), *parts[length:]]
    raise AssertionError(name)


# Commands


def commands(path: Path) -> Iterator[str]:
    """Yield what follows ``bam`` in code: in a fenced line, or in backticks."""
    content = path.read_text(encoding="utf-8")
    lines = [line for kind, body in FENCE.findall(content) if kind in ("", "sh", "bash") for line in body.splitlines()]
    spans = re.findall(r"`([^`\n]+)`", FENCE.sub("", content))
    for code in (*lines, *spans):
        if match := re.match(r"\s*(?:python -m )?bam ((?:--debug )?\S.*)", code):
            yield match[1].removeprefix("--debug ")


@ids
def test_every_verb_of_bam_that_a_document_calls_exists_with_its_options(path: Path):
    all_commands = get_command(app).commands  # type: ignore[attr-defined]
    for call in commands(path):
        verb, *words = call.split()
        if verb == "VERB":
            continue
        assert verb in VERBS, f"{path.name}: bam {call}"
        known = {option for parameter in all_commands[verb].params for option in parameter.opts} | {"--help", "-h"}
        assert {word for word in words if word.startswith("--")} <= known, f"{path.name}: bam {call}"


def test_the_documents_call_some_verbs_at_all():
    assert {"run", "plan", "status", "show", "doctor", "verify", "spec", "export", "predict"} <= {
        call.split()[0] for call in commands(ROOT / "README.md")
    }


@pytest.mark.parametrize("verb", sorted(VERBS))
def test_every_verb_is_mentioned_in_the_documents(verb: str):
    everything = text("README.md") + text("docs/tour.md")
    called = {call.split()[0] for name in ("README.md", "docs/tour.md") for call in commands(ROOT / name)}
    heading = re.search(rf"^## \d+\. [a-z1-2, -]*\b{verb}\b", everything, re.MULTILINE)
    assert verb in called or heading or f"`{verb}`" in everything


@ids
def test_every_make_target_that_a_document_names_exists(path: Path):
    targets = set(re.findall(r"^([a-z-]+):", text("Makefile"), re.MULTILINE))
    content = path.read_text(encoding="utf-8")
    named_targets = re.findall(r"`make ([a-z-]+)[^`]*`", content) + re.findall(
        r"^make ([a-z-]+)", content, re.MULTILINE
    )
    assert set(named_targets) <= targets


# What configs may hold


@pytest.mark.parametrize("key", StudyFile.model_fields)
def test_every_key_of_a_study_is_explained(key: str):
    assert re.search(rf"^\| `{key}` \|", text("config/README.md"), re.MULTILINE)


METHOD_KEYS = [
    *(f"stage1.{key}" for key in Bam.model_fields["stage1"].annotation.model_fields),
    *(f"stage2.{key}" for key in Bam.model_fields["stage2"].annotation.model_fields),
    *GroupDro.model_fields,
    *Sgd.model_fields,
    *AdamW.model_fields,
    *Analysis.model_fields,
    *(key for key in RawSet.model_fields if key != "files"),
    *(key for key in RawFile.model_fields),
]


@pytest.mark.parametrize("key", dict.fromkeys(METHOD_KEYS))
def test_every_key_of_a_method_an_optimiser_an_analysis_and_a_raw_set_is_named(key: str):
    assert named("config/README.md", key)


@pytest.mark.parametrize("what", ["method", "model", "kind", "rule"])
def test_whatever_can_be_named_in_a_config_is_named_in_its_document(what: str):
    for name in catalogue.names(what):
        assert named("config/README.md", name), name


@pytest.mark.parametrize("what", ["kind", "model"])
def test_every_key_of_a_data_set_and_of_a_model_is_named(what: str):
    for name in catalogue.names(what):
        for key in catalogue.load(what, name, what).Settings.model_fields:
            assert named("config/README.md", key), key


@pytest.mark.parametrize("name", ["config/README.md", "docs/method.md"])
def test_every_rule_has_a_row_with_the_groups_it_needs(name: str):
    for rule, entry in RULES.items():
        row = re.search(rf"^\| `{rule}` \|.*\|(.*)\|$", text(name), re.MULTILINE)
        assert row, rule
        words = row[1]
        if name == "config/README.md":
            assert (
                words.strip()
                == {"none": "none", "val": "validation", "train+val": "train and validation"}[entry.needs_groups]
            )


def test_every_table_is_named_in_the_tour():
    for name in TABLES:
        assert named("docs/tour.md", name), name


def test_every_target_of_the_workflow_is_in_the_tour_and_the_other_way_round():
    rules = set(
        re.findall(r"^rule (\w+):\n    input:\n        (?:graph|analysis)\.", text("workflow/Snakefile"), re.MULTILINE)
    )
    rows = text("docs/tour.md").split("| target | what |")[1].split("\n\n")[0]
    assert set(re.findall(r"`(\w+)`", rows)) == rules | {"report"}


# The Python API


def test_the_example_of_the_python_api_runs_as_it_stands(tmp_path: Path):
    example = blocks("docs/python-api.md", "python")[0]
    (tmp_path / "example.py").write_text(example, encoding="utf-8")
    done = subprocess.run(
        [sys.executable, "example.py"], cwd=tmp_path, capture_output=True, text=True, timeout=20, check=False
    )
    assert done.returncode == 0, done.stderr
    printed = blocks("docs/python-api.md", "")[0]
    # The same lines but for the numbers, which another CPU may round otherwise.
    without_numbers = [re.sub(r"\d+(\.\d+)?", "#", output) for output in (done.stdout, printed)]
    assert without_numbers[0] == without_numbers[1]


def test_the_parts_that_stand_alone_give_what_the_document_says():
    (example,) = [block for block in blocks("docs/python-api.md", "python") if "over_seeds" in block]
    # The lines whose comment says what they give.
    kept = re.sub(r"^(\w+\(.*\))  #.*$", r"results.append(\1)", example, flags=re.MULTILINE)
    names: dict[str, Any] = {"results": []}
    exec(compile(kept, "docs/python-api.md", "exec"), names)
    difference, epoch, seeds = names["results"]
    assert [round(float(value), 3) for value in difference] == [0.5, 0.333, 0.0]
    assert epoch == 2
    numbers = [round(float(value), 3) for value in (seeds.mean, seeds.low, seeds.high)]
    assert numbers == [0.813, 0.751, 0.876]


def test_the_network_of_the_python_api_is_one_that_fit_bam_can_train():
    import torch

    (example,) = [block for block in blocks("docs/python-api.md", "python") if "def network" in block]
    names: dict[str, Any] = {}
    exec(compile(example, "", "exec"), names)
    assert names["network"]((2, 8, 8), 3)(torch.zeros(4, 2, 8, 8)).shape == (4, 3)


@pytest.mark.parametrize("example", blocks("CONTRIBUTING.md", "python"))
def test_every_example_of_what_can_be_added_is_complete(example: str):
    names: dict[str, Any] = {"__name__": "example"}
    exec(compile(example, "CONTRIBUTING.md", "exec"), names)
    assert "Settings" in names


@pytest.mark.parametrize("name", ["README.md", *sorted(p.relative_to(ROOT).as_posix() for p in DOCUMENTS[1:])])
def test_every_python_block_is_python_and_imports_what_exists(name: str):
    for block in blocks(name, "python"):
        compile(block, name, "exec")
        for line in re.findall(r"^(?:from bam|import bam)\S* import .*$|^import bam\S*$", block, re.MULTILINE):
            exec(line, {})


def test_the_readme_quotes_the_measurements_as_they_are():
    with open(ROOT / "benchmarks" / "bench.csv", newline="", encoding="utf-8") as file:
        measured = [row for row in csv.DictReader(file) if row["target"]]
    (quoted,) = re.findall(r"<!-- bench: begin -->\n(.*?)<!-- bench: end -->", text("README.md"), re.DOTALL)
    table = [[cell.strip() for cell in line.strip("|").split("|")] for line in quoted.splitlines() if line[:1] == "|"]
    assert [line[0] for line in table[2:]] == [row["what"] for row in measured]
    assert [line[-1] for line in table[2:]] == [row["verdict"] for row in measured]
    assert all(line[1].startswith(f"{float(row['median']):.2f}") for line, row in zip(table[2:], measured, strict=True))
