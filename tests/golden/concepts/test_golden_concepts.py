from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest

import datapruner as dp
from datapruner.core.items import Items
from datapruner.scorers.clustered import Clustered
from datapruner.scorers.complexity import complexity, mean_spread, separation, tally
from datapruner.scorers.concepts import Concepts
from datapruner.vectors.assign import Assignment, assign
from datapruner.vectors.centroids import Centroids
from datapruner.vectors.store import open_vectors

CASE: dict[str, Any] = json.loads(Path(__file__).with_name("case.json").read_text("utf-8"))
CLOSE = {"rtol": 0, "atol": 1e-6}


def on_circle(degrees: Any) -> Any:
    radians = np.deg2rad(np.asarray(degrees, dtype=np.float64))
    return np.stack([np.cos(radians), np.sin(radians)], axis=1).astype(np.float32)


ROWS = on_circle([angle for angles in CASE["angles"].values() for angle in angles])
CENTROIDS = Centroids(on_circle(CASE["centroids"]), 3, "cosine", "given", "cpu", 9, 0, 0)
LIVE = np.ones(3, dtype=bool)


def assigned() -> Assignment:
    return assign(open_vectors(ROWS), CENTROIDS)


def test_spread_separation_and_complexity() -> None:
    found = assigned()
    assert found.labels.tolist() == [0, 0, 0, 1, 1, 2, 2, 2, 2]
    np.testing.assert_allclose(found.distance, CASE["distances"], **CLOSE)
    spread = mean_spread(*tally(found.labels, found.distance, 3))
    apart = separation(CENTROIDS.centroids, LIVE, CASE["neighbours"])
    np.testing.assert_allclose(spread, CASE["d_intra"], **CLOSE)
    np.testing.assert_allclose(apart, CASE["d_inter"], **CLOSE)
    np.testing.assert_allclose(complexity(spread, apart, LIVE), CASE["complexity"], **CLOSE)


@pytest.mark.parametrize("at", CASE["temperatures"], ids=lambda at: f"tau {at['tau']}")
def test_shares_quotas_and_the_rows_kept(at: dict[str, Any]) -> None:
    found = assigned()
    scorer = Concepts(k=3, neighbours=CASE["neighbours"], temperature=at["tau"])
    scores = scorer.weigh(Clustered(Items.of(9), CENTROIDS, found.labels, found.distance))
    np.testing.assert_allclose(scores.group_weight, at["shares"], **CLOSE)
    kept = dp.select(scores, f"{CASE['budget']} items").indices
    assert np.bincount(scores.groups[kept], minlength=3).tolist() == at["quotas"]
    assert set(at["always_kept"]) <= set(kept.tolist())
    assert len(set(at["one_of"]) & set(kept.tolist())) == 1
