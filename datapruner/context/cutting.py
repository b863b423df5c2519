"""Cuts inside text that no sentence rule gives: spans too long, and characters kept whole."""

from __future__ import annotations

import re
import unicodedata

__all__ = ["cut_long", "joined", "whole_graphemes"]

_ZWJ = "\u200d"
# Where to cut a span that is too long, the best first; a cut stands behind the match.
_PLACES = (
    re.compile(r"[.!?…][\"'”’»)\]}」』）]*\s+|[。．！？｡؟۔।॥።။៕]\s*"),
    re.compile(r"\n\s*"),
    re.compile(r"[;:,،、，；：؛]\s*"),
    re.compile(r"\s+"),
)


def joined(text: str, place: int) -> bool:
    """Whether a cut before this offset would tear a composed character apart.

    It would before a combining mark, a variation selector, an emoji modifier or a tag, around a
    zero-width joiner, between the halves of a surrogate pair and of a flag, inside a
    Hangul syllable of conjoining letters, and between CR and LF.

    Args:
        text: any text.
        place: an offset, 0 to ``len(text)``; there is nothing to tear at either end.
    """
    if not 0 < place < len(text):
        return False
    before, after = text[place - 1], text[place]
    if after < "\u0300":
        return before == "\r" and after == "\n"
    if _extends(after) or before == _ZWJ:
        return True
    if "\ud800" <= before <= "\udbff" and "\udc00" <= after <= "\udfff":
        return True
    if _is_flag(before) and _is_flag(after):
        start = place
        while start and _is_flag(text[start - 1]):
            start -= 1
        return (place - start) % 2 == 1
    return "\u1100" <= before <= "\ud7ff" and _is_conjoining(after)


def whole_graphemes(text: str, cuts: list[int]) -> list[int]:
    """The cuts, each moved forward to where it tears no character; those that reach the end gone.

    Args:
        text: any text.
        cuts: offsets inside the text, ascending.

    Returns:
        Offsets inside the text, ascending, without repeats.
    """
    moved: list[int] = []
    for cut in cuts:
        place = cut
        while joined(text, place):
            place += 1
            # White space goes with what is before it here as well.
            while place < len(text) and text[place].isspace():
                place += 1
        if place < len(text) and (not moved or place > moved[-1]):
            moved.append(place)
    return moved


def cut_long(text: str, bounds: list[int], longest: int) -> list[int]:
    """The bounds, with more of them inside every span of more than ``longest`` code points.

    A long span is cut behind its last terminator that leaves no more than ``longest``, else behind
    the last line break, the last comma or its like, the last white space, else after ``longest``
    code points; a cut that would tear a character moves back, or forward where the character
    itself is longer.

    Args:
        text: any text.
        bounds: ascending offsets from 0 to ``len(text)``, both included.
        longest: 1 or more.

    Returns:
        Ascending offsets from 0 to ``len(text)``.
    """
    out = [bounds[0]]
    for end in bounds[1:]:
        while end - out[-1] > longest:
            place = _place(text, out[-1], out[-1] + longest)
            if place >= end:
                break
            out.append(place)
        out.append(end)
    return out


def _place(text: str, start: int, limit: int) -> int:
    """The best place for a cut in (start, limit]; behind limit only for one endless character."""
    for pattern in _PLACES:
        best = start
        for match in pattern.finditer(text, start, limit):
            if not joined(text, match.end()):
                best = match.end()
        # A cut right at the start would leave white space as a span of its own.
        if text[start:best].strip():
            return best
    place = limit
    while place > start and joined(text, place):
        place -= 1
    if place > start:
        return place
    place = limit
    while joined(text, place):
        place += 1
    return place


def _extends(char: str) -> bool:
    code = ord(char)
    if code == 0x200D or 0x1F3FB <= code <= 0x1F3FF or 0xE0020 <= code <= 0xE007F:
        return True
    return code == 0x200C or unicodedata.category(char)[0] == "M"


def _is_flag(char: str) -> bool:
    return "\U0001f1e6" <= char <= "\U0001f1ff"


def _is_conjoining(char: str) -> bool:
    return "\u1160" <= char <= "\u11ff" or "\ud7b0" <= char <= "\ud7fb"
