"""Where an answer stands among sentences: the runs of sentences of which one must stay."""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Sequence
from functools import lru_cache

from datapruner.core.types import AnyArray

__all__ = ["holding", "normalised"]

_ARTICLES = re.compile(r"\b(a|an|the)\b")
# Scripts whose words are not set apart by spaces, or carry particles.
_UNSPACED = re.compile(
    "[\u0e00-\u0eff\u1000-\u109f\u1780-\u17ff\u3040-\u30ff\u3400-\u9fff\uac00-\ud7af]"
)


def normalised(text: str) -> str:
    """Words in lower case, without punctuation and English articles, one space between them.

    Compatibility forms of a character count as the same (NFKC); symbols go with the punctuation,
    invisible characters altogether.

    Args:
        text: any text.

    Source: the usual normalisation of question answering (Rajpurkar et al. 2016,
    arXiv:1606.05250), with punctuation a border of words, and that of all scripts.
    """
    plain = "".join(map(_kept, unicodedata.normalize("NFKC", text).lower()))
    return " ".join(_ARTICLES.sub(" ", plain).split())


@lru_cache(maxsize=4096)
def _kept(character: str) -> str:
    kind = unicodedata.category(character)
    if kind == "Cf":
        return ""
    return " " if kind[0] in "PSZC" else character


def holding(
    sentences: Sequence[str], groups: AnyArray, answers: Sequence[str]
) -> list[frozenset[int]]:
    """The shortest runs of neighbouring sentences that contain an answer.

    A text contains an answer as whole words, normalised; answers in a script without spaces, as
    characters. As long as one run stays whole, so does an answer.

    Args:
        sentences: n texts in source order.
        groups: shape (n,), the chunk of each; a run lies in one chunk.
        answers: accepted answers; one without a letter or digit is passed over.

    Returns:
        Sets of rows, in source order; none where no answer is in the chunks.
    """
    texts = [normalised(sentence) for sentence in sentences]
    wanted = list(dict.fromkeys(filter(None, map(normalised, answers))))
    found: dict[frozenset[int], None] = {}
    for answer in wanted:
        start = 0
        while start < len(texts):
            stop = start
            while stop < len(texts) and groups[stop] == groups[start]:
                stop += 1
            for first, last in _runs(texts, start, stop, answer):
                found[frozenset(range(first, last + 1))] = None
            start = stop
    return sorted(found, key=min)


def _runs(texts: list[str], start: int, stop: int, answer: str) -> list[tuple[int, int]]:
    """``(first, last)`` of the runs between two rows that contain the answer, none in another."""
    if not _contains(texts[start:stop], answer):
        return []
    ends: list[tuple[int, int]] = []
    last = start
    for first in range(start, stop):
        last = max(first, last)
        while last < stop and not _contains(texts[first : last + 1], answer):
            last += 1
        if last == stop:
            break
        # A later first with the same last is shorter.
        if ends and ends[-1][1] == last:
            ends.pop()
        ends.append((first, last))
    return ends


def _contains(texts: list[str], answer: str) -> bool:
    if _UNSPACED.search(answer):
        return answer.replace(" ", "") in "".join(texts).replace(" ", "")
    return f" {answer} " in f" {' '.join(texts)} "
