from __future__ import annotations

import datetime as dt
from collections import UserDict
from itertools import pairwise
from pathlib import Path
from typing import Any

import datasets
import numpy as np
import pandas as pd
import polars as pl
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
import torch
from rows import CHOICE, MASK, ROWS, column, contents, read_lines

from datapruner.dataset import convert, frames, hub, memory, tables
from datapruner.dataset.source import open_source
from datapruner.errors import InputError, MissingColumnError

PICKED = [ROWS[row] for row in CHOICE]
COLUMNS = {name: [row[name] for row in ROWS] for name in ROWS[0]}


@pytest.fixture(autouse=True)
def _small_blocks(monkeypatch: pytest.MonkeyPatch) -> None:
    for module in (memory, frames, tables, hub):
        monkeypatch.setattr(module, "BLOCK_ROWS", 6)


CONTAINERS: dict[str, Any] = {
    "list of dicts": lambda: ROWS,
    "tuple of dicts": lambda: tuple(ROWS),
    "dict of columns": lambda: COLUMNS,
    "polars": lambda: pl.DataFrame(ROWS),
    "polars lazy": lambda: pl.DataFrame(ROWS).lazy(),
    "pandas": lambda: pd.DataFrame(COLUMNS, index=[f"i{n}" for n in range(20)]),
    "pyarrow": lambda: pa.Table.from_pylist(ROWS),
    "datasets": lambda: datasets.Dataset.from_list(ROWS),
    "datasets dict": lambda: datasets.DatasetDict(
        {
            "train": datasets.Dataset.from_list(ROWS[:12]),
            "none": datasets.Dataset.from_list(ROWS).select([]),
            "test": datasets.Dataset.from_list(ROWS[12:]),
        }
    ),
    "torch": lambda: _Torch(ROWS),
}


class _Torch(torch.utils.data.Dataset[Any]):
    def __init__(self, items: Any) -> None:
        self.items = items

    def __len__(self) -> int:
        return len(self.items)

    def __getitem__(self, row: int) -> Any:
        return self.items[row]


def _dicts(kept: Any) -> list[dict[str, Any]]:
    """The rows of any container, by its own means."""
    if isinstance(kept, pl.LazyFrame):
        kept = kept.collect()
    if isinstance(kept, pl.DataFrame):
        return kept.to_dicts()
    if isinstance(kept, pa.Table):
        return kept.to_pylist()  # type: ignore[no-any-return]
    if isinstance(kept, datasets.DatasetDict):
        return [row for split in kept.values() for row in split.to_list()]
    if isinstance(kept, datasets.Dataset):
        return kept.to_list()  # type: ignore[no-any-return]
    if isinstance(kept, pd.DataFrame):
        kept = {name: [None if v is None or v != v else v for v in kept[name]] for name in kept}
    if isinstance(kept, dict):
        return [dict(zip(kept, row, strict=True)) for row in zip(*kept.values(), strict=True)]
    return list(kept)


@pytest.mark.parametrize("name", CONTAINERS)
def test_rows_go_back_in_the_type_they_came_in(name: str) -> None:
    data = CONTAINERS[name]()
    kept = open_source(data).take(CHOICE[::-1])
    assert _dicts(kept) == PICKED
    if name == "torch":
        assert isinstance(kept, torch.utils.data.Subset)
        assert kept.dataset is data
    else:
        assert type(kept) is type(data)


@pytest.mark.parametrize("name", [name for name in CONTAINERS if name != "datasets dict"])
def test_the_given_order_is_kept_when_asked_for(name: str) -> None:
    kept = open_source(CONTAINERS[name]()).take(np.array([9, 2, 9]), order="given")
    assert _dicts(kept) == [ROWS[9], ROWS[2], ROWS[9]]


@pytest.mark.parametrize("name", CONTAINERS)
def test_blocks_line_up_and_hold_the_values(name: str) -> None:
    source = open_source(CONTAINERS[name]())
    assert source.columns == tuple(ROWS[0])
    assert column(source, "text") == COLUMNS["text"]
    assert column(source, "id") == COLUMNS["id"]
    assert column(source, "score") == COLUMNS["score"]
    starts = [(block.start, block.rows) for block in source.blocks(["id"], content=True)]
    assert starts[0][0] == 0
    assert all(a + n == b for (a, n), (b, _) in pairwise(starts))
    assert sum(rows for _, rows in starts) == 20
    assert max(rows for _, rows in starts) <= 6
    assert sum(block.rows for block in source.blocks()) == 20


