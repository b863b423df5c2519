"""Any text at all: sentences partition it, budgets hold, and what is kept is verbatim."""

from __future__ import annotations

import re
from typing import Any

import numpy as np
from hypothesis import given
from hypothesis import strategies as st

from datapruner.context.chunks import prune_chunks
from datapruner.context.hidden import find_hidden, may_hide, without_hidden
from datapruner.context.sentences import sentence_spans
from datapruner.core.items import Items
from datapruner.core.scores import Scores
from datapruner.errors import BudgetError
from datapruner.tokens import resolve_counter

# Arbitrary code points, lone surrogates included, and what sentence rules look at.
MARKS = st.sampled_from(
    [
        *".!?…。！？؟۔।\"'”)]」\n\r\t |#-*1a A",
        "\n\n",
        "```\n",
        "Dr. ",
        "\u200d",
        "\u0301",
        "🇫",
        "👍",
    ]
)
TEXTS = st.lists(
    st.one_of(MARKS, st.text(st.characters(exclude_categories=()), max_size=6)), max_size=30
).map("".join)
WORDS = st.lists(
    st.sampled_from(["Aa", "bb", "cc.", "Dd!", "e?", "\n\n", "好。"]), max_size=25
).map(" ".join)
LANGUAGES = st.sampled_from([None, "en", "de", "ja", "th", "ar", "hi", "zh", "xx", ""])


@given(TEXTS, LANGUAGES, st.sampled_from([1, 2, 7, 1200]))
def test_spans_partition_any_text(text: str, language: str | None, longest: int) -> None:
    spans = sentence_spans(text, language=language, longest=longest)
    assert spans.shape == (spans.shape[0], 2)
    assert spans.dtype == np.int64
    ends = [0, *spans[:, 1].tolist()]
    assert spans[:, 0].tolist() == ends[:-1]
    assert ends[-1] == len(text)
    assert (spans[:, 1] > spans[:, 0]).all()


@given(TEXTS)
def test_no_sentence_is_white_space_alone(text: str) -> None:
    parts = [text[a:b] for a, b in sentence_spans(text).tolist()]
    assert all(part.strip() for part in parts) or not text.strip()


@given(TEXTS)
def test_cleaned_text_leads_back_to_every_character(text: str) -> None:
    cleaned = without_hidden(text)
    assert [text[cleaned.place(i)] for i in range(len(cleaned.text))] == list(cleaned.text)


@given(st.lists(TEXTS | st.text(max_size=9)))
def test_no_hidden_character_is_overlooked(texts: list[str]) -> None:
    assert may_hide(texts) or not any(map(find_hidden, texts))


def test_what_cannot_hide_is_told_apart() -> None:
    for code in (*range(0x00AD, 0x2100), 0xFEFF, *range(0xE0000, 0xE0080)):
        assert may_hide([chr(code)]) or not find_hidden(chr(code))
    assert not may_hide(["\u2019caf\u00e9\u2014", "\U0001f600"])


@given(TEXTS)
def test_words_are_counted_as_the_pattern_does(text: str) -> None:
    parts = [text, "", text[::-1]]
    expected = [len(re.findall(r"\w+|[^\w\s]", part)) for part in parts]
    assert resolve_counter("words").count(parts).tolist() == expected


class Drawn:
    """Scores drawn beforehand, given to the sentences in turn."""

    def __init__(self, values: list[float]) -> None:
        self.values = values or [0.0]

    def __call__(self, items: Items, *, query: str | None = None, seed: int = 0) -> Scores:
        return Scores(np.resize(self.values, items.n).astype(np.float64), items, "drawn", "drawn")


def uneven(text: str) -> int:
    """A count that does not add up: seams cost, and some pairs of letters merge."""
    return len(text.split()) + text.count("\n\n") - text.count("bb cc") + ("D" in text)


OPTIONS = st.fixed_dictionaries(
    {},
    optional={
        "threshold": st.sampled_from([0.0, 0.5, 2.0]),
        "fill": st.sampled_from(["skip", "stop"]),
        "pick": st.sampled_from(["high", "density", "exact"]),
        "neighbours": st.integers(0, 2),
        "antecedents": st.booleans(),
        "on_empty": st.sampled_from(["empty", "top1", "keep_all"]),
        "gap": st.sampled_from(["", " … "]),
        "hidden": st.sampled_from(["flag", "drop", "keep"]),
        "order": st.sampled_from(["source", "score", "edges"]),
        "counter": st.sampled_from([uneven, "words", "characters", "bytes"]),
        "pins": st.sampled_from([(), "title", ("title", "numbers")]),
    },
)


@given(
    st.lists(st.one_of(TEXTS, WORDS), max_size=4),
    st.integers(0, 40),
    st.lists(st.floats(-1, 1), max_size=5),
    OPTIONS,
)
def test_the_text_never_costs_more_than_the_budget(
    chunks: list[str], budget: int, values: list[float], options: dict[str, Any]
) -> None:
    try:
        made = prune_chunks("q", chunks, budget=f"{budget} tokens", method=Drawn(values), **options)
    except BudgetError:
        assert options.get("pins") == ("title", "numbers")
        return
    counter = options.get("counter", "words")
    count = counter if callable(counter) else lambda t: int(resolve_counter(counter).count([t])[0])
    assert made.tokens == (count(made.text) if made.text else 0) <= budget
    assert len(made.text) <= len("\n\n".join(chunks))
    for s in (*made.kept, *made.dropped):
        piece = chunks[s.position][s.start : s.end]
        assert piece == s.text or options.get("hidden") == "drop"
    made.to_dict()
    made.explain()


@given(st.lists(WORDS, max_size=4), st.lists(st.floats(-1, 1), max_size=5), st.integers(0, 30))
def test_a_larger_budget_keeps_a_superset_when_filling_stops(
    chunks: list[str], values: list[float], budget: int
) -> None:
    rows = []
    for tokens in (budget, budget + 7):
        made = prune_chunks(
            "q",
            chunks,
            budget=f"{tokens} tokens",
            method=Drawn(values),
            fill="stop",
            on_empty="empty",
        )
        rows.append({(s.position, s.index) for s in made.kept})
    assert rows[0] <= rows[1]


@given(st.lists(WORDS, max_size=3), st.lists(WORDS, max_size=3), st.integers(0, 60))
def test_what_goes_on_from_an_answer_begins_with_it(
    chunks: list[str], more: list[str], budget: int
) -> None:
    first = prune_chunks("aa bb", chunks, budget="10 tokens")
    second = prune_chunks("cc dd", [*more, *chunks], budget=f"{10 + budget} tokens", previous=first)
    assert second.text.startswith(first.text)
    assert second.tokens <= 10 + budget
