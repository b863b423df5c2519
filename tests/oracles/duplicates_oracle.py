"""Who repeats whom, written out row by row: similarities by exact sums, the rules word for word."""

from __future__ import annotations

import math
from collections.abc import Iterable
from typing import Any

import numpy as np

from datapruner.vectors.content import unit_rows

__all__ = ["across", "inside", "second_best", "similarities"]

NOBODY = -1


def similarities(x: Any) -> np.ndarray:
    """Shape (m, m), float32: cosines of float32 unit rows, summed exactly and rounded."""
    unit = unit_rows(np.asarray(x, dtype=np.float32))[0].astype(np.float64).tolist()
    exact = [[math.fsum(p * q for p, q in zip(a, b, strict=True)) for b in unit] for a in unit]
    return np.clip(np.array(exact).reshape(len(unit), len(unit)).astype(np.float32), -1, 1)


def inside(x: Any, similar: np.ndarray, threshold: float, rule: str) -> list[tuple[Any, int, bool]]:
    """(similarity, earlier, is duplicate) of each row of one cluster, in the keep order."""
    m, limit = len(x), np.float32(threshold)
    rows = [tuple(np.asarray(row) + 0.0) for row in x]
    first = [rows.index(row) for row in rows]
    own = [j for j in range(m) if first[j] == j]
    found: list[tuple[Any, int, bool]] = [(np.float32(0), NOBODY, False)] * m
    for j in own:
        counts = [i for i in own if i < j and not (rule == "leader" and found[i][2])]
        if counts:
            best = max(similar[i, j] for i in counts)
            place = next(i for i in counts if similar[i, j] == best)
            found[j] = (best, place, bool(best > limit))
    if rule == "components":
        links = [(i, j) for i in own for j in own if i < j and similar[i, j] > limit]
        for j, group in _groups(own, links).items():
            value, place, _ = found[j]
            if group != j:
                above = np.nextafter(limit, np.float32(2), dtype=np.float32)
                found[j] = (max(value, above), group, True)
            else:
                found[j] = (value, place, False)
    for j in range(m):
        if first[j] != j:
            found[j] = _of_a_copy(found[first[j]], first[j], limit, rule)
    return found


def _of_a_copy(
    of: tuple[Any, int, bool], first: int, limit: np.float32, rule: str
) -> tuple[Any, int, bool]:
    value, place, gone = of
    goes = bool(limit < 1)
    if rule == "leader" and gone:
        return value, place, goes
    return np.float32(1), place if rule == "components" and gone else first, goes


def _groups(places: Iterable[int], links: list[tuple[int, int]]) -> dict[int, int]:
    """Each place with the first one that it is linked to, however far round."""
    group = {place: place for place in places}
    for _ in range(len(group)):
        for i, j in links:
            group[i] = group[j] = min(group[i], group[j])
    return group


def second_best(x: Any, centroids: Any, own: Any) -> list[int]:
    """The nearest centroid of each row but its own, the first of equals."""
    unit = unit_rows(np.asarray(x, dtype=np.float32))[0].tolist()
    table = unit_rows(np.asarray(centroids, dtype=np.float32))[0].tolist()
    found = []
    for row, mine in zip(unit, own, strict=True):
        away = [
            (-math.fsum(p * q for p, q in zip(row, centroid, strict=True)), j)
            for j, centroid in enumerate(table)
            if j != mine
        ]
        found.append(min(away)[1])
    return found


def across(
    similar: np.ndarray, own: Any, second: Any, threshold: float, rule: str
) -> list[tuple[Any, int]]:
    """(similarity, earlier) of each row that repeats one across a border; 0 and -1 for the rest."""
    m, limit = len(own), np.float32(threshold)
    links = [
        (i, j)
        for j in range(m)
        for i in range(j)
        if own[i] != own[j]
        and (second[i] == own[j] or second[j] == own[i])
        and similar[i, j] > limit
    ]
    found: list[tuple[Any, int]] = [(np.float32(0), NOBODY)] * m
    if rule == "components":
        for j, group in _groups(range(m), links).items():
            best = max((similar[link] for link in links if link[1] == j), default=np.float32(0))
            found[j] = (best, group if group != j else NOBODY)
        return found
    for j in range(m):
        counts = [
            i for i, k in links if k == j and (rule == "any_earlier" or found[i][1] == NOBODY)
        ]
        if counts:
            best = max(similar[i, j] for i in counts)
            found[j] = (best, min(i for i in counts if similar[i, j] == best))
    return found
