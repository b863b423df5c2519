"""Two stages: what the first leaves is scored by the second, the rest stays below."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

import numpy as np
import pytest
from labelmodels import LookUp, items, logits, tokenizer

from datapruner.context.chunks import prune_chunks
from datapruner.context.scoring import context_scorer
from datapruner.core.items import Items
from datapruner.core.scores import Scores
from datapruner.core.select import select
from datapruner.errors import BudgetError, InputError, UnknownMethodError
from datapruner.scorers.labeller import Sentences
from datapruner.scorers.lexical import Lexical
from datapruner.scorers.semantic import Semantic
from datapruner.scorers.staged import Staged


@dataclass
class Fixed:
    """Values by text."""

    values: dict[str, float]
    method: str = "fixed"
    details: dict[str, Any] = field(default_factory=dict)
    seen: list[list[str]] = field(default_factory=list)

    def __call__(self, items: Items, *, query: str | None = None, seed: int = 0) -> Scores:
        texts = list(items.features["text"])
        self.seen.append(texts)
        found = np.array([self.values[text] for text in texts], dtype=np.float64)
        return Scores(found, items, "better", self.method, details=self.details)


TEXTS = list("abcdef")
CHEAP = Fixed({"a": 5, "b": 1, "c": 4, "d": 2, "e": 3, "f": 0}, "cheap")


def test_the_second_sees_what_the_first_likes_in_source_order() -> None:
    second = Fixed(dict.fromkeys(TEXTS, 0.5) | {"c": 0.9}, "fine")
    scores = Staged(CHEAP, second, "3 items")(items(TEXTS), query="q")
    assert second.seen == [["a", "c", "e"]]
    assert scores.values[[0, 2, 4]].tolist() == [0.5, 0.9, 0.5]
    assert scores.method == "cheap then fine"
    assert scores.meaning == "better"
    assert scores.details["seen"] == 3


def test_the_others_keep_the_first_ones_order_below_all_and_below_0() -> None:
    for low in (0.5, -7.0):
        second = Fixed(dict.fromkeys(TEXTS, low), "fine")
        values = Staged(CHEAP, second, "3 items")(items(TEXTS), query="q").values
        assert values[[3, 1, 5]].tolist() == sorted(values[[3, 1, 5]], reverse=True)
        assert len(set(values[[3, 1, 5]].tolist())) == 3
        assert values[[3, 1, 5]].max() < min(low, 0.0)


def test_a_threshold_on_the_seconds_scale_lets_no_other_in() -> None:
    second = Fixed(dict.fromkeys(TEXTS, 0.5), "fine")
    scores = Staged(CHEAP, second, "3 items")(items(TEXTS), query="q")
    assert sorted(select(scores, "threshold 0", pick="high").order.tolist()) == [0, 2, 4]
    assert select(scores, "5 items", pick="high").mask.tolist() == [True] * 5 + [False]


def test_chunk_scores_of_the_second_stay_and_other_chunks_are_below() -> None:
    second = Fixed(dict.fromkeys(TEXTS, 0.5), "fine", {"chunk_scores": [0.3, 0.8, 0.0]})
    given = items(["a", "b"], ["c", "e"], ["d", "f"])
    scores = Staged(CHEAP, second, "3 items")(given, query="q")
    assert scores.details["chunk_scores"] == [0.3, 0.8, pytest.approx(-0.7)]
    assert scores.details["second"] == {"method": "fine"}


def test_pinned_rows_pass_and_nothing_may_be_left() -> None:
    second = Fixed(dict.fromkeys(TEXTS, 0.5), "fine")
    pinned = Items.of(6, text=TEXTS, pinned=[False] * 5 + [True])
    Staged(CHEAP, second, "2 items")(pinned, query="q")
    assert second.seen == [["a", "f"]]
    ranked = Fixed(dict.fromkeys(TEXTS, 0.5), "fine", {"chunk_scores": [0.0]})
    none = Staged(CHEAP, ranked, "0 items")(items(TEXTS), query="q")
    assert none.values.max() < 0
    assert none.details["chunk_scores"] == [0.0]
    assert Staged(CHEAP, second)(items([]), query="q").values.shape == (0,)
    same = Staged(Fixed(dict.fromkeys(TEXTS, 1.0)), second, "0 items")(items(TEXTS), query="q")
    assert set(same.values.tolist()) == {-1.0}


def test_lexical_then_sentences() -> None:
    runtime = LookUp(logits(tokenizer().get_vocab_size()))
    chunks = [["Ada wrote the poem. ", "The tower is red. "], ["Bob built it. ", "Old, new. "]]
    scores = Staged(Lexical(), Sentences(runtime), 0.5)(items(*chunks), query="who wrote the poem?")
    alone = Sentences(runtime)(items(*chunks), query="who wrote the poem?")
    seen = scores.values >= 0
    assert seen.sum() == 2
    assert seen[0]
    # The look-up knows no context, so what it sees has the value that it has by itself.
    assert scores.values[seen] == pytest.approx(alone.values[seen], abs=1e-6)
    assert Staged(Lexical(), Sentences(runtime)).default_budget == "threshold 0.1"
    assert Staged(Sentences(runtime), CHEAP).default_budget == "50% of tokens"
    assert Staged(CHEAP, Lexical()).meaning == Lexical.meaning


def test_names_with_an_arrow_are_stages() -> None:
    made = context_scorer("lexical > semantic>lexical")
    assert isinstance(made, Staged)
    assert (made.first, made.second.first, made.second.second) == (Lexical(), Semantic(), Lexical())
    with pytest.raises(UnknownMethodError, match="method 'lexica' is unknown"):
        context_scorer("lexica > sentences")


def test_stages_prune_chunks_within_the_budget() -> None:
    chunks = ["Ada wrote the poem. The tower is red.", "Bob built it. It is old and new."]
    made = prune_chunks(
        "who wrote the poem?", chunks, method="lexical > lexical", budget="5 tokens"
    )
    assert made.text == "Ada wrote the poem. "


def test_stages_and_budgets_that_cannot_be_are_refused() -> None:
    with pytest.raises(InputError, match="first is 'lexical'; it must be a scorer"):
        Staged("lexical", CHEAP)
    with pytest.raises(InputError, match="second is"):
        Staged(CHEAP, Lexical)
    with pytest.raises(BudgetError):
        Staged(CHEAP, CHEAP, "plenty")
