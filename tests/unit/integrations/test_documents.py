"""What all bridges share: pieces and their details, order, empty ones, the deadline, copies."""

from __future__ import annotations

import asyncio
import copy
import json
import pickle
import threading
from collections.abc import Callable
from typing import Any

import numpy as np
import pytest

import datapruner as dp
from datapruner.context.chunk import Chunk
from datapruner.core.items import Items
from datapruner.core.scores import Scores
from datapruner.integrations.documents import OPTIONS, DocumentPruner, Piece, title_of

QUERY = "What is the capital of France?"
TEXTS = [
    "Rome is the capital of Italy. It lies on the Tiber.",
    "Paris is the capital of France. It lies on the Seine.",
    "Cats purr. Dogs bark.",
]
CHUNKS = [Chunk(place, text) for place, text in enumerate(TEXTS)]


class Slow:
    """A scorer that waits until it is let go."""

    def __init__(self) -> None:
        self.go = threading.Event()

    def __call__(self, items: Items, *, query: str | None = None, seed: int = 0) -> Scores:
        assert self.go.wait(30)
        return Scores(np.ones(items.n), items, "slow", "slow")


def pruner(
    *, deadline: float | None = None, drop_empty: bool = True, **options: Any
) -> DocumentPruner:
    options = {"method": "lexical", **options}
    return DocumentPruner(options, deadline=deadline, drop_empty=drop_empty)


def run(made: DocumentPruner, query: str, chunks: list[Any], how: str, **limits: Any) -> Any:
    if how == "sync":
        return made.prune(query, chunks, **limits)
    return asyncio.run(made.aprune(query, chunks, **limits))


def texts(placed: list[tuple[int, Piece | None]]) -> list[tuple[int, str | None]]:
    return [(place, piece and piece.text) for place, piece in placed]


both = pytest.mark.parametrize("how", ["sync", "async"])
timed = pytest.mark.parametrize("deadline", [None, 30.0])


@both
@timed
@pytest.mark.parametrize("budget", ["8 tokens", "20 tokens", "50% of tokens", "3 sentences"])
def test_the_pieces_are_those_of_the_pruner(how: str, deadline: float | None, budget: str) -> None:
    made = run(pruner(budget=budget, deadline=deadline), QUERY, CHUNKS, how)
    direct = dp.prune_chunks(QUERY, TEXTS, budget=budget, method="lexical")
    assert texts(made) == [(c.id, c.text) for c in direct.chunks if c.text]
    assert "\n\n".join(piece.text for _, piece in made) == direct.text
    for place, piece in made:
        sentences = [s for s in direct.kept if s.position == place]
        others = [s for s in direct.dropped if s.position == place]
        assert piece.details["kept"] == len(sentences)
        assert piece.details["total"] == len(sentences) + len(others)
        assert piece.score == max(s.score for s in (*sentences, *others))


def test_the_details_say_what_was_kept_and_are_json() -> None:
    [(place, piece)] = pruner(budget="8 tokens").prune(QUERY, CHUNKS)
    assert place == 1
    assert piece is not None
    assert piece.details == {
        "kept": 1,
        "total": 2,
        "tokens": 7,
        "tokens_before": 13,
        "spans": [[0, 32]],
        "flags": [],
    }
    assert json.loads(json.dumps(piece.details)) == piece.details
    assert type(piece.score) is float


@timed
def test_spans_slice_the_text_that_came_in(deadline: float | None) -> None:
    text = "𝔘nrelated. Paris 🗼 is the capital. Nothing. The capital is é. Cats."
    made = pruner(budget="2 sentences", deadline=deadline).prune("capital", [Chunk(0, text)])
    [(_, piece)] = made
    assert piece is not None
    assert piece.text == "".join(text[a:b] for a, b in piece.details["spans"])
    assert len(piece.details["spans"]) == 2


def test_documents_of_which_nothing_is_left_are_dropped_or_not() -> None:
    blank = [*CHUNKS, Chunk(3, " "), Chunk(4, "")]
    assert [place for place, _ in pruner(budget="8 tokens").prune(QUERY, blank)] == [1]
    kept = pruner(budget="8 tokens", drop_empty=False).prune(QUERY, blank)
    assert [(place, bool(text)) for place, text in texts(kept)] == [
        (0, False),
        (1, True),
        (2, False),
        (3, False),
        (4, False),
    ]
    assert kept[4][1] is not None
    assert kept[4][1].details["total"] == 0


def test_nothing_kept_at_all_is_no_documents() -> None:
    assert pruner(threshold=1e9).prune(QUERY, CHUNKS) == []


def test_documents_stand_in_the_order_that_was_asked_for() -> None:
    every = {"budget": "100% of tokens", "method": "lexical"}
    assert [p for p, _ in pruner(**every).prune(QUERY, CHUNKS)] == [0, 1, 2]
    assert [p for p, _ in pruner(order="score", **every).prune(QUERY, CHUNKS)] == [1, 0, 2]
    assert [p for p, _ in pruner(order="edges", **every).prune(QUERY, CHUNKS)] == [1, 2, 0]


