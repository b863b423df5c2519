"""MinHash against sets in plain Python, what it catches, and groups that depend on no order."""

from __future__ import annotations

import numpy as np
import pytest

from datapruner.scorers.minhash import (
    PERMUTATIONS,
    Printer,
    Prints,
    band_keys,
    bands,
    estimated,
    least_estimate,
    near_copies,
    rows_in_band,
)

WORDS = [f"w{n}" for n in range(400)]


def prints(texts: list[str], **how: bool) -> Prints:
    printer = Printer(**how)
    printer.add(texts)
    return printer.finish()


def long_text(seed: int, words: int = 120) -> list[str]:
    return np.random.default_rng(seed).choice(WORDS, words).tolist()


def true_jaccard(left: str, right: str) -> float:
    sets = [
        {tuple(words[i : i + 5]) for i in range(len(words) - 4)}
        for words in (left.split(), right.split())
    ]
    return len(sets[0] & sets[1]) / len(sets[0] | sets[1])


def pairs_at(jaccard: float, number: int) -> tuple[list[str], list[float]]:
    """So many pairs of texts, one after the other, near that Jaccard similarity, and the true ones.

    Replacing one word of a text of w words takes 5 of its w - 4 shingles away and adds 5.
    """
    texts: list[str] = []
    true: list[float] = []
    for seed in range(number):
        base = [f"{seed}x{n}" for n in range(404)]
        changed = round(400 * (1 - jaccard) / (1 + jaccard) / 5)
        copy = list(base)
        for place in np.linspace(5, 398, changed).astype(int).tolist():
            copy[place] = f"new{place}"
        texts += [" ".join(base), " ".join(copy)]
        true.append(true_jaccard(texts[-2], texts[-1]))
    return texts, true


def caught(texts: list[str]) -> float:
    """Share of the pairs, which stand one after the other, of which one goes."""
    found = near_copies(prints(texts), np.arange(len(texts)), 0.8)
    return float((found[1::2] == np.arange(0, len(texts), 2)).mean())


def test_nineteen_of_twenty_pairs_at_the_threshold_are_caught_and_few_below_it() -> None:
    share = {}
    for jaccard in (0.9, 0.8, 0.7, 0.6):
        texts, true = pairs_at(jaccard, 300)
        assert np.mean(true) == pytest.approx(jaccard, abs=0.012)
        share[jaccard] = caught(texts)
    assert share[0.9] == 1
    assert share[0.8] >= 0.94
    assert share[0.7] <= 0.25
    assert share[0.6] == 0


def test_the_slack_is_that_of_one_binomial_tail() -> None:
    from scipy.stats import binom

    for jaccard in (0.3, 0.5, 0.8, 0.9):
        least = int(np.ceil(least_estimate(jaccard) * PERMUTATIONS))
        assert binom.sf(least - 1, PERMUTATIONS, jaccard) == pytest.approx(0.95, abs=0.02)
    assert least_estimate(1) == 1


def test_bands_cover_the_signature_and_keys_are_equal_where_all_entries_are() -> None:
    cuts = list(bands(0.8))
    assert [(cut.start, cut.stop) for cut in cuts] == [(i, i + 6) for i in range(0, 126, 6)]
    band = np.array([[1, 2], [2, 1], [1, 2], [1, 3]], dtype=np.uint32)
    keys = band_keys(band).tolist()
    assert keys[0] == keys[2]
    assert len(set(keys)) == 3


def test_the_estimate_is_near_the_jaccard_of_the_sets() -> None:
    base = long_text(2, 300)
    texts = [" ".join(base[cut:] + long_text(3, cut)) for cut in (0, 10, 40, 100, 200)]
    made = prints(texts)
    for row in range(1, len(texts)):
        want = true_jaccard(texts[0], texts[row])
        found = estimated(made.signature, np.array([0]), np.array([row]))[0]
        assert found == pytest.approx(want, abs=4 * (want * (1 - want) / PERMUTATIONS) ** 0.5)


