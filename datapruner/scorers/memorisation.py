"""A proxy for memorisation: how much it helped a model to have trained on the row itself.

Over several runs, each trained on another part of the rows and logged on all of them: the mean
probability of a row's label where the row was trained on, minus the mean where it was not. Near 0:
the others teach the row anyway. Near 1: it is only known by heart, being rare, odd or mislabelled.

What it is not. The memorisation of Feldman and Zhang averages whether the answer is *right* over
thousands of runs on random halves or more of the data; this takes the *probability* of the label,
which says more per run, over the few runs there are. Runs on parts that were not drawn at random
measure the parts, too. With r runs on halves the standard error of a row is about 2 s / sqrt(r) for
runs that differ by s: four to ten runs rank rows roughly and settle no single one.

Source: Feldman and Zhang 2020, "What neural networks memorize and why", arXiv:2008.03703.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar, Literal

import numpy as np

from datapruner.core.items import Items
from datapruner.core.scores import Scores
from datapruner.core.types import BoolArray, FloatArray
from datapruner.errors import InputError
from datapruner.scorers.logged import Block, blocks, open_logged, usable

__all__ = ["Memorisation"]


@dataclass(frozen=True)
class Memorisation:
    """Probability of the label with the row in training, minus without it.

    Attributes:
        on_bad: what to do with rows that were in the training part of every run, or of none (where
            they were logged): ``"error"``, or ``"drop"`` to bar them.
    """

    on_bad: Literal["error", "drop"] = "error"

    columns: ClassVar[tuple[str, ...]] = ("logits", "label_codes")
    needs: ClassVar[frozenset[str]] = frozenset((*columns, "held_in"))
    meaning: ClassVar[str] = "harder"

    def __call__(self, items: Items, *, query: str | None = None, seed: int = 0) -> Scores:
        """Scores with values of shape (n,), float64, in [-1, 1]; higher means more memorised.

        Args:
            items: rows with ``logits`` of shape (n, R, C), one snapshot a run; ``label_codes``; and
                ``held_in``, shape (n, R), bool: whether the run trained on the row.
            query, seed: unused.

        Raises:
            MissingColumnError: a column is not there.
            InputError: shapes that do not fit.
            ScoreError: logits that are not finite, or rows with nothing to compare (names the first
                five).
        """
        logged = open_logged(items, "memorisation", self.columns)
        runs = logged.logits.count
        held_in = _held_in(items.feature("held_in", "memorisation"), items.n, runs)
        total = np.zeros((2, items.n))
        times = np.zeros((2, items.n), dtype=np.int64)
        for block in blocks(logged, range(runs)):
            rows = slice(block.start, block.start + len(block.logits))
            inside = held_in[rows, block.number]
            p = _of_label(block)
            for side, there in enumerate((~inside & block.seen, inside & block.seen)):
                total[side, rows] += np.where(there, p, 0.0)
                times[side, rows] += there
        lacking = (times == 0).any(axis=0)
        what = "were in the training part of every run that logged them, or of none"
        items = usable(items, "memorisation", lacking, what, self.on_bad)
        without, within = total / np.maximum(times, 1)
        values = np.where(items.barred, 0.0, within - without)
        fewest = int(times.min(axis=0)[items.is_countable].min(initial=runs))
        details = {"runs": runs, "fewest_runs_a_side": fewest}
        return Scores(values, items, self.meaning, "memorisation", details=details)


def _of_label(block: Block) -> FloatArray:
    p: FloatArray = block.probabilities()[np.arange(len(block.labels)), block.labels]
    return p


def _held_in(column: object, n: int, runs: int) -> BoolArray:
    held_in = np.asarray(column)
    if held_in.shape != (n, runs) or (held_in.size and held_in.dtype != np.bool_):
        raise InputError(
            f"memorisation: held_in is {held_in.dtype} of shape {held_in.shape}; {n} rows and "
            f"{runs} runs need true or false of shape ({n}, {runs})."
        )
    return held_in.astype(np.bool_)
