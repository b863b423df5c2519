"""Words of a question are found by how words begin, in any script."""

from __future__ import annotations

import re
import unicodedata

import pytest
from hypothesis import given
from hypothesis import strategies as st

from datapruner.scorers.mentions import asked_words, mentions


def counted(text: str, query: str) -> list[int]:
    asked = asked_words(query)
    return mentions([text], asked)[0].astype(int).tolist()


@pytest.mark.parametrize(
    ("query", "expected"),
    [
        ("", {}),
        ("What is the price of it?", {"pric": "begins"}),
        ("of the", {"of": "whole", "the": "whole"}),
        ("cities, city", {"cit": "begins"}),
        ("Programming programs", {"progra": "begins"}),
        ("is C++ 11 better", {"c": "whole", "11": "whole", "better": "begins"}),
        ("東京は", {"東京": "anywhere", "京は": "anywhere"}),
    ],
)
def test_the_question_gives_the_beginnings_to_look_for(
    query: str, expected: dict[str, str]
) -> None:
    assert asked_words(query) == expected


@pytest.mark.parametrize(
    ("text", "query", "expected"),
    [
        ("Risiken und Nebenwirkungen, Risiko", "Risikos", [1]),
        ("the variable; variables (Variables)", "variable", [3]),
        ("invariable", "variable", [0]),
        ("if iffy IF", "if", [2]),
        ("snake_case and case", "case", [2]),
        ("\ufb01nd the \ufb01le", "file", [1]),
        ("私は東京に住む。東京", "東京", [2]),
        ("straße", "Straße", [1]),
        ("", "price", [0]),
    ],
)
def test_words_are_counted_where_they_begin(text: str, query: str, expected: list[int]) -> None:
    assert counted(text, query) == expected


def test_every_text_has_its_own_count() -> None:
    texts = ["cat", "", "dog cat\ncat", "CAT dog"]
    assert mentions(texts, asked_words("cats dogs")).tolist() == [[1, 0], [0, 0], [2, 1], [1, 1]]


def test_no_texts_or_no_words_give_an_empty_table() -> None:
    assert mentions([], asked_words("cats")).shape == (0, 1)
    assert mentions(["cat"], {}).shape == (1, 0)


@given(
    st.lists(st.text("abé ß.\n東京İ", max_size=12), max_size=5),
    st.dictionaries(
        st.text("abé東", min_size=1, max_size=3),
        st.sampled_from(["begins", "whole", "anywhere"]),
        max_size=3,
    ),
)
def test_counts_are_those_of_a_search_in_each_text(texts: list[str], asked: dict[str, str]) -> None:
    found = mentions(texts, asked)
    for row, text in enumerate(texts):
        plain = (text if text.isascii() else unicodedata.normalize("NFKC", text)).lower()
        for column, (word, how) in enumerate(asked.items()):
            # Occurrences do not overlap, whether they count or not.
            expected = 0
            for match in re.finditer(re.escape(word), plain):
                before = plain[match.start() - 1 : match.start()] if match.start() else ""
                after = plain[match.end() : match.end() + 1]
                begins = how == "anywhere" or not before.isalnum()
                expected += begins and (how != "whole" or not after.isalnum())
            assert found[row, column] == expected
