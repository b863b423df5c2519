"""The rows that a contender may choose from, and what is known of them."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field

import numpy as np

from datapruner.core.items import Items
from datapruner.core.types import AnyArray, IntArray
from datapruner.dataset.compare.labelled import Labelled
from datapruner.dataset.compare.trial import Ground
from datapruner.dataset.loggedrun import LoggedRun
from datapruner.dataset.reading import Reading
from datapruner.dataset.runrows import join_runs
from datapruner.errors import InputError

__all__ = ["Pool", "logged_items"]


@dataclass(frozen=True, eq=False, kw_only=True)
class Pool:
    """The rows that may be chosen from, for one seed. Row numbers are those of the data.

    Attributes:
        rows: shape (m,), int64, the training rows; held-out rows are not among them.
        x: shape (n, ...), what the learner sees; look at ``x[rows]`` alone.
        y: shape (n,), int64, codes of the classes.
        ids: shape (n,), ids of the rows, or their numbers.
        embedding: shape (n, d), float32, what selectors look at.
        seed: of the draw.
        items: the training rows as items, in the order of ``rows``.
        logged: the same with the columns of a logged run, if one was given.
    """

    rows: IntArray
    x: AnyArray
    y: IntArray
    ids: AnyArray
    embedding: AnyArray
    seed: int
    items: Items = field(repr=False)
    logged: Items | None = field(default=None, repr=False)

    @classmethod
    def of(cls, ground: Ground, items: Items, logged: Items | None) -> Pool:
        """The training rows of a seed, ascending."""
        rows = np.sort(ground.train)
        vectors = items.feature("embedding")
        return cls(
            rows=rows,
            x=ground.x,
            y=ground.y,
            ids=items.ids,
            embedding=vectors.take(np.arange(items.n)),
            seed=ground.seed,
            items=items.take(rows),
            logged=None if logged is None else logged.take(rows),
        )


def logged_items(runs: Sequence[LoggedRun], rows: Labelled, y: IntArray, reading: Reading) -> Items:
    """Items of the rows with what training runs logged of them.

    Args:
        runs: of the same rows; those of a log with ids are found by id.
        rows: of the data.
        y: codes of their classes, -1 for rows that cannot be used.
        reading: how the rows were read; says which rows each run trained on, too.

    Raises:
        InputError: a log of other rows, or of the same in another order.
    """
    items = join_runs(rows.items, runs, held_in=reading.held_in, id=reading.id, label=reading.label)
    codes = items.feature("label_codes")
    both = np.flatnonzero((codes >= 0) & (y >= 0))
    pairs = np.unique(np.stack([codes[both], y[both]]), axis=1)
    if any(np.unique(side).size != side.size for side in pairs):
        raise InputError(
            f"{runs[0].path} has other labels than the data, so it is not of these rows, or they "
            "stand in another order. Give the rows as they were when the run was logged."
        )
    return items
