"""The control: a number drawn for every row. A method that does not beat it is not worth it."""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar

from datapruner.core.items import Items
from datapruner.core.scores import Scores
from datapruner.rng import mix, subseed, unit_interval

__all__ = ["Draw"]


@dataclass(frozen=True)
class Draw:
    """A uniform number in (0, 1) for every row, from its id and the seed."""

    needs: ClassVar[frozenset[str]] = frozenset()
    meaning: ClassVar[str] = "luckier"

    def __call__(self, items: Items, *, query: str | None = None, seed: int = 0) -> Scores:
        """Scores with values of shape (n,), float64, strictly between 0 and 1."""
        keys = mix(items.tie_keys(), subseed(seed, "draw"))
        return Scores(unit_interval(keys), items, self.meaning, "random")
