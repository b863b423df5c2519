"""What every scorer is: parameters in a frozen dataclass, and a call from Items to Scores."""

from __future__ import annotations

from typing import ClassVar, Protocol

from datapruner.core.items import Items
from datapruner.core.scores import Scores

__all__ = ["Scorer"]


class Scorer(Protocol):
    """A registered scorer.

    Attributes:
        needs: feature columns, checked before any work.
        meaning: what a higher value says.
    """

    needs: ClassVar[frozenset[str]]
    meaning: ClassVar[str]

    def __call__(self, items: Items, *, query: str | None = None, seed: int = 0) -> Scores:
        """Scores of the items; the same items and seed give the same values."""
        ...
