"""Nothing that comes in from outside is run: no pickle, no code in YAML, no escape into a shell."""

import ast
import io
import pickle
import re
import shlex
from pathlib import Path
from types import SimpleNamespace

import numpy as np
import pytest

from bam.artifacts import read_predictions
from bam.data.prepared import open_inputs, read_manifest
from bam.errors import BamError, ConfigError
from bam.graph import Graph
from bam.predict import _array as read_images
from bam.study import check_study
from bam.training.state import load_tensors
from bam.yaml_files import read_yaml
from tests import toy

REPOSITORY = Path(__file__).resolve().parents[2]
SOURCES = sorted(p for part in ("bam", "workflow", "docs") for p in (REPOSITORY / part).rglob("*") if p.is_file())
NASTY = ["a b", "a'b", 'a"b', "$(touch hacked)", "`touch hacked`", "a;b", "a\nb", "../a", "-a", "{params}", "a|b", ""]


def calls(text):
    """Yield (dotted name, keyword names and values) of each call."""
    for node in ast.walk(ast.parse(text)):
        if isinstance(node, ast.Call):
            yield ast.unparse(node.func), {k.arg: ast.unparse(k.value) for k in node.keywords}


def forbidden(text):
    """Return what a Python source calls that could run what it reads."""
    found = []
    for name, keywords in calls(text):
        last = name.rsplit(".", 1)[-1]
        if name in ("eval", "exec", "compile", "os.system", "os.popen") or "pickle" in name or last == "joblib":
            found.append(name)
        if name == "torch.load" and keywords.get("weights_only") != "True":
            found.append(name)
        if keywords.get("shell") == "True" or keywords.get("allow_pickle") == "True":
            found.append(name)
        if name in ("np.load", "numpy.load", "np.lib.format.read_array") and keywords.get("allow_pickle") != "False":
            found.append(name)
        if name.startswith("yaml.") and "load" in last and last != "safe_load" and "Loader" not in keywords:
            found.append(name)
    return found


@pytest.mark.parametrize(
    "text",
    ["eval(x)", "pickle.loads(x)", "torch.load(x)", "np.load(x)", "yaml.load(x)", "subprocess.run(x, shell=True)"],
)
def test_the_search_finds_what_it_looks_for(text):
    assert forbidden(text)


def test_no_source_can_run_what_it_reads():
    found = {str(p): calls for p in SOURCES if p.suffix == ".py" and (calls := forbidden(p.read_text()))}
    assert found == {}
    for path in SOURCES:
        if path.suffix in (".py", ".smk") or path.name == "Snakefile":
            text = path.read_text()
            assert not re.search(r"^\s*(import|from) (pickle|dill|joblib|marshal|shelve)\b", text, re.MULTILINE), path
            assert not re.search(r"shell=True|unsafe_load|FullLoader|UnsafeLoader", text), path
            assert path.suffix == ".py" or not re.search(r"^\s*(run|script):", text, re.MULTILINE), path


class Trap:
    """Creates a file when it is unpickled."""

    def __init__(self, path):
        self.path = path

    def __reduce__(self):
        return Path.touch, (self.path,)


def test_a_planted_pickle_is_never_run(prepared, tmp_path):
    sprung = tmp_path / "sprung"
    pickled = pickle.dumps(Trap(sprung))
    pickle.loads(pickled)
    assert sprung.exists()  # it would work
    sprung.unlink()
    array = io.BytesIO()
    np.save(array, np.array([Trap(sprung)], dtype=object), allow_pickle=True)
    archive = io.BytesIO()
    trap = np.array([Trap(sprung)], dtype=object)
    np.savez(archive, schema=np.array("bam.predictions/1"), epochs=trap, classes=trap, train_loss=trap, failed=trap)
    path = tmp_path / "file"
    model = SimpleNamespace(is_text=False, input_shape=(2, 2, 2))
    for content in (pickled, array.getvalue(), archive.getvalue()):
        path.write_bytes(content)
        for read in (read_predictions, load_tensors, lambda p: read_images(model, p)):
            with pytest.raises(BamError):
                read(path)
    (prepared / "train" / "inputs.npy").write_bytes(array.getvalue())
    with pytest.raises(BamError):
        open_inputs(prepared, read_manifest(prepared), "train")
    assert not sprung.exists()


def test_yaml_makes_plain_values_alone(tmp_path):
    path = tmp_path / "study.yaml"
    for text in (f"!!python/object/apply:os.system ['touch {tmp_path}/sprung']", "!!python/name:os.system"):
        path.write_text(text)
        with pytest.raises(ConfigError, match="is not valid YAML"):
            read_yaml(path)
    assert not (tmp_path / "sprung").exists()


@pytest.mark.parametrize("name", NASTY)
def test_names_that_a_shell_would_read_otherwise_are_refused(name):
    sweep = {"axis": "bam.stage2.upweight_factor", "values": [5, 10]}
    settings = toy.STUDY["methods"]["erm"]
    for changes in (
        {"study": name},
        {"datasets": {name: toy.STUDY["datasets"]["digits"]}},
        {"methods": {name: settings}},
        {"model": {"name": name}},
        {"selection": [name]},
        {"keep_weights": [name]},
        {"analyses": {name: sweep}},
        {"analyses": {"sweep": {**sweep, "values": [name]}}},
    ):
        with pytest.raises(ConfigError) as error:
            check_study({**toy.study_content(), **changes}, "toy.yaml")
        assert "\n" not in str(error.value)


def test_what_reaches_a_shell_unquoted_holds_nothing_that_a_shell_reads(monkeypatch):
    monkeypatch.chdir(REPOSITORY)
    graph = Graph(toy.study_content(), "toy.yaml")
    values = []
    for name in (*graph.plan.stage1, *graph.plan.trainings):
        values += [name, graph.trainings.options(name, "cpu")]
    assert any("--error-set" in value for value in values)
    for value in values:
        assert re.fullmatch(r"[A-Za-z0-9_./ =+-]*", value), value
        assert shlex.split(value) == value.split()


def test_settings_reach_the_shell_quoted():
    rules = "".join(p.read_text() for p in (REPOSITORY / "workflow" / "rules").glob("*.smk"))
    used = set(re.findall(r"\{params\.(spec|study|settings|device)(:q)?\}", rules))
    assert used
    assert {quoted for _, quoted in used} == {":q"}
