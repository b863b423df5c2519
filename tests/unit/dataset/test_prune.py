from __future__ import annotations

import random
from pathlib import Path
from typing import Any

import datasets
import numpy as np
import pandas
import polars
import pytest

import datapruner as dp
from datapruner.core.reason import Reason
from datapruner.dataset.prune import counter_for
from datapruner.errors import (
    BudgetError,
    InputError,
    MissingColumnError,
    ScoreError,
    UnknownMethodError,
)
from datapruner.tokens import resolve_counter

WORDS = [a + b for a in ("al", "be", "cor", "du", "en", "fi") for b in ("al", "be", "cor", "du")]


def make_rows(n: int = 60) -> list[dict[str, Any]]:
    draw = random.Random(0)
    return [
        {
            "id": i * 10,
            "text": " ".join(draw.choices(WORDS, k=draw.randint(3, 12))),
            "label": "abc"[i % 7 % 3],
            "price": draw.randint(1, 9),
            "vec": [draw.gauss(0, 1) for _ in range(6)],
        }
        for i in range(n)
    ]


ROWS = make_rows()
VECTORS = np.array([row["vec"] for row in ROWS], dtype=np.float32)
COMMON: dict[str, Any] = {"budget": "30%", "embedder": "offline", "id": "id"}


def ids_of(kept: Any) -> list[int]:
    if isinstance(kept, list):
        return [row["id"] for row in kept]
    return [int(value) for value in kept["id"]]


@pytest.mark.parametrize(
    "make",
    [
        lambda: ROWS,
        lambda: {name: [row[name] for row in ROWS] for name in ROWS[0]},
        lambda: polars.DataFrame(ROWS),
        lambda: polars.DataFrame(ROWS).lazy(),
        lambda: pandas.DataFrame(ROWS),
        lambda: datasets.Dataset.from_list(ROWS),
    ],
    ids=["dicts", "columns", "polars", "lazy", "pandas", "hf"],
)
def test_every_container_keeps_the_same_rows_and_its_type(make: Any) -> None:
    data = make()
    selection = dp.prune(data, **COMMON)
    kept = selection.apply(data)
    assert type(kept) is type(data)
    kept = kept.collect() if isinstance(kept, polars.LazyFrame) else kept
    assert ids_of(kept) == ids_of(dp.prune(ROWS, **COMMON).apply(ROWS))
    assert len(ids_of(kept)) == 18


def test_vectors_alone_are_rows_of_their_own() -> None:
    selection = dp.prune(VECTORS, budget="50%")
    kept = selection.apply(VECTORS)
    assert kept.shape == (30, 6)
    np.testing.assert_array_equal(kept, VECTORS[selection.indices])
    named = dp.prune(embedding=VECTORS, budget="50%", label=[row["label"] for row in ROWS])
    assert named.scores.names == ("a", "b", "c")


def test_vectors_are_the_same_from_a_column_an_array_or_a_file(tmp_path: Path) -> None:
    np.save(tmp_path / "v.npy", VECTORS)
    polars.DataFrame(ROWS).write_parquet(tmp_path / "v.parquet")
    sources: list[Any] = ["vec", VECTORS, str(tmp_path / "v.npy"), f"{tmp_path}/v.parquet:vec"]
    found = [dp.prune(ROWS, budget="30%", id="id", embedding=e).ids.tolist() for e in sources]
    assert all(ids == found[0] for ids in found)
    with pytest.raises(InputError, match="59 vectors for 60 rows"):
        dp.prune(ROWS, budget="30%", embedding=VECTORS[:59])


@pytest.mark.parametrize("method", ["lexical", "semantic", "crossencoder", "sentences"])
def test_methods_for_contexts_say_where_they_belong(method: str) -> None:
    for call in (
        lambda: dp.score(ROWS, method=method),
        lambda: dp.prune(ROWS, method=method, budget=0.3),
    ):
        with pytest.raises(UnknownMethodError, match=r"for contexts.*datapruner chunks"):
            call()


