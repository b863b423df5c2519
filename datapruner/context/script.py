"""Which language's sentence rules suit a text: by script, and for Latin letters by small words."""

from __future__ import annotations

import re
from collections import Counter

__all__ = ["guess_language", "words"]


def words(text: str) -> frozenset[str]:
    """The words of a list that is written as one text with spaces."""
    return frozenset(text.split())


# The head of a text shows its script, and looking at no more keeps long texts cheap.
_HEAD = 1000
# First code point of each stretch of letters, the first behind it, and the language to assume.
_SCRIPTS = (
    (0x0370, 0x0400, "el"),
    (0x0400, 0x0540, "ru"),
    (0x0540, 0x0580, "hy"),
    (0x0580, 0x0600, "he"),
    (0x0600, 0x0780, "ar"),
    (0x0900, 0x0980, "hi"),
    (0x0980, 0x0A00, "bn"),
    (0x0A00, 0x0B00, "pa"),
    (0x0B80, 0x0C00, "ta"),
    (0x0C00, 0x0C80, "te"),
    (0x0E00, 0x0E80, "th"),
    (0x0E80, 0x0F00, "lo"),
    (0x1000, 0x1100, "my"),
    (0x1100, 0x1200, "ko"),
    (0x1200, 0x1400, "am"),
    (0x1780, 0x1800, "km"),
    (0x3040, 0x3100, "ja"),
    (0x3400, 0xA000, "zh"),
    (0xAC00, 0xD7B0, "ko"),
)
# Code points by the 64; the stretches are rounded to that, which moves no letter that counts.
_OF_BLOCK = {
    block: language
    for start, stop, language in _SCRIPTS
    for block in range(start >> 6, ((stop - 1) >> 6) + 1)
}
# Latin ends at U+0250; rounded likewise.
_NOT_LATIN = re.compile("[^\0-\u023f]")
_OTHER_SCRIPT = re.compile("[\u0370-\u1dff\u3040-\ud7ff]")
_SMALL_WORDS = {
    "en": words("the of and to in is was for that with as by on from at his her it be"),
    "de": words("der die das und ist nicht mit von den dem ein eine auf für im zu"),
    "fr": words("le la les et est des une dans que pour qui sur du au par"),
    "es": words("el la los las y es de en que por con una se del su"),
    "it": words("il lo gli e è di che per una con del della nel si sono"),
    "pt": words("o os as e é de em que por uma com do da não se"),
    "nl": words("de het een en van is op in dat te voor met zijn niet"),
    "tr": words("ve bir bu için ile olarak da de olan daha gibi en"),
    "pl": words("i w na z się do jest nie że od przez jako po"),
}
# Fewer different small words than this may be a name or a title in another language.
_FEWEST = 3


def guess_language(text: str) -> str:
    """The language code whose sentence rules suit the text best.

    A guess from the first thousand characters: pure ASCII counts as English, other scripts by the
    one that most of the letters are in, accented Latin by the small words of nine languages. It
    only chooses between lists of abbreviations; terminators of every script count in any case.

    Args:
        text: any text.

    Returns:
        A two-letter code; ``"en"`` where nothing speaks for another.
    """
    head = text[:_HEAD]
    if head.isascii():
        return "en"
    if not _OTHER_SCRIPT.search(head):
        return _by_small_words(head)
    others = _NOT_LATIN.findall(head)
    blocks = Counter([ord(char) >> 6 for char in others])
    scripts: Counter[str] = Counter()
    for block, number in blocks.items():
        if block in _OF_BLOCK:
            scripts[_OF_BLOCK[block]] += number
    latin = len(head) - len(others)
    # Japanese prose may hold more Han characters than kana, Chinese prose holds no kana.
    if scripts["ja"] * 8 > scripts["zh"]:
        scripts["ja"] += scripts["zh"]
    # Latin counts digits and spaces too, of which other scripts have their share.
    for language, number in scripts.most_common(1):
        if number * 2 > latin:
            return language
    return _by_small_words(head)


def _by_small_words(head: str) -> str:
    words = set(head.lower().split())
    hits = {language: len(words & small) for language, small in _SMALL_WORDS.items()}
    likely = max(hits, key=lambda language: hits[language])
    return likely if hits[likely] >= _FEWEST else "en"
