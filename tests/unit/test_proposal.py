"""Proposing λ and T without groups: the pure rule on made statistics, and the verb on the coloured digits."""

import csv
import subprocess
import sys
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch
import yaml

from bam import proposal
from bam.artifacts import read_predictions
from bam.proposal import Candidate, Watch, coefficients, guard, jaccard, observe, propose, upweight_factor
from bam.proposal_report import csv_text, paragraph, table
from bam.study import read_study
from bam.yaml_files import read_layers

ROOT = Path(__file__).resolve().parents[2]
EPOCHS = proposal.watched_epochs(15)


def watch(epoch: int = 1, **changes) -> Watch:
    """Return what a good error set looks like: 100 of 1,000, as many in either class, and unchanged."""
    missed = np.arange(1000) < 100
    good = Watch(epoch, 100, 0.1, val_error=0.1, class_errors=(0.1, 0.1), overlap=1.0, missed=missed)
    return replace(good, **changes)


def candidate(coefficient: float, overlaps: list[float], failed: str = "", **changes) -> Candidate:
    """Return a λ whose error set overlaps with the one before by these; the first watched epoch has none before."""
    watches = [
        watch(epoch, overlap=overlap, **changes) for epoch, overlap in zip(EPOCHS, [None, *overlaps], strict=False)
    ]
    return Candidate(coefficient, 0.5, failed, tuple(watches))


def epochs(found: Candidate) -> list[int]:
    return [w.epoch for w in found.plateau]


# The scale of λ


@pytest.mark.parametrize(("loss", "curvature"), [("squared", 2.0), ("cross_entropy", 0.5)])
def test_the_curvature_is_the_largest_that_the_loss_has(loss: str, curvature: float):
    """No Hessian on a grid of logits has a larger eigenvalue, and one comes near it."""
    from bam.training.objectives import per_batch_loss

    target = torch.tensor([0])
    grid = [torch.tensor([[a, b, -30.0]]) for a in np.linspace(-4, 4, 9) for b in np.linspace(-4, 4, 9)]
    largest = max(
        float(
            torch.linalg.eigvalsh(
                torch.autograd.functional.hessian(lambda z: per_batch_loss(loss, z, target), z)[0, :, 0]
            ).max()
        )
        for z in grid
    )
    assert largest == pytest.approx(curvature, rel=1e-4)
    assert proposal.CURVATURES[loss] == curvature


@pytest.mark.parametrize("share", [1 / 16, 1 / 4, 1 / 2, 1.0])
def test_a_visit_takes_the_said_share_of_a_residual(share: float):
    """b of a row that is visited once among 200 steps, the model standing still; oracle: the SGD that stage 1 uses."""
    from bam.training.auxiliary import AuxiliaryVariables

    learning_rate, momentum, batch_size = 1e-2, 0.9, 32
    coefficient = (share * batch_size * (1 - momentum) / (2 * learning_rate)) ** 0.5
    b = AuxiliaryVariables(1, 2, learning_rate=learning_rate, momentum=momentum, device=torch.device("cpu"))
    row, nobody = torch.tensor([0]), torch.tensor([], dtype=torch.int64)
    residual = torch.tensor([[1.0, -1.0]])
    for _ in range(3):
        before = residual + coefficient * b.rows(row)
        b.step(coefficient * 2 * before / batch_size)
        for _ in range(200):
            b.rows(nobody)
            b.step(torch.zeros(0, 2))
        after = residual + coefficient * b.rows(row)
        torch.testing.assert_close(after, (1 - share) * before, atol=1e-5, rtol=1e-5)


def test_coefficients_are_rounded_and_begin_with_0():
    assert coefficients("squared", learning_rate=1e-3, momentum=0.9, batch_size=64) == {
        **{0.0: 0.0, 14.0: 1 / 16, 28.0: 1 / 4},
        **{40.0: 1 / 2, 57.0: 1.0},
    }
    twice = list(coefficients("cross_entropy", learning_rate=1e-3, momentum=0.9, batch_size=64))
    assert twice == [0.0, 28.0, 57.0, 80.0, 110.0]


# What a run shows


