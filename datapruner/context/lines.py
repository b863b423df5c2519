"""Sentence ends that lines give: blank lines, lists, tables, headings, short lines, code fences."""

from __future__ import annotations

import re
from collections.abc import Iterator

__all__ = ["fences", "line_cuts"]

_BLANK = re.compile(r"\n[^\S\n]*\n\s*")
_BREAK = re.compile(r"\n[^\S\n]*(?=\S)")
# What a line may open with to be an entry of its own: bullet, number, letter, table row, heading.
_ENTRY = re.compile(r"[^\S\n]*(?:[-*•‣▪–][^\S\n]|\d{1,3}[.)][^\S\n]|[^\W\d_]\)[^\S\n]|\||#{1,6}\s)")
_TERMINATED = re.compile(r"[.!?…。．！？｡؟۔।॥።။៕:;,、，；：][\"'”’»›)\]}」』）】〉》］｝]*\s*\Z")
_FENCE = re.compile(r"^[^\S\n]*(```|~~~).*$", re.MULTILINE)
_SHORT_LINE = 12
_CJK = re.compile("[\u3040-\u30ff\u3400-\u4dbf\u4e00-\u9fff\uac00-\ud7a3]")


def line_cuts(text: str) -> Iterator[int]:
    """Where the next sentence starts, after every line break that ends one.

    A blank line always does. A single break does before a list item, a table row or a heading, and
    after a line of at most 12 words without a final mark when the next line opens with an
    upper-case letter, a digit or a CJK character: a title, or an entry of a list without bullets.

    Args:
        text: any text; lines end at ``"\\n"``, which ``"\\r\\n"`` contains.

    Yields:
        Offsets after the break and the white space behind it, in no particular order; one may be
        ``len(text)``.
    """
    for match in _BLANK.finditer(text):
        yield match.end()
    for match in _BREAK.finditer(text):
        start = match.start()
        # The cut stands before the indentation's first visible character, as after any space.
        if _ENTRY.match(text, start + 1) or _ends_short_line(text, start, match.end()):
            yield match.end()


def _ends_short_line(text: str, end: int, after: int) -> bool:
    opening = text[after]
    if not (opening.isupper() or opening.isdigit() or _CJK.match(opening)):
        return False
    line = text[text.rfind("\n", 0, end) + 1 : end]
    if not line.strip() or _TERMINATED.search(line):
        return False
    return len(line.split(maxsplit=_SHORT_LINE)) <= _SHORT_LINE


def fences(text: str) -> Iterator[tuple[int, int, list[int]]]:
    """The fenced blocks of code, and the places where they may be cut.

    Args:
        text: any text; a fence is a line that opens with three backticks or tildes.

    Yields:
        ``(start, end, cuts)`` for each block in order: from the first character of the fence's
        line to behind the break after the closing fence, or to the end of the text without one.
        ``cuts`` are the ends of blank lines inside, and both borders.
    """
    opened: re.Match[str] | None = None
    for match in _FENCE.finditer(text):
        if opened is None:
            opened = match
        elif match[1] == opened[1]:
            yield _block(text, opened.start(), match.end())
            opened = None
    if opened is not None:
        yield _block(text, opened.start(), len(text))


def _block(text: str, start: int, end: int) -> tuple[int, int, list[int]]:
    while end < len(text) and text[end].isspace():
        end += 1
    inside = [match.end() for match in _BLANK.finditer(text, start, end)]
    return start, end, [start, *inside, end]
