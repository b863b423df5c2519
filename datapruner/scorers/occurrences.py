"""Where the terms of a question occur in many texts, and how long those are: what BM25 counts."""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Iterable, Sequence
from itertools import accumulate, chain, islice

import numpy as np

from datapruner.core.types import FloatArray
from datapruner.scorers.terms import plain_words, stem, words

__all__ = ["Occurrences"]

_FEW = 48
"""Terms up to which looking for each of them is faster than looking at every word (measured)."""


# Quotes, dashes, dots, arrows and spaces: in compatibility form, too, no letters or digits.
_MARKS = (
    "\u2018\u2019\u201c\u201d\u2010\u2013\u2014\u2022\u2026\u203a\u2192\xa0\xa9\xab\xae\xb7\xbb"
)


class Occurrences:
    """Where each of some terms occurs in some texts, as if ``terms`` had been asked of each text.

    ASCII texts are joined and searched for the few terms that are wanted, which takes a fraction of
    the time of cutting them into words; other texts, and all where many terms are wanted, are cut.

    Attributes:
        lengths: shape (n,), float64, terms in each text, repeats included.
        rows: for each of the wanted terms that occurs, how often it does in which text.
    """

    def __init__(self, texts: Sequence[str], wanted: frozenset[str]) -> None:
        """Count.

        Args:
            texts: n texts.
            wanted: terms, as ``terms`` gives them.
        """
        self.lengths: FloatArray = np.zeros(len(texts))
        self.rows: defaultdict[str, Counter[int]] = defaultdict(Counter)
        plain: list[int] = []
        if len(wanted) <= _FEW:
            texts = _plainer(texts)
            plain = [row for row, text in enumerate(texts) if text.isascii()]
            self._search(plain, [texts[row] for row in plain], wanted)
        if len(plain) < len(texts):
            searched = frozenset(plain)
            self._cut([row for row in range(len(texts)) if row not in searched], texts, wanted)

    def counts(self, wanted: Sequence[str]) -> FloatArray:
        """Shape (n, len(wanted)): how often each term occurs in each text."""
        counts = np.zeros((self.lengths.size, len(wanted)))
        for column, term in enumerate(wanted):
            if term in self.rows:
                rows = self.rows[term]
                counts[list(rows), column] = list(rows.values())
        return counts

    def naming(self, name: Iterable[str]) -> list[int]:
        """The texts in which all of these terms occur, in no particular order; none for no terms.

        Args:
            name: terms, all of them wanted ones.
        """
        places = sorted((self.rows.get(term, Counter()) for term in name), key=len)
        found: Iterable[int] = places[0] if places else ()
        return [row for row in found if all(row in other for other in places[1:])]

    def _cut(self, rows: Sequence[int], texts: Sequence[str], wanted: frozenset[str]) -> None:
        found = [words(texts[row]) for row in rows]
        self.lengths[rows] = list(map(len, found))
        # Each different word is stemmed once, and those that are not wanted are passed over in C.
        meant = {word: term for word in set().union(*found) if (term := stem(word)) in wanted}
        for row, own in zip(rows, found, strict=True):
            for word in filter(meant.__contains__, own):
                self.rows[meant[word]][row] += 1

    def _search(self, rows: Sequence[int], texts: Sequence[str], wanted: frozenset[str]) -> None:
        if not rows:
            return
        # Words alone are left, with a space on either side of each.
        joined = plain_words(f" {' '.join(texts)} ")
        starts = np.array([1, *accumulate(len(text) + 1 for text in texts)])
        starts[1:] += 1
        self.lengths[rows] = _word_counts(joined, starts)
        places = {term: found for term in wanted if (found := _places(joined, term))}
        at = np.searchsorted(starts, list(chain.from_iterable(places.values())), side="right") - 1
        texts_of = iter(np.asarray(rows)[at].tolist())
        for term, found in places.items():
            self.rows[term] = Counter(islice(texts_of, len(found)))


def _plainer(texts: Sequence[str]) -> Sequence[str]:
    """The texts with a space for each common mark that is part of no word.

    English is ASCII but for these: without them it need not be cut into words.
    """
    joined = "\0".join(texts)
    if joined.isascii() or joined.count("\0") != len(texts) - 1:
        return texts
    for mark in _MARKS:
        if mark in joined:
            joined = joined.replace(mark, " ")
    return joined.split("\0")


def _word_counts(joined: str, starts: FloatArray) -> FloatArray:
    """Words between each start and the next, in text that is words and spaces."""
    in_word = np.frombuffer(joined.encode("ascii"), dtype=np.uint8) != ord(" ")
    begun = np.zeros(in_word.size + 1, dtype=np.int64)
    np.cumsum(in_word[1:] & ~in_word[:-1], out=begun[2:])
    counts: FloatArray = np.diff(begun[starts])
    return counts


def _places(joined: str, term: str) -> list[int]:
    """Where the words of a term begin, ascending, in text that is words and spaces."""
    # A stem is how its word begins, but for "ies" that became "y", in words of five letters on.
    opening = f" {term[:-1] if term.endswith('y') and len(term) > 2 else term}"
    found: list[int] = []
    place = joined.find(opening)
    while place >= 0:
        end = joined.index(" ", place + 1)
        if stem(joined[place + 1 : end]) == term:
            found.append(place + 1)
        place = joined.find(opening, end)
    return found
