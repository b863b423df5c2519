"""The file format: what is refused, and with which words."""

from __future__ import annotations

import json
import pickle
import zipfile
from pathlib import Path

import numpy as np
import pytest

from datapruner.core.archive import VERSION, read_archive, write_archive
from datapruner.errors import FormatError, InputError, OutputError


def repack(path: Path, change: dict[str, bytes | None]) -> None:
    with zipfile.ZipFile(path) as pack:
        parts = {name: pack.read(name) for name in pack.namelist()}
    with zipfile.ZipFile(path, "w") as pack:
        for name, data in (parts | change).items():
            if data is not None:
                pack.writestr(name, data)


@pytest.fixture
def saved(tmp_path: Path) -> Path:
    path = tmp_path / "a.npz"
    write_archive(
        path, "thing", {"n": 2}, {"x": np.arange(2), "t": np.array(["a", "é"], dtype=object)}
    )
    return path


def test_numpy_can_read_the_numeric_columns(saved: Path) -> None:
    with np.load(saved, allow_pickle=False) as arrays:
        assert arrays["x"].tolist() == [0, 1]


def test_columns_of_fixed_width_text_come_back_as_text(tmp_path: Path) -> None:
    write_archive(tmp_path / "u.npz", "thing", {}, {"t": np.array(["ab", "c"])})
    assert read_archive(tmp_path / "u.npz", "thing")[1]["t"].tolist() == ["ab", "c"]


def test_a_missing_file_is_an_input_error(tmp_path: Path) -> None:
    with pytest.raises(InputError, match=r"there is no file .*nowhere\.npz; check the name"):
        read_archive(tmp_path / "nowhere.npz", "thing")


def test_an_existing_file_is_not_overwritten_unasked(saved: Path) -> None:
    before = saved.read_bytes()
    with pytest.raises(OutputError, match=r"exists"):
        write_archive(saved, "thing", {}, {})
    assert saved.read_bytes() == before
    write_archive(saved, "thing", {"n": 3}, {}, overwrite=True)
    assert read_archive(saved, "thing")[0]["n"] == 3


def test_another_kind_is_named(saved: Path) -> None:
    with pytest.raises(FormatError, match=r"holds 'datapruner\.thing', not datapruner\.other"):
        read_archive(saved, "other")


def test_another_version_is_named(saved: Path) -> None:
    head = {"format": "datapruner.thing", "version": VERSION + 1}
    repack(saved, {"header.json": json.dumps(head).encode()})
    with pytest.raises(
        FormatError, match=rf"version {VERSION + 1}; this datapruner reads {VERSION}"
    ):
        read_archive(saved, "thing")


@pytest.mark.parametrize("header", [b"[1]", b"{", b"\xff", None])
def test_a_header_that_is_none_is_damage(saved: Path, header: bytes | None) -> None:
    repack(saved, {"header.json": header})
    with pytest.raises(FormatError, match=r"is not a datapruner thing file, or is damaged"):
        read_archive(saved, "thing")


def test_text_without_its_ends_is_damage(saved: Path) -> None:
    repack(saved, {"t.ends.npy": None})
    with pytest.raises(FormatError, match=r"damaged"):
        read_archive(saved, "thing")


def test_a_pickle_is_refused_unread(tmp_path: Path) -> None:
    path = tmp_path / "p.npz"
    path.write_bytes(pickle.dumps({"a": 1}))
    with pytest.raises(FormatError, match=r"not a datapruner thing file"):
        read_archive(path, "thing")


def test_an_array_of_pickled_objects_is_refused_unread(saved: Path, tmp_path: Path) -> None:
    array = tmp_path / "o.npy"
    np.save(array, np.array([{"a": 1}], dtype=object), allow_pickle=True)
    repack(saved, {"o.npy": array.read_bytes()})
    with pytest.raises(FormatError, match=r"allow_pickle=False"):
        read_archive(saved, "thing")


def test_two_saves_are_the_same_bytes(saved: Path, tmp_path: Path) -> None:
    again = tmp_path / "b.npz"
    header, arrays = read_archive(saved, "thing")
    write_archive(again, "thing", header, arrays)
    assert again.read_bytes() == saved.read_bytes()
