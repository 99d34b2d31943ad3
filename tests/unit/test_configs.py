"""Every config of the repository is a valid study, and configs that extend one another say what is wrong."""

import re
from pathlib import Path

import pytest
from typer.testing import CliRunner

from bam.cli.app import app
from bam.cli.options import read_plans
from bam.errors import ConfigError
from bam.graph import Graph
from bam.pretrained import find, model_settings
from bam.study import read_study
from bam.study_list import configs_of
from bam.yaml_files import merged, read_layers, read_yaml
from tests import own

ROOT = Path(__file__).parents[2]
CONFIG = ROOT / "config"
SOURCES = CONFIG / "datasets.yaml"
OTHERS = ("datasets", "own_data", "paper")  # sources of data, a template, a list of studies
MADE = dict(re.findall(r"^([A-Z]+) := (.*)$", (ROOT / "Makefile").read_text(), flags=re.MULTILINE))
MNIST, ANALYSES, VARIANTS, PAPER, CONTROLLED = (
    MADE[name].split() for name in ("MNIST", "ANALYSES", "VARIANTS", "PAPER", "CONTROLLED")
)
STUDIES = sorted(path for path in CONFIG.rglob("*.yaml") if path.stem not in OTHERS)


@pytest.mark.parametrize("path", STUDIES, ids=lambda path: str(path.relative_to(CONFIG)))
def test_every_config_is_a_study_named_after_its_file(path: Path):
    study = read_study(str(path))
    assert study.name == path.stem + ("_quick" if path.parent.name == "quick" else "")


def test_every_study_on_mnist_has_a_target_and_a_quick_variant():
    digits = {"digits", "digits_sweeps"}
    studies = {path.stem for path in CONFIG.glob("*.yaml")} - digits - {*PAPER, *CONTROLLED, *OTHERS}
    assert studies == {*MNIST, *ANALYSES}
    quick = {path.stem for path in (CONFIG / "quick").glob("*.yaml")}
    assert studies <= quick
    assert quick == {"digits", *studies, *PAPER, *VARIANTS}


def test_the_template_of_own_data_is_a_study_as_soon_as_the_data_is_there(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
):
    table = own.write_pictures(tmp_path)
    table.rename(tmp_path / "my.csv")
    (tmp_path / "files").rename(tmp_path / "images")
    monkeypatch.chdir(tmp_path)
    study = read_study(str(CONFIG / "own_data.yaml"))
    assert study.name == "own_data"
    assert study.has_groups("mine")


@pytest.mark.parametrize("name", MNIST)
def test_methods_of_a_main_table_have_the_same_number_of_settings(name: str):
    study = read_study(str(CONFIG / f"{name}.yaml"))
    assert len({len(settings) for settings in study.settings.values()}) == 1
    assert set(study.settings) == {"erm", "jtt", "bam_no_aux", "bam", "group_dro"}
    assert len(study.file.seeds) >= 3


def written(folder: Path, **files: str) -> Path:
    for name, text in files.items():
        (folder / f"{name}.yaml").write_text(text)
    return folder / "top.yaml"


def test_mappings_are_merged_lists_replaced_and_null_removes(tmp_path):
    top = written(
        tmp_path,
        base="study: base\na: {b: 1, c: [1, 2], d: {e: 3}}\nf: 4\n",
        middle="extends: base.yaml\nstudy: middle\na: {c: [5], d: {e: 6, g: 7}}\n",
        top="extends: middle.yaml\nstudy: top\nf: null\na: {b: 8}\n",
    )
    assert read_layers(top) == {"study": "top", "a": {"b": 8, "c": [5], "d": {"e": 6, "g": 7}}}


