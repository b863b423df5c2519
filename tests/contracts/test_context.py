"""The invariants I1 to I12 that every context pruner keeps, for every registered method and fakes.

A method that is registered for the context side is picked up by itself. Where its packages are not
installed it is skipped.
"""

from __future__ import annotations

import copy
import itertools
import json
import random
import re
import socket
from dataclasses import dataclass
from functools import cache
from importlib.util import find_spec
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from causalmodels import tiny

import datapruner
from datapruner.context.chunks import ContextPruner, prune_chunks
from datapruner.context.result import PrunedContext
from datapruner.core.items import Items
from datapruner.core.scores import Scores
from datapruner.methods import METHODS, load
from datapruner.rng import hash_ids

ROOT = Path(datapruner.__file__).parent
QUERY = "Which river flows through the capital of France?"
CHUNKS: list[dict[str, Any]] = [
    {
        "id": "paris",
        "title": "Paris",
        "text": "Paris is the capital of France. It had 2.1 million people in 2020.\n\n"
        "The city stands on the river Seine, which flows through it. Markets open at dawn.",
    },
    {
        "id": "rome",
        "title": "Rome",
        "text": "# Rome\nRome lies on the Tiber. Dr. Rossi paid $3.50 there! Was it dear?",
    },
    {"id": "zh", "text": "塞纳河流经巴黎。你好！世界很大。"},
    {"id": "ar", "text": "نهر السين يمر في باريس. مرحبا؟ نعم."},
    {"id": "hi", "text": "सीन नदी पेरिस से बहती है। यह सुंदर है।"},
    {"id": "odd", "text": "👨\u200d👩\u200d👧 e\u0301t 𝒳 are here. \u200bHidden \u202etext too."},
    {"id": "long", "text": "seine " * 250},
    {"id": "blank", "text": " \n"},
    {"id": "paris again", "title": "Paris", "text": "Paris is the capital of France. Yes."},
]
BUDGETS = (0, 1, 3, 17, 60, 10**6)


@dataclass(frozen=True)
class ByHash:
    """Each sentence scores what a hash of its text says: no context, no ties, no model."""

    needs = frozenset({"text"})
    meaning = "larger"

    def __call__(self, items: Items, *, query: str | None = None, seed: int = 0) -> Scores:
        keys = hash_ids(list(items.feature("text", "by hash")))
        return Scores(keys.astype(np.float64) / 2**64, items, self.meaning, "by hash")


@dataclass(frozen=True)
class Oracle:
    """1 for the sentence that holds the answer, 0 for all others."""

    answer: str

    def __call__(self, items: Items, *, query: str | None = None, seed: int = 0) -> Scores:
        texts = items.feature("text", "oracle")
        return Scores(np.array([float(self.answer in t) for t in texts]), items, "gold", "oracle")


def ready(name: str) -> bool:
    return all(find_spec(package.replace("-", "_")) for package in METHODS[name].uses)


SCORERS = [
    *(
        pytest.param(m.name, marks=pytest.mark.skipif(not ready(m.name), reason="not installed"))
        for m in METHODS.values()
        if m.side == "context"
    ),
    pytest.param(ByHash(), id="by hash"),
]


class SharedLetters:
    """Stands in for a reranker, which no package carries: the share of letters two texts share."""

    def predict(self, pairs: list[Any], **options: Any) -> Any:
        shares = [len({*a} & {*b}) / max(1, len({*a} | {*b})) for a, b in pairs]
        return np.array(shares, dtype=np.float32)


class Remembered:
    """A scorer that is asked once for the same sentences: models take seconds."""

    def __init__(self, inner: Any) -> None:
        self.inner = inner
        self.meaning = type(inner).meaning
        self.known: dict[Any, Scores] = {}

    def __call__(self, items: Items, *, query: str | None = None, seed: int = 0) -> Scores:
        key = (query, *(tuple(items.features[name]) for name in ("text", "title")))
        key += (tuple(items.group.tolist()), items.group_names)
        if key not in self.known:
            self.known[key] = self.inner(items, query=query, seed=seed)
        found = self.known[key]
        return Scores(found.values, items, found.meaning, found.method, details=found.details)


