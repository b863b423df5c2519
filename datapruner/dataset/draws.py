"""One round of each kind of draw; each follows from the seed and the number of the round alone."""

from __future__ import annotations

import numpy as np

from datapruner.core.types import FloatArray, IntArray, UInt64Array
from datapruner.dataset.passes import Stream, by_hash
from datapruner.dataset.population import Population
from datapruner.dataset.quotas import Quotas
from datapruner.rng import mix, subseed, unit_interval

__all__ = ["draw_others", "draw_slices", "draw_subset", "draw_weighted", "shuffled"]


def draw_slices(population: Population, quotas: Quotas, seed: int, number: int) -> IntArray:
    """A round without replacement across rounds: the next piece of each class's stream.

    Args:
        population: the rows.
        quotas: rows of each class a round; at most half of all rows (see ``draw_others``).
        seed: of the draw.
        number: of the round.

    Returns:
        Shape (quotas.k,), int64, distinct. Of one class the rounds, end to end, are permutations;
        of several, each class takes its turns so, and a round is shuffled.
    """
    rows = _cut(population, quotas, seed, number)
    return rows if len(population.strata) == 1 else shuffled(population, rows, seed, number)


def draw_others(population: Population, quotas: Quotas, seed: int, number: int) -> IntArray:
    """A round of more than half of the rows: everybody but those whose turn it is to sit out.

    A stream gives who sits out, as ``draw_slices`` gives who is drawn. Nobody sits out twice before
    all have done so once, so visits never differ by more than one here either. Rows that have sat
    out in the current turn have a visit less than the others and come first: so the rounds, end to
    end, are permutations, too.

    Args:
        population: the rows.
        quotas: rows of each class that sit out; less than half of all rows.
        seed: of the draw.
        number: of the round.

    Returns:
        Shape (population.size - quotas.k,), int64, distinct.
    """
    is_drawn = np.ones(population.n, dtype=bool)
    if population.usable is not None:
        is_drawn[:] = False
        is_drawn[population.usable] = True
    is_drawn[_cut(population, quotas, seed, number)] = False
    is_due = np.zeros(population.n, dtype=bool)
    firsts, befores = _starts(quotas, number)
    for stratum, before, first in zip(population.strata, befores, firsts, strict=True):
        seen = Stream(stratum.size, stratum.keys, seed).visited(before, first)
        is_due[stratum.numbered(np.flatnonzero(seen))] = True
    parts = [np.flatnonzero(is_drawn & is_due), np.flatnonzero(is_drawn & ~is_due)]
    return np.concatenate([shuffled(population, part, seed, number) for part in parts])


def draw_subset(population: Population, quotas: Quotas, seed: int, number: int) -> IntArray:
    """A round that is independent of all others: a uniform subset, of each class its quota."""
    found = []
    for stratum, count in zip(population.strata, quotas.at(number).tolist(), strict=True):
        stream = Stream(stratum.size, stratum.keys, seed)
        found.append(stratum.numbered(stream.piece(f"draw {number}", 0, count)))
    if len(found) == 1:
        return found[0]
    return shuffled(population, np.concatenate(found), seed, number)


def draw_weighted(
    population: Population, k: int, seed: int, number: int
) -> tuple[IntArray, FloatArray]:
    """An independent round with chances in proportion to the scores, and weights that undo them.

    Every row has an exponential clock that runs as fast as its score; the first k to ring are in
    (the same as the k largest of log score + Gumbel noise). Given the time at which the next one
    rings, tau, a row was in with the chance p = 1 - exp(-score * tau), and a mean over the round of
    values times k / (n p) is an unbiased estimate of their mean over all rows.

    Args:
        population: with scores; rows of score 0 are not usable.
        k: rows a round.
        seed, number: as for the other draws.

    Returns:
        Rows, shape (k,), int64, distinct, shuffled; weights, shape (k,), float64, above 0. They are
        all 1 when every usable row is drawn.

    Source: Efraimidis and Spirakis 2006 for the draw; rank conditioning, Cohen and Kaplan 2007,
    for the weights.
    """
    assert population.scores is not None
    rows = np.arange(population.n) if population.usable is None else population.usable
    speed = population.scores[rows] / population.scores.max()
    with np.errstate(over="ignore"):  # a clock that hardly runs rings at infinity
        times = -np.log(unit_interval(_hashes(population, rows, seed, f"draw {number}"))) / speed
    tau, chosen = np.inf, np.arange(rows.size)
    if k < rows.size:
        last, tau = np.partition(times, [k - 1, k])[[k - 1, k]].tolist()
        chosen = np.flatnonzero(times <= last)
        # More than k only where clocks ring at one moment: the earlier rows are in.
        chosen = chosen[np.argsort(times[chosen], kind="stable")[:k]] if chosen.size > k else chosen
    chance = -np.expm1(-speed[chosen] * tau) if np.isfinite(tau) else np.ones(k)
    weights = k / (rows.size * chance)
    place = by_hash(_hashes(population, rows[chosen], seed, f"order {number}"))
    return rows[chosen][place], weights[place]


def shuffled(population: Population, rows: IntArray, seed: int, number: int) -> IntArray:
    """The same rows in an order that follows from what they are, the seed and the round."""
    return rows[by_hash(_hashes(population, rows, seed, f"order {number}"))]


def _hashes(population: Population, rows: IntArray, seed: int, name: str) -> UInt64Array:
    keys = rows if population.keys is None else population.keys[rows]
    return mix(keys, subseed(seed, name))


def _starts(quotas: Quotas, number: int) -> tuple[list[int], list[int]]:
    """Where in its stream each class's round begins, and where the one before it began."""
    firsts = quotas.before(number)
    return firsts.tolist(), (quotas.before(number - 1) if number else firsts).tolist()


def _cut(population: Population, quotas: Quotas, seed: int, number: int) -> IntArray:
    firsts, befores = _starts(quotas, number)
    counts = quotas.at(number).tolist()
    found = [np.empty(0, dtype=np.int64)]
    for stratum, before, first, count in zip(
        population.strata, befores, firsts, counts, strict=True
    ):
        if count:
            stream = Stream(stratum.size, stratum.keys, seed)
            found.append(stratum.numbered(stream.cut(before, first, first + count)))
    return np.concatenate(found)
