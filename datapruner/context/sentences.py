"""Sentence spans with exact offsets: they partition the text, in any script, whatever it holds.

sentencex knows the languages (abbreviations, initials, quotations); the rules here decide what it
leaves open, and what matters for slicing: where white space goes, lines of lists and tables, code
fences, spans too long to be a unit, and characters that must not be torn apart.
"""

from __future__ import annotations

import re
import unicodedata
from bisect import bisect_left, bisect_right

import numpy as np

from datapruner.context.chunk import encodable
from datapruner.context.cutting import cut_long, whole_graphemes
from datapruner.context.lines import fences, line_cuts
from datapruner.context.script import guess_language, words
from datapruner.core.types import IntArray
from datapruner.errors import InputError

__all__ = ["LONGEST", "sentence_spans"]

# Longer spans are no units to keep or drop; the figure is open_provence's.
LONGEST = 1200
# What a quotation or bracket holds together is cut after all where it runs on for longer than this:
# an unpaired quotation mark would otherwise swallow the rest of its paragraph.
_LONGEST_QUOTATION = 300

# These write no full stops: a space ends a clause or a sentence. What is longer than a sentence of
# theirs commonly is, is cut at the last space.
_NO_TERMINATORS = frozenset(("th", "lo", "km", "my"))
_LONGEST_PHRASES = 200

_CLOSERS = "\"'”’»›)\\]}」』）】〉》］｝"
_NOTE = r"\[[^\[\]\s]{1,12}\]"
# Written with the first character by itself, for the engine then jumps from one to the next; what
# begins inside a run that has failed is not tried again, or a run of thousands would take seconds.
_SOFT = re.compile(rf"([.!?…](?<![.!?…][.!?…])[.!?…]*+)((?:[{_CLOSERS}]|{_NOTE})*+)\s++(?=\S)")
_HARD_MARKS = "。．！？｡؟۔।॥።။៕"
_HARD = re.compile(rf"[{_HARD_MARKS}][{_HARD_MARKS}]*[{_CLOSERS}]*\s*")
_SPACE = re.compile(r"\s*")
_WORD_BEFORE = re.compile(r"[^\W\d_]+\Z")
_NUMBER_BEFORE = re.compile(r"(?:\A|[^\w.,])\d{1,2}\Z")
_ENUMERATOR = re.compile(r"(?:\A|\n)[^\S\n]*(?:\d{1,3}|[^\W\d_])\Z")
# Enough text before a full stop to see the word, the number or the start of the line.
_LOOK_BACK = 24
_QUOTES = frozenset("\"'”’»›」』")
_BRACKETS = frozenset(")]}")
_ABBREVIATIONS = words(
    "mr mrs ms dr prof sr jr st vs etc eg ie al approx dept inc ltd co corp gen col sgt rev hon "
    "messrs mme mlle capt lt maj gov sen rep pres univ assn bros"
)
# Words of their own as well; they abbreviate where a number follows.
_BEFORE_NUMBERS = words(
    "no nr fig eq vol pp p art sec ch jan feb mar apr jun jul aug sep sept oct nov dec"
)
# Languages in which "2. Weltkrieg" is an ordinal and not the end of a sentence.
_ORDINALS = words("de da fi hr hu nb nn no sk sl sr tr pl cs lv et")
# A word before a full stop and a lower-case letter: a short one is an abbreviation that no list
# has, a longer one ends a sentence of somebody who writes without capitals.
_SHORT_WORD = 4
# sentencex 1.0 slices white space of several bytes apart and panics; lone surrogates are no UTF-8.
_UNREADABLE_ASCII = "\x1c\x1d\x1e\x1f"
_UNREADABLE = re.compile("[\x1c-\x1f\x85\xa0\u1680\u2000-\u200a\u2028\u2029\u202f\u205f\u3000]")
# What sentencex takes a hundredth of a second for, at most; texts with more are cut into pieces.
_OPENERS = "`“‘«»‹„"
_MANY_OPENERS = 2000
# Marks with no space behind them, which sentencex may take for ends; and the product of their
# number and the length of a text above which that takes it some hundredths of a second.
_TIGHT = re.compile(r"(?:[^\w\s\x00-\x7f]|[.!?])(?=\w)")
_MANY_TIGHT = 20_000_000
_PIECE = re.compile(r"(?s:.{1,4000}(?:(?<=\w)(?=\s)|\Z)|.{1,4000})")


