"""The whole pipeline against its stages written out, and what no stage may break."""

from __future__ import annotations

import tomllib
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from oracles.density_oracle import best_of, leaders, real_quotas

import datapruner as dp
from datapruner.core.items import Items
from datapruner.core.pruner import Pruner
from datapruner.core.reason import Reason
from datapruner.core.scores import Scores
from datapruner.core.selection import Selection
from datapruner.errors import InputError, MissingColumnError, ScoreError
from datapruner.scorers.concepts import Concepts
from datapruner.scorers.density import QUALITY_SHARE, Density
from datapruner.scorers.duplicates import Duplicates
from datapruner.vectors.kmeans import fit_centroids
from datapruner.vectors.store import open_vectors

COPY, POOR = int(Reason.DUPLICATE), int(Reason.QUALITY)
D = 10


def blobs(sizes: Any, spreads: Any, seed: int = 0) -> np.ndarray:
    """Rows about as many far-apart directions as there are sizes."""
    rng = np.random.default_rng(seed)
    centres = np.eye(D)[: len(sizes)]
    rows = [
        centre + spread * rng.normal(size=(size, D))
        for centre, size, spread in zip(centres, sizes, spreads, strict=True)
    ]
    return np.concatenate(rows).astype(np.float32)


def corpus(seed: int = 0) -> tuple[np.ndarray, np.ndarray]:
    """Rows of four concepts with near-copies of every fifth, and qualities with plenty of ties."""
    rng = np.random.default_rng(seed)
    x = blobs((60, 40, 25, 8), (0.3, 0.1, 0.2, 0.15), seed)
    copies = x[::5] + 0.002 * rng.normal(size=x[::5].shape)
    x = np.concatenate([x, copies, x[:3]]).astype(np.float32)[rng.permutation(160 + 3)]
    return x, rng.integers(0, 9, len(x)) / 8


X, CLIP = corpus()
N = len(X)


def items(x: Any = X, clip: Any = CLIP, **more: Any) -> Items:
    more.setdefault("id", [f"r{i}" for i in range(len(x))])
    return Items.of(len(x), embedding=x, **({} if clip is None else {"clip": clip}), **more)


def score(given: Items | None = None, seed: int = 0, **params: Any) -> Scores:
    return Density(**{"k": 5, **params})(items() if given is None else given, seed=seed)


def reasons(scores: Scores) -> list[int]:
    assert scores.rulings is not None
    return scores.rulings.reason.tolist()


def counts(selection: Selection) -> np.ndarray:
    scores = selection.scores
    return np.bincount(scores.groups[selection.indices], minlength=scores.n_groups)


# The chain, written out.


