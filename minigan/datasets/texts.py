"""Texts as words, and words as numbers."""

from __future__ import annotations

import re
from collections.abc import Iterable, Sequence

import numpy as np
from numpy.typing import NDArray

from minigan.names import did_you_mean

__all__ = ["numbers_of", "words_of"]


def words_of(text: str) -> list[str]:
    """The words of a text, in small letters: letters, digits, and ' and - between them.

    >>> words_of("A thick 7, leaning left: not a T-shirt!")
    ['a', 'thick', '7', 'leaning', 'left', 'not', 'a', 't-shirt']
    """
    return re.findall(r"\w+(?:['-]\w+)*", text.lower())


def numbers_of(texts: Iterable[str], vocabulary: Sequence[str], length: int) -> NDArray[np.int64]:
    """Texts as numbers of words, (N, length). Raises ValueError for words that are unknown, naming the nearest known,
    for texts that are too long, and for those without a word."""
    number = {word: i + 1 for i, word in enumerate(vocabulary)}
    rows = list[list[int]]()
    for text in texts:
        words = words_of(text)
        if unknown := [word for word in words if word not in number]:
            named = [f"{word!r}{did_you_mean(word, vocabulary)}" for word in dict.fromkeys(unknown)]
            known = ", ".join(sorted(vocabulary))
            raise ValueError(f"{text!r:.200} has words that were never read: {', '.join(named)} (known are {known})")
        if not 0 < len(words) <= length:
            raise ValueError(f"expected a text of 1 to {length} words, got {len(words)}: {text!r:.200}")
        rows.append([number[word] for word in words] + [0] * (length - len(words)))
    return np.array(rows, np.int64).reshape(len(rows), length)
