"""Work that travels as tables gives what work in place gives; errors travel as values."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
import pyarrow as pa
import pytest

from datapruner.engines.local import Local
from datapruner.engines.ray import work_on
from datapruner.engines.shipping import (
    GroupWork,
    RowWork,
    group_pieces,
    put_together,
    raise_fault,
    row_pieces,
)
from datapruner.errors import DataPrunerError, InputError, ScoreError
from datapruner.scorers.duplicates import Comparison
from datapruner.vectors.content import row_keys
from datapruner.vectors.files import files_of
from datapruner.vectors.store import Vectors, open_vectors
from datapruner.vectors.tasks import Scan

RNG = np.random.default_rng(1)
X = RNG.standard_normal((50, 4)).astype(np.float32)


@pytest.fixture(params=["memory", "file"])
def vectors(request: Any, tmp_path: Any) -> Vectors:
    if request.param == "memory":
        return open_vectors(X)
    np.save(tmp_path / "x.npy", X)
    return open_vectors(tmp_path / "x.npy")


def run(work: Any, pieces: Any, starts: list[int], task: Any) -> tuple[np.ndarray, ...]:
    out = tuple(np.zeros(starts[-1], dtype=dtype) for dtype in task.dtypes)
    answers = [work_on(piece, work) for piece in pieces]
    done = sum(put_together(a, np.array(starts), out) for a in reversed(answers))
    assert done == starts[-1]
    return out


@pytest.mark.parametrize("together", [1, 2, 9])
def test_rows_come_back_in_their_places(vectors, together):
    spans = [(0, 20), (20, 40), (40, 50)]
    files = files_of(vectors)
    pieces = list(row_pieces(vectors, spans, together, by_path=files is not None))
    assert len(pieces) == -(-3 // together)
    assert ("values" in pieces[0].column_names) == (files is None)
    found = run(RowWork(Scan(), 4, files), pieces, [0, 20, 40, 50], Scan())
    for ours, theirs in zip(found, Local().rows(Scan(), vectors), strict=True):
        assert np.array_equal(ours, theirs)


def test_groups_come_back_in_their_places(vectors):
    task = Comparison(0.9, "leader")
    order = RNG.permutation(50)
    groups = [order[:30], order[30:31], order[31:]]
    keys = row_keys(X)
    files = files_of(vectors)
    batches = [groups[:2], groups[2:]]
    pieces = group_pieces(vectors, batches, keys, by_path=files is not None)
    found = run(GroupWork(task, 4, files), pieces, [0, 31, 50], task)
    for ours, theirs in zip(found, Local().groups(task, vectors, groups, keys=keys), strict=True):
        assert np.array_equal(ours, theirs)


@dataclass(frozen=True)
class Picky:
    """Takes no block that begins with an odd number."""

    name = "picky"
    key = b""
    dtypes = ("float32",)

    def __call__(self, block: np.ndarray) -> tuple[np.ndarray, ...]:
        if block[0, 0] % 2:
            raise ScoreError(f"{block[0, 0]} is odd")
        block[:] = 0  # a task may write to its block
        return (block[:, 0].copy(),)


def test_an_error_of_ours_is_one_piece_s_answer():
    numbers = open_vectors(np.arange(4, dtype=np.float32)[:, None])
    (piece,) = row_pieces(numbers, [(0, 1), (1, 2), (2, 3)], 3, by_path=False)
    answer = RowWork(Picky(), 1, None)(piece)
    assert answer["fault"].to_pylist() == ["", "ScoreError", ""]
    with pytest.raises(ScoreError, match=r"^1\.0 is odd$"):
        put_together(answer, np.arange(4), (np.zeros(3, np.float32),))
    (only,) = row_pieces(numbers, [(1, 2)], 1, by_path=False)
    with pytest.raises(ScoreError):
        put_together(RowWork(Picky(), 1, None)(only), np.arange(2), (np.zeros(1, np.float32),))


def test_a_fault_becomes_the_error_of_its_name():
    raise_fault("", "")
    raise_fault(None, None)
    with pytest.raises(InputError, match="told"):
        raise_fault("InputError", "told")
    with pytest.raises(DataPrunerError, match="told"):
        raise_fault("ErrorOfAnotherVersion", "told")


def test_other_errors_are_not_hidden():
    class Broken(Picky):
        def __call__(self, block: np.ndarray) -> tuple[np.ndarray, ...]:
            raise ZeroDivisionError

    table = pa.table({"place": [0], "values": [X[:1].tobytes()]})
    with pytest.raises(ZeroDivisionError):
        RowWork(Broken(), 4, None)(table)
