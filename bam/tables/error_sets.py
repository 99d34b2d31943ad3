"""How well the error set stands in for the minority groups, over λ, loss and T."""

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from typing import Any

import numpy as np
import pandas as pd

from bam.artifacts import read_predictions
from bam.error_set import class_shares, find, quality
from bam.layout import Layout
from bam.plan import Cell, Plan
from bam.tables.accuracies import without_single_dataset
from bam.tables.captions import MARK, spreads
from bam.tables.content import Table
from bam.tables.inputs import stage1_key
from bam.tables.truth import Truth
from bam.tables.words import EMPTY, method_words, number, percent

HEADERS = {"dataset": "Data set", "method": "Method", "lambda": "λ", "stage1_loss": "Loss", "T": "T"}
FAMILY = list(HEADERS)
WORDS: Mapping[str, Callable[[Any], str]] = {
    "method": method_words,
    "lambda": lambda coefficient: f"{float(coefficient):g}",
    "stage1_loss": lambda loss: str(loss).replace("_", " "),
}
UNNAMED = ("Data set", "Method")
EMPTY_SETS = "An empty error set has no precision and no class shares."
MEASURES = {"minority_precision": "Minority precision", "minority_recall": "Minority recall"}
SHARE = "share_class_"


def error_sets_table(plan: Plan, layout: Layout) -> Table:
    """Return size, minority precision and recall and class shares of every stage 1's error set."""
    truth = Truth(layout)
    runs = {(cell.dataset, cell.stage1.name): cell for cell in plan.cells if cell.stage1}
    found, notes = [], []
    for cell in runs.values():
        rows, failed = kept_epochs(cell, truth, layout)
        found += rows
        notes += [f"Left out: {failed}."] if failed else []
    shown_rows, hidden = one_a_seed(found, FAMILY)
    frame = measured(shown_rows, FAMILY, max_classes(runs.values(), truth))
    shown, marked = means(frame, HEADERS, plan.study.file.seeds)
    return Table(
        frame=frame,
        shown=shown,
        caption=f"Error sets of stage 1 after T epochs, against the minority groups of train: {spreads(plan)}, "
        f"percent except size, study {plan.study.name}.",
        notes=(*notes, *hidden, *marked, EMPTY_SETS),
    )


def one_a_seed(rows: Iterable[dict[str, object]], keys: Sequence[str]) -> tuple[list[dict[str, object]], list[str]]:
    """Return the first row of each seed for each combination of keys, and a note on those left out that differ."""
    kept: dict[tuple[object, ...], dict[str, object]] = {}
    n_hidden = sum(kept.setdefault(tuple(row[name] for name in (*keys, "seed")), row) != row for row in rows)
    note = f"{n_hidden} rows of the same λ, loss, T and seed but other stage-1 or data settings are not shown."
    return list(kept.values()), [note] if n_hidden else []


def max_classes(cells: Iterable[Cell], truth: Truth) -> int:
    """Return C of the data set with the most classes, 0 without cells."""
    return max((truth.n_classes(cell.run.dataset) for cell in cells), default=0)


def measured(rows: list[dict[str, object]], keys: Sequence[str], n_classes: int) -> pd.DataFrame:
    """Return rows as a frame: keys, seed, size, precision and recall, then a share of each class."""
    shares = [f"{SHARE}{label}" for label in range(n_classes)]
    return pd.DataFrame(rows, columns=[*keys, "seed", "size", *MEASURES, *shares], dtype=object)


def kept_epochs(cell: Cell, truth: Truth, layout: Layout) -> tuple[list[dict[str, object]], str]:
    """Return a row for each kept epoch of a cell's stage 1, and why its last is left out, if so."""
    assert cell.stage1 is not None
    dataset, coefficient_and_loss = cell.run.dataset, stage1_key(cell)
    labels, minority = truth.labels(dataset, "train"), truth.minority(dataset, "train")
    path = layout.predictions(cell.stage1.name) / "train.npz"
    predictions = read_predictions(path, n_examples=len(labels))
    # A diverged run writes what it had when it stopped under its planned last epoch.
    n_kept = len(predictions.epochs) - bool(predictions.failed)
    rows: list[dict[str, object]] = []
    for epoch, predicted in zip(predictions.epochs.tolist()[:n_kept], predictions.classes, strict=False):
        mask = find(predicted, labels)
        found = quality(mask, minority)
        key = (cell.dataset, cell.method, *coefficient_and_loss, epoch)
        measures = vars(found) | dict(_shares(mask, labels, truth.n_classes(dataset)))
        rows.append({**dict(zip(FAMILY, key, strict=True)), "seed": cell.seed, **measures})
    return rows, f"{cell.stage1.name}, {predictions.failed}" if predictions.failed else ""


def _shares(mask: np.ndarray, labels: np.ndarray, n_classes: int) -> Iterator[tuple[str, float | None]]:
    for label, share in enumerate(class_shares(mask, labels, n_classes)):
        yield f"{SHARE}{label}", share


def means(frame: pd.DataFrame, headers: Mapping[str, str], seeds: Sequence[int]) -> tuple[pd.DataFrame, list[str]]:
    """Return means over seeds for each combination of the columns in `headers`, and a note where seeds lack."""
    shares = [name for name in map(str, frame.columns) if name.startswith(SHARE)]
    labels = MEASURES | {name: f"Share of class {name.removeprefix(SHARE)}" for name in shares}
    rows, notes = [], []
    for key, part in frame.groupby(list(headers), sort=False) if len(frame) else ():
        missing = [str(seed) for seed in seeds if seed not in set(part["seed"])]
        words = {headers[name]: WORDS.get(name, str)(value) for name, value in zip(headers, key, strict=True)}
        cells = {label: _mean(part[name].tolist(), percents=True) for name, label in labels.items()}
        n_seeds = f"{len(part)}" + f" {MARK}" * bool(missing)
        rows.append({**words, "Size": _mean(part["size"].tolist(), percents=False), **cells, "Seeds": n_seeds})
        if missing:
            where = ", ".join(f"{name} {word}" for name, word in words.items() if name not in UNNAMED)
            notes.append(f"{MARK} {words['Method']}, {where}: no seed {', '.join(missing)}.")
    columns = [*headers.values(), "Size", *labels.values(), "Seeds"]
    return without_single_dataset(pd.DataFrame(rows, columns=columns, dtype=object)), notes


def _mean(values: list[float | None], *, percents: bool) -> str:
    """Return ``mean ± std`` of the defined values, saying so if some are not."""
    there = np.array([value for value in values if value is not None], dtype=np.float64)
    if not there.size:
        return EMPTY
    say = percent if percents else number
    text = say(float(there.mean()))
    if len(there) > 1:
        text += f" ± {say(float(there.std(ddof=1)))}"
    return text if len(there) == len(values) else f"{text} ({len(there)} of {len(values)} seeds)"
