"""Evaluation CSVs of whole arms, and their summary over seeds."""

import io
from collections.abc import Sequence
from pathlib import Path

import pandas as pd

from bam.errors import DataError
from bam.files import read_checked_text
from bam.layout import Layout
from bam.needs import needs_groups
from bam.plan import Plan
from bam.selection import RULES
from bam.statistics import over_seeds
from bam.study import Arm

CHOICE = ["dataset", "method", "selection"]
COLUMNS = [*CHOICE, "needs_groups", "seed", "metric", "group", "value", "n"]
STATISTICS = ["mean", "std", "ci95_low", "ci95_high", "n_seeds"]


def read_evaluations(
    plan: Plan,
    layout: Layout,
    arms: Sequence[Arm],
    *,
    label_only: Sequence[str] = (),
    only: Sequence[tuple[str, str, str]] = (),
) -> pd.DataFrame:
    """Return the rows of all evaluation CSVs of some arms, in config order, with a column `arm`.

    Where every setting had a failed seed, nothing was chosen and the CSV has no rows; see `completed`.

    Parameters
    ----------
    label_only
        Rules to keep; all if empty.
    only
        (data set, method, rule) to keep; all if empty.

    Raises
    ------
    DataError
        If a file is missing or is not an evaluation.
    """
    frames = []
    for arm in arms:
        for dataset, method, rule in arm.choices():
            if (label_only and rule not in label_only) or (only and (dataset, method, rule) not in only):
                continue
            frame = _read(layout.evaluation(arm.name, dataset, method, rule))
            if len(frame):
                frames.append(frame.assign(arm=arm.name, dataset=dataset, method=method, selection=rule))
    if not frames:
        return pd.DataFrame(columns=["arm", *COLUMNS, "at"])
    rows = pd.concat(frames, ignore_index=True)
    order = {seed: position for position, seed in enumerate(plan.study.file.seeds)}
    rows = rows[rows["seed"].isin(list(order))]
    rows["at"] = rows["seed"].map(order)
    return rows


def _read(path: Path) -> pd.DataFrame:
    try:
        text = pd.read_csv(io.StringIO(read_checked_text(path)), dtype=str, keep_default_na=False)
        frame = text[COLUMNS].copy()
        frame["seed"] = frame["seed"].astype(int)
        # Through Python's float: pandas' own parser may miss the last bit.
        for column in ("value", "n"):
            frame[column] = [float(entry) if entry else float("nan") for entry in frame[column]]
    except (ValueError, KeyError) as error:
        raise DataError(f"{path}: is not an evaluation ({error}); delete it to have it made again") from error
    return frame


def summarise(rows: pd.DataFrame, keys: list[str], seeds: Sequence[int]) -> pd.DataFrame:
    """Summarise `value` over seeds for each combination of keys, in order of appearance.

    Counts are pooled over seeds, so that Wilson's interval can stand where all seeds agree.

    Returns
    -------
    The keys, `STATISTICS`, and `n_correct`, `n_examples` (pooled, None without counts) and
    `missing` (seeds that have no value, as text)
    """
    summaries = [_summary(dict(zip(keys, key, strict=True)), part, seeds) for key, part in _parts(rows, keys)]
    return pd.DataFrame(summaries, columns=[*keys, *STATISTICS, "n_correct", "n_examples", "missing"], dtype=object)


def completed(found: pd.DataFrame, arms: Sequence[Arm], across: str, values: Sequence[str]) -> pd.DataFrame:
    """Add rows without a mean for every choice that has none, in config order.

    Parameters
    ----------
    found
        What `summarise` returns for the keys arm, `CHOICE`, needs_groups and `across`.
    across, values
        The column that has several rows a choice, and what to put there if no other choice
        on the data set tells.
    """
    there = dict(_parts(found, ["arm", *CHOICE]))
    rows: list[dict[str, object]] = []
    for arm in arms:
        for choice in arm.choices():
            part = there.get((arm.name, *choice))
            if part is not None:
                rows += [dict(zip(found.columns, cells, strict=True)) for cells in part.itertuples(index=False)]
                continue
            seen = found.loc[found["dataset"] == choice[0], across].unique().tolist() if len(found) else []
            head = {"arm": arm.name, **dict(zip(CHOICE, choice, strict=True)), "needs_groups": _needs(arm, choice)}
            empty = {"n_seeds": 0, "missing": ", ".join(map(str, arm.study.file.seeds))}
            rows += [{**head, across: value, **empty} for value in seen or values]
    frame = pd.DataFrame(rows, columns=found.columns, dtype=object)
    return frame.where(frame.notna(), None)


def _needs(arm: Arm, choice: tuple[str, str, str]) -> str:
    recipe = arm.study.settings[choice[1]][0].recipe
    return needs_groups(recipe.needs_train_groups, RULES[choice[2]].needs_groups)


def _parts(rows: pd.DataFrame, keys: list[str]) -> list[tuple[tuple[object, ...], pd.DataFrame]]:
    return [(key, part) for key, part in rows.groupby(keys, sort=False)] if len(rows) else []


def _summary(key: dict[str, object], part: pd.DataFrame, seeds: Sequence[int]) -> dict[str, object]:
    part = part.sort_values("at", kind="stable")
    pooled = None
    if part["n"].notna().all():
        pooled = (int((part["value"] * part["n"]).round().sum()), int(part["n"].sum()))
    found = over_seeds(part["value"].tolist(), pooled)
    there = set(part["seed"])
    return {
        **key,
        "mean": found.mean,
        "std": found.std,
        "ci95_low": found.low,
        "ci95_high": found.high,
        "n_seeds": found.n_seeds,
        "n_correct": pooled[0] if pooled else None,
        "n_examples": pooled[1] if pooled else None,
        "missing": ", ".join(str(seed) for seed in seeds if seed not in there),
    }


def by_seed(rows: pd.DataFrame) -> dict[tuple[tuple[str, str, str], str], dict[int, float]]:
    """Return ((dataset, method, rule), metric) -> seed -> value, for metrics that have one value a seed."""
    found: dict[tuple[tuple[str, str, str], str], dict[int, float]] = {}
    names = [rows[name].tolist() for name in (*CHOICE, "metric", "seed", "value")]
    for dataset, method, rule, metric, seed, value in zip(*names, strict=True):
        found.setdefault(((dataset, method, rule), metric), {})[seed] = value
    return found
