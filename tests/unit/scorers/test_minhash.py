"""Shingles and MinHash against sets in plain Python; groups that depend on no order."""

from __future__ import annotations

import re

import numpy as np
import pytest

from datapruner.scorers.minhash import (
    PERMUTATIONS,
    Printer,
    Prints,
    estimated,
    near_copies,
    rows_in_band,
)
from datapruner.scorers.shingles import batches, shingles

WORDS = [f"w{n}" for n in range(400)]


def literal(text: str, size: int = 5) -> list[tuple[str, ...]]:
    words = re.findall(r"[a-z0-9]+|[^\sa-z0-9]", text.lower())
    if len(words) < size:
        return [tuple(words)] if words else []
    return [tuple(words[i : i + size]) for i in range(len(words) - size + 1)]


def prints(texts: list[str], **how: bool) -> Prints:
    printer = Printer(**how)
    printer.add(texts)
    return printer.finish()


def long_text(seed: int, words: int = 120) -> list[str]:
    return np.random.default_rng(seed).choice(WORDS, words).tolist()


TEXTS = [
    "The cat sat on the mat, and the cat sat on the mat again.",
    "the CAT sat on the mat, and",
    "x = a + b",
    "x = a - b",
    "one two",
    "  one\n two ",
    "!",
    "",
    " ".join(long_text(1)),
]


def test_equal_shingles_have_equal_hashes_and_no_others_do() -> None:
    hashes, ends = shingles(TEXTS)
    named: dict[tuple[str, ...], int] = {}
    for text, start, stop in zip(TEXTS, ends[:-1], ends[1:], strict=True):
        want = literal(text)
        assert stop - start == len(want)
        for shingle, value in zip(want, hashes[start:stop].tolist(), strict=True):
            assert named.setdefault(shingle, value) == value
    assert len(set(named.values())) == len(named)


def test_a_text_has_the_same_hashes_in_any_company() -> None:
    together, ends = shingles(TEXTS)
    for i, text in enumerate(TEXTS):
        assert shingles([text])[0].tolist() == together[ends[i] : ends[i + 1]].tolist()
    assert shingles([])[1].tolist() == [0]


def test_scripts_without_spaces_and_signs_are_words_of_their_own() -> None:
    assert np.diff(shingles(["日本語の文章です", "“quoted” — so"])[1]).tolist() == [4, 1]
    assert np.diff(shingles(["été à la plage ce soir"])[1]).tolist() == [2]


def test_batches_hold_every_text_once() -> None:
    texts = ["a" * 200_000, "b", "", "c" * 200_000, "d"]
    parts = list(batches(texts))
    assert [t for part in parts for t in part] == texts
    assert len(parts) == 3
    assert list(batches([])) == []


def test_the_estimate_is_near_the_jaccard_of_the_sets() -> None:
    base = long_text(2, 300)
    texts = [" ".join(base[cut:] + long_text(3, cut)) for cut in (0, 10, 40, 100, 200)]
    made = prints(texts)
    for row in range(1, len(texts)):
        left, right = set(literal(texts[0])), set(literal(texts[row]))
        want = len(left & right) / len(left | right)
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


def test_a_printer_without_signatures_makes_keys_alone() -> None:
    made = prints(["a", "A"], signatures=False)
    assert made.signature.shape == (2, 0)
    assert len(np.unique(prints(["a", "A"], ignore_case=True).exact, axis=0)) == 1
    assert len(Printer().finish()) == 0
    some = prints(["a b", "c d", "e f"])
    assert len(some.take(np.array([2, 0]))) == 2
    assert some.take(np.array([2, 0])).signature.tolist() == some.signature[[2, 0]].tolist()
