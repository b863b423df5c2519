"""A model's values and the words beside them."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

from datapruner.context.html.scoring import block_scorer
from datapruner.core.items import Items
from datapruner.core.scores import Scores
from datapruner.errors import InputError
from datapruner.scorers.passages import Passages
from datapruner.scorers.semantic import Semantic
from datapruner.scorers.staged import Staged
from datapruner.scorers.withwords import WithWords

ITEMS = Items.of(3, group=np.zeros(3, int), group_names=["0"], text=["a dog", "a cat", "birds"])


class Told:
    """Says what it was given."""

    meaning = "closer"
    default_budget = "9 tokens"

    def __call__(self, items: Items, *, query: str | None = None, seed: int = 0) -> Scores:
        values = np.array([0.1, 0.2, 0.3])
        details = {"chunk_scores": [0.3], "seed": seed}
        return Scores(values, items, self.meaning, "told", details=details)


def test_the_values_are_added() -> None:
    words = Passages()(ITEMS, query="cat").values
    scores = WithWords(Told(), weight=2.0)(ITEMS, query="cat", seed=3)
    np.testing.assert_allclose(scores.values, [0.1, 0.2, 0.3] + 2.0 * words)
    assert scores.method == "told and words"
    assert scores.details == {"seed": 3}
    assert WithWords(Told(), weight=0)(ITEMS, query="cat").values.tolist() == [0.1, 0.2, 0.3]


def test_budget_and_meaning_are_the_models() -> None:
    made = WithWords(Told())
    assert made.default_budget == "9 tokens"
    assert made.meaning == "closer, and more of its words"
    assert WithWords(lambda items, **_: None).default_budget == "50% of tokens"


@pytest.mark.parametrize(
    ("given", "told"),
    [({"model": 3}, "model is 3"), ({"model": Told}, "model is <class"),
     ({"model": Told(), "weight": -1}, "weight is -1"),
     ({"model": Told(), "weight": float("nan")}, "weight is nan")],
)  # fmt: skip
def test_what_cannot_score_is_refused(given: dict[str, Any], told: str) -> None:
    with pytest.raises(InputError, match=told):
        WithWords(**given)


def test_methods_take_the_form_that_suits_blocks() -> None:
    assert block_scorer("lexical") == Passages()
    assert block_scorer("semantic") == WithWords(Semantic())
    cascade = block_scorer("lexical > semantic")
    assert isinstance(cascade, Staged)
    assert (cascade.first, cascade.second) == (Passages(), WithWords(Semantic()))
    mine = Told()
    assert block_scorer(mine) is mine