def sentence_spans(text: str, *, language: str | None = None, longest: int = LONGEST) -> IntArray:
    """Where the sentences of a text begin and end; the spans partition it.

    The spans are contiguous and not empty, the first starts at 0 and the last ends at
    ``len(text)``. White space belongs to the sentence before it, leading white space to the first.
    Sentences end at terminators of any script with their closing quotes and brackets, at blank
    lines, before list items, table rows and headings, and after short lines without a terminator;
    inside code fences at blank lines alone. A decimal point, an abbreviation, an initial or a URL
    ends none. No span cuts a character that is composed of several code points.

    Args:
        text: any text, lone surrogates and control characters included.
        language: two-letter code of the rules to use; None: guessed from the text.
        longest: spans of more code points are cut, at a terminator, line, comma or space where
            there is one; 1 or more. A single composed character may be longer.

    Returns:
        Shape (m, 2), int64, code-point offsets ``[start, end)`` in order; (0, 2) for empty text.

    Raises:
        InputError: the text is no string, or ``longest`` is below 1.
    """
    if not isinstance(text, str):
        raise InputError(f"sentence_spans needs a str, not a {type(text).__name__}.")
    if isinstance(longest, bool) or not isinstance(longest, int) or longest < 1:
        raise InputError(f"longest is {longest!r}; it must be a whole number, 1 or more.")
    if not text:
        return np.empty((0, 2), dtype=np.int64)
    rules = guess_language(text) if language is None else language
    cuts = _cuts(text, rules)
    if not text.isascii():
        cuts = whole_graphemes(text, cuts)
    if rules in _NO_TERMINATORS:
        longest = min(longest, _LONGEST_PHRASES)
    bounds = cut_long(text, [0, *cuts, len(text)], longest)
    spans = np.empty((len(bounds) - 1, 2), dtype=np.int64)
    spans[:, 0], spans[:, 1] = bounds[:-1], bounds[1:]
    return spans


def _cuts(text: str, language: str) -> list[int]:
    """Where the sentences after the first start: ascending, without repeats, inside the text."""
    found = set(_soft_cuts(text, language))
    if not text.isascii():
        found.update(match.end() for match in _HARD.finditer(text))
    if "\n" in text:
        found.update(line_cuts(text))
        found = _outside_fences(found, text)
    lead = len(text) - len(text.lstrip())
    return sorted(cut for cut in found if lead < cut < len(text))


def _outside_fences(cuts: set[int], text: str) -> set[int]:
    """The cuts, in fenced blocks those of the blocks alone."""
    blocks = list(fences(text))
    starts = [start for start, _, _ in blocks]
    kept = {cut for _, _, inside in blocks for cut in inside}
    for cut in cuts:
        # The last block that begins before the cut.
        place = bisect_left(starts, cut) - 1
        if place < 0 or cut >= blocks[place][1]:
            kept.add(cut)
    return kept


def _soft_cuts(text: str, language: str) -> list[int]:
    """Cuts after ``. ! ? …`` as the language allows, and at terminators that sentencex alone knows.

    What sentencex holds together although our own rules would cut is a quotation or a bracket, or
    an abbreviation of its language.
    """
    ends = _language_ends(text, language)
    known = frozenset(ends)
    cuts: list[int] = []
    held: list[int] = []
    last = 0
    for match in _SOFT.finditer(text):
        start, cut = match.span()
        if start + 1 in known and _plainly_ends(text, start, cut):
            agreed = True
        elif _may_end(text, match, language):
            agreed = _is_ours(text, match) or bisect_right(ends, start) < bisect_right(ends, cut)
        else:
            continue
        if not agreed:
            held.append(cut)
            continue
        if held:
            cuts += _let_go(held, cut - last)
            held = []
        cuts.append(cut)
        last = cut
    cuts += _let_go(held, len(text) - last)
    if not text.isascii():
        cuts += _foreign_cuts(text, ends)
    return cuts


