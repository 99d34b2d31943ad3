"""ClassDiff against a loop over pairs, in exact fractions."""

import itertools
from fractions import Fraction

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from bam import catalogue
from bam.best_epoch import best_epoch
from bam.evidence import Evidence
from bam.metrics import class_accuracies, class_difference
from bam.selection import RULES, Candidate, choose
from tests import oracles

accuracy_lists = st.sampled_from([2, 3, 5]).flatmap(lambda n: st.lists(st.floats(0, 1), min_size=n, max_size=n))


@pytest.mark.parametrize(
    ("accuracies", "expected"), [((0.6, 0.9, 0.3), 0.4), ((0.8, 0.9, 0.7), 2 / 15), ((0.25, 1.0), 0.75)]
)
def test_unequal_classes_are_never_zero_where_the_authors_formula_is(accuracies, expected):
    for order in itertools.permutations(accuracies):
        assert float(class_difference(np.array(order))) == pytest.approx(expected, abs=1e-12)


@given(accuracy_lists)
@settings(max_examples=150, deadline=None)
def test_it_is_the_mean_over_pairs(accuracies):
    expected = float(oracles.pairwise_class_difference([Fraction(a) for a in accuracies]))
    assert float(class_difference(np.array(accuracies))) == pytest.approx(expected, abs=1e-12)


@given(accuracy_lists, st.randoms(use_true_random=False))
@settings(max_examples=100, deadline=None)
def test_it_is_exactly_invariant_under_permutation_of_classes(accuracies, random):
    shuffled = list(accuracies)
    random.shuffle(shuffled)
    assert float(class_difference(np.array(accuracies))) == float(class_difference(np.array(shuffled)))


@given(accuracy_lists)
@settings(max_examples=100, deadline=None)
def test_it_is_zero_only_if_all_classes_are_equal(accuracies):
    assert (float(class_difference(np.array(accuracies))) == 0) == (len(set(accuracies)) == 1)


@pytest.mark.parametrize("value", [0.0, 0.1, 1 / 3, 1.0])
def test_equal_classes_have_exactly_zero(value):
    assert float(class_difference(np.full(5, value))) == 0.0


@pytest.mark.parametrize("n_classes", [2, 3, 5])
def test_a_model_collapsed_to_one_class_has_two_over_c(n_classes):
    labels = np.arange(4 * n_classes) % n_classes
    for label in range(n_classes):
        accuracies = class_accuracies(np.full(len(labels), label), labels, n_classes)
        assert float(class_difference(accuracies)) == pytest.approx(2 / n_classes, abs=1e-15)


def test_it_scores_each_epoch_of_a_history_by_itself():
    history = np.array([[0.6, 0.9, 0.3], [0.5, 0.5, 0.5], [1.0, 0.0, 0.0]])
    np.testing.assert_allclose(class_difference(history), [0.4, 0, 2 / 3], atol=1e-12)


def predictions_with(accuracies: list[tuple[int, int]], n: int = 10) -> np.ndarray:
    """Return two-class predictions of shape (E, 2n): so many of each class's n are right."""
    labels = np.repeat([0, 1], n)
    rows = []
    for right in accuracies:
        wrong = np.concatenate([np.arange(n) >= right[0], np.arange(n) >= right[1]])
        rows.append(np.where(wrong, 1 - labels, labels))
    return np.array(rows, dtype=np.uint8)


def candidate(accuracies: list[tuple[int, int]], seed: int = 0, name: int = 0, n: int = 10) -> Candidate:
    evidence = Evidence(predictions_with(accuracies, n), np.repeat([0, 1], n), 2)
    return Candidate({"s": name}, seed, f"run{name}", np.arange(1, len(accuracies) + 1) * 10, evidence)


def test_the_smallest_class_difference_wins_across_epochs():
    choice = choose(RULES["class_difference"], [[candidate([(9, 5), (8, 7), (10, 7)])]], "across_seeds")
    assert choice.chosen[0].epoch == 20
    assert choice.chosen[0].epoch_score == pytest.approx(-0.1)


def test_the_smallest_class_difference_wins_across_settings():
    rows = [[candidate([(9, 5)], name=0)], [candidate([(6, 6)], name=1)], [candidate([(9, 8)], name=2)]]
    choice = choose(RULES["class_difference"], rows, "across_seeds")
    assert choice.chosen[0].setting == {"s": 1}


@pytest.mark.parametrize("rule", ["class_difference", "worst_class", "average"])
def test_ties_go_to_the_earliest_epoch_then_to_the_first_setting(rule):
    tied = [(9, 5), (7, 7), (7, 7), (7, 7)]
    choice = choose(RULES[rule], [[candidate([(7, 7), (7, 7)], name=0)], [candidate(tied, name=1)]], "across_seeds")
    assert (choice.chosen[0].setting, choice.chosen[0].epoch) == ({"s": 0}, 10)
    per_seed = choose(RULES[rule], [[candidate([(7, 7), (7, 7)], name=0)], [candidate(tied, name=1)]], "per_seed")
    assert (per_seed.chosen[0].setting, per_seed.chosen[0].epoch) == ({"s": 0}, 10)


@given(st.lists(st.tuples(st.integers(0, 10), st.integers(0, 10)), min_size=1, max_size=6))
@settings(max_examples=200, deadline=None)
def test_the_earliest_of_exactly_tied_class_differences_is_chosen(counts):
    """Ties as exact fractions: 8/10 - 6/10 and 6/10 - 4/10 tie, though their floats differ."""
    exact = [oracles.pairwise_class_difference([Fraction(a, 10), Fraction(b, 10)]) for a, b in counts]
    scores = catalogue.load("rule", "class_difference", "test").score(
        predictions_with(counts), np.repeat([0, 1], 10), 2
    )
    assert best_epoch(scores) == exact.index(min(exact))


def test_settings_whose_seeds_have_the_same_scores_in_another_order_tie():
    first = [candidate([(k, 10)], seed=s, name=0) for s, k in enumerate((1, 2, 3))]
    second = [candidate([(k, 10)], seed=s, name=1) for s, k in enumerate((3, 2, 1))]
    for rows in ([first, second], [second, first]):
        choice = choose(RULES["worst_class"], rows, "across_seeds")
        assert choice.chosen[0].setting == rows[0][0].setting
