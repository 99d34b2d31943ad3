"""How well the error set stands in for the minority groups, over λ, loss and T."""

from collections.abc import Iterator

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

FAMILY = ["dataset", "method", "lambda", "stage1_loss", "T"]
MEASURES = {"minority_precision": "Minority precision", "minority_recall": "Minority recall"}
SHARE = "share_class_"


def error_sets_table(plan: Plan, layout: Layout) -> Table:
    """Return size, minority precision and recall and class shares of every stage 1's error set."""
    truth = Truth(layout)
    rows: dict[tuple[object, ...], dict[str, object]] = {}
    runs = {(cell.dataset, cell.stage1.name): cell for cell in plan.cells if cell.stage1}
    n_hidden, notes = 0, []
    for cell in runs.values():
        found, failed = _rows(cell, truth, layout)
        notes += [f"Left out: {failed}."] if failed else []
        for row in found:
            key = tuple(row[name] for name in (*FAMILY, "seed"))
            n_hidden += rows.setdefault(key, row) != row
    if n_hidden:
        notes.append(
            f"{n_hidden} rows of the same λ, loss, T and seed but other stage-1 or data settings are not shown."
        )
    n_classes = max((truth.n_classes(cell.run.dataset) for cell in runs.values()), default=0)
    shares = [f"{SHARE}{label}" for label in range(n_classes)]
    columns = [*FAMILY, "seed", "size", *MEASURES, *shares]
    frame = pd.DataFrame(list(rows.values()), columns=columns, dtype=object)
    shown, marked = _shown(frame, shares, plan.study.file.seeds)
    return Table(
        frame=frame,
        shown=shown,
        caption=f"Error sets of stage 1 after T epochs, against the minority groups of train: {spreads(plan)}, "
        f"percent except size, study {plan.study.name}.",
        notes=(*notes, *marked, "An empty error set has no precision and no class shares."),
    )


def _rows(cell: Cell, truth: Truth, layout: Layout) -> tuple[list[dict[str, object]], str]:
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


def _shown(frame: pd.DataFrame, shares: list[str], seeds: list[int]) -> tuple[pd.DataFrame, list[str]]:
    """Return means over seeds, and a note for each row that lacks seeds."""
    labels = MEASURES | {name: f"Share of class {name.removeprefix(SHARE)}" for name in shares}
    headers = ["Data set", "Method", "λ", "Loss", "T", "Size", *labels.values(), "Seeds"]
    rows, notes = [], []
    for key, part in frame.groupby(FAMILY, sort=False) if len(frame) else ():
        dataset, method, coefficient, loss, epoch = map(str, key)
        missing = [str(seed) for seed in seeds if seed not in set(part["seed"])]
        words = (dataset, method_words(method), f"{float(coefficient):g}", loss.replace("_", " "), epoch)
        size = _mean(part["size"].tolist(), percents=False)
        cells = [_mean(part[name].tolist(), percents=True) for name in labels]
        n_seeds = f"{len(part)}" + f" {MARK}" * bool(missing)
        rows.append(dict(zip(headers, [*words, size, *cells, n_seeds], strict=True)))
        if missing:
            notes.append(f"{MARK} {words[1]}, λ {words[2]}, {words[3]}, T {words[4]}: no seed {', '.join(missing)}.")
    return without_single_dataset(pd.DataFrame(rows, columns=headers, dtype=object)), notes


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
