"""The parts of the context pruner, one by one."""

from __future__ import annotations

import itertools
import re
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest

from datapruner.context.chunk import Chunk, read_chunks
from datapruner.context.hidden import find_hidden, without_hidden
from datapruner.context.knapsack import best_subset
from datapruner.context.pins import antecedent, is_title, read_pins
from datapruner.context.queryfree import query_free
from datapruner.context.render import chunk_order, edges_first
from datapruner.context.settle import cut_to_fit
from datapruner.context.wishes import as_counter, as_wanted, check_one_of
from datapruner.core.items import Items
from datapruner.errors import BudgetError, InputError

# -- what comes in ------------------------------------------------------------------------------


def test_chunks_of_every_form() -> None:
    given = [
        "plain",
        {"text": "mapped", "id": "m", "title": "T", "score": 3},
        SimpleNamespace(page_content="object", id=None),
        SimpleNamespace(content="other", id=7),
        Chunk("c", "whole"),
        {"text": "odd id", "id": 2.5},
    ]
    assert read_chunks(given) == (
        Chunk(0, "plain"),
        Chunk("m", "mapped", "T"),
        Chunk(2, "object"),
        Chunk(7, "other"),
        Chunk("c", "whole"),
        Chunk("2.5", "odd id"),
    )
    assert read_chunks("one") == (Chunk(0, "one"),)
    assert read_chunks({"text": "one"}) == (Chunk(0, "one"),)
    assert read_chunks(c for c in ("a", "b")) == (Chunk(0, "a"), Chunk(1, "b"))
    assert read_chunks([]) == ()


@pytest.mark.parametrize(
    ("given", "told"),
    [
        ([1], "chunk 0 is a int"),
        (["a", {"body": "b"}], r"chunk 1 is a mapping with the keys \['body'\]"),
        ([{"text": None}], "chunk 0 is a mapping"),
        ([{"text": "a", "title": 3}], "chunk 0 has the title 3"),
        (None, "chunk 0 is a NoneType"),
    ],
)
def test_what_is_no_chunk_is_named(given: Any, told: str) -> None:
    with pytest.raises(InputError, match=told):
        read_chunks(given)


# -- hidden characters --------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("text", "places"),
    [
        ("plain", []),
        ("a\u200bb", [1]),
        ("a\u00adb\u202ec\ufeff", [1, 3, 5]),
        ("👩\u200d👧 x\u200dy", [5]),
        ("می\u200cخواهم", []),
        ("क\u094d\u200dष", []),
        ("a\U000e0041\U000e0042", [1, 2]),
        ("🏴\U000e0067\U000e0062\U000e007f", []),
        ("\u200d", [0]),
    ],
)
def test_what_nobody_sees(text: str, places: list[int]) -> None:
    assert find_hidden(text) == places


def test_the_way_back_from_a_cleaned_text() -> None:
    text = "a\u200bb\u202ec"
    cleaned = without_hidden(text)
    assert cleaned.text == "abc"
    assert [text[cleaned.place(i)] for i in range(3)] == ["a", "b", "c"]
    assert cleaned.place(3) == len(text)
    assert without_hidden("abc").place(2) == 2


# -- pins ---------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("pin", "sentence", "said"),
    [
        ("numbers", "It took 3 days", True),
        ("numbers", "It took days", False),
        ("quotes", 'She said "yes" then', True),
        ("quotes", "«oui», dit-il", True),
        ("quotes", "「はい」と", True),
        ("quotes", "“““ nobody ‘‘ « „ closes these", False),
        ("quotes", "“ one “two” three", True),
        ("quotes", "„drei“ vier", True),
        ("quotes", "a disk of 5\" and the dogs' bowl isn't", False),
        (re.compile("a+b"), "caab", True),
        (lambda sentence: sentence.isupper(), "YES", True),
    ],
)
def test_a_pin_says_which_sentences_stay(pin: Any, sentence: str, said: bool) -> None:
    title, rules = read_pins(pin)
    assert not title
    assert rules[0](sentence) is said


def test_title_is_no_rule_of_its_own() -> None:
    assert read_pins("title") == (True, ())
    assert read_pins(()) == (False, ())
    assert len(read_pins(["title", "numbers", "quotes"])[1]) == 2


@pytest.mark.parametrize(("pin", "told"), [("number", "numbers"), (3, "3 is no pin")])
def test_what_is_no_pin_is_named(pin: Any, told: str) -> None:
    with pytest.raises(InputError, match=told):
        read_pins(pin)


@pytest.mark.parametrize(
    ("sentence", "title", "said"),
    [
        ("# Rome\n", "", True),
        ("Rome\n", "Rome", True),
        ("Rome is old. ", "Rome", False),
        ("#hashtag", "", False),
        ("\n", "", False),
        ("", " ", False),
    ],
)
def test_what_is_a_title(sentence: str, title: str, said: bool) -> None:
    assert is_title(sentence, title) is said


