"""Chances on a trie: against every sequence scored by itself, one token after the other."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from datapruner.core.types import FloatArray
from datapruner.errors import InputError
from datapruner.rng import hash_ids
from datapruner.scorers.pathtrie import PathTrie, log_softmax

END, VOCABULARY = 0, 6
PATHS = st.lists(
    st.lists(st.integers(1, VOCABULARY - 1), min_size=1, max_size=6).map(tuple),
    min_size=1,
    max_size=12,
)


def logits(prefix: Sequence[int]) -> FloatArray:
    """A model of a kind: every prefix has logits of its own."""
    keys = hash_ids([f"{list(prefix)} {token}" for token in range(VOCABULARY)])
    return keys.astype(np.float64) / 2**62


class Recorder:
    """Answers as ``logits`` does, and remembers what it was told."""

    def __init__(self) -> None:
        self.prefix: list[int] = []
        self.fed = 0
        self.asked: list[tuple[int, ...]] = []

    def __call__(self, kept: int, tokens: Sequence[int]) -> FloatArray:
        assert kept <= len(self.prefix)
        self.prefix[kept:] = tokens
        self.fed += len(tokens)
        self.asked.append(tuple(self.prefix))
        return logits(self.prefix)


def ended(paths: Sequence[tuple[int, ...]]) -> list[tuple[int, ...]]:
    return [
        (*path, END) if any(o[: len(path)] == path and o != path for o in paths) else path
        for path in paths
    ]


def one_by_one(paths: Sequence[tuple[int, ...]]) -> list[float]:
    """From the rule: at every prefix a softmax over the tokens with which any path goes on."""
    whole = ended(paths)
    found = []
    for path in whole:
        chance = 1.0
        for at, token in enumerate(path):
            ways = sorted({o[at] for o in whole if len(o) > at and o[:at] == path[:at]})
            weights = {way: np.exp(logits(path[:at])[way]) for way in ways}
            chance *= weights[token] / sum(weights.values())
        found.append(float(np.log(chance / Counter(whole)[path])))
    return found


@given(PATHS)
def test_chances_are_those_of_each_path_by_itself_and_sum_to_one(paths: Any) -> None:
    found = PathTrie.of(paths, END).log_chances(Recorder())
    assert found == pytest.approx(one_by_one(paths), abs=1e-9)
    assert np.exp(found).sum() == pytest.approx(1)


@given(PATHS)
def test_no_token_is_read_twice_and_nothing_is_asked_where_there_is_no_choice(paths: Any) -> None:
    trie, model = PathTrie.of(paths, END), Recorder()
    trie.log_chances(model)
    assert model.fed <= trie.tokens
    assert len(set(model.asked)) == len(model.asked)
    whole = ended(paths)
    for prefix in model.asked:
        on = {o[len(prefix)] for o in whole if len(o) > len(prefix) and o[: len(prefix)] == prefix}
        assert len(on) > 1


def test_a_single_answer_is_certain_and_costs_nothing() -> None:
    model = Recorder()
    assert PathTrie.of([(3, 1, 4)], END).log_chances(model).tolist() == [0.0]
    assert not model.asked


def test_a_path_of_ten_thousand_tokens_needs_no_recursion() -> None:
    long = [1] * 10_000
    found = PathTrie.of([long, [*long, 2], [*long, 3]], END).log_chances(Recorder())
    assert np.exp(found).sum() == pytest.approx(1)


@pytest.mark.parametrize("wrong", [(), (1, END)])
def test_an_answer_without_tokens_or_with_the_terminator_is_refused(wrong: Any) -> None:
    with pytest.raises(InputError, match="answer 1 is "):
        PathTrie.of([(1,), wrong], END)


def test_the_softmax_takes_large_logits() -> None:
    assert log_softmax(np.array([1e4, 1e4], dtype=np.float32)) == pytest.approx(np.log([0.5, 0.5]))
