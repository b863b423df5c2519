"""Rows of another data set: who goes depends on the row and that set alone."""

from __future__ import annotations

import random
from dataclasses import replace
from typing import Any

import numpy as np
import pytest

from datapruner.core.items import Items
from datapruner.core.scores import Scores
from datapruner.core.select import select
from datapruner.errors import InputError, ScoreError
from datapruner.scorers.against import Reference, copies_of, near_copies_of, stages
from datapruner.scorers.dedup import Dedup
from datapruner.scorers.duplicates import Duplicates
from datapruner.scorers.minhash import PERMUTATIONS, Printer, Prints, least_estimate
from datapruner.scorers.tosize import around

WORDS = [f"word{n}" for n in range(400)]


def long_text(seed: int) -> list[str]:
    return random.Random(seed).sample(WORDS, 100)


def prints(texts: list[str], **how: Any) -> Prints:
    printer = Printer(**how)
    printer.add(texts)
    return printer.finish()


def items(texts: list[str], x: Any = None, **more: Any) -> Items:
    ids = more.pop("id", [f"t{i}" for i in range(len(texts))])
    features = {} if x is None else {"embedding": x}
    return Items.of(len(texts), id=ids, prints=prints(texts), **features, **more)


def reference(texts: list[str], x: Any = None, name: str = "test", **more: Any) -> Reference:
    more.setdefault("id", [f"o{i}" for i in range(len(texts))])
    return Reference.of(name, items(texts, x, **more))


def unit(n: int, d: int = 16, seed: int = 0) -> np.ndarray:
    x = np.random.default_rng(seed).normal(size=(n, d)).astype(np.float32)
    return x / np.linalg.norm(x, axis=1)[:, None]


def close_to(x: np.ndarray, cosine: float, seed: int = 0) -> np.ndarray:
    """Rows at this cosine to the given ones."""
    aside = unit(len(x), x.shape[1], seed + 77)
    aside -= (aside * x).sum(1)[:, None] * x
    aside /= np.linalg.norm(aside, axis=1)[:, None]
    return (cosine * x + np.sqrt(1 - cosine**2) * aside).astype(np.float32)


def found(scores: Scores) -> list[tuple[str | None, str]]:
    twins = scores.twins
    assert twins is not None
    names = ("", *twins.stages)
    return [
        (twins.foreign_id(row) if stage else None, names[stage])
        for row, stage in enumerate(twins.stage.tolist())
    ]


def test_exact_copies_are_those_of_equal_texts() -> None:
    ours = ["a b", "c", "a  b", "d e", "c"]
    theirs = ["x", "d e", "c ", "c", "a b"]
    other = reference(theirs)
    expected = []
    for text in ours:
        same = [i for i, t in enumerate(theirs) if " ".join(t.split()) == " ".join(text.split())]
        expected.append(min(same, key=lambda i: other.ties[i]) if same else -1)
    assert copies_of(prints(ours), np.arange(5), other).tolist() == expected
    none = replace(other, usable=np.zeros(5, dtype=bool))
    assert copies_of(prints(ours), np.arange(5), none).tolist() == [-1] * 5
    assert copies_of(prints(ours), np.arange(0), other).size == 0