def test_what_has_no_text_keeps_its_place_among_the_others() -> None:
    mixed = [None, CHUNKS[0], None, CHUNKS[1], CHUNKS[2], None]
    made = pruner(order="score", budget="100% of tokens").prune(QUERY, mixed)
    assert [place for place, _ in made] == [0, 3, 2, 1, 4, 5]
    assert [place for place, piece in made if piece is None] == [0, 2, 5]
    tight = pruner(budget="8 tokens").prune(QUERY, mixed)
    assert [place for place, _ in tight] == [0, 2, 3, 5]


@both
def test_without_texts_nothing_is_asked(how: str) -> None:
    never = pruner(method=lambda *a, **k: pytest.fail("asked"))
    assert run(never, QUERY, [], how) == []
    assert run(never, QUERY, [None, None], how) == [(0, None), (1, None)]


def test_without_a_query_nothing_is_ranked() -> None:
    made = pruner(threshold=0.0).prune("", CHUNKS)
    assert texts(made) == list(enumerate(TEXTS))
    assert all(piece and piece.score is None for _, piece in made)
    assert made[0][1] is not None
    assert made[0][1].details["flags"] == ["no_query"]


@both
def test_a_slow_scorer_fails_open_with_a_flag(how: str) -> None:
    slow = Slow()
    made = pruner(method=slow, budget="8 tokens", deadline=0.05)
    mixed = [CHUNKS[0], None, Chunk(2, ""), CHUNKS[1]]
    late = run(made, QUERY, mixed, how)
    assert texts(late) == [(0, TEXTS[0]), (1, None), (2, ""), (3, TEXTS[1])]
    assert [piece and piece.score for _, piece in late] == [None] * 4
    assert late[0][1].details == {
        "kept": None,
        "total": None,
        "tokens": None,
        "tokens_before": None,
        "spans": [[0, len(TEXTS[0])]],
        "flags": ["deadline"],
    }
    assert late[2][1].details["spans"] == []
    slow.go.set()


def test_after_a_late_call_the_next_ones_are_pruned() -> None:
    slow = Slow()
    made = pruner(method=slow, budget="8 tokens", deadline=5.0)
    made.warm_up()
    made._deadline.seconds = 0.05
    assert len(made.prune(QUERY, CHUNKS)) == 3
    slow.go.set()
    made._deadline.seconds = 5.0
    [(_, piece)] = made.prune(QUERY, CHUNKS)
    assert piece is not None
    assert piece.details["flags"] == []


@both
@timed
def test_errors_of_the_settings_do_not_fail_open(how: str, deadline: float | None) -> None:
    with pytest.raises(dp.BudgetError, match="pinned"):
        run(
            pruner(budget="2 tokens", pins="numbers", deadline=deadline),
            QUERY,
            [Chunk(0, "It has 2 million people, and more.")],
            how,
        )


@both
def test_limits_of_one_call_hold_for_that_call(how: str) -> None:
    made = pruner(budget="8 tokens", on_empty="empty")
    assert len(run(made, QUERY, CHUNKS, how, budget="100% of tokens", threshold=None)) == 3
    assert run(made, QUERY, CHUNKS, how, threshold=1e9) == []
    assert len(run(made, QUERY, CHUNKS, how)) == 1
    # A limit of 0 is a limit, too.
    strict = pruner(threshold=1e9)
    assert len(run(strict, QUERY, CHUNKS, how, threshold=0.0)) == 3


@pytest.mark.parametrize(
    ("options", "error", "words"),
    [
        ({"method": "lexicle"}, dp.UnknownMethodError, "lexical"),
        ({"budget": "8 bananas"}, dp.BudgetError, "bananas"),
        ({"order": "backwards"}, dp.InputError, "order"),
        ({"counter": 7}, dp.InputError, "no token counter"),
    ],
)
def test_warming_up_refuses_wrong_settings(
    options: dict[str, Any], error: type[Exception], words: str
) -> None:
    made = pruner(**options)
    with pytest.raises(error, match=words):
        made.warm_up()


def test_warming_up_asks_a_named_method_once_and_a_scorer_never(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    from datapruner.scorers.lexical import Lexical

    asked: list[int] = []
    real: Callable[..., Scores] = Lexical.__call__

    def counted(self: Lexical, items: Items, **more: Any) -> Scores:
        asked.append(items.n)
        return real(self, items, **more)

    monkeypatch.setattr(Lexical, "__call__", counted)
    made = pruner()
    made.warm_up()
    made.warm_up()
    assert asked == [2]
    pruner(method=Lexical()).warm_up()
    assert asked == [2]


@pytest.mark.parametrize("copied", [copy.deepcopy, lambda made: pickle.loads(pickle.dumps(made))])
def test_copies_prune_alike(copied: Callable[[DocumentPruner], DocumentPruner]) -> None:
    made = pruner(budget="8 tokens", drop_empty=False, deadline=30.0)
    made.warm_up()
    assert copied(made).prune(QUERY, CHUNKS) == made.prune(QUERY, CHUNKS)


def test_the_options_are_those_of_the_pruner() -> None:
    assert list(OPTIONS)[:4] == ["budget", "threshold", "price", "method"]
    assert dp.ContextPruner(**OPTIONS) == dp.ContextPruner()


def test_a_title_is_a_text_under_its_key() -> None:
    assert title_of({"title": "Rome"}, "title") == "Rome"
    assert title_of({"title": 7}, "title") == ""
    assert title_of({}, "title") == ""
    assert title_of({"title": "Rome"}, None) == ""
