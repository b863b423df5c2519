"""k-centre greedy against brute force, and its independence of the order of the rows."""

from __future__ import annotations

from itertools import combinations, pairwise
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from datapruner.errors import InputError, MissingColumnError, ScoreError
from datapruner.pickers.diverse import FarthestFirst, herding_order, kcentre, kcentre_order
from datapruner.rng import mix


def _points(n: int, d: int, seed: int) -> np.ndarray:
    return np.random.default_rng(seed).normal(size=(n, d)).astype(np.float32)


def _euclidean(x: np.ndarray) -> np.ndarray:
    u = x.astype(np.float64)
    u /= np.linalg.norm(u, axis=1, keepdims=True)
    return np.sqrt(np.maximum(2 - 2 * u @ u.T, 0))


def _radius(distance: np.ndarray, centres: Any) -> float:
    return float(distance[:, list(centres)].min(1).max())


def _keys(n: int) -> np.ndarray:
    return mix(np.arange(n))


@settings(max_examples=60, deadline=None)
@given(n=st.integers(2, 12), k=st.integers(1, 4), d=st.integers(2, 4), seed=st.integers(0, 10**6))
def test_radius_is_at_most_twice_the_optimum(n: int, k: int, d: int, seed: int) -> None:
    k = min(k, n)
    x = _points(n, d, seed)
    distance = _euclidean(x)
    best = min(_radius(distance, centres) for centres in combinations(range(n), k))
    assert _radius(distance, kcentre_order(x, k, _keys(n))) <= 2 * best + 1e-3


@settings(max_examples=40, deadline=None)
@given(n=st.integers(1, 40), seed=st.integers(0, 10**6))
def test_order_is_the_literal_greedy_and_its_radius_never_grows(n: int, seed: int) -> None:
    x = _points(n, 5, seed)
    order = kcentre_order(x, n, _keys(n))
    assert sorted(order.tolist()) == list(range(n))
    distance = _euclidean(x)
    radii = [_radius(distance, order[: k + 1]) for k in range(n)]
    assert all(later <= earlier + 1e-9 for earlier, later in pairwise(radii))
    for k in range(1, n):
        to_kept = distance[:, order[:k]].min(1)
        assert to_kept[order[k]] >= to_kept.max() - 1e-3


def test_starts_at_the_row_nearest_the_mean() -> None:
    x = np.array([[1, 0.9], [1, 0.0], [1, -1.0], [1, 0.1]], dtype=np.float32)
    u = x / np.linalg.norm(x, axis=1, keepdims=True)
    assert kcentre_order(x, 1, _keys(4))[0] == int((u @ u.mean(0)).argmax())


