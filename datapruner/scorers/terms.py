"""The terms of a text for lexical matching: words in any script, lightly stemmed where it pays."""

from __future__ import annotations

import re
import unicodedata
from functools import lru_cache

__all__ = ["STOPPED", "STOP_WORDS", "plain_words", "stem", "terms", "words"]

# Letters and digits with the marks that belong to them: Python's \w leaves out vowel signs and
# points, which would cut Hindi, Arabic and Hebrew words to pieces.
_WORD = re.compile(
    "[\\w\u0300-\u036f\u0591-\u05bd\u0610-\u061a\u064b-\u065f\u0670\u06d6-\u06ed"
    "\u0900-\u0963\u0966-\u0dff\u0e31-\u0e4e\u0eb1-\u0ecd\u0f71-\u0f84\u1000-\u109f\u17b4-\u17d3]+"
)
# ASCII letters, digits and underscores in lower case, and a space for everything else: translated
# and split, a text falls into its words several times as fast as by a pattern.
_ASCII_WORDS = bytes(
    ord(chr(code).lower() if re.match(r"\w", chr(code), re.ASCII) else " ") for code in range(256)
)
# Scripts without spaces between words, and Hangul, whose endings cling to the word.
_UNSPACED = re.compile(
    "[\u0e01-\u0e4e\u0e81-\u0ecd\u1000-\u109f\u1780-\u17d3\u3005\u3041-\u30ff\u3400-\u4dbf"
    "\u4e00-\u9fff\uac00-\ud7a3\uf900-\ufaff\U00020000-\U0003134f]+"
)
# Words that say how a question is asked and not what it is about.
_FUNCTION_WORDS = (
    "a about after all also an and any are as at be been before between both but by can could did "
    "do does for from had has have he her his how i if in into is it its many may more most much "
    "no not of on one or other our over she should so some such than that the their them then "
    "there these they this those to was we were what when where which who whom whose why will "
    "with would you your"
)
STOP_WORDS = frozenset(_FUNCTION_WORDS.split())
_SHORTEST = 3


def terms(text: str) -> list[str]:
    """The terms of a text in order, repeats included: ``stem`` of each of its ``words``.

    Args:
        text: any text.

    Returns:
        The terms; none of them is empty.
    """
    return list(map(stem, words(text)))


def words(text: str) -> list[str]:
    """The words of a text in order, in lower case and compatibility form (NFKC).

    Runs of Chinese, Japanese, Korean, Thai, Lao, Khmer and Burmese letters come as overlapping
    pairs of characters, single ones as they are.

    Args:
        text: any text.

    Returns:
        The words; none of them is empty.
    """
    if text.isascii():
        return plain_words(text).split()
    found = _WORD.findall(unicodedata.normalize("NFKC", text).lower())
    if not _UNSPACED.search(text):
        return found
    return [part for word in found for part in _parts(word)]


def plain_words(text: str) -> str:
    """An ASCII text in lower case, with a space in place of all that is part of no word.

    Args:
        text: ASCII alone.

    Returns:
        A text of the same length; splitting it gives its ``words``.
    """
    return text.encode("ascii").translate(_ASCII_WORDS).decode("ascii")


def _parts(word: str) -> list[str]:
    if not _UNSPACED.search(word):
        return [word]
    found, place = [], 0
    for match in _UNSPACED.finditer(word):
        if match.start() > place:
            found.append(word[place : match.start()])
        run = match.group()
        found += [run[i : i + 2] for i in range(max(1, len(run) - 1))]
        place = match.end()
    return [*found, word[place:]] if place < len(word) else found


@lru_cache(maxsize=65536)
def stem(word: str) -> str:
    """The word without plural s, -ing, -ed and a final e, where enough of it is left.

    Far less than Porter's rules: it joins "directed", "directs" and "directing", which is what
    questions and passages differ by, and hardly ever two words of different meaning.

    Args:
        word: one of ``words``; other than ASCII letters it stays as it is.
    """
    if not word.isascii() or word.isdigit() or len(word) <= _SHORTEST:
        return word
    if word.endswith("s") and not word.endswith("ss"):
        word = word[:-3] + "y" if word.endswith("ies") and len(word) > 4 else word[:-1]
    if word.endswith("ing") and len(word) > 5:
        word = word[:-3]
    elif word.endswith("ed") and len(word) > 4:
        word = word[:-2]
    return word[:-1] if word.endswith("e") and len(word) > 4 else word


STOPPED = frozenset(term for word in STOP_WORDS for term in terms(word))
"""The terms of ``STOP_WORDS``."""
