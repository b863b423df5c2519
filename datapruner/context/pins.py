"""Which sentences must stay, and which bring another one along."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Sequence
from typing import Any

from datapruner.context.script import words
from datapruner.errors import InputError, nearest

__all__ = ["PINS", "Pin", "antecedent", "is_title", "read_pins"]

Pin = Callable[[str], bool]

_NUMBER = re.compile(r"\d")
# No opening mark inside either, or each of many would be followed to the end of the text.
_QUOTE = re.compile(
    '"[^"]+"|“[^“”]+”|„[^„“”]+[“”]|«[^«»]+»|「[^「」]+」|『[^『』]+』'
    "|(?<!\\w)'[^']+'(?!\\w)|‘[^‘’]+’(?!\\w)"
)
PINS = ("title", "numbers", "quotes")
"""The names of the built-in pins."""
_RULES: dict[str, re.Pattern[str]] = {"numbers": _NUMBER, "quotes": _QUOTE}

_OPENING = re.compile(r"[\s\"'“‘«(\[]*([^\W\d_]+(?:['’][^\W\d_]+)?)")
# How a sentence opens that leans on the one before it. No "the", "it is" or the like: what they
# point to is as often in the sentence itself.
_LEANING = words(
    "he she it they this that these those his her hers its their theirs him them such "
    "er sie es dies diese dieser dieses sein seine ihr ihre il elle ils elles ce cela ceci cette "
    "ces son sa ses leur leurs él ella ellos ellas esto esta este estos estas su sus "
    "он она оно они это эти его ее её их этот эта o onlar bu bunlar"
)
_HEADING = re.compile(r"\s*#{1,6}\s+\S")


def read_pins(pins: Any) -> tuple[bool, tuple[Pin, ...]]:
    """Whether titles stay, and the other pins as functions of a sentence.

    Args:
        pins: one, or several in any iterable: ``"title"``, ``"numbers"`` (a digit), ``"quotes"``
            (a quotation), a compiled pattern that is searched for, or a function of the sentence.

    Returns:
        ``(title, rules)``.

    Raises:
        InputError: a name nobody knows, or something else.
    """
    if isinstance(pins, str | re.Pattern) or not isinstance(pins, Iterable):
        pins = (pins,)
    title, rules = False, []
    for pin in pins:
        if pin == "title":
            title = True
        elif isinstance(pin, str) and pin not in _RULES:
            raise InputError(
                f"there is no pin {pin!r}. {nearest(pin, PINS)} For a pattern of your own give "
                f"re.compile({pin!r})."
            )
        elif isinstance(pin, str | re.Pattern):
            rules.append(_searching(_RULES[pin] if isinstance(pin, str) else pin))
        elif callable(pin):
            rules.append(pin)
        else:
            raise InputError(
                f"{pin!r} is no pin; give one of {', '.join(PINS)}, a compiled pattern, or a "
                "function of a sentence."
            )
    return title, tuple(rules)


def _searching(pattern: re.Pattern[str]) -> Pin:
    def found(sentence: str) -> bool:
        return pattern.search(sentence) is not None

    return found


def is_title(sentence: str, title: str) -> bool:
    """Whether the first sentence of a chunk is its title.

    It is when it says the known title and nothing else, or is a heading of Markdown.

    Args:
        sentence: the first sentence of the chunk.
        title: the known title, or "".
    """
    if _HEADING.match(sentence):
        return True
    return bool(title.strip()) and sentence.strip().strip("#").strip() == title.strip()


def antecedent(sentences: Sequence[str], place: int) -> bool:
    """Whether this sentence opens with a pronoun that points to the sentence before it.

    Lists of English, German, French, Spanish, Russian and Turkish pronouns; no grammar.

    Args:
        sentences: those of one chunk in order.
        place: which one; the first of a chunk points nowhere.
    """
    opening = _OPENING.match(sentences[place]) if place else None
    if opening is None:
        return False
    word = opening[1].lower().replace("’", "'")
    return word.split("'")[0] in _LEANING