def test_observe_counts_what_is_missed_by_class_and_what_stays():
    labels = np.array([0, 0, 0, 0, 1, 1])
    classes = np.array([[0, 0, 1, 1, 1, 1], [0, 1, 1, 1, 1, 0], [0, 0, 0, 0, 1, 1], [0, 0, 0, 0, 1, 1]])
    seen = observe([1, 2, 4, 5], classes, labels, val_errors=[0.5, None, 0.1, 0.1], n_classes=2)
    assert [w.epoch for w in seen] == [1, 2, 4, 5]
    assert [w.size for w in seen] == [2, 4, 0, 0]
    assert [w.class_errors for w in seen] == [(0.5, 0.0), (0.75, 0.5), (0.0, 0.0), (0.0, 0.0)]
    assert [w.overlap for w in seen] == [None, 0.5, 0.0, 1.0]
    assert [w.val_error for w in seen] == [0.5, None, 0.1, 0.1]


def test_jaccard_is_the_intersection_over_the_union():
    first, second = np.array([True, True, False, False]), np.array([False, True, True, False])
    assert jaccard(first, second) == 1 / 3
    assert jaccard(first & ~first, second & ~second) == 1.0


# The guards


@pytest.mark.parametrize(
    ("changes", "expected"),
    [
        ({}, ""),
        ({"size": 10}, ""),
        ({"size": 9}, "few errors"),
        ({"size": 0, "train_error": 0.0}, "few errors"),
        ({"train_error": 0.0009}, "few errors"),
        ({"class_errors": (0.0, 0.4)}, ""),
        ({"class_errors": (0.0, 0.41)}, "a class is missed"),
        ({"class_errors": (0.0, 1.0)}, "a class is missed"),
        ({"val_error": 0.2}, ""),
        ({"val_error": 0.21}, "memorises"),
        ({"val_error": None}, ""),
    ],
)
def test_each_guard_stops_at_its_bound(changes, expected):
    assert guard(watch(**changes)) == expected


@pytest.mark.parametrize(
    "changes", [{"size": 9}, {"class_errors": (0.0, 1.0)}, {"train_error": 0.01}, {"failed": "the loss is inf"}]
)
def test_an_unchanging_error_set_that_a_guard_stops_or_of_a_failed_run_is_not_proposed(changes):
    assert propose([candidate(5, [1.0] * 9, **changes)]) is None


def test_a_model_that_predicts_one_class_is_stopped_however_stable():
    """The trap of a large λ: b takes up everything, the model stays where it began."""
    labels = np.repeat([0, 1], 50)
    seen = observe(EPOCHS, np.zeros((10, 100), dtype=int), labels, val_errors=[0.5] * 10, n_classes=2)
    assert {w.overlap for w in seen[1:]} == {1.0}
    assert propose([Candidate(100.0, 1.0, "", seen)]) is None


# The rule


def test_a_plateau_is_the_longest_run_of_overlaps_and_the_earliest_of_equals():
    assert epochs(candidate(1, [1, 1, 0.5, 1, 1, 1, 0.2, 1, 1])) == [4, 5, 6, 8]
    assert epochs(candidate(1, [1, 1, 0.5, 1, 1, 0.94, 1, 0.9, 0.9])) == [1, 2, 3]
    assert epochs(candidate(1, [1, 0.5, 1, 0.5, 1, 0.5, 1, 0.5, 1])) == []
    assert epochs(candidate(1, [0.95] * 9)) == list(EPOCHS)


def test_a_guard_breaks_a_plateau():
    whole = candidate(1, [1.0] * 9)
    cut = replace(whole, watches=(*whole.watches[:4], watch(5, size=0, train_error=0.0), *whole.watches[5:]))
    assert epochs(cut) == [6, 8, 10, 12, 15]


def test_the_longest_plateau_gives_lambda_and_its_second_epoch_T():
    early = candidate(0, [1, 1, 1, 0.5, 0.5, 0.5, 0.5, 0.5, 0.5])
    late = candidate(5, [0.5, 0.5, 1, 1, 1, 1, 1, 1, 1])
    found = propose([early, late])
    assert (found.coefficient, found.epochs, found.lasts) == (5, 4, True)
    assert propose([early]).lasts is False
    assert (propose([early]).coefficient, propose([early]).epochs) == (0, 2)


