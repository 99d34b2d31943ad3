"""Many short texts in little memory: one buffer of UTF-8, and where each text ends."""

from array import array


class Texts:
    """Texts in the order in which they were added; a Python string of its own for each would take twice the memory.

    >>> texts = Texts()
    >>> for text in ("a cat", "", "ein Käse"):
    ...     texts.add(text)
    >>> len(texts), texts[2], texts[1]
    (3, 'ein Käse', '')
    """

    def __init__(self) -> None:
        self._bytes = bytearray()
        self._ends = array("q", [0])

    def __len__(self) -> int:
        """Return the number of texts."""
        return len(self._ends) - 1

    def __getitem__(self, k: int) -> str:
        """Return one text."""
        if not 0 <= k < len(self):
            raise IndexError(k)
        return self._bytes[self._ends[k] : self._ends[k + 1]].decode("utf-8")

    def add(self, text: str) -> None:
        """Add a text at the end.

        Raises
        ------
        UnicodeEncodeError
            If it holds half of a surrogate pair, which no UTF-8 can say.
        """
        self._bytes += text.encode("utf-8")
        self._ends.append(len(self._bytes))
