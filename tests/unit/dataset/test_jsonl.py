from __future__ import annotations

import gzip
import json
import tempfile
import tracemalloc
from pathlib import Path

import numpy as np
import pytest
import zstandard
from hypothesis import given, settings
from hypothesis import strategies as st
from rows import CHOICE, MASK, ROWS, column, read_lines, write_lines

from datapruner.dataset import jsonl, source, streams
from datapruner.dataset.source import open_source
from datapruner.errors import InputError, MissingColumnError


@pytest.fixture
def corpus(tmp_path: Path) -> Path:
    return write_lines(tmp_path / "corpus.jsonl")


def _bad(path: Path) -> list[tuple[int, str, str]]:
    found = [bad for block in open_source(path).blocks() for bad in block.bad]
    return [(bad.row, bad.where, bad.reason) for bad in found]


def test_values_come_out_as_python_reads_them(corpus: Path) -> None:
    rows = open_source(corpus)
    assert rows.description == "corpus.jsonl"
    assert rows.columns == tuple(ROWS[0])
    for name in rows.columns:
        assert column(rows, name) == [row[name] for row in ROWS]


def test_take_gives_dicts_in_row_order_unless_asked(corpus: Path) -> None:
    rows = open_source(corpus)
    assert rows.take(CHOICE[::-1]) == [ROWS[row] for row in CHOICE]
    assert rows.take(np.array([3, 1, 3]), order="given") == [ROWS[3], ROWS[1], ROWS[3]]


def test_take_refuses_rows_that_are_not_there(tmp_path: Path, corpus: Path) -> None:
    with pytest.raises(InputError, match="no row 20"):
        open_source(corpus).take(np.array([20]))
    with pytest.raises(InputError, match="start at 0"):
        open_source(corpus).take(np.array([-1]))
    with pytest.raises(InputError, match="flatnonzero"):
        open_source(corpus).take(MASK)  # type: ignore[arg-type]
    broken = tmp_path / "broken.jsonl"
    broken.write_text('{"a": 1}\n{"a": \n')
    with pytest.raises(InputError, match="line 2 cannot be read"):
        open_source(broken).take(np.array([1]))


@given(
    lines=st.lists(
        st.sampled_from([b'{"a":1}', b'{ "b" : [1,2 ] }', b"", b" ", b'{"c":"\\u00e9"}'])
    ),
    ending=st.sampled_from([b"\n", b"\r\n"]),
    last=st.booleans(),
    mark=st.booleans(),
    seed=st.integers(0, 99),
)
@settings(deadline=None, max_examples=60)
def test_kept_lines_go_out_byte_for_byte(
    lines: list[bytes], ending: bytes, last: bool, mark: bool, seed: int
) -> None:
    whole = ending.join(lines) + (ending if last else b"")
    rows = [line for line in lines if line.strip()]
    mask = np.random.default_rng(seed).random(len(rows)) < 0.5
    with tempfile.TemporaryDirectory() as folder:
        path, out = Path(folder, "in.jsonl"), Path(folder, "out.jsonl")
        path.write_bytes((b"\xef\xbb\xbf" if mark else b"") + whole)
        assert open_source(path).write(mask, out) == mask.sum()
        expected = [line for line, keep in zip(rows, mask, strict=True) if keep]
        assert out.read_bytes() == b"".join(line + b"\n" for line in expected)


@pytest.mark.parametrize("suffix", [".gz", ".zst", ""])
def test_compressed_files_read_and_write_like_plain_ones(
    corpus: Path, tmp_path: Path, suffix: str
) -> None:
    packed, back = tmp_path / f"a.ndjson{suffix}", tmp_path / "back.jsonl"
    open_source(corpus).write(np.ones(20, bool), packed)
    first = packed.read_bytes()
    open_source(corpus).write(np.ones(20, bool), packed, overwrite=True)
    assert packed.read_bytes() == first
    assert open_source(packed).write(MASK, back) == 5
    assert read_lines(back) == [ROWS[row] for row in CHOICE]


