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
from bam.job_logs import (
    SILENT_S,
    Job,
    analysis_jobs,
    data_jobs,
    data_logs,
    error_set_jobs,
    is_error,
    lines,
    needs_of,
)
from bam.layout import Layout
from bam.plan import Plan, Run

TAIL_LINES = 5
MOST_LOGS = 10
BEFORE_OTHERS = ("fetch/", "prepare", "annotate/", "pretrained/", "error_set/")
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
    goes_on : whether a job runs, or a training has stopped silently or waits for nothing that has failed
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
    text = [
        _counted("prepared data", [layout.prepared(d.data_id) / "manifest.json" for d in plan.datasets.values()]),
        *(_summary(name, part) for name, part in trainings.items()),
        _counted("selections", selections),
        _counted("evaluations", evaluations),
        *_time_left(states, layout),
    ]
    text += [f"failed: {name}: {why}" for name, why in _diverged(states, layout)]
    before, between, after = _jobs(plan, layout)
    jobs = _still_needed([*before, *between, *after], states)
    logs = [_log(state.run, layout) for state in states if state.state == "failed"]
    logs = [*_failed(before, jobs), *logs, *_failed([*between, *after], jobs)]
    text += _tails(logs, layout)
    return Look(
        "\n".join(text),
        is_done=all(s.state == "done" for s in states) and all(p.exists() for p in (*selections, *evaluations)),
        has_failed=bool(logs),
        goes_on=_goes_on(before, between, jobs, states) or "running" in jobs.values(),
    )


def _jobs(plan: Plan, layout: Layout) -> tuple[list[Job], list[Job], list[Job]]:
    """Return the jobs before all trainings, between two stages, and after all trainings."""
    return data_jobs(plan, layout), error_set_jobs(plan, layout), list(analysis_jobs(plan, layout))


def _still_needed(jobs: Sequence[Job], states: Sequence[State]) -> dict[str, str]:
    """Return name -> state of the jobs that are not done and that something else waits for, or nothing comes after.

    A fetch that failed long ago is no matter where the data that it was for were pulled.
    """
    found: dict[str, str] = {}
    needed = {name for state in states if state.state != "done" for name in needs_of(state.run)}
    for job in reversed(jobs):  # what needs a job comes after it
        state = job.state()
        if state != "done" and (job.name in needed or not job.name.startswith(BEFORE_OTHERS)):
            found[job.name] = state
            needed |= job.needs
    return found


def _tails(logs: Sequence[Path], layout: Layout) -> list[str]:
    """Return the ends of the first logs, and how many more there are."""
    text: list[str] = []
    for path in logs[:MOST_LOGS]:
        text += [f"log {path}:", *(f"  {line}" for line in lines(path)[-TAIL_LINES:])]
    if len(logs) > MOST_LOGS:
        folders = f"{layout.results / 'logs'} and {data_logs(layout)}"
        text.append(f"and {len(logs) - MOST_LOGS} more logs that end in an error, below {folders}")
    return text


def _failed(jobs: Sequence[Job], states: Mapping[str, str]) -> list[Path]:
    return [job.log for job in jobs if states.get(job.name) == "failed"]


def _goes_on(before: Sequence[Job], between: Sequence[Job], jobs: Mapping[str, str], states: Sequence[State]) -> bool:
    """Return whether a training is under way, or waits for something other than what has failed."""
    runs = [(state.run.name, state.state, needs_of(state.run)) for state in states]
    stuck: set[str] = set()  # has failed, or waits for what has
    # Each after what it needs: lower T come first, and stage 1 before the error sets and stage 2.
    for name, state, needs in (
        *((job.name, jobs.get(job.name, "done"), job.needs) for job in before),
        *(run for run in runs if run[0].startswith("stage1/")),
        *((job.name, jobs.get(job.name, "done"), job.needs) for job in between),
        *(run for run in runs if not run[0].startswith("stage1/")),
    ):
        if state == "failed" or (state == "waiting" and needs & stuck):
            stuck.add(name)
    return any(state in ("running", "stopped") or (state == "waiting" and name not in stuck) for name, state, _ in runs)


def _states(runs: Iterable[Run], layout: Layout) -> list[State]:
    return [_state(run, layout) for run in runs]


def _state(run: Run, layout: Layout) -> State:
    if (layout.predictions(run.name) / "record.json").exists():
        return State(run, "done")
    log = _log(run, layout)
    if not log.exists():
        return State(run, "waiting")
    said = lines(log)
    if is_error(said):
        return State(run, "failed")
    silent = time.time() - _last_written(log, layout.predictions(run.name), layout.weights(run.name))
    if silent > SILENT_S:
        return State(run, "stopped")
    left = TIME_LEFT.findall("\n".join(said))
    return State(run, "running", float(left[-1]) if left else None)


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
