"""How a model is trained, as one value that checkpoints and cards carry."""

from __future__ import annotations

import math
from dataclasses import dataclass, fields
from typing import Any

from datapruner import rng
from datapruner.errors import InputError

__all__ = ["Recipe"]


@dataclass(frozen=True)
class Recipe:
    """Parameters of a training run.

    Attributes:
        epochs: passes over the pairs.
        steps: ends the run after so many steps, None: when the passes are done.
        batch_tokens: tokens of a batch, padding included, at most.
        max_length: tokens of a window.
        others: windows without an answer that a long passage brings besides those with one.
        rate: highest learning rate of the encoder.
        head_rate: of the heads, which start from nothing.
        warm_up: share of the steps over which the rate rises; then it falls as a cosine to 0.
        weight_decay: of AdamW, for matrices but not for biases, norms and embeddings.
        clip: largest norm of the gradient.
        rank_weight: weight of the rank's binary cross-entropy beside the tokens' cross-entropy.
            Published models of this kind use .05 to 1 (Provence, open_provence).
        order_weight: weight of the order of sentences in a passage with an answer: cross-entropy of
            the softmax of their mean keep logits.
        frozen_layers: that many of the lowest layers and the embeddings stay as they are; 0: none.
        seed: of fresh heads, of the order of batches and of the windows drawn.

    Raises:
        InputError: a value outside its range.
    """

    epochs: int = 1
    steps: int | None = None
    batch_tokens: int = 4096
    max_length: int = 256
    others: int = 2
    rate: float = 1e-4
    head_rate: float = 1e-3
    warm_up: float = 0.1
    weight_decay: float = 0.01
    clip: float = 1.0
    rank_weight: float = 0.1
    order_weight: float = 0.0
    frozen_layers: int = 0
    seed: int = 0

    def __post_init__(self) -> None:
        rng.check_seed(self.seed)
        lowest = {"epochs": 1, "batch_tokens": 1, "max_length": 35, "others": 0, "frozen_layers": 0}
        for name, least in lowest.items():
            value = getattr(self, name)
            if isinstance(value, bool) or not isinstance(value, int) or value < least:
                raise InputError(f"{name}={value!r}: a whole number, {least} or more.")
        if self.steps is not None and self.steps < 1:
            raise InputError(f"steps={self.steps}: at least 1, or none for whole passes.")
        for name in ("rate", "head_rate", "clip"):
            value = getattr(self, name)
            if not (math.isfinite(value) and value > 0):
                raise InputError(f"{name}={value!r}: a number above 0.")
        for name in ("weight_decay", "rank_weight", "order_weight"):
            value = getattr(self, name)
            if not (math.isfinite(value) and value >= 0):
                raise InputError(f"{name}={value!r}: a number, 0 or more.")
        if not 0 <= self.warm_up < 1:
            raise InputError(f"warm_up={self.warm_up!r}: a share of the steps, from 0 to below 1.")

    def rate_at(self, step: int, total: int) -> float:
        """The multiple of the highest rate for a step, counted from 0, of so many."""
        rising = max(1, round(self.warm_up * total))
        if step < rising:
            return (step + 1) / rising
        done = (step - rising) / max(1, total - rising)
        return 0.5 * (1 + math.cos(math.pi * min(1.0, done)))

    def to_dict(self) -> dict[str, Any]:
        """All parameters by name."""
        return {field.name: getattr(self, field.name) for field in fields(self)}

    def continues(self, other: dict[str, Any]) -> list[str]:
        """Names of the parameters in which another run differs and cannot be gone on with.

        More or fewer ``epochs`` and ``steps`` can: the rate then follows the new total.
        """
        mine = self.to_dict()
        free = ("epochs", "steps")
        # A parameter that is younger than the other run had its default's effect there.
        theirs = {**Recipe().to_dict(), **other}
        return [n for n in mine if n not in free and mine[n] != theirs[n]]
