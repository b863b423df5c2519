"""benchmarks.html.causal: how its questions are drawn and its figures made."""

from __future__ import annotations

import numpy as np

from benchmarks.html.causal import CONTENDERS, asked_of, entry_of, is_reported
from benchmarks.html.records import Page, Record
from datapruner.core.items import Items

GOLD = "The card costs four euros a year and is free for children."
OTHERS = [f"Hall {n} of the library has {n} lamps and one long table." for n in range(20)]


def record(id: str = "a", source: str = "https://www.who.int/x") -> Record:
    return Record("faq_html", id, "What is the card?", (Page(source, "", b""),), (GOLD,), GOLD)


def items(texts: list[str]) -> Items:
    return Items.of(
        len(texts), text=texts, group=np.zeros(len(texts), dtype=int), group_names=["page"]
    )


def test_the_contenders_are_those_that_share_words_with_the_question() -> None:
    asked = asked_of(record(), items([*OTHERS, GOLD]))
    assert asked is not None
    assert asked.items.n == CONTENDERS
    assert asked.answers.tolist() == [False] * (CONTENDERS - 1) + [True]
    assert asked.lexical.argmax() == CONTENDERS - 1


def test_a_question_without_an_answer_or_with_nothing_else_is_left_out() -> None:
    assert asked_of(record(), items(OTHERS)) is None
    assert asked_of(record(), items([GOLD])) is None


def test_figures_are_those_of_the_best_block_that_answers() -> None:
    asked = asked_of(record(), items([*OTHERS[:3], GOLD]))
    assert asked is not None
    values = [np.array(v) for v in ([0, 1, 2, 3], [3, 2, 1, 0], [0, 3, 2, 2])]
    made = entry_of("x", [asked] * 3, values)
    assert made["first"] == 33.3
    assert made["in_three"] == 66.7
    assert made["reciprocal_rank"] == round((1 + 1 / 4 + 1 / 2) / 3, 3)
    assert made["by_chance"] == 25.0
    # One or more of three at one in four each.
    assert abs(made["chance_does_as_well"] - (1 - 0.75**3)) < 0.02


def test_english_questions_fall_into_two_halves() -> None:
    kept = [is_reported(record(f"faq-1-{n}")) for n in range(200)]
    assert 70 < sum(kept) < 130
    assert not any(is_reported(record(f"{n}", "https://www.rki.de/x")) for n in range(50))
