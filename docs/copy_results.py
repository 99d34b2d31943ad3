"""Copy published tables and figures to docs/results/, and the README's table and figure from there.

make docs-results
"""

import csv
import re
import shutil
import sys
from pathlib import Path

ROOT = Path(__file__).resolve().parents[1]
STUDIES = ("digits", "digits_sweeps")
TOLERANCE = 0.05
FIGURE = "docs/results/digits/figures/worst_group_by_method"


def copy_study(name: str) -> None:
    """Replace docs/results/<study> by the study's tables (csv, md) and figures (svg, png, caption)."""
    source, target = ROOT / "results" / name, ROOT / "docs" / "results" / name
    shutil.rmtree(target, ignore_errors=True)
    for folder, suffixes in (("tables", (".csv", ".md")), ("figures", (".svg", ".png", ".txt"))):
        (target / folder).mkdir(parents=True)
        for path in sorted((source / folder).iterdir()):
            if path.suffix in suffixes:
                shutil.copyfile(path, target / folder / path.name)


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


def main() -> None:
    """Copy, then fill the README; with --check compare instead."""
    if "--check" in sys.argv:
        print(compare("digits"))
        return
    for name in STUDIES:
        copy_study(name)
    readme = ROOT / "README.md"
    table = (ROOT / "docs/results/digits/tables/main.md").read_text().strip()
    caption = (ROOT / f"{FIGURE}.txt").read_text().strip()
    text = fill(readme.read_text(), "main table", table)
    text = fill(text, "figure", f"![Worst-group accuracy by method and selection rule]({FIGURE}.png)\n\n{caption}")
    readme.write_text(text)


if __name__ == "__main__":
    main()