def test_a_variant_leaves_pretrained_weights_out(tmp_path):
    below = "study: base\nmodel: {name: torchvision, architecture: resnet18, pretrained: imagenet1k_v1}\n"
    top = written(tmp_path, base=below, top="extends: base.yaml\nstudy: top\nmodel: {pretrained: none}\n")
    model = read_layers(top)["model"]
    assert model_settings(model).weights_source() is None
    assert find(model, {}) is None
    with pytest.raises(ConfigError, match="pretrained: is missing"):
        model_settings(merged(model, {"pretrained": None}))


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("extends: base.yaml\n", "study: is missing; a config that extends another needs a name of its own"),
        ("extends: bsae.yaml\nstudy: top\n", r"extends: there is no file .*bsae.yaml \(did you mean 'base.yaml'\?\)"),
        ("extends: [base.yaml]\nstudy: top\n", "expected the name of a file beside it"),
        ("extends: top.yaml\nstudy: top\n", "extends: top.yaml extends this file in turn"),
        ("extends: base.yaml\nstudy: top\na: {x: null}\n", r"a.x: null removes a key, and there is none"),
        ("extends: base.yaml\nstudy: top\nseedz: null\n", r"seedz: null .* none \(did you mean 'seeds'\?\)"),
    ],
    ids=["no name", "no file", "not a name", "itself", "null for nothing", "null for a near miss"],
)
def test_a_mistake_in_extending_is_said(tmp_path, text, message):
    top = written(tmp_path, base="study: base\nseeds: [0]\na: {b: 1}\n", top=text)
    with pytest.raises(ConfigError, match=message):
        read_layers(top)


def test_two_files_that_extend_each_other_are_refused(tmp_path):
    top = written(tmp_path, other="extends: top.yaml\nstudy: other\n", top="extends: other.yaml\nstudy: top\n")
    with pytest.raises(ConfigError, match="extends this file in turn"):
        read_layers(top)


def test_several_config_files_do_not_go_with_extends(monkeypatch):
    monkeypatch.chdir(ROOT)
    files = ["config/quick/cmnist.yaml", "config/digits.yaml"]
    with pytest.raises(ConfigError, match="does not go with several config files"):
        Graph(read_yaml(ROOT / files[0]), ", ".join(files), files)


# Lists of studies


def test_the_paper_s_list_is_what_make_runs_and_each_of_it_is_planned():
    result = CliRunner().invoke(app, ["plan", str(CONFIG / "paper.yaml"), "--rate", "1000", "--sources", str(SOURCES)])
    assert result.exit_code == 0, result.output
    assert re.findall(r"^study (\w+):", result.output, re.MULTILINE) == PAPER


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("studies: [one.yaml, tow.yaml]\n", r"there is no file .*tow.yaml \(did you mean 'two.yaml'\?\)"),
        ("studies: []\n", r"expected a list of files beside it"),
        ("studies: one.yaml\n", r"expected a list of files beside it"),
        ("studies: [one.yaml]\nseeds: [0]\n", r"seeds: does not go with studies"),
    ],
)
def test_a_mistake_in_a_list_of_studies_is_said(tmp_path, text, message):
    top = written(tmp_path, one="study: one\n", two="study: two\n", top=text)
    with pytest.raises(ConfigError, match=message):
        configs_of(str(top))


def test_where_one_study_is_wanted_a_list_is_refused():
    with pytest.raises(ConfigError, match=r"paper.yaml: lists several studies.*give one of its files"):
        read_study(str(CONFIG / "paper.yaml"))
    with pytest.raises(ConfigError, match="lists several studies"):
        Graph(read_yaml(CONFIG / "paper.yaml"), "config/paper.yaml")
    with pytest.raises(ConfigError, match=r"--results: .*paper\.yaml lists 4 studies"):
        read_plans(str(CONFIG / "paper.yaml"), Path("results/x"), Path("data"), SOURCES)
    assert configs_of("config/digits.yaml") == ["config/digits.yaml"]


def test_a_text_too_long_for_a_file_name_is_no_list_and_one_line_as_a_study():
    text = "study: " + 300 * "x"
    assert configs_of(text) == [text]
    with pytest.raises(ConfigError, match="File name too long"):
        read_plans(text, None, Path("data"), SOURCES)