@cache
def built(name: str) -> Remembered:
    """The scorer of a method, built once for all tests."""
    options: dict[str, Any] = {"model": SharedLetters()} if name == "crossencoder" else {}
    if name == "paths":
        options = {"model": tiny()}
    return Remembered(load(METHODS[name].scorer)(**options))


@pytest.fixture(params=SCORERS)
def scorer(request: pytest.FixtureRequest) -> Any:
    if not isinstance(request.param, str):
        return request.param
    if request.param == "sentences" and not (ROOT / "scorers/sentence_model/config.json").exists():
        pytest.skip("the package carries no sentence model yet")
    return built(request.param)


def pieces(text: str) -> int:
    """The counter of these tests, written apart from the library's."""
    return len(re.findall(r"\w+|[^\w\s]", text))


def is_subsequence(short: str, long: str) -> bool:
    left = iter(long)
    return all(char in left for char in short)


def same(one: PrunedContext, other: PrunedContext) -> bool:
    """Whether the same sentences were kept, chunks told apart by id."""
    return {(s.chunk, s.start) for s in one.kept} == {(s.chunk, s.start) for s in other.kept}


JOINED = "\n\n".join(c["text"] for c in CHUNKS if c["text"].strip())


@pytest.mark.parametrize("budget", BUDGETS)
@pytest.mark.parametrize("counter", [pieces, len])
@pytest.mark.parametrize("fill", ["skip", "stop"])
def test_i1_the_text_never_costs_more_than_the_budget(
    scorer: Any, budget: int, counter: Any, fill: Any
) -> None:
    made = prune_chunks(
        QUERY, CHUNKS, budget=f"{budget} tokens", method=scorer, counter=counter, fill=fill
    )
    assert counter(made.text) == made.tokens <= budget
    assert made.tokens <= made.tokens_before == counter(JOINED)
    if budget >= made.tokens_before:
        assert made.text == JOINED


def test_i1_an_exact_budget_is_met_exactly_by_what_it_was_made_for(scorer: Any) -> None:
    made = prune_chunks(QUERY, CHUNKS, budget="50 tokens", method=scorer, fill="stop")
    again = prune_chunks(QUERY, CHUNKS, budget=f"{made.tokens} tokens", method=scorer, fill="stop")
    assert same(made, again)


@pytest.mark.parametrize("budget", [1, 17, 60])
def test_i2_i3_kept_sentences_are_slices_in_source_order(scorer: Any, budget: int) -> None:
    made = prune_chunks(QUERY, CHUNKS, budget=f"{budget} tokens", method=scorer)
    places = [(s.position, s.index) for s in made.kept]
    assert places == sorted(set(places))
    assert is_subsequence(made.text, JOINED)
    by_chunk: dict[int, str] = {}
    for s in made.kept:
        by_chunk[s.position] = by_chunk.get(s.position, "") + s.text
    assert made.text == "\n\n".join(by_chunk.values())


def test_i4_neither_order_nor_repeats_of_chunks_change_the_masks(scorer: Any) -> None:
    plain = prune_chunks(QUERY, CHUNKS, threshold=-1e9, method=scorer)
    values = sorted({s.score for s in (*plain.kept, *plain.dropped)})
    # A threshold in the widest gap, so that a difference of 1e-5 in a score decides nothing.
    gaps = np.diff(values)
    middle = float(values[int(gaps.argmax())] + gaps.max() / 2)
    first = prune_chunks(QUERY, CHUNKS, threshold=middle, method=scorer)
    turned = list(CHUNKS)
    random.Random(1).shuffle(turned)
    assert same(first, prune_chunks(QUERY, turned, threshold=middle, method=scorer))
    again = prune_chunks(QUERY, CHUNKS, threshold=middle, method=scorer)
    assert (again.text, again.to_dict()) == (first.text, first.to_dict())
    doubled = prune_chunks(QUERY, [*CHUNKS, CHUNKS[0]], threshold=middle, method=scorer)
    here = [s.start for s in doubled.kept if s.position == 0]
    assert here == [s.start for s in doubled.kept if s.position == len(CHUNKS)]


