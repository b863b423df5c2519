"""Batches: each window once, of about equal length, in an order that the seed decides."""

from __future__ import annotations

import numpy as np
from hypothesis import given
from hypothesis import strategies as st

from datapruner import rng
from datapruner.training.batches import epoch_batches, length_batches, window_keys
from datapruner.training.windows import Window

NONE = np.zeros(0, dtype=np.int32)


def keys_of(n: int) -> np.ndarray:
    return rng.hash_strings([str(i) for i in range(n)])


@given(
    st.lists(st.integers(1, 100), min_size=1, max_size=200),
    st.integers(1, 400),
    st.integers(0, 9),
    st.integers(0, 3),
)
def test_a_pass_has_every_window_once(
    lengths: list[int], batch_tokens: int, seed: int, epoch: int
) -> None:
    size = np.array(lengths, dtype=np.int64)
    batches = epoch_batches(
        size, keys_of(len(size)), batch_tokens=batch_tokens, seed=seed, epoch=epoch
    )
    assert sorted(np.concatenate(batches).tolist()) == list(range(len(size)))
    for batch in batches:
        assert len(batch) == 1 or len(batch) * size[batch].max() <= batch_tokens


def test_passes_and_seeds_differ_and_repeat() -> None:
    lengths = np.arange(1, 301) % 50 + 5

    def order(seed: int, epoch: int) -> list[int]:
        made = epoch_batches(lengths, keys_of(300), batch_tokens=200, seed=seed, epoch=epoch)
        return np.concatenate(made).tolist()

    assert order(0, 0) == order(0, 0)
    assert len({tuple(order(seed, epoch)) for seed in (0, 1) for epoch in (0, 1)}) == 4


def test_the_order_follows_from_names_not_from_places() -> None:
    draw = np.random.default_rng(0)
    lengths, keys = draw.integers(5, 60, 200), keys_of(200)
    moved = draw.permutation(200)
    first = epoch_batches(lengths, keys, batch_tokens=300, seed=3, epoch=1)
    second = epoch_batches(lengths[moved], keys[moved], batch_tokens=300, seed=3, epoch=1)
    assert [keys[b].tolist() for b in first] == [keys[moved][b].tolist() for b in second]


def test_little_is_padding() -> None:
    lengths = np.random.default_rng(0).integers(10, 300, 5000)
    batches = epoch_batches(lengths, keys_of(5000), batch_tokens=3000, seed=0, epoch=0)
    padded = sum(len(batch) * int(lengths[batch].max()) for batch in batches)
    assert lengths.sum() / padded > 0.95
    heads = [int(lengths[batch].max()) for batch in batches]
    assert abs(np.corrcoef(heads[:-1], heads[1:])[0, 1]) < 0.2  # and the batches are shuffled


def test_no_window_makes_no_batch() -> None:
    none = np.zeros(0, dtype=np.int64)
    assert epoch_batches(none, keys_of(0), batch_tokens=10, seed=0, epoch=0) == []
    assert length_batches(none, none, 10) == []


def test_keys_tell_windows_of_a_pair_apart() -> None:
    windows = [Window(p, n, NONE, 0, NONE, NONE, 0) for p, n in ((0, 0), (0, 1), (1, 0))]
    keys = window_keys(windows, ["a", "b"])
    assert len(set(keys.tolist())) == 3
    assert keys[2] == window_keys([Window(0, 0, NONE, 0, NONE, NONE, 0)], ["b"])[0]
