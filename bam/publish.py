"""Publish finished studies: prune, commit to DVC, copy tables and figures, stage for git; in this order.

Every step may be killed and the whole run again. Until the last step nothing is staged for git, so the
last commit goes on saying what is true: `dvc.lock` there names nothing that its `artifacts/` lacks.
"""

import os
import subprocess
import sys
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from bam.data.sources import read_sources
from bam.errors import ConfigError, DataError, RunError
from bam.export import export
from bam.exported import SCHEMA as MODEL_SCHEMA
from bam.files import read_json
from bam.graph import SOURCES
from bam.layout import INPUT_FILES, SEGMENT_FILES, Layout
from bam.pipeline import files_of
from bam.plan import Plan
from bam.prune import missing_runs, prune
from bam.pull import LARGE, PREDICTIONS
from bam.store import ARTIFACTS, LIMIT_BYTES, LOCK, PUBLISHED, dvc, git, read_published, sweep, write_published
from bam.verify import must_match

STAGED = (str(PUBLISHED), str(LOCK), "large/dvc.lock", str(ARTIFACTS), "docs/results", "docs/fidelity.md", "README.md")
MADE_FROM = ("bam", "workflow", "config")
CACHED = "workflow/profiles/cached"
MODEL_METHOD = "bam"


@dataclass(frozen=True)
class Job:
    """One study to publish.

    Attributes
    ----------
    config : its file, relative to the repository
    remote : the DVC remote that its predictions, labels and groups go to
    """

    config: str
    remote: str
    plan: Plan
    layout: Layout

    @property
    def name(self) -> str:
        """The study's name."""
        return self.plan.study.name

    @property
    def data_ids(self) -> list[str]:
        """The ids of its prepared data, which several groups may share."""
        return list(dict.fromkeys(data.data_id for data in self.plan.datasets.values()))


def publish(jobs: Sequence[Job], say: Callable[[str], None], message: str | None = None) -> None:
    """Take every step for all studies, saying which.

    Parameters
    ----------
    message
        Of a commit to git of what was staged, as the last step; None for no commit.

    Raises
    ------
    RunError
        If a run is missing, or a command fails; it is named. If there is to be a commit and git does not have the code
        or the configs as they are: then no commit would say what made the results.
    DataError
        If a stored file is not what its record says, or `artifacts` would grow beyond its limit.
    """
    _check_names(jobs)
    if message is not None and (changed := _uncommitted()):
        raise RunError(f"publish: {changed[0]} has changes that no commit has; commit code and configs first")
    for words, step in STEPS:
        say(words)
        step(jobs)
    staged = [path for path in STAGED if Path(path).exists()]
    if message is None:
        first = f" ({_uncommitted()[0]} has changes too: commit code and configs first)" if _uncommitted() else ""
        say(f'done; to keep it: git commit -m "Publish results"{first}')
    elif git("diff", "--cached", "--name-only", "--", *staged):
        say("commit to git")
        git("commit", "--quiet", "--message", message, "--", *staged)
    else:
        say("nothing has changed, so there is nothing to commit to git")


def _uncommitted() -> list[str]:
    """Return what of code and configs git does not have as it is: ids come from both."""
    lines = git("status", "--porcelain", "--untracked-files=all", "--", *MADE_FROM).splitlines()
    return [line[3:] for line in lines]


def below_here(config: str) -> str:
    """Return a config's path below the working directory, as every clone has it; ConfigError if it is elsewhere."""
    path = Path(os.path.relpath(config))
    if path.is_absolute() or ".." in path.parts:
        raise ConfigError(f"{config}: is not in this repository, so no clone of it would have it; copy it to config/")
    return path.as_posix()


def _check_names(jobs: Sequence[Job]) -> None:
    names = [job.name for job in jobs]
    for job in jobs:
        if names.count(job.name) > 1:
            raise ConfigError(f"{job.config}: study {job.name!r} is named by two configs, whose runs share a folder")


def _check(jobs: Sequence[Job]) -> None:
    for job in jobs:
        missing = missing_runs(job.plan, job.layout)
        if missing:
            raise RunError(
                f"{job.config}: {len(missing)} runs are not there, {missing[0]} among them; "
                "run the study, or carry its runs over with `bam rekey`"
            )
        must_match(job.plan, job.layout)


def _analyse(jobs: Sequence[Job]) -> None:
    """Bring tables, figures and report up to date; in the profile `cached` nothing can train."""
    for job in jobs:
        command = [sys.executable, "-m", "snakemake", "--cores", "all", "--quiet", "rules"]
        command += ["--workflow-profile", CACHED, "--configfile", job.config]
        if subprocess.run(command, check=False).returncode != 0:
            raise RunError(f"{job.config}: its tables and figures could not be made; see the lines above")


def _prune(jobs: Sequence[Job]) -> None:
    for job in jobs:
        prune(job.plan, job.layout)
        for step in PREDICTIONS:  # a study without runs of a step has an empty folder, which DVC can track
            (job.layout.results / "predictions" / step).mkdir(parents=True, exist_ok=True)


def _models(jobs: Sequence[Job]) -> None:
    """Export the model that each study's first kept rule chose for its first seed, unless it is there."""
    for job in jobs:
        chosen = _model(job)
        if chosen and _has_weights(job) and not _is_exported(job):
            choice = {key: chosen[key] for key in ("dataset", "method", "rule", "seed")}
            export(job.plan, job.layout, read_sources(SOURCES), **choice, out=job.layout.model)


