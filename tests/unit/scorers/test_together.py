"""The probability that is put together from labels, words and names, against its formula."""

from __future__ import annotations

import math
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from labelmodels import LookUp, items, logits, own_config, tokenizer

from datapruner.errors import FormatError
from datapruner.scorers.labelformat import own_settings
from datapruner.scorers.labeller import Sentences
from datapruner.scorers.lexical import Lexical
from datapruner.scorers.names import best_naming, names, places, titles
from datapruner.scorers.occurrences import Occurrences
from datapruner.scorers.together import Together, log_odds, mostly_latin, other_best

WEIGHTS = {
    "sharpness": 0.8,
    "rival": -0.5,
    "offset": -0.3,
    "labels": 1.8,
    "softness": 3.0,
    "lead": 0.2,
    "named": 0.6,
    "several_sharpness": 2.5,
    "several_offset": -6.0,
    "words_sharpness": 4.0,
    "words_offset": -3.0,
}
TOGETHER = Together(**WEIGHTS)
QUERY = "who built the red tower?"
CHUNKS = (
    ["The tower was built by Ada. ", "It is tall."],
    ["Ada wrote a poem. ", "She was old.", "Bob knew her."],
    ["Nothing of it. "],
)
TITLES = ["red tower", "Ada (poet)", "who"]


def odds(p: float) -> float:
    p = min(max(p, 1e-4), 1 - 1e-4)
    return math.log(p / (1 - p))


def logistic(x: float) -> float:
    return 1 / (1 + math.exp(-x))


@given(labels=st.lists(st.floats(0, 1), min_size=1, max_size=9))
def test_one_chunk_is_a_sentence_and_its_strongest_rival(labels: list[float]) -> None:
    rows = items([f"Sentence {i}. " for i in range(len(labels))], titles=["a title"])
    found = TOGETHER(rows, np.array(labels), "any question")
    for place, p in enumerate(labels):
        rival = max((q for i, q in enumerate(labels) if i != place), default=0.0)
        expected = logistic(0.8 * odds(p) - 0.5 * odds(rival) - 0.3)
        assert found[place] == pytest.approx(expected, rel=1e-9)


def by_formula(labels: list[float]) -> list[float]:
    """v of CHUNKS, its words from the lexical scorer, everything else by hand."""
    rows = items(*CHUNKS, titles=TITLES)
    words = Lexical(lead=0.0, bridge=0.0)(rows, query=QUERY).values
    words = words / words.max()
    place = [0, 1, 0, 1, 2, 0]
    own = [
        1.8 * logistic(odds(p) / 3) + w + 0.2 / (1 + i)
        for p, w, i in zip(labels, words, place, strict=True)
    ]
    # "Ada" stands in the first sentence of the first chunk; no sentence elsewhere says "red
    # tower", and the title "who" has no word but a function word, so nothing names it.
    lift = [0.0, 0.0, own[0], own[0], own[0], 0.0]
    return [u + 0.6 * m * (1 + 1 / (1 + i)) / 2 for u, m, i in zip(own, lift, place, strict=True)]


@given(labels=st.lists(st.floats(0, 1), min_size=6, max_size=6))
def test_several_chunks_add_words_place_and_the_titles_that_sentences_name(
    labels: list[float],
) -> None:
    rows = items(*CHUNKS, titles=TITLES)
    expected = by_formula(labels)
    assert TOGETHER.evidence(rows, np.array(labels), QUERY) == pytest.approx(expected, rel=1e-9)
    found = TOGETHER(rows, np.array(labels), QUERY)
    assert found == pytest.approx([logistic(2.5 * v - 6) for v in expected], rel=1e-9)


def test_without_titles_nothing_is_named() -> None:
    labels = np.linspace(0.1, 0.9, 6)
    plain, titled = items(*CHUNKS), items(*CHUNKS, titles=TITLES)
    bare = Together(**{**WEIGHTS, "named": 0.0})
    assert TOGETHER.evidence(plain, labels, QUERY).tolist() == pytest.approx(
        bare.evidence(plain, labels, QUERY).tolist()
    )
    assert TOGETHER.evidence(titled, labels, QUERY)[2] > bare.evidence(titled, labels, QUERY)[2]


def test_no_rows_no_values() -> None:
    assert TOGETHER(items(), np.zeros(0), QUERY).shape == (0,)


def test_words_that_no_sentence_shares_weigh_nothing() -> None:
    rows = items(["One. "], ["Two. "])
    found = TOGETHER.evidence(rows, np.array([0.5, 0.5]), "zebra")
    assert found == pytest.approx([1.8 * 0.5 + 0.2] * 2)


def test_the_other_best() -> None:
    assert other_best(np.array([0.2, 0.9, 0.4])).tolist() == [0.9, 0.4, 0.9]
    assert other_best(np.array([0.7, 0.7])).tolist() == [0.7, 0.7]
    assert other_best(np.array([0.7])).tolist() == [0.0]


def test_log_odds_stay_finite() -> None:
    assert log_odds(np.array([0.0, 0.5, 1.0])) == pytest.approx([odds(0), 0.0, odds(1)])


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"softness": 0.0}, "softness is 0.0; it must be above 0"),
        ({"sharpness": -1.0}, "sharpness is -1.0"),
        ({"named": math.inf}, "named is inf; it must be a finite number"),
        ({"lead": "0.1"}, "lead is '0.1'"),
        ({"lead": True}, "lead is True"),
    ],
)
def test_weights_that_make_no_probability(change: dict[str, Any], message: str) -> None:
    with pytest.raises(FormatError, match=message):
        Together.read({**WEIGHTS, **change})