def _is_ours(text: str, match: re.Match[str]) -> bool:
    """Ends that sentencex never sees: an ellipsis, and a sentence that stands in brackets."""
    return match[1][-1] == "…" or (match[2][-1:] in _BRACKETS and text[match.end()].isupper())


def _let_go(held: list[int], length: int) -> list[int]:
    return held if length > _LONGEST_QUOTATION else []


def _foreign_cuts(text: str, ends: list[int]) -> list[int]:
    """Cuts at the terminators of scripts that only sentencex lists, such as the Armenian one."""
    cuts = []
    for end in ends:
        mark = text[end - 1]
        if mark > "\x7f" and mark not in _HARD_MARKS and unicodedata.category(mark) == "Po":
            space = _SPACE.match(text, end)
            cuts.append(space.end() if space else end)
    return [cut for cut in cuts if text[cut - 1] != "…"]


def _plainly_ends(text: str, start: int, cut: int) -> bool:
    """The common case, without further ado: a plain word, one full stop, a capital."""
    if not (text[start] == "." and text[start + 1].isspace() and text[cut].isupper()):
        return False
    word = text[text.rfind(" ", max(0, start - _LOOK_BACK), start) + 1 : start]
    return len(word) > 1 and word.isalpha() and word.lower() not in _ABBREVIATIONS


def _may_end(text: str, match: re.Match[str], language: str) -> bool:
    """Whether a sentence may end at these terminators, by the rules that hold in any language."""
    run, closers = match[1], match[2]
    after = text[match.end()]
    start = match.start()
    if after.islower():
        if run[-1] in ".…" and len(run) + (run == "…") > 1:
            return False
        if closers and closers[-1] in _QUOTES:
            return False
    if run != "." or (closers and closers[-1] not in _BRACKETS):
        return True
    before = text[max(0, start - _LOOK_BACK) : start]
    if _ENUMERATOR.search(before):
        return False
    word = _WORD_BEFORE.search(before)
    if word is None:
        ordinal = language in _ORDINALS and _NUMBER_BEFORE.search(before)
        return not (after.islower() or ordinal)
    lower = word[0].lower()
    if len(lower) == 1 or lower in _ABBREVIATIONS:
        return False
    if lower in _BEFORE_NUMBERS and after.isdigit():
        return False
    return not (after.islower() and len(lower) <= _SHORT_WORD)


def _pieces(text: str) -> list[str]:
    """The text whole, or cut between words where it has very many marks of some kinds.

    From each that opens a quotation, sentencex looks for the one that closes it through the rest of
    the text; and for each end without a space behind it, it goes through the text from the start.
    """
    if sum(map(text.count, _OPENERS)) >= _MANY_OPENERS or (
        not text.isascii() and len(_TIGHT.findall(text)) * len(text) >= _MANY_TIGHT
    ):
        return _PIECE.findall(text)
    return [text]


def _language_ends(text: str, language: str) -> list[int]:
    """Where the sentences of sentencex end, their trailing white space left off; ascending."""
    import sentencex

    readable = text
    # One code point for one, so that offsets stay what they are.
    if not text.isascii():
        readable = encodable(_UNREADABLE.sub(" ", text))
    elif any(char in text for char in _UNREADABLE_ASCII):
        readable = _UNREADABLE.sub(" ", text)
    try:
        parts = [part for piece in _pieces(readable) for part in sentencex.segment(language, piece)]
    except BaseException as error:
        # A panic of the Rust side is no Exception. No text may break a caller, so the rules that
        # need no language stand alone: every place that they allow counts as an end.
        if type(error).__name__ != "PanicException":
            raise
        return [match.start(2) for match in _SOFT.finditer(text)]
    ends, place = [], 0
    for part in parts:
        end = place + len(part.rstrip())
        place += len(part)
        if end:
            ends.append(end)
    return ends
