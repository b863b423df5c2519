"""The exceptions of datapruner, all of them.

    DataPrunerError
      InputError(ValueError)           bad rows, columns or files
        MissingColumnError             a scorer needs a feature that is not there
      BudgetError(ValueError)          cannot be read, or cannot be met
      ScoreError(ValueError)           wrong length, not finite
      UnknownMethodError(LookupError)  with the nearest names
      MissingExtraError(ImportError)   with the install line
      FormatError(ValueError)          a saved file of another version, or not one of ours
      OutputError(OSError)             a file that cannot be written: it exists, the disk is full
      EngineError(RuntimeError)        workers that were lost, and could not be replaced

A message says what was wrong with the actual values, where, and how to fix it. The base classes
from the standard library let callers catch what they already catch.
"""

from __future__ import annotations

from collections.abc import Iterable
from difflib import get_close_matches

__all__ = [
    "BudgetError",
    "DataPrunerError",
    "EngineError",
    "FormatError",
    "InputError",
    "MissingColumnError",
    "MissingExtraError",
    "OutputError",
    "ScoreError",
    "UnknownMethodError",
    "nearest",
]


class DataPrunerError(Exception):
    """Root of every error that datapruner raises on purpose."""


class InputError(DataPrunerError, ValueError):
    """Rows, columns or files that cannot be used as they are."""


class MissingColumnError(InputError):
    """A column that a scorer needs, or that was named, is not there."""


class BudgetError(DataPrunerError, ValueError):
    """A budget that cannot be read, or cannot be met by these rows."""


class ScoreError(DataPrunerError, ValueError):
    """Scores of the wrong length, or that are not finite numbers."""


class UnknownMethodError(DataPrunerError, LookupError):
    """A method, picker, allocator or embedder nobody registered."""


class MissingExtraError(DataPrunerError, ImportError):
    """An optional package is not installed; the message holds the install line."""


class FormatError(DataPrunerError, ValueError):
    """A saved file of another version, or a file that is not ours."""


class OutputError(DataPrunerError, OSError):
    """A file could not be written; what stood there before is untouched."""


class EngineError(DataPrunerError, RuntimeError):
    """Work that an engine handed out was lost for good; the message says which, and why."""


def nearest(name: str, known: Iterable[str]) -> str:
    """The tail of an error message: the close names if there are any, else all of them.

    Args:
        name: what the user wrote.
        known: what would have been accepted.

    Returns:
        For example ``Did you mean "text"? Known: id, label, text.``; always ends in a full stop.
    """
    names = sorted(known)
    listed = ", ".join(names) if names else "none"
    close = get_close_matches(str(name), names, n=1)
    hint = f'Did you mean "{close[0]}"? ' if close else ""
    return f"{hint}Known: {listed}."