def _describe(jobs: Sequence[Job]) -> None:
    published = read_published()
    for job in jobs:
        about = {"config": job.config, "remote": job.remote}
        named = {"data": job.data_ids, "groups": list(job.plan.datasets)}
        published.studies[job.name] = {**about, **named}
        published.data.update(dict.fromkeys(named["data"], about))
        published.segments.update({an_id: about for an_id in named["data"] if _has(job, an_id, SEGMENT_FILES)})
        published.groups.update(dict.fromkeys(named["groups"], about))
        published.models.pop(job.name, None)
        if _is_exported(job):
            published.models[job.name] = {**about, **_model(job)}
    for what, entries in (("data", published.data), ("data", published.segments), ("groups", published.groups)):
        for an_id in set(entries) - {an_id for study in published.studies.values() for an_id in study[what]}:
            del entries[an_id]
    write_published(published)


def _commit(jobs: Sequence[Job]) -> None:
    dvc("commit", "--force", *[stage for job in jobs for stage in _stages(job)])


def _stages(job: Job) -> Iterator[str]:
    """Yield the stages whose files are all here; what was not pulled stays as it was published."""
    yield from (f"groups@{an_id}" for an_id in job.plan.datasets)
    for an_id in job.data_ids:
        yield f"labels@{an_id}"
        if _has(job, an_id, INPUT_FILES):
            yield f"{LARGE}:inputs@{an_id}"
        if _has(job, an_id, SEGMENT_FILES):
            yield f"{LARGE}:segments@{an_id}"
    yield from (f"{step}@{job.name}" for step in PREDICTIONS)
    if _has_weights(job):
        yield f"{LARGE}:weights@{job.name}"
    if _is_exported(job):
        yield f"model@{job.name}"


def _push(jobs: Sequence[Job]) -> None:
    for remote in dict.fromkeys(job.remote for job in jobs):
        small = [stage for job in jobs if job.remote == remote for stage in _stages(job)]
        dvc("push", "--remote", remote, *[s for s in small if not s.startswith(LARGE)])
    # The remote `store` is a folder of this clone until its user names another one: then a push is a second copy.
    if Path(dvc("config", "remote.store.url").strip()) != Path(".dvc/store").absolute():
        dvc("push", "--remote", "store", *[s for job in jobs for s in _stages(job) if s.startswith(LARGE)])


def _sweep(jobs: Sequence[Job]) -> None:  # noqa: ARG001  (all steps take the same)
    n_bytes = sweep()
    if n_bytes > LIMIT_BYTES:
        raise DataError(
            f"{ARTIFACTS}: would hold {n_bytes:,} bytes, more than the {LIMIT_BYTES:,} that the repository carries; "
            "publish large studies to a remote of your own with --remote"
        )


def _copy(jobs: Sequence[Job]) -> None:
    command = [sys.executable, "docs/copy_results.py", *(job.name for job in jobs)]
    if subprocess.run(command, check=False).returncode != 0:
        raise RunError("docs/copy_results.py: tables and figures could not be copied; see the lines above")
    dvc("commit", "--force", *(f"results@{job.name}" for job in jobs))


def _stage(jobs: Sequence[Job]) -> None:  # noqa: ARG001  (all steps take the same)
    git("add", "--all", "--", *(path for path in STAGED if Path(path).exists()))


def _model(job: Job) -> dict[str, Any]:
    """Say which model is taken out of a study; nothing if it keeps no weights of BAM's."""
    file = job.plan.study.file
    if MODEL_METHOD not in file.methods or not file.keep_weights:
        return {}
    dataset, rule = next(iter(file.datasets)), file.keep_weights[0]
    return {"dataset": dataset, "method": MODEL_METHOD, "rule": rule, "seed": file.seeds[0]}


def _has(job: Job, data_id: str, names: Sequence[str]) -> bool:
    return all((job.layout.prepared(data_id) / name).exists() for name in names)


def _has_weights(job: Job) -> bool:
    runs = (*job.plan.stage1.values(), *job.plan.trainings.values())
    return all(path.exists() for run in runs for path in files_of(run, job.layout).all())


def _is_exported(job: Job) -> bool:
    """Return whether the model of a run of this plan was exported before, as today's choice has it."""
    path, chosen = job.layout.model / "model.json", _model(job)
    if not chosen or not path.exists():
        return False
    model = read_json(path)
    selection = job.layout.selection("main", chosen["dataset"], chosen["method"], chosen["rule"])
    choices = read_json(selection)["chosen"] if selection.exists() else []
    return model["schema"] == MODEL_SCHEMA and any(
        (model["chosen"]["run"], model["chosen"]["epoch"]) == (c["run"], c["epoch"]) for c in choices
    )


STEPS: tuple[tuple[str, Callable[[Sequence[Job]], None]], ...] = (
    ("check that every run is there and is what its record says", _check),
    ("bring tables and figures up to date", _analyse),
    ("prune what the configs no longer name", _prune),
    ("export the chosen models", _models),
    ("write published.yaml", _describe),
    ("commit to DVC", _commit),
    ("push to the remotes", _push),
    ("sweep artifacts/", _sweep),
    ("copy tables and figures to docs/results/", _copy),
    ("stage for git", _stage),
)
