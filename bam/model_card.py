"""The model card of an exported model."""

import re
from collections.abc import Mapping, Sequence
from typing import Any

USES = {
    "text": "texts like those of its training data",
    "image": "images like those of its training data",
}


def card(description: Mapping[str, Any], rows: Sequence[Mapping[str, str]], onnx: str = "") -> str:
    """Return a model card in Markdown.

    Parameters
    ----------
    description
        Content of `model.json`.
    rows
        Rows of the evaluation of this seed; empty if there are none.
    onnx
        What the ONNX model takes and gives; empty if there is none.
    """
    chosen, data = description["chosen"], description["data"]
    shape = ", ".join(map(str, description["input_shape"]))
    what = "token ids" if description["kind"] == "text" else "uint8 images"
    spec, files = description["spec"], data["files"]
    own = data["settings"].get("fingerprint")
    hashes = "\n".join(f"| `{name}` | {n_bytes} | `{sha256}` |" for name, (n_bytes, sha256) in sorted(files.items()))
    parts = [
        f"# {chosen['method']} on {chosen['dataset']}, seed {chosen['seed']}",
        f"Network `{description['model']['name']}` for {what} of shape (n, {shape}), "
        f"classes {', '.join(plain(name) for name in description['class_names'])}. Epoch {chosen['epoch']}, chosen by "
        f"the rule `{chosen['rule']}`, which sees validation labels and no group.",
        "## Use",
        "\n".join(f"    {line}" for line in _commands(description)),
        *_about_onnx(onnx),
        "## Test accuracy",
        _scores(rows),
        "## Limits",
        _limits(description, rows),
        "## Made from",
        f"Run `{chosen['run']}` of `bam`, seed {spec['seed']}, setting {plain(str(chosen['setting']))}, precision "
        f"{description['precision']}; all settings stand in `model.json`. Data `{data['id']}`"
        + (f", contents SHA-256 `{own}`" if own else "")
        + "; its prepared files:",
        f"| file | bytes | SHA-256 |\n|---|---|---|\n{hashes}",
        "## Licence",
        "The weights follow from what they were made of, whose terms apply to them: "
        + "; ".join(f"{plain(name)}: {plain(terms)}" for name, terms in description["licences"].items())
        + ".",
    ]
    return "\n\n".join(parts) + "\n"


def plain(text: str) -> str:
    r"""Return a user's text on one line, without what Markdown or HTML would read in it.

    >>> plain("a|b\n<i>")
    'a\\|b &lt;i&gt;'
    """
    line = " ".join(text.split()).replace("&", "&amp;").replace("<", "&lt;").replace(">", "&gt;")
    return re.sub(r"([\\`*_|\[\]])", r"\\\1", line)


def _commands(description: Mapping[str, Any]) -> list[str]:
    transform = description["transform"]
    arrays = ["bam predict <this folder> --inputs images.npy --out predictions.csv"]
    if transform is None:
        return arrays
    columns = " and ".join(" ".join(name.split()) for name in transform["columns"])
    table = [f"bam predict <this folder> --inputs table.csv --out predictions.csv   # column {columns}"]
    if description["kind"] == "text":
        return table
    return [*table, "bam predict <this folder> --inputs <folder of images> --out predictions.csv", *arrays]


def _about_onnx(onnx: str) -> list[str]:
    return ["## ONNX", f"`model.onnx` takes {onnx}. It agrees with the weights within 1e-4."] if onnx else []


def _scores(rows: Sequence[Mapping[str, str]]) -> str:
    lines = [
        f"| {row['metric'].replace('_', ' ')} | {plain(row['group'])} | {100 * float(row['value']):.1f} | {row['n']} |"
        for row in rows
    ]
    return "\n".join(["| metric | group | % | n |", "|---|---|---|---|", *(lines or ["| not evaluated | | | |"])])


def _limits(description: Mapping[str, Any], rows: Sequence[Mapping[str, str]]) -> str:
    has_groups = any(row["metric"] == "worst_group_accuracy" for row in rows)
    groups = (
        "Accuracies by group are of the groups above and of no others."
        if has_groups
        else "No groups are known, so nothing is known of its accuracy on any; it may be poor on a rare one."
    )
    return (
        f"For research, on {USES[description['kind']]}. {groups} They are of one test set of the same source as the "
        "training data: on data from elsewhere expect less. Training against shortcuts lessens their use and does not "
        "end it. Do not use it for decisions on people (work, credit, health, law, moderation without appeal), nor "
        "anywhere that a wrong answer does harm and nobody checks. Probabilities are not calibrated."
    )
