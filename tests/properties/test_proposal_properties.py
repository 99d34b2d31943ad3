"""Proposals do not depend on names: of classes, of examples, or on the order of candidates."""

from itertools import pairwise

import numpy as np
from hypothesis import given, settings
from hypothesis import strategies as st

from bam.proposal import SAME, SHORTEST, Candidate, Proposal, guard, observe, propose, watched_epochs

EPOCHS = watched_epochs(8)
N_CLASSES = 3


def made(seed: int, change: float) -> tuple[np.ndarray, np.ndarray]:
    """Return labels, and predictions at each epoch of a model whose errors change at some rate."""
    rng = np.random.default_rng(seed)
    labels = rng.integers(0, N_CLASSES, size=120)
    missed = np.arange(120) < 20
    rows = []
    for _ in EPOCHS:
        missed = np.where(rng.random(120) < change, rng.random(120) < 0.2, missed)
        rows.append(np.where(missed, (labels + 1) % N_CLASSES, labels))
    return labels, np.stack(rows)


def candidate(coefficient: float, classes: np.ndarray, labels: np.ndarray, failed: str = "") -> Candidate:
    watches = observe(EPOCHS, classes, labels, val_errors=[0.2] * len(EPOCHS), n_classes=N_CLASSES)
    return Candidate(coefficient, 0.5, failed, watches)


def summary(found: Proposal | None) -> tuple | None:
    return found and (
        found.coefficient,
        found.epochs,
        [(w.epoch, w.size) for w in found.plateau],
        found.lasts,
        found.confirmed_by,
    )


runs = st.lists(st.tuples(st.integers(0, 1000), st.sampled_from([0.0, 0.001, 0.01, 0.3])), min_size=1, max_size=5)


@settings(deadline=None)
@given(runs, st.permutations(range(N_CLASSES)), st.randoms(use_true_random=False))
def test_names_of_classes_and_order_of_examples_and_candidates_change_nothing(parts, names, random):
    plain, renamed = [], []
    order = list(range(120))
    random.shuffle(order)
    for k, (seed, change) in enumerate(parts):
        labels, classes = made(seed, change)
        plain.append(candidate(k, classes, labels))
        renamed.append(candidate(k, np.array(names)[classes][:, order], np.array(names)[labels][order]))
    random.shuffle(renamed)
    assert summary(propose(plain)) == summary(propose(renamed))


@settings(deadline=None)
@given(runs, st.data())
def test_a_run_that_diverged_is_never_proposed(parts, data):
    failed = data.draw(st.lists(st.booleans(), min_size=len(parts), max_size=len(parts)))
    candidates = [
        candidate(k, *reversed(made(seed, change)), failed="the loss is inf" if f else "")
        for k, ((seed, change), f) in enumerate(zip(parts, failed, strict=True))
    ]
    found = propose(candidates)
    assert found is None or not failed[int(found.coefficient)]


@settings(deadline=None)
@given(runs)
def test_the_proposal_is_the_longest_plateau_that_brute_force_finds(parts):
    lengths = {}
    for k, (seed, change) in enumerate(parts):
        watches = candidate(k, *reversed(made(seed, change))).watches
        spans = [watches[a:b] for a in range(len(watches)) for b in range(a + SHORTEST, len(watches) + 1)]
        lengths[k] = max(
            (len(s) for s in spans if not any(map(guard, s)) and all(b.overlap >= SAME for _, b in pairwise(s))),
            default=0,
        )
    found = propose([candidate(k, *reversed(made(seed, change))) for k, (seed, change) in enumerate(parts)])
    longest = max(lengths.values())
    if longest == 0:
        assert found is None
    else:
        assert found.coefficient == min(k for k, length in lengths.items() if length == longest)
        assert len(found.plateau) == longest
