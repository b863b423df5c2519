"""The registry: lookups, refusals, and entries that say what they are."""

from __future__ import annotations

import pytest

from datapruner.core.allocate import ALLOCATORS
from datapruner.errors import UnknownMethodError
from datapruner.methods import (
    METHODS,
    PICKERS,
    TAKE_ROWS,
    dataset_method,
    load,
    method,
    picker,
)


def test_names_find_their_entries() -> None:
    assert method("random").scorer == "datapruner.scorers.draw:Draw"
    assert picker("high").side == "high"


def test_unknown_names_are_answered_with_the_nearest() -> None:
    with pytest.raises(UnknownMethodError, match=r"no method 'prototype'. Did you mean \"proto"):
        method("prototype")
    with pytest.raises(UnknownMethodError, match=r"no pick 'hihg'. Did you mean \"high\"\?"):
        picker("hihg")


@pytest.mark.parametrize("name", METHODS)
def test_a_data_set_takes_its_own_methods_and_sends_others_on(name: str) -> None:
    if METHODS[name].side == "dataset":
        assert dataset_method(name) is METHODS[name]
        return
    with pytest.raises(UnknownMethodError, match=rf"'{name}' is for contexts.*datapruner chunks"):
        dataset_method(name)


def test_a_slip_in_a_method_for_data_sets_is_answered_with_one_of_them() -> None:
    with pytest.raises(UnknownMethodError, match=r"no method 'lexicals'") as refused:
        dataset_method("lexicals")
    assert '"lexical"' not in str(refused.value)
    with pytest.raises(UnknownMethodError, match=r"no method 'concept'. Did you mean \"concepts\""):
        dataset_method("concept")


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
