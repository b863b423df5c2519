"""The registry: lookups, refusals, and entries that say what they are."""

from __future__ import annotations

import pytest

from datapruner.core.allocate import ALLOCATORS
from datapruner.errors import UnknownMethodError
from datapruner.methods import METHODS, PICKERS, TAKE_ROWS, load, method, picker


def test_names_find_their_entries() -> None:
    assert method("random").scorer == "datapruner.scorers.draw:Draw"
    assert picker("high").side == "high"


def test_unknown_names_are_answered_with_the_nearest() -> None:
    with pytest.raises(UnknownMethodError, match=r"no method 'prototype'. Did you mean \"proto"):
        method("prototype")
    with pytest.raises(UnknownMethodError, match=r"no pick 'hihg'. Did you mean \"high\"\?"):
        picker("hihg")


@pytest.mark.parametrize("name", METHODS)
def test_every_method_is_told_in_full(name: str) -> None:
    entry = METHODS[name]
    assert entry.name == name
    assert entry.allocate in ALLOCATORS
    assert entry.pick in PICKERS or ":" in entry.pick
    assert entry.paper
    assert entry.summary


@pytest.mark.parametrize("name", PICKERS)
def test_every_picker_is_told_in_full(name: str) -> None:
    assert PICKERS[name].name == name
    assert PICKERS[name].side in ("high", "low", "any")
    assert callable(load(PICKERS[name].target))


def test_the_hook_that_cuts_data_is_there() -> None:
    assert callable(load(TAKE_ROWS))
