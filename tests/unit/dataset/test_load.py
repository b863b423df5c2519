from __future__ import annotations

import decimal
from pathlib import Path
from typing import Any

import numpy as np
import polars
import pytest

from datapruner.dataset.load import Columns, load_rows
from datapruner.dataset.reading import load_vectors
from datapruner.dataset.source import BadRow, open_source
from datapruner.errors import InputError, MissingColumnError
from datapruner.tokens import resolve_counter
from datapruner.vectors.embed import resolve_embedder
from datapruner.vectors.store import open_vectors


def load(data: Any, columns: Columns, **options: Any) -> Any:
    return load_rows(open_source(data), columns, **options)


def test_every_part_comes_from_its_column() -> None:
    rows = [
        {"id": "x", "text": "one two", "label": 1, "price": 2},
        {"id": "y", "text": "three", "label": None, "price": 0.5},
        {"id": "z", "text": "four", "label": float("nan"), "price": decimal.Decimal(3)},
    ]
    items = load(rows, Columns(text="text", id="id", label="label", cost="price")).items
    assert items.id.tolist() == ["x", "y", "z"]
    assert [items.group_names[g] for g in items.group] == ["1", "(no label)", "(no label)"]
    assert items.cost.tolist() == [2, 0.5, 3]
    priced = load(rows, Columns(text="text"), counter=resolve_counter("words"), unit="words").items
    assert priced.cost.tolist() == [2, 1, 1]
    assert priced.unit == "words"


def test_prices_of_a_csv_are_read_as_numbers(tmp_path: Path) -> None:
    (tmp_path / "a.csv").write_text("text,price\na,2\nb,x\nc,-1\nd,inf\n")
    found = load(tmp_path / "a.csv", Columns(cost="price"), on_bad="drop", unit="cents")
    assert found.items.cost.tolist() == [2, 0, 0, 0]
    assert [bad.row for bad in found.bad] == [1, 2, 3]
    assert found.items.unit == "cents"


def test_vectors_of_a_column_are_copied_and_odd_ones_noted() -> None:
    rows = [{"v": [1.0, 2.0]}, {"v": [1.0]}, {"v": None}, {"v": ["a", "b"]}, {"v": [3, 4]}]
    found = load(rows, Columns(embedding="v"), on_bad="drop")
    vectors = found.items.feature("embedding").take(np.arange(5))
    assert vectors.tolist() == [[1, 2], [0, 0], [0, 0], [0, 0], [3, 4]]
    assert [bad.row for bad in found.bad] == [1, 2, 3]
    assert all("is not 2 numbers" in bad.reason for bad in found.bad)


def test_the_width_is_that_of_most_vectors() -> None:
    rows = [{"v": [1.0]}, {"v": [1.0, 2.0]}, {"v": [3.0, 4.0]}]
    assert [bad.row for bad in load(rows, Columns(embedding="v"), on_bad="drop").bad] == [0]


def test_a_run_stops_at_the_first_block_with_bad_rows() -> None:
    class Counting:
        name, fingerprint, dimensions = "counting", "counting-1", 2
        texts = 0

        def encode(self, texts: list[str]) -> Any:
            Counting.texts += len(texts)
            return np.ones((len(texts), 2), np.float32)

    frame = polars.DataFrame({"text": ["", *["word"] * 20_000]})
    with pytest.raises(InputError, match=r"1 of the first 8,192 rows cannot be used"):
        load(frame, Columns(text="text"), embedder=resolve_embedder(Counting()))
    assert Counting.texts == 0


def test_each_bad_row_is_told_once_when_it_is_found() -> None:
    told: list[BadRow] = []
    rows = [{"text": "a", "price": 1}, {"text": None, "price": -1}, {"text": "c", "price": 1}]
    columns = Columns(text="text", cost="price")
    load(rows, columns, on_bad="drop", note=told.append)
    assert [(bad.row, bad.reason) for bad in told] == [(1, '"text" is missing')]


def test_bad_rows_keep_their_usable_ids_and_share_a_label() -> None:
    rows = [
        {"id": 1, "text": "a", "label": "b"},
        {"id": 2, "text": "", "label": "z"},
        {"text": "", "label": None},
        {"id": 1, "text": "", "label": "a"},
    ]
    found = load(rows[:2], Columns(text="text", id="id", label="label"), on_bad="drop").items
    assert found.id.tolist() == [1, 2]
    found = load(rows, Columns(text="text", id="id", label="label"), on_bad="drop").items
    assert found.id.tolist() == ["1", "2", "(bad row 2)", "(bad row 3)"]
    assert found.group_names == ("b",)
    assert found.countable == 1


def test_ids_must_be_unique_among_the_good_rows() -> None:
    with pytest.raises(InputError, match="stand in more than one row"):
        load([{"id": 1}, {"id": 1}], Columns(id="id"))


def test_a_misspelt_column_is_found_out_before_the_work() -> None:
    with pytest.raises(MissingColumnError, match=r'no column "lable".*Did you mean "label"'):
        load([{"label": 1}], Columns(label="lable"))


def test_no_rows_have_all_the_parts() -> None:
    embedder = resolve_embedder("offline")
    counter = resolve_counter("words")
    items = load([], Columns(text="text"), embedder=embedder, counter=counter, unit="words").items
    assert (items.n, items.unit) == (0, "words")
    assert items.feature("embedding").n == 0
    assert load([], Columns(embedding="v")).items.n == 0


def test_spilled_vectors_leave_no_file(tmp_path: Path) -> None:
    found = load([{"v": [1.0, 2.0]}], Columns(embedding="v"), spill=tmp_path)
    assert list(tmp_path.iterdir()) == []
    assert found.items.feature("embedding")._maps[0] is not None  # its pages can be given back
    assert found.items.feature("embedding").take(np.array([0])).tolist() == [[1, 2]]


def test_vectors_alone_order_equal_scores_by_content() -> None:
    x = np.random.default_rng(0).normal(size=(5, 3)).astype(np.float32)
    items, back = load_vectors(open_vectors(x)), load_vectors(open_vectors(x[::-1].copy()))
    assert items.tie_keys().tolist() == back.tie_keys().tolist()[::-1]
    assert items.id is None
    assert load_vectors(open_vectors(x), id=list("abcde")).ids.tolist() == list("abcde")
