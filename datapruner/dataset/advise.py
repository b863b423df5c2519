"""recommend() for rows in files: read them as a run would, and ask the pilot."""

from __future__ import annotations

import tempfile
from pathlib import Path
from typing import Any

import numpy as np

from datapruner.core.types import IntArray
from datapruner.dataset.job import ScoreJob
from datapruner.dataset.quarantine import Quarantine
from datapruner.dataset.reading import read_items
from datapruner.dataset.recommend import recommend
from datapruner.dataset.recommendation import Recommendation
from datapruner.errors import InputError
from datapruner.vectors.content import bad_rows
from datapruner.vectors.store import Vectors, open_vectors

__all__ = ["advise"]


def advise(
    job: ScoreJob, share: float, *, cache: Any = True, progress: Any = None
) -> Recommendation:
    """Which pick to use for this share of the job's rows; rows that cannot be used are left out.

    Args:
        job: the input, with a column of labels.
        share: share of the rows that will be kept.
        cache: see ``score``.
        progress: called with (stage, done, total).

    Raises:
        InputError: no labels, bad rows under ``on_bad="error"``, or too few rows to probe.
    """
    data = job.open()
    if isinstance(data, Vectors):
        raise InputError(
            "vectors alone have no labels; give the rows as input and the vectors as embedding "
            "(--embedding)."
        )
    quarantine = Quarantine(None, job.bad_limit)
    reading = job.reading(cache)
    loaded, _ = read_items(data, reading, ("embedding",), progress=progress, note=quarantine.add)
    quarantine.close(loaded.items.n)
    items = loaded.items
    vectors = open_vectors(items.feature("embedding", "recommend"))
    rows = np.flatnonzero(items.is_countable)
    if job.on_bad == "drop":
        rows = rows[~_is_bad(vectors)[rows]]
    labels = np.array(items.group_names, dtype=object)[items.group[rows]]
    with tempfile.TemporaryDirectory(prefix="datapruner-") as folder:
        return recommend(
            _mapped(vectors, rows, Path(folder) / "pilot.npy"),
            labels,
            share=share,
            ids=items.ids[rows],
            seed=job.seed,
        )


def _is_bad(vectors: Vectors) -> Any:
    found = [bad_rows(block) != 0 for _, block in vectors.blocks()]
    return np.concatenate(found) if found else np.zeros(0, dtype=bool)


def _mapped(vectors: Vectors, rows: IntArray, path: Path) -> Any:
    """The vectors of these rows as a memory map, so that memory stays free."""
    if not rows.size:
        return np.zeros((0, vectors.d), dtype=np.float32)
    out = np.lib.format.open_memmap(path, "w+", np.dtype(np.float32), (rows.size, vectors.d))
    for start in range(0, rows.size, 8192):
        out[start : start + 8192] = vectors.take(rows[start : start + 8192])
    return out
