"""Near-duplicates by MinHash: texts that share most of their word shingles.

Each text gets a signature whose share of equal entries estimates the Jaccard similarity of two sets
of shingles (Broder 1997). Bands of the signature find candidates, the whole signature verifies
them, and groups are what verified pairs link. The signatures come from ``rensa``, which makes them
in Rust; bands and groups are sorted arrays here, so that the answer depends on no order.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from importlib import import_module
from typing import Any, TypeAlias

import numpy as np
import numpy.typing as npt

from datapruner import rng
from datapruner.core.twins import NO_TWIN
from datapruner.core.types import BoolArray, IntArray, UInt64Array
from datapruner.scorers.exact import content_keys, normalised
from datapruner.scorers.shingles import batches, shingles

__all__ = ["PERMUTATIONS", "Printer", "Prints", "estimated", "near_copies", "rows_in_band"]

Signatures: TypeAlias = npt.NDArray[np.uint32]

PERMUTATIONS = 128
"""Entries of a signature: an estimate at 0.8 is then right to 0.035 (one standard error)."""

CAUGHT = 0.99  # of the pairs at the threshold, by the choice of the bands
ROUNDS = 64  # pivots tried in a bucket of candidates that are not alike
PAIRS = 1 << 14
_SEED = 0


@dataclass(frozen=True, eq=False)
class Prints:
    """What the text stages need of each row.

    Attributes:
        exact: shape (n, 2), uint64, hash of the normalised text.
        signature: shape (n, p), uint32; p is 0 where no signatures were asked for.
        has_words: shape (n,), bool: a text without any word is like no other.
    """

    exact: UInt64Array
    signature: Signatures
    has_words: BoolArray

    def __len__(self) -> int:
        return len(self.exact)

    def take(self, rows: IntArray) -> Prints:
        """Those of these rows, in this order."""
        return Prints(self.exact[rows], self.signature[rows], self.has_words[rows])


class Printer:
    """Makes the prints of texts that come in batches.

    Args:
        signatures: make MinHash signatures as well.
        ignore_case: exact keys do not tell cases apart.
    """

    def __init__(self, *, signatures: bool = True, ignore_case: bool = False) -> None:
        self._permutations = PERMUTATIONS if signatures else 0
        self._ignore_case = ignore_case
        self._parts: list[Prints] = []

    def add(self, texts: Sequence[str]) -> None:
        """The next texts."""
        texts = [normalised(text, ignore_case=self._ignore_case) for text in texts]
        exact = content_keys(texts)
        if not self._permutations:
            empty = np.zeros((len(texts), 0), dtype=np.uint32)
            self._parts.append(Prints(exact, empty, np.zeros(len(texts), dtype=bool)))
            return
        start = 0
        for batch in batches(texts):
            stop = start + len(batch)
            self._parts.append(Prints(exact[start:stop], *_signatures(batch)))
            start = stop

    def finish(self) -> Prints:
        """The prints of all texts, in the order they came."""
        nothing = Prints(
            np.zeros((0, 2), dtype=np.uint64),
            np.zeros((0, self._permutations), dtype=np.uint32),
            np.zeros(0, dtype=bool),
        )
        parts = [nothing, *self._parts]
        return Prints(
            np.concatenate([p.exact for p in parts]),
            np.concatenate([p.signature for p in parts]),
            np.concatenate([p.has_words for p in parts]),
        )


def _signatures(texts: Sequence[str]) -> tuple[Signatures, BoolArray]:
    hashes, ends = shingles(texts)
    rensa: Any = import_module("rensa")
    made = rensa.RMinHash.digest_matrix_from_flat_token_hashes(
        hashes, ends.astype(np.uint64), PERMUTATIONS, _SEED
    )
    signature = np.array(made.to_rows(), dtype=np.uint32).reshape(len(texts), PERMUTATIONS)
    return signature, np.diff(ends) > 0


def rows_in_band(jaccard: float, permutations: int = PERMUTATIONS) -> int:
    """Entries of a band: the most with which a pair at the threshold meets in 99 of 100 cases."""
    fits = (
        size
        for size in range(permutations, 0, -1)
        if 1 - (1 - jaccard**size) ** (permutations // size) >= CAUGHT
    )
    return next(fits, 1)


def estimated(signature: Signatures, left: IntArray, right: IntArray) -> npt.NDArray[np.float32]:
    """The estimated Jaccard similarity of pairs of rows, shape (m,), float32 in [0, 1]."""
    value = np.empty(left.size, dtype=np.float32)
    for start in range(0, left.size, PAIRS):
        some = slice(start, start + PAIRS)
        value[some] = (signature[left[some]] == signature[right[some]]).mean(axis=1)
    return value


def near_copies(prints: Prints, order: IntArray, jaccard: float) -> IntArray:
    """For each row the first row of its group of near-copies.

    Args:
        prints: with signatures.
        order: shape (m,), int64, the rows to compare, those to keep first first.
        jaccard: pairs estimated at this or more are linked, above 0 to 1.

    Returns:
        Shape (n,), int64: the row it repeats, -1 for a row that repeats none or was not compared.
    """
    found = np.full(len(prints), NO_TWIN, dtype=np.int64)
    rows = order[prints.has_words[order]]
    signature = prints.signature[rows]
    size = rows_in_band(jaccard)
    links = [
        _links(signature, signature[:, first : first + size], jaccard)
        for first in range(0, PERMUTATIONS - size + 1, size)
    ]
    left, right = (np.concatenate(side) for side in zip(*links, strict=True))
    group = _groups(rows.size, left, right)
    found[rows] = np.where(group == np.arange(rows.size), NO_TWIN, rows[group])
    return found


def _links(signature: Signatures, band: Signatures, jaccard: float) -> tuple[IntArray, IntArray]:
    """Verified pairs among rows that agree in a band: each with the first it is like.

    In every bucket the first row is compared with all others; those alike are linked to it and
    leave, and the next round goes on with the rest.
    """
    weights = rng.stream(0, "bands").integers(0, 2**64, band.shape[1], dtype=np.uint64)
    with np.errstate(over="ignore"):
        keys = rng.mix((band.astype(np.uint64) * (weights | np.uint64(1))).sum(axis=1))
    rest = np.argsort(keys, kind="stable")
    found: list[tuple[IntArray, IntArray]] = []
    for _ in range(ROUNDS):
        key = keys[rest]
        starts = np.ones(rest.size, dtype=bool)
        starts[1:] = key[1:] != key[:-1]
        follows = ~starts
        if not follows.any():
            break
        pivot = rest[np.flatnonzero(starts)[np.cumsum(starts) - 1]][follows]
        other = rest[follows]
        alike = estimated(signature, pivot, other) >= np.float32(jaccard)
        found.append((pivot[alike], other[alike]))
        rest = other[~alike]
    nothing = np.zeros(0, dtype=np.int64)
    pairs = [(nothing, nothing), *found]
    return np.concatenate([p[0] for p in pairs]), np.concatenate([p[1] for p in pairs])


def _groups(n: int, left: IntArray, right: IntArray) -> IntArray:
    """Shape (n,): the first member of each row's connected component."""
    from scipy.sparse import coo_array
    from scipy.sparse.csgraph import connected_components

    graph = coo_array((np.ones(left.size, dtype=np.int8), (left, right)), shape=(n, n))
    _, label = connected_components(graph, directed=False)
    _, first = np.unique(label, return_index=True)
    members: IntArray = first[label].astype(np.int64)
    return members
