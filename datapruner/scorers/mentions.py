"""How often the words of a question occur in many texts, by how the words begin, in any language.

Questions and pages inflect: "Risiko" is asked for and "Risiken" is written. A word counts where a
word of the text begins like it, up to its sixth letter. Texts are searched and never cut up, which
takes a fraction of the time.
"""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Mapping, Sequence
from itertools import accumulate

import numpy as np

from datapruner.core.types import FloatArray
from datapruner.scorers.terms import STOP_WORDS, stem, words

__all__ = ["asked_words", "mentions"]

_BEGINNING = 6
"""Letters of a word that count. With 5 to 7 of them more answers stay than with English stems where
pages are in several languages, and English pages tell no difference (benchmarks/html, training
halves)."""

_SHORT = 3
_UNSPACED = re.compile(
    "[\u0e01-\u0e4e\u0e81-\u0ecd\u1000-\u109f\u1780-\u17d3\u3005\u3041-\u30ff\u3400-\u4dbf"
    "\u4e00-\u9fff\uac00-\ud7a3\uf900-\ufaff\U00020000-\U0003134f]"
)


def asked_words(query: str) -> dict[str, str]:
    """The beginnings to look for, in order, and how each must stand in a text.

    Args:
        query: any text; English function words are left out unless there are no others.

    Returns:
        ``"begins"`` a word, ``"whole"`` (words of up to three letters), or ``"anywhere"`` (scripts
        without spaces between words).
    """
    every = list(dict.fromkeys(words(query)))
    found: dict[str, str] = {}
    for word in [word for word in every if word not in STOP_WORDS] or every:
        if _UNSPACED.match(word):
            found.setdefault(word, "anywhere")
        elif len(word) <= _SHORT:
            found.setdefault(word, "whole")
        else:
            # The stem of "cities" is "city": both begin with "cit".
            found.setdefault(stem(word).removesuffix("y")[:_BEGINNING], "begins")
    return found


def mentions(texts: Sequence[str], asked: Mapping[str, str]) -> FloatArray:
    """How often each of the words occurs in each text.

    Args:
        texts: n texts.
        asked: t words, as ``asked_words`` gives them.

    Returns:
        Shape (n, t), float64.
    """
    counts = np.zeros((len(texts), len(asked)))
    if not counts.size:
        return counts
    joined = "\n".join(["", *texts, ""])
    if joined.isascii():
        joined = joined.lower()
    else:
        # Some texts are of another length then.
        texts = [unicodedata.normalize("NFKC", text).lower() for text in texts]
        joined = "\n".join(["", *texts, ""])
    starts = np.fromiter(accumulate([len(text) + 1 for text in texts]), np.int64, len(texts))
    for column, (word, how) in enumerate(asked.items()):
        places = _places(joined, word, how)
        if places:
            rows = np.searchsorted(starts, places, side="right")
            counts[:, column] = np.bincount(rows, minlength=len(texts))
    return counts


def _places(joined: str, word: str, how: str) -> list[int]:
    """Where a word occurs, counted from the second character of the joined texts."""
    found = []
    size = len(word)
    place = joined.find(word)
    while place >= 0:
        begins = how == "anywhere" or not joined[place - 1].isalnum()
        if begins and (how != "whole" or not joined[place + size].isalnum()):
            found.append(place - 1)
        place = joined.find(word, place + size)
    return found