def test_of_equal_plateaus_the_smallest_lambda_is_proposed_in_any_order():
    same = [candidate(coefficient, [1.0] * 9) for coefficient in (10.0, 2.5, 5.0)]
    assert propose(same).coefficient == 2.5
    assert propose(same[::-1]).coefficient == 2.5
    assert propose([*same, candidate(1.0, [1.0] * 9, failed="the loss is inf")]).coefficient == 2.5


def test_another_lambda_confirms_if_its_plateau_ends_with_the_same_error_set():
    best = candidate(5, [1.0] * 9)
    short = candidate(0, [1, 1, 0.5, 0.5, 0.5, 0.5, 0.5, 0.5, 0.5])
    failed = candidate(20, [1.0] * 9, failed="the loss is inf")
    other = candidate(10, [1.0] * 9, missed=np.arange(1000) < 90)
    assert propose([short, best, other, failed, candidate(1, [0.5] * 9)]).overlaps == {0: 1, 10: 0.9}
    assert propose([short, best, other]).confirmed_by == [0]
    assert propose([best, other]).confirmed_by == []
    assert "Confirmed: the plateau of λ = 0 has" in paragraph(propose([best, short]), [best, short])
    assert "lasts without auxiliary" not in paragraph(propose([best, short]), [best, short])
    plain = [candidate(0, [1.0] * 9), candidate(5, [1.0] * 9)]
    assert "lasts without auxiliary variables" in paragraph(propose(plain), plain)
    assert "Not confirmed: no other λ keeps the same error set (λ = 10 overlaps by 0.90)" in paragraph(
        propose([best, other]), [best, other]
    )
    assert "Not confirmed: no other λ keeps the same error set (no other has a plateau)" in paragraph(
        propose([best]), [best]
    )


def test_of_nothing_nothing_is_proposed():
    assert propose([]) is None
    assert propose([candidate(1, [0.5] * 9)]) is None
    assert propose([candidate(1, [1.0])]) is None


@pytest.mark.parametrize(("share", "factor"), [(0.5, 1), (0.9, 1), (0.1, 9), (0.001, 50)])
def test_the_factor_makes_the_error_set_weigh_as_the_rest_within_1_and_50(share: float, factor: int):
    assert upweight_factor(share) == factor


# Words


@pytest.mark.parametrize(
    ("candidates", "words"),
    [
        ([candidate(0, [1.0] * 9, size=0, train_error=0.0)], "stage 1 misses almost nothing"),
        ([candidate(0, [1.0] * 9, class_errors=(0.0, 1.0))], "much of some class is missed"),
        ([candidate(0, [1.0] * 9, train_error=0.01)], "the model memorises"),
        ([candidate(0, [0.5] * 9)], "changes from epoch to epoch"),
        ([Candidate(9, 1, "the loss is inf", ())], "every training diverged"),
    ],
)
def test_no_proposal_says_what_was_seen(candidates, words: str):
    text = paragraph(None, candidates)
    assert text.startswith("No proposal: ")
    assert words in text


def test_the_table_has_a_line_for_each_lambda_and_says_what_ends_its_plateau():
    rows = table(
        [
            candidate(0, [1, 1, 0.5, 0.5, 0.5, 0.5, 0.5, 0.5, 0.5]),
            candidate(3, [0.9, 0.7, 0.5, 0.5, 0.5, 0.5, 0.5, 0.5, 0.5]),
            candidate(5, [1.0] * 9),
            candidate(8, [1.0] * 9, size=0, train_error=0.0),
            candidate(13, [1.0], failed="stage 1 stopped: the loss is inf"),
        ]
    ).splitlines()
    assert [row.split("  ")[-1].strip() for row in rows[1:]] == [
        "then, T = 4: overlap 0.50",
        "changes, overlap down to 0.50",
        "to the last epoch",
        "few errors at 10 of 10 watched epochs",
        "stage 1 stopped: the loss is inf",
    ]
    assert "1..3" in rows[1]
    assert "1..15" in rows[3]


