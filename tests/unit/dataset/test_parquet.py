from __future__ import annotations

import datetime as dt
import json
from decimal import Decimal
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from rows import CHOICE, MASK, ROWS, column, read_lines, write_lines

from datapruner.dataset import convert, parquet, tables
from datapruner.dataset.source import open_source
from datapruner.errors import InputError, MissingColumnError

ALL = np.ones(20, bool)


def _rich() -> pa.Table:
    """Nested, dictionary, decimal, time and vector columns, with metadata everywhere."""
    table = pa.Table.from_pylist(ROWS)
    kind = pa.array([row["label"] for row in ROWS]).dictionary_encode()
    moment = pa.array([dt.datetime(2020, 1, 1) + dt.timedelta(days=n) for n in range(20)])
    table = table.append_column("kind", kind)
    table = table.append_column("when", moment.cast(pa.timestamp("us", "UTC")))
    table = table.append_column("price", pa.array([Decimal(n) / 4 for n in range(20)]))
    table = table.append_column("raw", pa.array([bytes([n]) for n in range(20)]))
    table = table.append_column(
        "fixed", pa.FixedSizeListArray.from_arrays(np.arange(60, dtype=np.float32), 3)
    )
    field = pa.field("id2", pa.int16(), nullable=False, metadata={"unit": "none"})
    table = table.append_column(field, pa.array(range(20), pa.int16()))
    return table.replace_schema_metadata({"maker": "a test", "huggingface": "{}"})


@pytest.fixture
def corpus(tmp_path: Path) -> Path:
    path = tmp_path / "corpus.parquet"
    pq.write_table(_rich(), path, row_group_size=6, compression="snappy")
    return path


def test_schema_metadata_and_values_survive(corpus: Path, tmp_path: Path) -> None:
    out = tmp_path / "out.parquet"
    assert open_source(corpus).write(MASK, out) == 5
    back = pq.read_table(out)
    assert back.schema.equals(pq.read_schema(corpus), check_metadata=True)
    assert back.equals(pq.read_table(corpus).filter(pa.array(MASK)))
    assert back.schema.field("kind").type == pa.dictionary(pa.int32(), pa.string())


@pytest.mark.parametrize(
    "codec", ["snappy", "zstd", "gzip", "none", "lz4", {"text": "zstd", "id": "snappy"}]
)
def test_the_output_is_compressed_as_the_input_is(tmp_path: Path, codec: object) -> None:
    path, out = tmp_path / "a.parquet", tmp_path / "b.parquet"
    table = pa.table({"text": ["a", "b"], "id": [1, 2], "meta": [{"x": [1]}, None]})
    pq.write_table(table, path, compression=codec)
    open_source(path).write(np.array([True, False]), out)

    def codecs(file: Path) -> list[str]:
        group = pq.read_metadata(file).row_group(0)
        return [group.column(at).compression for at in range(group.num_columns)]

    assert codecs(out) == codecs(path)


def test_equal_input_gives_equal_bytes(corpus: Path, tmp_path: Path) -> None:
    open_source(corpus).write(MASK, tmp_path / "a.parquet")
    open_source(corpus).write(MASK, tmp_path / "b.parquet")
    assert (tmp_path / "a.parquet").read_bytes() == (tmp_path / "b.parquet").read_bytes()


def test_take_gives_a_table_of_the_same_schema(corpus: Path) -> None:
    rows, whole = open_source(corpus), pq.read_table(corpus)
    assert rows.take(CHOICE[::-1]).equals(whole.take(CHOICE))
    assert rows.take(np.array([7, 1, 7]), order="given").equals(whole.take([7, 1, 7]))
    assert rows.take(np.array([], int)).schema.equals(whole.schema)
    with pytest.raises(InputError, match="row 20 is out of range; there are 20 rows"):
        rows.take(np.array([20]))


def test_numbers_and_vectors_come_as_arrays_and_the_rest_as_python_values(corpus: Path) -> None:
    names = ["id", "text", "score", "vector", "fixed", "meta", "label"]
    (block, *_) = open_source(corpus).blocks(names)
    values = block.columns
    assert isinstance(values["id"], np.ndarray)
    assert isinstance(values["vector"], np.ndarray)
    assert values["vector"].shape == (block.rows, 2)
    assert values["fixed"].dtype == np.float32  # type: ignore[union-attr]
    for name in ("text", "score", "meta", "label"):
        assert values[name] == [row[name] for row in ROWS[: block.rows]]


def test_ragged_and_null_vectors_come_as_lists(tmp_path: Path) -> None:
    values = {"a": [[1.0], [1.0, 2.0]], "b": [[1.0], None], "c": [[], []], "d": [[None], [1.0]]}
    kind = pa.list_(pa.float64())
    table = pa.table({name: pa.array(rows, kind) for name, rows in values.items()})
    pq.write_table(table, tmp_path / "a.parquet")
    (block,) = open_source(tmp_path / "a.parquet").blocks(list(values))
    assert dict(block.columns) == values