def test_compression_is_recognised_without_its_suffix(tmp_path: Path) -> None:
    path = tmp_path / "a.jsonl"
    path.write_bytes(gzip.compress(b'{"a": 1}\n') + gzip.compress(b'{"a": 2}\n') + b"\0\0")
    assert column(open_source(path), "a") == [1, 2]
    path.write_bytes(zstandard.compress(b'{"a": 1}\n') + zstandard.compress(b'{"a": 2}\n'))
    assert column(open_source(path), "a") == [1, 2]


@pytest.mark.parametrize("suffix", ["gz", "zst"])
@pytest.mark.parametrize("cut", [1, 40])
def test_a_truncated_stream_names_the_file_and_the_rows_read(
    tmp_path: Path, suffix: str, cut: int
) -> None:
    lines = b"".join(json.dumps({"a": n}).encode() + b"\n" for n in range(5000))
    pack = gzip.compress if suffix == "gz" else zstandard.compress
    path = tmp_path / f"a.jsonl.{suffix}"
    path.write_bytes(pack(lines)[:-cut])
    with pytest.raises(InputError, match=rf"a\.jsonl\.{suffix}.*ends before.*\d+ complete rows"):
        list(open_source(path).blocks())
    out = tmp_path / "out.jsonl"
    with pytest.raises(InputError, match="ends before"):
        open_source(path).write(np.ones(5000, bool), out)
    assert not out.exists()


def test_an_incomplete_last_line_of_a_truncated_stream_is_no_row(tmp_path: Path) -> None:
    path = tmp_path / "a.jsonl.gz"
    path.write_bytes(gzip.compress(b'{"a": 1}\n{"a": 2')[:-8])
    with pytest.raises(InputError, match="1 complete rows"):
        list(open_source(path).blocks())


@pytest.mark.parametrize(
    ("suffix", "junk"), [("gz", b"\x1f\x8bjunk"), ("zst", b"junk" * 9), ("gz", b"")]
)
def test_a_stream_that_is_not_one_is_refused(tmp_path: Path, suffix: str, junk: bytes) -> None:
    path = tmp_path / f"a.jsonl.{suffix}"
    path.write_bytes(junk)
    with pytest.raises(InputError, match=r"corrupt|ends before"):
        open_source(path)


def test_bad_lines_keep_their_row_number_and_say_where(tmp_path: Path) -> None:
    path = tmp_path / "a.jsonl"
    lines = [b'{"a": 1}', b"", b'{"a": ', b"[1]", b'"x"', b"3", b"null", b"true", b'{"a": "\xff"}']
    path.write_bytes(b"\n".join([*lines, b'{"a": "\\ud800"}', b'{"a": NaN}']))
    found = _bad(path)
    assert [row for row, _, _ in found] == [1, 2, 3, 4, 5, 6, 7, 8]
    assert [where for _, where, _ in found][:2] == ["a.jsonl line 3", "a.jsonl line 4"]
    reasons = " | ".join(reason for _, _, reason in found)
    for part in (
        "broken JSON",
        "a list",
        "a string",
        "a number",
        "null",
        "true",
        "UTF-8",
        "surrog",
    ):
        assert part in reasons
    values = column(open_source(path), "a")
    assert values[0] == 1
    assert values[1:9] == [None] * 8
    assert values[9] != values[9]


def test_nesting_without_end_is_a_bad_row(tmp_path: Path) -> None:
    path = tmp_path / "a.jsonl"
    path.write_text('{"a": 1}\n' + "[" * 100_000 + "\n")
    assert [row for row, _, _ in _bad(path)] == [1]


def test_a_bad_row_has_a_content_digest_of_its_own(tmp_path: Path) -> None:
    path = tmp_path / "a.jsonl"
    path.write_text('{"a": 1}\nxx\nyy\n')
    (block,) = open_source(path).blocks((), content=True)
    assert block.content is not None
    assert len(set(block.content)) == 3


