from __future__ import annotations

import csv
import gzip
import io
from pathlib import Path

import numpy as np
import polars as pl
import pytest
import zstandard
from hypothesis import given
from hypothesis import strategies as st
from rows import column, read_lines

from datapruner.dataset import delimited
from datapruner.dataset.source import open_source
from datapruner.errors import InputError, MissingColumnError

RAW = (
    b'id;text;"n, m"\r\n1;"a ; b";x\r\n\r\n2;"two\r\nlines ""q""";\r\n3;"5"" disk";"y"\r\n4;plain;z'
)


@pytest.fixture
def corpus(tmp_path: Path) -> Path:
    path = tmp_path / "a.csv"
    path.write_bytes(RAW)
    return path


def test_quotes_line_breaks_and_blank_lines_are_read(corpus: Path) -> None:
    rows = open_source(corpus)
    assert rows.columns == ("id", "text", "n, m")
    assert column(rows, "text") == ["a ; b", 'two\r\nlines "q"', '5" disk', "plain"]
    assert column(rows, "n, m") == ["x", "", "y", "z"]
    assert rows.take(np.array([3, 0])) == [
        {"id": "1", "text": "a ; b", "n, m": "x"},
        {"id": "4", "text": "plain", "n, m": "z"},
    ]


def test_kept_records_go_out_with_their_own_bytes(corpus: Path, tmp_path: Path) -> None:
    out = tmp_path / "out.csv"
    assert open_source(corpus).write(np.array([False, True, False, True]), out) == 2
    assert out.read_bytes() == (b'id;text;"n, m"\r\n2;"two\r\nlines ""q""";\r\n4;plain;z\r\n')


@pytest.mark.parametrize("suffix", [".gz", ".zst"])
def test_compressed_files_work_and_truncated_ones_are_named(tmp_path: Path, suffix: str) -> None:
    raw = b"a,b\n" + b"".join(b"%d,%d\n" % (n, n * n) for n in range(5000))
    packed = gzip.compress(raw) if suffix == ".gz" else zstandard.compress(raw)
    path = tmp_path / f"a.csv{suffix}"
    path.write_bytes(packed)
    rows = open_source(path)
    assert len(column(rows, "b")) == 5000
    rows.write(np.arange(5000) < 2, tmp_path / "b.csv")
    assert (tmp_path / "b.csv").read_bytes() == b"a,b\n0,0\n1,1\n"
    path.write_bytes(packed[:-30])
    with pytest.raises(InputError, match=r"a\.csv\.\w+: .*ends before.*\d+ complete rows"):
        list(open_source(path).blocks())
    path.write_bytes(packed[:3])
    with pytest.raises(InputError, match=r"ends before.*0 complete rows"):
        open_source(path)


@pytest.mark.parametrize(("name", "mark"), [("a.csv", b","), ("a.csv", b"|"), ("a.tsv", b"\t")])
def test_the_delimiter_follows_the_suffix_or_the_header(
    tmp_path: Path, name: str, mark: bytes
) -> None:
    path = tmp_path / name
    path.write_bytes(b"\xef\xbb\xbf\n" + mark.join([b"a", b"b"]) + b"\n" + mark.join([b"1", b"2"]))
    assert open_source(path).columns == ("a", "b")
    assert column(open_source(path), "b") == ["2"]


def test_bad_records_keep_their_row_number(tmp_path: Path) -> None:
    path = tmp_path / "a.csv"
    path.write_bytes(b"a,b\n1,2\n\n3\n4,5,6\n\xff,7\n8,x\ry\n9,10\n")
    (block,) = open_source(path).blocks(["a"])
    assert [(bad.row, bad.where) for bad in block.bad] == [
        (1, "a.csv line 4"),
        (2, "a.csv line 5"),
        (3, "a.csv line 6"),
        (4, "a.csv line 7"),
    ]
    reasons = [bad.reason for bad in block.bad]
    assert reasons[:3] == [
        "1 fields, but the header has 2",
        "3 fields, but the header has 2",
        "invalid UTF-8",
    ]
    assert "broken record" in reasons[3]
    assert block.columns["a"] == ["1", None, None, None, None, "9"]


def test_a_quote_that_never_closes_does_not_swallow_the_rest(tmp_path: Path) -> None:
    path = tmp_path / "a.csv"
    path.write_bytes(b'a,b\n1,2\n3,"open\n5,6\n')
    with pytest.raises(
        InputError, match=r"a\.csv line 3: a quoted field is opened and never closed; 1"
    ):
        list(open_source(path).blocks())


def test_fields_longer_than_the_csv_modules_limit_are_read(tmp_path: Path) -> None:
    limit, text = csv.field_size_limit(), "x" * 300_000
    path = tmp_path / "a.csv"
    path.write_text(f"a,b\n{text},2\n")
    assert column(open_source(path), "a") == [text]
    assert csv.field_size_limit() == limit


