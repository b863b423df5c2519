"""The journal: found by content, whole or not at all, never mistaken for another."""

from __future__ import annotations

import numpy as np
import pytest

from datapruner.engines.journal import Journal, digest
from datapruner.errors import OutputError

KEY = digest("what the work was about")
ARRAYS = {"c0": np.arange(5, dtype=np.int32), "c1": np.linspace(0, 1, 5, dtype=np.float32)}


def test_a_record_is_read_back_as_it_was_written(tmp_path):
    journal = Journal(tmp_path / "j")
    assert journal.get("assign", KEY) is None
    assert not (tmp_path / "j").exists()  # nothing is made before there is something to keep
    journal.put("assign", KEY, ARRAYS)
    found = Journal(tmp_path / "j").get("assign", KEY)
    assert found is not None
    for name, array in ARRAYS.items():
        np.testing.assert_array_equal(found[name], array)
        assert found[name].dtype == array.dtype


def test_another_stage_another_key_and_another_version_find_nothing(tmp_path, monkeypatch):
    journal = Journal(tmp_path)
    journal.put("assign", KEY, ARRAYS)
    assert journal.get("compare", KEY) is None
    assert journal.get("assign", digest("something else")) is None
    monkeypatch.setattr("datapruner.engines.journal.version", lambda _: "99")
    assert journal.get("assign", KEY) is None


@pytest.mark.parametrize("damage", ["cut", "flipped", "empty", "text"])
def test_a_damaged_record_is_passed_over_with_a_warning(tmp_path, caplog, damage):
    journal = Journal(tmp_path)
    journal.put("assign", KEY, ARRAYS)
    (path,) = tmp_path.iterdir()
    data = path.read_bytes()
    middle = data.index(b"NUMPY") + 140  # inside an array
    flipped = data[:middle] + bytes([data[middle] ^ 1]) + data[middle + 1 :]
    path.write_bytes(
        {"cut": data[:-30], "flipped": flipped, "empty": b"", "text": b"not a record"}[damage]
    )
    with caplog.at_level("WARNING", logger="datapruner"):
        assert journal.get("assign", KEY) is None
    assert "passed over" in caplog.text
    journal.put("assign", KEY, ARRAYS)  # and the work is kept again
    assert journal.get("assign", KEY) is not None


def test_clearing_removes_records_and_drafts_and_nothing_else(tmp_path):
    folder = tmp_path / "j"
    journal = Journal(folder)
    journal.put("assign", KEY, ARRAYS)
    (name,) = (path.name for path in folder.iterdir())
    (folder / f"{name}.tmp-0123abcd").write_bytes(b"half of a rec")
    Journal(folder).clear()
    assert not folder.exists()
    Journal(folder).clear()  # there is nothing: nothing to do
    journal.put("assign", KEY, ARRAYS)
    (folder / "thesis.tex").write_text("years of work")
    journal.clear()
    assert [path.name for path in folder.iterdir()] == ["thesis.tex"]


def test_a_folder_of_somebody_else_is_refused(tmp_path):
    (tmp_path / "thesis.tex").write_text("years of work")
    with pytest.raises(OutputError, match=r"thesis\.tex, which no journal wrote"):
        Journal(tmp_path)
    with pytest.raises(OutputError, match="is a file; name a folder"):
        Journal(tmp_path / "thesis.tex")


def test_a_folder_below_a_file_cannot_be_made(tmp_path):
    (tmp_path / "file").write_text("")
    with pytest.raises(OutputError, match="cannot make the journal"):
        Journal(tmp_path / "file" / "j").put("assign", KEY, ARRAYS)


def test_digests_tell_types_lengths_and_shapes_apart():
    row = np.arange(6, dtype=np.int64)
    parts = [
        ("ab", "c"),
        ("a", "bc"),
        (b"ab", b"c"),
        (1, 2),
        (12,),
        (1.0, 2),
        (row,),
        (row.reshape(2, 3),),
        (row.astype(np.int32),),
        (row[:0],),
        (),
    ]
    made = {digest(*some) for some in parts}
    assert len(made) == len(parts)
    assert digest(row.reshape(2, 3).T) == digest(np.ascontiguousarray(row.reshape(2, 3).T))
