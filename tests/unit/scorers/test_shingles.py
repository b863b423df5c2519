"""Shingles against a reading of the definition in plain Python, one text at a time."""

from __future__ import annotations

import unicodedata

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from datapruner.core.types import IntArray, UInt64Array
from datapruner.scorers import shingles as module
from datapruner.scorers.exact import cleaned
from datapruner.scorers.shingles import batches, shingles

TEXTS = [
    "The cat sat on the mat, and the cat sat on the mat again.",
    "the CAT sat on the mat, and",
    "x = a + b",
    "x = a - b",
    "one two",
    "  one\n two ",
    "one three",
    "one two three",
    "one two four",
    "!",
    "",
    "ÉTÉ à la plage, ce soir même",
    "été à la plage, ce soir même",
    "ΟΔΟΣ και οδος αλλη φορα",
    "日本語の文章です",
    "“quoted” — so it goes",
    "internationalisation internationalisations " * 3,
    "x" * 300 + " y z u v " + "x" * 299 + "q y z u v",
]


def words_of(text: str) -> list[str]:
    """Character by character: signs and wide characters begin words, so do letters after a sign."""
    text = unicodedata.normalize("NFKC", text).lower()
    words: list[str] = []
    before = "space"
    for char in text:
        size = len(char.encode("utf-8", "surrogatepass"))
        if char.isspace() or ord(char) < 33 or ord(char) == 127:
            before = "space"
        elif size > 2:
            words.append(char)
            before = "wide"
        elif size == 1 and not char.isalnum():
            words.append(char)
            before = "sign"
        elif before in ("space", "sign"):
            words.append(char)
            before = "letter"
        else:
            words[-1] += char
            before = "letter"
    return words


def literal(text: str, size: int) -> list[tuple[str, ...]]:
    words = words_of(text)
    if len(words) < size:
        return [tuple(words)] if words else []
    return [tuple(words[i : i + size]) for i in range(len(words) - size + 1)]


def made(texts: list[str], size: int = 5) -> tuple[UInt64Array, IntArray]:
    return shingles(cleaned(texts), size)


def agree(texts: list[str], size: int) -> None:
    """Equal shingles have equal hashes, and no others do."""
    hashes, ends = made(texts, size)
    assert (hashes.dtype, ends.dtype) == (np.uint64, np.int64)
    named: dict[tuple[str, ...], int] = {}
    for text, start, stop in zip(texts, ends[:-1], ends[1:], strict=True):
        want = literal(text, size)
        assert stop - start == len(want)
        for shingle, value in zip(want, hashes[start:stop].tolist(), strict=True):
            assert named.setdefault(shingle, value) == value
    assert len(set(named.values())) == len(named)
    assert ends[-1] == hashes.size


@pytest.mark.parametrize("size", [1, 2, 5])
def test_equal_shingles_have_equal_hashes_and_no_others_do(size: int) -> None:
    agree(TEXTS, size)


# Words across every chunk of eight bytes, capitals with and without a lower case of their size.
PIECES = [
    "a",
    "bc",
    "defghijk",
    "lmnopqrs",
    "-",
    "É",
    "é",
    "İ",
    "Ⱥ",
    "ж",
    "Ж",
    "“",
    "日",
    "😀",
    "Ế",
]
PIECES += [" ", " ", "\t", "\x7f", "\x00", "\u2c00", "Ꮳ", "\u0345", "\ud800"]


@given(st.lists(st.lists(st.sampled_from(PIECES), max_size=30).map("".join), max_size=6))
def test_any_texts_are_read_as_the_definition_reads_them(texts: list[str]) -> None:
    agree(texts, 5)


@given(st.characters(), st.sampled_from(["", "a"]))
def test_no_character_keeps_its_case(char: str, after: str) -> None:
    text = unicodedata.normalize("NFKC", f"w {char}{after}")
    upper, lower = made([text, text.lower()]), made([text.lower(), text.lower()])
    assert upper[0].tolist() == lower[0].tolist()


@pytest.mark.parametrize("capital", [*"AÉЖΣẾᏣⰀ𐐀", "İ", "Ⱥ"])
def test_capitals_of_any_length_in_bytes_are_lowered(capital: str) -> None:
    hashes, ends = made([f"one {capital}two", f"one {capital.lower()}two"])
    assert ends.tolist() == [0, 1, 2]
    assert hashes[0] == hashes[1]


def test_a_text_has_the_same_hashes_in_any_company() -> None:
    together, ends = made(TEXTS)
    for i, text in enumerate(TEXTS):
        assert made([text])[0].tolist() == together[ends[i] : ends[i + 1]].tolist()
    assert made([])[1].tolist() == [0]


def test_scripts_without_spaces_and_signs_are_words_of_their_own() -> None:
    assert np.diff(made(["日本語の文章です", "“quoted” — so"])[1]).tolist() == [4, 1]
    assert np.diff(made(["été à la plage ce soir"])[1]).tolist() == [2]


@pytest.mark.parametrize("size", [7, 8, 9, 63, 64, 65, 72, 73, 1000])
def test_words_of_any_length_differ_by_any_letter(size: int) -> None:
    word = "a" * size
    others = [word[:place] + "b" + word[place + 1 :] for place in (0, size // 2, size - 1)]
    hashes, _ = made([word, *others, word[1:]])
    assert len(set(hashes.tolist())) == 5


def test_batches_hold_every_text_once() -> None:
    long = "a" * module.BATCH_CHARACTERS
    texts = [long, "b", "", long, "d"]
    parts = list(batches(texts))
    assert [t for part in parts for t in part] == texts
    assert len(parts) == 3
    assert list(batches([])) == []
