"""recommend(): which end to keep, for rows in any container or for vectors with labels.

This module reads; what is asked of the rows, and by which rule it is answered, is in ``advise``.
"""

from __future__ import annotations

import tempfile
from pathlib import Path
from typing import Any, Literal

import numpy as np

from datapruner.core.budget import Budget, as_budget
from datapruner.core.types import IntArray
from datapruner.dataset.advise import advise
from datapruner.dataset.job import ScoreJob
from datapruner.dataset.load import NO_LABEL
from datapruner.dataset.prune import reporter
from datapruner.dataset.quarantine import Quarantine
from datapruner.dataset.reading import Note, Reading, is_vectors, read_items
from datapruner.dataset.recommendation import Recommendation
from datapruner.errors import BudgetError, InputError
from datapruner.vectors.content import bad_rows
from datapruner.vectors.store import Vectors, open_vectors

__all__ = ["recommend", "recommend_job"]


def recommend(
    data: Any = None,
    label: Any = None,
    *,
    share: Budget | str | float,
    text: str | None = None,
    embedding: Any = None,
    id: Any = None,
    embedder: Any = "auto",
    device: str = "auto",
    cache: Any = None,
    on_bad: Literal["error", "drop"] = "error",
    kept_count: int | None = None,
    floor: float = 0.5,
    prototypes: int | None = None,
    splits: int = 10,
    draws: int = 2,
    pilot: int = 2000,
    seed: int = 0,
    progress: Any = False,
) -> Recommendation:
    """Which pick to use for this share, with evidence; "use random" unless one is clearly better.

    Every pick and random are cut to the same size on a pilot of the rows, small classifiers are
    trained on what is kept, and a pick is recommended only if its lead on held-out rows is more
    than 0.25 points and more than t standard errors, where t is Student's 5 % point for splits - 1
    degrees of freedom, shared by the picks tried (3.11 for 10 splits); see ``dataset/advise.py``.

    Args:
        data: rows in any container or file (see ``open_source``), or vectors alone: an (n, d)
            array, a ``.npy`` or a ``.safetensors`` file; None with ``embedding`` vectors.
        label: the column of labels (or n labels of any kind, with bare vectors). Without labels
            nothing can be probed (a cluster is no stand-in for a target: the picks themselves look
            at clusters), and the answer follows from the share alone, with no evidence.
        share: what will be kept: ``"30%"``, 0.3, or a number such as ``"1200 items"``; less than
            all rows.
        text: the column to embed; None takes a column named ``text``.
        embedding: vectors instead of a text: a column's name, an (n, d) array, or a file.
        id: the column of ids (or n ids, with bare vectors); which rows form the pilot then follows
            from them, else from the vectors.
        embedder: see ``score``.
        device: ``"auto"``, ``"cpu"`` or ``"cuda"``, for the embedder.
        cache: see ``score``.
        on_bad: ``"error"``, or ``"drop"`` to leave out rows that cannot be used.
        kept_count: rows that the real run will keep, if these rows are a sample of its own.
        floor: share of its fair part guaranteed to each class for high, low and mixed, 0 to 1.
        prototypes: centroids for the difficulty score; default the number of classes, at most one
            for every five rows.
        splits: divisions of the pilot into pruned and held-out rows, at least 3.
        draws: random subsets for each split.
        pilot: most rows to look at.
        seed: of the pilot, the splits, the centroids and the random subsets.
        progress: True for lines on stderr, or a callable of (stage, done, total).

    Returns:
        The recommendation; ``print`` shows it as a table. Neither the order of the rows nor what
        the classes are called matters.

    Raises:
        BudgetError: a share that is none, or that keeps nothing or everything.
        InputError: fewer than 50 rows or 2 classes, labels of another length or missing, vectors
            that are zero or not finite, or an argument out of range.
    """
    wanted = _wanted(share)
    reading = Reading(
        text=text,
        embedding=embedding,
        label=label,
        id=id,
        embedder=embedder,
        device=device,
        cache=cache,
        on_bad=on_bad,
    )
    options = {
        "kept_count": kept_count,
        "floor": floor,
        "prototypes": prototypes,
        "splits": splits,
        "draws": draws,
        "pilot": pilot,
        "seed": seed,
    }
    if data is None or is_vectors(data):
        return _of_vectors(data, reading, wanted, options)
    return _of_rows(data, reading, wanted, options, progress=reporter(progress))