@pytest.mark.parametrize("name", CONTAINERS)
@pytest.mark.parametrize("suffix", ["jsonl", "parquet"])
def test_every_container_writes_every_format(name: str, suffix: str, tmp_path: Path) -> None:
    out = tmp_path / f"out.{suffix}"
    assert open_source(CONTAINERS[name]()).write(MASK, out) == 5
    if name == "pandas" and suffix == "parquet":  # there the index is stored as one more column
        pq.write_table(pq.read_table(out).drop_columns("__index_level_0__"), out)
    assert contents(open_source(out)) == contents(open_source(PICKED))
    if suffix == "jsonl":
        assert [list(row) for row in read_lines(out)] == [list(ROWS[0])] * 5


@pytest.mark.parametrize("name", CONTAINERS)
@pytest.mark.parametrize("length", [19, 21])
def test_masks_and_rows_that_do_not_fit_are_refused(name: str, length: int, tmp_path: Path) -> None:
    source = open_source(CONTAINERS[name]())
    for suffix in ("jsonl", "parquet"):
        with pytest.raises(InputError, match="mask"):
            source.write(np.ones(length, bool), tmp_path / f"a.{suffix}")
    assert list(tmp_path.iterdir()) == []
    if name != "polars lazy":
        with pytest.raises(InputError, match="out of range"):
            source.take(np.array([20]))


@pytest.mark.parametrize("name", CONTAINERS)
def test_misspelt_columns_are_refused_with_the_nearest(name: str) -> None:
    with pytest.raises(MissingColumnError, match='Did you mean "text"'):
        list(open_source(CONTAINERS[name]()).blocks(["txet"]))


@pytest.mark.parametrize(
    "data",
    [
        [],
        (),
        {},
        {"a": []},
        pl.DataFrame(),
        pd.DataFrame(),
        datasets.Dataset.from_dict({}),
        _Torch([]),
    ],
)
def test_no_rows_are_an_empty_corpus(data: Any, tmp_path: Path) -> None:
    source = open_source(data)
    assert sum(block.rows for block in source.blocks()) == 0
    assert source.digest() == open_source([]).digest()
    assert source.write(np.zeros(0, bool), tmp_path / "a.jsonl") == 0


def test_an_empty_dataset_dict_has_no_rows(tmp_path: Path) -> None:
    source = open_source(datasets.DatasetDict())
    assert list(source.blocks()) == []
    assert source.take(np.array([], int)) == datasets.DatasetDict()
    assert source.write(np.zeros(0, bool), tmp_path / "a.parquet") == 0


def test_texts_are_one_column_whatever_else_stands_among_them() -> None:
    source = open_source(["a", None, 17, ["b"]])
    assert source.columns == ("text",)
    assert column(source, "text") == ["a", None, 17, ["b"]]
    assert source.take(np.array([2, 0])) == ["a", 17]
    assert contents(open_source(["a"])) == contents(open_source([{"text": "a"}]))


def test_items_that_are_no_dicts_are_bad_rows() -> None:
    (block,) = open_source([{"a": 1}, None, 3, UserDict(a=2)]).blocks(["a"])
    assert block.columns["a"] == [1, None, None, 2]
    assert [(bad.row, bad.where) for bad in block.bad] == [(1, "item 1"), (2, "item 2")]
    assert "a int, not a dict" in block.bad[1].reason


def test_columns_keep_their_own_types() -> None:
    data = {
        "list": [1, 2, 3],
        "tuple": ("a", "b", "c"),
        "array": np.eye(3, dtype=np.float32),
        "texts": np.array(["x", "y", "z"]),
        "tensor": torch.arange(3),
        "series": pd.Series([1, 2, 3], index=[7, 8, 9]),
        "polars": pl.Series([1, 2, 3]),
    }
    source = open_source(data)
    kept = source.take(np.array([0, 2]))
    assert {name: type(values) for name, values in kept.items()} == {
        name: type(values) for name, values in data.items()
    }
    assert kept["series"].index.tolist() == [7, 9]
    assert kept["polars"].to_list() == [1, 3]
    assert kept["tensor"].tolist() == [0, 2]
    (block,) = source.blocks(list(data))
    assert block.columns["array"].shape == (3, 3)  # type: ignore[union-attr]
    assert isinstance(block.columns["tensor"], np.ndarray)
    assert block.columns["texts"] == ["x", "y", "z"]


