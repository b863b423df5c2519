"""Characters that nobody sees: found, and left out where the user asks for it."""

from __future__ import annotations

import re
from collections.abc import Iterable
from dataclasses import dataclass

import numpy as np

from datapruner.core.types import IntArray

__all__ = ["HIDDEN", "Cleaned", "find_hidden", "may_hide", "without_hidden"]

HIDDEN = ("flag", "drop", "keep")
"""What may be done with hidden characters in plain text."""

# Zero-width characters, soft hyphen, bidirectional controls, and the tags of Unicode, which can
# carry whole sentences that only a model reads.
_HIDDEN = re.compile(
    "[\u00ad\u200b-\u200f\u202a-\u202e\u2060-\u2064\u2066-\u2069\ufeff\U000e0000-\U000e007f]"
)
_JOINERS = "\u200c\u200d"
# Letters that joiners shape (Arabic, Persian, Syriac, Indic) and what emoji are joined from.
_JOINED = re.compile(
    "[\u0600-\u08ff\u0900-\u0dff\u0f00-\u109f\u1780-\u18af\ufb50-\ufeff\u2190-\u2bff\ufe0f"
    "\u3030-\u303d\U0001f000-\U0001faff]"
)
_FLAG = "\U0001f3f4"
# Which units of UTF-16 a hidden character begins with: tags by the first half of their pair.
_BEGINS = np.zeros(1 << 16, dtype=bool)
for _unit in (0xAD, *range(0x200B, 0x2010), *range(0x202A, 0x202F), *range(0x2060, 0x2070)):
    _BEGINS[_unit] = True
_BEGINS[[0xFEFF, 0xDB40]] = True


@dataclass(frozen=True)
class Cleaned:
    """A text without its hidden characters, and the way back.

    Attributes:
        text: what is left.
        origin: shape (len(text) + 1,), int64, where each character stood in the original, and the
            original's length at the end; None where nothing was left out.
    """

    text: str
    origin: IntArray | None = None

    def place(self, offset: int) -> int:
        """The offset in the original of an offset in the cleaned text."""
        return offset if self.origin is None else int(self.origin[offset])


def find_hidden(text: str) -> list[int]:
    """The offsets of the hidden characters, ascending.

    Joiners inside emoji and between letters of the scripts that need them are none, nor are the
    tags of a flag that begins with the black one.

    Args:
        text: any text.
    """
    if text.isascii():
        return []
    return [m.start() for m in _HIDDEN.finditer(text) if not _belongs(text, m.start())]


def may_hide(texts: Iterable[str]) -> bool:
    """Whether any of some texts may hold a hidden character; False is certain.

    All are looked at together, many times faster than one by one.

    Args:
        texts: any texts.
    """
    joined = "".join(texts)
    if joined.isascii():
        return False
    units = np.frombuffer(joined.encode("utf-16-le", "surrogatepass"), dtype="<u2")
    return bool(_BEGINS[units].any())


def _belongs(text: str, place: int) -> bool:
    char = text[place]
    if char in _JOINERS:
        before, after = text[place - 1 : place], text[place + 1 : place + 2]
        return bool(_JOINED.match(before) and _JOINED.match(after))
    if char >= "\U000e0000":
        start = place
        while start and "\U000e0020" <= text[start - 1] <= "\U000e007f":
            start -= 1
        return text[start - 1 : start] == _FLAG
    return False


def without_hidden(text: str) -> Cleaned:
    """The text without its hidden characters.

    Args:
        text: any text.

    Returns:
        The visible text with its index map; the very text where nothing is hidden.
    """
    hidden = find_hidden(text)
    if not hidden:
        return Cleaned(text)
    stays = np.ones(len(text), dtype=bool)
    stays[hidden] = False
    origin = np.append(np.flatnonzero(stays), len(text))
    return Cleaned("".join(text[i] for i in origin[:-1].tolist()), origin)
