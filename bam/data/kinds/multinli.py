"""MultiNLI with a random split: whether a sentence follows from another, contradicts it, or neither.

Class = contradiction, entailment or neutral; attribute = whether the second sentence has one of the words
nobody, no, never, nothing, with which crowd workers liked to contradict. The three files of pairs are pooled,
pairs without an agreed label left out, and `metadata_random.csv` has a row for each of the others, in order:
label, attribute, split. Validation is a random part of the same pool as train. Minority groups: negation
without contradiction.

References
----------
Williams et al. 2018, arXiv:1704.05426; Sagawa et al. 2020, arXiv:1911.08731 (split and attribute);
Gururangan et al. 2018, arXiv:1803.02324 (the words).
"""

import string
from array import array
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Literal

import numpy as np
from pydantic import Field

from bam.data.benchmark import Benchmark, BenchmarkSettings
from bam.data.examples import SPLITS, Examples, Sizes, Split, SplitExamples
from bam.data.members import open_members
from bam.data.records import csv_rows, json_lines
from bam.data.texts import Texts
from bam.data.tokenise import TokenRows, tokenizer_of
from bam.data.tokenise import fingerprint as tokenizer_fingerprint
from bam.errors import DataError

RAW = ("multinli",)
RAW_SETTINGS = ("tokenizer",)
VALIDATION = "as_train"
PER_SEED_DRAW = "all seeds use the same published random split, so intervals over seeds omit the sampling error of test"
CLASSES = ("contradiction", "entailment", "neutral")
VALUES = ("no negation", "negation")
NEGATIONS = frozenset({"nobody", "no", "never", "nothing"})
NO_LABEL = "-"
ARCHIVE, METADATA = "multinli_1.0.zip", "metadata_random.csv"
PAIRS = tuple(f"multinli_1.0_{part}.jsonl" for part in ("train", "dev_matched", "dev_mismatched"))
# Examples of each group, in group order; counted by the authors of BAM on the published files.
PUBLISHED: Mapping[Split, tuple[int, ...]] = {
    "train": (57498, 11158, 67376, 1521, 66630, 1992),
    "val": (22814, 4634, 26949, 613, 26655, 797),
    "test": (34597, 6655, 40496, 886, 39930, 1148),
}
BENCHMARK = Benchmark(CLASSES, ("negation", VALUES), frozenset({(1, 1), (2, 1)}), PUBLISHED)
PUNCTUATION = str.maketrans("", "", string.punctuation)


class Settings(BenchmarkSettings):
    """The `datasets:` entry of a study."""

    kind: Literal["multinli"]
    tokenizer: str = Field(description="raw set of a tokeniser, such as bert-base-uncased-tokenizer, or a folder")
    max_length: int = Field(ge=8, le=512, description="tokens of a pair; the longer sentence is cut; 128 in the paper")


def fingerprint(settings: Mapping[str, Any]) -> Any:
    """Return what is in the tokeniser's folder, where it is one of this machine."""
    return tokenizer_fingerprint(str(settings["tokenizer"]))


def sizes(settings: Settings) -> Sizes:
    """Return the published sizes."""
    return BENCHMARK.sizes((settings.max_length,))


def read_examples(raw: Mapping[str, Path], settings: Settings) -> Examples:
    """Read pairs and split; token ids are made when asked for.

    Returns
    -------
    Examples with inputs int32 and segments uint8, both of shape (n, max_length)

    Raises
    ------
    DataError
        If a file is missing or damaged, the pairs and the metadata do not go together, or (unless
        `counts: any`) a group is not as large as published.
    """
    folder = raw["multinli"]
    tokenizer, text = tokenizer_of(settings.tokenizer, raw)
    pairs = _read_pairs(folder)
    split_of = _read_splits(folder, pairs)
    labels, negation = np.array(pairs.labels, dtype=np.int64), np.array(pairs.negation, dtype=np.int64)
    splits: dict[Split, SplitExamples] = {}
    for k, split in enumerate(SPLITS):
        rows = np.flatnonzero(split_of == k)
        inputs = TokenRows(tokenizer, settings.max_length, text.pad_id, pairs.first, rows, pairs.second)
        splits[split] = SplitExamples(inputs, labels[rows], {"negation": negation[rows]})
    cells = {split: (part.labels, part.attributes["negation"]) for split, part in splits.items()}
    BENCHMARK.check(cells, settings.counts, f"{folder}", open_members(folder / ARCHIVE))
    return Examples(splits, CLASSES, BENCHMARK.attribute, BENCHMARK.minority, text=text)


