"""The exception tree, and the tail of its messages."""

from __future__ import annotations

import inspect

import pytest

from datapruner import errors


@pytest.mark.parametrize(
    ("name", "also"),
    [
        ("InputError", ValueError),
        ("MissingColumnError", errors.InputError),
        ("BudgetError", ValueError),
        ("ScoreError", ValueError),
        ("UnknownMethodError", LookupError),
        ("MissingExtraError", ImportError),
        ("FormatError", ValueError),
        ("OutputError", OSError),
        ("EngineError", RuntimeError),
    ],
)
def test_each_error_is_ours_and_what_callers_already_catch(name: str, also: type) -> None:
    error = getattr(errors, name)
    assert issubclass(error, errors.DataPrunerError)
    assert issubclass(error, also)


def test_the_tree_in_the_docstring_is_the_tree() -> None:
    for name, value in inspect.getmembers(errors, inspect.isclass):
        if value.__module__ == errors.__name__:
            assert name in (errors.__doc__ or "")
            assert name in errors.__all__
            assert issubclass(value, errors.DataPrunerError)


def test_the_nearest_name_is_offered_and_all_are_listed() -> None:
    assert errors.nearest("txt", ["text", "id"]) == 'Did you mean "text"? Known: id, text.'
    assert errors.nearest("zzz", ["text", "id"]) == "Known: id, text."
    assert errors.nearest("a", []) == "Known: none."
