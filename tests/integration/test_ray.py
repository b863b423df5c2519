"""A two-worker local Ray gives the same selection as this process, and survives its workers."""

from __future__ import annotations

import logging
import os
import socket
import warnings
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any, ClassVar

import numpy as np
import pyarrow as pa
import pytest

import datapruner as dp
from datapruner.core.items import Items
from datapruner.dataset import driver
from datapruner.dataset.distributed import prune_dataset
from datapruner.engines import session
from datapruner.engines.ray import RayEngine
from datapruner.errors import BudgetError, EngineError, InputError, MissingColumnError, ScoreError
from datapruner.vectors.store import open_vectors

ray = pytest.importorskip("ray", reason='Ray is not installed: pip install "datapruner[ray]"')

from ray.data.context import ShuffleStrategy  # noqa: E402 (after the check that Ray is there)

# Of Ray's own; ours are raised in the unit tests.
pytestmark = [pytest.mark.ray, pytest.mark.filterwarnings("ignore")]

N, D = 600, 16
BLOCKS = 5


@pytest.fixture(scope="module", autouse=True)
def two_workers() -> Iterator[None]:
    """One local Ray for the whole module; it talks to itself over the loopback, and to nobody."""
    guarded = socket.socket.connect
    own = {"127.0.0.1", "::1", "localhost", ray.util.get_node_ip_address()}

    def connect(self: socket.socket, address: Any) -> None:
        if isinstance(address, tuple) and address[0] in own:
            plain(self, address)
        elif self.type & socket.SOCK_DGRAM:
            raise OSError("no route")  # Ray asks for its own address so; it can do without
        else:
            guarded(self, address)

    plain = socket.SocketType.connect
    socket.socket.connect = connect  # type: ignore[method-assign]
    before = os.environ.get("RAY_USAGE_STATS_ENABLED")
    os.environ["RAY_USAGE_STATS_ENABLED"] = "0"
    ray.init(
        address="local",
        num_cpus=2,
        include_dashboard=False,
        log_to_driver=False,
        logging_level=logging.ERROR,
        object_store_memory=128 * 2**20,
    )
    context = ray.data.DataContext.get_current()
    # The default waits for actors that two cores start slowly: 20 s a shuffle, against 1 s.
    context.shuffle_strategy = ShuffleStrategy.SORT_SHUFFLE_PULL_BASED
    context.enable_progress_bars = False
    yield
    ray.shutdown()
    socket.socket.connect = guarded  # type: ignore[method-assign]
    if before is None:
        del os.environ["RAY_USAGE_STATS_ENABLED"]


@pytest.fixture(scope="module")
def vectors() -> np.ndarray:
    """Clusters of unequal width, with copies and near-copies."""
    rng = np.random.default_rng(3)
    centres = rng.standard_normal((6, D))
    width = rng.uniform(0.05, 0.6, 6)
    which = rng.integers(0, 6, N)
    x = centres[which] + width[which, None] * rng.standard_normal((N, D))
    x[400:430] = x[:30]
    x[430:460] = x[30:60] + 1e-3 * rng.standard_normal((30, D))
    return x.astype(np.float32)


@pytest.fixture(scope="module")
def table(vectors: np.ndarray) -> pa.Table:
    ids = [f"row {i}" for i in range(N)]
    listed = pa.FixedSizeListArray.from_arrays(pa.array(vectors.reshape(-1)), D)
    return pa.table({"id": ids, "embedding": listed, "note": list(range(N))})


