"""Rows that repeat a row of another data set: a test set, or what earlier shards kept.

The same three stages as among the rows themselves: exact copies, near-copies by MinHash, semantic
neighbours. But here a row's fate follows from that row and the other set alone, so neither the keep
order nor any other row of its own set has a say, and a chain never drops anything: whatever goes is
itself close to a row of the other set.

Source: train-test overlap is taken out this way in corpus pipelines (Lee et al. 2022,
arXiv:2107.06499, section 6; Brown et al. 2020, arXiv:2005.14165, appendix C, by n-grams).
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from datapruner.core.items import Items
from datapruner.core.twins import Twins
from datapruner.core.types import AnyArray, BoolArray, FloatArray, IntArray, UInt64Array
from datapruner.engines.base import Engine
from datapruner.scorers.clustered import scanned
from datapruner.scorers.exact import first_of_equals
from datapruner.scorers.minhash import (
    ROUNDS,
    Prints,
    band_keys,
    bands,
    estimated,
    least_estimate,
)
from datapruner.scorers.nearest import nearest_in
from datapruner.vectors.store import Vectors, open_vectors

__all__ = [
    "KINDS",
    "Found",
    "Reference",
    "Thresholds",
    "compare",
    "copies_of",
    "near_copies_of",
    "stages",
]

KINDS = ("exact", "MinHash", "semantic")
_EXACT, _MINHASH, _SEMANTIC = 1, 2, 3
_NONE = -1


@dataclass(frozen=True, eq=False)
class Reference:
    """Rows of another data set, to be compared with.

    Attributes:
        name: for people: ``"test.jsonl"``, ``"the index shards.index"``.
        ids: shape (m,), numbers or text; ``explain`` names a row by its id.
        ties: shape (m,), uint64; of rows that are equally near the one with the lowest is named,
            so that the order of the rows means nothing.
        usable: shape (m,), bool: rows that anything may be compared with.
        prints: what the text stages need; None where there are no texts.
        vectors: shape (m, d); None where there are none.
    """

    name: str
    ids: AnyArray
    ties: UInt64Array
    usable: BoolArray
    prints: Prints | None = None
    vectors: Vectors | None = None

    @classmethod
    def of(cls, name: str, items: Items, ids: AnyArray | None = None) -> Reference:
        """The usable rows of some items with their ``prints`` and ``embedding``.

        Args:
            name: for people.
            items: the rows.
            ids: shape (n,), by which to call them; None: the items' own.
        """
        vectors = items.features.get("embedding")
        return cls(
            name=name,
            ids=items.ids if ids is None else ids,
            ties=items.tie_keys(),
            usable=items.is_countable,
            prints=items.features.get("prints"),
            vectors=None if vectors is None else open_vectors(vectors),
        )

    def __len__(self) -> int:
        return len(self.ids)


@dataclass(frozen=True)
class Thresholds:
    """From where a row repeats another.

    Attributes:
        jaccard: estimated share of word shingles, or more; 1 leaves the stage out.
        eps: a cosine above 1 - eps; 0 leaves the stage out.
    """

    jaccard: float
    eps: float


@dataclass(frozen=True)
class Found:
    """What a comparison with a reference was good for.

    Attributes:
        name: of the reference.
        rows: how many it has.
        search: how the semantic stage went about it.
        exact, minhash, semantic: rows that each stage dropped.
    """

    name: str
    rows: int
    search: str
    exact: int
    minhash: int
    semantic: int

    def __str__(self) -> str:
        """One sentence for a report."""
        return (
            f"compared with {self.rows:,} rows of {self.name} ({self.search}): dropped "
            f"{self.exact:,} exact copies, {self.minhash:,} MinHash and {self.semantic:,} semantic "
            "near-copies"
        )


def stages(references: Sequence[Reference]) -> tuple[str, ...]:
    """The names of the stages, reference after reference: ``"exact against test.jsonl"``."""
    return tuple(f"{kind} against {other.name}" for other in references for kind in KINDS)


def compare(
    items: Items,
    references: Sequence[Reference],
    limits: Thresholds,
    twins: Twins,
    engine: Engine,
    *,
    device: str = "auto",
    progress: Any = None,
) -> tuple[Twins, FloatArray, list[Found]]:
    """Who repeats a row of another data set.

    Args:
        items: the rows, with ``prints`` for the text stages and an ``embedding`` for the semantic.
        references: the other sets; what repeats a row of the first is not compared with the next.
        limits: the thresholds.
        twins: of nobody yet; its last stages are ``stages(references)``.
        engine: who runs the search among vectors.
        device: for the clustering of a large reference.
        progress: called with (stage, done, total).

    Returns:
        (twins, values, found): with every comparable row's nearest, and the duplicates among
        them; shape (n,), float32: 1 for a row that a text stage found, else its highest cosine to
        any row of any reference, 0 without a semantic stage; what each reference was good for.
        Pinned rows duplicate nothing.
    """
    values = np.zeros(items.n, dtype=np.float32)
    found: list[Found] = []
    first = len(twins.stages) - len(KINDS) * len(references)
    for number, other in enumerate(references):
        offset = first + number * len(KINDS)
        rows = np.flatnonzero(items.is_countable & ~items.pinned & ~twins.is_duplicate)
        for kind, hit, place, likeness in _alike(items, rows, other, limits.jaccard):
            stage = np.full(hit.size, offset + kind)
            twins = twins.with_foreign(hit, other.ids[place], likeness, stage)
            values[hit] = 1
        rows = rows[~twins.is_duplicate[rows]]
        search = "by texts alone"
        if other.vectors is not None and limits.eps > 0:
            vectors = open_vectors(items.feature("embedding", "dedup"))
            task = nearest_in(other.vectors, other.usable, other.ties, engine, device=device)
            keys, search = scanned(vectors, engine)[0], task.search
            similarity, place = engine.rows(task, vectors, keys=keys, progress=progress)
            nearer = ~twins.has_twin[rows] | (similarity[rows] > values[rows])
            rows = rows[(place[rows] >= 0) & nearer]
            above = similarity[rows] > np.float32(1 - limits.eps)
            stage = np.where(above, offset + _SEMANTIC, 0)
            twins = twins.with_foreign(rows, other.ids[place[rows]], similarity[rows], stage)
            values[rows] = similarity[rows]
        counts = np.bincount(twins.stage, minlength=offset + len(KINDS) + 1)[offset + 1 :]
        found.append(Found(other.name, len(other), search, *counts[: len(KINDS)].tolist()))
    return twins, values, found


def _alike(
    items: Items, rows: IntArray, other: Reference, jaccard: float
) -> Iterator[tuple[int, IntArray, IntArray, FloatArray]]:
    """Of each text stage: its kind, the rows it found, whom they repeat, and how like they are."""
    prints: Prints | None = items.features.get("prints")
    if prints is None or other.prints is None:
        return
    place = copies_of(prints, rows, other)
    hit = place >= 0
    yield _EXACT, rows[hit], place[hit], np.ones(np.count_nonzero(hit), dtype=np.float32)
    if jaccard < 1:
        rows = rows[~hit]
        place, likeness = near_copies_of(prints, rows, other, jaccard)
        hit = place >= 0
        yield _MINHASH, rows[hit], place[hit], likeness[hit]


def copies_of(prints: Prints, rows: IntArray, other: Reference) -> IntArray:
    """For each of some rows the reference row of the same normalised text.

    Args:
        prints: of all rows.
        rows: shape (m,), int64, the rows to look at.
        other: with prints.

    Returns:
        Shape (m,), int64: a row of the reference, -1 for none.
    """
    assert other.prints is not None
    ranked = _ranked(other)
    keys = np.concatenate([other.prints.exact[ranked], prints.exact[rows]])
    first = first_of_equals(keys, np.arange(len(keys)))[ranked.size :]
    found: IntArray = np.full(rows.size, _NONE, dtype=np.int64)
    hit = (first >= 0) & (first < ranked.size)
    found[hit] = ranked[first[hit]]
    return found


def near_copies_of(
    prints: Prints, rows: IntArray, other: Reference, jaccard: float
) -> tuple[IntArray, FloatArray]:
    """For each of some rows a reference row that it shares most word shingles with.

    In every band a row is compared with the reference rows in its bucket, in the order of their
    ties, up to the first that it is like; of those the most similar one is taken.

    Args:
        prints: of all rows, with signatures.
        rows: shape (m,), int64, the rows to look at.
        other: with prints, with signatures.
        jaccard: estimated at ``least_estimate`` of it or more is a near-copy, above 0 to 1.

    Returns:
        (place, similarity): shapes (m,), int64, a row of the reference, -1 for none; float32, the
        estimated Jaccard similarity to it, 0 without one.
    """
    assert other.prints is not None
    ranked = _ranked(other)
    ranked = ranked[other.prints.has_words[ranked]]
    theirs = other.prints.signature[ranked]
    asked = np.flatnonzero(prints.has_words[rows])
    ours = prints.signature[rows[asked]]
    best = np.full(asked.size, _NONE, dtype=np.int64)
    likeness = np.zeros(asked.size, dtype=np.float32)
    for band in bands(jaccard):
        place, value = _like(ours, theirs, band, jaccard)
        closer = (value > likeness) | ((value == likeness) & (place >= 0) & (place < best))
        best[closer], likeness[closer] = place[closer], value[closer]
    found = np.full(rows.size, _NONE, dtype=np.int64)
    similarity = np.zeros(rows.size, dtype=np.float32)
    hit = best >= 0
    found[asked[hit]], similarity[asked[hit]] = ranked[best[hit]], likeness[hit]
    return found, similarity


def _ranked(other: Reference) -> IntArray:
    """The usable rows in the order of their ties."""
    rows = np.flatnonzero(other.usable)
    order: IntArray = rows[np.argsort(other.ties[rows], kind="stable")]
    return order


def _like(
    ours: AnyArray, theirs: AnyArray, band: slice, jaccard: float
) -> tuple[IntArray, FloatArray]:
    """The first like row in each row's bucket of a band, and how like it is."""
    keys = band_keys(theirs[:, band])
    order = np.argsort(keys, kind="stable")
    wanted = band_keys(ours[:, band])
    start = np.searchsorted(keys[order], wanted, side="left")
    stop = np.searchsorted(keys[order], wanted, side="right")
    place = np.full(len(ours), _NONE, dtype=np.int64)
    value = np.zeros(len(ours), dtype=np.float32)
    rest = np.flatnonzero(start < stop)
    for turn in range(ROUNDS):
        rest = rest[start[rest] + turn < stop[rest]]
        if not rest.size:
            break
        other = order[start[rest] + turn]
        alike = estimated(ours, rest, other, theirs)
        hit = alike >= np.float32(least_estimate(jaccard))
        place[rest[hit]], value[rest[hit]] = other[hit], alike[hit]
        rest = rest[~hit]
    return place, value
