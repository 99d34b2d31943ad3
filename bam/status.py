"""How far a study is: what is done, running, failed and left, how long that takes, and why something failed."""

import re
import time
import zipfile
from collections import Counter, defaultdict
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from statistics import fmean

import numpy as np

from bam.errors import DataError
from bam.files import read_json
from bam.layout import Layout
from bam.plan import Plan, Run

TAIL_LINES = 5
MOST_LOGS = 10
SILENT_S = 600  # trainings write to their log every half minute, or once an epoch if that takes longer
ANALYSIS = ("select", "evaluate", "table", "figure")
TIME_LEFT = re.compile(r": \d+ of \d+, (\d+) s left$", re.MULTILINE)


@dataclass(frozen=True)
class State:
    """One training.

    Attributes
    ----------
    state : done, running, failed (its log ends in an error), stopped (begun, and silent for SILENT_S), or waiting
    seconds_left : what is left of a running one by its own log, None if it does not say
    """

    run: Run
    state: str
    seconds_left: float | None = None


@dataclass(frozen=True)
class Look:
    """How far a study is at one moment.

    Attributes
    ----------
    text : the same in words
    is_done : whether every training, selection and evaluation is there
    has_failed : whether a log ends in an error
    goes_on : whether a training runs or has stopped silently, or waits for nothing that has failed
    """

    text: str
    is_done: bool
    has_failed: bool
    goes_on: bool


def look_at_all(plans: Sequence[tuple[Plan, Layout]]) -> Look:
    """Return how far several studies are as one; with more than one, each under its name."""
    looks = [look(plan, layout) for plan, layout in plans]
    heads = [f"study {plan.study.name}\n" if len(plans) > 1 else "" for plan, _ in plans]
    return Look(
        text="\n\n".join(head + each.text for head, each in zip(heads, looks, strict=True)),
        is_done=all(each.is_done for each in looks),
        has_failed=any(each.has_failed for each in looks),
        goes_on=any(each.goes_on for each in looks),
    )


def look(plan: Plan, layout: Layout) -> Look:
    """Return, per step, done of total and what the others are at; the time left; and what failed, with log tails.

    Times are means over finished runs of the same step, method and data set, or else of the same step, so they say
    nothing before a first run is done. A run is judged by its files alone, so a cluster's jobs count too.
    """
    trainings = {
        "stage 1": _states(plan.stage1.values(), layout),
        "final trainings": _states(plan.trainings.values(), layout),
    }
    states = [state for part in trainings.values() for state in part]
    choices = [(arm.name, *choice) for arm in plan.arms for choice in arm.choices()]
    selections = [layout.selection(*choice) for choice in choices]
    evaluations = [layout.evaluation(*choice) for choice in choices]
    lines = [
        _counted("prepared data", [layout.prepared(d.data_id) / "manifest.json" for d in plan.datasets.values()]),
        *(_summary(name, part) for name, part in trainings.items()),
        _counted("selections", selections),
        _counted("evaluations", evaluations),
        *_time_left(states, layout),
    ]
    lines += [f"failed: {name}: {why}" for name, why in _diverged(states, layout)]
    logs = [_log(state.run, layout) for state in states if state.state == "failed"]
    logs += _failed_analysis(layout.results / "logs")
    for path in logs[:MOST_LOGS]:
        lines += [f"log {path}:", *(f"  {line}" for line in _lines(path)[-TAIL_LINES:])]
    if len(logs) > MOST_LOGS:
        lines.append(f"and {len(logs) - MOST_LOGS} more logs that end in an error, below {layout.results / 'logs'}")
    return Look(
        "\n".join(lines),
        is_done=all(s.state == "done" for s in states) and all(p.exists() for p in (*selections, *evaluations)),
        has_failed=bool(logs),
        goes_on=_goes_on(states),
    )


def _goes_on(states: Sequence[State]) -> bool:
    """Return whether a training is under way, or waits for something other than what has failed."""
    failed = {state.run.name for state in states if state.state == "failed"}
    for state in states:
        if state.state in ("running", "stopped"):
            return True
        needs = {state.run.stage1, state.run.previous} & failed
        if state.state == "waiting" and needs:
            failed.add(state.run.name)  # lower T come first, and stage 1 before stage 2
        elif state.state == "waiting":
            return True
    return False


def _states(runs: Iterable[Run], layout: Layout) -> list[State]:
    return [_state(run, layout) for run in runs]


