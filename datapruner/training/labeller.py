"""The torch module itself, apart so that nothing else of the package needs torch to be imported."""

from __future__ import annotations

import functools
from typing import Any

__all__ = ["module_class"]


@functools.cache
def module_class() -> Any:
    """The class of the module; made at the first call, for it derives from torch's."""
    import torch
    from torch import nn

    class Rank(nn.Module):  # type: ignore[misc]
        """The score of the pair from the state at the first position."""

        def __init__(self, width: int) -> None:
            super().__init__()
            self.dense = nn.Linear(width, width)
            self.out = nn.Linear(width, 1)

        def forward(self, first: Any) -> Any:
            """(b, H) -> (b,)."""
            return self.out(torch.tanh(self.dense(first))).squeeze(-1)

    class Labeller(nn.Module):  # type: ignore[misc]
        """Encoder, token head and rank head; tensor names are those of the saved format."""

        def __init__(self, encoder: Any, width: int) -> None:
            super().__init__()
            self.encoder = encoder
            self.tokens = nn.Linear(width, 2)
            self.rank = Rank(width)
            self._has_types = getattr(encoder.config, "type_vocab_size", 0) > 1

        def forward(self, ids: Any, mask: Any, types: Any) -> tuple[Any, Any]:
            """Keep logits (b, L) and rank logits (b,) of ids, mask and types (b, L)."""
            extra = {"token_type_ids": types} if self._has_types else {}
            states = self.encoder(input_ids=ids, attention_mask=mask, **extra).last_hidden_state
            both = self.tokens(states).float()
            return both[..., 1] - both[..., 0], self.rank(states[:, 0]).float()

    return Labeller
