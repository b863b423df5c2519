"""Rounds of RS2: exact, distinct, fair over passes, and found without walking to them."""

from __future__ import annotations

import dataclasses
import json
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

import datapruner as dp
from datapruner import BudgetError, FormatError, InputError, OutputError, ScoreError
from datapruner.core.reason import Reason
from datapruner.core.rulings import Rulings
from datapruner.dataset.passes import Stream, by_hash
from datapruner.dataset.quotas import Quotas, floor_sums
from datapruner.dataset.resample import steps
from datapruner.rng import mix

ROWS = [{"id": f"r{i}", "text": f"text {i}", "label": "ab"[i % 3 == 0]} for i in range(30)]


def items(k: int) -> str:
    return f"{k} items"


@pytest.mark.parametrize("n", range(1, 13))
def test_every_round_has_k_distinct_rows_and_every_pass_is_a_permutation(n: int) -> None:
    for k in range(1, n + 1):
        for seed in range(3):
            schedule = dp.resample(n, budget=items(k), seed=seed)
            rounds = [schedule[r].rows for r in range(6 * n)]
            assert all(rows.size == k == np.unique(rows).size for rows in rounds)
            stream = np.concatenate(rounds)
            passes = stream[: stream.size // n * n].reshape(-1, n)
            assert np.array_equal(np.sort(passes, axis=1), np.tile(np.arange(n), (len(passes), 1)))
            visits = np.cumsum([np.bincount(rows, minlength=n) for rows in rounds], axis=0)
            assert np.ptp(visits, axis=1).max() <= 1


def literal_rounds(n: int, k: int, seed: int, count: int) -> list[list[int]]:
    """The rule in words, walked from the start: a queue, and rows that wait for the next round."""
    stream, number = Stream(n, None, seed), 0
    queue: list[int] = []
    rounds = []
    for _ in range(count):
        here: list[int] = []
        waiting: list[int] = []
        while len(here) < k:
            if not queue:
                queue = stream.piece(f"pass {number}", 0, n).tolist()
                number += 1
            row = queue.pop(0)
            (waiting if row in here else here).append(row)
        queue = waiting + queue
        rounds.append(here)
    return rounds


@pytest.mark.parametrize(("n", "k"), [(7, 3), (11, 5), (10, 5), (12, 5), (9, 4), (31, 13), (5, 1)])
def test_rounds_are_those_of_a_queue_in_which_repeats_wait(n: int, k: int) -> None:
    schedule = dp.resample(n, budget=items(k), seed=3)
    for number, rows in enumerate(literal_rounds(n, k, 3, 5 * n)):
        assert schedule[number].rows.tolist() == rows


@given(
    labels=st.lists(st.integers(0, 4), min_size=1, max_size=24),
    share=st.floats(0.01, 1),
    seed=st.integers(0, 5),
)
def test_a_stratified_round_gives_every_class_its_share_rounded(
    labels: list[int], share: float, seed: int
) -> None:
    n, group = len(labels), np.array(labels)
    k = max(int(share * n), 1)
    schedule = dp.resample(n, budget=items(k), label=labels, seed=seed)
    sizes = np.bincount(group)
    visits, had = np.zeros(n, int), np.zeros(sizes.size)
    for number in range(2 * n):
        rows = schedule[number].rows
        assert rows.size == k == np.unique(rows).size
        counts = np.bincount(group[rows], minlength=sizes.size)
        assert np.all(counts >= k * sizes // n)
        assert np.all(counts <= -(-k * sizes // n))
        visits[rows] += 1
        had += counts
        assert np.abs(had - (number + 1) * k * sizes / n).max() <= 2
        for label in set(labels):
            assert np.ptp(visits[group == label]) <= 1
    assert np.array_equal(had, 2 * k * sizes)


def test_a_class_due_less_than_a_row_a_round_has_its_turn_like_the_others() -> None:
    labels = [0] * 900 + list(range(1, 101))  # a hundred classes of one row each
    schedule = dp.resample(1000, budget="4%", label=labels, seed=1)
    visits = np.zeros(1000, int)
    for number in range(75):  # three passes over the data
        visits[schedule[number].rows] += 1
    assert visits[900:].sum() == pytest.approx(300, abs=3)
    assert visits[900:].min() >= 1
    assert np.unique(schedule[0].rows, return_counts=True)[1].max() == 1


@given(
    sizes=st.lists(st.integers(1, 30), min_size=1, max_size=8),
    share=st.floats(0, 1),
    number=st.integers(0, 300),
)
def test_the_sums_of_quotas_need_no_walk(sizes: list[int], share: float, number: int) -> None:
    quotas = Quotas(np.array(sizes), int(share * sum(sizes)), 5)
    walked = sum((quotas.at(r) for r in range(number)), np.zeros(len(sizes), np.int64))
    assert quotas.before(number).tolist() == walked.tolist()
    assert quotas.at(number).sum() == quotas.k


@given(
    st.integers(0, 50),
    st.integers(1, 40),
    st.integers(0, 90),
    st.lists(st.integers(0, 200), max_size=4),
)
def test_floor_sums_are_sums_of_floors(terms: int, modulus: int, slope: int, offsets: Any) -> None:
    expected = [sum((slope * i + b) // modulus for i in range(terms)) for b in offsets]
    found = floor_sums(terms, modulus, slope, np.array(offsets, dtype=np.int64))
    assert found.tolist() == expected


def test_floor_sums_hold_for_ten_million_rows() -> None:
    n, slope = 10_000_000, 6_180_339
    # Over a whole turn of a stride without common divisors each residue comes once.
    total = floor_sums(n, n, slope, np.array([0, 1], dtype=np.int64))
    assert total[0] == (slope - 1) * (n - 1) // 2
    assert total[1] - total[0] == 1


def test_round_a_million_needs_no_walk_and_equals_itself() -> None:
    schedule = dp.resample(1000, budget="30%", seed=2)
    far = schedule[10**6].rows
    assert np.array_equal(far, dp.resample(1000, budget="30%", seed=2)[10**6].rows)
    assert far.size == 300 == np.unique(far).size
    assert not np.array_equal(far, schedule[10**6 - 10].rows)


@pytest.mark.parametrize("replacement", [False, True])
def test_two_seeds_and_two_rounds_differ(replacement: bool) -> None:
    one, two = (
        dp.resample(500, budget="20%", replacement=replacement, seed=seed) for seed in (0, 1)
    )
    assert not np.array_equal(np.sort(one[0].rows), np.sort(two[0].rows))
    assert not np.array_equal(np.sort(one[0].rows), np.sort(one[5].rows))
    assert one.fingerprint != two.fingerprint


def test_with_replacement_the_visits_of_a_row_are_binomial() -> None:
    n, k, rounds = 200, 20, 400
    schedule = dp.resample(n, budget=items(k), replacement=True, seed=4)
    visits = sum(np.bincount(schedule[r].rows, minlength=n) for r in range(rounds))
    expected, variance = rounds * k / n, rounds * k / n * (1 - k / n)
    # Chi-square of n rows with one constraint: mean n - 1, standard deviation sqrt(2 (n - 1)).
    statistic = ((visits - expected) ** 2 / variance).sum()
    assert abs(statistic - (n - 1)) < 4 * np.sqrt(2 * (n - 1))
    assert all(np.unique(schedule[r].rows).size == k for r in range(20))


def test_with_replacement_and_labels_every_round_is_stratified() -> None:
    labels = np.repeat([0, 1, 2], [50, 30, 20])
    schedule = dp.resample(100, budget="10%", replacement=True, label=labels)
    for number in range(20):
        assert np.bincount(labels[schedule[number].rows]).tolist() == [5, 3, 2]


@pytest.mark.parametrize("k", [3, 5, 9])
def test_the_rows_of_a_round_are_uniform_and_so_is_their_order(k: int) -> None:
    n, trials = 10, 3000
    first = np.zeros(n)
    seen = np.zeros(n)
    for seed in range(trials):
        rows = dp.resample(n, budget=items(k), seed=seed)[3].rows
        first[rows[0]] += 1
        seen[rows] += 1
    assert np.abs(first - trials / n).max() < 5 * np.sqrt(trials / n)
    assert np.abs(seen - trials * k / n).max() < 5 * np.sqrt(trials * k / n)


def test_another_order_of_the_rows_gives_the_same_ids_in_every_round() -> None:
    order = np.random.default_rng(0).permutation(len(ROWS))
    shuffled = [ROWS[i] for i in order]
    for options in ({}, {"label": "label"}, {"replacement": True}, {"id": "id"}):
        one = dp.resample(ROWS, budget="40%", seed=5, **options)
        two = dp.resample(shuffled, budget="40%", seed=5, **options)
        for number in range(7):
            ids = [ROWS[row]["id"] for row in one[number].rows]
            assert ids == [shuffled[row]["id"] for row in two[number].rows]
        assert one.fingerprint == two.fingerprint


def test_rows_that_a_scorer_rules_out_are_never_drawn() -> None:
    out = np.array([0, Reason.DUPLICATE, 0, Reason.QUALITY, 0, 0])
    scores = dp.Scores(np.ones(6), dp.Items.of(6), rulings=Rulings(out))
    schedule = dp.resample(6, budget="100%", scores=scores, replacement=True)
    assert sorted(schedule[0].rows.tolist()) == [0, 2, 4, 5]


def test_rows_that_cannot_be_read_are_never_drawn(tmp_path: Any) -> None:
    path = tmp_path / "rows.jsonl"
    lines = [json.dumps(row) for row in ROWS]
    lines[4] = "{broken"
    path.write_text("\n".join(lines) + "\n", encoding="utf-8")
    with pytest.raises(InputError, match="line 5"):
        dp.resample(path, budget="40%", id="id")
    for budget in ("40%", "80%"):
        schedule = dp.resample(path, budget=budget, id="id", on_bad="drop")
        drawn = np.unique(np.concatenate([schedule[r].rows for r in range(5)]))
        assert drawn.tolist() == [row for row in range(30) if row != 4]
        assert schedule.k == int(float(budget[:-1]) / 100 * 29)


def test_bare_vectors_and_items_are_rows_too() -> None:
    vectors = np.random.default_rng(0).normal(size=(20, 3))
    assert len(dp.resample(vectors, budget="50%", label=[0, 1] * 10)[0]) == 10
    labels = np.array(["x", "y"] * 10)
    given_items = dp.Items.of(20)
    plain = dp.resample(20, budget="30%", label=labels)
    assert np.array_equal(
        plain[3].rows, dp.resample(given_items, budget="30%", label=labels)[3].rows
    )


# Weighted rounds


def test_chances_follow_the_scores_and_zero_is_never_drawn() -> None:
    scores = np.array([0.0, 1.0, 2.0, 5.0])
    schedule = dp.resample(4, budget="1 items", scores=scores, replacement=True)
    counts = np.bincount([schedule[r].rows[0] for r in range(8000)], minlength=4)
    assert counts[0] == 0
    assert counts / 8000 == pytest.approx(scores / 8, abs=0.02)


def test_the_weights_of_a_weighted_round_make_means_unbiased() -> None:
    rng = np.random.default_rng(1)
    scores, values = rng.uniform(0.1, 3, 40), rng.normal(5, 2, 40)
    schedule = dp.resample(40, budget="12 items", scores=scores, replacement=True)
    weighted, bare = [], []
    for number in range(4000):
        this = schedule[number]
        weighted.append((this.weights * values[this.rows]).mean())
        bare.append(values[this.rows].mean())
    error = np.std(weighted) / np.sqrt(4000)
    assert abs(np.mean(weighted) - values.mean()) < 4 * error
    assert abs(np.mean(bare) - values.mean()) > 8 * np.std(bare) / np.sqrt(4000)


def test_scores_find_their_rows_by_id_in_any_order() -> None:
    rows = [{"id": f"r{i}", "text": f"text {i}"} for i in range(20)]
    scores = dp.score(rows, method="random", id="id")
    turned = rows[::-1]

    def drawn(data: Any, given: Any) -> list[tuple[str, float]]:
        plan = dp.resample(data, budget="5 items", scores=given, replacement=True, id="id")
        pairs = [
            pair
            for this in (plan[0], plan[1])
            for pair in zip(this.rows, this.weights, strict=True)
        ]
        return [(data[row]["id"], weight) for row, weight in pairs]

    assert drawn(turned, scores) == drawn(rows, scores)
    # Scores of more rows than are drawn from are fine; of fewer they are not.
    assert drawn(rows[3:], scores) == drawn(rows[3:], dp.score(rows[3:], method="random", id="id"))
    with pytest.raises(InputError, match="other rows: 1 of 20 ids are not among the 19"):
        drawn(rows, dp.score(rows[1:], method="random", id="id"))
    # Ids of the content say nothing about those of a column: the position is all there is.
    assert drawn(rows, dp.score(rows, method="random"))
    # Rulings go with the rows, too.
    ruled = dataclasses.replace(
        scores, rulings=Rulings(np.where(np.arange(20), 0, int(Reason.QUALITY)).astype(np.uint8))
    )
    plan = dp.resample(turned, budget="100%", scores=ruled, replacement=True, id="id")
    assert "r0" not in {turned[row]["id"] for row in plan[0].rows}


def test_all_rows_by_weight_weigh_one() -> None:
    this = dp.resample(6, budget="6 items", scores=np.arange(1.0, 7), replacement=True)[0]
    assert this.weights is not None
    assert this.weights.tolist() == [1.0] * 6
    assert sorted(this.rows.tolist()) == list(range(6))


def test_scores_from_a_scorer_are_taken_as_they_are() -> None:
    scores = dp.Scores(np.arange(1.0, 21), dp.Items.of(20))
    one = dp.resample(20, budget="25%", scores=scores, replacement=True)
    two = dp.resample(20, budget="25%", scores=scores.values, replacement=True)
    assert np.array_equal(one[2].rows, two[2].rows)
    assert one.fingerprint == two.fingerprint


# Bad input


@pytest.mark.parametrize(
    ("budget", "message"),
    [
        ("1%", "leaves none for a round"),
        ("51 items", "51 rows a round, but there are 50"),
        ("0 items", "leaves none"),
        ("10%, 3 per group", "says more"),
        ("100 tokens", "says more"),
        (10, "could mean rows or tokens"),
    ],
)
def test_a_budget_that_gives_no_round_is_refused(budget: Any, message: str) -> None:
    with pytest.raises(BudgetError, match=message):
        dp.resample(50, budget=budget)


@pytest.mark.parametrize(
    ("options", "kind", "message"),
    [
        ({"rounds": 0}, InputError, "rounds is 0"),
        ({"rounds": 2.5}, InputError, r"rounds is 2\.5"),
        ({"seed": "x"}, InputError, "seed is 'x'"),
        ({"label": [1, 2]}, InputError, "2 labels do not fit 50 rows"),
        ({"label": "kind"}, InputError, "has no columns"),
        ({"id": "id"}, InputError, "has no columns"),
        ({"scores": np.ones(50)}, InputError, "replacement=True"),
        ({"scores": np.ones(3), "replacement": True}, ScoreError, r"shape \(3,\)"),
        ({"scores": -np.ones(50), "replacement": True}, ScoreError, "50 scores are no chances"),
        (
            {"scores": np.ones(50), "replacement": True, "label": [0, 1] * 25},
            InputError,
            "cannot both steer",
        ),
        (
            {"scores": np.eye(50)[0], "replacement": True},
            BudgetError,
            "there are 1 to draw from|leaves none",
        ),
    ],
)
def test_what_cannot_be_drawn_is_refused(options: Any, kind: Any, message: str) -> None:
    with pytest.raises(kind, match=message):
        dp.resample(50, **{"budget": "5 items", **options})


@pytest.mark.parametrize("data", [-1, 0])
def test_no_rows_give_no_schedule(data: int) -> None:
    with pytest.raises((InputError, BudgetError), match=r"too few|leaves none"):
        dp.resample(data, budget="10%")


def test_a_schedule_of_a_bad_size_is_refused() -> None:
    population = dp.resample(5, budget="40%").population
    with pytest.raises(BudgetError, match="6 rows cannot be drawn from 5"):
        dp.Schedule(population, 6)


# The schedule as a sequence, and on disk


def test_a_schedule_is_a_sequence_of_its_rounds() -> None:
    schedule = dp.resample(20, budget="30%", rounds=4)
    assert len(schedule) == 4
    assert [this.number for this in schedule] == [0, 1, 2, 3]
    assert np.array_equal(schedule[-1].rows, schedule[3].rows)
    assert len(schedule[0]) == 6
    assert "4 rounds of 6 of 20 rows, slices, seed 0" in repr(schedule)
    for wrong in (4, -5):
        with pytest.raises(IndexError, match="0 to 3"):
            schedule[wrong]


def test_a_schedule_without_an_end_says_so() -> None:
    schedule = dp.resample(20, budget="30%")
    with pytest.raises(InputError, match="no end"):
        len(schedule)
    with pytest.raises(InputError, match="no end"):
        schedule[-1]
    assert [this.number for this, _ in zip(schedule, range(3), strict=False)] == [0, 1, 2]
    assert "no end of rounds" in repr(schedule)


@pytest.mark.parametrize(
    "options",
    [
        {},
        {"label": ["a", "b", "b"] * 10},
        {"scores": np.arange(1.0, 31), "replacement": True},
        {"replacement": True},
    ],
)
def test_a_saved_schedule_gives_the_same_rounds(tmp_path: Any, options: Any) -> None:
    schedule = dp.resample(30, budget="30%", rounds=7, seed=9, **options)
    schedule.save(tmp_path / "rounds.npz")
    again = dp.Schedule.load(tmp_path / "rounds.npz")
    assert again.to_dict() == schedule.to_dict()
    assert json.loads(json.dumps(schedule.to_dict()))["k"] == 9
    for number in range(7):
        assert np.array_equal(again[number].rows, schedule[number].rows)
    with pytest.raises(OutputError, match="exists"):
        schedule.save(tmp_path / "rounds.npz")


def test_a_saved_schedule_of_another_recipe_is_refused(tmp_path: Any, monkeypatch: Any) -> None:
    path = tmp_path / "rounds.npz"
    dp.resample(ROWS, budget="30%").save(path)
    monkeypatch.setattr("datapruner.dataset.schedule._RECIPE", "rs2-2")
    with pytest.raises(FormatError, match="another recipe"):
        dp.Schedule.load(path)


def test_a_damaged_schedule_is_refused(tmp_path: Any) -> None:
    from datapruner.core.archive import write_archive

    write_archive(tmp_path / "a.npz", "schedule", {"n": 3}, {})
    with pytest.raises(FormatError, match="damaged"):
        dp.Schedule.load(tmp_path / "a.npz")


# What comes next, and how many steps there are


@pytest.mark.parametrize("budget", ["30%", "70%"])
def test_the_spare_rows_are_those_that_come_next(budget: str) -> None:
    schedule = dp.resample(20, budget=budget, rounds=3, seed=1)
    this, following = schedule[2].rows, dp.resample(20, budget=budget, seed=1)[3].rows
    spare = schedule.spare(2, 5)
    assert np.unique(np.concatenate([this, spare])).size == this.size + 5
    fresh = following[~np.isin(following, this)]
    assert spare[: fresh.size].tolist() == fresh[:5].tolist()
    assert schedule.spare(2, 0).size == 0
    assert schedule.spare(0, 20 - schedule.k).size == 20 - schedule.k
    with pytest.raises(InputError, match="leaves"):
        schedule.spare(0, 21 - schedule.k)


def test_steps_are_counted_round_by_round() -> None:
    assert steps(1797, 0.1, 60, 32) == 60 * 6  # 179 rows: five batches of 32, and one of 19
    assert steps(1797, 0.1, 60, 32, drop_last=True) == 60 * 5
    schedule = dp.resample(1797, budget="10%", rounds=60)
    assert schedule.steps(32) == 360
    assert schedule.steps(32, workers=2) == 60 * 3
    assert schedule.steps(32, drop_last=True) == 300
    with pytest.raises(InputError, match="batch is 0"):
        schedule.steps(0)
    with pytest.raises(InputError, match=r"rounds is 1\.5"):
        steps(10, 0.5, 1.5, 2)  # type: ignore[arg-type]
    with pytest.raises(BudgetError, match="share is 0"):
        steps(10, 0, 1, 2)


# Sorting


@pytest.mark.parametrize("n", [0, 1, 100, 20_000])
def test_by_hash_is_a_stable_argsort(n: int) -> None:
    hashes = mix(np.arange(n), 3)
    assert by_hash(hashes).tolist() == np.argsort(hashes, kind="stable").tolist()


def test_by_hash_orders_numbers_that_differ_in_their_low_bits() -> None:
    hashes = mix(np.arange(20_000) // 40, 3) & ~np.uint64(0xFFFF)
    hashes += np.random.default_rng(0).integers(0, 8, 20_000).astype(np.uint64)
    assert by_hash(hashes).tolist() == np.argsort(hashes, kind="stable").tolist()


def test_a_piece_of_a_permutation_is_exact_even_when_the_guess_fails() -> None:
    # Keys without mixing would be needed to fool it: the same key for all rows does.
    stream = Stream(50_000, np.full(50_000, 7, dtype=np.uint64), 0)
    assert stream.piece("x", 100, 105).tolist() == [100, 101, 102, 103, 104]
    wide = Stream(70_000, None, 0)
    whole = wide.piece("pass 0", 0, 70_000)
    assert np.array_equal(np.sort(whole), np.arange(70_000))
    for first, stop in ((0, 10), (30_000, 40_000), (69_990, 70_000), (5, 5)):
        assert wide.piece("pass 0", first, stop).tolist() == whole[first:stop].tolist()


def test_rows_that_cannot_be_kept_are_not_drawn_by_score_either() -> None:
    barred = dp.Items.of(6, barred=[True, False, False, False, False, False])
    scores = np.array([9.0, 0.0, 1.0, 1.0, 1.0, 1.0])
    schedule = dp.resample(barred, budget="100%", scores=scores, replacement=True)
    assert sorted(schedule[0].rows.tolist()) == [2, 3, 4, 5]
