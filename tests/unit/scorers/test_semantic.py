"""Cosines of sentences and question, and the filter of what was said already."""

from __future__ import annotations

import math
from typing import Any

import numpy as np
import pytest
from labelmodels import items

from datapruner.errors import InputError, MissingColumnError
from datapruner.scorers import semantic
from datapruner.scorers.semantic import Semantic, repeats

ANGLES = {"q": 0, "a": 10, "b": 12, "c": 60, "d": 100, "e": 61, "f": 180}


class Compass:
    """A vector for every letter; what it does not know has none. Lengths differ on purpose."""

    name = "compass"
    fingerprint = "compass-1"
    dimensions = 2

    def __init__(self) -> None:
        self.asked: list[list[str]] = []

    def encode(self, texts: list[str]) -> Any:
        self.asked.append(texts)
        made = np.zeros((len(texts), 2), dtype=np.float32)
        for row, text in enumerate(texts):
            if text in ANGLES:
                turn = math.radians(ANGLES[text])
                made[row] = np.array([math.cos(turn), math.sin(turn)]) * (row + 1)
        return made


def cosine(text: str) -> float:
    return math.cos(math.radians(ANGLES[text]))


def test_values_are_cosines_and_0_without_a_vector() -> None:
    scores = Semantic(Compass())(items(["a", "c", "?"], ["f"]), query="q")
    assert scores.values == pytest.approx([cosine("a"), cosine("c"), 0.0, -1.0], abs=1e-6)
    assert scores.values.dtype == np.float64
    assert scores.method == "semantic"
    assert scores.details["embedder"] == "compass"


def test_equal_texts_are_embedded_once() -> None:
    compass = Compass()
    scores = Semantic(compass)(items(["a", "c"], ["a", "q"]), query="q")
    assert compass.asked == [["q", "a", "c"]]
    assert scores.values[0] == scores.values[2]


def test_repeats_of_better_sentences_stand_below_all_others() -> None:
    given = items(["b", "c", "f", "e", "a"])
    scores = Semantic(Compass(), redundancy=0.99)(given, query="q")
    # a is the best of a and b, c of c and e; f is far from everything.
    expected = [cosine("b") - 2, cosine("c"), -1.0, cosine("e") - 2, cosine("a")]
    assert scores.values == pytest.approx(expected, abs=1e-6)
    assert scores.details["repeats"] == 2
    assert scores.values[[0, 3]].max() < scores.values[[1, 2, 4]].min()


def test_which_sentence_stays_does_not_depend_on_the_order() -> None:
    texts = ["b", "c", "f", "e", "a", "d"]
    plain = Semantic(Compass(), redundancy=0.99)(items(texts), query="q").values
    turned = Semantic(Compass(), redundancy=0.99)(items(texts[::-1]), query="q").values
    assert turned[::-1] == pytest.approx(plain, abs=1e-6)


def test_repeats_agree_with_a_slow_loop() -> None:
    draw = np.random.default_rng(0)
    vectors = draw.normal(size=(80, 3))
    vectors /= np.linalg.norm(vectors, axis=1, keepdims=True)
    vectors[7] = 0
    order = draw.permutation(80).tolist()
    stays: list[int] = []
    expected = np.zeros(80, dtype=bool)
    for row in order:
        expected[row] = any(vectors[row] @ vectors[other] >= 0.9 for other in stays)
        if not expected[row]:
            stays.append(row)
    assert repeats(vectors, order, 0.9).tolist() == expected.tolist()
    assert not expected[7]
    assert 5 < expected.sum() < 75


def test_the_offline_embedder_needs_nothing_and_finds_shared_words() -> None:
    texts = ["The bridge was built by Ada.", "Cats sleep all day."]
    for _ in range(2):  # the second call finds the embedder kept
        scores = Semantic("offline")(items(texts), query="who built the bridge?")
        assert scores.values[0] > scores.values[1] + 0.1


def test_vectors_of_the_last_texts_are_remembered(monkeypatch: pytest.MonkeyPatch) -> None:
    compass = Compass()
    monkeypatch.setattr(semantic, "_REMEMBERED", 3)
    semantic._kept.cache_clear()
    monkeypatch.setattr(semantic, "resolve_embedder", lambda *_, **__: compass)
    plain = Semantic("compass")(items(["a", "c"]), query="q")
    again = Semantic("compass")(items(["c", "d", "a"]), query="q")
    assert compass.asked == [["q", "a", "c"], ["d"]]
    assert again.values[[2, 0]].tolist() == plain.values.tolist()
    # Four texts in the last call and room for three: the query went first.
    Semantic("compass")(items(["a", "d"]), query="q")
    assert compass.asked[2:] == [["q"]]
    Semantic("compass")(items(["f"]), query="q")
    Semantic("compass")(items(["d"]), query="e")
    assert compass.asked[3:] == [["f"], ["e"]]
    assert semantic._kept("compass", "auto", 8).dimensions == 2
    semantic._kept.cache_clear()


def test_no_rows_need_no_question() -> None:
    assert Semantic(Compass())(items([]), query=None).values.shape == (0,)


def test_what_cannot_be_is_refused() -> None:
    for wrong in (0, -1, 1.5):
        with pytest.raises(InputError, match="redundancy is"):
            Semantic(redundancy=wrong)
    for query in (None, " "):
        with pytest.raises(InputError, match="the query is empty"):
            Semantic(Compass())(items(["a"]), query=query)
    with pytest.raises(InputError, match="is no embedder"):
        Semantic(3)(items(["a"]), query="q")
    bare = type(items(["a"])).of(1)
    with pytest.raises(MissingColumnError, match="semantic needs the column 'text'"):
        Semantic(Compass())(bare, query="q")
