"""Neighbours taken together as far as they fit: how groups of rows are cut into batches."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

__all__ = ["runs"]


def runs(sizes: Sequence[int], room: int) -> Iterator[range]:
    """Runs of neighbours whose sizes sum to ``room`` at most; what is larger stands alone.

    Args:
        sizes: not negative.
        room: see above.

    Yields:
        Ranges of positions, in order; together they are all of them.
    """
    start = held = 0
    for place, size in enumerate(sizes):
        if place > start and held + size > room:
            yield range(start, place)
            start, held = place, 0
        held += size
    if start < len(sizes):
        yield range(start, len(sizes))
