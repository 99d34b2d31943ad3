"""How far the auxiliary variables pull each group's examples towards their labels."""

from collections import defaultdict

import numpy as np
import pandas as pd

from bam.artifacts import read_auxiliary, read_error_set
from bam.errors import DataError
from bam.layout import Layout
from bam.plan import Cell, Plan
from bam.tables.accuracies import without_single_dataset
from bam.tables.captions import MARK, n_seeds_words
from bam.tables.content import Table
from bam.tables.inputs import auxiliary_cells, error_set, stage1_key
from bam.tables.truth import Truth
from bam.tables.words import EMPTY, method_words, number

FAMILY = ["dataset", "method", "lambda", "stage1_loss", "T"]
QUANTILES = {"q05": 0.05, "q25": 0.25, "median": 0.5, "q75": 0.75, "q95": 0.95}
COLUMNS = [*FAMILY, "epoch", "group", "is_minority", "n", *QUANTILES]
Family = tuple[str, str, float, str, int]


def margins(scaled: np.ndarray, labels: np.ndarray) -> np.ndarray:
    """Return λ(b_y - mean over c≠y of b_c) of each example.

    Parameters
    ----------
    scaled : λb, float array of shape (n, C), C >= 2
    labels : integer array of shape (n,)

    Returns
    -------
    float64 array of shape (n,)

    >>> margins(np.array([[2.0, 0.5], [1.0, 4.0]]), np.array([0, 0])).tolist()
    [1.5, -3.0]
    """
    wide = scaled.astype(np.float64)
    own = wide[np.arange(len(labels)), labels]
    return np.asarray(own - (wide.sum(axis=1) - own) / (wide.shape[1] - 1))


def auxiliary_table(plan: Plan, layout: Layout) -> Table:
    """Return quantiles over examples and seeds of the auxiliary margin, by group and epoch."""
    truth = Truth(layout)
    families, notes = _families(plan)
    rows: list[dict[str, object]] = []
    for family, cells in families.items():
        finished = []
        for cell in cells:
            _, failed = read_error_set(error_set(cell, layout))
            if failed:
                notes.append(f"{MARK} {method_words(family[1])}: without seed {cell.seed}, whose stage 1 failed.")
            else:
                finished.append(cell)
        rows += _rows(family, finished, truth, layout)
    frame = pd.DataFrame(rows, columns=COLUMNS, dtype=object)
    return Table(
        frame=frame,
        shown=_shown(frame),
        caption="Margin of the auxiliary variables towards the label, λ(b_y − mean of the other b_c), after stage 1, "
        f"over the training examples of {n_seeds_words(plan)} together, study {plan.study.name}. "
        "Watched epochs stand in the CSV. Quantiles are spreads of examples, not confidence intervals.",
        notes=tuple(notes),
    )


def _families(plan: Plan) -> tuple[dict[Family, list[Cell]], list[str]]:
    """Return the cells of each key, one a seed, and a note if other stage-1 settings share a key."""
    by_seed: dict[Family, dict[int, Cell]] = {}
    hidden = set()
    for cell in auxiliary_cells(plan):
        assert cell.stage1 is not None
        family = (cell.dataset, cell.method, *stage1_key(cell), cell.stage1.spec.training.epochs)
        first = by_seed.setdefault(family, {}).setdefault(cell.seed, cell)
        if first.stage1 != cell.stage1:
            hidden.add(cell.stage1.name)
    text = f"{len(hidden)} runs of the same λ, loss, T and seed but other stage-1 settings are not shown."
    return {family: list(cells.values()) for family, cells in by_seed.items()}, [text] if hidden else []


def _rows(family: Family, cells: list[Cell], truth: Truth, layout: Layout) -> list[dict[str, object]]:
    pooled: dict[tuple[int, str], list[np.ndarray]] = defaultdict(list)
    minority: dict[str, bool] = {}
    for cell in cells:
        assert cell.stage1 is not None
        dataset = cell.run.dataset
        labels, membership = truth.labels(dataset, "train"), truth.groups(dataset, "train").membership
        scheme = truth.scheme(dataset)
        minority |= dict(zip(scheme.names, scheme.minority, strict=True))
        path = layout.predictions(cell.stage1.name) / "auxiliary.npz"
        for epoch, scaled in read_auxiliary(path).items():
            if len(scaled) != len(labels):
                raise DataError(f"{path}: is about {len(scaled)} examples, the split has {len(labels)}")
            margin = margins(scaled, labels)
            for column, name in enumerate(scheme.names):
                pooled[epoch, name].append(margin[membership[:, column]])
    order = {name: position for position, name in enumerate(minority)}
    rows = []
    for epoch, name in sorted(pooled, key=lambda key: (key[0], order[key[1]])):
        values = np.concatenate(pooled[epoch, name])
        head = dict(zip(FAMILY, family, strict=True))
        found = np.quantile(values, list(QUANTILES.values())).tolist() if len(values) else [None] * len(QUANTILES)
        counts = {"epoch": epoch, "group": name, "is_minority": minority[name], "n": len(values)}
        rows.append({**head, **counts, **dict(zip(QUANTILES, found, strict=True))})
    return rows


def _shown(frame: pd.DataFrame) -> pd.DataFrame:
    headers = ["Data set", "Method", "λ", "Loss", "T", "Group", "Minority", "Examples", "Median", "5 % to 95 %"]
    rows = []
    for row in frame[frame["epoch"] == frame["T"]].to_dict("records"):
        empty = row["median"] is None
        cells = (
            *(row["dataset"], method_words(row["method"]), f"{row['lambda']:g}"),
            *(row["stage1_loss"].replace("_", " "), str(row["T"])),
            *(row["group"], "yes" if row["is_minority"] else "no", str(row["n"]), number(row["median"], 3)),
            EMPTY if empty else f"{number(row['q05'], 3)} to {number(row['q95'], 3)}",
        )
        rows.append(dict(zip(headers, cells, strict=True)))
    return without_single_dataset(pd.DataFrame(rows, columns=headers, dtype=object))