@pytest.mark.parametrize(
    ("data", "message"),
    [
        ({"a": [1], "b": [1, 2]}, "one length, but: a 1, b 2"),
        ({"a": "text"}, 'the value of "a" is a str, not a column'),
        ({"a": 3}, 'the value of "a" is a int, not a column'),
        (np.zeros(3), r"shape \(n, d\), not \(3,\)"),
        ([[1, 2], [3, 4]], "a list of list holds no rows"),
        (object(), "cannot read rows from a builtins.object"),
        (iter([{"a": 1}]), "cannot read rows"),
        (pd.DataFrame([[1]], columns=pd.MultiIndex.from_tuples([("a", "b")])), "several levels"),
        (pd.DataFrame([[1, 2]], columns=["a", "a"]), 'two columns are named "a"'),
    ],
)
def test_what_holds_no_rows_is_refused(data: Any, message: str) -> None:
    with pytest.raises(InputError, match=message):
        open_source(data)


def test_an_array_is_a_column_of_vectors(tmp_path: Path) -> None:
    array = np.arange(40, dtype=np.float32).reshape(20, 2)
    source = open_source(array)
    assert source.description == "numpy array, 20 x 2 float32"
    assert np.array_equal(source.take(CHOICE), array[CHOICE])
    (first, *_) = source.blocks(["embedding"])
    assert isinstance(first.columns["embedding"], np.ndarray)
    source.write(MASK, tmp_path / "a.parquet")
    assert pl.read_parquet(tmp_path / "a.parquet")["embedding"].to_list() == array[CHOICE].tolist()


def test_a_mapping_of_columns_need_not_be_a_dict() -> None:
    assert open_source(UserDict(a=[1, 2])).take(np.array([1])) == {"a": [2]}


def test_polars_types_survive_a_parquet_file(tmp_path: Path) -> None:
    frame = pl.DataFrame({"c": ["a", "b"], "d": [1, 2]}).select(
        pl.col("c").cast(pl.Categorical), pl.col("d").cast(pl.Duration("us"))
    )
    open_source(frame).write(np.array([False, True]), tmp_path / "a.parquet")
    back = pl.read_parquet(tmp_path / "a.parquet")
    assert back.schema == frame.schema
    assert back.to_dicts() == frame[1:].to_dicts()


def test_a_lazy_frame_is_never_collected_whole(monkeypatch: pytest.MonkeyPatch) -> None:
    lazy = pl.DataFrame(ROWS).lazy()
    expected = contents(open_source(lazy))
    # Older polars has no batches; then slices are collected one by one.
    monkeypatch.delattr(pl.LazyFrame, "collect_batches")
    assert contents(open_source(lazy)) == expected


def test_a_lazy_choice_of_rows_beyond_the_end_fails_when_collected() -> None:
    with pytest.raises(pl.exceptions.OutOfBoundsError):
        open_source(pl.DataFrame(ROWS).lazy()).take(np.array([20])).collect()


def test_frames_without_columns_still_have_rows() -> None:
    table = pa.table({"": pa.nulls(3)}).select([])
    assert sum(block.rows for block in open_source(table).blocks((), content=True)) == 3


def test_pandas_keeps_index_and_metadata_in_parquet(tmp_path: Path) -> None:
    frame = CONTAINERS["pandas"]()
    open_source(frame).write(MASK, tmp_path / "a.parquet")
    back = pd.read_parquet(tmp_path / "a.parquet")
    assert back.index.tolist() == [f"i{n}" for n in CHOICE]
    assert back["id"].tolist() == CHOICE.tolist()


def test_pandas_columns_of_mixed_values_pass_as_they_are(tmp_path: Path) -> None:
    frame = pd.DataFrame({"a": pd.Series([1, "x", None], dtype=object), 7: [1.0, np.nan, 2.0]})
    source = open_source(frame)
    assert source.columns == ("a", "7")
    assert column(source, "a") == [1, "x", None]
    assert column(source, "7") == [1.0, None, 2.0]
    assert source.write(np.ones(3, bool), tmp_path / "a.jsonl") == 3
    with pytest.raises(InputError, match=r"has no Arrow type.*JSON lines"):
        source.write(np.ones(3, bool), tmp_path / "a.parquet")


