"""Our test accuracies beside the numbers that others have published, with a verdict for each."""

from collections.abc import Callable, Iterable
from dataclasses import dataclass

import pandas as pd

from bam.layout import Layout
from bam.plan import Plan
from bam.published import KEYS, Published, published_for
from bam.statistics import ROUNDING, Summary, interval_against, welch_interval
from bam.tables.accuracies import without_single_dataset, worded
from bam.tables.captions import MARK, intervals, missing_notes, protocol
from bam.tables.content import Table
from bam.tables.evaluations import CHOICE, read_evaluations, summarise
from bam.tables.inputs import arm_point, published_arms
from bam.tables.words import EMPTY, METRICS, method_words, point_digits, rule_words, spread

MARGIN = 0.02
AGREES, DIFFERS, INCONCLUSIVE, NOT_COMPARABLE = VERDICTS = ("agrees", "differs", "inconclusive", "not comparable")
HEAD = [*CHOICE, "metric", "published", "published_std", "source", "confidence"]
POINT = ["analysis", "value", "second_value"]
COLUMNS = [
    *HEAD,
    *("ours", "ours_std", "n_seeds", "difference", "verdict"),
    *("ci95_low", "ci95_high", "margin", *POINT, "place", "note"),
]
RULE = (
    f"Margin {100 * MARGIN:g} points. {AGREES}: the whole interval lies within the margin. {DIFFERS}: the interval "
    f"excludes 0 and the difference is larger than the margin. {INCONCLUSIVE}: neither, or no interval. "
    f"{NOT_COMPARABLE}: another setting, or no value here."
)
INTERVAL = (
    "Difference: ours minus published, in points, with its 95 % interval: Welch's where the spread and the number of "
    "runs are published; else with the binomial error of the test examples behind the published number, where their "
    "number is known; else that of ours, the published number taken as exact. A reading off a plot widens it by the "
    "reading error."
)


@dataclass(frozen=True)
class Comparison:
    """A published number and ours (None if there is none); difference, bounds and verdict in fractions."""

    row: Published
    ours: Summary | None
    difference: float | None
    low: float | None
    high: float | None
    verdict: str


def fidelity_table(plan: Plan, layout: Layout) -> Table:
    """Return every published number of a study's setting, ours, their difference and a verdict."""
    found, missing = _ours(plan, layout)
    compared = [compare(row, found.get(row.key)) for row in published_for(plan.study.name)]
    frame = pd.DataFrame([_cells(one) for one in compared], columns=COLUMNS, dtype=object)
    return Table(
        frame=frame.where(frame.notna(), None),
        shown=_shown(compared),
        caption=f"Beside published numbers, test accuracy in percent, study {plan.study.name}. {INTERVAL} {RULE} "
        f"Ours: {intervals(plan)} {protocol(plan, with_budget=False)}",
        notes=(
            _counted(compared),
            *_without_value(compared),
            *_not_comparable(compared),
            *_without_interval(compared),
            *missing,
            *_spreads(compared),
            *_remarks(compared),
        ),
    )


def compare(row: Published, ours: Summary | None) -> Comparison:
    """Set our number beside a published one.

    Parameters
    ----------
    ours
        Summary over seeds; None if there is no value.
    """
    if ours is None or not row.is_comparable:
        return Comparison(row, ours, None, None, None, NOT_COMPARABLE)
    difference, bounds = ours.mean - row.published, difference_interval(row, ours)
    low, high = bounds or (None, None)
    return Comparison(row, ours, difference, low, high, verdict(difference, bounds))


def difference_interval(row: Published, ours: Summary) -> tuple[float, float] | None:
    """Return the 95 % interval of ours minus published, within [-1, 1]; None if ours has none.

    Welch's, if the published number has a spread over at least two runs and one of the two spreads
    is above 0. Else with the published number's binomial error, if its test examples are known.
    Else our own interval around the published number: over seeds, or Wilson's where all seeds agree.
    Each is widened by the reading error on both sides.
    """
    if ours.std is None or ours.low is None or ours.high is None:
        return None
    low, high = ours.low - row.published, ours.high - row.published
    if row.published_std is not None and (row.published_n or 0) > 1 and ours.std + row.published_std > 0:
        theirs = (row.published, row.published_std, row.published_n or 0)
        low, high = welch_interval(ours.mean, ours.std, ours.n_seeds, *theirs)
    elif row.sampling_error is not None:
        low, high = interval_against(ours.mean, ours.std, ours.n_seeds, row.published, row.sampling_error)
    return max(-1.0, low - row.reading_error), min(1.0, high + row.reading_error)


def verdict(difference: float, bounds: tuple[float, float] | None, margin: float = MARGIN) -> str:
    """Return `agrees`, `differs` or `inconclusive`.

    >>> verdict(0.0, (-0.02, 0.02)), verdict(0.03, (0.001, 0.059)), verdict(0.015, (0.001, 0.029))
    ('agrees', 'differs', 'inconclusive')
    """
    if bounds is None:
        return INCONCLUSIVE
    low, high = bounds
    if -margin <= low and high <= margin:
        return AGREES
    return DIFFERS if (low > 0 or high < 0) and abs(difference) > margin else INCONCLUSIVE


