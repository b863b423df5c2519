"""Prune a Ray data set whose rows, and columns of rows, never meet in one process.

The passes are those of one machine: look at every row, train centroids on a sample chosen by
content, find each row's cluster and distance. What comes back to the driver are numbers of groups:
sizes, sums of distances, and in the end one cut a group, the last row that is kept. The kept rows
are found by judging each row against its group's cut, where it is. So the answer is that of
``prune`` on the same rows with the same ids, budget and seed.

Two things are given up for it: picks that look at all rows at once, and ids made of the content,
which count equal rows.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Sequence
from typing import Any, Literal

from datapruner.core.budget import Budget, as_budget
from datapruner.core.pruner import refuse_unknown_keys
from datapruner.dataset.blocks import EMBEDDING, PREFIX, Check, Embed
from datapruner.dataset.driver import Driver, Recipe
from datapruner.dataset.judged import GROUP, SCORE
from datapruner.engines.session import connect, load_ray
from datapruner.engines.stages import Stages
from datapruner.errors import BudgetError, InputError, MissingColumnError, nearest
from datapruner.methods import dataset_method, load
from datapruner.pickers.cuts import check_cuttable
from datapruner.rng import check_seed

__all__ = ["METHODS", "prune_dataset"]

METHODS = ("concepts", "prototypes", "duplicates")


def prune_dataset(
    data: Any,
    *,
    budget: Budget | str | float,
    id: str,
    method: str = "concepts",
    text: str | None = None,
    embedding: str | None = None,
    embedder: Any = "auto",
    device: str = "auto",
    workers: int | tuple[int, int] | None = None,
    pick: str | None = None,
    allocate: str | None = None,
    add: Sequence[str] = (),
    on_bad: Literal["error", "drop"] = "error",
    seed: int = 0,
    **params: Any,
) -> Any:
    """The rows to keep of a Ray data set, as a Ray data set.

    Args:
        data: a ``ray.data.Dataset``. It is read several times, so materialise it, or read it from
            files, if making it is dear.
        budget: a share or a number of rows; with an allocator that spreads it, also
            ``"3 per group"`` and floors.
        id: the column of ids, whole numbers or text, each in one row alone. That is checked inside
            every block; across blocks it is a promise of yours.
        method: ``"concepts"``, ``"prototypes"`` or ``"duplicates"``.
        text: the column to embed, by a pool of actors; its vectors stay in the object store.
        embedding: a column of vectors instead of a text.
        embedder, device, on_bad, seed: see ``score``; the embedder is made on every actor.
        workers: actors that embed: a number, or (fewest, most); None: from one to all cores (on
            CUDA: all GPUs).
        pick: ``"high"``, ``"low"``, ``"uniform"`` or ``"distinct"``; None: the method's own.
        allocate: how clusters share the budget; None: the method's own.
        add: ``"datapruner_score"`` and ``"datapruner_group"`` put these beside your columns.
        **params: the method's own parameters, such as ``k``.

    Returns:
        The kept rows with all their columns, in no particular order; lazy, judged block by block
        when it is read. The same ids as ``prune`` with the same rows, ids, budget and seed.

    Raises:
        InputError: rows or parameters that cannot be used.
        ScoreError: a vector is NaN, infinite or without direction.
        BudgetError: a budget, or a pick, that needs all rows in one place.
        EngineError: workers were lost for good.
        MissingExtraError: Ray is not installed.
    """
    ray = load_ray()
    if not isinstance(data, ray.data.Dataset):
        raise InputError(
            f"prune_dataset takes a ray.data.Dataset, not {type(data).__name__}; "
            'for other rows there is prune(..., engine="ray").'
        )
    shared = {"device": device, "on_bad": on_bad}
    recipe = _recipe(method, budget, pick, allocate, check_seed(seed), shared, params)
    names = _checked_names(data, id, text, embedding, add)
    connect(ray)
    stages = Stages(ray)
    driver = Driver(stages, recipe, id, embedding or EMBEDDING, (*names, *add))
    if text is not None:
        driver.check(data, Check(id, text, None))
        data = stages.by_actors(data, Embed, (text, embedder, device), workers, device, "embed")
    return driver.pruned(data)


def _recipe(
    method: str,
    budget: Any,
    pick: str | None,
    allocate: str | None,
    seed: int,
    shared: dict[str, Any],
    params: dict[str, Any],
) -> Recipe:
    entry = dataset_method(method)
    if method not in METHODS:
        raise InputError(
            f"method {method!r} looks at all rows at once, or at no vectors; prune_dataset has "
            f"{', '.join(METHODS)}."
        )
    scorer_class = load(entry.scorer)
    known = [field.name for field in dataclasses.fields(scorer_class)]
    refuse_unknown_keys(params, known, f"method {method!r}")
    scorer = scorer_class(**{k: v for k, v in shared.items() if k in known} | params)
    wanted = as_budget(budget)
    spread = allocate or entry.allocate
    if pick is not None:
        check_cuttable(pick)
    if wanted.threshold is not None:
        raise BudgetError(f"the budget {wanted} has a threshold, which prune_dataset cannot heed.")
    if spread == "whole" and (wanted.per_group is not None or wanted.floor):
        raise BudgetError(
            f"the budget {wanted} speaks of groups, but allocate='whole' lets all rows compete, "
            "and nobody sees them all here. Take allocate='proportional', 'equal' or 'weighted'."
        )
    if method == "duplicates" and (spread != "whole" or scorer.probes != 1):
        raise InputError(
            f"allocate is {spread!r} and probes is {scorer.probes}; duplicates are compared inside "
            "their cluster alone and compete as a whole here: allocate='whole', probes=1."
        )
    return Recipe(method, scorer, wanted, pick, spread, seed)


def _checked_names(
    data: Any, id: str, text: str | None, embedding: str | None, add: Sequence[str]
) -> tuple[str, ...]:
    """The columns of the data set; an error where one that was named is not there."""
    names = tuple(data.schema().names) if data.schema() is not None else ()
    if (text is None) == (embedding is None):
        raise InputError("name one column: text= to embed it, or embedding= for vectors.")
    if id in (text, embedding):
        raise InputError(f'"{id}" cannot be the ids as well as what is compared.')
    for name in (id, text, embedding):
        if name is not None and names and name not in names:
            raise MissingColumnError(f'no column "{name}" in the data set. {nearest(name, names)}')
    ours = [name for name in names if name.startswith(PREFIX)]
    if ours:
        raise InputError(f'the column "{ours[0]}" has a name that is ours; rename it.')
    wrong = [name for name in add if name not in (SCORE, GROUP)]
    if wrong:
        raise InputError(f"add holds {wrong[0]!r}. {nearest(wrong[0], (SCORE, GROUP))}")
    return names
