"""What tells a page's own text from what surrounds it, as numbers a row."""

from __future__ import annotations

import re
from collections.abc import Sequence

import numpy as np

from datapruner.core.types import FloatArray, IntArray
from datapruner.scorers.marks import NAMED, TAGGED, Marks

__all__ = ["FIRST", "SECOND", "around", "first_features", "second_features"]

_WINDOWS = (1, 3, 8)
_BITS = tuple(name for name, _ in TAGGED) + tuple(f".{name}" for name, _ in NAMED)
_OWN = ("own paragraph", "own heading", "own list", "own quote")

FIRST: tuple[str, ...] = (
    "words",
    "few words",
    "linked",
    "all linked",
    "stops",
    "commas",
    "ends",
    "digits",
    "capitals",
    "place",
    "place squared",
    "repeated",
    "container",
    "container share",
    "alike share",
    "section",
    "section share",
    *(f"prose within {width}" for width in _WINDOWS),
    *(f"linked within {width}" for width in _WINDOWS),
    *_BITS,
    *_OWN,
)
"""Names of the columns of ``first_features``."""

SECOND: tuple[str, ...] = (
    "first",
    *(f"first within {width}" for width in _WINDOWS),
    "first before",
    "first after",
    "container first",
    "container best",
    "alike first",
    "alike best",
    "section first",
    "section best",
    "words",
    "between",
)
"""Names of the columns of ``second_features``."""

_STOP = re.compile(r"[.!?…。！？।؟]")
_COMMA = re.compile(r"[,;:،؛、，；：]")
_DIGIT = re.compile(r"\d")
_CAPITAL = re.compile(r"\b[A-ZÀ-ÖØ-ÞА-Я]")
_END = re.compile(r"[.!?…。！？।؟:][\"'”’»)\]]*\Z")


def first_features(texts: Sequence[str], marks: Marks, section: IntArray) -> FloatArray:
    """What each row says of itself, and what stands around it.

    Args:
        texts: n of them, in the order of their pages.
        marks: of each.
        section: shape (n,), equal for the rows under the same heading.

    Returns:
        Shape (n, len(FIRST)), float64.
    """
    n = len(texts)
    words = np.array([_length(text) for text in texts], dtype=np.float64)
    size = np.maximum(words, 1.0)
    prose = np.tanh(words / 20.0) * (1.0 - marks.linked)
    place = _places(words, marks.page)
    sums, alike, under = (_summed(prose * words, code) for code in _codes(marks, section))
    columns = [
        np.log1p(words),
        np.minimum(words, 10.0) / 10.0,
        marks.linked,
        marks.linked > 0.8,
        np.minimum(_found(_STOP, texts) / size, 0.3),
        np.minimum(_found(_COMMA, texts) / size, 0.3),
        np.array([bool(_END.search(text.rstrip())) for text in texts], dtype=bool),
        np.minimum(_found(_DIGIT, texts) / size, 1.0),
        np.minimum(_found(_CAPITAL, texts) / size, 1.0),
        place,
        place * place,
        _repeated(texts, marks.page),
        np.log1p(sums),
        sums / np.maximum(_most(sums, marks.page), 1.0),
        alike / np.maximum(_most(alike, marks.page), 1.0),
        np.log1p(under),
        under / np.maximum(_most(under, marks.page), 1.0),
        *(around(prose, words, marks.page, width) for width in _WINDOWS),
        *(around(marks.linked, words, marks.page, width) for width in _WINDOWS),
    ]
    columns += [(marks.bits >> bit) & 1 for bit in range(len(_BITS))]
    columns += [(marks.own >> _bit(name)) & 1 for name in _OWN]
    return np.stack([np.asarray(c, dtype=np.float64) for c in columns], axis=1).reshape(n, -1)