def test_floors_hold_in_every_label() -> None:
    selection = dp.prune(ROWS, **{**COMMON, "budget": "20%, floor 4"}, label="label")
    groups = selection.scores.groups[selection.indices]
    assert len(selection) == 12
    assert np.bincount(groups, minlength=3).min() >= 4 or len(selection) == 12
    assert np.bincount(groups).tolist() == [4, 4, 4]


@pytest.mark.parametrize("unit", ["words", "characters", "bytes", "tokens"])
def test_a_budget_counts_in_its_own_unit_and_is_never_exceeded(unit: str) -> None:
    selection = dp.prune(ROWS, **{**COMMON, "budget": f"200 {unit}"})
    counter = resolve_counter("words" if unit == "tokens" else unit)
    spent = int(counter.count([row["text"] for row in selection.apply(ROWS)]).sum())
    assert 180 <= spent <= 200
    assert selection.scores.items.unit == unit


def test_prices_of_a_column_take_the_budgets_unit() -> None:
    selection = dp.prune(ROWS, **{**COMMON, "budget": "50 cents"}, cost="price")
    assert sum(row["price"] for row in selection.apply(ROWS)) in (49, 50)
    assert dp.score(ROWS, method="random", cost="price").items.unit == "cost"
    with pytest.raises(BudgetError, match="priced in words"):
        dp.select(dp.score(ROWS, method="random", tokens="words"), "50 tokens")


def test_scores_serve_many_budgets_and_a_file(tmp_path: Path) -> None:
    scores = dp.score(ROWS, embedder="offline", id="id")
    scores.save(tmp_path / "s.npz")
    for budget in ("50%", "30%", "10%"):
        direct = dp.prune(ROWS, **{**COMMON, "budget": budget})
        assert dp.select(scores, budget).ids.tolist() == direct.ids.tolist()
        loaded = dp.Scores.load(tmp_path / "s.npz")
        assert dp.select(loaded, budget).ids.tolist() == direct.ids.tolist()


def test_shuffled_rows_keep_the_same_ids() -> None:
    mixed = random.Random(3).sample(ROWS, len(ROWS))
    for by in ("id", None):
        options = {**COMMON, "id": by, "label": "label"}
        a, b = dp.prune(ROWS, **options), dp.prune(mixed, **options)
        assert a.ids.tolist() == b.ids.tolist()
        assert a.scores.items.fingerprint == b.scores.items.fingerprint


@pytest.mark.parametrize("value", [None, "  ", 7])
def test_unusable_texts_are_named_or_barred(value: Any) -> None:
    rows = [*ROWS[:20], {**ROWS[20], "text": value}, *ROWS[21:]]
    with pytest.raises(InputError, match=r"1 of the first 60 rows .* row 20: \"text\" is"):
        dp.prune(rows, **COMMON)
    selection = dp.prune(rows, **COMMON, on_bad="drop")
    assert len(selection) == 17
    assert selection.reasons[20] == Reason.BAD_ROW
    assert len(selection.reasons) == 60
    assert np.count_nonzero(selection.mask) + np.count_nonzero(~selection.mask) == 60


def test_unusable_vectors_are_named_or_barred() -> None:
    vectors = VECTORS.copy()
    vectors[3, 2], vectors[4, 0], vectors[5] = np.nan, np.inf, 0
    with pytest.raises(ScoreError, match=r"3 of 60 vectors cannot be used \(row 3: NaN"):
        dp.prune(vectors, budget="30%")
    selection = dp.prune(vectors, budget="30%", on_bad="drop")
    assert len(selection) == 17
    assert np.flatnonzero(selection.reasons == Reason.BAD_ROW).tolist() == [3, 4, 5]


def test_a_bad_row_makes_no_group_of_its_own() -> None:
    rows = [*ROWS, {"id": 9999}]
    selection = dp.prune(rows, **COMMON, label="label", on_bad="drop")
    assert selection.scores.names == ("a", "b", "c")


