"""Answers that a model may give, as a trie of tokens: a chance for each, with few model calls."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field

import numpy as np

from datapruner.core.types import FloatArray
from datapruner.errors import InputError

__all__ = ["PathTrie", "log_softmax"]

Ask = Callable[[int, Sequence[int]], FloatArray]


@dataclass(frozen=True)
class PathTrie:
    """Sequences of token ids, put together where they begin alike.

    A node has a softmax over its children alone, so the chances of all leaves sum to 1 whatever
    else the model would rather have said. A sequence that another one goes on from ends in
    ``terminator``, for a node is either a leaf or has children.

    Attributes:
        children: of each node, by token; the root is node 0. Nodes stand after their parents.
        leaf: for each sequence the node at which it ends; equal sequences share it.
        tokens: number of nodes below the root, the most that a model has to be fed.

    Source: Tan et al. 2024 (HtmlRAG), arXiv:2411.02959, section 3.4.
    """

    children: tuple[dict[int, int], ...]
    leaf: tuple[int, ...]
    tokens: int = field(init=False)

    def __post_init__(self) -> None:
        object.__setattr__(self, "tokens", len(self.children) - 1)

    @classmethod
    def of(cls, sequences: Sequence[Sequence[int]], terminator: int) -> PathTrie:
        """The trie of some sequences.

        Args:
            sequences: token ids; none is empty, and none holds the terminator.
            terminator: token that ends a sequence which is the beginning of another.

        Raises:
            InputError: a sequence is empty or holds the terminator.
        """
        children: list[dict[int, int]] = [{}]
        ends = []
        for place, sequence in enumerate(sequences):
            if not len(sequence) or terminator in sequence:
                raise InputError(
                    f"answer {place} is {list(sequence)}; it must have tokens, and none the "
                    f"terminator, {terminator}."
                )
            node = 0
            for token in sequence:
                node = _child(children, node, int(token))
            ends.append(node)
        leaves = [_child(children, end, terminator) if children[end] else end for end in ends]
        return cls(tuple(children), tuple(leaves))

    def log_chances(self, ask: Ask) -> FloatArray:
        """The logarithm of each sequence's chance: the sum over the nodes at which ways part.

        Nodes with a single child have a chance of 1 there and are not asked about; their tokens
        come with the next question. Depth first, so that a model which keeps what it has read
        reads every token once.

        Args:
            ask: called with (kept, tokens): what the model has read of the answer so far is cut to
                its first ``kept`` tokens, ``tokens`` follow, and it returns the logits after the
                last of them, shape (V,). The first call has ``kept`` 0.

        Returns:
            Shape (sequences,), float64; chances of the different sequences sum to 1, and equal ones
            share theirs.
        """
        gained = np.zeros(len(self.children))
        # A node, how many tokens lead to the last node at which ways parted, and those since.
        waiting: list[tuple[int, int, list[int]]] = [(0, 0, [])]
        while waiting:
            node, kept, tokens = waiting.pop()
            so_far = gained[node]
            while len(self.children[node]) == 1:
                ((token, node),) = self.children[node].items()
                tokens.append(token)
            gained[node] = so_far
            below = self.children[node]
            if not below:
                continue
            shares = log_softmax(ask(kept, tokens)[list(below)])
            depth = kept + len(tokens)
            for (token, child), share in zip(below.items(), shares.tolist(), strict=True):
                gained[child] = so_far + share
                waiting.append((child, depth, [token]))
        leaves, counts = np.unique(np.array(self.leaf, dtype=np.int64), return_counts=True)
        shared = np.zeros(len(self.children))
        shared[leaves] = np.log(counts)
        at = np.array(self.leaf, dtype=np.int64)
        found: FloatArray = gained[at] - shared[at]
        return found


def _child(children: list[dict[int, int]], node: int, token: int) -> int:
    found = children[node].get(token)
    if found is None:
        found = children[node][token] = len(children)
        children.append({})
    return found


def log_softmax(logits: FloatArray) -> FloatArray:
    """Logarithms of the softmax over all entries.

    Args:
        logits: shape (k,), any floats; k is 1 or more.

    Returns:
        Shape (k,), float64; the exponentials sum to 1.
    """
    moved = np.asarray(logits, dtype=np.float64)
    moved = moved - moved.max()
    found: FloatArray = moved - np.log(np.exp(moved).sum())
    return found
