"""How much a training has to do, known before any file is there: the examples that it visits."""

from collections.abc import Mapping
from typing import Any

from bam import catalogue
from bam.data.examples import Sizes
from bam.plan import Plan, Run
from bam.recipe import Upweighted

LOWEST_PRIORITY, PRIORITIES = 10, 10


def sizes_of(settings: Mapping[str, Any]) -> Sizes:
    """Return what a data set with resolved settings will measure; errors as its kind's `sizes`."""
    module = catalogue.load("kind", str(settings["kind"]), "kind")
    sizes: Sizes = module.sizes(module.Settings.model_validate(settings))
    return sizes


def n_visited(run: Run, plan: Plan, sizes: Sizes) -> int:
    """Return how many examples a run trains on, added up over the epochs that it trains itself.

    A stage 1 goes on from the next lower T. How large an error set will be is not known; it is taken to be
    as large as the minority groups, as an ideal one is.
    """
    training, an_epoch = run.spec.training, sizes.n_examples["train"]
    if isinstance(training.sampling, Upweighted):
        an_epoch += (training.sampling.factor - 1) * sizes.n_minority
    before = plan.stage1[run.previous].spec.training.epochs if run.previous else 0
    return (training.epochs - before) * an_epoch


def priorities(plan: Plan) -> Mapping[str, float]:
    """Return the priority of each final training, above 10 and at most 20: the more it has to do, the sooner it starts.

    So the last ones are short, and few cores wait for them (longest processing time first, Graham 1969). Those of
    stage 1 and of analyses stand above and below (workflow/rules).
    """
    settings = {run.dataset.data_id: run.dataset.settings for run in plan.trainings.values()}
    sizes = {data_id: sizes_of(each) for data_id, each in settings.items()}
    visited = {name: n_visited(run, plan, sizes[run.dataset.data_id]) for name, run in plan.trainings.items()}
    most = max(visited.values(), default=1)
    return {name: LOWEST_PRIORITY + PRIORITIES * n / most for name, n in visited.items()}
