from __future__ import annotations

import hashlib
import io
import subprocess
import sys
from pathlib import Path
from types import SimpleNamespace

import numpy as np
import pytest
from rows import MASK, ROWS, column, write_lines

from datapruner.dataset.discover import find_files, format_of
from datapruner.dataset.source import BadRow, Source, open_source
from datapruner.errors import InputError, OutputError


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    write_lines(tmp_path / "b.jsonl", ROWS[:3])
    write_lines(tmp_path / "a.jsonl", ROWS[3:5])
    write_lines(tmp_path / "_part.jsonl", ROWS)
    write_lines(tmp_path / ".hidden.jsonl", ROWS)
    (tmp_path / "notes.txt").write_text("notes")
    (tmp_path / "deep").mkdir()
    return tmp_path


def test_a_folder_is_read_by_name_and_without_its_other_files(folder: Path) -> None:
    source = open_source(folder)
    assert source.description == "a.jsonl and 1 more"
    assert column(source, "id") == [3, 4, 0, 1, 2]


@pytest.mark.parametrize("kind", [str, Path])
def test_a_pattern_is_read_by_name(folder: Path, kind: type) -> None:
    assert column(open_source(kind(folder / "[a-b]*.jsonl")), "id") == [3, 4, 0, 1, 2]


def test_several_files_keep_the_given_order(folder: Path) -> None:
    source = open_source([folder / "b.jsonl", folder / "a.jsonl"])
    assert column(source, "id") == [0, 1, 2, 3, 4]
    raw = (folder / "b.jsonl").read_bytes() + (folder / "a.jsonl").read_bytes()
    assert source.digest() == hashlib.sha256(raw).hexdigest()


def test_files_of_one_name_are_told_apart_by_their_folder(folder: Path) -> None:
    (folder / "deep" / "a.jsonl").write_text("broken\n")
    source = open_source([folder / "a.jsonl", folder / "deep" / "a.jsonl"])
    (bad,) = [bad for block in source.blocks() for bad in block.bad]
    assert bad.where == f"{folder / 'deep' / 'a.jsonl'} line 1"


@pytest.mark.parametrize(
    ("name", "message"),
    [
        ("c.jsonl", 'no file .*c.jsonl. Did you mean "b.jsonl"'),
        ("none/c.jsonl", "nor a folder"),
        ("*.parquet", "no file matches"),
        ("deep", "holds no data files"),
        ("notes.txt", "cannot tell the format of notes.txt"),
    ],
)
def test_what_is_not_there_is_named(folder: Path, name: str, message: str) -> None:
    with pytest.raises(InputError, match=message):
        open_source(folder / name)


def test_a_nameless_format_can_be_said(folder: Path) -> None:
    lines = write_lines(folder / "notes.txt")
    assert len(column(open_source(lines, format="jsonl"), "id")) == 20
    assert find_files([folder], "csv").format == "csv"
    with pytest.raises(InputError, match="unknown format 'json'"):
        open_source(lines, format="json")


def test_files_of_two_formats_are_refused(folder: Path) -> None:
    (folder / "c.csv").write_text("a\n1\n")
    with pytest.raises(InputError, match=r"a.jsonl is jsonl but c.csv is csv"):
        open_source(folder)


@pytest.mark.parametrize(
    ("name", "format"),
    [("a.JSONL.GZ", "jsonl"), ("a.ndjson.zst", "jsonl"), ("a.pq", "parquet"), ("a.json", None)],
)
def test_the_suffix_tells_the_format(name: str, format: str | None) -> None:
    assert format_of(Path(name)) == format


def test_the_output_format_is_asked_for_or_by_suffix_or_the_inputs_own(tmp_path: Path) -> None:
    source = open_source(write_lines(tmp_path / "a.jsonl"))
    source.write(MASK, tmp_path / "out")
    with pytest.raises(OutputError, match=r"known endings .*--format"):
        source.write(MASK, tmp_path / "out.data")
    source.write(MASK, tmp_path / "out.jsonl")
    assert (tmp_path / "out").read_bytes() == (tmp_path / "out.jsonl").read_bytes()
    source.write(MASK, tmp_path / "out2.data", format="parquet")
    assert (tmp_path / "out2.data").read_bytes().startswith(b"PAR1")
    with pytest.raises(OutputError, match=r"cannot tell the format of out3.data"):
        open_source(ROWS).write(np.ones(20, bool), tmp_path / "out3.data")
    with pytest.raises(OutputError, match="exists"):
        source.write(MASK, tmp_path / "out.jsonl")


def _stdin(monkeypatch: pytest.MonkeyPatch, data: bytes) -> None:
    monkeypatch.setattr(sys, "stdin", SimpleNamespace(buffer=io.BytesIO(data)))


def test_standard_input_can_be_read_twice_and_its_copy_goes_away(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.setattr("tempfile.tempdir", str(tmp_path))
    _stdin(monkeypatch, b'{"a": 1}\nbroken\n')
    source = open_source("-")
    assert source.description == "stdin"
    assert column(source, "a") == column(source, "a") == [1, None]
    (bad,) = [bad for block in source.blocks() for bad in block.bad]
    assert bad.where == "stdin line 2"
    assert len(list(tmp_path.iterdir())) == 1
    del source
    assert list(tmp_path.iterdir()) == []


def test_standard_input_may_be_another_format(monkeypatch: pytest.MonkeyPatch) -> None:
    _stdin(monkeypatch, b"a,b\n1,2\n")
    assert column(open_source(Path("-"), format="csv"), "b") == ["2"]


def test_an_interrupted_standard_input_leaves_nothing(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    class Interrupted:
        def read(self, size: int) -> bytes:
            raise KeyboardInterrupt

    monkeypatch.setattr("tempfile.tempdir", str(tmp_path))
    monkeypatch.setattr(sys, "stdin", SimpleNamespace(buffer=Interrupted()))
    with pytest.raises(KeyboardInterrupt):
        open_source("-")
    assert list(tmp_path.iterdir()) == []


def test_standard_input_does_not_mix_with_files(folder: Path) -> None:
    with pytest.raises(InputError, match="cannot be mixed"):
        open_source([Path("-"), folder / "a.jsonl"])


def test_a_bad_row_shows_two_hundred_characters() -> None:
    assert BadRow(0, "here", "why", "x" * 900).text == "x" * 200


def test_every_source_satisfies_the_protocol(folder: Path) -> None:
    assert isinstance(open_source(folder), Source)
    assert isinstance(open_source(ROWS), Source)


def test_opening_a_list_imports_no_table_library() -> None:
    code = (
        "import sys; from datapruner.dataset.source import open_source; open_source([{'a': 1}]);"
        "open_source({'a': [1]}); import datapruner.tokens, datapruner.dataset.quarantine\n"
        "heavy = {'polars', 'pyarrow', 'pandas', 'datasets', 'torch', 'zstandard', 'orjson'}\n"
        "assert not heavy & set(sys.modules), heavy & set(sys.modules)"
    )
    subprocess.run([sys.executable, "-c", code], check=True)
