"""Saved files: what went in comes out, byte for byte the same twice, and damage is noticed."""

from __future__ import annotations

from contextlib import suppress
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from strategies import ids

from datapruner.core.archive import read_archive, write_archive
from datapruner.core.items import Items
from datapruner.core.scores import Scores
from datapruner.core.selection import Selection
from datapruner.errors import FormatError


@settings(max_examples=100)
@given(st.data())
def test_scores_come_back_as_they_were_saved(data: Any) -> None:
    n = data.draw(st.integers(0, 8))
    names = data.draw(ids(n))
    items = Items.of(
        n,
        id=names,
        cost=data.draw(st.none() | st.lists(st.floats(0, 1e9), min_size=n, max_size=n)),
        group=data.draw(st.none() | st.lists(st.sampled_from("abc"), min_size=n, max_size=n)),
        pinned=np.arange(n) % 3 == 1,
        parent=np.arange(n) - 1,
    )
    finite = st.floats(-1e6, 1e6, width=32)
    values = np.array(data.draw(st.lists(finite, min_size=n, max_size=n)), dtype=np.float32)
    scores = Scores(values, items, "odder", "mine", details={"k": 3, "who": ["é", None, 0.5]})
    with TemporaryDirectory() as folder:
        path = Path(folder) / "s.npz"
        scores.save(path)
        first = path.read_bytes()
        again = Scores.load(path)
        again.save(path, overwrite=True)
        assert path.read_bytes() == first
    assert again.values.dtype == np.float32
    assert again.values.tolist() == values.tolist()
    assert again.items.ids.tolist() == items.ids.tolist()
    assert (again.items.id is None) == (names is None)
    assert again.items.cost.tolist() == items.cost.tolist()
    assert again.items.parent.tolist() == items.parent.tolist()
    assert again.items.pinned.tolist() == items.pinned.tolist()
    assert again.items.tie_keys().tolist() == items.tie_keys().tolist()
    assert again.items.fingerprint == items.fingerprint
    assert (again.meaning, again.method) == ("odder", "mine")
    assert again.names == scores.names
    assert again.details == scores.details


@pytest.fixture(scope="module")
def saved(tmp_path_factory: pytest.TempPathFactory) -> bytes:
    path = tmp_path_factory.mktemp("archive") / "s.npz"
    items = Items.of(3, id=["a", "b", "é"], cost=[1, 2, 3])
    Scores(np.array([0.5, 1.5, 2.5]), items).save(path)
    return path.read_bytes()


@settings(max_examples=400)
@given(place=st.floats(0, 1, exclude_max=True), bit=st.integers(0, 7))
def test_a_flipped_bit_is_noticed_or_harmless(saved: bytes, place: float, bit: int) -> None:
    damaged = bytearray(saved)
    damaged[int(place * len(saved))] ^= 1 << bit
    with TemporaryDirectory() as folder:
        path = Path(folder) / "s.npz"
        path.write_bytes(damaged)
        with suppress(FormatError):
            assert Scores.load(path).values.tolist() == [0.5, 1.5, 2.5]


@settings(max_examples=60)
@given(st.floats(0, 1, exclude_max=True))
def test_a_truncated_file_is_noticed(saved: bytes, share: float) -> None:
    with TemporaryDirectory() as folder:
        path = Path(folder) / "s.npz"
        path.write_bytes(saved[: int(share * len(saved))])
        with pytest.raises(FormatError, match=r"damaged|not a datapruner"):
            Scores.load(path)
        with pytest.raises(FormatError):
            Selection.load(path)


@settings(max_examples=60)
@given(st.lists(st.text(st.characters(), max_size=5), max_size=8))
def test_text_of_any_kind_survives(texts: list[str]) -> None:
    column = np.fromiter(texts, dtype=object, count=len(texts))
    with TemporaryDirectory() as folder:
        path = Path(folder) / "t.npz"
        write_archive(path, "texts", {"n": len(texts)}, {"t": column})
        header, arrays = read_archive(path, "texts")
    assert header["n"] == len(texts)
    assert arrays["t"].tolist() == texts