def test_near_copies_are_those_whose_signatures_agree() -> None:
    rng = np.random.default_rng(0)
    theirs = [" ".join(long_text(seed)) for seed in range(60)]
    ours = []
    for seed in range(60):
        words = long_text(seed)
        for place in rng.integers(0, len(words), seed // 10):
            words[place] = "changed"
        ours.append(" ".join(words))
    ours += [" ".join(long_text(seed)) for seed in range(900, 940)] + ["", "!"]
    a, other = prints(ours), reference([*theirs, ""])
    assert other.prints is not None
    b = other.prints.signature
    place, similarity = near_copies_of(a, np.arange(len(ours)), other, 0.8)
    for row in range(len(ours)):
        share = (a.signature[row] == b).mean(axis=1)
        near = a.has_words[row] and share[:60].max() >= least_estimate(0.8)
        assert (place[row] >= 0) == near, (row, share.max())
        if near:
            assert similarity[row] == share[place[row]] == share[:60].max()
    assert 30 <= np.count_nonzero(place >= 0) < 60
    assert b.shape[1] == PERMUTATIONS


def test_a_row_is_dropped_whoever_stands_first_and_others_of_its_group_stay() -> None:
    """b repeats the test row; a, which is close to b and not to the test row, stays."""
    test = unit(1)
    b = close_to(test, 0.96)
    a = close_to(b, 0.96, seed=3)
    assert float(a[0] @ test[0]) < 0.95 < float(b[0] @ test[0])
    x = np.concatenate([a, b])
    given = items(["one", "two"], x, stars=[2, 1])
    scores = Dedup(Duplicates(keep="best", by="stars", k=1))(
        given, against=[reference(["o"], test)]
    )
    assert found(scores) == [(None, ""), ("o0", "semantic against test")]
    alone = Dedup(Duplicates(keep="best", by="stars", k=1))(given)
    assert alone.twins is not None
    assert alone.twins.is_duplicate.tolist() == [False, True]


def test_it_is_what_comparing_every_pair_gives() -> None:
    rng = np.random.default_rng(2)
    y = unit(80, seed=1)
    x = np.concatenate([unit(60, seed=2), *(close_to(y[:20], c) for c in (0.93, 0.951, 0.99))])
    texts = [f"text {i} " + " ".join(rng.permutation(WORDS)[:30]) for i in range(len(x))]
    given = items(texts, x)
    other = reference([f"other {i}" for i in range(80)], y)
    cosine = (x.astype(np.float64) @ y.astype(np.float64).T).max(axis=1)
    for inside in ("drop", "keep"):
        scores = Dedup(Duplicates(k=5), inside=inside)(given, against=[other])
        assert scores.twins is not None
        gone = np.array([stage.endswith("test") for _, stage in found(scores)])
        assert (gone == (cosine > 0.95)).all()
        assert gone.sum() == 40
        assert np.abs(scores.values[gone] - cosine[gone]).max() < 1e-6
    assert np.abs(scores.values - cosine).max() < 1e-6
    assert not scores.twins.is_duplicate[~gone].any()
    assert scores.twins.has_twin.all()


def test_each_stage_finds_its_own_and_tells_how_much() -> None:
    base = [" ".join(long_text(seed)) for seed in range(4)]
    y = np.eye(4, 8, dtype=np.float32)
    near = long_text(1)
    near.pop(50)
    ours = [base[0], " ".join(near), "another text", "nothing like it", "a new one"]
    x = np.eye(8, dtype=np.float32)[[4, 5, 2, 6, 7]]
    x[2, 7] = 0.1
    scores = Dedup(Duplicates(k=2))(items(ours, x), against=[reference(base, y)])
    assert found(scores) == [
        ("o0", "exact against test"),
        ("o1", "MinHash against test"),
        ("o2", "semantic against test"),
        (None, ""),
        (None, ""),
    ]
    assert scores.values[:2].tolist() == [1, 1]
    assert scores.details["against"] == [
        {
            "name": "test",
            "rows": 4,
            "search": "searched exhaustively",
            "exact": 1,
            "minhash": 1,
            "semantic": 1,
        }
    ]
    assert scores.details["exact"] == scores.details["semantic"] == 0
    assert "4 rows of test (searched exhaustively): dropped 1 exact" in scores.notes[0]
    kept = select(scores, "100%", pick="distinct")
    assert kept.indices.tolist() == [3, 4]
    assert "duplicates id o1 of another data set" in kept.explain(1)
    assert not around(scores, 0.95).above  # pairs of other data sets are not for tuning eps


def test_references_are_asked_one_after_another() -> None:
    texts = ["a", "b", "c", "d"]
    x = unit(4)
    first, second = (
        reference(["a"], unit(1, seed=5), "one"),
        reference(["b", "a"], x[[1, 2]], "two"),
    )
    given = [first, second]
    assert stages(given)[3] == "exact against two"
    scores = Dedup(Duplicates(k=1), inside="keep")(items(texts, x), against=given)
    assert found(scores)[:3] == [
        ("o0", "exact against one"),
        ("o0", "exact against two"),
        ("o1", "semantic against two"),
    ]
    nearest = scores.twins
    assert nearest is not None
    cosine = np.concatenate([unit(1, seed=5), x[[1, 2]]]) @ x[3]
    assert abs(float(nearest.similarity[3]) - float(cosine.max())) < 1e-6


def test_pinned_rows_stay_and_barred_rows_are_not_asked() -> None:
    texts, x = ["a", "b", "c"], unit(3)
    given = items(texts, x, pinned=np.arange(3) == 0, barred=np.arange(3) == 1)
    other = reference(texts, x)
    scores = Dedup(Duplicates(k=1))(given, against=[other])
    assert found(scores) == [(None, ""), (None, ""), ("o2", "exact against test")]


def test_unusable_rows_of_the_reference_drop_nobody() -> None:
    x = unit(2)
    other = reference(["a", "b"], x, barred=np.array([True, False]))
    scores = Dedup(Duplicates(k=1))(items(["a", "b"], x), against=[other])
    assert found(scores) == [(None, ""), ("o1", "exact against test")]


def test_bad_vectors_are_an_error_or_barred_with_inside_keep_as_well() -> None:
    x = unit(3)
    x[1] = 0
    other = reference(["z"], unit(1, seed=4))
    with pytest.raises(ScoreError, match="row 1: zero length"):
        Dedup(Duplicates(k=1), inside="keep")(items(["a", "b", "c"], x), against=[other])
    lax = Dedup(Duplicates(k=1, on_bad="drop"), inside="keep")
    assert lax(items(["a", "b", "c"], x), against=[other]).items.barred.tolist() == [0, 1, 0]
    copied = lax(items(["a", "z", "c"], x), against=[other])
    assert found(copied)[1] == ("o0", "exact against test")
    assert not copied.items.barred.any()


def test_stages_can_be_left_out() -> None:
    base = " ".join(long_text(1))
    near = " ".join(long_text(1)[1:])
    x, y = unit(2), unit(1, seed=3)
    both = [reference([base], y)]
    given = items([base, near], x)
    assert [s for _, s in found(Dedup(Duplicates(k=1), jaccard=1.0)(given, against=both))] == [
        "exact against test",
        "",
    ]
    text_only = Dedup(Duplicates(eps=0.0), inside="keep")(given, against=both)
    assert [s for _, s in found(text_only)] == ["exact against test", "MinHash against test"]
    assert text_only.details["against"][0]["search"] == "by texts alone"
    bare = Items.of(2, embedding=np.concatenate([y, x[:1]]))
    vectors = Dedup(Duplicates(k=1))(bare, against=both)
    assert found(vectors)[0] == ("o0", "semantic against test")
    no_vectors = replace(both[0], vectors=None, prints=None)
    assert not found(Dedup(Duplicates(k=2))(given, against=[no_vectors]))[1][1]


def test_what_inside_means_is_one_of_two() -> None:
    with pytest.raises(InputError, match="inside is 'some'"):
        Dedup(inside="some")  # type: ignore[arg-type]


def test_an_empty_reference_and_no_rows_at_all_are_no_trouble() -> None:
    x = unit(3)
    nobody = reference([], np.empty((0, 16), np.float32))
    plain = Dedup(Duplicates(k=1))(items(["a", "b", "c"], x), against=[nobody])
    assert not plain.twins.is_duplicate.any()  # type: ignore[union-attr]
    empty = Dedup(Duplicates())(items([], np.empty((0, 16), np.float32)), against=[nobody])
    assert empty.values.size == 0
    some = Dedup(Duplicates(), inside="keep")(
        items([], np.empty((0, 16), np.float32)), against=[reference(["a"], x[:1])]
    )
    assert some.values.size == 0
