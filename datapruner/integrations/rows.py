"""Items that say which row they are, so that losses and weights find their rows."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from datapruner.errors import MissingExtraError

try:
    from torch.utils.data import Dataset
except ImportError as error:  # pragma: no cover - the tests have torch
    raise MissingExtraError('this needs torch: pip install "datapruner[cpu]".') from error

__all__ = ["WithRows", "marked"]


class WithRows(Dataset[Any]):  # type: ignore[misc]
    """A map-style dataset whose items say which row they are; see ``marked``.

    Args:
        data: anything with ``len`` and items by row number.
    """

    def __init__(self, data: Any) -> None:
        self.data = data

    def __len__(self) -> int:
        """The number of rows."""
        return len(self.data)

    def __getitem__(self, row: int) -> Any:
        """The item at that row, with the row."""
        return marked(self.data[row], row)


def marked(item: Any, row: int) -> Any:
    """The item with its row: a dict gets the key ``"row"``, a tuple or list one more entry.

    Anything else becomes ``(item, row)``. The item itself is not changed.
    """
    if isinstance(item, Mapping):
        return {**item, "row": row}
    return (*item, row) if isinstance(item, tuple | list) else (item, row)
