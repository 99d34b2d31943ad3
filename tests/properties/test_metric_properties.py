"""Relabelled groups, intervals, and ids that depend on values and not on order."""

import json
import math

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.stats import t

from bam.files import canonical_json, short_hash
from bam.group_metrics import adjusted_accuracy
from bam.metrics import accuracy, group_accuracies
from bam.recipe import RunSpec
from bam.statistics import of_differences, over_seeds, paired, wilson_interval
from tests import toy

tables = st.integers(1, 25).flatmap(
    lambda n: st.tuples(*(st.lists(st.integers(0, 3), min_size=n, max_size=n) for _ in range(3)))
)
fractions = st.floats(0, 1)


@given(tables, st.permutations(range(4)))
@settings(max_examples=60, deadline=None)
def test_relabelling_groups_permutes_their_accuracies(table, order):
    predicted, labels, group = (np.array(column) for column in table)
    membership = group[:, None] == np.arange(4)
    plain = group_accuracies(predicted, labels, membership)
    np.testing.assert_array_equal(group_accuracies(predicted, labels, membership[:, list(order)]), plain[list(order)])


@given(tables)
@settings(max_examples=60, deadline=None)
def test_group_accuracies_are_shares_counted_by_hand(table):
    predicted, labels, group = table
    seen = group_accuracies(np.array(predicted), np.array(labels), np.array(group)[:, None] == np.arange(4))
    for g in range(4):
        right = [p == y for p, y, h in zip(predicted, labels, group, strict=True) if h == g]
        assert (seen[g] == sum(right) / len(right)) if right else math.isnan(seen[g])


@given(tables)
@settings(max_examples=60, deadline=None)
def test_adjusting_by_the_groups_own_shares_gives_the_plain_average(table):
    predicted, labels, group = (np.array(column) for column in table)
    membership = group[:, None] == np.arange(4)
    counts, names = membership.sum(axis=0), ("a", "b", "c", "d")
    empty = tuple(name for name, count in zip(names, counts, strict=True) if count == 0)
    adjusted = adjusted_accuracy(group_accuracies(predicted, labels, membership), counts, names, empty)
    assert float(adjusted) == pytest.approx(float(accuracy(predicted, labels)), abs=1e-12)


@pytest.mark.parametrize("n", [1, 2, 7, 10, 13, 15, 100])
def test_wilsons_interval_contains_the_share_and_lies_within_zero_and_one(n):
    for n_correct in range(n + 1):
        low, high = wilson_interval(n_correct, n)
        assert 0 <= low <= n_correct / n <= high <= 1


@given(st.integers(1, 400).flatmap(lambda n: st.tuples(st.integers(0, n), st.just(n))), st.sampled_from([0.9, 0.95]))
@settings(max_examples=100, deadline=None)
def test_wilsons_bounds_are_where_the_score_test_is_just_rejected(count, confidence):
    n_correct, n = count
    from scipy.stats import norm

    z = norm.ppf(0.5 + confidence / 2)
    for bound in wilson_interval(n_correct, n, confidence):
        distance = (n_correct / n - bound) ** 2
        assert distance == pytest.approx(z * z * bound * (1 - bound) / n, abs=1e-9)


@given(st.lists(fractions, min_size=2, max_size=8).filter(lambda v: len(set(v)) > 1))
@settings(max_examples=80, deadline=None)
def test_the_interval_over_seeds_is_the_t_interval_clipped(values):
    mean = sum(values) / len(values)
    std = math.sqrt(sum((v - mean) ** 2 for v in values) / (len(values) - 1))
    summary = over_seeds(values, pooled=(1, 2))
    assert summary.mean == pytest.approx(mean)
    assert summary.std == pytest.approx(std, abs=1e-12)
    if std < 1e-9:
        return
    low, high = t.interval(0.95, len(values) - 1, loc=mean, scale=std / math.sqrt(len(values)))
    assert (summary.low, summary.high) == pytest.approx((max(0, low), min(1, high)), abs=1e-9)
    differences = of_differences(values)
    assert (differences.low, differences.high) == pytest.approx((max(-1, low), min(1, high)), abs=1e-9)


@given(fractions, st.integers(2, 6), st.integers(0, 40))
@settings(max_examples=40, deadline=None)
def test_equal_seeds_get_wilsons_interval_of_the_pooled_count(value, n_seeds, n_correct):
    summary = over_seeds([value] * n_seeds, pooled=(n_correct, 40))
    assert (summary.std, summary.low, summary.high) == (0.0, *wilson_interval(n_correct, 40))
    assert summary.n_seeds == n_seeds


@given(st.lists(st.tuples(fractions, fractions), min_size=2, max_size=6))
@settings(max_examples=40, deadline=None)
def test_a_paired_comparison_is_the_summary_of_the_differences(pairs):
    first, second = zip(*pairs, strict=True)
    assert paired(first, second) == of_differences([a - b for a, b in pairs])


json_values = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False, allow_infinity=False) | st.text(),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(), inner, max_size=4),
    max_leaves=10,
)


def reordered(value, random):
    if isinstance(value, list):
        return [reordered(v, random) for v in value]
    if isinstance(value, dict):
        keys = list(value)
        random.shuffle(keys)
        return {key: reordered(value[key], random) for key in keys}
    return value


@given(json_values, st.randoms(use_true_random=False))
@settings(max_examples=80, deadline=None)
def test_canonical_json_does_not_depend_on_key_order_and_loses_nothing(value, random):
    assert canonical_json(reordered(value, random)) == canonical_json(value)
    assert json.loads(canonical_json(value)) == value


@given(st.randoms(use_true_random=False))
@settings(max_examples=20, deadline=None)
def test_a_specs_id_does_not_depend_on_key_order(random):
    spec = toy.spec("train", toy.training())
    content = reordered(spec.model_dump(mode="json"), random)
    assert RunSpec.model_validate_json(json.dumps(content)).id == spec.id


@pytest.mark.parametrize(
    "changes", [{"seed": 1}, {"code": "x"}, {"hidden": (6,)}, {"threads": 2}, {"stage1": "a"}, {"dataset": "b"}]
)
def test_a_specs_id_depends_on_each_of_its_parts(changes):
    assert toy.spec("train", toy.training(), **changes).id != toy.spec("train", toy.training()).id


def test_short_hashes_are_known_values():
    import hashlib

    assert short_hash({"b": 1, "a": [0.1]}) == hashlib.sha256(b'{"a":[0.1],"b":1}').hexdigest()[:8]
