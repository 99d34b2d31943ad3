"""Rules and choices on predictions written by hand."""

import numpy as np
import pytest

from bam import catalogue
from bam.best_epoch import best_epoch
from bam.error_cells import error_cells
from bam.errors import DataError
from bam.evidence import Evidence, GroupEvidence
from bam.selection import RULES, Candidate, Rule, choose

LABELS = np.repeat([0, 1], 12)


def fixed(scores: dict[int, list[float]]) -> Rule:
    """Return a rule whose scores are written down: the key is the first prediction of a run."""
    return Rule("none", lambda evidence: np.array(scores[int(evidence.predicted[0, 0])]))


def run(key: int, seed: int = 0, setting: int | None = None, failed: str = "", n_epochs: int = 3) -> Candidate:
    predicted = np.full((n_epochs, 2), key, dtype=np.uint8)
    evidence = Evidence(predicted, np.array([0, 1]), 2)
    return Candidate({"s": key if setting is None else setting}, seed, f"run{key}", np.arange(1, 4), evidence, failed)


def test_a_setting_is_chosen_by_the_mean_over_seeds_of_each_runs_best_epoch():
    rule = fixed({0: [0.9, 0.1, 0.1], 1: [0.1, 0.1, 0.2], 2: [0.1, 0.6, 0.1], 3: [0.1, 0.1, 0.6]})
    choice = choose(rule, [[run(0, 0), run(1, 1)], [run(2, 0), run(3, 1)]], "across_seeds")
    assert [(c.run, c.epoch) for c in choice.chosen] == [("run2", 2), ("run3", 3)]
    assert choice.mean_scores == pytest.approx((0.55, 0.6))


def test_scope_per_seed_chooses_the_setting_for_each_seed_by_itself():
    rule = fixed({0: [0.9, 0.1, 0.1], 1: [0.1, 0.1, 0.2], 2: [0.1, 0.6, 0.1], 3: [0.1, 0.1, 0.6]})
    choice = choose(rule, [[run(0, 0), run(1, 1)], [run(2, 0), run(3, 1)]], "per_seed")
    assert [(c.run, c.epoch) for c in choice.chosen] == [("run0", 1), ("run3", 3)]


def test_a_setting_with_a_failed_seed_is_left_out_and_listed():
    rule = fixed({0: [0.9, 0.9, 0.9], 1: [1.0, 1.0, 1.0], 2: [0.1, 0.2, 0.1], 3: [0.3, 0.1, 0.1]})
    rows = [[run(0, 0), run(1, 1, 0, failed="the loss is nan")], [run(2, 0), run(3, 1)]]
    for scope in ("across_seeds", "per_seed"):
        choice = choose(rule, rows, scope)
        assert [c.run for c in choice.chosen] == ["run2", "run3"]
        assert choice.mean_scores[0] is None
        assert choice.mean_scores[1] == pytest.approx(0.25)
        assert choice.left_out == ("s=0, seed 1: the loss is nan",)


@pytest.mark.parametrize("scope", ["across_seeds", "per_seed"])
def test_where_every_setting_failed_nothing_is_chosen_and_all_are_listed(scope):
    rows = [[run(0, 0, failed="A")], [run(1, 3, failed="B")]]
    choice = choose(fixed({}), rows, scope)
    assert choice.chosen == ()
    assert choice.mean_scores == (None, None)
    assert choice.left_out == ("s=0, seed 0: A", "s=1, seed 3: B")


def test_best_epoch_is_the_earliest_best():
    assert best_epoch(np.array([0.1, 0.5, 0.5, 0.2])) == 1


def test_last_scores_only_the_last_epoch_and_by_its_accuracy():
    predicted = np.array([[0, 1, 1, 0], [0, 0, 0, 0]])
    scores = catalogue.load("rule", "last", "test").score(predicted, np.array([0, 1, 1, 0]), 2)
    assert best_epoch(scores) == 1
    assert scores[1] == 0.5
    assert (
        best_epoch(catalogue.load("rule", "last", "test").score(np.array([[1, 1], [1, 1]]), np.array([0, 0]), 2)) == 1
    )


def test_worst_class_and_average_by_hand():
    labels, predicted = np.array([0, 0, 0, 1]), np.array([[0, 0, 1, 1], [0, 0, 0, 0]])
    assert catalogue.load("rule", "worst_class", "test").score(predicted, labels, 2) == pytest.approx([2 / 3, 0])
    assert catalogue.load("rule", "average", "test").score(predicted, labels, 2) == pytest.approx([3 / 4, 3 / 4])


def missed(*rows: int) -> np.ndarray:
    mask = np.zeros(24, dtype=bool)
    mask[list(rows)] = True
    return mask


def wrong_at(*rows: int) -> np.ndarray:
    predicted = LABELS.copy()
    predicted[list(rows)] = 1 - predicted[list(rows)]
    return predicted.astype(np.uint8)


