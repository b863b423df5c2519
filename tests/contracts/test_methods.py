"""Every registered method keeps the promises that all of them make."""

from __future__ import annotations

import importlib
import subprocess
import sys
from typing import Any

import numpy as np
import pytest

from datapruner.core.items import Items
from datapruner.core.pruner import Pruner
from datapruner.core.scores import Scores
from datapruner.errors import MissingColumnError
from datapruner.methods import METHODS, load

N = 60
DRAW = np.random.default_rng(0)
FEATURES = {
    "embedding": DRAW.normal(size=(N, 8)).astype(np.float32),
    "logits": DRAW.normal(size=(N, 4, 3)).astype(np.float32),
    "label_codes": DRAW.integers(0, 3, N),
    "features": DRAW.normal(size=(N, 5)).astype(np.float32),
    "held_in": np.arange(N)[:, None] % 3 >= np.arange(4),  # every row in some runs, not in all
}
IDS = [f"row {r}" for r in range(N)]


def importable(name: str) -> bool:
    try:
        importlib.import_module(name)
    except ImportError:
        return False
    return True


NEEDS_VECTORS = pytest.mark.skipif(
    not importable("datapruner.vectors.kmeans"), reason="datapruner.vectors is not there yet"
)
EVERY = [
    pytest.param(name, marks=NEEDS_VECTORS if "embedding" in entry.needs else ())
    for name, entry in METHODS.items()
    if entry.side == "dataset"
]


def items(rows: Any = slice(None), **change: Any) -> Items:
    order = np.arange(N)[rows]
    return Items.of(
        order.size,
        id=[IDS[r] for r in order],
        **({name: column[order] for name, column in FEATURES.items()} | change),
    )


def scored(name: str, given: Items, seed: int = 0) -> Scores:
    scores: Scores = load(METHODS[name].scorer)()(given, seed=seed)
    return scores


@pytest.mark.parametrize("name", EVERY)
def test_one_finite_value_a_row_and_a_meaning(name: str) -> None:
    scores = scored(name, items())
    assert scores.values.shape == (N,)
    assert np.isfinite(scores.values).all()
    assert scores.method == name
    assert scores.meaning == load(METHODS[name].scorer).meaning


@pytest.mark.parametrize("name", EVERY)
@pytest.mark.parametrize("rows", [0, 1, 2])
def test_a_few_rows_are_scored_too(name: str, rows: int) -> None:
    assert scored(name, items(slice(rows))).values.shape == (rows,)


@pytest.mark.parametrize("name", EVERY)
def test_the_same_seed_gives_the_same_bytes(name: str) -> None:
    first, again = scored(name, items(), seed=3), scored(name, items(), seed=3)
    assert first.values.tobytes() == again.values.tobytes()
    assert first.groups.tobytes() == again.groups.tobytes()


@pytest.mark.parametrize("name", EVERY)
def test_shuffled_rows_get_the_same_values_and_keep_the_same_ids(name: str) -> None:
    order = np.random.default_rng(1).permutation(N)
    plain, turned = scored(name, items()), scored(name, items(order))
    assert turned.values.tolist() == plain.values[order].tolist()
    pruner = Pruner(name)
    kept, again = pruner.select(plain, "30%"), pruner.select(turned, "30%")
    assert kept.ids.tolist() == again.ids.tolist()


@pytest.mark.parametrize("name", EVERY)
def test_inputs_are_left_alone(name: str) -> None:
    given = items()
    before = {k: v.tobytes() for k, v in given.features.items()}
    cost, ids = given.cost.tobytes(), given.ids.tolist()
    scored(name, given)
    assert {k: v.tobytes() for k, v in given.features.items()} == before
    assert (given.cost.tobytes(), given.ids.tolist()) == (cost, ids)


# In a process of its own, for the type checks of this one draw numbers themselves.
GLOBAL_GENERATORS = """
import random
import numpy as np
import torch
from datapruner import Items, Pruner, select
from datapruner.methods import METHODS, PICKERS

draw = np.random.default_rng(0)
items = Items.of(
    60,
    id=[f"row {r}" for r in range(60)],
    embedding=draw.normal(size=(60, 8)).astype(np.float32),
    logits=draw.normal(size=(60, 4, 3)),
    label_codes=draw.integers(0, 3, 60),
    features=draw.normal(size=(60, 5)),
    held_in=np.tile([True, False, True, False], (60, 1)),
)


def state():
    return random.getstate(), np.random.get_state()[1].tolist(), torch.get_rng_state().tolist()


def answers(start):
    random.seed(start), np.random.seed(start), torch.manual_seed(start)
    before, found = state(), []
    for method in [m.name for m in METHODS.values() if m.side == "dataset"]:
        scores = Pruner(method).score(items)
        found.append(scores.values.tolist())
        assert state() == before, method
    for pick in PICKERS:
        found.append(select(scores, "50%", pick=pick).order.tolist())
        assert state() == before, pick
    return found


assert answers(1) == answers(2)
print("untouched")
"""


@NEEDS_VECTORS
def test_the_global_generators_are_neither_read_nor_written() -> None:
    done = subprocess.run(
        [sys.executable, "-c", GLOBAL_GENERATORS], capture_output=True, text=True, check=False
    )
    assert done.stdout == "untouched\n", done.stderr


@pytest.mark.parametrize("name", [n for n, entry in METHODS.items() if entry.needs])
def test_a_missing_column_is_named(name: str) -> None:
    if not importable(load(METHODS[name].scorer).__module__):
        pytest.skip("its module is not there yet")
    column = METHODS[name].needs[0]
    with pytest.raises(MissingColumnError, match=rf"{name} needs the column '{column}'"):
        scored(name, Items.of(3, colour=[1, 2, 3]))


@pytest.mark.parametrize("name", METHODS)
def test_the_registry_names_the_columns_the_scorer_needs(name: str) -> None:
    assert set(METHODS[name].needs) == set(load(METHODS[name].scorer).needs)
