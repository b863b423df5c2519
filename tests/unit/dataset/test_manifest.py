from __future__ import annotations

import copy
import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest

import datapruner as dp
from datapruner.core.items import Items
from datapruner.core.scores import Scores
from datapruner.dataset.manifest import (
    build_manifest,
    compare,
    file_digest,
    ids_digest,
    read_manifest,
    to_bytes,
)
from datapruner.errors import FormatError, InputError


def make(order: Any = None) -> dict[str, Any]:
    rows = np.arange(10) if order is None else np.asarray(order)
    scores = Scores(rows.astype(np.float64), Items.of(10, id=[f"r{v}" for v in rows]))
    return build_manifest(
        config={"inputs": ["c.jsonl"], "out": "k.jsonl", "budget": "30%"},
        selection=dp.select(scores, "30%"),
        input={"description": "c.jsonl", "sha256": "a" * 64, "rows": 10},
        output={"file": "k.jsonl", "sha256": "b" * 64, "rows": 3},
        bad=0,
    )


def test_counts_add_up_and_bytes_are_stable() -> None:
    manifest = make()
    assert manifest["counts"] == {
        "rows": 10,
        "bad": 0,
        "kept": 3,
        "reasons": {"admitted": 3, "count": 7},
    }
    assert sum(manifest["counts"]["reasons"].values()) == 10
    assert to_bytes(manifest) == to_bytes(json.loads(to_bytes(manifest)))
    assert {"python", "datapruner", "numpy"} <= set(manifest["versions"])


def test_the_digest_of_the_kept_ids_forgets_the_order() -> None:
    assert make()["kept_ids"] == make(np.random.default_rng(0).permutation(10))["kept_ids"]
    scores = Scores(np.arange(4.0), Items.of(4))
    assert ids_digest(dp.select(scores, "50%")) != ids_digest(dp.select(scores, "25%"))


def test_equal_manifests_do_not_differ_whatever_the_versions() -> None:
    other = make()
    other["versions"]["numpy"] = "0.1"
    assert compare(make(), other) == []


def test_what_differs_is_told_with_the_suspects() -> None:
    other = copy.deepcopy(make())
    other["counts"]["kept"] = 1234
    other["output"]["sha256"] = "c" * 64
    other["versions"]["numpy"] = "0.1"
    other["ran"]["backend"] = "sklearn"
    assert compare(make(), other) == [
        "rows kept: 3 then, 1,234 now",
        f"output: sha256 {'b' * 12} then, sha256 {'c' * 12} now",
        "ran with backend: None then, sklearn now",
        f"version of numpy: {np.__version__} then, 0.1 now",
    ]


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("{", "is not a manifest"),
        ("[]", "not a datapruner manifest"),
        ('{"format": "datapruner.manifest", "version": 9}', "manifest version 9"),
        ('{"format": "datapruner.manifest", "version": 1}', "does not say config.inputs"),
    ],
)
def test_what_is_no_manifest_is_refused(tmp_path: Path, text: str, said: str) -> None:
    path = tmp_path / "m.json"
    path.write_text(text)
    with pytest.raises(FormatError, match=said):
        read_manifest(path)
    with pytest.raises(InputError, match="no manifest"):
        read_manifest(tmp_path / "none.json")


def test_a_manifest_comes_back(tmp_path: Path) -> None:
    path = tmp_path / "m.json"
    path.write_bytes(to_bytes(make()))
    assert read_manifest(path) == json.loads(to_bytes(make()))
    assert len(file_digest(path)) == 64
