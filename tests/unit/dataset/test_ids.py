from __future__ import annotations

import datetime as dt
import json
from decimal import Decimal
from pathlib import Path
from typing import Any
from uuid import UUID

import numpy as np
import pandas as pd
import polars as pl
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from rows import ROWS, contents, write_lines

from datapruner.dataset.canonical import plain, row_digest, to_json
from datapruner.dataset.ids import ids_from_column, ids_from_content
from datapruner.dataset.source import open_source
from datapruner.errors import InputError


@pytest.mark.parametrize(
    "values", [[3, 1], np.array([3, 1], np.uint8), [np.int32(3), 1], [3, 2**62]]
)
def test_whole_numbers_become_int64(values: Any) -> None:
    ids = ids_from_column(values)
    assert isinstance(ids, np.ndarray)
    assert ids.dtype == np.int64
    assert ids.tolist() == [int(value) for value in values]


def test_texts_stay_texts() -> None:
    assert ids_from_column(["b", np.str_("a")]) == ["b", "a"]
    assert len(ids_from_column([])) == 0


@pytest.mark.parametrize(
    ("values", "message"),
    [
        ([1, None, 2, None], r'"id": 2 nulls: row 1 \(None\), row 3.*content'),
        ([1.0, 2.0], "2 floats: .*Cast"),
        (np.array([1.5]), "1 floats"),
        ([True, False], "another type"),
        ([b"x"], "another type"),
        ([1, "a"], r"mixes numbers \(row 0\) and text \(row 1\)"),
        ([1, 2**70], r"beyond 64 bits: row 1 \(1180591620717411303424\)"),
        (np.array([1, 2**63], np.uint64), "beyond 64 bits: row 1"),
        (["a", "b", "a"], "1 ids stand in more than one row: 'a' in rows 0, 2"),
        ([4] * 7, r"4 in rows 0, 1, 2, 3, 4, \.\.\."),
    ],
)
def test_unfit_ids_are_refused_by_row(values: Any, message: str) -> None:
    with pytest.raises(InputError, match=message):
        ids_from_column(values)


def test_no_more_than_five_duplicates_are_shown() -> None:
    with pytest.raises(InputError, match="9 ids") as caught:
        ids_from_column([*range(9), *range(9)])
    assert str(caught.value).count(" in rows ") == 5


@given(st.lists(st.sampled_from("abcd"), max_size=12), st.randoms())
def test_the_set_of_content_ids_does_not_depend_on_row_order(rows: list[str], random: Any) -> None:
    shuffled = list(rows)
    random.shuffle(shuffled)
    first = ids_from_content([row_digest({"x": row}) for row in rows])
    second = ids_from_content([row_digest({"x": row}) for row in shuffled])
    assert len(set(first)) == len(rows)
    assert set(first) == set(second)


def test_equal_rows_are_counted_in_row_order() -> None:
    a, b = row_digest({"x": 1}), row_digest({"x": 2})
    assert ids_from_content([a, b, a, a]) == [a.hex(), b.hex(), f"{a.hex()}-2", f"{a.hex()}-3"]
    assert ids_from_content([]) == []
    with pytest.raises(InputError, match="16 bytes"):
        ids_from_content([a, b"short"])


def test_one_row_has_one_digest_in_every_container(tmp_path: Path) -> None:
    files = [tmp_path / "b.parquet", tmp_path / "a.jsonl.zst"]
    whole = open_source(write_lines(tmp_path / "a.jsonl"))
    expected = [row_digest(row) for row in ROWS]
    for path in files:
        whole.write(np.ones(20, bool), path)
    table = pa.Table.from_pylist(ROWS)
    frame = pl.DataFrame(ROWS)
    sources = [
        whole,
        *map(open_source, files),
        *map(open_source, (ROWS, table, frame, frame.lazy())),
    ]
    columns = {name: [row[name] for row in ROWS] for name in ROWS[0]}
    sources += [open_source(columns), open_source(pd.DataFrame(columns))]
    for source in sources:
        assert contents(source) == expected, source.description


def test_equal_rows_split_over_files_have_the_same_ids(tmp_path: Path) -> None:
    write_lines(tmp_path / "a.jsonl", ROWS[:7])
    write_lines(tmp_path / "b.jsonl", ROWS[7:])
    whole = open_source(ROWS)
    split = open_source([tmp_path / "b.jsonl", tmp_path / "a.jsonl"])
    assert set(ids_from_content(contents(whole))) == set(ids_from_content(contents(split)))


