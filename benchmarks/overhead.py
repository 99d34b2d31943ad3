"""Our training epoch against a bare loop, and stage 1 against the same epoch without auxiliary variables."""

from collections.abc import Iterator
from functools import partial

from bam.training.loop import run_epoch
from benchmarks.pairs import Row, ratios, seconds
from benchmarks.trainers import (
    LENET,
    MLP,
    RESNET_64,
    RESNET_224,
    TINY_BERT,
    Case,
    bare_epoch,
    make_trainer,
    torch_sgd,
)

SMALL, OTHER = "at most 1.10", "at most 1.03"
CASES = ((MLP, SMALL), (LENET, SMALL), (RESNET_64, OTHER), (RESNET_224, OTHER), (TINY_BERT, OTHER))
N_LARGE = 450_000
AUXILIARY = ((LENET, "at most 1.05"), (TINY_BERT, "at most 1.05"), (MLP, ""))


def over_bare_loop() -> Iterator[Row]:
    """Yield, for each network, the time of our epoch over that of a bare loop.

    Our epoch ends with a look at every weight, whether it is finite, so its ratio is larger the shorter the epoch.
    """
    for case, target in CASES:
        ours, bare = make_trainer(case), make_trainer(case)
        works = partial(run_epoch, ours, 1), partial(bare_epoch, bare, torch_sgd(bare))
        yield Row(f"epoch / bare loop: {_words(case)}", ratios(*works, case.n_repeats), target)


def of_auxiliary_variables() -> Iterator[Row]:
    """Yield the time of an epoch with auxiliary variables of 450,000 rows over that of one without.

    Only some rows are visited, in steps that cost what they cost in a whole epoch. At its end all rows are brought up
    to date; of that, the visited rows' part is counted.
    """
    for case, target in AUXILIARY:
        with_them, without = (make_trainer(case, n_rows=N_LARGE, auxiliary=flag) for flag in (True, False))
        settle, share = with_them.objective.end_epoch, case.n_visited / N_LARGE
        with_them.objective.end_epoch = without.objective.end_epoch  # does nothing
        works = (partial(run_epoch, with_them, 1), partial(run_epoch, without, 1), settle)
        what = f"with auxiliary variables / without: {_words(case)}, {N_LARGE:,} rows, {case.n_visited:,} visited"
        taken = seconds(works, case.n_repeats)
        yield Row(what, tuple((steps + share * end) / bare for steps, bare, end in taken), target)


def _words(case: Case) -> str:
    return f"{case.name}, batch {case.batch_size}"
