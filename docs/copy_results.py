"""Copy tables and figures to docs/results/, and fill the README and docs/fidelity.md from there.

make docs-results                        runs the digits anew; copies them and every finished study of config/
python docs/copy_results.py cmnist ...   these studies alone
python docs/copy_results.py --fidelity   docs/fidelity.md alone
python docs/copy_results.py --readme     the README alone, with what `make bench` measured
"""

import argparse
import csv
import json
import re
import shutil
from collections.abc import Iterable, Sequence
from pathlib import Path

from bam.files import write_text
from bam.published import PUBLISHED, Published, read_published
from bam.tables.fidelity import INTERVAL, RULE
from bam.tables.words import method_words, rule_words, spread

ROOT = Path(__file__).resolve().parents[1]
STUDIES = ("digits", "digits_sweeps")  # what `make docs-results` runs; other studies are copied if they are finished
MNIST = ("cmnist", "spuco_mnist", "dominoes")
APART = """## What cannot be compared, and why

Rows with `comparable` no; the numbers themselves stand in [config/published.csv](../config/published.csv)."""
FIDELITY = ROOT / "docs" / "fidelity.md"
TOLERANCE = 0.05
FIGURE = "docs/results/digits/figures/worst_group_by_method"


def copy_study(name: str) -> None:
    """Replace docs/results/<study> by the study's tables (csv, md) and figures (png, caption), and its metrics."""
    source, target = ROOT / "results" / name, ROOT / "docs" / "results" / name
    shutil.rmtree(target, ignore_errors=True)
    for folder, suffixes in (("tables", (".csv", ".md")), ("figures", (".png", ".txt"))):
        (target / folder).mkdir(parents=True)
        for path in sorted((source / folder).iterdir()):
            if path.suffix in suffixes:
                shutil.copyfile(path, target / folder / path.name)
    # For DVC, which would show a checksum among the numbers.
    write_text(target / "metrics.json", json.dumps(metrics(name), indent=2, sort_keys=True) + "\n")


def metrics(name: str) -> object:
    """Return a study's worst-group accuracies, means over seeds, for `dvc metrics`.

    Method -> rule -> fraction, within each data set if there are several. Two rules for each method:
    the first label-only one of the table, and the oracle.
    """
    found: dict[str, dict[str, dict[str, float]]] = {}
    path = ROOT / "docs" / "results" / name / "tables" / "main.csv"
    for row in csv.DictReader(path.read_text(encoding="utf-8").splitlines()):
        rules = found.setdefault(row["dataset"], {}).setdefault(row["method"], {})
        is_oracle = row["selection"] == "worst_group"
        is_first = not is_oracle and not set(rules) - {"worst_group"}
        if row["metric"] == "worst_group_accuracy" and row["mean"] and (is_oracle or is_first):
            rules[row["selection"]] = round(float(row["mean"]), 4)
    return found if len(found) > 1 else next(iter(found.values()), {})


def fill(text: str, name: str, content: str) -> str:
    """Put content between ``<!-- name: begin -->`` and ``<!-- name: end -->``."""
    begin, end = f"<!-- {name}: begin -->", f"<!-- {name}: end -->"
    filled, n = re.subn(f"{begin}.*?{end}", lambda _: f"{begin}\n{content}\n{end}", text, flags=re.DOTALL)
    assert n == 1, f"README.md must have {begin} and {end} once"
    return filled


