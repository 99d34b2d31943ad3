"""MNIST-size data sets: exact counts, every image used once, colours where they belong; and IDX files."""

import colorsys
import itertools
import json
import math
from collections import Counter
from pathlib import Path

import numpy as np
import pytest

from bam import catalogue
from bam.data.digit_pairs import DIGITS
from bam.data.examples import SPLITS, Examples
from bam.data.idx import read_idx, read_labelled
from bam.data.kinds.cmnist_star import enlargement
from bam.data.read import read
from bam.errors import ConfigError, DataError
from tests import made_mnist

COLORED = {"kind": "colored_mnist", "size": 2000, "flip_rate": 0.1, "class_ratio": 1.0, "data_seed": 0}
SPUCO = {"kind": "spuco_mnist", "difficulty": "large", "correlation": 0.995, "data_seed": 0}
STAR = {"kind": "cmnist_star", "correlation": 0.995, "data_seed": 0}
DOMINOES = {"kind": "dominoes", "correlation": 0.95, "data_seed": 0}
PALETTE = [[round(255 * c) for c in colorsys.hsv_to_rgb(k / 5, 1, 1)] for k in range(5)]


@pytest.fixture(scope="module")
def raw(tmp_path_factory) -> dict[str, Path]:
    return made_mnist.write_both(tmp_path_factory.mktemp("raw"))


@pytest.fixture(scope="module")
def labels(raw) -> np.ndarray:
    """Digits by number: 0 to 59,999 are the training part's, then the test part's."""
    return classes(raw["mnist"])


def classes(folder: Path) -> np.ndarray:
    return np.concatenate([read_labelled(folder, part).classes for part in ("train", "t10k")])


def made(raw: dict[str, Path], **settings) -> Examples:
    names = catalogue.load("kind", settings["kind"], "").RAW
    return read(settings, [raw[name] for name in names])


def counts(examples: Examples, split: str) -> list[int]:
    return [int(n) for n in examples.membership(split).sum(axis=0)]


def sizes_of(settings: dict):
    module = catalogue.load("kind", settings["kind"], "")
    return module.sizes(module.Settings.model_validate_json(json.dumps(settings)))


# Colored-MNIST


@pytest.mark.parametrize(
    ("changes", "train", "val", "test"),
    [
        ({"size": 50000}, [15750, 1750, 1750, 15750], [3375, 375, 375, 3375], [3375, 375, 375, 3375]),
        ({"size": 20000, "flip_rate": [0.05, 0.3]}, [6650, 350, 2100, 4900], [1425, 75, 450, 1050], None),
        ({"size": 2000, "class_ratio": 3.0}, [945, 105, 35, 315], [203, 23, 7, 67], None),
        ({"size": 2000, "flip_rate": 0}, [700, 0, 0, 700], [150, 0, 0, 150], [150, 0, 0, 150]),
        ({"size": 2000, "label_noise": 0.1}, [574, 126, 126, 574], [123, 27, 27, 123], [135, 15, 15, 135]),
    ],
    ids=["follow-up", "a rate for each class", "class ratio", "no flips", "label noise"],
)
def test_colored_mnist_has_the_exact_counts(raw, changes, train, val, test):
    examples = made(raw, **{**COLORED, **changes})
    assert counts(examples, "train") == train
    assert counts(examples, "val") == val
    if test:
        assert counts(examples, "test") == test
    known = sizes_of({**COLORED, **changes})
    assert known.n_examples == {split: len(examples.splits[split].labels) for split in SPLITS}
    minority = [pair in examples.minority for pair in examples.pairs]
    assert known.n_minority == sum(n for n, is_minority in zip(train, minority, strict=True) if is_minority)
    assert known.input_shape == examples.splits["train"].inputs.shape[1:]