@pytest.mark.parametrize(
    ("options", "error", "said"),
    [
        ({"text": "txet"}, MissingColumnError, 'Did you mean "text"'),
        ({"id": "di"}, MissingColumnError, 'no column "di"'),
        ({"label": [1, 2]}, InputError, "label is a list; name a column"),
        ({"embedding": "vce"}, MissingColumnError, 'Did you mean "vec"'),
        ({"embedding": "text"}, InputError, "hold no vectors"),
        ({"embedding": "price"}, InputError, "hold no vectors"),
        ({"on_bad": "skip"}, InputError, "on_bad is 'skip'"),
        ({"device": "gpu"}, InputError, "device is 'gpu'"),
        ({"kk": 3}, InputError, "unknown key 'kk'"),
        ({"k": 61}, InputError, "60 usable rows"),
        ({"cost": "text"}, InputError, "not a price"),
    ],
)
def test_what_cannot_be_used_is_explained(
    options: dict[str, Any], error: type[Exception], said: str
) -> None:
    with pytest.raises(error, match=said):
        dp.prune(ROWS, **{**COMMON, **options})


def test_rows_without_a_text_column_are_asked_for_it() -> None:
    with pytest.raises(MissingColumnError, match=r"which column of .* holds the text"):
        dp.prune([{"body": "x"}], budget="30%", embedder="offline")


def test_vectors_alone_refuse_columns_and_nothing_is_refused() -> None:
    for options in ({"text": "text"}, {"id": "id"}, {"cost": "price"}, {"tokens": "words"}):
        with pytest.raises(InputError, match="vectors alone have no columns"):
            dp.prune(VECTORS, budget="30%", **options)
    with pytest.raises(InputError, match="nothing to score"):
        dp.prune(budget="30%")
    with pytest.raises(InputError, match="not both"):
        dp.prune(VECTORS, embedding=VECTORS, budget="30%")


def test_no_rows_give_an_empty_selection_in_any_unit() -> None:
    for budget in ("30%", "5 items", "100 tokens"):
        assert len(dp.prune([], budget=budget, embedder="offline")) == 0
    assert dp.prune(np.zeros((0, 4), np.float32), budget="30%").apply(VECTORS[:0]).shape == (0, 6)


def test_apply_refuses_other_rows() -> None:
    selection = dp.prune(ROWS, **COMMON)
    with pytest.raises(InputError, match="the data has 59 rows, but 60 were scored"):
        selection.apply(ROWS[:59])


def test_progress_and_cache_are_used(tmp_path: Path) -> None:
    stages: list[str] = []
    options = {**COMMON, "cache": tmp_path / "cache"}
    first = dp.prune(ROWS, **options, progress=lambda stage, done, total: stages.append(stage))
    assert {"read", "embed", "assign"} <= set(stages)
    assert list((tmp_path / "cache").iterdir())
    assert dp.prune(ROWS, **options).ids.tolist() == first.ids.tolist()


def test_an_unusable_default_cache_stops_nobody(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "file").write_text("")
    monkeypatch.setenv("DATAPRUNER_CACHE", str(tmp_path / "file"))
    assert len(dp.prune(ROWS, **COMMON, cache=True)) == 18
    with pytest.raises(dp.OutputError):
        dp.prune(ROWS, **COMMON, cache=tmp_path / "file")


def test_lines_of_progress_go_to_stderr(capsys: pytest.CaptureFixture[str]) -> None:
    dp.prune(ROWS, **COMMON, progress=True)
    said = capsys.readouterr()
    assert said.out == ""
    assert "datapruner: embed 60" in said.err


def test_a_counter_follows_from_the_budget() -> None:
    units = {"30%": None, "9 items": None, "9 words": "words", "9 tokens": "auto"}
    assert {text: counter_for(dp.Budget.parse(text)) for text in units} == units


def test_a_random_draw_needs_no_text() -> None:
    assert len(dp.prune([{"x": i} for i in range(10)], method="random", budget="30%")) == 3