def test_error_cells_are_class_times_missed_and_small_ones_are_left_out():
    mask = missed(0, 1, 2, 3, 4, 12, 13, 14, 15)  # five of class 0, four of class 1
    cells = error_cells(LABELS, mask, 2)
    expected = [(LABELS == 0) & ~mask, (LABELS == 0) & mask, (LABELS == 1) & ~mask]
    assert cells.T.tolist() == [cell.tolist() for cell in expected]


def test_worst_error_group_is_the_worst_accuracy_over_the_cells():
    mask = missed(0, 1, 2, 3, 4, 12, 13, 14, 15)
    # Epoch 1: 2 of the 5 missed of class 0 wrong. Epoch 2: all four missed of class 1 wrong, a cell
    # too small to count. Epoch 3: 4 of the 7 others of class 0 wrong.
    predicted = np.stack([wrong_at(0, 1), wrong_at(12, 13, 14, 15), wrong_at(5, 6, 7, 8)])
    evidence = Evidence(predicted, LABELS, 2, mask, (mask,))
    assert RULES["worst_error_group"].score(evidence) == pytest.approx([3 / 5, 1.0, 3 / 7])


def test_worst_error_group_compares_settings_on_the_cells_of_all_stage1s_of_the_seed():
    easy, hard = missed(), missed(0, 1, 2, 3, 4)
    family = (easy, hard)
    epochs = np.array([1])
    misses_the_hard = Candidate({"s": 0}, 0, "a", epochs, Evidence(wrong_at(0, 1, 2)[None], LABELS, 2, easy, family))
    spreads = Candidate({"s": 1}, 0, "b", epochs, Evidence(wrong_at(0, 5, 6)[None], LABELS, 2, hard, family))
    choice = choose(RULES["worst_error_group"], [[misses_the_hard], [spreads]], "across_seeds")
    # Own cells: 9/12 against 5/7, which would choose the first. Common cells: mean(9/12, 2/5) and mean(9/12, 5/7).
    assert choice.chosen[0].run == "b"
    assert choice.mean_scores == pytest.approx(((9 / 12 + 2 / 5) / 2, (9 / 12 + 5 / 7) / 2))
    assert choice.chosen[0].epoch_score == pytest.approx(5 / 7)


def test_no_cell_of_five_examples_is_a_mistake_of_the_data_not_a_traceback():
    labels = np.array([0, 0, 1, 1])
    evidence = Evidence(labels[None].astype(np.uint8), labels, 2, np.zeros(4, dtype=bool), (np.zeros(4, dtype=bool),))
    with pytest.raises(DataError):
        RULES["worst_error_group"].score(evidence)


def oracle_evidence(**changes) -> Evidence:
    groups = {
        "membership": np.array([[1, 0, 0], [1, 0, 0], [0, 1, 0], [0, 1, 0], [0, 1, 0]], dtype=bool),
        "names": ("a", "b", "c"),
        "declared_empty": ("c",),
        "is_partition": True,
        "train_counts": np.array([30, 10, 0]),
        **changes,
    }
    predicted = np.array([[0, 1, 0, 0, 0], [0, 0, 0, 0, 1]], dtype=np.uint8)
    return Evidence(predicted, np.zeros(5, dtype=np.int64), 2, groups=GroupEvidence(**groups))


def test_worst_group_is_the_minimum_over_groups_without_the_declared_empty():
    assert RULES["worst_group"].score(oracle_evidence()) == pytest.approx([1 / 2, 2 / 3])


def test_worst_group_refuses_an_empty_group_that_is_not_declared():
    with pytest.raises(DataError) as error:
        RULES["worst_group"].score(oracle_evidence(declared_empty=()))
    assert str(error.value) == "group 'c' has no example; declare the cell empty or mend the split"


def test_average_adjusted_weights_groups_by_their_training_shares():
    scores = RULES["average_adjusted"].score(oracle_evidence())
    assert scores == pytest.approx([0.75 * 0.5 + 0.25 * 1, 0.75 * 1 + 0.25 * 2 / 3])


def test_average_adjusted_refuses_overlapping_groups():
    with pytest.raises(DataError) as error:
        RULES["average_adjusted"].score(oracle_evidence(is_partition=False))
    assert str(error.value) == "average_adjusted needs groups that partition the data; these overlap"


def test_rules_say_truly_whether_they_need_groups():
    bare = Evidence(
        np.stack([LABELS] * 2).astype(np.uint8), LABELS, 2, missed=missed(0, 1, 2, 3, 4), missed_by_any=(missed(),)
    )
    for rule in RULES.values():
        if rule.needs_groups == "none":
            assert rule.score(bare).shape == (2,)
        else:
            with pytest.raises(AssertionError):
                rule.score(bare)
