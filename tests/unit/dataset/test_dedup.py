"""dedup() from Python: another data set to stay clear of, and rows without texts."""

from __future__ import annotations

import random
from pathlib import Path
from typing import Any

import numpy as np
import polars as pl
import pytest

import datapruner as dp

WORDS = [f"word{n}" for n in range(500)]


def text(seed: int) -> str:
    return " ".join(random.Random(seed).sample(WORDS, 40))


def rows(*seeds: int, **more: Any) -> list[dict[str, Any]]:
    return [{"id": f"r{seed}", "text": text(seed), **more} for seed in seeds]


def kept(found: dp.Selection) -> set[str]:
    return {str(id) for id in found.ids.tolist()}


OFFLINE: dict[str, Any] = {"embedder": "offline", "id": "id"}


def test_rows_of_a_test_set_go_and_copies_inside_go_as_well() -> None:
    data = [*rows(*range(30)), {"id": "copy", "text": text(4)}]
    test = [{"id": "t1", "text": f" {text(3)} "}, {"id": "t2", "text": text(7).upper()}, *rows(99)]
    found = dp.dedup(data, against=test, **OFFLINE)
    gone = {f"r{i}" for i in range(30)} | {"copy"}
    gone -= kept(found)
    assert gone in ({"r3", "r7", "copy"}, {"r3", "r7", "r4"})
    assert "id t1 of another data set, similarity 1 (exact against list of dicts)" in (
        found.explain(3)
    )
    alone = dp.dedup(data, against=test, inside="keep", **OFFLINE)
    assert {f"r{i}" for i in range(30)} | {"copy"} == kept(alone) | {"r3", "r7"}
    assert len(dp.dedup(data, against=[], **OFFLINE)) == 30
    assert len(dp.dedup(rows(1, 2), against=rows(*range(40)), **OFFLINE)) == 0


def test_the_order_of_either_set_means_nothing() -> None:
    data, test = rows(*range(60), *range(200, 210)), rows(*range(40, 90))
    test += [{"id": f"again{i}", "text": text(50 + i)} for i in range(10)]
    plain = dp.dedup(data, against=test, **OFFLINE)
    shuffled, other = data[:], test[:]
    random.Random(1).shuffle(shuffled)
    random.Random(2).shuffle(other)
    again = dp.dedup(shuffled, against=other, **OFFLINE)
    assert kept(plain) == kept(again)
    at = {row["id"]: i for i, row in enumerate(shuffled)}
    for i, row in enumerate(data):
        if row["id"] not in kept(plain):
            first, second = plain.explain(i), again.explain(at[row["id"]])
            assert first.split("twin")[1] == second.split("twin")[1]


def test_the_other_set_may_have_columns_and_a_container_of_its_own(tmp_path: Path) -> None:
    data = rows(1, 2, 3)
    frame = pl.DataFrame({"doc": ["d"], "body": [text(2)]})
    found = dp.dedup(data, against=frame, against_text="body", against_id="doc", **OFFLINE)
    assert kept(found) == {"r1", "r3"}
    assert "id d of another" in found.explain(1)
    assert "against polars.DataFrame)" in found.explain(1)
    frame.write_parquet(tmp_path / "test.parquet")
    again = dp.dedup(data, against=tmp_path / "test.parquet", against_text="body", **OFFLINE)
    assert "id 0 of another data set, similarity 1 (exact against test.parquet)" in (
        again.explain(1)
    )
    with pytest.raises(dp.MissingColumnError, match="against_text"):
        dp.dedup(data, against=frame, **OFFLINE)


def test_bad_rows_of_the_other_set_stop_the_run_or_drop_nobody() -> None:
    test = [*rows(1), {"id": "bad", "text": None}, {"id": "empty", "text": " "}]
    with pytest.raises(dp.InputError, match="cannot be used"):
        dp.dedup(rows(1, 2), against=test, **OFFLINE)
    found = dp.dedup(rows(1, 2), against=test, on_bad="drop", **OFFLINE)
    assert kept(found) == {"r2"}
    vectors = np.eye(3, dtype=np.float32)
    with pytest.raises(dp.ScoreError, match=r"against .*1 of 1 vectors cannot be used"):
        dp.dedup(vectors, against=np.zeros((1, 3), np.float32))
    assert len(dp.dedup(vectors, against=np.zeros((1, 3), np.float32), on_bad="drop")) == 3