def _ours(plan: Plan, layout: Layout) -> tuple[dict[tuple[str, ...], Summary], tuple[str, ...]]:
    """Return our summaries by `Published.key`, and a note for each that lacks seeds."""
    arms = published_arms(plan)
    rows = read_evaluations(plan, layout, arms)
    rows = rows[rows["metric"].isin(list(METRICS))]
    found = summarise(rows, ["arm", *CHOICE, "metric"], plan.study.file.seeds)
    points = {arm.name: arm_point(arm) for arm in arms}
    for position, name in enumerate(POINT):
        found[name] = [points[arm][position] for arm in found["arm"]]
    keys = [tuple(row[name] for name in KEYS) for row in found.to_dict("records")]
    values = [found[name].tolist() for name in ("mean", "std", "ci95_low", "ci95_high", "n_seeds")]
    wanted = {row.key for row in published_for(plan.study.name)}
    used = found[pd.Series([key in wanted for key in keys], dtype=bool)]
    notes = missing_notes(worded(used), [*POINT, *CHOICE, "metric"])
    return dict(zip(keys, (Summary(*cells) for cells in zip(*values, strict=True)), strict=True)), notes


def _cells(one: Comparison) -> dict[str, object]:
    ours = one.ours
    return {
        **{name: getattr(one.row, name) for name in (*HEAD, *POINT, "place", "note")},
        "ours": ours.mean if ours else None,
        "ours_std": ours.std if ours else None,
        "n_seeds": ours.n_seeds if ours else 0,
        "difference": one.difference,
        "verdict": one.verdict,
        "ci95_low": one.low,
        "ci95_high": one.high,
        "margin": MARGIN,
    }


def _shown(compared: Iterable[Comparison]) -> pd.DataFrame:
    listed = list(compared)
    digits = point_digits((one.low, one.high) for one in listed)
    rows = [
        {
            "Data set": one.row.dataset,
            "Method": method_words(one.row.method),
            "Selection rule": rule_words(one.row.selection) or EMPTY,
            "Metric": METRICS.get(one.row.metric, one.row.metric),
            "At": _at(one.row) or EMPTY,
            "Published": spread(one.row.published, one.row.published_std),
            "Ours": spread(one.ours.mean, one.ours.std, one.ours.low, one.ours.high) if one.ours else EMPTY,
            "Seeds": str(one.ours.n_seeds) if one.ours else "0",
            "Difference": spread(one.difference, None, one.low, one.high, digits),
            "Verdict": one.verdict,
            "Source": _place(one.row),
            "Confidence": one.row.confidence.replace("_", " "),
        }
        for one in listed
    ]
    headers = ["Data set", "Method", "Selection rule", "Metric", "At", "Published", "Ours", "Seeds"]
    headers += ["Difference", "Verdict", "Source", "Confidence"]
    shown = without_single_dataset(pd.DataFrame(rows, columns=headers, dtype=object))
    return shown if (shown["At"] != EMPTY).any() else shown.drop(columns="At")


def _at(row: Published) -> str:
    """Return the value of a sweep, e.g. ``T_mu 5, 10``."""
    return f"{row.analysis} {', '.join(part for part in (row.value, row.second_value) if part)}".strip()


def _place(row: Published) -> str:
    return ", ".join(part for part in (row.source, row.place) if part)


def _counted(compared: list[Comparison]) -> str:
    counts = {name: sum(one.verdict == name for one in compared) for name in VERDICTS}
    differences = [one.difference for one in compared if one.difference is not None]
    listed = ", ".join(f"{n} {name}" for name, n in counts.items())
    return (
        f"Verdicts on {len(compared)} published numbers: {listed}. Ours is at or above the published number in "
        f"{sum(difference >= -ROUNDING for difference in differences)} of the {len(differences)} compared."
    )


def _without_value(compared: Iterable[Comparison]) -> list[str]:
    rows = [one.row for one in compared if one.ours is None]
    return [f"{MARK} No value here: {what}." for what in _grouped(rows, _what)]


def _what(row: Published) -> str:
    """Return what a number is of, without the sweep's values: those are listed behind it."""
    parts = (row.dataset, method_words(row.method), rule_words(row.selection), METRICS.get(row.metric, row.metric))
    return ", ".join(part for part in parts if part)


def _not_comparable(compared: Iterable[Comparison]) -> list[str]:
    rows = [one.row for one in compared if one.ours is not None and not one.row.is_comparable]
    return [f"{MARK} Not comparable: {what}." for what in _grouped(rows, lambda row: f"{_what(row)}: {row.note}")]


def _grouped(rows: Iterable[Published], what: Callable[[Published], str]) -> list[str]:
    """Return one text for each `what`, with the values of sweeps that it stands at."""
    found: dict[str, dict[str, None]] = {}
    for row in rows:
        at = found.setdefault(what(row), {})
        if row.analysis:
            at[_at(row)] = None
    return [f"{name} at {'; '.join(at)}" if at else name for name, at in found.items()]


def _without_interval(compared: Iterable[Comparison]) -> list[str]:
    seen = [one for one in compared if one.difference is not None and one.ours is not None]
    single = sum(one.low is None for one in seen)
    still = sum(one.ours is not None and one.ours.std == 0 for one in seen)
    notes = []
    if single:
        notes.append(f"{single} of ours are of one seed: no spread, no interval, so {INCONCLUSIVE} whatever they are.")
    if still:
        notes.append(f"{still} of ours are the same for all seeds: a spread of 0 says little of other seeds.")
    return notes


def _spreads(compared: Iterable[Comparison]) -> list[str]:
    meanings = dict.fromkeys(one.row.spread_meaning for one in compared if one.row.published_std is not None)
    return [f"± of published numbers: {' / '.join(meanings)}."] if meanings else []


def _remarks(compared: Iterable[Comparison]) -> list[str]:
    rows = [one.row for one in compared if one.difference is not None and one.row.note]
    return list(dict.fromkeys(f"{_place(row)}: {row.note}." for row in rows))
