"""What a model says of the blocks of a page, with the words that they share with the question."""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import ClassVar

from datapruner.core.items import Items
from datapruner.core.scores import Scores
from datapruner.errors import InputError
from datapruner.scorers.passages import Passages

__all__ = ["WithWords"]

_BESIDE_COSINES = 0.4


@dataclass(frozen=True)
class WithWords:
    """The model's value of each block plus ``weight`` times its value as ``Passages`` has it.

    A model that compares texts sees a block alone; where it stands, and under which heading, the
    words know; where the heading is not on the page, the two find more answers than either alone.
    The weight was chosen on the training half of the Python manual's FAQ (benchmarks/html).

    Attributes:
        model: a scorer; its values are read as they are.
        words: the lexical scorer.
        weight: 0 or more; the default suits cosines.

    Raises:
        InputError: a model that cannot be called, or a weight out of range.
    """

    model: Callable[..., Scores]
    words: Passages = field(default_factory=Passages)
    weight: float = _BESIDE_COSINES

    needs: ClassVar[frozenset[str]] = frozenset({"text"})

    def __post_init__(self) -> None:
        """Refuse what cannot score."""
        if not callable(self.model) or isinstance(self.model, type):
            raise InputError(f"model is {self.model!r}; it must be a scorer.")
        if not (self.weight >= 0 and math.isfinite(self.weight)):
            raise InputError(f"weight is {self.weight!r}; it must be finite and 0 or more.")

    @property
    def meaning(self) -> str:
        """What a higher value says: the model's meaning, and more words shared."""
        return f"{getattr(self.model, 'meaning', 'more relevant')}, and more of its words"

    @property
    def default_budget(self) -> str:
        """The model's own, as far as it has one."""
        return str(getattr(self.model, "default_budget", "50% of tokens"))

    def __call__(self, items: Items, *, query: str | None = None, seed: int = 0) -> Scores:
        """Scores of the blocks.

        Args:
            items: rows with what the model and ``Passages`` need.
            query, seed: passed on.

        Returns:
            Scores with float64 values of shape (n,); ``details`` are the model's.

        Raises:
            DataPrunerError: as the model raises it.
        """
        said = self.model(items, query=query, seed=seed)
        shared = self.words(items, query=query, seed=seed)
        return Scores(
            said.values + self.weight * shared.values,
            items,
            self.meaning,
            f"{said.method} and words",
            details={key: value for key, value in said.details.items() if key != "chunk_scores"},
            notes=said.notes,
        )