def has_negation(sentence: str) -> bool:
    """Return whether one of the words, in either case and without punctuation, stands between two spaces.

    >>> has_negation("No, he didn't."), has_negation("He knows none.")
    (True, False)
    """
    return not NEGATIONS.isdisjoint(sentence.translate(PUNCTUATION).lower().split(" "))


@dataclass(frozen=True)
class _Pairs:
    """The labelled pairs of all files, in order, and from which line of which file each is."""

    first: Texts = field(default_factory=Texts)
    second: Texts = field(default_factory=Texts)
    labels: "array[int]" = field(default_factory=lambda: array("b"))
    negation: "array[int]" = field(default_factory=lambda: array("b"))
    files: "array[int]" = field(default_factory=lambda: array("b"))
    lines: "array[int]" = field(default_factory=lambda: array("q"))

    def place(self, k: int) -> str:
        """Name the line of one pair, for messages."""
        return f"line {self.lines[k]:,} of {PAIRS[self.files[k]]}"


def _read_pairs(folder: Path) -> _Pairs:
    pairs = _Pairs()
    for file, member in enumerate(PAIRS):
        records = json_lines(folder, ARCHIVE, member, ("gold_label", "sentence1", "sentence2"))
        for line, (where, (label, first, second)) in enumerate(records, start=1):
            if label == NO_LABEL:
                continue
            if label not in CLASSES:
                raise DataError(f"{where}: gold_label is {label!r}, expected {', '.join(CLASSES)} or {NO_LABEL}")
            pairs.first.add(first)
            pairs.second.add(second)
            pairs.labels.append(CLASSES.index(label))
            pairs.negation.append(has_negation(second))
            pairs.files.append(file)
            pairs.lines.append(line)
    return pairs


def _read_splits(folder: Path, pairs: _Pairs) -> np.ndarray:
    """Return the split of each pair, 0, 1 or 2, where all rows of the metadata say what the pairs say."""
    columns = ("gold_label", "sentence2_has_negation", "split")
    allowed = ({str(k) for k in range(len(CLASSES))}, {"0", "1"}, {str(k) for k in range(len(SPLITS))})
    read = array("b")
    for where, values in csv_rows(folder, None, METADATA, columns):
        for name, value, choices in zip(columns, values, allowed, strict=True):
            if value not in choices:
                raise DataError(f"{where}: {name} is {value!r}, expected {' or '.join(sorted(choices))}")
        read.extend(map(int, values))
    rows = np.array(read, dtype=np.int8).reshape(-1, len(columns))
    seen = np.stack([np.array(pairs.labels, dtype=np.int8), np.array(pairs.negation, dtype=np.int8)], axis=1)
    _check_alignment(folder / METADATA, rows[:, :2], seen, pairs)
    return rows[:, 2]


def _check_alignment(path: Path, rows: np.ndarray, seen: np.ndarray, pairs: _Pairs) -> None:
    """Compare label and negation of each row with those of the pair of the same position."""
    n = min(len(rows), len(seen))
    wrong = np.flatnonzero((rows[:n] != seen[:n]).any(axis=1))
    counts = (
        f"; it has {len(rows):,} rows, and there are {len(seen):,} labelled pairs" if len(rows) != len(seen) else ""
    )
    advice = "the pairs and the metadata are not of one version, or lines are missing; run `bam fetch` again"
    if wrong.size:
        k = int(wrong[0])
        said, found = (f"{CLASSES[label]}, {VALUES[value]}" for label, value in (rows[k], seen[k]))
        raise DataError(f"{path}: row {k + 1:,}: says {said!r}, but {pairs.place(k)} has {found!r}{counts}: {advice}")
    if counts:
        raise DataError(f"{path}: row {n + 1:,}: is missing or has no pair{counts}: {advice}")