@settings(max_examples=30, deadline=None)
@given(n=st.integers(1, 300), d=st.integers(1, 70), seed=st.integers(0, 10**6))
def test_shuffled_rows_give_the_same_order_of_rows(n: int, d: int, seed: int) -> None:
    x, tie = _points(n, d, seed), _keys(n)
    x[n // 2 :] = x[: n - n // 2]  # exact copies tie
    shuffle = np.random.default_rng(seed + 1).permutation(n)
    k = min(n, 25)
    plain = kcentre_order(x, k, tie)
    shuffled = kcentre_order(np.ascontiguousarray(x[shuffle]), k, tie[shuffle])
    assert plain.tolist() == shuffle[shuffled].tolist()


def test_blocks_do_not_change_the_order(monkeypatch: pytest.MonkeyPatch) -> None:
    x, tie = _points(503, 33, 4), _keys(503)
    whole = kcentre_order(x, 60, tie)
    monkeypatch.setattr("datapruner.pickers.rows.BLOCK_VALUES", 33 * 7)
    distance = FarthestFirst(x, tie)
    blocked = kcentre_order(x, 60, tie)
    assert distance.start == whole[0]
    assert blocked.tolist() == whole.tolist()


def test_positive_scaling_of_rows_changes_nothing() -> None:
    x, tie = _points(80, 6, 2), _keys(80)
    scale = 2.0 ** np.random.default_rng(3).integers(-8, 8, 80)
    scaled = (x * scale[:, None]).astype(np.float32)
    assert kcentre_order(scaled, 80, tie).tolist() == kcentre_order(x, 80, tie).tolist()


def test_a_smaller_k_is_a_prefix() -> None:
    x, tie = _points(50, 4, 9), _keys(50)
    assert kcentre_order(x, 50, tie)[:13].tolist() == kcentre_order(x, 13, tie).tolist()


def test_equal_rows_are_offered_by_tie_key() -> None:
    tie = np.array([7, 3, 9, 1], dtype=np.uint64)
    assert kcentre_order(np.ones((4, 3), np.float32), 4, tie).tolist() == [3, 1, 0, 2]


@pytest.mark.parametrize("kind", [np.float16, np.float32, np.float64])
def test_dtypes_agree_and_input_is_untouched(kind: type) -> None:
    x = np.round(_points(40, 4, 1) * 8).astype(kind)
    x[np.abs(x).sum(1) == 0] = 1
    before = x.copy()
    order = kcentre_order(x, 10, _keys(40))
    assert np.array_equal(x, before)
    assert len(set(order.tolist())) == 10


def test_no_rows_and_no_centres() -> None:
    empty = np.empty((0, 3), np.float32)
    assert kcentre_order(empty, 0, _keys(0)).size == 0
    assert FarthestFirst(empty, _keys(0)).best() == -1
    assert kcentre_order(_points(3, 2, 0), 0, _keys(3)).size == 0


def test_opposite_rows_whose_mean_is_zero_still_have_a_start() -> None:
    x = np.array([[1, 0], [-1, 0]], dtype=np.float32)
    assert kcentre_order(x, 2, np.array([5, 2], np.uint64)).tolist() == [1, 0]


def test_unusable_input_is_named() -> None:
    x = _points(4, 2, 0)
    with pytest.raises(InputError, match=r"k = 5 centres of 4 rows"):
        kcentre_order(x, 5, _keys(4))
    with pytest.raises(InputError, match="one key per row"):
        kcentre_order(x, 1, _keys(3))
    with pytest.raises(InputError, match="expected"):
        kcentre_order(x[0], 1, _keys(2))
    x[1] = 0
    x[3, 0] = np.nan
    with pytest.raises(ScoreError, match=r"2 vectors are zero or not finite \(rows 1, 3\)"):
        kcentre_order(x, 1, _keys(4))


class _Ledger:
    """Refuses what it is told to, keeps at most ``limit`` rows, and writes down every offer."""

    def __init__(
        self, limit: int, refused: tuple[int, ...] = (), kept: tuple[int, ...] = ()
    ) -> None:
        self.limit, self.refused, self.kept = limit, refused, list(kept)
        self.offers: list[int] = []

    @property
    def order(self) -> np.ndarray:
        return np.asarray(self.kept, dtype=np.int64)

    @property
    def full(self) -> bool:
        return len(self.kept) >= self.limit

    def admit(self, row: int) -> bool:
        self.offers.append(row)
        if row in self.refused:
            return False
        self.kept.append(row)
        return True


def _scores(x: np.ndarray) -> Any:
    from datapruner.core.items import Items

    items = Items.of(len(x), tie=_keys(len(x)), embedding=x)
    return SimpleNamespace(items=items, contenders=items.is_countable)


def _offer(ledger: _Ledger, x: np.ndarray) -> _Ledger:
    kcentre(_scores(x), ledger, rng=np.random.default_rng(0))  # type: ignore[arg-type]
    return ledger


def test_picker_follows_the_order_until_the_ledger_is_full() -> None:
    x = _points(30, 4, 5)
    ledger = _offer(_Ledger(7), x)
    assert ledger.kept == ledger.offers == kcentre_order(x, 7, _keys(30)).tolist()


def test_picker_offers_every_row_once_when_nothing_stops_it() -> None:
    ledger = _offer(_Ledger(99), _points(12, 3, 5))
    assert sorted(ledger.offers) == list(range(12))


def test_a_refused_row_covers_nothing() -> None:
    x = np.array([[1, 0], [0.99, 0.1], [0, 1], [0.01, 1]], dtype=np.float32)
    free = _offer(_Ledger(2), x).kept
    ledger = _offer(_Ledger(2, refused=(free[1],)), x)
    twin = {2: 3, 3: 2, 0: 1, 1: 0}[free[1]]
    assert ledger.kept == [free[0], twin]


def test_pinned_rows_are_centres_from_the_start() -> None:
    x = np.array([[1, 0], [0.9, 0.1], [0, 1]], dtype=np.float32)
    assert _offer(_Ledger(2, kept=(2,)), x).offers == [0]


def test_vectors_too_large_to_hold_are_read_again(monkeypatch: pytest.MonkeyPatch) -> None:
    x = _points(60, 4, 8)
    held = _offer(_Ledger(20), x).kept
    monkeypatch.setattr("datapruner.pickers.rows.HELD_BYTES", 0)
    assert _offer(_Ledger(20), x).kept == held


def test_barred_rows_are_neither_read_nor_offered() -> None:
    from datapruner.core.items import Items

    x = _points(9, 3, 1)
    x[4] = np.nan
    items = Items.of(9, tie=_keys(9), embedding=x).bar(np.arange(9) == 4)
    ledger = _Ledger(9)
    scores = SimpleNamespace(items=items, contenders=items.is_countable)
    kcentre(scores, ledger, rng=None)  # type: ignore[arg-type]
    assert sorted(ledger.offers) == [0, 1, 2, 3, 5, 6, 7, 8]


def test_long_rows_do_not_depend_on_their_neighbours() -> None:
    x, tie = _points(12, 9000, 3), _keys(12)
    shuffle = np.random.default_rng(1).permutation(12)
    plain = kcentre_order(x, 12, tie)
    assert plain.tolist() == shuffle[kcentre_order(x[shuffle], 12, tie[shuffle])].tolist()


def test_select_reaches_the_picker_by_name() -> None:
    import datapruner

    x = _points(40, 5, 6)
    scores = datapruner.score(embedding=x, k=3)
    selection = datapruner.select(scores, datapruner.Budget(count=10), pick="kcentre")
    expected = kcentre_order(x, 10, scores.items.tie_keys())
    assert selection.order.tolist() == expected.tolist()


def test_missing_embeddings_are_an_error() -> None:
    from datapruner.core.items import Items

    scores = SimpleNamespace(items=Items.of(2))
    with pytest.raises(MissingColumnError, match="embedding"):
        kcentre(scores, _Ledger(1), rng=np.random.default_rng(0))  # type: ignore[arg-type]


@pytest.mark.parametrize("order", [kcentre_order, herding_order])
def test_memory_grows_with_the_rows_and_not_with_what_is_kept(order: Any) -> None:
    import tracemalloc

    x, tie = _points(20_000, 8, 0), _keys(20_000)
    peaks = []
    for k in (2, 200):  # a distance of every row to every kept one would take 16 MB more
        tracemalloc.start()
        order(x, k, tie)
        peaks.append(tracemalloc.get_traced_memory()[1])
        tracemalloc.stop()
    assert peaks[1] < peaks[0] + 2**20
    assert peaks[1] < 12 * x.nbytes