def compare(name: str) -> str:
    """Compare a study's main table with the published one.

    The same processor and lock give the same bytes; another processor may round otherwise and choose
    another epoch, so means are compared within TOLERANCE.
    """
    ours, published = (
        (folder / name / "tables" / "main.csv").read_text() for folder in (ROOT / "results", ROOT / "docs" / "results")
    )
    if ours == published:
        return f"{name}: main.csv is the published one, byte for byte"
    keys = ("dataset", "method", "selection", "metric")
    means = [
        {tuple(row[k] for k in keys): float(row["mean"]) for row in csv.DictReader(text.splitlines())}
        for text in (ours, published)
    ]
    assert means[0].keys() == means[1].keys(), f"{name}: main.csv has other rows than the published one"
    worst = max(means[0], key=lambda key: abs(means[0][key] - means[1][key]))
    difference = abs(means[0][worst] - means[1][worst])
    assert difference <= TOLERANCE, f"{name}: {' '.join(worst)} differs from the published table by {difference:.3f}"
    return f"{name}: main.csv differs from the published one by at most {difference:.3f} ({' '.join(worst)})"


def other_studies() -> list[str]:
    """Return the other studies of config/ that are finished: their report is the last thing to be made."""
    names = sorted(path.stem for path in (ROOT / "config").glob("*.yaml"))
    return [name for name in names if name not in STUDIES and (ROOT / "results" / name / "report.html").exists()]


def fidelity_text(published: Sequence[Published]) -> str:
    """Return docs/fidelity.md: the rule, every copied study's table, and what cannot be compared."""
    tables = [
        (name, (ROOT / "docs" / "results" / name / "tables" / "fidelity.md"))
        for name in dict.fromkeys(row.study for row in published if row.study)
    ]
    parts = [f"## {name}\n\n{path.read_text(encoding='utf-8').strip()}" for name, path in tables if path.exists()]
    waiting = [f"`{name}`" for name, path in tables if not path.exists()]
    return "\n\n".join([_introduction(published), *parts, _waiting(waiting), APART, _apart(published)]) + "\n"


def _introduction(published: Sequence[Published]) -> str:
    n = sum(row.is_comparable for row in published)
    return f"""# Fidelity: our numbers beside published ones

Made by `python docs/copy_results.py --fidelity` from [config/published.csv](../config/published.csv) and from the
tables `fidelity` of the studies below. The file has {len(published)} published numbers, {n} of them for a setting
that can be compared with a study here; [config/README.md](../config/README.md) explains its columns.

## The verdicts

{INTERVAL}

{RULE}

- One seed gives no interval, so the verdict is inconclusive, however near or far the number is.
- Where all our seeds agree, Wilson's interval of the pooled counts stands for ours, unless the published number has a
  spread of its own: then Welch's interval is as wide as that spread makes it.
- A published spread over an unknown number of runs is shown and not used. Such a number, and one without a spread, is
  taken as exact, which makes our interval too short: read `differs` there with care.
- The sign of the difference says who is higher. A verdict is no test of a method: an `agrees` may rest on a recalled
  number. `confidence` says so in every row: confirmed, second hand, recalled, or conflict where sources disagree.
- No correction is made for the number of comparisons."""


def _waiting(names: Sequence[str]) -> str:
    listed = ", ".join(names) or "none"
    return (
        f"## Not here yet\n\nStudies that published numbers name and whose tables have not been copied here: {listed}."
    )


def _apart(published: Sequence[Published]) -> str:
    """Return what cannot be compared and why, one line for each data set and reason."""
    found: dict[tuple[str, str], list[Published]] = {}
    for row in published:
        if not row.is_comparable:
            found.setdefault((row.dataset or "several", row.note), []).append(row)
    datasets = list(dict.fromkeys(dataset for dataset, _ in found))
    lines = []
    for (dataset, note), rows in sorted(found.items(), key=lambda entry: datasets.index(entry[0][0])):
        methods = _listed(method_words(row.method) for row in rows)
        lines.append((dataset, note, methods, _listed(_place(row) for row in rows), len(rows)))
    header = ("Data set", "Why not", "Methods", "Sources", "Numbers")
    rules = ("---", "---", "---", "---", "---:")
    return "\n".join("| " + " | ".join(map(str, line)) + " |" for line in (header, rules, *lines))


