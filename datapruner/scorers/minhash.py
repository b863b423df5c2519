"""Near-duplicates by MinHash: texts that share most of their word shingles.

Each text gets a signature whose share of equal entries estimates the Jaccard similarity of two sets
of shingles (Broder 1997). Bands of the signature find candidates, the whole signature verifies
them, and groups are what verified pairs link. The signatures come from ``rensa``, which makes them
in Rust; bands and groups are sorted arrays here, so that the answer depends on no order.
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from functools import lru_cache
from importlib import import_module
from struct import Struct
from typing import Any, TypeAlias

import numpy as np
import numpy.typing as npt

from datapruner import rng
from datapruner.core.twins import NO_TWIN
from datapruner.core.types import BoolArray, IntArray, UInt64Array
from datapruner.scorers.exact import Cleaned, cleaned, content_keys
from datapruner.scorers.shingles import batches, shingles

__all__ = [
    "PERMUTATIONS",
    "ROUNDS",
    "Printer",
    "Prints",
    "band_keys",
    "bands",
    "estimated",
    "hash_scheme",
    "least_estimate",
    "near_copies",
    "rows_in_band",
]

Signatures: TypeAlias = npt.NDArray[np.uint32]

PERMUTATIONS = 128
"""Entries of a signature: an estimate at 0.8 is then right to 0.035 (one standard error)."""

CAUGHT = 0.99  # of the pairs at the threshold, by the choice of the bands
SLACK = 1.645  # standard errors: 19 of 20 pairs at the threshold are estimated above it less these
ROUNDS = 64  # pivots tried in a bucket of candidates that are not alike
PAIRS = 1 << 14  # compared at a time
CANDIDATES = 1 << 18  # rows in buckets that wait for each other
_SEED = 0
_PACKED = Struct(f"={PERMUTATIONS}I")


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

    @classmethod
    def none(cls, permutations: int) -> Prints:
        """Those of no rows, with so many entries to a signature."""
        return cls(
            np.zeros((0, 2), dtype=np.uint64),
            np.zeros((0, permutations), dtype=np.uint32),
            np.zeros(0, dtype=bool),
        )

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
        for batch in batches(texts):
            clean = cleaned(batch, ignore_case=self._ignore_case)
            exact = content_keys(clean)
            if self._permutations:
                self._parts.append(Prints(exact, *_signatures(clean)))
            else:
                nothing = np.zeros((len(batch), 0), dtype=np.uint32)
                self._parts.append(Prints(exact, nothing, np.zeros(len(batch), dtype=bool)))

    def finish(self) -> Prints:
        """The prints of all texts, in the order they came."""
        parts = [Prints.none(self._permutations), *self._parts]
        return Prints(
            np.concatenate([p.exact for p in parts]),
            np.concatenate([p.signature for p in parts]),
            np.concatenate([p.has_words for p in parts]),
        )


def _signatures(texts: Cleaned) -> tuple[Signatures, BoolArray]:
    hashes, ends = shingles(texts)
    rensa: Any = import_module("rensa")
    made = rensa.RMinHash.digest_matrix_from_flat_token_hashes(
        hashes, ends.astype(np.uint64), PERMUTATIONS, _SEED
    )
    # Lists of Python numbers are all it gives out; packing them is the cheapest way back.
    rows = b"".join(_PACKED.pack(*row) for row in made.to_rows())
    signature = np.frombuffer(rows, dtype=np.uint32).reshape(len(texts), PERMUTATIONS)
    return signature, np.diff(ends) > 0


@lru_cache(maxsize=1)
def hash_scheme() -> str:
    """16 hexadecimal digits that change when a text would get another signature.

    Taken from the signature of a text that stays the same, so that a change in the library that
    makes them is seen as well as one of ours.
    """
    printer = Printer()
    printer.add(
        ["Two signatures are compared only if both were made in the same way, entry by entry."]
    )
    return hashlib.sha256(printer.finish().signature.astype("<u4").tobytes()).hexdigest()[:16]


def rows_in_band(jaccard: float, permutations: int = PERMUTATIONS) -> int:
    """Entries of a band: the most with which a pair at the threshold meets in 99 of 100 cases."""
    fits = (
        size
        for size in range(permutations, 0, -1)
        if 1 - (1 - jaccard**size) ** (permutations // size) >= CAUGHT
    )
    return next(fits, 1)


def bands(jaccard: float) -> Iterator[slice]:
    """The entries of each band of a signature, for a threshold."""
    size = rows_in_band(jaccard)
    for first in range(0, PERMUTATIONS - size + 1, size):
        yield slice(first, first + size)


def band_keys(band: Signatures) -> UInt64Array:
    """Shape (n,), uint64: equal where all entries of the band are; they propose, no more."""
    entries = int(band.shape[1])
    weights = rng.stream(0, "bands").integers(0, 2**64, entries, dtype=np.uint64) | np.uint64(1)
    keys = np.zeros(len(band), dtype=np.uint64)
    for entry in range(entries):
        keys += band[:, entry].astype(np.uint64) * weights[entry]
    return rng.mix(keys)


def least_estimate(jaccard: float, permutations: int = PERMUTATIONS) -> float:
    """The estimate from which a pair counts: 19 of 20 pairs at the threshold reach it.

    An estimate scatters about the truth, so asking it for the threshold itself would miss half of
    the pairs that stand there.
    """
    return jaccard - SLACK * float(np.sqrt(jaccard * (1 - jaccard) / permutations))


def estimated(
    signature: Signatures, left: IntArray, right: IntArray, others: Signatures | None = None
) -> npt.NDArray[np.float32]:
    """The estimated Jaccard similarity of pairs of rows, shape (m,), float32 in [0, 1].

    Args:
        signature: of the left rows.
        left: shape (m,), row numbers.
        right: shape (m,), row numbers.
        others: of the right rows; None: the same signatures.
    """
    others = signature if others is None else others
    value = np.empty(left.size, dtype=np.float32)
    for start in range(0, left.size, PAIRS):
        some = slice(start, start + PAIRS)
        value[some] = (signature[left[some]] == others[right[some]]).mean(axis=1)
    return value


def near_copies(prints: Prints, order: IntArray, jaccard: float) -> IntArray:
    """For each row the first row of its group of near-copies.

    Args:
        prints: with signatures.
        order: shape (m,), int64, the rows to compare, those to keep first first.
        jaccard: pairs that share this much of their shingles, above 0 to 1, are linked: those
            estimated at ``least_estimate`` of it or more.

    Returns:
        Shape (n,), int64: the row it repeats, -1 for a row that repeats none or was not compared.
    """
    found = np.full(len(prints), NO_TWIN, dtype=np.int64)
    rows = order[prints.has_words[order]]
    signature = prints.signature[rows]
    left, right = _pairs(signature, jaccard)
    group = _groups(rows.size, left, right)
    found[rows] = np.where(group == np.arange(rows.size), NO_TWIN, rows[group])
    return found


def _pairs(signature: Signatures, jaccard: float) -> tuple[IntArray, IntArray]:
    """Verified pairs of all bands; those with few candidates are looked at together."""
    found: list[tuple[IntArray, IntArray]] = []
    waiting: list[tuple[IntArray, UInt64Array]] = []
    cuts = list(bands(jaccard))
    for cut in cuts:
        waiting.append(_bucketed(band_keys(signature[:, cut])))
        if cut == cuts[-1] or sum(rows.size for rows, _ in waiting) > CANDIDATES:
            rows, keys = (np.concatenate(part) for part in zip(*waiting, strict=True))
            found.append(_links(signature, rows, keys, np.float32(least_estimate(jaccard))))
            waiting = []
    left, right = (np.concatenate(side) for side in zip(*found, strict=True))
    return left, right


def _bucketed(keys: UInt64Array) -> tuple[IntArray, UInt64Array]:
    """The rows that share their key with another, bucket by bucket, each ascending, with the keys.

    Most rows share with none: a fast sort leaves them out before a stable one orders the rest.
    """
    order = np.argsort(keys)
    same = keys[order[1:]] == keys[order[:-1]]
    shares = np.zeros(keys.size, dtype=bool)
    shares[order[1:][same]] = shares[order[:-1][same]] = True
    rows = np.flatnonzero(shares)
    rows = rows[np.argsort(keys[rows], kind="stable")]
    return rows, keys[rows]


def _links(
    signature: Signatures, rest: IntArray, key: UInt64Array, least: np.float32
) -> tuple[IntArray, IntArray]:
    """Verified pairs among rows in buckets of equal keys: each with the first it is like.

    In every bucket the first row is compared with all others; those alike are linked to it and
    leave, and the next round goes on with the rest.
    """
    nothing = np.zeros(0, dtype=np.int64)
    found = [(nothing, nothing)]
    for _ in range(ROUNDS):
        starts = np.ones(rest.size, dtype=bool)
        starts[1:] = key[1:] != key[:-1]
        follows = ~starts
        if not follows.any():
            break
        pivot = rest[np.flatnonzero(starts)[np.cumsum(starts) - 1]][follows]
        other = rest[follows]
        alike = estimated(signature, pivot, other) >= least
        found.append((pivot[alike], other[alike]))
        rest, key = other[~alike], key[follows][~alike]
    left, right = (np.concatenate(side) for side in zip(*found, strict=True))
    return left, right


def _groups(n: int, left: IntArray, right: IntArray) -> IntArray:
    """Shape (n,): the first member of each row's connected component."""
    group = np.arange(n)
    while (group[left] != group[right]).any():
        lower = np.minimum(group[left], group[right])
        np.minimum.at(group, group[left], lower)
        np.minimum.at(group, group[right], lower)
        while (group[group] != group).any():
            group = group[group]
    return group
