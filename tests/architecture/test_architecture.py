"""Floors, budgets and habits that the code keeps."""

import ast
import io
import re
import subprocess
import sys
import tokenize
from collections.abc import Iterator
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
PACKAGE = ROOT / "bam"
FILES = sorted(PACKAGE.rglob("*.py"))
LIGHT = [
    *("errors", "files", "catalogue", "randomness", "code_digest", "metrics", "statistics", "error_set"),
    *("upweighting", "label_rules", "selection", "artifacts", "groups", "recipe", "grid", "config_errors"),
    *("study", "plan", "layout", "needs", "graph", "training_graph", "analysis_graph", "proposal", "proposal_report"),
    *("steps.select", "steps.evaluate", "steps.table", "steps.figure"),
]
MAX_LINES, MAX_FUNCTION, MAX_ARGUMENTS, MAX_NESTING = 300, 40, 6, 3
Function = ast.FunctionDef | ast.AsyncFunctionDef


def name_of(path: Path) -> str:
    return ".".join(path.relative_to(ROOT).with_suffix("").parts).removesuffix(".__init__")


def light_modules() -> list[str]:
    folders = [PACKAGE / folder for folder in ("methods", "models", "data", "tables")]
    below = [name_of(path) for path in FILES if any(folder in path.parents for folder in folders)]
    return [f"bam.{name}" for name in LIGHT] + below


def functions() -> Iterator[tuple[Path, Function]]:
    for path in FILES:
        for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
            if isinstance(node, Function):
                yield path, node


def at(path: Path, node: ast.AST, what: object) -> str:
    return f"{path.relative_to(ROOT)}:{node.lineno}: {getattr(node, 'name', '')} {what}"


def test_light_modules_do_not_import_torch():
    code = (
        "import importlib, sys\n"
        f"for name in {light_modules()!r}:\n"
        "    importlib.import_module(name)\n"
        "    assert 'torch' not in sys.modules, name\n"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, cwd=ROOT, check=False)
    assert done.returncode == 0, done.stderr


def test_no_file_is_longer_than_300_lines():
    long = {name_of(p): n for p in FILES if (n := len(p.read_text(encoding="utf-8").splitlines())) > MAX_LINES}
    assert long == {}


def test_no_function_is_longer_than_40_lines_without_its_docstring():
    long = []
    for path, node in functions():
        length = node.end_lineno - node.lineno + 1
        if ast.get_docstring(node) is not None:
            length -= node.body[0].end_lineno - node.body[0].lineno + 1
        if length > MAX_FUNCTION:
            long.append(at(path, node, f"{length} lines"))
    assert long == []


def test_no_function_takes_more_than_six_arguments_without_a_reason():
    many = []
    for path, node in functions():
        arguments = node.args
        names = [a.arg for a in (*arguments.posonlyargs, *arguments.args, *arguments.kwonlyargs)]
        count = len([name for name in names if name not in ("self", "cls")])
        line = path.read_text(encoding="utf-8").splitlines()[node.lineno - 1]
        if count > MAX_ARGUMENTS and not re.search(r"# noqa: PLR0913  \(.+\)", line):
            many.append(at(path, node, f"{count} arguments"))
    assert many == []


def nesting(node: ast.AST, depth: int = 0) -> int:
    """Return how deep loops, branches, with and try blocks lie; `elif` is no deeper than `if`."""
    deepest = depth
    for child in ast.iter_child_nodes(node):
        if isinstance(child, Function | ast.ClassDef | ast.Lambda):
            continue
        is_elif = isinstance(node, ast.If) and isinstance(child, ast.If) and node.orelse == [child]
        opens = isinstance(child, ast.For | ast.While | ast.If | ast.With | ast.Try | ast.Match) and not is_elif
        deepest = max(deepest, nesting(child, depth + opens))
    return deepest


def test_nothing_is_nested_deeper_than_three():
    deep = [at(path, node, n) for path, node in functions() if (n := nesting(node)) > MAX_NESTING]
    assert deep == []


def test_only_the_packages_own_init_says_anything():
    spoken = [name_of(p) for p in FILES if p.name == "__init__.py" and p.read_text().strip() and p.parent != PACKAGE]
    assert spoken == []


def public(body: list[ast.stmt], prefix: str) -> Iterator[tuple[str, ast.AST]]:
    """Yield public functions and classes, and public methods of public classes."""
    for node in body:
        if isinstance(node, Function | ast.ClassDef) and not node.name.startswith("_"):
            yield f"{prefix}.{node.name}", node
            if isinstance(node, ast.ClassDef):
                yield from public(node.body, f"{prefix}.{node.name}")


def test_every_public_function_and_class_has_a_docstring():
    bare = [
        name
        for path in FILES
        for name, node in public(ast.parse(path.read_text(encoding="utf-8")).body, name_of(path))
        if not ast.get_docstring(node)
    ]
    assert bare == []


def calls() -> Iterator[tuple[Path, ast.Call, str]]:
    for path in FILES:
        for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
            if isinstance(node, ast.Call):
                yield path, node, ast.unparse(node.func)


def test_the_device_is_never_written_as_a_call_to_cuda():
    assert [at(path, node, name) for path, node, name in calls() if name.endswith(".cuda")] == []


def test_nothing_is_unpickled():
    unsafe = []
    for path, node, name in calls():
        words = {k.arg: ast.unparse(k.value) for k in node.keywords}
        if name == "torch.load" and words.get("weights_only") != "True":
            unsafe.append(at(path, node, name))
        if words.get("allow_pickle", "False") != "False":
            unsafe.append(at(path, node, name))
    for path in FILES:
        for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
            names = [a.name for a in node.names] if isinstance(node, ast.Import) else []
            names += [node.module] if isinstance(node, ast.ImportFrom) else []
            if {"pickle", "cPickle", "dill", "joblib", "cloudpickle"} & {(n or "").split(".")[0] for n in names}:
                unsafe.append(at(path, node, names))
    assert unsafe == []


def test_only_the_command_line_prints():
    speakers = (PACKAGE / "cli", PACKAGE / "run.py")
    loud = [
        at(path, node, name)
        for path, node, name in calls()
        if name == "print" and not any(s == path or s in path.parents for s in speakers)
    ]
    assert loud == []


def test_no_code_is_commented_out():
    found = []
    for path in FILES:
        for token in tokenize.generate_tokens(io.StringIO(path.read_text(encoding="utf-8")).readline):
            text = token.string.lstrip("# ")
            if token.type != tokenize.COMMENT or not re.search(r"[=(]", text):
                continue
            try:
                ast.parse(text)
            except SyntaxError:
                continue
            found.append(f"{path.relative_to(ROOT)}:{token.start[0]}: {text}")
    assert found == []


@pytest.mark.parametrize("folder", ["methods", "models", "data", "training", "steps"])
def test_lower_floors_do_not_import_the_command_line_or_reporting(folder):
    upper = re.compile(r"^bam\.(cli|report|figures|run|pipeline|graph|training_graph|analysis_graph)\b")
    wrong = []
    for path in (PACKAGE / folder).rglob("*.py"):
        if folder == "steps" and path.stem in ("table", "figure", "report"):
            continue
        for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
            module = node.module or "" if isinstance(node, ast.ImportFrom) else ""
            names = [f"{module}.{a.name}" for a in node.names] if module else []
            names += [a.name for a in node.names] if isinstance(node, ast.Import) else []
            wrong += [at(path, node, name) for name in names if upper.match(name)]
    assert wrong == []