def _listed(texts: Iterable[str]) -> str:
    return "; ".join(dict.fromkeys(text for text in texts if text))


def _place(row: Published) -> str:
    return ", ".join(part for part in (row.source, row.place) if part)


def main() -> None:
    """Copy, then fill README and docs/fidelity.md; with --check compare, with --fidelity or --readme one alone."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("studies", nargs="*", help="studies to copy; all that are finished if none is named")
    parser.add_argument("--check", action="store_true", help="compare results/digits with what is published")
    parser.add_argument("--fidelity", action="store_true", help="write docs/fidelity.md alone")
    parser.add_argument("--readme", action="store_true", help="fill the README alone")
    options = parser.parse_args()
    if options.check:
        print(compare("digits"))
        return
    if options.readme:
        fill_readme()
        return
    if not options.fidelity:
        for name in options.studies or (*STUDIES, *other_studies()):
            copy_study(name)
        fill_readme()
    FIDELITY.write_text(fidelity_text(read_published(ROOT / PUBLISHED)), encoding="utf-8")


def fill_readme() -> None:
    """Put the published tables and the figure into the README."""
    readme = ROOT / "README.md"
    table = (ROOT / "docs/results/digits/tables/main.md").read_text().strip()
    caption = (ROOT / f"{FIGURE}.txt").read_text().strip()
    text = fill(readme.read_text(), "main table", table)
    text = fill(text, "figure", f"![Worst-group accuracy by method and selection rule]({FIGURE}.png)\n\n{caption}")
    text = fill(text, "mnist table", mnist_table())
    text = fill(text, "bench", bench_table())
    readme.write_text(text)


def bench_table() -> str:
    """Return the measurements that have a target, with their spread, and the machine."""
    with open(ROOT / "benchmarks" / "bench.csv", newline="", encoding="utf-8") as file:
        rows = [row for row in csv.DictReader(file) if row["target"]]
    header = ("What", "Median", "Range", "Repeats", "Target", "")
    rules = ("---", "---:", "---:", "---:", "---", "---")
    lines = [header, rules, *(_measured(row) for row in rows)]
    machines = ", ".join(dict.fromkeys(row["machine"] for row in rows))
    return "\n".join("| " + " | ".join(line) + " |" for line in lines) + f"\n\nMachine: {machines}."


def _measured(row: dict[str, str]) -> tuple[str, ...]:
    unit = "" if row["unit"] == "ratio" else f" {row['unit']}"
    median, low, high = (f"{float(row[key]):.2f}" for key in ("median", "min", "max"))
    return (row["what"], f"{median}{unit}", f"{low} to {high}", row["n_repeats"], row["target"], row["verdict"])


def mnist_table() -> str:
    """Return worst-group accuracy of each method and rule, a column for each MNIST-size data set that is published."""
    cells: dict[tuple[str, str, str], dict[str, str]] = {}
    there = [name for name in MNIST if (ROOT / "docs/results" / name / "tables/main.csv").exists()]
    for name in there:
        with open(ROOT / "docs/results" / name / "tables/main.csv", newline="", encoding="utf-8") as file:
            for row in csv.DictReader(file):
                if row["metric"] == "worst_group_accuracy":
                    key = (method_words(row["method"]), rule_words(row["selection"]), row["needs_groups"])
                    cells.setdefault(key, {})[name] = _cell(row)
    header = ["Method", "Selection rule", "Needs groups", *there]
    rules = ["---", "---", "---", *("---:" for _ in there)]
    lines = [header, rules, *([*key, *(found.get(name, "") for name in there)] for key, found in cells.items())]
    return "\n".join("| " + " | ".join(line) + " |" for line in lines)


def _cell(row: dict[str, str]) -> str:
    mean, std, low, high = (float(row[key]) if row[key] else None for key in ("mean", "std", "ci95_low", "ci95_high"))
    return spread(mean, std, low, high)


if __name__ == "__main__":
    main()