@pytest.mark.parametrize(
    ("sentence", "leans"),
    [
        ("He left. ", True),
        ("“They’re gone.” ", True),
        ("It's old.", True),
        ("Elle est là.", True),
        ("Она ушла.", True),
        ("Hers was red.", True),
        ("Helen left.", False),
        ("The man left.", False),
        ("3 of them", False),
        ("", False),
    ],
)
def test_which_sentence_leans_on_the_one_before(sentence: str, leans: bool) -> None:
    assert antecedent(["First.", sentence], 1) is leans
    assert not antecedent([sentence], 0)


# -- budgets and counters -----------------------------------------------------------------------


def test_limits_are_the_callers_or_the_methods_own() -> None:
    assert as_wanted(None, None, "50% of tokens", "words")[1] is False
    budget, given = as_wanted(None, 0.3, "50% of tokens", "words")
    assert (given, budget.threshold, budget.share) == (True, 0.3, None)
    budget, _ = as_wanted("9 words, 2 per group", 0.5, "x", "words")
    assert (budget.cost, budget.per_group, budget.threshold) == (9.0, 2, 0.5)


@pytest.mark.parametrize(
    ("budget", "threshold", "told"),
    [
        ("threshold 1", 2.0, "said twice"),
        ("9 dollars", None, 'Write "9 tokens"'),
        ("9 tokens, floor 50%", None, "floor of 50%"),
        ("30% of tokens, floor 50%", None, "floor of 50%"),
        (5, None, "bare 5"),
    ],
)
def test_limits_that_cannot_be_read(budget: Any, threshold: Any, told: str) -> None:
    with pytest.raises(BudgetError, match=told):
        as_wanted(budget, threshold, "x", "words")


def test_a_function_counts() -> None:
    counter = as_counter(lambda text: len(text) // 4)
    assert counter.count(["abcdefgh", ""]).tolist() == [2, 0]
    assert as_counter("characters").count(["abc"]).tolist() == [3]
    assert as_counter(len).name == "len"


@pytest.mark.parametrize("answer", [-1, 1.5, None, True])
def test_a_count_that_is_none_is_refused(answer: Any) -> None:
    with pytest.raises(InputError, match="it must give a whole number"):
        as_counter(lambda text: answer).count(["abc"])


def test_a_setting_that_is_none_of_the_known() -> None:
    with pytest.raises(InputError, match="must be one of source, score, edges"):
        check_one_of("order", "sorce", ("source", "score", "edges"))


# -- ranking, rendering, trimming ---------------------------------------------------------------


def test_edges_first_is_the_golden_order() -> None:
    assert edges_first([1, 2, 3, 4, 5]) == [1, 3, 5, 4, 2]
    assert edges_first([1, 2, 3, 4, 5, 6]) == [1, 3, 5, 6, 4, 2]
    assert edges_first([]) == []


def test_chunks_in_order() -> None:
    scores = np.array([0.1, 0.9, 0.5, 0.9])
    assert chunk_order("source", scores) == [0, 1, 2, 3]
    assert chunk_order("score", scores) == [1, 3, 2, 0]
    assert chunk_order("edges", scores) == [1, 2, 0, 3]


@pytest.mark.parametrize("seed", range(30))
def test_the_best_subset_is_the_best_of_all(seed: int) -> None:
    draw = np.random.default_rng(seed)
    n = int(draw.integers(1, 9))
    values = draw.normal(1, 1, n).round(2)
    costs = draw.integers(0, 9, n).astype(float)
    budget = float(draw.integers(0, 25))
    chosen = best_subset(values, costs, budget)
    best = max(
        sum(values[list(rows)])
        for size in range(n + 1)
        for rows in itertools.combinations(range(n), size)
        if sum(costs[list(rows)]) <= budget
    )
    assert costs[chosen].sum() <= budget
    assert values[chosen].sum() == pytest.approx(best)


def test_a_table_too_large_is_refused() -> None:
    with pytest.raises(BudgetError, match="density"):
        best_subset(np.ones(10_000), np.full(10_000, 2.0), 10_000)
    assert best_subset(np.ones(3), np.ones(3), np.inf).all()


def test_a_sentence_is_cut_at_a_word_and_else_at_a_character() -> None:
    def cut(text: str, limit: int) -> str:
        return text[: cut_to_fit(text, lambda n: len(text[:n]), limit)]

    assert cut("one two three", 8) == "one two"
    assert cut("one two three", 99) == "one two three"
    assert cut("one two", 2) == "on"
    assert cut("你好世界", 3) == "你好世"
    assert cut("👨\u200d👩x", 2) == ""
    assert cut("👨\u200d👩x", 3) == "👨\u200d👩"
    assert cut("abc", 0) == ""
    assert cut("   ab", 3) == ""
    assert cut("   ", 1) == ""


# -- without a query ----------------------------------------------------------------------------


def test_query_free_scores_prefer_the_first_and_the_central() -> None:
    texts = ["Tea is a drink.", "Tea is grown in hills.", "Zebras!", "Tea hills.", ""]
    items = Items.of(5, group=[0, 0, 0, 1, 1], group_names=["a", "b"], text=texts)
    values = query_free(items)
    assert values.shape == (5,)
    assert ((values >= 0) & (values <= 1)).all()
    assert values[0] > values[1] > values[2]
    assert values[4] == 0.25  # second of its chunk, and no word in it
    assert query_free(Items.of(0, text=[])).shape == (0,)
