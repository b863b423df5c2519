"""Clusters compared together against the rules written out: any batching gives the same bytes."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any
from unittest.mock import patch

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from oracles.duplicates_oracle import across, inside, second_best, similarities

from datapruner.scorers.best import MOST_WAITING, Best, Scratch
from datapruner.scorers.borders import across_borders, second_nearest
from datapruner.scorers.groups import compare_groups
from datapruner.scorers.pairs import Found, Members, exact_similarity, hits, joined
from datapruner.scorers.triangle import RULES, search
from datapruner.vectors.centroids import Centroids
from datapruner.vectors.content import row_keys, unit_rows
from datapruner.vectors.store import open_vectors


def told(found: Found) -> list[tuple[Any, int, bool]]:
    return list(
        zip(
            found.similarity.tolist(),
            found.earlier.tolist(),
            found.is_duplicate.tolist(),
            strict=True,
        )
    )


def same(one: Found, other: Found) -> bool:
    return (
        one.similarity.tobytes() == other.similarity.tobytes()
        and one.earlier.tobytes() == other.earlier.tobytes()
        and one.is_duplicate.tobytes() == other.is_duplicate.tobytes()
    )


def crowd(n: int, d: int, seed: int) -> np.ndarray:
    """Rows at every similarity: strangers, copies, scaled copies, small steps, opposites."""
    rng = np.random.default_rng(seed)
    x = rng.normal(size=(n, d))
    for j in range(1, n):
        base, kind = x[rng.integers(j)], rng.integers(7)
        step = rng.normal(size=d)
        x[j] = (base, 3 * base, base + 0.05 * step, base + 0.3 * step, -base, step, step)[kind]
    return x.astype(np.float32)


grid = st.integers(0, 28).flatmap(
    lambda n: st.lists(
        st.tuples(*[st.integers(-2, 2)] * 3).filter(any), min_size=n, max_size=n
    ).map(lambda rows: np.array(rows, dtype=np.float32).reshape(len(rows), 3))
)


@settings(max_examples=120, deadline=None)
@given(
    x=grid,
    seed=st.integers(0, 99),
    groups=st.integers(1, 4),
    threshold=st.sampled_from([0.0, 0.5, 0.7, 0.9, 1.0]),
    rule=st.sampled_from(RULES),
    held_rows=st.sampled_from([0, 1, 3, 5, 100]),
    block_rows=st.sampled_from([1, 2, 5, 480]),
    waiting=st.sampled_from([0, 5, MOST_WAITING]),
)
def test_each_group_is_answered_by_the_rule_written_out(
    x: np.ndarray,
    seed: int,
    groups: int,
    threshold: float,
    rule: str,
    held_rows: int,
    block_rows: int,
    waiting: int,
) -> None:
    order = np.random.default_rng(seed).permutation(len(x))
    parts = np.array_split(order, groups)
    with patch("datapruner.scorers.best.MOST_WAITING", waiting):
        found = compare_groups(
            open_vectors(x),
            parts,
            row_keys(x),
            threshold,
            rule,
            held_bytes=held_rows * 12,
            block_rows=block_rows,
        )
    similar = similarities(x)
    want = [
        (float(value), place, gone)
        for rows in parts
        for value, place, gone in inside(x[rows], similar[np.ix_(rows, rows)], threshold, rule)
    ]
    assert told(found) == want


@pytest.mark.parametrize("rule", RULES)
def test_many_groups_of_a_file_give_the_same_bytes_however_they_are_read(
    rule: str, tmp_path: Path
) -> None:
    rng = np.random.default_rng(4)
    x = crowd(1700, 24, 5)
    np.save(tmp_path / "x.npy", x)
    keys = row_keys(x)
    order = rng.permutation(len(x))
    groups = np.split(order, [900, 900, 901, 1000, 1200, 1650])
    want = compare_groups(open_vectors(x), groups, keys, 0.95, rule)
    disk = open_vectors(tmp_path / "x.npy")
    one_by_one = [
        search(Members(disk, rows), 0.95, rule, keys[rows], block_rows=100) for rows in groups
    ]
    assert [told(one) for one in one_by_one] == [
        told(want)[start : start + rows.size]
        for rows, start in zip(groups, np.cumsum([0, *map(len, groups)]), strict=False)
    ]
    for held_rows, block_rows in ((20, 512), (137, 60), (850, 480), (950, 33), (10_000, 5000)):
        found = compare_groups(
            disk, groups, keys, 0.95, rule, held_bytes=held_rows * 96, block_rows=block_rows
        )
        assert same(found, want)
    with ThreadPoolExecutor(4) as pool:
        apart = pool.map(lambda rows: compare_groups(disk, [rows], keys, 0.95, rule), groups)
        assert [entry for one in apart for entry in told(one)] == told(want)


@pytest.mark.parametrize("rule", RULES)
def test_whole_blocks_of_near_equal_rows_are_settled_exactly(rule: str) -> None:
    rng = np.random.default_rng(8)
    base = rng.normal(size=16)
    # So alike that all pairs are within rounding of one another, and more than may wait.
    x = (base + 1e-5 * rng.normal(size=(900, 16))).astype(np.float32)
    unit = unit_rows(x)[0].astype(np.float64)
    similar = np.clip((unit @ unit.T).astype(np.float32), -1, 1)
    assert MOST_WAITING < 900 * 899 // 2
    threshold = float(np.median(similar))
    found = compare_groups(open_vectors(x), [np.arange(900)], row_keys(x), threshold, rule)
    assert told(found) == [
        (float(value), place, gone) for value, place, gone in inside(x, similar, threshold, rule)
    ]


@pytest.mark.parametrize("rule", RULES)
def test_a_high_similarity_does_not_end_the_search_for_a_higher_one(rule: str) -> None:
    angles = np.array([0.5, 0.4, 0.3, 0.2, 0.1, 0.0])  # each nearer to the last one
    x = np.stack([np.cos(angles), np.sin(angles)], axis=1).astype(np.float32)
    with patch("datapruner.scorers.best.MOST_WAITING", 0):
        found = compare_groups(
            open_vectors(x), [np.arange(6)], row_keys(x), 0.999, rule, block_rows=1
        )
    assert found.earlier.tolist() == [-1, 0, 1, 2, 3, 4]


def test_of_copies_at_another_scale_none_goes_at_a_threshold_of_one() -> None:
    x = np.outer([1, 3, 5, 7, 9], [1.0, 2, 2]).astype(np.float32)
    with patch("datapruner.scorers.best.MOST_WAITING", 0):
        for rule in RULES:
            found = compare_groups(
                open_vectors(x), [np.arange(5)], row_keys(x), 1.0, rule, block_rows=2
            )
            assert not found.is_duplicate.any()
            assert found.earlier.tolist() == [-1, 0, 0, 0, 0]


def test_rows_that_nothing_rules_out_are_there_for_later_ones() -> None:
    rng = np.random.default_rng(6)
    base = rng.normal(size=16)
    # All but equal, so at similarity 1, yet each a little nearer to some of the strangers.
    x = np.concatenate([base + 1e-5 * rng.normal(size=(20, 16)), rng.normal(size=(20, 16))])
    x = x.astype(np.float32)
    similar = similarities(x)
    with patch("datapruner.scorers.best.MOST_WAITING", 0):
        for rule in RULES:
            found = compare_groups(
                open_vectors(x), [np.arange(40)], row_keys(x), 1.0, rule, block_rows=3
            )
            want = [place for _, place, _ in inside(x, similar, 1.0, rule)]
            assert found.earlier.tolist() == want


def test_a_row_ruled_out_by_an_earlier_block_rules_nobody_out() -> None:
    angles = np.array([0.0, 1.5, 0.3, 0.6])  # the third repeats the first; the fourth the third
    x = np.stack([np.cos(angles), np.sin(angles)], axis=1).astype(np.float32)
    found = compare_groups(
        open_vectors(x), [np.arange(4)], row_keys(x), np.cos(0.4), "leader", block_rows=2
    )
    assert found.is_duplicate.tolist() == [False, False, True, False]


def test_no_groups_and_empty_groups_have_no_answers() -> None:
    x = crowd(5, 3, 0)
    nobody = np.zeros(0, dtype=np.int64)
    for groups in ([], [nobody], [nobody, nobody]):
        found = compare_groups(open_vectors(x), groups, row_keys(x), 0.9, "leader")
        assert told(found) == []
        assert [part.dtype.name for part in vars(found).values()] == ["float32", "int64", "bool"]


def test_rows_of_one_key_that_differ_are_told_apart() -> None:
    x = crowd(40, 8, 3)
    lying = np.zeros(40, dtype=np.uint64)  # as if every hash were the same
    for rule in RULES:
        honest = compare_groups(open_vectors(x), [np.arange(40)], row_keys(x), 0.9, rule)
        found = compare_groups(open_vectors(x), [np.arange(40)], lying, 0.9, rule)
        first = np.array([np.flatnonzero((x == row).all(axis=1))[0] for row in x])
        new = first == np.arange(40)
        assert (found.is_duplicate[new] == honest.is_duplicate[new]).all()


# -- what they are made of ---------------------------------------------------------------------


def test_hits_are_those_of_nonzero() -> None:
    rng = np.random.default_rng(0)
    for shape in ((0, 3), (3, 0), (1, 1), (7, 5)):
        mask = rng.random(shape) < 0.4
        for ours, theirs in zip(hits(mask), np.nonzero(mask), strict=True):
            assert ours.tolist() == theirs.tolist()


def test_an_exact_similarity_knows_nothing_of_its_neighbours() -> None:
    x = unit_rows(np.random.default_rng(1).normal(size=(700, 384)).astype(np.float32))[0]
    together = exact_similarity(x, x[::-1])
    alone = [exact_similarity(x[i : i + 1], x[::-1][i : i + 1])[0] for i in range(0, 700, 23)]
    assert together[::23].tobytes() == np.array(alone, dtype=np.float32).tobytes()
    scratch, places = Scratch(), np.arange(700)
    for rows in (places, places[::-1], places[5:6], places[:0], np.repeat(places, 2)):
        again = scratch.similarity(x, rows, x[::-1], rows)
        assert again.tobytes() == together[rows].tobytes()
    narrower = scratch.similarity(x[:, :7], places, x[::-1, :7], places)
    assert narrower.tobytes() == exact_similarity(x[:, :7], x[::-1, :7]).tobytes()


@given(st.lists(st.tuples(st.integers(0, 11), st.integers(0, 11)), max_size=25))
def test_joined_groups_have_the_number_of_their_first_member(links: list[tuple[int, int]]) -> None:
    left, right = (np.array([link[i] for link in links], dtype=np.int64) for i in (0, 1))
    group = joined(joined(np.arange(12), left[::2], right[::2]), left[1::2], right[1::2])
    want = list(range(12))
    for _ in range(12):
        for a, b in links:
            want[a] = want[b] = min(want[a], want[b])
    assert group.tolist() == want


def test_a_best_with_nothing_offered_has_nobody() -> None:
    x = crowd(4, 3, 2)
    members = Members(open_vectors(x), np.arange(4))
    best = Best(members, members.unit(np.arange(4)), Scratch())
    nobody = np.zeros(0, dtype=np.int64)
    empty = np.zeros((4, 0), dtype=np.float32)
    best.offer(empty, nobody)
    assert [part.size for part in best.above(empty, nobody, np.float32(0))] == [0, 0]
    value, place = best.settle()
    assert value.tolist() == [0] * 4
    assert place.tolist() == [-1] * 4


# -- across borders ----------------------------------------------------------------------------


def centred(centroids: np.ndarray) -> Centroids:
    return Centroids(centroids, len(centroids), "cosine", "made", "cpu", len(centroids), 1, 0)


@settings(max_examples=80, deadline=None)
@given(
    x=grid,
    seed=st.integers(0, 99),
    k=st.integers(2, 5),
    threshold=st.sampled_from([0.0, 0.5, 0.8, 0.95]),
    rule=st.sampled_from(RULES),
    held_rows=st.sampled_from([0, 4, 100]),
    block_rows=st.sampled_from([1, 3, 480]),
)
def test_pairs_across_borders_follow_the_rule_written_out(
    x: np.ndarray,
    seed: int,
    k: int,
    threshold: float,
    rule: str,
    held_rows: int,
    block_rows: int,
) -> None:
    rng = np.random.default_rng(seed)
    centroids = unit_rows(rng.normal(size=(k, 3)).astype(np.float32))[0]
    centroids[-1] = centroids[0]  # equally near to every row: the first one counts
    own = rng.integers(0, k, len(x))
    order = rng.permutation(len(x))
    rows, home = order, own[order]
    second = second_best(x[rows], centroids, home)
    assert second_nearest(open_vectors(x), rows, home, centred(centroids)).tolist() == second
    found = across_borders(
        open_vectors(x),
        rows,
        home,
        centred(centroids),
        threshold,
        rule,
        held_bytes=held_rows * 12,
        block_rows=block_rows,
    )
    similar = similarities(x[rows])
    want = across(similar, home, second, threshold, rule)
    assert found.earlier.tolist() == [place for _, place in want]
    assert found.is_duplicate.tolist() == [place >= 0 for _, place in want]
    assert found.similarity.tolist() == [float(value) for value, _ in want]


def test_centroids_within_rounding_of_each_other_are_told_apart() -> None:
    x = np.zeros((1, 64), dtype=np.float32)
    x[0, 0] = 1
    centroids = np.repeat(x, 3, axis=0)
    centroids[:, 1] = [0, 2e-3, 1e-3]  # cosines of 1 - 2e-6 and 1 - 5e-7
    home = np.zeros(1, dtype=np.int64)
    assert second_nearest(open_vectors(x), home, home, centred(centroids)).tolist() == [2]


def test_one_cluster_has_no_borders() -> None:
    x = crowd(6, 3, 1)
    found = across_borders(
        open_vectors(x), np.arange(6), np.zeros(6, dtype=np.int64), centred(x[:1]), 0.5, "leader"
    )
    assert not found.is_duplicate.any()