def recommend_job(
    job: ScoreJob, share: Budget | str | float, *, cache: Any = True, progress: Any = None
) -> Recommendation:
    """``recommend`` for the input of a job; bad rows count against its ``bad_limit``.

    Args:
        job: the input, with a column of labels.
        share: see ``recommend``.
        cache: see ``score``.
        progress: called with (stage, done, total).

    Raises:
        InputError: no labels, bad rows under ``on_bad="error"``, or too few rows to probe.
    """
    wanted = _wanted(share)
    data = job.open()
    if isinstance(data, Vectors):
        raise InputError(
            "vectors alone have no labels; give the rows as input and the vectors as embedding "
            "(--embedding)."
        )
    quarantine = Quarantine(None, job.bad_limit)
    reading, options = job.reading(cache), {"seed": job.seed}
    return _of_rows(
        data, reading, wanted, options, progress=progress, note=quarantine.add, close=quarantine
    )


def _wanted(share: Budget | str | float) -> Budget:
    """A budget that is a share of the rows or a number of them, and nothing else."""
    try:
        budget = as_budget(float(share) if isinstance(share, str) else share)
    except ValueError as error:
        if isinstance(error, BudgetError):
            raise
        budget = as_budget(share)
    plain = Budget(share=budget.share, count=budget.count)
    if budget != plain or (budget.share is None) == (budget.count is None):
        raise BudgetError(
            f"share is {str(budget)!r}; recommend needs a share of the rows or a number of them. "
            'Write for example "30%", 0.3 or "1200 items".'
        )
    return budget


def _sized(budget: Budget, n: int, options: dict[str, Any]) -> dict[str, Any]:
    """The options with the share of n rows that the budget comes to."""
    if budget.count is None:
        return {**options, "share": float(budget.share or 0)}
    if not 0 < budget.count < n:
        raise BudgetError(f"share is {budget.count} items of {n}; keep some rows, but not all.")
    kept = options.get("kept_count")
    kept = budget.count if kept is None else kept
    return {**options, "share": budget.count / n, "kept_count": kept}


def _of_vectors(
    data: Any, reading: Reading, budget: Budget, options: dict[str, Any]
) -> Recommendation:
    if data is None and reading.embedding is None:
        raise InputError("there is nothing to probe: give data, or embedding=vectors.")
    if data is not None and reading.embedding is not None:
        raise InputError("data is vectors already; give them as data or as embedding, not both.")
    for name in ("text", "label", "id"):
        value = getattr(reading, name)
        if isinstance(value, str):
            raise InputError(
                f"{name} is {value!r}, but vectors alone have no columns. Give the rows as data "
                f"and the vectors as embedding{'' if name == 'text' else f', or {name} as a list'}."
            )
    vectors = open_vectors(reading.embedding if data is None else data)
    label, ids = reading.label, reading.id
    for name, value in (("labels", label), ("ids", ids)):
        if value is not None and len(value) != vectors.n:
            raise InputError(f"{len(value)} {name} for {vectors.n} embedding rows; give one each.")
    if reading.on_bad == "error" or not (bad := _is_bad(vectors)).any():
        return advise(vectors, label, ids=ids, **_sized(budget, vectors.n, options))
    rows = np.flatnonzero(~bad)
    label, ids = (
        v if v is None else [v[i] for i in rows.tolist()] for v in (_list(label), _list(ids))
    )
    return _of_some(vectors, rows, label, ids, _sized(budget, rows.size, options))


def _list(values: Any) -> Any:
    return values if values is None else list(values)


def _of_rows(
    data: Any,
    reading: Reading,
    budget: Budget,
    options: dict[str, Any],
    *,
    progress: Any,
    note: Note | None = None,
    close: Quarantine | None = None,
) -> Recommendation:
    needs = () if reading.label is None else ("embedding",)
    loaded, _ = read_items(data, reading, needs, progress=progress, note=note)
    items = loaded.items
    if close is not None:
        close.close(items.n)
    rows = np.flatnonzero(items.is_countable)
    if reading.label is None:  # then nothing is probed, and there was nothing to embed
        none = np.ones((rows.size, 1), dtype=np.float32)
        return advise(none, None, **_sized(budget, rows.size, options))
    vectors = open_vectors(items.feature("embedding", "recommend"))
    names = np.array([None if one == NO_LABEL else one for one in items.group_names], dtype=object)
    label = names[items.group]
    if reading.on_bad == "drop":
        usable = ~_is_bad(vectors) & np.array([one is not None for one in label], dtype=bool)
        rows = rows[usable[rows]]
    label = label[rows]
    # Ids made of the content hold the label's name, so only those that were given count.
    ids = None if reading.id is None else items.ids[rows]
    return _of_some(vectors, rows, label, ids, _sized(budget, rows.size, options))


def _of_some(
    vectors: Vectors, rows: IntArray, label: Any, ids: Any, options: dict[str, Any]
) -> Recommendation:
    with tempfile.TemporaryDirectory(prefix="datapruner-") as folder:
        some = _mapped(vectors, rows, Path(folder) / "pilot.npy")
        return advise(some, label, ids=ids, **options)


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
