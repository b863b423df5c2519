"""The parts of a block's lexical score: own words, passage, heading, place, links."""

from __future__ import annotations

import math
from typing import Any

import numpy as np
import pytest

from datapruner.core.items import Items
from datapruner.errors import InputError, MissingColumnError
from datapruner.scorers.lexical import bm25
from datapruner.scorers.passages import Passages


def items(texts: list[str], groups: list[int] | None = None, **features: Any) -> Items:
    codes = [0] * len(texts) if groups is None else groups
    names = [str(g) for g in range(max(codes, default=0) + 1)]
    return Items.of(
        len(texts), group=np.array(codes, int), group_names=names, text=texts, **features
    )


def only(**weights: float) -> Passages:
    """A scorer with these parts and the block's own words alone."""
    return Passages(**{"passage": 0, "opening": 0, "heading": 0, "lead": 0, "links": 0, **weights})


def values(scorer: Passages, made: Items, query: str) -> np.ndarray:
    return scorer(made, query=query).values


def test_its_own_words_are_bm25_on_the_scale_of_the_best() -> None:
    texts = ["cats and more cats", "a dog", "one Cat among many other animals"]
    counts = np.array([[2.0], [0.0], [1.0]])
    expected = bm25(counts, np.array([len(text) for text in texts], dtype=float))
    found = values(only(), items(texts), "cats?")
    np.testing.assert_allclose(found, expected / expected.max())


def test_a_passage_lifts_its_blocks_and_its_opening_most() -> None:
    made = items(["nothing", "a cat", "a dog", "birds"], [0, 0, 1, 1])
    found = values(only(passage=2.0), made, "cat")
    assert found[0] == 2.0
    assert found[1] == 3.0
    assert found[2] == found[3] == 0.0
    found = values(only(opening=0.5), made, "cat")
    np.testing.assert_allclose(found, [0.5, 1.25, 0, 0])


def test_a_heading_that_says_the_question_lifts_what_stands_behind_it() -> None:
    made = items(
        ["one", "two", "three", "four"],
        [0, 0, 1, 2],
        title=["Shop > Prices", "Shop > Prices", "Shop > Prices", "Prices > Shop"],
    )
    found = values(only(heading=2.0), made, "prices")
    np.testing.assert_allclose(found, [2.0, 2 / 1.5, 1.0, 0.0])


def test_of_a_heading_the_share_of_the_question_counts() -> None:
    made = items(["red", "a", "b"], [0, 1, 2], title=["", "red kettle", "kettle"])
    found = values(only(heading=1.0), made, "red kettle")
    assert found[1] == 1.0
    assert 0 < found[2] < 1.0
    # "red" is in a block and "kettle" in none: the rarer word weighs more.
    assert found[2] == pytest.approx(math.log1p(7.0) / (math.log1p(2.5 / 1.5) + math.log1p(7.0)))


def test_the_headings_are_part_of_the_passage() -> None:
    made = items(["a", "b"], [0, 1], title=["Cats", "Dogs"])
    assert values(only(passage=1.0), made, "dogs").tolist() == [0.0, 1.0]


def test_a_list_of_links_loses_to_what_it_points_at() -> None:
    texts = ["What do cats eat?", "Cats eat fish, and what else there is."]
    made = items(texts, [0, 1], linked=np.array([1.0, 0.0]))
    kept, lost = values(Passages(links=0), made, "what do cats eat?").tolist()
    assert kept > lost
    kept, lost = values(Passages(), made, "what do cats eat?").tolist()
    assert kept < lost


def test_a_passage_is_judged_by_the_share_of_links_in_its_text() -> None:
    texts = ["cat", "a long text about a cat that is no link at all"]
    linked = np.array([1.0, 0.0])
    scorer = only(passage=1.0, links=1.0)
    # The link loses its own words and none of the passage's, which is mostly text.
    assert values(scorer, items(texts, linked=linked), "cat").tolist() == [1.0, 2.0]
    assert values(scorer, items(texts, [0, 1], linked=linked), "cat").tolist() == [0.0, 2.0]


def test_without_words_blocks_score_by_their_place() -> None:
    found = values(Passages(), items(["a", "b", "c"], [0, 0, 1]), "??")
    np.testing.assert_allclose(found, [0.2, 0.1, 0.2])


def test_the_best_of_each_passage_is_told() -> None:
    made = Items.of(2, group=np.array([0, 2]), group_names=["a", "b", "c"], text=["cat", "dog"])
    scores = Passages()(made, query="dog")
    assert scores.details["chunk_scores"] == [scores.values[0], 0.0, scores.values[1]]
    assert scores.method == "lexical"


def test_no_rows_give_no_scores() -> None:
    assert Passages()(items([]), query="cat").values.shape == (0,)


@pytest.mark.parametrize(
    ("weights", "told"),
    [({"passage": -1}, "passage is -1"), ({"links": 1.5}, r"links is 1.5.*\[0, 1\]"),
     ({"heading": math.nan}, "heading is nan")],
)  # fmt: skip
def test_a_weight_out_of_range_is_refused(weights: dict[str, float], told: str) -> None:
    with pytest.raises(InputError, match=told):
        Passages(**weights)


def test_items_without_texts_are_refused() -> None:
    with pytest.raises(MissingColumnError):
        Passages()(Items.of(2), query="cat")
