"""What is made small: the labels of tokens, the relevance of windows, the order of sentences."""

from __future__ import annotations

from typing import Any

from datapruner.training.windows import NO_LABEL

__all__ = ["losses", "order_loss"]


def losses(network: Any, batch: dict[str, Any]) -> dict[str, Any]:
    """The parts of the loss, each a mean, as scalars with a gradient.

    Args:
        network: as ``network.build`` makes it.
        batch: as ``loop.collate`` makes it.

    Returns:
        ``token_loss``: cross-entropy of the labelled tokens; ``rank_loss``: of the windows'
        relevance; ``order_loss``: see there.
    """
    from torch.nn.functional import binary_cross_entropy_with_logits as cross_entropy

    keep, rank = network(batch["ids"], batch["mask"], batch["types"])
    labelled = batch["labels"] != NO_LABEL
    return {
        "token_loss": cross_entropy(keep[labelled], batch["labels"][labelled]),
        "rank_loss": cross_entropy(rank, batch["relevant"]),
        "order_loss": order_loss(keep, batch["labels"], batch["sentence"]),
    }


def order_loss(keep: Any, labels: Any, sentence: Any) -> Any:
    """How far kept sentences are from being the first of their window.

    With z_s the mean keep logit of the tokens of sentence s, the loss of a window is the mean over
    its kept sentences of -log softmax(z)_s. Windows that keep no sentence, or all, have none.

    Args:
        keep: keep logits, shape (b, L).
        labels: 1 and 0, -100 where a token has none, shape (b, L).
        sentence: number of each token's sentence, from 0; -1 where it has none, shape (b, L).

    Returns:
        The mean over the windows that have a loss, 0 if none has.
    """
    import torch

    places = sentence.clamp(min=0)
    inside = (sentence >= 0).to(keep.dtype)
    empty = keep.new_zeros(len(keep), int(places.max()) + 1)
    tokens = empty.scatter_add(1, places, inside)
    means = empty.scatter_add(1, places, keep * inside) / tokens.clamp(min=1)
    kept = empty.scatter_add(1, places, (labels == 1).to(keep.dtype)) > 0
    there = tokens > 0
    told = kept.any(1) & (there & ~kept).any(1)
    if not told.any():
        return keep.sum() * 0.0
    logs = torch.log_softmax(means.masked_fill(~there, float("-inf")), 1)
    each = -logs.masked_fill(~kept, 0.0).sum(1)[told] / kept.sum(1)[told]
    return each.mean()