def test_datasets_keep_features_and_formats(tmp_path: Path) -> None:
    features = datasets.Features(
        {"text": datasets.Value("string"), "label": datasets.ClassLabel(names=["no", "yes"])}
    )
    data = datasets.Dataset.from_dict({"text": list("abcd"), "label": [0, 1, 0, 1]}, features)
    shuffled = data.select([3, 2, 1, 0]).with_format("numpy")
    source = open_source(shuffled)
    assert column(source, "text") == list("dcba")
    kept = source.take(np.array([0, 1]))
    assert kept.features == features
    assert kept.format["type"] == "numpy"
    source.write(np.array([True, False, False, True]), tmp_path / "a.parquet")
    table = pq.read_table(tmp_path / "a.parquet")
    assert table["text"].to_pylist() == ["d", "a"]
    assert b"ClassLabel" in table.schema.metadata[b"huggingface"]


def test_splits_of_different_features_do_not_fit_one_parquet_file(tmp_path: Path) -> None:
    data = datasets.DatasetDict(
        {
            "a": datasets.Dataset.from_dict({"x": [1], "y": [1]}),
            "b": datasets.Dataset.from_dict({"x": [2]}),
        }
    )
    source = open_source(data)
    assert source.columns == ("x",)
    assert column(source, "x") == [1, 2]
    with pytest.raises(InputError, match='split "b" has other features'):
        source.write(np.ones(2, bool), tmp_path / "a.parquet")


@pytest.mark.parametrize(
    ("items", "columns", "values"),
    [
        ([(torch.ones(2), torch.tensor(3))], ("0", "1"), {"0": [[1.0, 1.0]], "1": [3]}),
        (["a", "b"], ("item",), {"item": ["a", "b"]}),
        ([{"x": torch.zeros(1)}], ("x",), {"x": [[0.0]]}),
    ],
)
def test_torch_items_become_columns(
    items: list[Any], columns: tuple[str, ...], values: Any
) -> None:
    source = open_source(_Torch(items))
    assert source.columns == columns
    for name in columns:
        assert [np.asarray(value).tolist() for value in column(source, name)] == values[name]
    assert len(contents(source)) == len(items)


def test_tensors_can_be_written_as_parquet(tmp_path: Path) -> None:
    source = open_source(_Torch([{"x": torch.tensor([1.0, 2.0]), "y": torch.tensor(1)}]))
    source.write(np.ones(1, bool), tmp_path / "a.parquet")
    assert pl.read_parquet(tmp_path / "a.parquet").to_dicts() == [{"x": [1.0, 2.0], "y": 1}]


def test_iterable_torch_datasets_are_refused() -> None:
    class Stream(torch.utils.data.IterableDataset[Any]):
        def __iter__(self) -> Any:
            return iter(())

    with pytest.raises(InputError, match="map-style"):
        open_source(Stream())


def test_the_format_of_data_in_memory_cannot_be_chosen() -> None:
    with pytest.raises(InputError, match="format='csv' is for files; this is a list"):
        open_source([{"a": 1}], format="csv")


@pytest.mark.parametrize("suffix", ["jsonl", "csv"])
def test_long_output_is_written_piece_by_piece(
    suffix: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    rows = [{"a": row["id"], "b": row["text"]} for row in ROWS]
    open_source(rows).write(MASK, tmp_path / f"whole.{suffix}")
    monkeypatch.setattr(convert, "_JSON_BYTES", 10)
    open_source(rows).write(MASK, tmp_path / f"pieces.{suffix}")
    whole, pieces = tmp_path / f"whole.{suffix}", tmp_path / f"pieces.{suffix}"
    assert pieces.read_bytes() == whole.read_bytes()


def test_a_value_without_a_json_form_names_its_row(tmp_path: Path) -> None:
    with pytest.raises(InputError, match="row 1: a value of type object has no JSON form"):
        open_source([{"a": 1}, {"a": object()}]).write(np.ones(2, bool), tmp_path / "a.jsonl")
    assert list(tmp_path.iterdir()) == []


def test_times_are_iso_text_in_csv(tmp_path: Path) -> None:
    open_source([{"a": dt.date(2020, 1, 2)}]).write(np.ones(1, bool), tmp_path / "a.csv")
    assert (tmp_path / "a.csv").read_text() == "a\n2020-01-02\n"
