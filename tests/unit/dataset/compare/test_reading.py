"""What the learner sees and what selectors look at, from tables, files, arrays, texts and logs."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import polars as pl
import pytest
import torch
from safetensors.numpy import save_file
from unit.dataset.compare.recipes import Spy, blobs, nearest_mean

import datapruner as dp
from datapruner.dataset.compare import Comparison
from datapruner.dataset.runlog import RunLog
from datapruner.errors import InputError, MissingColumnError
from datapruner.vectors.store import open_vectors

X, Y = blobs()
IMAGES = np.random.default_rng(0).integers(0, 255, (120, 4, 5)).astype(np.uint8)
QUICK: dict[str, Any] = {"steps": 5, "batch": 8, "seeds": 2, "budgets": "25%", "methods": []}


def seen(data: Any, **more: Any) -> Spy:
    spy = Spy()
    dp.compare(data, **{**QUICK, "recipe": spy, **more})
    return spy


@pytest.fixture
def table() -> pl.DataFrame:
    return pl.DataFrame(
        {
            "id": [f"r{row}" for row in range(120)],
            "label": [f"class {code}" for code in Y],
            "v": X.tolist(),
            "text": [f"note {row} on {['rain', 'snow', 'sun'][row % 3]}" for row in range(120)],
        }
    )


def test_the_learner_sees_the_embedding_of_a_table(table: pl.DataFrame) -> None:
    trial = seen(table, label="label", embedding="v").trials[0]
    assert np.array_equal(trial.x, X)
    assert trial.ground.classes == ("class 0", "class 1", "class 2")
    assert np.array_equal(trial.y, Y)


def test_texts_are_embedded_for_learner_and_selector_alike(table: pl.DataFrame) -> None:
    options = {"label": "label", "embedder": "offline", "methods": ["prototypes"]}
    trial = seen(table, text="text", test=table.head(9), **options).trials[0]
    again = seen(table.drop("v"), test=table.head(9), **options).trials[0]
    assert np.array_equal(again.x, trial.x)
    assert trial.x.shape == (120, again.test_x.shape[1])
    assert {tuple(row) for row in trial.test_x} <= {tuple(row) for row in trial.x}


@pytest.mark.parametrize("kind", ["array", "file", "tensor"])
def test_features_may_lie_apart_from_the_rows(
    kind: str, table: pl.DataFrame, tmp_path: Path
) -> None:
    path = tmp_path / "images.npy"
    np.save(path, IMAGES)
    given = {"array": IMAGES, "file": str(path), "tensor": torch.from_numpy(IMAGES)}[kind]
    pools = []

    def choose(pool: Any, k: int) -> np.ndarray:
        pools.append(pool)
        return pool.rows[:k]

    trial = seen(table, label="label", features=given, methods={"f": choose}).trials[0]
    assert np.array_equal(trial.x, IMAGES)
    assert np.array_equal(pools[0].embedding, IMAGES.reshape(120, -1))
    pools.clear()
    seen(table, label="label", features=given, embedding="v", methods={"f": choose})
    assert np.array_equal(pools[0].embedding, X)


def test_features_may_be_a_column_of_nested_lists(table: pl.DataFrame) -> None:
    rows = [
        {"label": name, "image": one.tolist()}
        for name, one in zip(table["label"], IMAGES, strict=True)
    ]
    trial = seen(rows, label="label", features="image", test=rows[:9]).trials[0]
    assert np.array_equal(trial.x, IMAGES.astype(np.float32))
    assert trial.test_x.shape == (9, 4, 5)
    rows[5]["image"] = [[1.0, 2.0]]
    with pytest.raises(InputError, match=r'"image" .* numbers of one shape in rows 0 to 119'):
        seen(rows, label="label", features="image")


def test_test_features_go_with_test_rows(table: pl.DataFrame) -> None:
    options = {"label": "label", "features": IMAGES, "test": table.head(9)}
    trial = seen(table, test_features=IMAGES[:9], **options).trials[0]
    assert sorted(map(bytes, trial.test_x)) == sorted(map(bytes, IMAGES[:9]))
    with pytest.raises(InputError, match="test_features"):
        seen(table, **options)
    with pytest.raises(InputError, match="8 rows and the test set 9"):
        seen(table, test_features=IMAGES[:8], **options)
    trial = seen(table, label="label", embedding=X, test=table.head(9), test_features="v").trials[0]
    assert {tuple(row) for row in trial.test_x} == {tuple(row) for row in X[:9]}
    pair = (IMAGES[:9], table["label"][:9].to_list())
    assert seen(table, **{**options, "test": pair}).trials[0].test_x.shape == (9, 4, 5)


def test_arrays_may_have_a_selector_view_of_their_own(tmp_path: Path) -> None:
    options: dict[str, Any] = {"label": Y, "methods": ["prototypes"], "test": (IMAGES[:9], Y[:9])}
    own = seen(IMAGES, embedding=X, **options)
    plain = dp.prune(X, label=Y, budget="25%", seed=1)
    assert np.array_equal(own.of("prototypes", "25%", 1)[0].rows, plain.indices)
    assert own.trials[0].x.shape == (120, 4, 5)
    other = seen(X, features=IMAGES, **options)
    assert np.array_equal(other.of("prototypes", "25%", 1)[0].rows, plain.indices)
    assert other.trials[0].x.shape == (120, 4, 5)
    np.save(tmp_path / "v.npy", X)
    for data in (tmp_path / "v.npy", str(tmp_path / "v.npy")):
        assert np.array_equal(seen(data, label=Y).trials[0].x, X)
    assert np.array_equal(seen(None, embedding=X, label=Y).trials[0].x, X)


@pytest.mark.parametrize(
    ("data", "more", "error", "why"),
    [
        (None, {"label": Y}, InputError, "nothing to train on"),
        (X, {"label": Y, "features": X[:5]}, InputError, "5 rows and the data 120"),
        (X, {"label": Y, "features": "images"}, MissingColumnError, "neither a column"),
        (X[:, 0], {"label": Y}, InputError, r"shape \(120,\)"),
        (X.astype(str), {"label": Y}, InputError, "dtype <U32"),
        ("missing.npy", {"label": Y}, InputError, "missing.npy cannot be read"),
        ([{"label": 1, "v": [1.0]}], {"label": None}, InputError, "which column of"),
        ([{"label": 1, "v": [1.0]}], {"label": "label", "embedding": "w"}, MissingColumnError, "w"),
        (
            [{"label": 1, "v": [1.0]}],
            {"label": "label", "features": "w"},
            MissingColumnError,
            'features is "w"',
        ),
    ],
)
def test_what_cannot_be_read_is_refused(data: Any, more: Any, error: Any, why: str) -> None:
    with pytest.raises(error, match=why):
        seen(data, **more)


def test_rows_without_a_label_are_named(table: pl.DataFrame) -> None:
    gaps = table.with_columns(
        pl.when(pl.col("id") == "r7").then(None).otherwise(pl.col("label")).alias("label")
    )
    with pytest.raises(InputError, match=r"1 rows of the data have no label \(rows 7\)"):
        seen(gaps, label="label", embedding="v")
    spy = seen(gaps, label="label", embedding="v", on_bad="drop", test=table.head(3))
    assert 7 not in spy.trials[0].train


def logged(path: Path, y: np.ndarray, ids: Any = None) -> Path:
    rng = np.random.default_rng(0)
    rows = np.arange(len(y)) if ids is None else ids
    with RunLog(path, n=len(y), classes=3, ids=ids) as log:
        for epoch in range(3):
            log.record(rows, np.eye(3)[y] * epoch + rng.normal(size=(len(y), 3)), y, epoch=epoch)
    return path


def test_methods_of_a_logged_run_keep_what_prune_keeps(tmp_path: Path) -> None:
    path = logged(tmp_path / "run.log", Y)
    spy = seen(X, label=Y, log=path, methods=["el2n", "aum:kcentre"], test=(X[:9], Y[:9]))
    kept = dp.prune(X, label=Y, method="el2n", log=path, budget="25%", seed=1)
    assert np.array_equal(spy.of("el2n", "25%", 1)[0].rows, kept.indices)
    kept = dp.prune(X, label=Y, method="aum", log=path, budget="25%", pick="kcentre", seed=1)
    assert np.array_equal(spy.of("aum:kcentre", "25%", 1)[0].rows, kept.indices)


def test_memorisation_reads_several_runs(tmp_path: Path) -> None:
    runs = [logged(tmp_path / f"{name}.log", Y) for name in "ab"]
    held = np.stack([np.arange(120) % 2 == 0, np.arange(120) % 2 == 1], axis=1)
    options: dict[str, Any] = {"label": Y, "methods": ["memorisation"], "log": runs}
    assert len(seen(X, held_in=held, **options).trials) == 8
    with pytest.raises(MissingColumnError, match="held_in"):
        seen(X, **options)


def test_a_logged_run_must_be_there_and_of_these_rows(tmp_path: Path) -> None:
    with pytest.raises(MissingColumnError, match="no log was given"):
        seen(X, label=Y, methods=["el2n"])
    with pytest.raises(MissingColumnError, match="needs the inputs of the last layer"):
        seen(X, label=Y, methods=["grand"], log=logged(tmp_path / "run.log", Y))
    with pytest.raises(InputError, match="made of 60 rows"):
        seen(X, label=Y, methods=["el2n"], log=logged(tmp_path / "half.log", Y[:60]))
    turned = logged(tmp_path / "turned.log", np.roll(Y, 1) * (np.arange(120) > 5))
    with pytest.raises(InputError, match="other labels than the data"):
        seen(X, label=Y, methods=["el2n"], log=turned)


def test_a_comparison_of_images_runs_from_end_to_end() -> None:
    found = dp.compare(
        IMAGES, label=Y, budgets="25%", recipe="cnn", steps=3, batch=4, seeds=2, methods=[]
    )
    assert isinstance(found, Comparison)
    assert "cnn: 3 steps of 4 rows for every method, 2 seeds" in str(found)
    assert dp.compare(IMAGES, label=Y, **{**QUICK, "recipe": nearest_mean}).classes == 3


def test_features_may_lie_in_any_file_of_vectors_or_in_lists(tmp_path: Path) -> None:
    save_file({"v": X}, tmp_path / "v.safetensors")
    pl.DataFrame({"v": X.tolist()}).write_parquet(tmp_path / "v.parquet")
    names = (str(tmp_path / "v.safetensors"), f"{tmp_path / 'v.parquet'}:v")
    for given in (*names, X.tolist(), open_vectors(X)):
        assert np.array_equal(seen(IMAGES, label=Y, features=given).trials[0].x, X)