def second_features(
    first: FloatArray, texts: Sequence[str], marks: Marks, section: IntArray
) -> FloatArray:
    """What the first judgement says of a row's neighbours, and of those in the same place.

    Args:
        first: shape (n,), log-odds of each row by itself.
        texts, marks, section: as before.

    Returns:
        Shape (n, len(SECOND)), float64.
    """
    words = np.array([_length(text) for text in texts], dtype=np.float64)
    chance = 1.0 / (1.0 + np.exp(-first))
    page = marks.page
    before, after = _shifted(chance, page)
    weight = np.maximum(words, 1.0)
    together: list[FloatArray] = []
    for code in _codes(marks, section):
        total = _summed(chance * weight, code)
        together.append(total / np.maximum(_summed(weight, code), 1.0))
        together.append(total / np.maximum(_most(total, page), 1.0))
    columns = [
        first,
        *(around(chance, words, page, width) for width in _WINDOWS),
        before,
        after,
        *together,
        np.log1p(words),
        np.minimum(before, after),
    ]
    return np.stack(columns, axis=1).reshape(len(texts), -1)


def around(values: FloatArray, words: FloatArray, page: IntArray, width: int) -> FloatArray:
    """Mean of the neighbours on both sides of each row, long ones weighing more.

    Args:
        values: shape (n,).
        words: shape (n,), lengths.
        page: shape (n,), not falling; neighbours are of the same page.
        width: how many on either side.

    Returns:
        Shape (n,); 0 for a row without neighbours.
    """
    n = values.size
    weight = np.sqrt(words + 1.0)
    top = np.concatenate([[0.0], np.cumsum(values * weight)])
    bottom = np.concatenate([[0.0], np.cumsum(weight)])
    rows = np.arange(n)
    start = np.maximum(np.searchsorted(page, page, "left"), rows - width)
    end = np.minimum(np.searchsorted(page, page, "right"), rows + width + 1)
    upper = top[end] - top[start] - values * weight
    lower = bottom[end] - bottom[start] - weight
    mean: FloatArray = np.where(lower > 0.5, upper / np.maximum(lower, 0.5), 0.0)
    return mean


def _length(text: str) -> float:
    # Scripts without spaces have some two characters a word.
    words = text.count(" ") + 1
    return max(float(words), len(text) / 12.0) if text else 0.0


def _found(pattern: re.Pattern[str], texts: Sequence[str]) -> FloatArray:
    return np.array([len(pattern.findall(text)) for text in texts], dtype=np.float64)


def _bit(name: str) -> int:
    return _BITS.index(name.removeprefix("own "))


def _places(words: FloatArray, page: IntArray) -> FloatArray:
    """Share of the page's words that stand before the middle of each row."""
    ends = np.cumsum(words)
    first = np.searchsorted(page, page, "left")
    last = np.searchsorted(page, page, "right") - 1
    begin = (ends - words)[first] if words.size else ends
    total = ends[last] - begin if words.size else ends
    share: FloatArray = (ends - words / 2 - begin) / np.maximum(total, 1.0)
    return share


def _repeated(texts: Sequence[str], page: IntArray) -> FloatArray:
    """1 where the same text stands on the same page once more."""
    seen: dict[tuple[int, str], int] = {}
    keys = list(zip(page.tolist(), texts, strict=True))
    for key in keys:
        seen[key] = seen.get(key, 0) + 1
    return np.array([seen[key] > 1 for key in keys], dtype=np.float64)


def _codes(marks: Marks, section: IntArray) -> list[IntArray]:
    """Numbers that rows of a page share: of a container, of equal marks, of a section."""
    return [
        np.unique(np.stack([marks.page, key], axis=1), axis=0, return_inverse=True)[1].reshape(-1)
        for key in (marks.container, marks.bits, section)
    ]


def _summed(values: FloatArray, code: IntArray) -> FloatArray:
    """The sum of the values over the rows with the same code, for each row."""
    sums: FloatArray = np.bincount(code, weights=values).astype(np.float64)[code]
    return sums


def _most(values: FloatArray, page: IntArray) -> FloatArray:
    """The highest value of each row's page."""
    _, code = np.unique(page, return_inverse=True)
    best = np.zeros(code.max(initial=-1) + 1)
    np.maximum.at(best, code, values)
    found: FloatArray = best[code]
    return found


def _shifted(values: FloatArray, page: IntArray) -> tuple[FloatArray, FloatArray]:
    """The values of the row before and of the row after; 0 at the ends of a page."""
    before, after = np.zeros_like(values), np.zeros_like(values)
    same = page[1:] == page[:-1]
    before[1:] = np.where(same, values[:-1], 0.0)
    after[:-1] = np.where(same, values[1:], 0.0)
    return before, after