def test_memory_digests_follow_content_and_order() -> None:
    again = [dict(reversed(row.items())) for row in ROWS]
    assert open_source(ROWS).digest() == open_source(again).digest()
    assert open_source(ROWS).digest() != open_source(ROWS[::-1]).digest()


def test_a_missing_key_and_a_null_are_the_same_and_an_empty_object_is_not() -> None:
    assert row_digest({"a": 1, "b": None}) == row_digest({"a": 1})
    assert row_digest({"m": {"x": None}}) == row_digest({"m": {}})
    assert row_digest({"m": {}}) != row_digest({})
    assert row_digest({"a": 1, "b": pd.NaT}) == row_digest({"a": 1})
    assert row_digest({1: 2}) == row_digest({"1": 2})
    assert row_digest({"a": [None]}) != row_digest({"a": []})


@pytest.mark.parametrize(("one", "two"), [(1, 1.0), (1, "1"), (1, True), (0.1, np.float32(0.1))])
def test_values_that_differ_have_digests_that_differ(one: object, two: object) -> None:
    assert row_digest({"a": one}) != row_digest({"a": two})


class _Text(str):
    __slots__ = ()


class _Real(float):
    __slots__ = ()


@pytest.mark.parametrize(
    ("value", "expected"),
    [
        (np.int8(3), 3),
        (np.float64(0.5), 0.5),
        (np.bool_(True), True),
        (np.array([1, 2]), [1, 2]),
        (torch.tensor([1.5]), [1.5]),
        (pl.Series([1, 2]), [1, 2]),
        (b"\x01", "AQ=="),
        (bytearray(b"\x01"), "AQ=="),
        (dt.date(2020, 1, 2), "2020-01-02"),
        (dt.datetime(2020, 1, 2, 3), "2020-01-02T03:00:00"),
        (np.datetime64("2020-01-02T03"), "2020-01-02T03:00:00"),
        (np.datetime64("2020-01-02T03:00:00.000000001"), "2020-01-02T03:00:00.000000001"),
        (np.timedelta64(1, "s"), "0:00:01"),
        (np.datetime64("NaT"), None),
        (pd.NaT, None),
        (pd.NA, None),
        (Decimal("1.50"), "1.50"),
        (UUID(int=1), "00000000-0000-0000-0000-000000000001"),
        ({2, 1}, [1, 2]),
        ((1, (2,)), [1, [2]]),
        ({1: None, 2: {"a": b""}}, {"2": {"a": ""}}),
        (float("nan"), "NaN"),
        (float("inf"), "Infinity"),
        (float("-inf"), "-Infinity"),
        (_Text("x"), "x"),
        (_Real(0.5), 0.5),
        (__import__("http").HTTPStatus.OK, 200),
    ],
)
def test_values_are_made_plain(value: object, expected: object) -> None:
    assert plain(value) == expected
    assert type(plain(value)) is type(expected)


def test_odd_numbers_and_halves_of_letters_have_digests_too() -> None:
    assert row_digest({"a": 2**80}) == row_digest({"a": 2**80})
    assert row_digest({"a": "\ud800"}) != row_digest({"a": "\ud801"})


def test_what_has_no_json_form_is_refused() -> None:
    with pytest.raises(InputError, match="type object has no JSON form"):
        row_digest({"a": object()})
    with pytest.raises(InputError, match="type object has no JSON form"):
        to_json({"a": object()})


def test_json_lines_keep_key_order_and_nulls() -> None:
    assert to_json({"b": None, "a": float("nan"), 1: b"\x01"}) == b'{"b":null,"a":null,"1":"AQ=="}'
    assert json.loads(to_json({"b": None, "a": 2**80})) == {"b": None, "a": 2**80}


def test_ids_of_a_parquet_file_equal_those_of_its_rows(tmp_path: Path) -> None:
    when = [dt.datetime(2020, 1, 1, 2, 3, 4, 5), None]
    rows = [{"w": w, "d": Decimal("1.50"), "b": b"\x01", "f": 0.1} for w in when]
    pq.write_table(pa.Table.from_pylist(rows), tmp_path / "a.parquet")
    assert contents(open_source(tmp_path / "a.parquet")) == contents(open_source(rows))
    assert contents(open_source(pl.DataFrame(rows))) == contents(open_source(rows))
