"""Values worked out by hand."""

import numpy as np
import pytest

from bam.error_set import class_shares, quality
from bam.errors import DataError
from bam.group_metrics import adjusted_accuracy, worst_group_accuracy
from bam.metrics import class_accuracies, group_accuracies
from bam.needs import needs_groups
from bam.statistics import over_seeds, paired, wilson_interval


def test_three_seeds_by_hand():
    summary = over_seeds([0.5, 0.6, 0.7])
    assert (summary.mean, summary.std, summary.n_seeds) == (pytest.approx(0.6), pytest.approx(0.1), 3)
    half = 4.302652729911275 * 0.1 / 3**0.5  # t quantile of 2 degrees of freedom
    assert (summary.low, summary.high) == (pytest.approx(0.6 - half), pytest.approx(0.6 + half))


def test_intervals_are_clipped():
    assert (over_seeds([0.0, 1.0]).low, over_seeds([0.0, 1.0]).high) == (0.0, 1.0)
    apart = paired([1.0, 0.0], [0.0, 1.0])
    assert (apart.mean, apart.low, apart.high) == (0.0, -1.0, 1.0)


def test_one_seed_has_no_spread():
    summary = over_seeds([0.3], pooled=(3, 10))
    assert (summary.mean, summary.std, summary.low, summary.high, summary.n_seeds) == (0.3, None, None, None, 1)


def test_pairs_need_the_same_seeds():
    with pytest.raises(ValueError, match="got 2 and 1"):
        paired([0.1, 0.2], [0.1])


def test_wilson_by_hand():
    assert wilson_interval(8, 10) == pytest.approx((0.49016, 0.94331), abs=1e-5)
    assert wilson_interval(0, 10) == pytest.approx((0, 0.27753), abs=1e-5)


def test_accuracies_take_a_history_at_once():
    labels = np.array([0, 0, 1, 1])
    predicted = np.array([[0, 1, 1, 1], [1, 1, 1, 0]])
    assert class_accuracies(predicted, labels, 2).tolist() == [[0.5, 1.0], [0.0, 0.5]]


def test_a_class_without_an_example_is_refused():
    with pytest.raises(DataError) as error:
        class_accuracies(np.array([0]), np.array([0]), 2)
    assert str(error.value) == "class 1 has no example to measure accuracy on"


def test_overlapping_groups_count_a_row_in_each():
    membership = np.array([[1, 1], [1, 0], [0, 1]], dtype=bool)
    assert group_accuracies(np.array([0, 1, 1]), np.zeros(3), membership).tolist() == [0.5, 0.5]


def test_worst_group_names_the_empty_group():
    accuracies = np.array([[0.5, np.nan, 0.2], [0.9, np.nan, 1.0]])
    assert worst_group_accuracy(accuracies, ("a", "b", "c"), ("b",)).tolist() == [0.2, 0.9]
    with pytest.raises(DataError) as error:
        worst_group_accuracy(accuracies, ("a", "b", "c"), ("a",))
    assert str(error.value) == "group 'b' has no example; declare the cell empty or mend the split"


def test_adjusted_average_leaves_out_groups_declared_empty_and_no_others():
    accuracies, counts, names = np.array([0.5, np.nan, 1.0]), np.array([30, 50, 10]), ("a", "b", "c")
    assert adjusted_accuracy(accuracies, counts, names, ("b",)) == pytest.approx(0.625)
    with pytest.raises(DataError, match="group 'b' has no example"):
        adjusted_accuracy(accuracies, counts, names)


def test_error_set_quality_by_hand_and_where_undefined():
    mask, minority = np.array([1, 1, 0, 0, 1], bool), np.array([1, 0, 1, 0, 1], bool)
    found = quality(mask, minority)
    assert (found.size, found.minority_precision, found.minority_recall) == (3, 2 / 3, 2 / 3)
    empty = quality(np.zeros(5, bool), minority)
    assert (empty.size, empty.minority_precision, empty.minority_recall) == (0, None, 0.0)
    assert quality(mask, np.zeros(5, bool)).minority_recall is None
    assert quality(mask, None).minority_precision is None
    assert class_shares(mask, np.array([0, 2, 1, 1, 2]), 3) == [1 / 3, 0.0, 2 / 3]
    assert class_shares(np.zeros(5, bool), np.zeros(5, int), 2) == [None, None]


@pytest.mark.parametrize(
    ("trains", "rule", "expected"),
    [
        (False, "none", "none"),
        (False, "val", "val"),
        (True, "none", "train"),
        (True, "val", "train+val"),
        (False, "train+val", "train+val"),
        (True, "train+val", "train+val"),
    ],
)
def test_needs_groups_is_the_union(trains, rule, expected):
    assert needs_groups(trains, rule) == expected
