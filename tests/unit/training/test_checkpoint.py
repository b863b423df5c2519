"""Checkpoints: they come back as they were, and nothing else is taken for one."""

from __future__ import annotations

from pathlib import Path

import pytest
import torch
from safetensors.torch import save_file

from datapruner.errors import FormatError
from datapruner.training.checkpoint import NAME, Checkpoint, load, save


def test_it_comes_back_as_it_was(tmp_path: Path) -> None:
    assert load(tmp_path) is None
    made = Checkpoint({"model/a": torch.arange(3.0)}, {"step": 7, "recipe": {"rate": 1e-4}})
    save(tmp_path, made)
    save(tmp_path, made)  # over the one before
    again = load(tmp_path)
    assert again is not None
    assert again.facts == made.facts
    assert torch.equal(again.tensors["model/a"], made.tensors["model/a"])
    assert [path.name for path in tmp_path.iterdir()] == [NAME]


def test_another_file_is_refused(tmp_path: Path) -> None:
    save_file({"a": torch.zeros(1)}, tmp_path / NAME)
    with pytest.raises(FormatError, match="no checkpoint of ours"):
        load(tmp_path)
    facts = {"format": "datapruner sentence training", "version": "2"}
    save_file({"a": torch.zeros(1)}, tmp_path / NAME, metadata=facts)
    with pytest.raises(FormatError, match="version 2; this version reads"):
        load(tmp_path)


@pytest.mark.parametrize("facts", [None, "{"])
def test_a_damaged_note_is_refused(tmp_path: Path, facts: str | None) -> None:
    note = {"format": "datapruner sentence training", "version": "1"}
    if facts:
        note["facts"] = facts
    save_file({"a": torch.zeros(1)}, tmp_path / NAME, metadata=note)
    with pytest.raises(FormatError, match="delete it to start again"):
        load(tmp_path)


def test_a_torn_file_is_refused(tmp_path: Path) -> None:
    save(tmp_path, Checkpoint({"model/a": torch.arange(300.0)}, {}))
    content = (tmp_path / NAME).read_bytes()
    (tmp_path / NAME).write_bytes(content[:-100])
    with pytest.raises(FormatError, match="delete it to start again"):
        load(tmp_path)
