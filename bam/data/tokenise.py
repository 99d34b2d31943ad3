"""From texts to token ids: a fast tokeniser read from a folder of files, and rows that it makes block by block."""

import json
from collections.abc import Mapping, Sequence
from pathlib import Path

import numpy as np
from tokenizers import Tokenizer, decoders, models, normalizers, pre_tokenizers, processors

from bam.data.examples import TextFacts
from bam.data.raw import is_folder
from bam.data.rows import Shapes
from bam.data.texts import Texts
from bam.errors import ConfigError, DataError
from bam.files import sha256_file

VOCABULARY, WHOLE, SETTINGS = "vocab.txt", "tokenizer.json", "tokenizer_config.json"
FILES = (VOCABULARY, WHOLE, SETTINGS)
SPECIAL = {"unknown": "[UNK]", "start": "[CLS]", "end": "[SEP]", "padding": "[PAD]"}
PADDINGS = ("[PAD]", "<pad>")
PER_CALL = 512  # texts handed to the library at once: its answers take ten times the room of the ids


def fingerprint(name: str) -> dict[str, str] | None:
    """Return what identifies a tokeniser in a local folder, file -> SHA-256; None for a raw set.

    Raises
    ------
    ConfigError
        If the folder holds no tokeniser.
    """
    if not is_folder(name):
        return None
    there = {file: sha256_file(Path(name) / file) for file in FILES if (Path(name) / file).is_file()}
    if not {VOCABULARY, WHOLE} & set(there):
        raise ConfigError(f"tokenizer: {name}: holds neither {VOCABULARY} nor {WHOLE}; name a folder that has one")
    return there


def read_tokenizer(folder: Path) -> Tokenizer:
    """Read a tokeniser, without truncation or padding.

    `tokenizer.json` describes any fast tokeniser whole. Without it, `vocab.txt` is the vocabulary of a
    WordPiece tokeniser with BERT's normaliser, in lower case and without accents unless `tokenizer_config.json`
    says `do_lower_case: false`.

    Raises
    ------
    DataError
        If neither file is there, or it is not what it should be.

    References
    ----------
    Devlin et al. 2019 (BERT), arXiv:1810.04805; Wu et al. 2016 (WordPiece), arXiv:1609.08144.
    """
    path = folder / WHOLE
    if not path.is_file():
        return _word_piece(folder)
    try:
        tokenizer = Tokenizer.from_file(str(path))
    except Exception as error:  # the library raises nothing more special
        raise DataError(f"{path}: is not a tokeniser of the tokenizers library ({error})") from error
    tokenizer.no_truncation()
    tokenizer.no_padding()
    return tokenizer


def tokenizer_of(name: str, raw: Mapping[str, Path]) -> tuple[Tokenizer, TextFacts]:
    """Return the tokeniser that a setting names, a raw set or the path of a folder, and what it says of its ids.

    Raises
    ------
    DataError
        As `read_tokenizer` and `facts`.
    """
    folder = Path(name) if is_folder(name) else raw[name]
    tokenizer = read_tokenizer(folder)
    return tokenizer, facts(tokenizer, folder)


def facts(tokenizer: Tokenizer, folder: Path) -> TextFacts:
    """Return the id of padding and the number of ids.

    Raises
    ------
    DataError
        If the tokeniser has no padding.
    """
    for token in (*_named_padding(folder), *PADDINGS):
        pad_id = tokenizer.token_to_id(token)
        if pad_id is not None:
            return TextFacts(pad_id, tokenizer.get_vocab_size(with_added_tokens=True))
    raise DataError(f"{folder}: its vocabulary has no token of padding, such as {PADDINGS[0]}")


