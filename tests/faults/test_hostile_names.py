"""Names that a shell, a browser or a CSV reader would take for something else, through a real Snakemake run."""

import csv
import shutil
from pathlib import Path

import pytest
import yaml

from tests import own
from tests.workflow.checkout import STUDY, Checkout, check_out

pytestmark = pytest.mark.slow
SHELL = "$(touch pwned) `touch pwned` 'x\" ; touch pwned"
FOLDER = f"{SHELL} -n é"
FILES = ("-rf.png", "$(touch pwned).png", "a'b\"c.png", "new\nline.png", "ünïcödé & co.png", "%s {params} \\.png")
LABELS = ('it\'s <3 & "$(touch pwned)"', "`touch pwned`; é")
ATTRIBUTE = 'back\'ground "of" $(touch pwned) & <5'


def write_pictures(folder: Path, labels: tuple[str, str] = LABELS) -> Path:
    """Write a table whose columns, values and file names are all hostile; return it."""
    table = own.write_pictures(folder)
    with open(table, newline="", encoding="utf-8") as file:
        _, *rows = csv.reader(file)
    for row, name in zip(rows, FILES, strict=False):
        (folder / "files" / row[0]).rename(folder / "files" / name)
        row[0] = name
    named = [[name, labels[own.LABELS.index(label)], f"{ground} `é`"] for name, label, ground in rows]
    return own.write_csv(table, ("path", "label", ATTRIBUTE), named)


def hostile(checkout: Checkout, labels: tuple[str, str] = LABELS) -> dict:
    folder = checkout.folder / FOLDER
    table = write_pictures(folder, labels).relative_to(checkout.folder)
    entry = {"table": str(table), "label": "label", "path": "path", "folder": f"{FOLDER}/files"}
    entry |= {"attributes": [ATTRIBUTE], "side": 8}
    study = own.study(entry, seeds=[0])
    study["methods"].pop("bam")
    study["selection"] = ["class_difference", "worst_group"]
    return study


def snakemake(checkout: Checkout, study: dict, *targets: str, expect: int = 0) -> str:
    (checkout.folder / "mine.yaml").write_text(yaml.safe_dump(study, sort_keys=False, allow_unicode=True))
    done = checkout.run("snakemake", "--cores", "2", "--configfile", "mine.yaml", "--", *targets, expect=expect)
    return done.stdout + done.stderr


def touched(root: Path) -> list[Path]:
    return [path for path in root.rglob("*") if path.name in ("pwned", "hacked")]


@pytest.fixture(scope="module")
def checkout(tmp_path_factory: pytest.TempPathFactory) -> Checkout:
    return check_out(tmp_path_factory.mktemp("hostile") / "checkout")


def test_hostile_folders_files_labels_and_attributes_do_nothing_but_their_work(checkout):
    study = hostile(checkout)
    snakemake(checkout, study, "results/mine/report.html")
    assert touched(checkout.folder.parent) == []
    results = checkout.folder / "results" / "mine"
    with open(results / "tables" / "groups.csv", newline="", encoding="utf-8") as file:
        groups = {row["group"] for row in csv.DictReader(file)}
    assert groups == {f"{label}, {ground} `é`" for label in LABELS for ground in own.BACKGROUNDS}
    report = (results / "report.html").read_text(encoding="utf-8")
    assert "it&#39;s &lt;3 &amp; &#34;$(touch pwned)&#34;" in report
    assert "it's <3" not in report
    out = checkout.folder / "predicted.csv"
    arguments = ("export", "mine.yaml", "--method", "erm", "--out", "model")
    checkout.bam(*arguments)
    checkout.bam("predict", "model", "--inputs", f"{FOLDER}/files", "--out", str(out))
    with open(out, newline="", encoding="utf-8") as file:
        found = {row["path"]: row["predicted"] for row in csv.DictReader(file)}
    assert set(FILES) <= set(found)
    assert set(found.values()) <= set(LABELS)
    assert touched(checkout.folder.parent) == []


@pytest.mark.parametrize(
    ("labels", "message"),
    [
        (("<script>alert(1)</script>", "dog"), "holds an HTML tag"),
        (("=HYPERLINK(1)", "dog"), "begins like a formula of a spreadsheet"),
        (("-rf x", "dog"), "begins like a formula of a spreadsheet"),
    ],
)
def test_labels_that_a_page_or_a_sheet_would_run_are_refused_in_one_line(checkout, labels, message):
    shutil.rmtree(checkout.folder / FOLDER, ignore_errors=True)
    text = snakemake(checkout, hostile(checkout, labels), "data", expect=1)
    lines = [line for line in text.splitlines() if message in line]
    assert lines
    assert all(repr(labels[0]) in line for line in lines)
    assert "Traceback" not in text
    assert touched(checkout.folder.parent) == []


@pytest.mark.parametrize("name", [SHELL, "-n", "a\nb"])
@pytest.mark.parametrize("key", ["study", "datasets", "selection", "model"])
def test_names_that_reach_file_names_are_refused_in_one_line(checkout, key, name):
    datasets = {name: STUDY["datasets"]["colored_digits"]}
    named = {"study": name, "datasets": datasets, "selection": [name], "model": {"name": name}}
    study = {**STUDY, key: named[key]}
    path = checkout.folder / "bad.yaml"
    path.write_text(yaml.safe_dump(study, allow_unicode=True))
    done = checkout.bam("plan", "bad.yaml", expect=2)
    assert len(done.stderr.strip().splitlines()) == 1, done.stderr
    assert done.stderr.startswith("bam: bad.yaml: ")
    if name == SHELL:
        text = snakemake(checkout, study, "runs", expect=1)
        assert "Traceback" not in text
    assert touched(checkout.folder.parent) == []