def data_set(table: pa.Table) -> Any:
    step = -(-len(table) // BLOCKS)
    return ray.data.from_arrow([table.slice(at, step) for at in range(0, len(table), step)])


def kept_ids(data: Any, column: str = "id") -> list[Any]:
    return sorted(row[column] for row in data.take_all())


CASES = [
    ("concepts", {"k": 7, "budget": "30%"}),
    ("prototypes", {"k": 7, "budget": "70%"}),
    ("duplicates", {"k": 7, "budget": "everything", "eps": 0.05}),
]


@pytest.mark.parametrize(("method", "options"), CASES, ids=[name for name, _ in CASES])
def test_the_engine_gives_the_bytes_of_the_local_one(vectors, tmp_path, method, options):
    np.save(tmp_path / "x.npy", vectors)
    here = dp.prune(vectors, method=method, **options)
    # From memory, through the object store; and from a file that every worker opens itself.
    for source in (vectors, str(tmp_path / "x.npy")):
        there = dp.prune(source, method=method, engine=RayEngine(block_rows=100), **options)
        assert there.scores.values.tobytes() == here.scores.values.tobytes()
        assert there.scores.groups.tobytes() == here.scores.groups.tobytes()
        assert there.order.tobytes() == here.order.tobytes()
        assert there.reasons.tobytes() == here.reasons.tobytes()
        if here.scores.twins is not None:
            assert there.scores.twins.row.tobytes() == here.scores.twins.row.tobytes()


DISTRIBUTED = [
    *CASES,
    ("concepts", {"k": 7, "budget": "50 items", "pick": "uniform", "seed": 5}),
    ("concepts", {"budget": "40%", "pick": "low", "allocate": "equal"}),
    ("prototypes", {"k": 7, "budget": "25%", "pick": "high", "metric": "l2"}),
    ("prototypes", {"k": 4, "budget": "25%, floor 5", "pick": "high", "allocate": "proportional"}),
    ("duplicates", {"k": 7, "budget": "50%", "rule": "components", "keep": "easy"}),
    ("duplicates", {"k": 7, "budget": "everything", "keep": "best", "by": "note"}),
]


@pytest.mark.parametrize(("method", "options"), DISTRIBUTED, ids=str)
def test_the_distributed_path_keeps_the_ids_that_one_machine_keeps(table, method, options):
    here = dp.prune(table, method=method, id="id", embedding="embedding", **options)
    kept = prune_dataset(data_set(table), method=method, id="id", embedding="embedding", **options)
    assert kept_ids(kept) == sorted(here.ids.tolist())
    assert set(kept.schema().names) == set(table.column_names)


def test_texts_are_embedded_by_a_pool_of_actors_and_scores_come_along():
    words = ["river", "stone", "cloud", "engine", "paper", "winter"]
    texts = [f"{words[i % 6]} {words[i // 6 % 6]} {i % 11}" for i in range(120)]
    texts[17] = "  "
    rows = pa.table({"id": list(range(120)), "text": texts})
    how = {"method": "concepts", "budget": "25%", "k": 5, "on_bad": "drop", "embedder": "offline"}
    here = dp.prune(rows, id="id", text="text", **how)
    kept = prune_dataset(
        data_set(rows), id="id", text="text", workers=2, add=("datapruner_score",), **how
    ).take_all()
    score = dict(zip(here.scores.items.ids.tolist(), here.scores.values.tolist(), strict=True))
    assert sorted(row["id"] for row in kept) == sorted(here.ids.tolist())
    assert all(row["datapruner_score"] == pytest.approx(score[row["id"]], abs=0) for row in kept)
    assert set(kept[0]) == {"id", "text", "datapruner_score"}


def test_a_quota_of_all_rows_is_found_by_counting_alone(table, monkeypatch):
    monkeypatch.setattr(driver, "FETCHED", 2)
    how = {"method": "prototypes", "k": 7, "budget": "123 items", "pick": "high"}
    here = dp.prune(table, id="id", embedding="embedding", **how)
    kept = prune_dataset(data_set(table), id="id", embedding="embedding", **how)
    assert kept_ids(kept) == sorted(here.ids.tolist())


def test_a_worker_that_dies_once_changes_nothing(vectors, tmp_path):
    marker = str(tmp_path / "died")

    @dataclass(frozen=True)
    class DiesOnce:
        name: ClassVar[str] = "lengths"
        key: ClassVar[bytes] = b""
        dtypes: ClassVar[tuple[str, ...]] = ("float32",)

        def __call__(self, block: np.ndarray) -> tuple[np.ndarray, ...]:
            try:
                os.close(os.open(marker, os.O_CREAT | os.O_EXCL))
            except FileExistsError:
                return (block[:, 0].copy(),)
            os._exit(1)

    found = RayEngine(block_rows=100).rows(DiesOnce(), open_vectors(vectors))
    assert os.path.exists(marker)
    assert np.array_equal(found[0], vectors[:, 0])


def test_a_worker_that_always_dies_is_a_clear_error(vectors, monkeypatch):
    monkeypatch.setattr(session, "RETRIES", 1)

    @dataclass(frozen=True)
    class AlwaysDies:
        name: ClassVar[str] = "doomed"
        key: ClassVar[bytes] = b""
        dtypes: ClassVar[tuple[str, ...]] = ("float32",)

        def __call__(self, block: np.ndarray) -> tuple[np.ndarray, ...]:
            os._exit(1)

    with pytest.raises(EngineError, match=r"doomed: .*worker died"):
        RayEngine().rows(AlwaysDies(), open_vectors(vectors))


def test_an_actor_that_dies_is_replaced_and_one_that_always_dies_is_a_clear_error(
    tmp_path, monkeypatch
):
    monkeypatch.setattr(session, "RETRIES", 1)
    marker = str(tmp_path / "died")

    class Mortal:
        name = fingerprint = "mortal"
        dimensions = 3

        def __init__(self, always: bool) -> None:
            self.always = always

        def encode(self, texts: list[str]) -> np.ndarray:
            if self.always or not os.path.exists(marker):
                with open(marker, "w"):
                    os._exit(1)
            return np.array([[len(t), ord(t[-1]), 1] for t in texts], dtype=np.float32)

    rows = pa.table({"id": list(range(40)), "text": [f"{i * 7919}" for i in range(40)]})
    how = {"id": "id", "text": "text", "method": "prototypes", "pick": "high", "k": 3}
    how |= {"budget": "50%"}
    with pytest.raises(EngineError, match=r"embed: Actor\w*Error: .* died"):
        prune_dataset(data_set(rows), embedder=Mortal(always=True), workers=1, **how)
    os.remove(marker)
    with warnings.catch_warnings():
        warnings.filterwarnings("error", category=DeprecationWarning)
        kept = prune_dataset(data_set(rows), embedder=Mortal(always=False), workers=1, **how)
    assert os.path.exists(marker)
    here = dp.prune(rows, embedder=Mortal(always=False), **how)
    assert kept_ids(kept) == sorted(here.ids.tolist())


def test_our_errors_arrive_as_what_they_were_and_others_as_the_engine_s(vectors):
    @dataclass(frozen=True)
    class Raises:
        error: type[Exception]
        name: ClassVar[str] = "raises"
        key: ClassVar[bytes] = b""
        dtypes: ClassVar[tuple[str, ...]] = ("float32",)

        def __call__(self, block: np.ndarray) -> tuple[np.ndarray, ...]:
            raise self.error("the rows are odd")

    with pytest.raises(InputError, match=r"^the rows are odd$"):
        RayEngine(block_rows=100).rows(Raises(InputError), open_vectors(vectors))
    with pytest.raises(EngineError, match=r"raises: .*ZeroDivisionError: the rows are odd"):
        RayEngine(block_rows=100).rows(Raises(ZeroDivisionError), open_vectors(vectors))


def test_a_file_that_only_the_driver_sees_is_a_clear_error(vectors, tmp_path):
    path = tmp_path / "x.npy"
    np.save(path, vectors)
    opened = open_vectors(path)
    engine = RayEngine(block_rows=100)

    @dataclass(frozen=True)
    class Gone:
        name: ClassVar[str] = "gone"
        key: ClassVar[bytes] = b""
        dtypes: ClassVar[tuple[str, ...]] = ("float32",)

        def __call__(self, block: np.ndarray) -> tuple[np.ndarray, ...]:
            return (block[:, 0].copy(),)

    def remove(*told: Any) -> None:
        path.unlink(missing_ok=True)

    engine._together = lambda blocks: (remove(), 1)[1]  # type: ignore[method-assign, func-returns-value]
    with pytest.raises(InputError, match=r"cannot read the vectors in .*x\.npy"):
        engine.rows(Gone(), opened)


def test_nan_in_one_block_of_many_is_told_or_left_out(vectors, table):
    broken = vectors.copy()
    broken[313, 4] = np.nan
    options = {"method": "concepts", "k": 7, "budget": "30%"}
    with pytest.raises(ScoreError, match="row 313: NaN"):
        dp.prune(broken, engine=RayEngine(block_rows=100), **options)
    here = dp.prune(broken, on_bad="drop", **options)
    there = dp.prune(broken, on_bad="drop", engine=RayEngine(block_rows=100), **options)
    assert there.reasons.tobytes() == here.reasons.tobytes()

    listed = pa.FixedSizeListArray.from_arrays(pa.array(broken.reshape(-1)), D)
    rows = table.set_column(1, "embedding", listed)
    options |= {"id": "id", "embedding": "embedding"}
    with pytest.raises(ScoreError, match="1 of 600 rows cannot be used: id 'row 313': its vector"):
        prune_dataset(data_set(rows), **options)
    here = dp.prune(rows, on_bad="drop", **options)
    kept = prune_dataset(data_set(rows), on_bad="drop", **options)
    assert kept_ids(kept) == sorted(here.ids.tolist())


def test_what_cannot_be_distributed_is_refused(table):
    data = data_set(table)
    good = {"id": "id", "embedding": "embedding", "budget": "30%"}
    for wrong, error, match in (
        ({"pick": "mixed"}, BudgetError, "looks at all rows at once"),
        ({"method": "prototypes"}, BudgetError, "pick 'mixed' looks at all rows"),
        ({"budget": "20 tokens"}, BudgetError, "limits a price"),
        ({"budget": "30%, threshold 0.5"}, BudgetError, "has a threshold"),
        ({"allocate": "whole", "budget": "30%, floor 2"}, BudgetError, "speaks of groups"),
        ({"method": "duplicates", "probes": 2}, InputError, "probes is 2"),
        ({"method": "random"}, InputError, "has concepts, prototypes, duplicates"),
        ({"id": "name"}, MissingColumnError, 'no column "name"'),
        ({"text": "note"}, InputError, "name one column"),
        ({"add": ("score",)}, InputError, "add holds 'score'"),
        ({"id": "embedding"}, InputError, "cannot be the ids"),
        ({"k": 601}, InputError, "601 centroids cannot be fitted to 600"),
        ({"temprature": 1}, InputError, "temperature"),
    ):
        with pytest.raises(error, match=match):
            prune_dataset(data, **(good | wrong))
    with pytest.raises(InputError, match=r"takes a ray\.data\.Dataset, not Table"):
        prune_dataset(table, **good)


def test_empty_input_gives_empty_answers(table):
    none = RayEngine().rows(_Nothing(), open_vectors(np.zeros((0, 3), dtype=np.float32)))
    assert none[0].shape == (0,)
    assert Items.of(0).n == 0
    empty = ray.data.from_arrow([table.slice(0, 0)])
    kept = prune_dataset(empty, id="id", embedding="embedding", budget="30%")
    assert kept.count() == 0


class _Nothing:
    name, key, dtypes = "nothing", b"", ("float32",)

    def __call__(self, block: np.ndarray) -> tuple[np.ndarray, ...]:
        raise AssertionError("there is no block")
