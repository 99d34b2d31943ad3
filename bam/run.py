"""One method on one data set with one seed, without Snakemake."""

import csv
from pathlib import Path

from rich.console import Console
from rich.table import Table

from bam.catalogue import suggestion
from bam.data.sources import read_sources
from bam.errors import ConfigError, RunError
from bam.layout import Layout
from bam.pipeline import make_data, make_pretrained, run_cells
from bam.plan import make_plan
from bam.scoring import choose_and_score
from bam.study import Study, parse_study, read_study
from bam.writable import check_no_file, check_writable

METRICS = ("worst_group_accuracy", "accuracy", "adjusted_accuracy")


def restricted(config: str, dataset: str | None, method: str, seed: int) -> Study:
    """Return a study cut down to one data set, one method and one seed; ConfigError as `named`."""
    study = read_study(config)
    return parse_study({**study.only(named(study, dataset, method), method).content, "seeds": [seed]}, study.source)


def named(study: Study, dataset: str | None, method: str) -> str:
    """Return the data set that is meant: the one given, or the only one.

    Raises
    ------
    ConfigError
        If the study does not have it or the method, or has several data sets and none is named.
    """
    known = list(study.file.datasets)
    if dataset is None and len(known) > 1:
        raise ConfigError(f"{study.source}: has several data sets; give --dataset, one of {', '.join(known)}")
    dataset = dataset or known[0]
    for what, name, names in (("dataset", dataset, known), ("method", method, list(study.settings))):
        if name not in names:
            near = suggestion(name, names)
            raise ConfigError(f"{study.source}: has no {what} {name!r}{near}; it has {', '.join(names)}")
    return dataset


def run(  # noqa: PLR0913  (the options of the verb)
    config: str, *, dataset: str | None, method: str, seed: int, out: Path, data: Path, sources: Path, device: str
) -> None:
    """Train every setting of a method, select by every rule, and print test accuracies in percent.

    Raises
    ------
    RunError
        If every setting failed.
    """
    study = restricted(config, dataset, method, seed)
    raw_sets = read_sources(sources)
    plan, layout = make_plan(study, raw_sets), Layout(data, out)
    check_no_file(out)
    check_writable(out)
    for data_set in plan.datasets.values():
        make_data(data_set, raw_sets, layout)
    for weights in plan.pretrained.values():
        make_pretrained(weights, raw_sets, layout)
    run_cells(plan.cells, list(plan.stage1.values()), layout, device)
    console = Console(width=max(120, Console().width))
    shown = Table(
        "rule", "setting", "epoch", "worst group", "average", "adjusted", title=f"{method}, seed {seed}, test, %"
    )
    for rule in study.rules_for(method):
        with open(choose_and_score(plan.cells, rule, study.file, layout), newline="", encoding="utf-8") as file:
            rows = {row["metric"]: row for row in csv.DictReader(file) if row["metric"] in METRICS}
        if not rows:
            raise RunError(
                f"{study.source}: {method}, seed {seed}: every training stopped before its end, so {rule} has "
                f"nothing to choose from; try a smaller learning rate or auxiliary coefficient. Records: {out}"
            )
        values = [f"{100 * float(rows[m]['value']):.1f}" if m in rows else "" for m in METRICS]
        shown.add_row(rule, rows["accuracy"]["setting"], rows["accuracy"]["epoch"], *values)
    console.print(shown)
    console.print(f"predictions, weights, selection and evaluation: {out}", soft_wrap=True)
