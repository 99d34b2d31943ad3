"""The HTML report: one file that needs no network, no script and no other file."""

import base64
import platform
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from typing import Any

import yaml
from jinja2 import Environment, StrictUndefined
from markupsafe import Markup

from bam import __version__
from bam.errors import DataError
from bam.layout import Layout
from bam.plan import Plan
from bam.report import commands
from bam.report.pivots import Pivot, pivots, seeds_words
from bam.report.tables import Shown, read_rows, read_words, shown
from bam.selection import RULES
from bam.tables.captions import no_groups
from bam.tables.inputs import grouped
from bam.tables.words import METRICS, method_words, rule_words

HERE = Path(__file__).resolve().parent
PACKAGES = ("torch", "numpy", "snakemake")
NEEDS = {
    "none": "class labels only",
    "val": "group labels of validation (oracle)",
    "train+val": "group labels of validation and group sizes of training (oracle)",
}


@dataclass(frozen=True)
class Contents:
    """Which tables and figures a report shows: names, and the figures' titles."""

    tables: Sequence[str]
    figures: Mapping[str, str]


def render(plan: Plan, layout: Layout, contents: Contents, out: Path) -> str:
    """Return the report's HTML.

    Raises
    ------
    DataError
        If a table or a figure is missing.
    """
    rows = {name: read_rows(layout.table(name, "csv")) for name in contents.tables}
    n_seeds = len(plan.study.file.seeds)
    environment = Environment(autoescape=True, trim_blocks=True, lstrip_blocks=True, undefined=StrictUndefined)
    template = environment.from_string((HERE / "report.html").read_text(encoding="utf-8"))
    main = rows.get("main", [])
    metric = "worst_group_accuracy" if grouped(plan) else "accuracy"
    tables = [shown(name, rows[name], read_words(layout.table(name, "md"))) for name in contents.tables]
    return template.render(
        css=Markup((HERE / "style.css").read_text(encoding="utf-8")),  # nosec B704: a file of ours
        study=plan.study.name,
        facts=_facts(plan),
        methods=_methods(plan),
        rules=_rules(plan),
        main_title=METRICS[metric],
        main=pivots(main, metric, n_seeds),
        no_groups=no_groups(plan),
        others=_other_metrics(main, metric, n_seeds),
        about_cells=_about_cells(n_seeds),
        figures=[_figure(layout, name, title) for name, title in contents.figures.items()],
        tables=tables,
        fidelity=_fidelity(tables),
        stage1=[(run.name, commands.spec_json(run)) for run in plan.stage1.values()],
        trainings=[(run.name, commands.spec_json(run)) for run in plan.trainings.values()],
        snakemake=commands.snakemake_line(plan),
        commands=commands.blocks(plan, layout, contents.tables, list(contents.figures), out),
        config=yaml.safe_dump(dict(plan.study.content), sort_keys=False, allow_unicode=True, width=100),
        config_file=commands.config_file(plan),
        versions=_versions(),
    )


def _about_cells(n_seeds: int) -> str:
    return "value of the one seed" if n_seeds == 1 else f"mean over {seeds_words(n_seeds)}, 95 % interval below"


def _fidelity(tables: Sequence[Shown]) -> str:
    """Return the first note of the table of published numbers, which counts the verdicts."""
    return next((note for table in tables if table.name == "fidelity" for note in table.words.notes[:1]), "")


def _other_metrics(main: list[dict[str, str]], headline: str, n_seeds: int) -> list[tuple[str, list[Pivot]]]:
    found = [(METRICS[metric], pivots(main, metric, n_seeds)) for metric in METRICS if metric != headline]
    return [(title, tables) for title, tables in found if tables]


def _facts(plan: Plan) -> list[tuple[str, str]]:
    file = plan.study.file
    per_seed = {"across_seeds": "settings across seeds, the epoch for each seed", "per_seed": "both for each seed"}
    facts = [(f"Data set {name}", _pairs(entry)) for name, entry in file.datasets.items()]
    facts += [
        ("Model", _pairs(file.model)),
        ("Seeds", ", ".join(map(str, file.seeds))),
        ("Selection", per_seed[file.selection_scope]),
        *([("Validation seen by selection", f"{file.validation_size} examples")] if file.validation_size else []),
        ("Runs", f"{len(plan.trainings)} trainings, on {len(plan.stage1)} stage-1 runs"),
    ]
    for name, analysis in file.analyses.items():
        axes = [analysis, *([analysis.across] if analysis.across else [])]
        swept = ", and ".join(f"{axis.axis} in {', '.join(map(str, axis.values))}" for axis in axes)
        fixed = f"; held: {_pairs(analysis.fixed)}" if analysis.fixed else ""
        facts.append((f"Sweep {name}", f"{swept}{fixed}"))
    return facts


def _pairs(entry: Mapping[str, Any]) -> str:
    return ", ".join(f"{key} {value}" for key, value in entry.items())


def _methods(plan: Plan) -> list[tuple[str, str, int, str, str]]:
    """Return (words, name, number of settings, what varies, group labels seen in training) for each method."""
    found = []
    for name, settings in plan.study.settings.items():
        varied = {key: [setting.varied[key] for setting in settings] for key in settings[0].varied}
        axes = "; ".join(f"{key}: {', '.join(map(str, dict.fromkeys(v)))}" for key, v in varied.items())
        sees = "of training" if settings[0].recipe.needs_train_groups else "none"
        found.append((method_words(name), name, len(settings), axes, sees))
    return found


def _rules(plan: Plan) -> list[tuple[str, str, str, str]]:
    """Return (words, name, what it needs, methods it does not fit) for each rule."""
    found = []
    for name in plan.study.file.selection:
        unfit = [method_words(m) for m in plan.study.settings if name not in plan.study.rules_for(m)]
        found.append((rule_words(name), name, NEEDS[RULES[name].needs_groups], ", ".join(unfit)))
    return found


def _figure(layout: Layout, name: str, title: str) -> dict[str, str]:
    """Return a figure as a data URI: in an image of its own, no id of one SVG can meet another's."""
    try:
        svg = layout.figure(name, "svg").read_bytes()
        caption = layout.figure(name, "txt").read_text(encoding="utf-8").strip()
    except OSError as error:
        raise DataError(
            f"{error.filename}: cannot be read ({error.strerror}); make it first: python -m bam figure {name}"
        ) from error
    uri = "data:image/svg+xml;base64," + base64.b64encode(svg).decode("ascii")
    return {"name": name, "title": title, "caption": caption, "uri": uri}


def _versions() -> list[tuple[str, str]]:
    return [("bam", __version__), ("python", platform.python_version()), *((name, _version(name)) for name in PACKAGES)]


def _version(package: str) -> str:
    try:
        return version(package)
    except PackageNotFoundError:
        return "not installed"
