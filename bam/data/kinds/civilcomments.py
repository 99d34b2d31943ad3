"""CivilComments as WILDS splits it: whether a comment on a news article is toxic.

Class 1 = at least half of the annotators called the comment toxic. Two definitions of groups, chosen by
`groups`, over the same arrays and trainings:

- `identity_any`: label x (does the comment mention any identity?), four groups that partition the data, as in
  JTT and BAM. Tables that count 148,186 / 90,337 / 12,731 / 17,784 training comments mean "any of the eight
  identities below" in place of the file's own column, which also counts rarer ones.
- `wilds`: label x each of eight identities, sixteen groups that overlap and leave comments without an identity
  out; WILDS' worst group. Group-DRO, which needs a partition, trains on `identity_any` under both.

Minority groups are those in which label and identity disagree, because identities are mentioned more often in
toxic comments: toxic without an identity, and not toxic with one.

References
----------
Borkan et al. 2019, arXiv:1903.04561; Koh et al. 2021 (WILDS), arXiv:2012.07421; Liu et al. 2021 (JTT),
arXiv:2107.09044.
"""

import math
from array import array
from collections.abc import Mapping
from pathlib import Path
from typing import Any, Literal

import numpy as np
from pydantic import Field

from bam.data.benchmark import Benchmark, BenchmarkSettings
from bam.data.examples import SPLITS, Examples, Sizes, Split, SplitExamples
from bam.data.members import open_members
from bam.data.records import csv_rows
from bam.data.texts import Texts
from bam.data.tokenise import TokenRows, tokenizer_of
from bam.data.tokenise import fingerprint as tokenizer_fingerprint
from bam.errors import DataError

RAW = ("civilcomments",)
RAW_SETTINGS = ("tokenizer",)
GROUP_SETTINGS = ("groups",)
TRAINING_GROUPS = {"groups": "identity_any"}
VALIDATION = "as_train"
PER_SEED_DRAW = "all seeds use WILDS' split, so intervals over seeds omit the sampling error of test"
CLASSES = ("not toxic", "toxic")
IDENTITIES = ("male", "female", "LGBTQ", "christian", "muslim", "other_religions", "black", "white")
ANY = "identity_any"
ARCHIVE, MEMBER = "civilcomments_v1.0.tar", "all_data_with_identities.csv"
THRESHOLD = 0.5
# Examples of each group of `identity_any`, in group order; counted by the authors of BAM on WILDS' file.
PUBLISHED: Mapping[Split, tuple[int, ...]] = {
    "train": (143628, 94895, 11940, 18575),
    "val": (24366, 15759, 1967, 3088),
    "test": (72373, 46185, 6063, 9161),
}
BENCHMARK = Benchmark(CLASSES, (ANY, ("no identity", "identity")), frozenset({(0, 1), (1, 0)}), PUBLISHED)
WORDS = {"true": 1.0, "false": 0.0}


class Settings(BenchmarkSettings):
    """The `datasets:` entry of a study."""

    kind: Literal["civilcomments"]
    tokenizer: str = Field(description="raw set of a tokeniser, such as bert-base-uncased-tokenizer, or a folder")
    max_length: int = Field(ge=8, le=512, description="tokens of a comment; the rest is cut off; 300 in the paper")
    groups: Literal["identity_any", "wilds"] = Field(default="identity_any", description="what worst-group means")


def fingerprint(settings: Mapping[str, Any]) -> Any:
    """Return what is in the tokeniser's folder, where it is one of this machine."""
    return tokenizer_fingerprint(str(settings["tokenizer"]))


def sizes(settings: Settings) -> Sizes:
    """Return the published sizes."""
    return BENCHMARK.sizes((settings.max_length,))


def read_examples(raw: Mapping[str, Path], settings: Settings) -> Examples:
    """Read comments, labels and identities; token ids are made when asked for.

    Returns
    -------
    Examples with inputs int32 of shape (n, max_length)

    Raises
    ------
    DataError
        If a file is missing or damaged, or (unless `counts: any`) a group of `identity_any` is not as large as
        published.
    """
    folder = raw["civilcomments"]
    tokenizer, text = tokenizer_of(settings.tokenizer, raw)
    comments, table = _read_comments(folder)
    splits: dict[Split, SplitExamples] = {}
    for k, split in enumerate(SPLITS):
        rows = np.flatnonzero(table[:, 0] == k)
        columns = table[rows].astype(np.int64)
        attributes = {name: columns[:, 2 + place] for place, name in enumerate((*IDENTITIES, ANY))}
        inputs = TokenRows(tokenizer, settings.max_length, text.pad_id, comments, rows)
        splits[split] = SplitExamples(inputs, columns[:, 1], attributes)
    cells = {split: (part.labels, part.attributes[ANY]) for split, part in splits.items()}
    BENCHMARK.check(cells, settings.counts, f"{folder}", open_members(folder / ARCHIVE))
    if settings.groups == "wilds":
        pairs = frozenset((0, k) for k in range(len(IDENTITIES)))
        return Examples(splits, CLASSES, None, pairs, overlapping=IDENTITIES, text=text)
    return Examples(splits, CLASSES, BENCHMARK.attribute, BENCHMARK.minority, text=text)


def _read_comments(folder: Path) -> tuple[Texts, np.ndarray]:
    """Return the comments and, for each, split, label, the eight identities and whether any, int8 (n, 11)."""
    comments, table, ids = Texts(), array("b"), set[str]()
    scores = ("toxicity", *IDENTITIES, ANY)
    columns = ("comment_text", "split", *scores)
    for where, (comment, split, *values, identifier) in csv_rows(folder, ARCHIVE, MEMBER, columns, optional=("id",)):
        if split not in SPLITS:
            raise DataError(f"{where}: split is {split!r}, expected {', '.join(SPLITS)}")
        if identifier and identifier in ids:
            raise DataError(f"{where}: id {identifier!r} stands twice; is the file whole?")
        ids.add(identifier)
        comments.add(comment)
        table.append(SPLITS.index(split))
        for name, value in zip(scores, values, strict=True):
            table.append(_score(value, name, where) >= THRESHOLD)
    return comments, np.array(table, dtype=np.int8).reshape(-1, 1 + len(scores))


def _score(text: str, name: str, where: str) -> float:
    """Return a share of annotators, from 0 to 1; an identity that nobody was asked about counts as absent."""
    if not text and name != "toxicity":
        return 0.0
    try:
        score = WORDS[text.lower()] if text.lower() in WORDS else float(text)
    except ValueError:
        score = math.nan
    if not 0 <= score <= 1:
        raise DataError(f"{where}: {name} is {text!r}, expected a number from 0 to 1")
    return score