def test_i5_a_tighter_limit_adds_no_sentence(scorer: Any) -> None:
    def rows(**limits: Any) -> set[tuple[int, int]]:
        made = prune_chunks(QUERY, CHUNKS, method=scorer, fill="stop", on_empty="empty", **limits)
        return {(s.position, s.index) for s in made.kept}

    by_budget = [rows(budget=f"{b} tokens") for b in range(0, 80, 4)]
    assert all(a <= b for a, b in itertools.pairwise(by_budget))
    whole = prune_chunks(QUERY, CHUNKS, budget="everything", method=scorer)
    values = sorted({s.score for s in whole.kept})
    by_threshold = [rows(threshold=t) for t in values]
    assert all(a >= b for a, b in itertools.pairwise(by_threshold))


def test_i6_pruning_again_with_the_same_scores_keeps_everything() -> None:
    for budget in (9, 17, 60):
        limits: dict[str, Any] = {"budget": f"{budget} tokens", "on_empty": "empty", "pins": ()}
        made = prune_chunks(QUERY, CHUNKS, method=ByHash(), **limits)
        again = prune_chunks(QUERY, [c.text for c in made.chunks], method=ByHash(), **limits)
        assert again.text == made.text


def test_i7_pinned_sentences_are_always_there(scorer: Any) -> None:
    for limits in ({"budget": "30 tokens"}, {"threshold": 1e9}):
        made = prune_chunks(
            QUERY, CHUNKS, method=scorer, pins=("title", "numbers", re.compile("مرحبا")), **limits
        )
        for text in ("It had 2.1 million people in 2020.", "Dr. Rossi paid $3.50 there!", "مرحبا؟"):
            assert text in made.text


def test_i8_offsets_slice_back_to_the_text(scorer: Any) -> None:
    made = prune_chunks(QUERY, CHUNKS, budget="40 tokens", method=scorer)
    for s in (*made.kept, *made.dropped):
        assert CHUNKS[s.position]["text"][s.start : s.end] == s.text
        assert s.chunk == CHUNKS[s.position]["id"]


def test_i9_the_answer_survives_json(scorer: Any) -> None:
    told = prune_chunks(QUERY, CHUNKS, budget="40 tokens", method=scorer).to_dict()
    assert json.loads(json.dumps(told)) == told


@pytest.mark.parametrize("budget", [15, 20, 40])
def test_i10_an_oracle_keeps_the_answer_at_any_budget_that_allows_it(budget: int) -> None:
    made = prune_chunks(
        QUERY, CHUNKS, budget=f"{budget} tokens", method=Oracle("river Seine"), pins=()
    )
    assert "river Seine" in made.text


def test_i11_nothing_that_goes_in_is_changed(scorer: Any) -> None:
    given = copy.deepcopy(CHUNKS)
    prune_chunks(QUERY, given, budget="20 tokens", method=scorer, hidden="drop", neighbours=1)
    assert given == CHUNKS


def test_i12_no_connection_is_tried(scorer: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    def refuse(*args: Any, **options: Any) -> None:
        raise AssertionError("a connection was tried")

    monkeypatch.setattr(socket, "create_connection", refuse)
    monkeypatch.setattr(socket.socket, "connect", refuse)
    prune_chunks(QUERY, CHUNKS, budget="20 tokens", method=scorer)


def test_a_scorer_gives_one_finite_value_a_sentence_and_leaves_its_items_alone(
    scorer: Any,
) -> None:
    texts = ["Paris is big. ", "The Seine flows.", "Rome."]
    items = Items.of(
        3, group=[0, 0, 1], group_names=["a", "b"], text=texts, title=["Paris", "Paris", ""]
    )
    scores = scorer(items, query=QUERY, seed=0)
    assert scores.values.shape == (3,)
    assert np.isfinite(scores.values).all()
    assert scores.meaning == scorer.meaning
    assert items.features["text"] == ["Paris is big. ", "The Seine flows.", "Rome."]
    assert len(scores.details.get("chunk_scores", [0, 0])) == 2


@pytest.mark.filterwarnings("ignore:the question has 3000 tokens")
@pytest.mark.parametrize("query", ["x" * 5000, "word " * 3000, "？", "\u200b", "\ud800"])
def test_odd_queries_are_answered(scorer: Any, query: str) -> None:
    pruner = ContextPruner(budget="20 tokens", method=scorer)
    assert pruner(query, CHUNKS).tokens <= 20
    assert pruner(query, ["Half \ud800 a pair. More."]).flags == ()