def test_no_more_than_a_block_is_held_at_once(
    corpus: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(parquet, "BLOCK_ROWS", 4)
    rows = open_source(corpus)
    assert [block.rows for block in rows.blocks(["id"])] == [4, 2, 4, 2, 4, 2, 2]
    monkeypatch.setattr(convert, "_GROUP_ROWS", 5)
    rows.write(ALL, tmp_path / "b.parquet")
    assert pq.read_metadata(tmp_path / "b.parquet").num_row_groups >= 3
    assert pq.read_table(tmp_path / "b.parquet").equals(pq.read_table(corpus))


def test_row_groups_without_kept_rows_are_not_read(
    corpus: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    read: list[int] = []
    inner = parquet.ParquetSource._read_group

    def spy(self: object, file: object, name: str, group: int, *rest: object) -> object:
        read.append(group)
        return inner(self, file, name, group, *rest)  # type: ignore[arg-type]

    monkeypatch.setattr(parquet.ParquetSource, "_read_group", spy)
    open_source(corpus).write(np.arange(20) == 7, tmp_path / "b.parquet")
    assert read == [1]


def test_a_block_without_columns_still_counts_rows(corpus: Path) -> None:
    assert sum(block.rows for block in open_source(corpus).blocks()) == 20


def test_a_misspelt_column_is_refused_before_any_reading(corpus: Path) -> None:
    with pytest.raises(MissingColumnError, match=r'"txt" in corpus.parquet. Did you mean "text"'):
        open_source(corpus).blocks(["txt"])


@pytest.mark.parametrize("content", [b"", b"PAR1", b"no parquet at all"])
def test_a_file_that_is_not_parquet_is_refused(tmp_path: Path, content: bytes) -> None:
    path = tmp_path / "a.parquet"
    path.write_bytes(content)
    with pytest.raises(InputError, match=r"a\.parquet is not a readable Parquet file"):
        open_source(path)


def test_a_damaged_page_names_the_file(corpus: Path) -> None:
    raw = bytearray(corpus.read_bytes())
    raw[4:2000] = b"\xff" * 1996
    corpus.write_bytes(raw)
    with pytest.raises(InputError, match=r"corpus.parquet: row group 0 cannot be read"):
        list(open_source(corpus).blocks(["text", "id"]))


def test_several_files_are_one_corpus(corpus: Path, tmp_path: Path) -> None:
    second = tmp_path / "z.parquet"
    pq.write_table(_rich().slice(0, 3), second)
    rows = open_source([corpus, second])
    assert column(rows, "id") == [*range(20), 0, 1, 2]
    rows.write(np.arange(23) >= 19, tmp_path / "out.pq")
    assert pq.read_table(tmp_path / "out.pq")["id"].to_pylist() == [19, 0, 1, 2]


@pytest.mark.parametrize(
    ("second", "message"),
    [
        (
            pa.table({"a": [1.5], "b": ["x"]}),
            'the column "a" is double here but int64 in a.parquet',
        ),
        (pa.table({"a": [1]}), 'the column "b" of a.parquet is missing'),
        (pa.table({"a": [1], "b": ["x"], "c": [1]}), 'the column "c" is not in a.parquet'),
        (pa.table({"b": ["x"], "a": [1]}), "the columns stand in another order"),
    ],
)
def test_files_of_different_schemas_are_refused(
    tmp_path: Path, second: pa.Table, message: str
) -> None:
    pq.write_table(pa.table({"a": [1], "b": ["x"]}), tmp_path / "a.parquet")
    pq.write_table(second, tmp_path / "b.parquet")
    with pytest.raises(InputError, match=f"b.parquet: {message}"):
        open_source(tmp_path)


def test_two_columns_of_one_name_are_refused(tmp_path: Path) -> None:
    table = pa.Table.from_arrays([pa.array([1]), pa.array([2])], names=["a", "a"])
    pq.write_table(table, tmp_path / "a.parquet")
    with pytest.raises(InputError, match='two columns are named "a"'):
        open_source(tmp_path / "a.parquet")


def test_text_that_is_not_utf8_is_a_bad_row(tmp_path: Path) -> None:
    raw = pa.array([b"good", b"\xff\xfe", b"fine"]).view(pa.string())
    path = tmp_path / "a.parquet"
    pq.write_table(pa.table({"n": [1, 2, 3], "text": raw}), path)
    rows = open_source(path)
    (block,) = rows.blocks(["n", "text"], content=True)
    assert [(bad.row, bad.where, bad.reason) for bad in block.bad] == [
        (1, "a.parquet row 1", "invalid UTF-8")
    ]
    assert block.columns == {"n": [1, None, 3], "text": ["good", None, "fine"]}
    with pytest.raises(InputError, match="row 1 is kept but cannot be read"):
        rows.write(np.ones(3, bool), tmp_path / "a.jsonl")
    assert rows.write(np.array([True, False, True]), tmp_path / "a.jsonl") == 2


def test_no_rows_and_no_row_groups_are_fine(tmp_path: Path) -> None:
    path = tmp_path / "a.parquet"
    schema = _rich().schema
    pq.write_table(_rich().slice(0, 0), path, use_compliant_nested_type=False)
    rows = open_source(path)
    assert sum(block.rows for block in rows.blocks(["text"])) == 0
    rows.write(np.zeros(0, bool), tmp_path / "b.parquet")
    assert pq.read_schema(tmp_path / "b.parquet").equals(schema, check_metadata=True)
    with pq.ParquetWriter(path, _rich().schema):
        pass
    open_source(path).write(np.zeros(0, bool), tmp_path / "c.parquet")


def test_parquet_to_json_writes_iso_times_base64_and_text_decimals(
    corpus: Path, tmp_path: Path
) -> None:
    out = tmp_path / "out.jsonl"
    open_source(corpus).write(MASK, out)
    first = read_lines(out)[0]
    assert first["when"] == "2020-01-02T00:00:00+00:00"
    assert first["raw"] == "AQ=="
    assert Decimal(first["price"]) == Decimal("0.25")
    assert first["meta"] == ROWS[1]["meta"]
    assert [row["id"] for row in read_lines(out)] == CHOICE.tolist()


def test_json_to_parquet_unites_types_over_all_rows(tmp_path: Path, monkeypatch: object) -> None:
    rows = [{"a": 1, "m": {"x": 1}}, {"a": 2.5, "n": None, "m": {"y": "z"}}, {"a": None, "b": [1]}]
    source = open_source(write_lines(tmp_path / "a.jsonl", rows))
    source.write(np.ones(3, bool), tmp_path / "a.parquet")
    table = pq.read_table(tmp_path / "a.parquet")
    assert table.column_names == ["a", "m", "n", "b"]
    assert table["a"].to_pylist() == [1.0, 2.5, None]
    assert table["m"].to_pylist() == [{"x": 1, "y": None}, {"x": None, "y": "z"}, None]


def test_json_to_parquet_unites_types_of_far_apart_rows(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    from datapruner.dataset import infer

    monkeypatch.setattr(infer, "BLOCK_ROWS", 2)
    rows = [{"a": None}, {"a": None}, {"a": 1}, {"a": 2}, {"a": 0.5}, {"a": 2, "b": "x"}]
    source = open_source(write_lines(tmp_path / "a.jsonl", rows))
    source.write(np.ones(6, bool), tmp_path / "a.parquet")
    assert pq.read_table(tmp_path / "a.parquet")["a"].to_pylist() == [None, None, 1, 2, 0.5, 2]


def test_truly_mixed_types_name_column_types_and_row(tmp_path: Path) -> None:
    path = write_lines(tmp_path / "a.jsonl", [{"a": 1}, {"a": 2}, {"a": "x"}])
    with pytest.raises(
        InputError, match='column "a" mixes types: int64 up to row 2, which has str'
    ):
        open_source(path).write(np.ones(3, bool), tmp_path / "a.parquet")
    assert not (tmp_path / "a.parquet").exists()
    assert open_source(path).write(np.array([True, True, False]), tmp_path / "a.parquet") == 2


@pytest.mark.parametrize(
    ("rows", "message"),
    [
        ([{"a": {}}], "cannot be written as Parquet"),
        ([{"a": 2**63 - 1}, {"a": 0.5}], 'column "a", rows 0 to 1'),
        ([{"a": object()}], 'column "a", row 0'),
    ],
)
def test_what_parquet_cannot_hold_is_refused_with_a_hint(
    tmp_path: Path, rows: list[dict[str, object]], message: str
) -> None:
    with pytest.raises(InputError, match=f"{message}.*(JSON lines)"):
        open_source(rows).write(np.ones(len(rows), bool), tmp_path / "a.parquet")
    assert list(tmp_path.iterdir()) == []


def test_parquet_is_not_wrapped_in_gzip(corpus: Path, tmp_path: Path) -> None:
    with pytest.raises(InputError, match="compresses its own pages"):
        open_source(corpus).write(MASK, tmp_path / "a.parquet.gz")


def test_tables_in_memory_keep_their_schema(tmp_path: Path) -> None:
    table = _rich()
    rows = open_source(table)
    assert isinstance(rows, tables.ArrowSource)
    assert rows.take(CHOICE).equals(table.take(CHOICE))
    rows.write(MASK, tmp_path / "a.parquet")
    back = pq.read_table(tmp_path / "a.parquet")
    assert back.schema.metadata == table.schema.metadata
    assert back.cast(table.schema).equals(table.take(CHOICE))
    assert json.dumps(column(rows, "id")) == json.dumps(list(range(20)))