@pytest.mark.parametrize("given", [{"named": 1.0}, {**WEIGHTS, "more": 1.0}, [1, 2]])
def test_other_weights_than_these_are_another_format(given: Any) -> None:
    with pytest.raises(FormatError, match='"together" has'):
        Together.read(given)


def test_a_model_with_weights_uses_them_and_labels_alone_can_be_had() -> None:
    keep = logits(tokenizer().get_vocab_size())
    rows = items(*CHUNKS, titles=TITLES)
    plain = Sentences(LookUp(keep))(rows, query=QUERY)
    runtime = LookUp(keep, together=TOGETHER)
    found = Sentences(runtime)(rows, query=QUERY)
    assert found.values.tolist() == TOGETHER(rows, plain.values, QUERY).tolist()
    assert found.details["evidence"] == "together"
    alone = Sentences(runtime, evidence="labels")(rows, query=QUERY)
    assert alone.values.tolist() == plain.values.tolist()
    assert alone.details["evidence"] == plain.details["evidence"] == "labels"


def test_the_weights_come_from_the_models_own_file(tmp_path: Any) -> None:
    made = tokenizer()
    config = own_config(made.get_vocab_size())
    assert own_settings(config, made, tmp_path).together is None
    config["datapruner"]["together"] = WEIGHTS
    assert own_settings(config, made, tmp_path).together == TOGETHER
    config["datapruner"]["together"] = {"named": 1}
    with pytest.raises(FormatError, match="together"):
        own_settings(config, made, tmp_path)


def test_titles_names_and_places() -> None:
    rows = items(*CHUNKS, titles=["red tower", "", "Mercury (planet)"])
    assert titles(rows) == {0: "red tower", 2: "Mercury (planet)"}
    assert titles(items(*CHUNKS)) == {}
    assert names({2: "Mercury (planet)", 3: "Who is it", 4: "Mercury (car) tax"}) == {
        2: frozenset({"mercury"}),
        3: frozenset(),
        4: frozenset({"mercury", "car", "tax"}),
    }
    assert places(np.array([0, 0, 1, 1, 1, 4])).tolist() == [0, 1, 0, 1, 2, 0]
    assert places(np.array([], dtype=np.int64)).tolist() == []


def test_a_chunk_is_not_named_by_itself() -> None:
    texts = ["red tower here", "the tower", "a red old tower"]
    index = Occurrences(texts, frozenset({"red", "tower"}))
    named = {0: frozenset({"red", "tower"})}
    values, group = np.array([5.0, 3.0, 2.0]), np.array([0, 1, 1])
    assert best_naming(values, group, index, named).tolist() == [2.0, 0.0]


def test_of_many_sentences_that_name_a_chunk_the_best_counts() -> None:
    index = Occurrences(["here", "a red tower", "red towers"], frozenset({"red", "tower"}))
    name = frozenset({"red", "tower"})
    values, group = np.array([5.0, 2.0, 3.0]), np.array([0, 1, 2])
    # Chunk 7 has a title and no sentence.
    found = best_naming(values, group, index, {0: name, 7: name})
    assert found.tolist() == [3.0, 0.0, 0.0]


def test_letters_that_the_model_never_learnt_leave_the_words() -> None:
    keep = logits(tokenizer().get_vocab_size())
    rows = items(["Башню построила Ада. ", "Она высокая."])
    runtime = LookUp(keep, together=TOGETHER, letters="latin")
    found = Sentences(runtime)(rows, query="Кто построил башню?")
    words = Lexical()(rows, query="Кто построил башню?").values
    assert found.values.tolist() == pytest.approx(
        [logistic(4 * w / words.max() - 3) for w in words]
    )
    assert (found.details["evidence"], found.details["windows"]) == ("words", 0)
    assert found.notes == ("the model reads Latin letters alone; words decided",)
    assert found.details["chunk_scores"] == [found.values.max()]
    assert not runtime.calls
    # A model of all letters, and one asked for its labels, reads on.
    for model, evidence in ((LookUp(keep, together=TOGETHER), "auto"), (runtime, "labels")):
        Sentences(model, evidence=evidence)(rows, query="Кто?")
        assert model.calls
    with pytest.raises(FormatError, match="letters is 'greek'"):
        LookUp(keep, letters="greek")


def test_words_that_no_sentence_shares_decide_nothing_alone() -> None:
    found = TOGETHER.by_words(items(["One. "], ["Two. "]), "zebra")
    assert found == pytest.approx([logistic(4 * 0.2 - 3)] * 2)


@pytest.mark.parametrize(
    ("texts", "expected"),
    [
        (["plain"], True),
        (["Größe, naïve, Łódź, tiếng Việt"], True),
        (["你好。世界？"], False),
        (["नमस्ते"], False),
        (["The word 你好 in English"], True),
        (["你好世界再见", "hi"], False),
        ([], True),
        (["“1984” — …"], True),
        (["你好世界", "1 2 3 4 5 6 7 8 9"], False),
        (["hello", "你好世界"], True),
        (["你好 1984–1999"], False),
        (["ếệộ"], True),
    ],
)
def test_what_is_mostly_latin(texts: list[str], expected: bool) -> None:
    assert mostly_latin(texts) is expected