def test_vectors_are_compared_with_vectors(tmp_path: Path) -> None:
    x = np.random.default_rng(0).normal(size=(40, 8)).astype(np.float32)
    found = dp.dedup(x, against=2 * x[5:7])
    assert sorted(set(range(40)) - set(found.indices.tolist())) == [5, 6]
    assert "id 1 of another data set, similarity 1 (semantic" in found.explain(6)
    np.save(tmp_path / "test.npy", x[:3])
    assert len(dp.dedup(embedding=x, against=str(tmp_path / "test.npy"))) == 37
    table = [{"name": f"n{i}", "v": x[i].tolist()} for i in range(4)]
    assert len(dp.dedup(x, against=table, against_embedding="v", against_id="name")) == 36
    with pytest.raises(dp.InputError, match=r"width 8, those of .* 3"):
        dp.dedup(x, against=np.eye(3, dtype=np.float32))
    with pytest.raises(dp.MissingColumnError, match="against_embedding"):
        dp.dedup(x, against=table)


def test_rows_with_texts_and_vectors_use_both() -> None:
    x = np.random.default_rng(0).normal(size=(6, 8)).astype(np.float32)
    data = [{**row, "v": x[i].tolist()} for i, row in enumerate(rows(*range(6)))]
    test = [{"id": "a", "text": text(0), "v": x[5].tolist()}]
    found = dp.dedup(data, against=test, embedding="v", id="id", k=1)
    assert kept(found) == {"r1", "r2", "r3", "r4"}
    own = dp.dedup(rows(*range(6)), against=x[5:], embedding=x, id="id", k=1)
    assert kept(own) == {"r0", "r1", "r2", "r3", "r4"}
    with pytest.raises(dp.MissingColumnError, match="which vectors belong to"):
        dp.dedup(rows(*range(6)), against=rows(1), embedding=x, id="id")
    with pytest.raises(dp.InputError, match="against is vectors alone"):
        dp.dedup(rows(*range(6)), against=x, **OFFLINE)
    by_text = dp.dedup(rows(*range(6)), against=rows(1), embedding=x, id="id", eps=0)
    assert kept(by_text) == {f"r{i}" for i in (0, 2, 3, 4, 5)}


def test_a_table_of_vectors_without_a_column_of_texts_is_compared_by_them() -> None:
    x = np.random.default_rng(0).normal(size=(20, 8)).astype(np.float32)
    x[7] = 3 * x[2]
    data = pl.DataFrame({"id": [f"r{i}" for i in range(20)], "v": x.tolist()})
    found = dp.dedup(data, embedding="v", id="id")
    assert len(kept(found) & {"r2", "r7"}) == 1
    assert len(found) == 19
    assert "exact and MinHash stages did not run" in str(found.report())
    assert len(dp.dedup(data, embedding=x, id="id", budget="50%")) == 10
    assert len(dp.dedup(data, embedding="v", against=data.head(3), id="id")) == 16
    with pytest.raises(dp.MissingColumnError, match="which column"):
        dp.dedup(data, embedding="v", eps=0)
    with pytest.raises(dp.MissingColumnError, match="which column"):
        dp.dedup(data, id="id")


def test_a_budget_holds_beside_another_set() -> None:
    data = rows(*range(50))
    assert len(dp.dedup(data, against=rows(*range(10)), budget="60%", **OFFLINE)) == 30
    few = dp.dedup(data, against=rows(*range(45)), budget="60%", **OFFLINE)
    assert kept(few) == {f"r{i}" for i in range(45, 50)}
    clear = dp.dedup(data, against=rows(*range(10)), inside="keep", budget="20 items", **OFFLINE)
    assert len(clear) == 20
    assert clear.provenance.details["against"][0]["exact"] == 10


@pytest.mark.parametrize(
    ("how", "says"),
    [
        ({"inside": "keep"}, "nothing to drop"),
        ({"inside": "both"}, "inside is 'both'"),
        ({"against_text": "text"}, "there is no against"),
        ({"against_id": "id"}, "there is no against"),
        ({"against_embedding": "v"}, "there is no against"),
        ({"index": "nowhere"}, "no index nowhere"),
    ],
)
def test_what_no_run_could_use_is_refused(how: dict[str, Any], says: str) -> None:
    with pytest.raises(dp.InputError, match=says):
        dp.dedup(rows(1), **OFFLINE, **how)