class TokenRows:
    """Token ids of texts, or of pairs of texts, made when asked for.

    A pair is cut by taking tokens from the longer of the two until both fit, a text by its end.

    Parameters
    ----------
    tokenizer
        As `read_tokenizer` gives it; a copy is kept, so the same one may serve other lengths.
    max_length
        Tokens of an example, those that frame the texts included; shorter ones are padded with `pad_id`.
    texts
        All texts.
    rows
        Positions among them of the examples, in order.
    pairs
        The second of each pair, beside `texts`; the arrays then have `segments`, 1 for its tokens.

    """

    def __init__(
        self,
        tokenizer: Tokenizer,
        max_length: int,
        pad_id: int,
        texts: Texts,
        rows: np.ndarray,
        pairs: Texts | None = None,
    ) -> None:
        self._tokenizer = Tokenizer.from_str(tokenizer.to_str())
        self._tokenizer.enable_truncation(max_length, strategy="longest_first")
        self._tokenizer.enable_padding(length=max_length, pad_id=pad_id)
        self._max_length, self._texts, self._rows, self._pairs = max_length, texts, rows, pairs

    @property
    def shapes(self) -> Shapes:
        """Ids as int32 and, for pairs, segments as uint8, both `max_length` long."""
        shapes: dict[str, tuple[tuple[int, ...], str]] = {"inputs": ((self._max_length,), "int32")}
        return shapes if self._pairs is None else {**shapes, "segments": ((self._max_length,), "uint8")}

    def __len__(self) -> int:
        """Return n."""
        return len(self._rows)

    def read(self, start: int, stop: int) -> dict[str, np.ndarray]:
        """Tokenise the rows from `start` to `stop`; the library works on all cores and without Python's lock."""
        rows = self._rows[start:stop]
        block = {name: np.empty((len(rows), *shape), dtype=dtype) for name, (shape, dtype) in self.shapes.items()}
        for first in range(0, len(rows), PER_CALL):
            found = self._tokenizer.encode_batch_fast(self._batch(rows[first : first + PER_CALL].tolist()))
            block["inputs"][first : first + PER_CALL] = [encoding.ids for encoding in found]
            if "segments" in block:
                block["segments"][first : first + PER_CALL] = [encoding.type_ids for encoding in found]
        return block

    def _batch(self, rows: Sequence[int]) -> list[str] | list[tuple[str, str]]:
        if self._pairs is None:
            return [self._texts[k] for k in rows]
        return [(self._texts[k], self._pairs[k]) for k in rows]


def _word_piece(folder: Path) -> Tokenizer:
    path = folder / VOCABULARY
    if not path.is_file():
        raise DataError(
            f"{folder}: holds neither {VOCABULARY} nor {WHOLE}; run `bam fetch` again or name another folder"
        )
    vocabulary = _vocabulary(path)
    lower = bool(_settings(folder).get("do_lower_case", True))
    tokenizer = Tokenizer(models.WordPiece(vocabulary, unk_token=SPECIAL["unknown"], max_input_chars_per_word=100))
    tokenizer.add_special_tokens([token for token in (*SPECIAL.values(), "[MASK]") if token in vocabulary])
    tokenizer.normalizer = normalizers.BertNormalizer(
        clean_text=True, handle_chinese_chars=True, strip_accents=None, lowercase=lower
    )
    tokenizer.pre_tokenizer = pre_tokenizers.BertPreTokenizer()
    tokenizer.decoder = decoders.WordPiece(prefix="##")
    start, end = SPECIAL["start"], SPECIAL["end"]
    tokenizer.post_processor = processors.TemplateProcessing(
        single=f"{start}:0 $A:0 {end}:0",
        pair=f"{start}:0 $A:0 {end}:0 $B:1 {end}:1",
        special_tokens=[(token, vocabulary[token]) for token in (start, end)],
    )
    return tokenizer


def _vocabulary(path: Path) -> dict[str, int]:
    try:
        tokens = path.read_text(encoding="utf-8").split("\n")
    except (OSError, UnicodeDecodeError) as error:
        raise DataError(f"{path}: cannot be read ({error}); run `bam fetch` again") from error
    if tokens[-1] == "":
        tokens.pop()
    vocabulary = {token.rstrip("\r"): k for k, token in enumerate(tokens)}
    missing = [token for token in SPECIAL.values() if token not in vocabulary]
    if missing:
        raise DataError(f"{path}: lacks the tokens {', '.join(missing)}; expected BERT's vocabulary, one token a line")
    if len(vocabulary) != len(tokens):
        raise DataError(f"{path}: has {len(tokens):,} lines but {len(vocabulary):,} different tokens; each stands once")
    return vocabulary


def _settings(folder: Path) -> dict[str, object]:
    path = folder / SETTINGS
    if not path.is_file():
        return {}
    try:
        content = json.loads(path.read_text(encoding="utf-8"))
    except (OSError, ValueError, RecursionError) as error:
        raise DataError(f"{path}: cannot be read as JSON ({error}); expected a tokeniser's settings") from error
    if not isinstance(content, dict):
        raise DataError(f"{path}: expected a JSON object, got {json.dumps(content)[:40]}")
    return content


def _named_padding(folder: Path) -> list[str]:
    """Return the token of padding that the tokeniser's settings name; older files describe it as an object."""
    token = _settings(folder).get("pad_token")
    if isinstance(token, dict):
        token = token.get("content")
    return [token] if isinstance(token, str) else []