def test_bands_catch_nearly_all_pairs_at_the_threshold() -> None:
    assert [rows_in_band(j) for j in (0.1, 0.5, 0.8, 0.9)] == [1, 3, 6, 10]
    for jaccard in (0.3, 0.5, 0.8, 0.95):
        size = rows_in_band(jaccard)
        assert 1 - (1 - jaccard**size) ** (PERMUTATIONS // size) >= 0.99
    assert rows_in_band(0.01) == 1


def test_near_copies_are_found_and_short_texts_are_not_confused() -> None:
    base = long_text(4)
    texts = [
        " ".join(base),
        " ".join(base[:60] + base[61:]),
        " ".join(base).upper(),
        " ".join(long_text(5)),
        "x = a + b",
        "x = a - b",
        "!",
        "",
        "",
    ]
    found = near_copies(prints(texts), np.arange(len(texts)), 0.8)
    assert found.tolist() == [-1, 0, 0, -1, -1, -1, -1, -1, -1]
    turned = near_copies(prints(texts), np.array([2, 1, 0, 3]), 0.8)
    assert turned.tolist() == [2, 2, -1, -1, -1, -1, -1, -1, -1]


def test_the_order_of_the_rows_changes_nothing() -> None:
    rng = np.random.default_rng(6)
    texts = []
    for seed in range(40):
        base = long_text(seed)
        texts += [" ".join(base), *(" ".join(np.delete(base, rng.integers(120))) for _ in "ab")]
    order = rng.permutation(len(texts))
    plain = near_copies(prints(texts), np.arange(len(texts)), 0.8)
    shuffled = [texts[i] for i in order]
    turned = near_copies(prints(shuffled), np.argsort(order), 0.8)
    back = np.where(turned >= 0, order[turned], -1)
    assert plain[order].tolist() == back.tolist()
    assert np.count_nonzero(plain >= 0) == 80


def test_rows_that_share_a_band_by_chance_are_told_apart() -> None:
    signature = np.random.default_rng(7).integers(0, 2**32, (90, PERMUTATIONS), dtype=np.uint32)
    signature[:, :6] = 1  # one bucket with thirty groups of three
    signature[30:60] = signature[:30]
    signature[60:] = signature[:30]
    made = Prints(np.zeros((90, 2), dtype=np.uint64), signature, np.ones(90, dtype=bool))
    found = near_copies(made, np.arange(90), 0.8)
    assert found.tolist() == [-1] * 30 + list(range(30)) * 2


def test_bands_looked_at_one_by_one_give_the_same_answer(monkeypatch: pytest.MonkeyPatch) -> None:
    texts = pairs_at(0.85, 30)[0]
    together = near_copies(prints(texts), np.arange(60), 0.8).tolist()
    monkeypatch.setattr("datapruner.scorers.minhash.CANDIDATES", 0)
    assert near_copies(prints(texts), np.arange(60), 0.8).tolist() == together


def test_a_chain_of_links_is_one_group() -> None:
    rows = 40
    signature = np.zeros((rows, PERMUTATIONS), dtype=np.uint32)
    for row in range(rows):  # each differs from the one before in ten entries
        signature[row] = np.arange(PERMUTATIONS) + 1000 * ((row * 10 + np.arange(128)) // 128)
    made = Prints(np.zeros((rows, 2), dtype=np.uint64), signature, np.ones(rows, dtype=bool))
    order = np.random.default_rng(8).permutation(rows)
    found = near_copies(made, order, 0.8)
    assert np.flatnonzero(found < 0).tolist() == [order[0]]
    assert set(found[found >= 0].tolist()) == {int(order[0])}


def test_a_bucket_of_rows_that_are_all_unlike_links_none() -> None:
    signature = np.random.default_rng(9).integers(0, 2**32, (200, PERMUTATIONS), dtype=np.uint32)
    signature[:, :6] = 1
    made = Prints(np.zeros((200, 2), dtype=np.uint64), signature, np.ones(200, dtype=bool))
    assert near_copies(made, np.arange(200), 0.8).tolist() == [-1] * 200


def test_a_printer_without_signatures_makes_keys_alone() -> None:
    made = prints(["a", "A"], signatures=False)
    assert made.signature.shape == (2, 0)
    assert len(np.unique(prints(["a", "A"], ignore_case=True).exact, axis=0)) == 1
    assert len(Printer().finish()) == 0
    some = prints(["a b", "c d", "e f"])
    assert len(some.take(np.array([2, 0]))) == 2
    assert len(Prints.none(PERMUTATIONS)) == 0
    assert some.take(np.array([2, 0])).signature.tolist() == some.signature[[2, 0]].tolist()