def test_colored_mnist_colours_and_labels_each_image_by_its_digit_and_uses_it_once(raw, labels):
    examples = made(raw, **{**COLORED, "label_noise": 0.1})
    seen = Counter()
    for split in SPLITS:
        part = examples.splits[split]
        for image, label, color, wrong in zip(
            part.inputs, part.labels, part.attributes["color"], part.attributes["label_is_wrong"], strict=True
        ):
            assert not image[1 - color].any()
            number = made_mnist.number_of(image[color])
            seen[number] += 1
            assert bool(label) == bool(labels[number] >= 5) ^ bool(wrong)
            assert not (wrong and split == "test")
    assert len(seen) == 2000
    assert set(seen.values()) == {1}


def test_a_class_that_mnist_cannot_fill_is_refused():
    with pytest.raises(ConfigError, match=r"class 0 needs 60,000 images, MNIST has 35,735; lower size or class_ratio"):
        read({**COLORED, "size": 70000, "class_ratio": 6.0}, [Path("nowhere")])


@pytest.mark.parametrize("value", [0.5, -0.1, [0.1], [0.1, 0.2, 0.3], "0.1", [0.1, 0.7]])
def test_a_flip_rate_out_of_range_is_refused_under_its_key(value):
    with pytest.raises(ConfigError, match=r"^--settings\.flip_rate(\[1\])?: "):
        read({**COLORED, "flip_rate": value}, [Path("nowhere")])


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"size": 1000, "class_ratio": 10000.0}, "class 1 in green would have 0, 0, 0 images in train, val and test"),
        ({"size": 100, "flip_rate": 0.01}, "class 0 in green would have 0, 0, 0 images"),
        ({"size": 200, "flip_rate": [0.1, 0.02]}, "class 1 in red would have 1, 1, 0 images"),
    ],
    ids=["a class without images", "rounded to none", "none in validation"],
)
def test_a_group_that_counts_leave_empty_is_refused_before_anything_is_read(changes, message):
    with pytest.raises(ConfigError, match=f"^--settings: {message}"):
        read({**COLORED, **changes}, [Path("nowhere")])


def test_correlations_that_leave_a_validation_group_empty_are_refused():
    with pytest.raises(ConfigError, match=r"correlation 0\.9999 leaves a class 1 validation images for 4 groups"):
        read({**SPUCO, "correlation": 0.9999}, [Path("nowhere")])
    with pytest.raises(ConfigError, match=r"correlation 0\.9999 leaves a minority group no validation image; .* 1\.0"):
        read({**DOMINOES, "correlation": 0.9999}, [Path("nowhere")] * 2)


# Five classes


@pytest.mark.parametrize("correlation", [0.995, 0.99, 0.9])
def test_spuco_mnist_has_floor_of_rho_n_and_the_others_even(raw, correlation):
    examples = made(raw, **{**SPUCO, "correlation": correlation})
    assert {split: len(examples.splits[split].labels) for split in SPLITS} == {
        "train": 48004,
        "val": 11996,
        "test": 10000,
    }
    for split in ("train", "val"):
        table = np.array(counts(examples, split)).reshape(5, 5)
        for label in range(5):
            others = np.delete(table[label], label)
            assert table[label, label] == math.floor(correlation * table[label].sum())
            assert others.max() - others.min() <= 1
    table = np.array(counts(examples, "test")).reshape(5, 5)
    assert (table.max(axis=1) - table.min(axis=1) <= 1).all()
    assert table.min() == 374
    assert table.max() == 423
    known = sizes_of({**SPUCO, "correlation": correlation})
    trained = np.array(counts(examples, "train")).reshape(5, 5)
    assert known.n_minority == trained.sum() - np.trace(trained)