@pytest.mark.parametrize("seed", range(3))
@pytest.mark.parametrize("rule", ["leader", "any_earlier"])
@pytest.mark.parametrize("keep", ["hard", "easy", "best"])
def test_the_chain_is_its_stages_written_out(seed: int, rule: str, keep: str) -> None:
    x, clip = corpus(seed)
    given = items(x, clip)
    how: dict[str, Any] = {"temperature": 0.02, "neighbours": 2}
    found = score(given, rule=rule, keep=keep, quality="clip", quality_share=0.7, **how)
    centroids = fit_centroids(open_vectors(x), 5).centroids
    unit = x / np.linalg.norm(x, axis=1, keepdims=True)
    labels = (unit @ centroids.T).argmax(axis=1)
    assert found.groups.tolist() == labels.tolist()

    away = {"hard": -found.values, "easy": found.values, "best": -clip}[keep]
    ties = given.tie_keys()
    first = sorted(range(len(x)), key=lambda r: (float(away[r]), int(ties[r])))
    gone = leaders(x, labels, first, 0.05, rule)
    left = [r for r in range(len(x)) if r not in gone]
    good = best_of(left, clip, ties, 0.7)
    assert 20 < len(gone) < len(x) / 2
    assert reasons(found) == [
        COPY if r in gone else 0 if r in good else POOR for r in range(len(x))
    ]
    assert found.rulings is not None
    assert found.rulings.limit == min(clip[r] for r in good)
    assert found.twins is not None
    assert {r: int(found.twins.row[r]) for r in gone} == gone or keep == "best"

    for percent in (10, 25, 40):
        kept = dp.select(found, f"{percent}%")
        total = min(percent * len(x) // 100, len(good))
        assert len(kept) == total
        real = real_quotas(x, centroids, labels.tolist(), good, total, **how)
        assert np.abs(counts(kept) - real).max() < 1
        for j, quota in enumerate(counts(kept).tolist()):
            members = [r for r in good if labels[r] == j]
            hard = sorted(members, key=lambda r: (-found.values[r], int(ties[r])))
            assert set(hard[:quota]) == {r for r in kept.indices.tolist() if labels[r] == j}


def test_again_looks_for_copies_apart_and_fits_the_concepts_to_what_is_left() -> None:
    found = score(clusters="again", quality="clip")
    apart = Duplicates()(items())
    assert apart.twins is not None
    assert [r == COPY for r in reasons(found)] == apart.twins.is_duplicate.tolist()
    stays = np.array(reasons(found)) == 0
    centroids = fit_centroids(open_vectors(X), 5, rows=stays).centroids
    unit = X / np.linalg.norm(X, axis=1, keepdims=True)
    # Rows that are ruled out are assigned too, so that explain names their concept.
    assert found.groups.tolist() == (unit @ centroids.T).argmax(axis=1).tolist()
    alone = Concepts(k=5)(items().take(np.flatnonzero(stays)))
    assert found.group_weight is not None
    assert alone.group_weight is not None
    assert found.group_weight.tolist() == alone.group_weight.tolist()
    assert found.values[stays].tolist() == alone.values.tolist()
    assert found.details["clusters"] == "again"


def test_once_uses_the_same_clusters_for_both() -> None:
    found, plain = score(), Concepts(k=5)(items())
    assert found.values.tolist() == plain.values.tolist()
    assert found.groups.tolist() == plain.groups.tolist()
    assert found.group_weight is not None
    assert plain.group_weight is not None
    assert found.group_weight.tolist() != plain.group_weight.tolist()
    assert (found.details["clusters"], found.details["k"]) == ("once", 5)


@pytest.mark.parametrize("clusters", ["once", "again"])
def test_without_duplicates_and_quality_it_is_concepts(clusters: str) -> None:
    found, plain = score(eps=0.0, clusters=clusters), Concepts(k=5)(items())
    assert found.values.tolist() == plain.values.tolist()
    assert found.group_weight is not None
    assert plain.group_weight is not None
    assert found.group_weight.tolist() == plain.group_weight.tolist()
    assert found.twins is None
    assert not any(reasons(found))
    for budget in ("10%", "60%", "everything"):
        kept = dp.select(found, budget).ids.tolist()
        assert kept == dp.select(plain, budget).ids.tolist()


# What each stage is for.


def test_a_concept_of_copies_no_longer_dominates() -> None:
    rng = np.random.default_rng(5)
    spread = blobs((40, 40, 40), (0.2, 0.2, 0.2), 3)
    # One concept of few distinct rows far apart, each many times: spread out, large and empty.
    few = np.eye(D)[5] + 0.35 * rng.normal(size=(4, D))
    copies = np.repeat(few, 75, axis=0) + 1e-3 * rng.normal(size=(300, D))
    x = np.concatenate([spread, copies]).astype(np.float32)
    given = items(x, None)
    size = {}
    for name, scorer in (("concepts", Concepts(k=4)), ("density", Density(k=4))):
        kept = Pruner(scorer, allocate="weighted", pick="high")(given, "100 items")
        assert len(kept) == 100
        size[name] = int(np.count_nonzero(kept.indices >= 120))
    assert size["concepts"] >= 25
    assert size["density"] <= 4


@pytest.mark.parametrize("share", [0.1, 0.29, 0.5, 1 / 3, 0.6, 1.0])
@pytest.mark.parametrize("eps", [0.0, 0.05])
def test_the_cut_by_quality_is_exact_with_ties(share: float, eps: float) -> None:
    found = np.array(reasons(score(eps=eps, quality="clip", quality_share=share)))
    left = np.flatnonzero(found != COPY)
    stays = np.flatnonzero(found == 0)
    assert stays.size == int(share * left.size + 1e-9)
    assert set(stays) == set(best_of(left.tolist(), CLIP, items().tie_keys(), share))
    assert (eps == 0) == (left.size == N)


def test_six_tenths_stay_when_nobody_says() -> None:
    found = score(quality="clip")
    left = [r for r in reasons(found) if r != COPY]
    assert left.count(0) == int(QUALITY_SHARE * len(left) + 1e-9)
    assert found.details["quality_share"] == 0.6
    assert found.details["below_quality"] == left.count(POOR)


def test_best_keeps_the_highest_of_a_group_and_a_share_of_one_cuts_nothing() -> None:
    x = np.repeat(blobs((6,), (0.3,)), 3, axis=0)
    clip = np.tile([0.2, 0.9, 0.5], 6)
    found = score(items(x, clip), keep="best", quality="clip", quality_share=1, k=1)
    assert reasons(found) == [COPY, 0, COPY] * 6


def test_a_row_dropped_as_a_copy_names_the_row_it_repeats() -> None:
    found = score(quality="clip")
    kept = dp.select(found, "20%")
    assert found.twins is not None
    row = reasons(found).index(COPY)
    twin = int(found.twins.row[row])
    told = kept.explain(row)
    assert f"duplicates row {twin} (id r{twin}), similarity 0.9" in told or "similarity 1" in told
    assert "rule   duplicates another row" in told
    assert kept.reasons[row] == Reason.DUPLICATE


def test_a_row_cut_by_quality_tells_its_value_and_the_limit() -> None:
    found = score(quality="clip")
    assert found.rulings is not None
    assert found.rulings.limit is not None
    kept = dp.select(found, "20%")
    row = next(r for r, why in enumerate(reasons(found)) if why == POOR and CLIP[r] == 0)
    told = kept.explain(row)
    assert f'value  0 in "clip"; the lowest that stays is {found.rulings.limit:g}' in told
    assert 'rule   too low in "clip"' in told
    report = str(kept.report())
    assert 'too low in "clip"' in report
    assert "duplicates another row" in report
    assert "of 163 rows" in report


def test_a_budget_that_what_is_left_does_not_reach_keeps_all_of_it() -> None:
    found = score(quality="clip", quality_share=0.5)
    left = reasons(found).count(0)
    kept = dp.select(found, "95%")
    assert len(kept) == left
    assert kept.report().unspent.startswith(f"{95 * N // 100 - left} rows")
    assert len(dp.select(found, "everything")) == left


def test_notes_count_what_is_out() -> None:
    first = score(quality="clip").notes[0]
    assert first.startswith(f"density: of {N} rows ")
    assert 'are too low in "clip"' in first
    assert "too low" not in score().notes[0]
    assert not any(note.startswith("density") for note in score(eps=0.0).notes)


# Pins, order, seeds, engines.


def test_pinned_rows_stay_whatever_they_repeat_and_however_poor_they_are() -> None:
    plain = reasons(score(quality="clip"))
    pinned = np.zeros(N, dtype=bool)
    pinned[[plain.index(COPY), plain.index(POOR)]] = True
    found = score(items(pinned=pinned), quality="clip")
    assert not np.array(reasons(found))[pinned].any()
    kept = dp.select(found, "10%")
    assert len(kept) == N // 10
    assert (kept.reasons[pinned] == Reason.PINNED).all()


def test_a_share_that_pins_fill_has_no_limit_to_tell() -> None:
    pinned = np.arange(N) < 80
    found = score(items(pinned=pinned), quality="clip", quality_share=0.3, eps=0.0)
    assert found.rulings is not None
    assert found.rulings.limit is None
    assert np.flatnonzero(np.array(reasons(found)) == 0).tolist() == list(range(80))


@pytest.mark.parametrize("clusters", ["once", "again"])
@pytest.mark.parametrize("pick", ["high", "uniform", "ccs"])
def test_the_order_of_the_rows_is_nothing(clusters: str, pick: str) -> None:
    turn = np.random.default_rng(7).permutation(N)
    how: dict[str, Any] = {"quality": "clip", "keep": "best", "clusters": clusters}
    plain = score(**how)
    turned = score(items(X[turn], CLIP[turn], id=[f"r{i}" for i in turn]), **how)
    assert reasons(turned) == np.array(reasons(plain))[turn].tolist()
    assert turned.values.tolist() == plain.values[turn].tolist()
    for budget in ("7%", "30%"):
        kept = dp.select(plain, budget, pick=pick)
        assert dp.select(turned, budget, pick=pick).ids.tolist() == kept.ids.tolist()


def test_the_same_seed_gives_the_same_bytes(tmp_path: Path) -> None:
    for name in ("a", "b"):
        dp.select(score(quality="clip", seed=3), "20%").save(tmp_path / f"{name}.npz")
    assert (tmp_path / "a.npz").read_bytes() == (tmp_path / "b.npz").read_bytes()


def test_scores_come_back_from_a_file_and_are_cut_as_before(tmp_path: Path) -> None:
    found = score(quality="clip")
    found.save(tmp_path / "s.npz")
    again = Scores.load(tmp_path / "s.npz")
    for budget in ("10%", "45%"):
        kept = dp.select(found, budget)
        assert dp.select(again, budget).order.tolist() == kept.order.tolist()


def test_progress_is_told() -> None:
    seen: list[str] = []
    Density(k=3)(items(), progress=lambda stage, done, total: seen.append(stage))
    assert "compare" in seen


# Recipes and columns.


def test_a_recipe_comes_back_from_a_dict_and_from_toml() -> None:
    recipe = Pruner(Density(k=4, eps=0.1, quality="clip", quality_share=0.5, keep="best"))
    again = Pruner.from_dict(recipe.to_dict())
    assert again == recipe
    text = """
        method = "density"
        [params]
        k = 4
        eps = 0.1
        keep = "best"
        quality = "clip"
        quality_share = 0.5
    """
    assert Pruner.from_dict(tomllib.loads(text)) == recipe
    kept = recipe(items(), "20%")
    assert len(kept) == N // 5
    assert (kept.provenance.allocate, kept.provenance.pick) == ("weighted", "high")


@pytest.mark.parametrize("kind", ["columns", "rows", "file"])
def test_the_quality_is_read_from_the_data(kind: str, tmp_path: Path) -> None:
    import json

    rows = [
        {"id": f"r{i}", "v": v.tolist(), "clip": c}
        for i, (v, c) in enumerate(zip(X, CLIP.tolist(), strict=True))
    ]
    data: Any = rows
    if kind == "columns":
        data = {"id": [r["id"] for r in rows], "v": X, "clip": CLIP}
    if kind == "file":
        data = tmp_path / "rows.jsonl"
        data.write_text("".join(json.dumps(row) + "\n" for row in rows))
    how: dict[str, Any] = {"method": "density", "quality": "clip", "k": 5, "id": "id"}
    kept = dp.prune(data, budget="20%", embedding="v", **how)
    assert set(kept.ids.tolist()) == set(dp.select(score(quality="clip"), "20%").ids.tolist())


def test_duplicates_by_the_best_of_a_column_run_from_prune_too() -> None:
    x = np.repeat(blobs((8,), (0.3,)), 2, axis=0)
    data = {"v": x, "stars": np.tile([1, 2], 8)}
    kept = dp.prune(
        data, method="duplicates", budget="everything", embedding="v", keep="best", by="stars"
    )
    assert kept.indices.tolist() == list(range(1, 16, 2))


def test_bad_qualities_of_the_data_are_named_or_left_out() -> None:
    clip: list[Any] = CLIP.tolist()
    clip[3], clip[9], clip[11] = None, "good", float("nan")
    data = [{"v": v, "clip": c} for v, c in zip(X.tolist(), clip, strict=True)]
    how: dict[str, Any] = {"method": "density", "quality": "clip", "k": 5, "budget": "20%"}
    with pytest.raises(InputError, match=r'3 of the first .* row 3: "clip" is not a finite number'):
        dp.prune(data, embedding="v", **how)
    kept = dp.prune(data, embedding="v", on_bad="drop", **how)
    assert len(kept) == (N - 3) // 5
    assert (kept.reasons[[3, 9, 11]] == Reason.BAD_ROW).all()


def test_a_quality_that_is_not_there_is_named_with_the_nearest() -> None:
    data = {"v": X, "clip_score": CLIP}
    with pytest.raises(MissingColumnError, match=r'"clip_scor".*"clip_score"'):
        dp.prune(data, method="density", budget="20%", embedding="v", quality="clip_scor")
    with pytest.raises(MissingColumnError, match="density needs the column 'clap'"):
        score(quality="clap")
    with pytest.raises(InputError, match="column to go by is 'clip', but vectors alone have no"):
        dp.prune(X, method="density", budget="20%", quality="clip")


@pytest.mark.parametrize(
    ("column", "says"),
    [
        (["a"] * N, '"clip" does not hold numbers'),
        (np.zeros((N, 2)), r'"clip" has shape \(163, 2\); 163 rows need one number'),
        (np.r_[np.nan, CLIP[1:-1], np.inf], r"in 2 of 163 rows \(row 0: nan, row 162: inf\)"),
    ],
)
def test_a_column_that_is_no_quality_is_refused(column: Any, says: str) -> None:
    with pytest.raises(InputError, match=says):
        score(items(clip=column), quality="clip")


def test_rows_without_a_quality_are_barred_where_that_is_wished() -> None:
    clip = CLIP.copy()
    clip[[2, 5]] = np.nan
    found = score(items(clip=clip), quality="clip", on_bad="drop")
    assert np.flatnonzero(found.items.barred).tolist() == [2, 5]
    assert len(dp.select(found, "10%")) == (N - 2) // 10
    # A row that was barred before needs no quality.
    before = items(clip=clip, barred=np.isin(np.arange(N), [2, 5]))
    assert reasons(score(before, quality="clip")) == reasons(found)


def test_bad_vectors_are_named_or_barred() -> None:
    x = X.copy()
    x[4] = np.nan
    with pytest.raises(ScoreError, match=r"density: 1 of 163 vectors .*row 4: NaN"):
        score(items(x))
    found = score(items(x), quality="clip", clusters="again", on_bad="drop")
    assert np.flatnonzero(found.items.barred).tolist() == [4]
    assert reasons(found)[4] == 0


@pytest.mark.parametrize(
    ("params", "says"),
    [
        ({"k": 0}, "k is 0"),
        ({"temperature": 0.0}, "temperature is 0"),
        ({"eps": 1.5}, "eps is 1.5"),
        ({"rule": "most"}, "rule is 'most'"),
        ({"keep": "worst"}, "keep is 'worst'"),
        ({"keep": "best"}, 'keep is "best", but no column to go by'),
        ({"quality_share": 0.5}, "quality_share is given, but no column"),
        ({"quality": "clip", "quality_share": 0.0}, "quality_share is 0.0"),
        ({"quality": "clip", "quality_share": 1.5}, "quality_share is 1.5"),
        ({"quality": "clip", "quality_share": float("nan")}, "quality_share is nan"),
        ({"quality": "embedding"}, "holds vectors"),
        ({"clusters": "twice"}, "clusters is 'twice'"),
        ({"on_bad": "ignore"}, "on_bad is 'ignore'"),
    ],
)
def test_parameters_that_no_run_could_use_are_refused(params: Any, says: str) -> None:
    with pytest.raises(InputError, match=says):
        Density(**params)


# The edges.


@pytest.mark.parametrize("clusters", ["once", "again"])
@pytest.mark.parametrize("n", [0, 1, 2])
def test_a_few_rows_or_none(n: int, clusters: str) -> None:
    found = score(items(X[:n], CLIP[:n]), k=None, quality="clip", clusters=clusters)
    assert found.values.shape == (n,)
    assert len(dp.select(found, "100%")) == int(0.6 * n + 1e-9)
    assert len(dp.select(score(items(X[:n], None), k=None, clusters=clusters), "100%")) == n


@pytest.mark.parametrize("clusters", ["once", "again"])
def test_of_equal_rows_one_stays(clusters: str) -> None:
    found = score(items(np.ones((30, 4)), CLIP[:30]), k=None, clusters=clusters)
    assert reasons(found).count(0) == 1
    assert len(dp.select(found, "50%")) == 1
    poor = score(items(np.ones((30, 4)), CLIP[:30]), k=None, quality="clip", clusters=clusters)
    assert reasons(poor).count(0) == 0
    kept = dp.select(poor, "50%")
    assert len(kept) == 0
    assert "dropped" in kept.explain(0)
    whole = score(items(np.ones((30, 4)), CLIP[:30]), k=None, eps=0.0, clusters=clusters)
    assert len(dp.select(whole, "50%")) == 15


def test_one_concept_is_enough() -> None:
    found = score(k=1, quality="clip")
    assert found.n_groups == 1
    kept = dp.select(found, "20%")
    stays = np.flatnonzero(np.array(reasons(found)) == 0)
    worst = np.sort(found.values[kept.indices])[0]
    others = np.setdiff1d(stays, kept.indices)
    assert worst >= found.values[others].max()


def test_more_concepts_than_rows_are_refused_but_not_more_than_are_left() -> None:
    with pytest.raises(InputError, match="k"):
        score(items(X[:4], CLIP[:4]), k=5)
    with pytest.raises(InputError, match="k"):
        score(items(X[:4], CLIP[:4]), k=5, clusters="again")
    x = np.repeat(blobs((5,), (0.3,)), 2, axis=0)
    found = score(items(x, CLIP[:10]), k=8, clusters="again")
    assert found.details["k"] == 5
    assert reasons(found).count(0) == 5
