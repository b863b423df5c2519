"""Occurrences: searching for a few terms and cutting every word give one and the same answer."""

from __future__ import annotations

from collections import Counter

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from datapruner.scorers import occurrences
from datapruner.scorers.occurrences import Occurrences
from datapruner.scorers.terms import plain_words, terms, words

# Words whose stems meet, overlap or end in what stemming touches; and signs around them.
WORDS = (
    *("city", "cities", "ties", "tie", "die", "dies", "study", "studies", "studying", "studied"),
    *("direct", "directs", "directed", "directing", "use", "uses", "used", "a", "as", "ass", "s"),
    *("y", "ies", "e", "ee", "1", "12", "x_1", "Caf\u00e9", "caf\u00e9s", "\u5317\u4eac\u5e02"),
)
SIGNS = (" ", "-", "\n", "\x00", "\x1c", "'", ".", *occurrences._MARKS)
pieces = st.sampled_from((*WORDS, *map(str.upper, WORDS), *SIGNS))
texts = st.lists(st.lists(pieces, max_size=12).map("".join) | st.text(max_size=20), max_size=6)
queries = st.lists(st.sampled_from(WORDS), max_size=6)


def told(found: Occurrences) -> dict[str, dict[int, int]]:
    return {term: dict(rows) for term, rows in found.rows.items() if rows}


def oracle(texts: list[str], wanted: frozenset[str]) -> dict[str, dict[int, int]]:
    """The terms of each text, counted one by one."""
    rows: dict[str, dict[int, int]] = {}
    for row, text in enumerate(texts):
        for term, number in Counter(terms(text)).items():
            if term in wanted:
                rows.setdefault(term, {})[row] = number
    return rows


@given(texts, queries, st.booleans())
def test_terms_are_counted_as_if_each_text_were_cut(
    texts: list[str], asked: list[str], many: bool
) -> None:
    wanted = frozenset(term for word in asked for term in terms(word))
    if many:
        wanted |= {f"never{number}" for number in range(occurrences._FEW + 1)}
    found = Occurrences(texts, wanted)
    assert told(found) == oracle(texts, wanted)
    assert found.lengths.tolist() == [len(terms(text)) for text in texts]
    assert found.lengths.dtype == np.float64


@given(texts, queries)
def test_columns_and_names_say_the_same(texts: list[str], asked: list[str]) -> None:
    wanted = list(dict.fromkeys(term for word in asked for term in terms(word)))
    found = Occurrences(texts, frozenset(wanted))
    expected = [[terms(text).count(term) for term in wanted] for text in texts]
    assert found.counts(wanted).tolist() == expected
    named = [row for row, text in enumerate(texts) if wanted and set(wanted) <= set(terms(text))]
    assert sorted(found.naming(wanted)) == named


@given(st.text(st.characters(max_codepoint=127)))
def test_plain_words_keep_the_length_and_give_the_words(text: str) -> None:
    assert len(plain_words(text)) == len(text)
    assert plain_words(text).split() == words(text)
    assert set(plain_words(text)) <= set("abcdefghijklmnopqrstuvwxyz0123456789_ ")


@pytest.mark.parametrize(
    ("text", "term"),
    [("the cities", "city"), ("a city", "city"), ("studies", "study"), ("tie", "tie")],
)
def test_a_stem_is_found_in_every_word_that_has_it(text: str, term: str) -> None:
    assert told(Occurrences([text], frozenset({term}))) == {term: {0: 1}}


@pytest.mark.parametrize("mark", occurrences._MARKS)
def test_common_marks_are_part_of_no_word(mark: str) -> None:
    assert words(f"a{mark}b {mark}") == ["a", "b"]
