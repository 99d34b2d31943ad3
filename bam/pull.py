"""Bring published predictions, labels and groups back, and say whether they are what their records say."""

from collections.abc import Sequence
from pathlib import Path

from bam.catalogue import suggestion
from bam.data.sources import RawSet
from bam.errors import ConfigError, RunError
from bam.layout import Layout
from bam.plan import make_plan
from bam.prune import missing_runs
from bam.store import Published, dvc, lacking, read_published
from bam.study import read_study
from bam.verify import verify

LARGE = "large/dvc.yaml"
ABSENT = "do not exist neither locally nor on remote"  # DVC's words
PREDICTIONS = ("stage1", "error_set", "stage2", "train")


def pull(
    studies: Sequence[str], sources: dict[str, RawSet], *, with_weights: bool = False, with_inputs: bool = False
) -> tuple[str, list[str]]:
    """Pull studies by DVC, and verify what came; return a summary and the problems found.

    Parameters
    ----------
    studies
        Names of published studies; all if there is none.
    with_weights, with_inputs
        Whether weights and the inputs of prepared data come too, from the remote `store`.

    Raises
    ------
    ConfigError
        If a study is not published.
    RunError
        If DVC cannot get something; it names the file or folder.
    """
    published = read_published()
    for name in studies:
        if name not in published.studies:
            known = list(published.studies)
            raise ConfigError(
                f"pull: {name!r} is not published{suggestion(name, known)}; published: {', '.join(known) or 'nothing'}"
            )
    wanted = list(studies) or list(published.studies)
    if not wanted:
        raise RunError("published.yaml: names no study yet; `make publish` publishes finished ones")
    _dvc_pull(targets(published, wanted, with_weights=with_weights, with_inputs=with_inputs))
    lines, problems = [], []
    for name in wanted:
        plan = make_plan(read_study(published.studies[name]["config"]), sources)
        said, found = verify(plan, Layout(Path("data"), Path("results") / name))
        lines += [f"{name}: {line}" for line in said.splitlines()]
        problems += found
        if missing := missing_runs(plan, Layout(Path("data"), Path("results") / name)):
            problems.append(
                f"{name}: {len(missing)} of its runs, {missing[0]} among them, are not what was published: the code or "
                f"{published.studies[name]['config']} has changed since; check out the commit that published it, or "
                "run the study"
            )
    return "\n".join(lines), problems


def targets(published: Published, studies: Sequence[str], *, with_weights: bool, with_inputs: bool) -> list[str]:
    """Return the stages of `dvc.yaml` behind studies."""
    data, groups = (
        list(dict.fromkeys(an_id for name in studies for an_id in published.studies[name][what]))
        for what in ("data", "groups")
    )
    steps = [*PREDICTIONS, *[f"{LARGE}:weights"] * with_weights]
    return [
        *(f"labels@{an_id}" for an_id in data),
        *(f"groups@{an_id}" for an_id in groups),
        *(f"{LARGE}:inputs@{an_id}" for an_id in data if with_inputs),
        *(f"{LARGE}:segments@{an_id}" for an_id in data if with_inputs and an_id in published.segments),
        *(f"{step}@{name}" for name in studies for step in steps),
        *(f"model@{name}" for name in studies if name in published.models),
    ]


def _dvc_pull(stages: Sequence[str]) -> None:
    try:
        dvc("pull", *stages)
    except RunError as error:
        if "without confirmation" in str(error):
            raise RunError(
                f"{error}: what is there was not published, and would be lost; publish it, or move it away"
            ) from error
        if ABSENT in str(error) and any(stage.startswith(LARGE) for stage in stages):
            raise RunError(
                "pull: the DVC remote `store` here lacks weights or inputs of these studies: only the store that they "
                "were published to has them; name it with `dvc remote modify --local store url <folder, ssh:// or "
                "s3://>`, or leave --weights and --inputs out and train again"
            ) from error
        lost = list(lacking(stages))
        raise RunError(f"{error}{'; not in artifacts/: ' * bool(lost)}{', '.join(lost)}") from error
