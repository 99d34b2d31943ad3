"""A part of validation: drawn for the seed, nested, without effect on training, and honest about what it lacks."""

import numpy as np
import pytest

from bam.errors import ConfigError, DataError
from bam.evidence import Evidence, GroupEvidence, part_of
from bam.selection import RULES
from bam.study import check_study
from tests import toy

N = 200
RNG = np.random.default_rng(0)
LABELS = RNG.integers(2, size=N)
ROWS = np.arange(N, dtype=np.int64)


def evidence(membership: np.ndarray | None = None) -> Evidence:
    """Predictions whose first epoch says each example's row, so that a test sees which are left."""
    names = ("a", "b", "c")
    groups = None if membership is None else GroupEvidence(membership, names, (), True, np.array([5, 5, 5]))
    missed = ROWS % 3 == 0
    return Evidence(np.stack([ROWS, LABELS]), LABELS, 2, missed, (missed, ROWS % 2 == 0), groups)


def test_a_smaller_part_is_within_a_larger_one_and_all_that_a_rule_sees_is_cut_alike():
    whole = evidence()
    small, large = part_of(whole, 50, seed=3), part_of(whole, 120, seed=3)
    kept = small.predicted[0]
    assert len(set(kept)) == 50
    assert set(kept) < set(large.predicted[0])
    assert (small.labels == LABELS[kept]).all()
    assert (small.missed == (kept % 3 == 0)).all()
    assert (small.missed_by_any[1] == (kept % 2 == 0)).all()
    assert not np.array_equal(kept, part_of(whole, 50, seed=4).predicted[0])
    assert (part_of(whole, N, seed=3).predicted == whole.predicted).all()


def test_the_oracle_leaves_out_a_group_that_the_part_lacks_and_no_other():
    membership = np.zeros((N, 3), dtype=bool)
    rare = int(np.setdiff1d(ROWS, part_of(evidence(), 100, seed=0).predicted[0])[0])
    membership[:, 0], membership[: N // 2, 1] = True, True
    membership[rare] = (False, False, True)
    whole = evidence(membership)
    part = part_of(whole, 100, seed=0)
    assert part.groups.declared_empty == ("c",)
    assert np.isfinite(RULES["worst_group"].score(part)).all()
    membership[rare] = (True, False, False)  # empty in all of validation: still an error
    with pytest.raises(DataError, match="group 'c' has no example"):
        RULES["worst_group"].score(part_of(evidence(membership), 100, seed=0))


def test_it_changes_no_run():
    plans = [toy.plan(), toy.plan(validation_size=30)]
    assert list(plans[0].trainings) == list(plans[1].trainings)
    assert list(plans[0].stage1) == list(plans[1].stage1)


def test_more_than_there_is_and_kept_weights_are_refused():
    with pytest.raises(ConfigError, match=r"validation_size: 100,000 is more than digits's 359"):
        check_study(toy.study_content(validation_size=100000), "toy.yaml")
    with pytest.raises(ConfigError, match="does not go with keep_weights"):
        check_study(toy.study_content(validation_size=30, keep_weights=["last"]), "toy.yaml")