def test_a_misspelt_column_is_refused_before_any_reading(corpus: Path) -> None:
    with pytest.raises(MissingColumnError, match=r'"txt" in a.csv. Did you mean "text"'):
        open_source(corpus).blocks(["txt"])


def test_an_empty_file_is_an_empty_corpus(tmp_path: Path) -> None:
    path = tmp_path / "a.csv"
    path.write_bytes(b"")
    rows = open_source(path)
    assert rows.columns == ()
    assert list(rows.blocks(["text"])) == []
    assert rows.write(np.zeros(0, bool), tmp_path / "b.csv") == 0
    path.write_bytes(b"a,b\n")
    assert open_source(path).write(np.zeros(0, bool), tmp_path / "c.csv") == 0
    assert (tmp_path / "c.csv").read_bytes() == b"a,b\n"


@pytest.mark.parametrize(
    ("header", "message"),
    [(b"a,a\n", 'two columns are named "a"'), (b"\xff,b\n", "the header cannot be read")],
)
def test_a_header_that_cannot_be_used_is_refused(
    tmp_path: Path, header: bytes, message: str
) -> None:
    (tmp_path / "a.csv").write_bytes(header)
    with pytest.raises(InputError, match=message):
        open_source(tmp_path / "a.csv")


def test_several_files_need_one_header(tmp_path: Path) -> None:
    (tmp_path / "a.csv").write_bytes(b"a,b\n1,2")
    (tmp_path / "b.csv").write_bytes(b"a,b\n3,4\n")
    rows = open_source(tmp_path)
    rows.write(np.ones(2, bool), tmp_path / "out.tsv")
    assert (tmp_path / "out.tsv").read_bytes() == b"a\tb\n1\t2\n3\t4\n"
    rows.write(np.ones(2, bool), tmp_path / "out.csv")
    assert (tmp_path / "out.csv").read_bytes() == b"a,b\n1,2\n3,4\n"
    (tmp_path / "c.csv").write_bytes(b"a,c\n3,4\n")
    with pytest.raises(InputError, match=r"c\.csv: the header is a, c, but that of a\.csv is a, b"):
        open_source([tmp_path / "a.csv", tmp_path / "c.csv"])


def test_csv_becomes_json_and_parquet_as_text(corpus: Path, tmp_path: Path) -> None:
    rows = open_source(corpus)
    rows.write(np.ones(4, bool), tmp_path / "a.jsonl")
    rows.write(np.ones(4, bool), tmp_path / "a.parquet")
    lines = read_lines(tmp_path / "a.jsonl")
    assert lines[1] == {"id": "2", "text": 'two\r\nlines "q"', "n, m": ""}
    assert pl.read_parquet(tmp_path / "a.parquet").to_dicts() == lines


def test_rows_become_csv_with_all_their_keys(tmp_path: Path) -> None:
    rows = [{"a": 1, "b": True}, {"c": b"\x01", "a": np.float64(0.5)}, {"b": None, "c": "x,y"}]
    out = tmp_path / "a.csv"
    open_source(rows).write(np.ones(3, bool), out)
    assert out.read_bytes() == b'a,b,c\n1,true,\n0.5,,AQ==\n,,"x,y"\n'
    with pytest.raises(InputError, match='column "a", row 0: a list does not fit into a CSV field'):
        open_source([{"a": [1]}]).write(np.ones(1, bool), tmp_path / "b.csv")


def test_blocks_are_bounded_in_rows_and_bytes(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = tmp_path / "a.csv"
    path.write_bytes(b"a,b\n" + b"1,22\n" * 20)
    monkeypatch.setattr(delimited, "BLOCK_ROWS", 6)
    assert [block.rows for block in open_source(path).blocks(["a"])] == [6, 6, 6, 2]
    monkeypatch.setattr(delimited, "LINE_BYTES", 14)
    blocks = list(open_source(path).blocks(["a"]))
    assert max(block.rows for block in blocks) == 3
    assert sum(block.rows for block in blocks) == 20


@given(st.lists(st.tuples(st.text("ab,\"\n ;é'"), st.text('xy,"\t'))), st.integers(0, 99))
def test_what_the_csv_module_wrote_comes_back(rows: list[tuple[str, str]], seed: int) -> None:
    import tempfile

    text = io.StringIO()
    writer = csv.writer(text, lineterminator="\n")
    writer.writerows([("one", "two"), *rows])
    mask = np.random.default_rng(seed).random(len(rows)) < 0.5
    with tempfile.TemporaryDirectory() as folder:
        path, out = Path(folder, "a.csv"), Path(folder, "b.csv")
        path.write_text(text.getvalue(), encoding="utf-8", newline="")
        source = open_source(path)
        assert list(zip(column(source, "one"), column(source, "two"), strict=True)) == rows
        source.write(mask, out)
        kept = [row for row, keep in zip(rows, mask, strict=True) if keep]
        with out.open(encoding="utf-8", newline="") as file:
            assert [tuple(row) for row in csv.reader(file)] == [("one", "two"), *kept]
