"""compare(): methods against each other on your own data, at equal steps.

    print(compare("train.parquet", label="intent", text="text", budgets=["10%", "30%"]))

For every seed: hold out rows for the test (unless there is a test set), let every method choose its
rows, train the same learner for the same number of steps on each, and test. Random, RS2 and
training on all rows are always there, for a method that does not beat the first two is not worth
its cost.
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any, Literal

import numpy as np

from datapruner.core.budget import Budget, as_budget
from datapruner.core.types import IntArray
from datapruner.dataset.compare.bench import Bench, Plan
from datapruner.dataset.compare.comparison import Comparison
from datapruner.dataset.compare.contenders import contenders
from datapruner.dataset.compare.labelled import Labelled, coded, read_labelled, read_test
from datapruner.dataset.compare.pool import logged_items
from datapruner.dataset.compare.recipes import named_recipe
from datapruner.dataset.compare.splits import held_out_rows
from datapruner.dataset.compare.trial import Ground, Recipe
from datapruner.dataset.prune import reporter
from datapruner.dataset.reading import Reading
from datapruner.dataset.runrows import open_runs
from datapruner.engines.journal import Journal
from datapruner.errors import BudgetError, InputError
from datapruner.rng import check_seed

__all__ = ["compare"]

# Ten passes over all rows, but enough steps for few rows and no more than a coffee for many.
_PASSES, _FEWEST, _MOST = 10, 200, 3000
_SHOWN = 5


def compare(
    data: Any = None,
    *,
    budgets: str | float | Budget | Sequence[str | float | Budget],
    label: Any,
    methods: str | Iterable[str] | Mapping[str, Any] = ("prototypes",),
    recipe: str | Recipe = "mlp",
    test: Any = None,
    features: Any = None,
    test_features: Any = None,
    text: str | None = None,
    embedding: Any = None,
    id: Any = None,
    log: Any = None,
    held_in: Any = None,
    steps: int | None = None,
    batch: int = 32,
    seeds: int = 5,
    held_out: float = 0.25,
    unit: str | None = None,
    embedder: Any = "auto",
    device: str = "auto",
    cache: Any = None,
    on_bad: Literal["error", "drop"] = "error",
    journal: str | Path | None = None,
    seed: int = 0,
    progress: Any = False,
) -> Comparison:
    """Which method to use for these budgets, measured: scores with intervals, wins, ties, losses.

    Args:
        data: rows in any container or file (see ``open_source``); or an array of vectors or images,
            shape (n, ...), or a file of vectors, with ``label`` as a list.
        budgets: what is kept, ``"10%"`` or ``"500 items"``; shares of the training rows.
        label: the column of labels, or n labels with an array.
        methods: names of the registry, each with a pick after a colon if it shall not be the
            method's own (``"prototypes:high"``); or a mapping from names to such a name, row
            numbers, text ids, a Selection, or a function of (Pool, k) that gives k row numbers.
            Random and RS2 run in any case, and all rows for as many steps.
        recipe: what is trained: ``"linear"``, ``"mlp"`` or ``"cnn"``; a callable from a ``Trial``
            to a score, higher is better; or ``"path/to/file.py:function"``, which runs that file.
        test: test rows with the columns of the data, or a pair (features, labels); None: a part of
            the data is held out, another one for each seed, with each class's share.
        features: what the learner sees: a column, a file (``.npy`` of any shape) or an array; None:
            the data if they are an array, else the embedding.
        test_features: the same of the test rows, where it is not a column of theirs.
        text: the column to embed for selectors, and for the learner without ``features``.
        embedding: what selectors look at: a column, a file or an array; None: the embedded text,
            else the features.
        id: the column of ids, or n ids with an array; None: ids made of the content.
        log: a run that ``RunLog`` wrote while a model was trained on these rows, or several, for
            the methods that score one, such as ``el2n``.
        held_in: for ``"memorisation"``, see ``score``.
        steps: optimiser steps of every trial; None: ten passes over the training rows, 200 at
            least and 3,000 at most.
        batch: rows of every step.
        seeds: how many, at least 2: trial s has ``seed + s`` as its split, draw, batches and start.
        held_out: share of every class to test on, where there is no test set.
        unit: what a score of your own recipe is, for the report.
        embedder: see ``score``.
        device: ``"auto"``, ``"cpu"`` or ``"cuda"``, for embedders and built-in learners.
        cache: see ``score``.
        on_bad: ``"error"``, or ``"drop"`` to leave out rows that cannot be used.
        journal: a folder for the scores of finished trials, from which a comparison that was
            stopped goes on; the selections are made again. Remove it if something changed that
            your recipe calls.
        seed: of the first trial.
        progress: True for lines on stderr, or a callable of (stage, done, total).

    Returns:
        The comparison; ``print`` shows it. No number depends on the order of methods, budgets or
        rows, except by a recipe or a function of your own that looks at row numbers.

    Raises:
        BudgetError: a budget that is no number of training rows, or that a method does not meet.
        InputError: labels, features, rows or a recipe that cannot be used.
        MissingColumnError: a column, or a log, that is not there.
        UnknownMethodError: no such method or pick.
        MissingExtraError: torch is not installed, and a built-in learner needs it.
    """
    _check_numbers(steps, batch, seeds, held_out, seed)
    wanted = _budgets(budgets)
    learner = named_recipe(recipe, unit=unit, device=device)
    report = reporter(progress)
    reading = Reading(
        text=text,
        embedding=embedding,
        label=label,
        id=id,
        embedder=embedder,
        device=device,
        cache=cache,
        on_bad=on_bad,
        log=open_runs(log),
        held_in=held_in,
    )
    rows = read_labelled(data, reading, features, progress=report)
    asked = None
    if test is not None:
        asked = read_test(test, reading, features, given=test_features, progress=report)
    _check_test(rows, asked, test_features)
    grounds = _grounds(rows, asked, range(seed, seed + seeds), held_out)
    size = int(grounds[0].train.size)
    counts = _counts(wanted, size)
    plan = Plan(
        recipe=learner,
        steps=_steps(size, batch) if steps is None else steps,
        batch=batch,
        budgets=counts,
        contenders=contenders(methods, rows.items, reading, budgets=counts),
        held_out=held_out if asked is None else None,
    )
    logged = None
    if reading.log:
        logged = logged_items(reading.log, rows, grounds[0].y, reading)
    bench = Bench(plan, rows.items, logged, None if journal is None else Journal(journal), report)
    return bench.run(grounds, _notes(grounds[0], rows, asked))


def _grounds(
    rows: Labelled, test: Labelled | None, seeds: Sequence[int], share: float
) -> list[Ground]:
    """One for each seed: what is trained on, and what is tested on."""
    classes, y, test_y = coded(rows, test)
    if np.unique(y[rows.usable]).size < 2:
        raise InputError(
            f"the {rows.usable.size} rows that can be used are of "
            f"{np.unique(y[rows.usable]).size} class; a learner needs 2 at least to tell apart."
        )
    return [_ground(rows, test, y, test_y, classes, seed, share) for seed in seeds]


def _ground(
    rows: Labelled,
    test: Labelled | None,
    y: IntArray,
    test_y: IntArray,
    classes: tuple[str, ...],
    seed: int,
    share: float,
) -> Ground:
    keys, train = rows.items.tie_keys(), rows.in_order
    if test is None:
        is_held = held_out_rows(train, y, keys, share, seed)
        held = train[is_held]
        tested = rows.x[held], y[held]
        train = train[~is_held]
    else:
        order = test.in_order
        tested = test.x[order], test_y[order]
    return Ground(
        x=rows.x,
        y=y,
        keys=keys,
        train=train,
        test_x=tested[0],
        test_y=tested[1],
        classes=classes,
        seed=seed,
    )


def _check_numbers(steps: Any, batch: Any, seeds: Any, held_out: Any, seed: Any) -> None:
    for name, value, least in (("steps", steps, 1), ("batch", batch, 1), ("seeds", seeds, 2)):
        if value is None and name == "steps":
            continue
        if isinstance(value, bool) or not isinstance(value, int) or value < least:
            why = ": one run shows nothing but itself" if name == "seeds" else ""
            raise InputError(f"{name} is {value!r}; give a whole number, {least} or more{why}.")
    if isinstance(held_out, bool) or not isinstance(held_out, int | float) or not 0 < held_out < 1:
        raise InputError(f"held_out is {held_out!r}; give a share above 0 and below 1.")
    check_seed(check_seed(seed) + seeds - 1)


def _check_test(rows: Labelled, test: Labelled | None, given: Any) -> None:
    if test is None:
        if given is not None:
            raise InputError("test_features are given and no test rows; give test=... (--test).")
        return
    if not test.usable.size:
        raise InputError("there is not one test row that can be used; give some.")
    if test.x.shape[1:] != rows.x.shape[1:]:
        raise InputError(
            f"the features of a test row are of shape {test.x.shape[1:]}, those of a training row "
            f"of shape {rows.x.shape[1:]}; make both the same way."
        )


def _budgets(given: Any) -> list[Budget]:
    several = [given] if isinstance(given, str | float | int | Budget) else list(given)
    if not several:
        raise BudgetError('there is no budget; give at least one, such as budgets=["10%"].')
    found = [as_budget(one) for one in several]
    for budget in found:
        if budget != Budget(share=budget.share, count=budget.count) or budget == Budget():
            raise BudgetError(
                f"the budget {str(budget)!r} is no number of rows; methods are compared at equal "
                'size, so write a share or a count: "10%" or "500 items".'
            )
    return found


def _counts(budgets: Sequence[Budget], size: int) -> tuple[tuple[str, int], ...]:
    found: dict[int, str] = {}
    for budget in budgets:
        k = budget.resolve_counts(size, 1).count
        if budget.count is not None and budget.count > size:
            raise BudgetError(
                f"the budget {budget} is above the {size} training rows; ask for fewer."
            )
        if not k:
            raise BudgetError(
                f"the budget {budget} of {size} training rows keeps none; raise it to at least "
                '"1 items".'
            )
        found.setdefault(k, str(budget))
    return tuple((text, k) for k, text in found.items())


def _steps(size: int, batch: int) -> int:
    return min(max(_PASSES * math.ceil(size / batch), _FEWEST), _MOST)


def _notes(ground: Ground, rows: Labelled, test: Labelled | None) -> tuple[str, ...]:
    notes = []
    left = len(rows.x) - rows.usable.size
    if left:
        notes.append(f"{left:,} of {len(rows.x):,} rows could not be used and were left out.")
    if test is not None and (gone := len(test.x) - test.usable.size):
        notes.append(f"{gone:,} of {len(test.x):,} test rows could not be used and were left out.")
    known = np.isin(ground.test_y, ground.y[ground.train])
    if not known.all():
        names = [ground.classes[code] for code in np.unique(ground.test_y[~known]).tolist()]
        shown = ", ".join(names[:_SHOWN]) + (", ..." if len(names) > _SHOWN else "")
        notes.append(
            f"{np.count_nonzero(~known):,} of {known.size:,} test rows are of classes that no "
            f"training row has ({shown}): nobody can get them right."
        )
    if test is None:
        notes.append(
            "the test rows are another part of the data for every seed, so the intervals hold "
            "the chance of the split as well."
        )
    else:
        notes.append(
            "all seeds share the test rows, so the intervals say nothing about other test rows."
        )
    return tuple(notes)
