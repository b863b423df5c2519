from __future__ import annotations

import errno
import io
import os
import subprocess
import sys
import zipfile
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from rows import MASK, ROWS, leftovers

from datapruner.dataset.source import open_source
from datapruner.errors import OutputError
from datapruner.output import AtomicFile, atomic_write_bytes, check_writable, open_output


def test_a_file_appears_only_when_it_is_whole(tmp_path: Path) -> None:
    path = tmp_path / "a.bin"
    with AtomicFile(path) as file:
        file.write(b"one")
        file.flush()
        assert file.tell() == 3
        assert not file.closed
        assert not path.exists()
        assert len(leftovers(tmp_path)) == 1
    assert file.closed
    assert path.read_bytes() == b"one"
    assert leftovers(tmp_path) == []


def _write_and_raise(path: Path, error: type[BaseException]) -> None:
    with AtomicFile(path, overwrite=True) as file:
        file.write(b"half")
        raise error


@pytest.mark.parametrize("error", [KeyboardInterrupt, SystemExit, ValueError])
def test_an_interrupted_write_leaves_nothing(tmp_path: Path, error: type[BaseException]) -> None:
    with pytest.raises(error):
        _write_and_raise(tmp_path / "a.bin", error)
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize("suffix", ["jsonl", "jsonl.gz", "jsonl.zst", "parquet", "csv"])
def test_ctrl_c_in_the_middle_of_the_rows_leaves_nothing(
    tmp_path: Path, suffix: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    rows = open_source([{"a": 1}, {"a": 2}])
    records = type(rows).records  # type: ignore[attr-defined]

    def interrupted(self: object, keep: object) -> Any:
        yield next(records(self, keep))
        raise KeyboardInterrupt

    monkeypatch.setattr(type(rows), "records", interrupted)
    with pytest.raises(KeyboardInterrupt):
        rows.write(np.ones(2, bool), tmp_path / f"a.{suffix}")
    assert list(tmp_path.iterdir()) == []


def test_a_failed_overwrite_keeps_the_old_file(tmp_path: Path) -> None:
    path = tmp_path / "a.bin"
    path.write_bytes(b"old")
    with pytest.raises(RuntimeError):
        _write_and_raise(path, RuntimeError)
    assert path.read_bytes() == b"old"


def test_an_existing_file_is_refused_unless_asked(tmp_path: Path) -> None:
    path = tmp_path / "a.bin"
    atomic_write_bytes(path, b"old")
    with pytest.raises(
        OutputError, match=r"a\.bin exists; pass --overwrite or choose another name"
    ):
        atomic_write_bytes(path, b"new")
    path.chmod(0o640)
    atomic_write_bytes(path, b"new", overwrite=True)
    assert path.read_bytes() == b"new"
    assert path.stat().st_mode & 0o777 == 0o640


@pytest.mark.parametrize("links", [True, False])
def test_a_file_that_appears_meanwhile_is_not_replaced(
    tmp_path: Path, links: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    if not links:
        monkeypatch.setattr(os, "link", _no_links)
    path = tmp_path / "a.bin"
    with pytest.raises(OutputError, match="exists"), AtomicFile(path):
        path.write_bytes(b"theirs")
    assert path.read_bytes() == b"theirs"
    assert leftovers(tmp_path) == []


def _no_links(*_: object) -> None:
    raise OSError(errno.EPERM, "no hard links here")


def test_file_systems_without_links_or_folder_sync_will_do(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(os, "link", _no_links)
    monkeypatch.setattr(os, "fchmod", _no_links)
    atomic_write_bytes(tmp_path / "a.bin", b"x")
    assert (tmp_path / "a.bin").read_bytes() == b"x"


def test_a_symbolic_link_stays_one(tmp_path: Path) -> None:
    target, link = tmp_path / "target", tmp_path / "link"
    target.write_bytes(b"old")
    link.symlink_to(target)
    atomic_write_bytes(link, b"new", overwrite=True)
    assert link.is_symlink()
    assert target.read_bytes() == b"new"


def test_what_cannot_be_written_is_known_beforehand(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    check_writable(tmp_path / "new")
    check_writable(Path("-"))
    check_writable(Path(os.devnull))
    with pytest.raises(OutputError, match="is a folder"):
        check_writable(tmp_path)
    with pytest.raises(OutputError, match="there is no folder"):
        check_writable(tmp_path / "none" / "a")
    monkeypatch.setattr(os, "access", lambda *_: False)
    with pytest.raises(OutputError, match="no permission in folder"):
        check_writable(tmp_path / "new")


class _FullDisk(io.RawIOBase):
    def write(self, data: object, /) -> int:
        raise OSError(errno.ENOSPC, "No space left on device")


@pytest.mark.parametrize("suffix", ["jsonl", "jsonl.gz", "jsonl.zst", "parquet", "csv"])
def test_a_full_disk_says_so_and_leaves_nothing(
    tmp_path: Path, suffix: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    inner = AtomicFile._create

    def full(self: AtomicFile, target: Path) -> Any:
        inner(self, target).close()
        return _FullDisk()

    monkeypatch.setattr(AtomicFile, "_create", full)
    with pytest.raises(OutputError, match=r"disk full while writing .* after 0 bytes; nothing was"):
        open_source([dict(row, meta=1, vector=1) for row in ROWS]).write(
            MASK, tmp_path / f"a.{suffix}"
        )
    assert list(tmp_path.iterdir()) == []


@pytest.mark.skipif(not Path("/dev/full").exists(), reason="needs /dev/full")
@pytest.mark.parametrize("format", ["jsonl", "parquet", "csv"])
def test_the_real_full_device_is_reported(format: str) -> None:
    rows = open_source([{"a": 1}])
    with pytest.raises(OutputError, match="disk full while writing /dev/full"):
        rows.write(np.ones(1, bool), Path("/dev/full"), format=format)


def test_other_errors_of_the_system_are_named(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def failing(*_: object) -> None:
        raise OSError(errno.EIO, "Input/output error")

    monkeypatch.setattr(os, "fsync", failing)
    with pytest.raises(OutputError, match=r"cannot write .*a\.bin: Input/output error"):
        atomic_write_bytes(tmp_path / "a.bin", b"x")
    assert list(tmp_path.iterdir()) == []


def test_devices_are_written_straight() -> None:
    with AtomicFile(Path(os.devnull)) as file:
        assert file.write(b"abc") == 3


def test_compressed_output_holds_neither_name_nor_time(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    for name in ("a.gz", "b.gz"):
        with open_output(tmp_path / name) as out:
            assert out.write(b"x" * 100_000) == 100_000
    assert (tmp_path / "a.gz").read_bytes() == (tmp_path / "b.gz").read_bytes()
    assert (tmp_path / "a.gz").read_bytes()[4:8] == b"\0\0\0\0"


def test_a_zip_can_be_written_through_it(tmp_path: Path) -> None:
    with AtomicFile(tmp_path / "a.zip") as out, zipfile.ZipFile(out, "w") as pack:
        pack.writestr("x.txt", "hello")
    with zipfile.ZipFile(tmp_path / "a.zip") as pack:
        assert pack.read("x.txt") == b"hello"


def test_standard_output_gets_the_bytes_alone() -> None:
    code = (
        "from datapruner.dataset.source import open_source; import numpy as np; from pathlib "
        "import Path;open_source(Path('-')).write(np.array([True, False, True]), Path('-'))"
    )
    lines = b'{"a":  1}\n\n{"a": 2}\n{"a": 3}'
    done = subprocess.run(
        [sys.executable, "-c", code], input=lines, capture_output=True, check=True
    )
    assert done.stdout == b'{"a":  1}\n{"a": 3}\n'
    assert done.stderr == b""


def test_a_killed_process_leaves_no_file_of_the_wanted_name(tmp_path: Path) -> None:
    code = (
        "import os, sys; from pathlib import Path; from datapruner.output import "
        "AtomicFile\nwith AtomicFile(Path(sys.argv[1])) as out:\n"
        "    out.write(b'half'); out.flush(); os.kill(os.getpid(), 9)\n"
    )
    path = tmp_path / "a.jsonl"
    assert subprocess.run([sys.executable, "-c", code, str(path)], check=False).returncode == -9
    assert not path.exists()
    assert len(leftovers(tmp_path)) == 1
    atomic_write_bytes(path, b"{}\n")
    assert open_source(tmp_path).description == "a.jsonl"  # the stale one is passed over
