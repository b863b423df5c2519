"""The cascade: each stage sees what is left, and a wanted size is met."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

from datapruner.core.items import Items
from datapruner.core.scores import Scores
from datapruner.core.select import select
from datapruner.errors import InputError
from datapruner.scorers.dedup import STAGES, Dedup
from datapruner.scorers.duplicates import Duplicates, keep_order
from datapruner.scorers.minhash import Printer
from datapruner.scorers.tosize import around, eps_for, suggest_threshold
from datapruner.scorers.triangle import RULES

LONG = " ".join(f"word{n}" for n in range(80))
TEXTS = [
    LONG,
    LONG.upper(),  # a near-copy: exact keys keep the case
    f" {LONG}\n",  # an exact copy
    "what is my balance",
    "tell me my balance please",  # a semantic copy of the row before, by its vector
    "freeze my card",
]


def items(texts: list[str] = TEXTS, vectors: Any = None, **more: Any) -> Items:
    printer = Printer()
    printer.add(texts)
    if vectors is None:
        vectors = np.eye(len(texts), 8, dtype=np.float32)
        vectors[1] = vectors[2] = vectors[0]
        vectors[4] = vectors[3] + 0.1 * vectors[4]
    return Items.of(
        len(texts),
        id=[f"t{i}" for i in range(len(texts))],
        embedding=vectors,
        prints=printer.finish(),
        **more,
    )


def twins(scores: Scores) -> list[tuple[int, str]]:
    found = scores.twins
    assert found is not None
    names = ("", *found.stages)
    return [(int(r) if s else -1, names[s]) for r, s in zip(found.row, found.stage, strict=True)]


def best(**how: Any) -> Duplicates:
    return Duplicates(keep="best", by="stars", k=2, **how)


STARS = {"stars": [6, 5, 4, 3, 2, 1]}


def test_every_stage_finds_its_own_copies() -> None:
    scores = Dedup(best())(items(**STARS))
    assert twins(scores) == [
        (-1, ""),
        (0, "MinHash"),
        (0, "exact"),
        (-1, ""),
        (3, "semantic"),
        (-1, ""),
    ]
    assert scores.values[[1, 2]].tolist() == [1, 1]
    assert scores.details["exact"] == scores.details["minhash"] == scores.details["semantic"] == 1
    assert scores.groups[2] == scores.groups[0]
    kept = select(scores, "100%", pick="distinct")
    assert kept.indices.tolist() == [0, 3, 5]
    assert "duplicates row 0 (id t0), similarity 1 (exact)" in kept.explain(2)


def test_stages_can_be_left_out() -> None:
    no_near = Dedup(best(), jaccard=1.0)(items(**STARS))
    assert [stage for _, stage in twins(no_near)] == ["", "semantic", "exact", "", "semantic", ""]
    text_only = Dedup(best(eps=0.0))(items(vectors=np.zeros((6, 1)), **STARS))
    assert [stage for _, stage in twins(text_only)] == ["", "MinHash", "exact", "", "", ""]
    assert Dedup(best(eps=0.0)).needs == ("prints",)
    bare = Items.of(6, embedding=items().features["embedding"], **STARS)
    assert [stage for _, stage in twins(Dedup(best())(bare))] == [
        *("", "semantic", "semantic", "", "semantic", "")
    ]


def test_copies_do_not_count_as_rows_to_cluster_and_bad_vectors_stay_out() -> None:
    vectors = items().features["embedding"].copy()
    vectors[5] = 0
    scores = Dedup(best(on_bad="drop"))(items(vectors=vectors, **STARS))
    assert scores.items.barred.tolist() == [False] * 5 + [True]
    assert scores.details["sample"] == 4  # rows 0, 1, 3 and 4


def test_pinned_rows_stay_and_labels_are_groups() -> None:
    pinned = np.arange(6) == 2
    given = items(pinned=pinned, group=list("aabbab"), **STARS)
    kept = select(Dedup(best())(given), "100%", pick="distinct")
    assert kept.mask[2]
    assert kept.scores.names == ("a", "b")


def test_the_threshold_of_near_copies_is_checked() -> None:
    with pytest.raises(InputError, match=r"jaccard is 0\.05"):
        Dedup(jaccard=0.05)


def many(n: int = 300) -> Items:
    rng = np.random.default_rng(1)
    x = rng.normal(size=(n, 8)).astype(np.float32)
    x[n // 2 :] = x[: n // 2] + 0.3 * rng.normal(size=(n - n // 2, 8))
    texts = [f"text number {i} of them" for i in range(n)]
    texts[7] = texts[3]
    return items(texts, x)


@pytest.mark.parametrize("rule", RULES)
@pytest.mark.parametrize("wanted", [1, 40, 150, 280, 299, 300])
def test_exactly_as_many_stay_as_are_wanted(rule: Any, wanted: int) -> None:
    scores = Dedup(Duplicates(rule=rule), size=wanted)(many())
    kept = select(scores, f"{wanted} items", pick="distinct")
    assert len(kept) == min(wanted, 299)  # one is an exact copy


@pytest.mark.parametrize("rule", RULES)
def test_the_eps_for_a_size_leaves_few_to_trim(rule: Any) -> None:
    scorer = Duplicates(rule=rule)
    found = scorer.cluster(many())
    order = keep_order(found.items, found.distance, "hard")
    chosen = eps_for(scorer, found, order, 200)
    _, after = chosen.compare(found, order)
    left = 300 - np.count_nonzero(after.is_duplicate)
    assert 200 <= left <= 203
    assert eps_for(scorer, found, order, 300).eps == 0
    assert eps_for(scorer, found, order, 0).eps == 1


def test_a_threshold_is_suggested_with_the_pairs_around_it() -> None:
    scores = Duplicates(rule="any_earlier")(many())
    found = suggest_threshold(scores, 0.6)
    assert (found.kept, found.rows, found.share) == (180, 300, 0.6)
    assert found.eps == 1 - found.threshold
    assert all(p.similarity > found.threshold for p in found.above)
    assert all(p.similarity <= found.threshold for p in found.below)
    ranked = np.sort(scores.values)
    assert [p.similarity for p in found.above] == ranked[180:185].tolist()
    assert [p.similarity for p in found.below] == ranked[179:174:-1].tolist()
    told = str(found)
    assert "keeps 180 of 300 rows (60.0%)" in told
    assert found.above[0].id in told
    kept = select(Duplicates(rule="any_earlier", eps=found.eps)(many()), "100%")
    assert len(kept) == 180
    assert found.to_dict()["above"][0]["row"] == found.above[0].row


def test_rows_of_the_text_stages_are_no_pairs() -> None:
    scores = Dedup(Duplicates(rule="any_earlier"))(many())
    assert suggest_threshold(scores, 1.0).kept == 299
    assert not around(scores, 1.0).above


@pytest.mark.parametrize("share", [0.0, 1.5, 0.001])
def test_a_share_that_keeps_nothing_is_refused(share: float) -> None:
    with pytest.raises(InputError, match="share"):
        suggest_threshold(Duplicates()(many()), share)


def test_scores_without_twins_have_no_threshold_to_suggest() -> None:
    with pytest.raises(InputError, match="name no twins"):
        suggest_threshold(Scores(np.zeros(2), Items.of(2)), 0.5)
    empty = Scores(np.zeros(0), Items.of(0), twins=Dedup()(items([], np.zeros((0, 2)))).twins)
    assert "0 of 0 rows" in str(around(empty, 0.5))


def test_the_stages_have_their_names() -> None:
    assert STAGES == ("exact", "MinHash", "semantic")