def test_a_proposal_says_how_long_it_held_and_the_csv_has_a_row_for_each_watched_epoch():
    candidates = [candidate(0, [1, 1, 0.5, 0.5, 0.5, 0.5, 0.5, 0.5, 0.5]), candidate(5, [1.0] * 9, val_error=None)]
    assert "λ = 5, T = 2, stable over T 1..15" in paragraph(propose(candidates), candidates)
    assert "λ = 0, T = 2, passing over T 1..3" in paragraph(propose(candidates[:1]), candidates)
    rows = list(csv.DictReader(csv_text(candidates).splitlines()))
    assert [(row["coefficient"], row["epoch"]) for row in rows] == [(k, str(e)) for k in ("0", "5") for e in EPOCHS]
    assert [row["in_plateau"] for row in rows] == ["True"] * 3 + ["False"] * 7 + ["True"] * 10
    assert (rows[0]["overlap"], rows[3]["overlap"], rows[-1]["val_error"], rows[0]["class_1_error"]) == (
        "",
        "0.5",
        "",
        "0.1",
    )


# The verb


@pytest.fixture(scope="module")
def proposed(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, subprocess.CompletedProcess[str]]:
    """`bam propose` on the digits, in a folder where groups can be neither read nor written."""
    folder = tmp_path_factory.mktemp("proposed")
    (folder / "data").mkdir()
    (folder / "data" / "groups").write_text("a file in the place of the folder\n")
    return folder, run(folder)


def run(folder: Path, *options: str) -> subprocess.CompletedProcess[str]:
    """Propose for the digits with few epochs."""
    arguments = ["propose", "config/digits.yaml", "--epochs", "6", *options]
    where = ["--data", str(folder / "data"), "--out", str(folder / "out")]
    command = [sys.executable, "-m", "bam", *arguments, *where]
    return subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=False)


def test_the_verb_needs_no_groups_and_makes_none(proposed):
    folder, done = proposed
    assert done.returncode == 0, done.stderr
    assert (folder / "data" / "groups").is_file()
    assert {path.name for path in (folder / "data").iterdir()} == {"raw", "prepared", "groups"}


def yaml_of(text: str) -> str:
    return text[text.index("extends: ") :].partition("\n\n")[0]


def test_the_printed_yaml_is_a_config_beside_the_one_asked_about(proposed):
    _, done = proposed
    path = ROOT / "config" / "digits.yaml"
    snippet_text = yaml_of(done.stdout)
    content = yaml.safe_load(snippet_text)
    assert content["extends"] == path.name
    copied = proposed[0] / path.name
    copied.write_bytes(path.read_bytes())
    (proposed[0] / "proposal.yaml").write_text(snippet_text)
    study = read_study(str(proposed[0] / "proposal.yaml"))
    assert study.name == "digits_proposed"
    (setting,) = study.settings["bam"]
    assert setting.recipe.stage1.epochs == content["methods"]["bam"]["stage1"]["epochs"] == 2
    assert setting.recipe.stage1.objective.coefficient > 0
    assert read_layers(copied)["methods"]["erm"] == study.content["methods"]["erm"]


def test_the_error_set_of_the_proposal_is_the_minority_which_the_rule_has_not_seen(proposed):
    """Only this test looks at colours."""
    from bam.data.read import read

    folder, done = proposed
    stage1 = yaml.safe_load(yaml_of(done.stdout))["methods"]["bam"]["stage1"]
    examples = read({"kind": "colored_digits", "aligned": 0.95, "data_seed": 0}, [folder / "data" / "raw" / "digits"])
    train = examples.splits["train"]
    (attribute,) = train.attributes.values()
    minority = np.array(
        [pair in examples.minority for pair in zip(train.labels.tolist(), attribute.tolist(), strict=True)]
    )
    name = f"bam-lambda{stage1['auxiliary_coefficient']:g}-squared-T6-seed0-*"
    (path,) = (folder / "out" / "predictions" / "stage1").glob(f"{name}/train.npz")
    predictions = read_predictions(path)
    missed = predictions.classes[predictions.epochs.tolist().index(stage1["epochs"])] != train.labels
    assert (missed & minority).sum() / missed.sum() >= 0.9
    assert (missed & minority).sum() / minority.sum() >= 0.9


def test_a_second_call_trains_nothing_and_says_the_same(proposed):
    folder, done = proposed
    files = {path: path.stat().st_mtime_ns for path in (folder / "out").rglob("*.npz")}
    again = run(folder)
    assert again.stdout == done.stdout
    assert files == {path: path.stat().st_mtime_ns for path in (folder / "out").rglob("*.npz")}
