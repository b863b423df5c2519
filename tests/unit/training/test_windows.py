"""Windows: every token has its sentence's label, and no sentence is cut that fits."""

from __future__ import annotations

import random
from itertools import pairwise

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from tokenizers import Tokenizer, models
from unit.training import tiny

from datapruner.errors import InputError
from datapruner.training.pairs import Pair
from datapruner.training.windows import NO_LABEL, Special, Window, cut_windows

TOKENIZER = tiny.tokenizer()


def a_pair(counts: list[int], keep: list[int], *, query: str = "where is the oak?", **more: str):
    """A pair with sentences of so many words; ``head`` stands before the first."""
    head = more.get("head", "")
    text, spans = head, []
    draw = random.Random(len(counts))
    for count in counts:
        sentence = " ".join(draw.choices(tiny.WORDS, k=count - 1)) + ". "
        spans.append((len(text), len(text) + len(sentence)))
        text += sentence
    relevant = int(any(keep))
    return Pair(more.get("id", "p"), query, text, tuple(spans), tuple(keep), relevant)


def cut(pair: Pair, *, max_length: int = 40, others: int = -1, seed: int = 0) -> list[Window]:
    return cut_windows([pair], TOKENIZER, max_length=max_length, others=others, seed=seed)


def words(window: Window) -> list[str]:
    return [TOKENIZER.id_to_token(number) for number in window.ids.tolist()]


def test_a_passage_that_fits_is_one_window() -> None:
    pair = Pair("p", "where is the oak?", "The elm. The oak is tall.", ((0, 9), (9, 25)), (0, 1), 1)
    (window,) = cut(pair)
    assert words(window) == [
        *("[CLS]", "where", "is", "the", "oak", "?", "[SEP]"),
        *("the", "elm", ".", "the", "oak", "is", "tall", ".", "[SEP]"),
    ]
    none = [NO_LABEL] * 7
    assert window.labels.tolist() == [*none, 0, 0, 0, 1, 1, 1, 1, 1, NO_LABEL]
    assert window.sentence.tolist() == [*[-1] * 7, 0, 0, 0, 1, 1, 1, 1, 1, -1]
    assert (window.passage, window.relevant, window.pair, window.number) == (7, 1, 0, 0)


def test_text_outside_every_sentence_is_read_and_not_judged() -> None:
    pair = a_pair([4, 4], [1, 0], head="oak elm\n")
    (window,) = cut(pair)
    assert words(window)[7:9] == ["oak", "elm"]
    assert window.labels[7:9].tolist() == [NO_LABEL] * 2


def test_a_title_opens_every_window() -> None:
    pair = a_pair([12, 12, 12], [0, 1, 0], head="oak elm\n")
    windows = cut(pair)
    assert len(windows) == 2
    assert all(words(window)[7:9] == ["oak", "elm"] for window in windows)
    assert all(window.labels[7:9].tolist() == [NO_LABEL] * 2 for window in windows)


def test_a_long_heading_is_left_out() -> None:
    pair = a_pair([12, 12], [0, 1], head=" ".join(["elm"] * 20) + "\n")
    assert all("elm" not in words(window)[7:9] for window in cut(pair))
    assert [len(window) for window in cut(pair)] == [8 + 24]


def test_only_windows_with_an_answer_are_relevant() -> None:
    windows = cut(a_pair([12, 12, 12], [0, 1, 0]))
    assert [window.relevant for window in windows] == [1, 0]
    short = Pair("p", "oak?", "The elm.", ((0, 8),), (0,), 1)  # relevant, and nothing to keep
    assert cut(short)[0].relevant == 1


def test_a_long_question_takes_half_the_window() -> None:
    pair = a_pair([12], [1], query=" ".join(["oak"] * 90))
    for length in (35, 40, 64):
        for window in cut(pair, max_length=length):
            assert len(window) <= length
            assert window.passage - 2 == min(length // 2, length - 19)


def test_a_sentence_longer_than_a_window_is_cut_in_pieces() -> None:
    pair = a_pair([5, 100, 5], [0, 1, 0])
    windows = cut(pair)
    told = np.concatenate([w.sentence[w.sentence >= 0] for w in windows])
    assert told.tolist() == [0] * 5 + [1] * 100 + [2] * 5
    assert sum(window.relevant for window in windows) >= 3


def test_a_pair_without_a_token_has_no_window() -> None:
    assert cut(Pair("p", "oak?", "   ", ((0, 3),), (1,), 1)) == []


def test_windows_are_drawn_by_the_pairs_name() -> None:
    long = [20] * 12
    pair = a_pair(long, [0, 0, 0, 1, *[0] * 8], id="a")
    every = cut(pair)
    assert len(every) > 4
    some = cut(pair, others=2)
    assert [w.number for w in some if w.relevant] == [w.number for w in every if w.relevant]
    assert sum(not w.relevant for w in some) == 2
    assert [w.number for w in some] == sorted(w.number for w in some)
    draws = {
        tuple(w.number for w in cut(a_pair(long, [0] * 12, id=name), others=2)) for name in "abcdef"
    }
    assert len(draws) > 1
    assert [w.number for w in cut(pair, others=2)] == [w.number for w in some]
    assert cut(pair, others=100)[0].number == 0
    assert len(cut(pair, others=100)) == len(every)


@given(st.lists(st.integers(2, 40), min_size=1, max_size=12), st.integers(35, 80), st.data())
def test_windows_part_the_passage(counts: list[int], max_length: int, data: st.DataObject) -> None:
    keep = [data.draw(st.integers(0, 1)) for _ in counts]
    pair = a_pair(counts, keep)
    windows = cut(pair, max_length=max_length)
    told = np.concatenate([w.sentence[w.sentence >= 0] for w in windows])
    assert told.tolist() == [n for n, count in enumerate(counts) for _ in range(count)]
    labels = np.concatenate([w.labels[w.labels != NO_LABEL] for w in windows])
    assert labels.tolist() == [keep[n] for n in told]
    assert max(len(w) for w in windows) <= max_length
    room = max_length - 8
    for left, right in pairwise(windows):
        a, b = (w.sentence[w.sentence >= 0] for w in (left, right))
        if a[-1] == b[0]:  # a sentence is parted only where it fits into no window
            assert counts[a[-1]] > room
        first = min(counts[b[0]], room)
        assert len(a) + first > room or counts[b[0]] > room  # and a window is filled


def test_too_short_a_window_is_refused() -> None:
    with pytest.raises(InputError, match="max_length=34: at least 35"):
        cut(a_pair([4], [1]), max_length=34)


def test_a_tokenizer_needs_special_tokens() -> None:
    assert Special.of(TOKENIZER) == Special(2, 3, 0)
    roberta = Tokenizer(models.WordLevel({"<s>": 0, "<pad>": 1, "</s>": 2}, unk_token="<s>"))
    assert Special.of(roberta) == Special(0, 2, 1)
    bare = Tokenizer(models.WordLevel({"a": 0}, unk_token="a"))
    with pytest.raises(InputError, match=r"neither \[CLS\] nor <s>"):
        Special.of(bare)