def test_a_bad_row_that_is_kept_cannot_be_converted(tmp_path: Path) -> None:
    path = tmp_path / "a.jsonl"
    path.write_text('{"a": 1}\nxx\n')
    with pytest.raises(InputError, match="line 2 is kept but cannot be read"):
        open_source(path).write(np.ones(2, bool), tmp_path / "a.parquet")
    assert not (tmp_path / "a.parquet").exists()


def test_a_key_that_no_row_has_is_an_error_with_the_nearest_name(corpus: Path) -> None:
    with pytest.raises(MissingColumnError, match=r'corpus.jsonl.*"txet".*Did you mean "text"'):
        list(open_source(corpus).blocks(["txet"]))


def test_a_key_that_some_rows_have_is_none_elsewhere(tmp_path: Path) -> None:
    path = write_lines(tmp_path / "a.jsonl", [{"a": 1}, {"b": 2}])
    assert column(open_source(path), "b") == [None, 2]


def test_an_empty_file_is_an_empty_corpus(tmp_path: Path) -> None:
    path = write_lines(tmp_path / "a.jsonl", [])
    rows = open_source(path)
    assert list(rows.blocks(["text"])) == []
    assert rows.write(np.zeros(0, bool), tmp_path / "b.jsonl") == 0
    assert rows.write(np.zeros(0, bool), tmp_path / "b.parquet") == 0
    assert rows.write(np.zeros(0, bool), tmp_path / "b.csv") == 0
    assert (tmp_path / "b.jsonl").read_bytes() == b""


@pytest.mark.parametrize("length", [19, 21])
def test_a_mask_of_another_length_is_refused(corpus: Path, tmp_path: Path, length: int) -> None:
    for name in ("b.jsonl", "b.parquet"):
        with pytest.raises(InputError, match="mask"):
            open_source(corpus).write(np.ones(length, bool), tmp_path / name)
        assert not (tmp_path / name).exists()


def test_a_mask_of_numbers_is_refused(corpus: Path, tmp_path: Path) -> None:
    with pytest.raises(InputError, match="bool"):
        open_source(corpus).write(np.ones(20), tmp_path / "b.jsonl")  # type: ignore[arg-type]


def test_a_file_that_changes_between_passes_is_noticed(corpus: Path, tmp_path: Path) -> None:
    rows = open_source(corpus)
    corpus.write_text('{"a": 1}\n')
    with pytest.raises(InputError, match="changed"):
        rows.write(MASK, tmp_path / "b.jsonl")
    corpus.unlink()
    with pytest.raises(InputError, match="cannot read"):
        rows.digest()


def test_memory_does_not_grow_with_the_file(tmp_path: Path) -> None:
    path = tmp_path / "big.jsonl.zst"
    with path.open("wb") as file, zstandard.ZstdCompressor().stream_writer(file) as packed:
        for n in range(40_000):
            packed.write(b'{"n": %d, "text": "%s"}\n' % (n, b"word " * 200))
    rows = open_source(path)
    tracemalloc.start()
    kept = rows.write(np.ones(40_000, bool), tmp_path / "out.jsonl")
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert kept == 40_000
    assert (tmp_path / "out.jsonl").stat().st_size > 40_000_000
    assert peak < 6 * streams.LINE_BYTES


def test_blocks_hold_no_more_rows_than_promised(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(jsonl, "BLOCK_ROWS", 7)
    monkeypatch.setattr(streams, "LINE_BYTES", 2000)
    path = write_lines(tmp_path / "a.jsonl")
    blocks = list(open_source(path).blocks(["id"]))
    assert [block.start for block in blocks] == list(np.cumsum([0] + [b.rows for b in blocks])[:-1])
    assert max(block.rows for block in blocks) <= 7
    assert [row for block in blocks for row in block.columns["id"]] == list(range(20))
    assert source.BLOCK_ROWS == 8192


def test_a_line_longer_than_any_buffer_is_one_row(tmp_path: Path) -> None:
    text = "x" * 9_000_000
    path = write_lines(tmp_path / "a.jsonl", [{"a": "y"}, {"a": text}, {"a": "z"}])
    assert column(open_source(path), "a") == ["y", text, "z"]