def _state(run: Run, layout: Layout) -> State:
    if (layout.predictions(run.name) / "record.json").exists():
        return State(run, "done")
    log = _log(run, layout)
    if not log.exists():
        return State(run, "waiting")
    lines = _lines(log)
    if _is_error(lines):
        return State(run, "failed")
    silent = time.time() - _last_written(log, layout.predictions(run.name), layout.weights(run.name))
    if silent > SILENT_S:
        return State(run, "stopped")
    said = TIME_LEFT.findall("\n".join(lines))
    return State(run, "running", float(said[-1]) if said else None)


def _last_written(log: Path, *folders: Path) -> float:
    """Return when a run last wrote to its log or left a file, such as a state to go on from, in seconds."""
    paths = [log, *(path for folder in folders if folder.exists() for path in folder.iterdir())]
    stamps = []
    for path in paths:
        try:
            stamps.append(path.stat().st_mtime)
        except OSError:  # a temporary file that has got its name meanwhile
            continue
    return max(stamps, default=0.0)


def _counted(name: str, paths: Sequence[Path]) -> str:
    return f"{name:16} {sum(p.exists() for p in paths):5} of {len(paths)}"


def _summary(name: str, states: Sequence[State]) -> str:
    counts = Counter(state.state for state in states)
    others = [f"{counts[what]} {what}" for what in ("running", "failed", "stopped", "waiting") if counts[what]]
    line = f"{name:16} {counts['done']:5} of {len(states)}"
    # Before anything has begun, that all is waiting goes without saying.
    return line if counts["waiting"] == len(states) or not others else f"{line}: {', '.join(others)}"


def _time_left(states: Sequence[State], layout: Layout) -> list[str]:
    """Return a line on the time left, or nothing if all is done or nothing is known yet."""
    left = [state for state in states if state.state != "done"]
    if not left:
        return []
    means = _mean_seconds([state.run for state in states if state.state == "done"], layout)
    needed = [_needed(state, means) for state in left]
    known = [seconds for seconds in needed if seconds is not None]
    if not known:
        return []
    # Steps without a finished run are taken to cost what the others do.
    total = sum(known) * len(left) / len(known)
    running = sum(state.state == "running" for state in left)
    text = f"time left        about {_words(total)} of training, one after another"
    return [f"{text}; {_words(total / running)} with {running} at a time as now" if running > 1 else text]


def _needed(state: State, means: Mapping[tuple[str, ...], float]) -> float | None:
    if state.seconds_left is not None:
        return state.seconds_left
    return next((means[key] for key in _keys(state.run) if key in means), None)


def _keys(run: Run) -> list[tuple[str, ...]]:
    """Return what a run's time is looked up by, the closest likeness first."""
    step, kind = run.spec.step, run.dataset.data_id.rsplit("-", 1)[0]
    return [(step, run.spec.method, kind), (step,)]


def _mean_seconds(done: Sequence[Run], layout: Layout) -> dict[tuple[str, ...], float]:
    seconds = defaultdict(list)
    for run in done:
        try:
            timing = read_json(layout.predictions(run.name) / "timing.json")
            wall = float(timing["wall_s"])
        except (DataError, KeyError, TypeError, ValueError):
            continue  # timings may be lost, and nothing else depends on them
        for key in _keys(run):
            seconds[key].append(wall)
    return {key: fmean(values) for key, values in seconds.items()}


def _words(seconds: float) -> str:
    if seconds < 90:
        return f"{seconds:.0f} s"
    return f"{seconds / 60:.0f} min" if seconds < 5400 else f"{seconds / 3600:.1f} h"


def _diverged(states: Sequence[State], layout: Layout) -> Iterator[tuple[str, str]]:
    """Yield finished runs that are marked failed, and why; of each file only that one word is read."""
    for state in states:
        path = layout.predictions(state.run.name) / "val.npz"
        if state.state != "done" or not path.exists():
            continue
        try:
            with np.load(path, allow_pickle=False) as arrays:
                why = str(arrays["failed"])
        except (OSError, ValueError, EOFError, KeyError, zipfile.BadZipFile) as error:
            why = f"{path}: cannot be read ({error}); `bam verify` says more"
        if why:
            yield state.run.name, why


def _log(run: Run, layout: Layout) -> Path:
    return layout.results / "logs" / f"{run.name}.log"


def _failed_analysis(logs: Path) -> list[Path]:
    return [path for step in ANALYSIS for path in sorted((logs / step).rglob("*.log")) if _is_error(_lines(path))]


def _lines(path: Path) -> list[str]:
    return path.read_text(encoding="utf-8", errors="replace").rstrip().splitlines()


def _is_error(lines: Sequence[str]) -> bool:
    return bool(lines) and (lines[-1].startswith("bam: ") or any(line.startswith("Traceback") for line in lines))
