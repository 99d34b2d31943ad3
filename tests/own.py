"""One's own data as a stranger brings it: image files, a table of them, a table of texts."""

import csv
from collections.abc import Sequence
from pathlib import Path

import numpy as np
from PIL import Image

LABELS = ("cat", "dog")
BACKGROUNDS = ("red", "green")
SGD = {"name": "sgd", "learning_rate": 1.0e-2, "momentum": 0.9, "weight_decay": 0.0}


def picture(label: int, background: int, rng: np.random.Generator) -> np.ndarray:
    """Return a noisy image, height 20 and width 24: the background's channel is bright, a bar says the label."""
    image = rng.integers(0, 30, size=(20, 24, 3))
    image[..., background] += 150
    image[6:14, 4 : 10 + 8 * label] += 70
    return np.clip(image, 0, 255).astype(np.uint8)


def pairs(n: int, conflicting: int = 5) -> list[tuple[int, int]]:
    """Return label and background of n examples; every `conflicting`-th of a class has the other background."""
    return [(k % 2, k % 2 if (k // 2) % conflicting else 1 - k % 2) for k in range(n)]


def write_csv(path: Path, header: Sequence[str], rows: Sequence[Sequence[object]]) -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    with open(path, "w", newline="", encoding="utf-8") as file:
        csv.writer(file).writerows([header, *rows])
    return path


def write_pictures(folder: Path, n: int = 80) -> Path:
    """Write image files and `table.csv` with columns path, label and background; return the table."""
    rng = np.random.default_rng(0)
    rows = []
    (folder / "files").mkdir(parents=True)
    for k, (label, background) in enumerate(pairs(n)):
        name = f"picture {k}.png"
        Image.fromarray(picture(label, background, rng)).save(folder / "files" / name)
        rows.append((name, LABELS[label], BACKGROUNDS[background]))
    return write_csv(folder / "table.csv", ("path", "label", "background"), rows)


def write_image_folder(root: Path, n: int = 80) -> Path:
    """Write <class>/<image> and return the folder."""
    rng = np.random.default_rng(0)
    for k, (label, background) in enumerate(pairs(n)):
        (root / LABELS[label]).mkdir(parents=True, exist_ok=True)
        Image.fromarray(picture(label, background, rng)).save(root / LABELS[label] / f"{k}.png")
    return root


WORDS = {0: ("dull", "slow", "weak"), 1: ("fine", "warm", "sharp")}
TOPICS = ("film", "book")


def write_texts(path: Path, n: int = 120) -> Path:
    """Write a table of texts with columns text, label and topic; the topic goes with the label mostly."""
    rng = np.random.default_rng(0)
    rows = []
    for label, topic in pairs(n):
        words = [TOPICS[topic], *rng.choice(WORDS[label], 2), *rng.choice(["a", "the", "very", "and"], 4)]
        rng.shuffle(words)
        rows.append((" ".join(words), LABELS[label], TOPICS[topic]))
    return write_csv(path, ("text", "label", "topic"), rows)


def write_tokenizer(folder: Path) -> Path:
    """Write a WordPiece vocabulary that knows the words of `write_texts`."""
    folder.mkdir(parents=True)
    words = [*WORDS[0], *WORDS[1], *TOPICS, "a", "the", "very", "and"]
    tokens = ["[PAD]", "[UNK]", "[CLS]", "[SEP]", "[MASK]", *words]
    (folder / "vocab.txt").write_text("\n".join(tokens) + "\n", encoding="utf-8")
    return folder


def study(entry: dict, **changes: object) -> dict:
    """Return a tiny study of one data set, under rules that need no group."""
    return {
        "study": "mine",
        "seeds": [0, 1],
        "datasets": {"mine": {"kind": "own_data", **entry}},
        "model": {"name": "mlp", "hidden": [8]},
        "methods": {
            "erm": {"epochs": 2, "batch_size": 16, "optimizer": SGD},
            "bam": {
                "stage1": {
                    "auxiliary_coefficient": 5,
                    "loss": "squared",
                    "epochs": 2,
                    "batch_size": 16,
                    "optimizer": SGD,
                    "watch_epochs": [1, 2],
                },
                "stage2": {"upweight_factor": 5, "restart": False, "epochs": 2, "batch_size": 16, "optimizer": SGD},
            },
        },
        "selection": ["class_difference", "worst_error_group", "average"],
        "keep_weights": ["class_difference"],
        **changes,
    }