def test_each_digit_gives_a_fifth_of_its_images_to_validation(raw, labels):
    part = made(raw, **SPUCO).splits["val"]
    digits = Counter(int(labels[made_mnist.number_of(image.min(axis=0))]) for image in part.inputs)
    assert [digits[d] for d in range(10)] == [n // 5 for n in DIGITS["train"]]


@pytest.mark.parametrize(("difficulty", "corner"), [("large", 28), ("medium", 4), ("small", 2)])
def test_spuco_mnist_colours_the_background_of_its_corner_alone(raw, difficulty, corner):
    examples = made(raw, **{**SPUCO, "difficulty": difficulty})
    originals = made_mnist.marked_images(60000)
    part = examples.splits["train"]
    for image, label, color in itertools.islice(
        zip(part.inputs, part.labels, part.attributes["background"], strict=True), 300
    ):
        number = made_mnist.number_of(image.min(axis=0)) if difficulty == "large" else made_mnist.number_of(image[0])
        expected = np.repeat(originals[number][None], 3, axis=0)
        for y, x in itertools.product(range(corner), range(corner)):
            if originals[number][y, x] == 0:
                expected[:, y, x] = PALETTE[color]
        assert (image == expected).all()
        assert label in range(5)


def test_cmnist_star_colours_by_probability_and_validation_looks_like_test(raw):
    examples = made(raw, **STAR)
    table = np.array(counts(examples, "train")).reshape(5, 5)
    n, share = table.sum(), np.trace(table) / table.sum()
    assert abs(share - 0.995) < 4 * math.sqrt(0.995 * 0.005 / n)
    for split in ("val", "test"):
        table = np.array(counts(examples, split)).reshape(5, 5)
        expected = table.sum(axis=1, keepdims=True) / 5
        assert (abs(table - expected) < 5 * np.sqrt(expected)).all()
    assert examples.splits["train"].inputs.shape == (48004, 3, 32, 32)


def test_cmnist_star_colours_bright_pixels_then_enlarges_then_crops(raw):
    part = made(raw, **STAR).splits["test"]
    # Two different enlarged frames differ by where they are cropped: their bright boxes move over 9 places.
    tops = {int(np.flatnonzero(image.any(axis=(0, 2)))[0]) for image in part.inputs[:500]}
    assert len(tops) == 9
    color = part.attributes["color"][0]
    centre = part.inputs[0][:, part.inputs[0].max(axis=0) > 250]
    assert (centre.mean(axis=1).round() > 250).tolist() == [value == 255 for value in PALETTE[color]]


def test_the_enlargement_is_linear_interpolation_between_pixel_centres():
    matrix = enlargement(28, 40)
    for row in range(40):
        at = min(max((row + 0.5) * 28 / 40 - 0.5, 0), 27)
        low = min(int(at), 26)
        slow = np.zeros(28)
        slow[low], slow[low + 1] = 1 - (at - low), at - low
        assert np.abs(matrix[row] - slow).max() < 1e-6


# Dominoes


@pytest.mark.parametrize(
    ("correlation", "train", "val"),
    [
        (0.95, [4484, 236, 236, 4484], [1121, 59, 59, 1121]),
        (0.99, [4673, 47, 47, 4673], [1168, 12, 12, 1168]),
        (1.0, [4720, 0, 0, 4720], [1180, 0, 0, 1180]),
    ],
)
def test_dominoes_have_the_exact_counts_and_declare_empty_cells(raw, correlation, train, val):
    examples = made(raw, **{**DOMINOES, "correlation": correlation})
    assert counts(examples, "train") == train
    assert counts(examples, "val") == val
    assert counts(examples, "test") == [490] * 4
    assert examples.declared_empty == (examples.minority if correlation == 1 else frozenset())
    assert sizes_of({**DOMINOES, "correlation": correlation}).n_minority == train[1] + train[2]


def test_dominoes_stack_a_digit_on_a_garment_and_use_each_once(raw):
    examples = made(raw, **DOMINOES)
    digit_of, garment_of = classes(raw["mnist"]), classes(raw["fashion-mnist"])
    for splits in (("train", "val"), ("test",)):
        digits, garments = Counter(), Counter()
        for split in splits:
            part = examples.splits[split]
            for (image,), label, digit in zip(part.inputs, part.labels, part.attributes["digit"], strict=True):
                above, below = made_mnist.number_of(image[:28]), made_mnist.number_of(image[28:])
                assert digit_of[above] == digit
                assert garment_of[below] == (4, 3)[label]
                assert (above >= 60000) == (below >= 60000) == (split == "test")
                digits[above] += 1
                garments[below] += 1
        assert max(digits.values()) == max(garments.values()) == 1


# All of them


@pytest.mark.parametrize("settings", [COLORED, SPUCO, STAR, DOMINOES], ids=lambda s: s["kind"])
def test_the_same_seed_gives_the_same_arrays_and_another_seed_others(raw, settings):
    first, again, other = made(raw, **settings), made(raw, **settings), made(raw, **{**settings, "data_seed": 1})
    for split in SPLITS:
        assert (first.splits[split].inputs == again.splits[split].inputs).all()
        assert (first.splits[split].labels == again.splits[split].labels).all()
    assert not np.array_equal(first.splits["train"].inputs, other.splits["train"].inputs)


@pytest.mark.parametrize("settings", [COLORED, SPUCO, STAR, DOMINOES], ids=lambda s: s["kind"])
def test_classes_and_groups_come_in_random_order(raw, settings):
    part = made(raw, **settings).splits["train"]
    half = len(part.labels) // 2
    for value in np.unique(part.labels):
        n, first = (part.labels == value).sum(), (part.labels[:half] == value).sum()
        assert abs(first - n / 2) < 5 * math.sqrt(n) / 2


def test_the_wrong_number_of_raw_folders_is_refused(raw):
    with pytest.raises(ConfigError, match=r"dominoes is made from 2 raw set\(s\), mnist, fashion-mnist; got 1 folder"):
        read(DOMINOES, [raw["mnist"]])


# IDX


def test_idx_reads_what_was_written(tmp_path):
    array = np.arange(24, dtype=np.uint8).reshape(2, 3, 4)
    made_mnist.write_idx(tmp_path / "x", array)
    assert (read_idx(tmp_path / "x", n_axes=3) == array).all()


@pytest.mark.parametrize(
    ("spoil", "message"),
    [
        (lambda b: b[:-1], "holds 23 bytes of data, its header says 24"),
        (lambda b: b + b"x", "holds 25 bytes of data, its header says 24"),
        (lambda b: b"", "begins with nothing, expected 00 00 08 03"),
        (lambda b: b"\x1f\x8b" + b[2:], "begins with 1f 8b 08 03, expected 00 00 08 03"),
        (lambda b: b[:3] + b"\x01" + b[4:], "begins with 00 00 08 01, expected 00 00 08 03"),
        (lambda b: b"<!doctype html>", "begins with 3c 21 64 6f, expected"),
    ],
    ids=["truncated", "too long", "empty", "gzip", "labels for images", "html"],
)
def test_a_file_that_is_not_idx_is_refused_with_what_was_seen(tmp_path, spoil, message):
    path = tmp_path / "x"
    made_mnist.write_idx(path, np.zeros((2, 3, 4)))
    path.write_bytes(spoil(path.read_bytes()))
    with pytest.raises(DataError, match=message):
        read_idx(path, n_axes=3)


def test_images_and_labels_that_do_not_belong_together_are_refused(tmp_path):
    made_mnist.write_idx(tmp_path / "train-images-idx3-ubyte", np.zeros((3, 28, 28)))
    made_mnist.write_idx(tmp_path / "train-labels-idx1-ubyte", np.zeros(2))
    with pytest.raises(DataError, match="train has 3 images and 2 labels"):
        read_labelled(tmp_path, "train")
    made_mnist.write_idx(tmp_path / "train-labels-idx1-ubyte", np.array([1, 10, 2]))
    with pytest.raises(DataError, match="train has a label 10, expected 0 to 9"):
        read_labelled(tmp_path, "train")
