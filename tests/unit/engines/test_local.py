"""The local engine: the same answer however the work is cut, and no work twice."""

from __future__ import annotations

import pickle
from dataclasses import dataclass, field
from typing import ClassVar

import numpy as np
import pytest

from datapruner.core.items import Items
from datapruner.engines.choose import open_engine
from datapruner.engines.local import Local
from datapruner.errors import InputError, OutputError
from datapruner.scorers.clustered import scanned
from datapruner.scorers.concepts import Concepts
from datapruner.scorers.duplicates import Duplicates
from datapruner.scorers.prototypes import Prototypes
from datapruner.vectors.assign import assign
from datapruner.vectors.content import scan
from datapruner.vectors.kmeans import fit_centroids
from datapruner.vectors.store import open_vectors
from datapruner.vectors.tasks import Assign, Scan

DRAW = np.random.default_rng(3)
CENTRES = DRAW.normal(size=(12, 16)).astype(np.float32)
X = (CENTRES[DRAW.integers(0, 12, 900)] + 0.4 * DRAW.normal(size=(900, 16))).astype(np.float32)
X[700:760] = X[:60] + 1e-3
SCORERS = (
    Concepts(k=7),
    Prototypes(k=7),
    Duplicates(k=7, eps=0.02),
    Duplicates(k=7, eps=0.3, rule="components", probes=2),
)


@dataclass(frozen=True)
class Sums:
    """A task that counts how often it is asked."""

    asked: list[int] = field(default_factory=list)

    name: ClassVar[str] = "sums"
    key: ClassVar[bytes] = b"plain"
    dtypes: ClassVar[tuple[str, ...]] = ("float64", "int64")

    def __call__(self, block):
        self.asked.append(len(block))
        return block.astype(np.float64).sum(axis=1), np.full(len(block), block.shape[1])


@dataclass(frozen=True)
class Heads:
    """Of every row the number of the first row of its group, and its place."""

    asked: list[int] = field(default_factory=list)

    name: ClassVar[str] = "heads"
    key: ClassVar[bytes] = b""
    dtypes: ClassVar[tuple[str, ...]] = ("int64", "int64")

    def __call__(self, vectors, groups, keys):
        self.asked.append(len(groups))
        assert len(keys) == vectors.n
        return (
            np.concatenate([np.full(rows.size, rows[0]) for rows in groups]),
            np.concatenate([np.arange(rows.size) for rows in groups]),
        )


def items(x=X):
    return Items.of(len(x), embedding=open_vectors(x))


@pytest.mark.parametrize("block_rows", [1, 7, 899, 5000])
@pytest.mark.parametrize("threads", [1, 3])
def test_rows_come_in_their_order_however_they_are_cut(block_rows, threads):
    engine = Local(block_rows=block_rows, threads=threads)
    calls = []
    sums, widths = engine.rows(Sums(), open_vectors(X), progress=lambda *c: calls.append(c))
    np.testing.assert_array_equal(sums, X.astype(np.float64).sum(axis=1))
    assert (widths == 16).all()
    assert calls[-1] == ("sums", 900, 900)
    assert [c[1] for c in calls] == sorted(c[1] for c in calls)


def test_no_rows_give_empty_columns_of_the_right_types():
    sums, widths = Local().rows(Sums(), open_vectors(np.zeros((0, 16))))
    assert sums.dtype == np.float64
    assert widths.dtype == np.int64
    assert sums.size == widths.size == 0
    heads = Local().groups(Heads(), open_vectors(X), [], keys=scan(open_vectors(X))[0])
    assert [column.size for column in heads] == [0, 0]


def test_groups_are_batched_and_come_one_after_another(monkeypatch):
    vectors = open_vectors(X)
    keys = scan(vectors)[0]
    groups = [np.arange(900)[::-1][j::40] for j in range(40)]
    engine = Local(threads=1)
    monkeypatch.setattr(type(engine.ceiling), "batch_bytes", lambda *_: 50 * 16 * 4)
    task = Heads()
    head, place = engine.groups(task, vectors, groups, keys=keys)
    np.testing.assert_array_equal(head, np.concatenate([np.full(g.size, g[0]) for g in groups]))
    np.testing.assert_array_equal(place, np.concatenate([np.arange(g.size) for g in groups]))
    assert task.asked == [2] * 20  # two groups of 22 or 23 rows fit into 50
    big = [np.arange(600), np.arange(600, 900)]
    task = Heads()
    engine.groups(task, vectors, big, keys=keys)
    assert task.asked == [1, 1]  # a group is never cut


def test_a_second_run_with_the_same_content_does_no_work(tmp_path):
    vectors = open_vectors(X)
    keys = scan(vectors)[0]
    first, second = Sums(), Sums()
    one = Local(journal=tmp_path / "j", block_rows=100).rows(first, vectors, keys=keys)
    two = Local(journal=tmp_path / "j", block_rows=100).rows(second, vectors, keys=keys)
    assert first.asked == [100] * 9
    assert second.asked == []
    for a, b in zip(one, two, strict=True):
        np.testing.assert_array_equal(a, b)


def test_a_block_with_other_content_is_done_again_and_the_rest_is_not(tmp_path):
    changed = X.copy()
    changed[250] += 1
    Local(journal=tmp_path / "j", block_rows=100).rows(
        Sums(), open_vectors(X), keys=scan(open_vectors(X))[0]
    )
    task = Sums()
    vectors = open_vectors(changed)
    sums, _ = Local(journal=tmp_path / "j", block_rows=100).rows(
        task, vectors, keys=scan(vectors)[0]
    )
    assert task.asked == [100]
    np.testing.assert_array_equal(sums, changed.astype(np.float64).sum(axis=1))


def test_without_keys_nothing_is_kept(tmp_path):
    Local(journal=tmp_path / "j").rows(Sums(), open_vectors(X))
    assert not (tmp_path / "j").exists()


def test_a_record_that_does_not_fit_the_task_is_passed_over(tmp_path, caplog):
    vectors = open_vectors(X)
    keys = scan(vectors)[0]
    engine = Local(journal=tmp_path / "j", block_rows=900)
    engine.rows(Sums(), vectors, keys=keys)
    assert engine.journal is not None
    (path,) = (tmp_path / "j").iterdir()
    from datapruner.core.archive import write_archive

    for arrays in (
        {"c0": np.zeros(900), "c1": np.zeros(899, dtype=np.int64)},
        {"c0": np.zeros(900), "c1": np.zeros(900)},
        {"c0": np.zeros(900)},
    ):
        write_archive(path, "journal", {}, arrays, overwrite=True)
        task = Sums()
        with caplog.at_level("WARNING", logger="datapruner"):
            sums, _ = engine.rows(task, vectors, keys=keys)
        assert task.asked == [900]
        assert "does not fit" in caplog.text
        np.testing.assert_array_equal(sums, X.astype(np.float64).sum(axis=1))


def test_once_is_once(tmp_path):
    made = []

    def make():
        made.append(1)
        return {"a": np.arange(3)}

    for _ in range(2):
        found = Local(journal=tmp_path / "j").once("train", b"key", make, size=10)
        np.testing.assert_array_equal(found["a"], np.arange(3))
    assert len(made) == 1
    Local().once("train", b"key", make, size=10)
    assert len(made) == 2


def test_little_work_is_not_worth_a_journal(tmp_path):
    vectors = open_vectors(X)
    keys = scan(vectors)[0]
    size = X.nbytes
    for least, kept in ((size + 1, False), (size, True)):
        engine = Local(journal=tmp_path / "j", least=least)
        engine.rows(Sums(), vectors, keys=keys)
        engine.groups(Heads(), vectors, [np.arange(900)], keys=keys)
        engine.once("train", b"key", lambda: {"a": np.arange(3)}, size=size)
        names = sorted(p.name.split("-")[0] for p in (tmp_path / "j").glob("*"))
        assert names == (["heads", "sums", "train"] if kept else [])


def test_finishing_clears_the_journal(tmp_path):
    engine = Local(journal=tmp_path / "j")
    engine.once("train", b"key", lambda: {"a": np.arange(3)}, size=10)
    engine.finish()
    assert not (tmp_path / "j").exists()
    Local().finish()


@pytest.mark.parametrize(
    "scorer", SCORERS, ids=lambda s: f"{type(s).__name__}{vars(s).get('rule', '')}"
)
def test_scores_are_the_same_for_any_blocks_threads_memory_and_journal(
    scorer, tmp_path, monkeypatch
):
    monkeypatch.setattr("datapruner.engines.memory.held_bytes", lambda: 0)  # other tests' too
    expected = scorer(items())
    engines = (
        Local(block_rows=13, threads=1),
        Local(block_rows=400, threads=4),
        Local(memory="300MiB", journal=tmp_path / "j"),
        Local(journal=tmp_path / "j"),
    )
    for engine in engines:
        found = scorer(items(), engine=engine)
        np.testing.assert_array_equal(found.values, expected.values)
        np.testing.assert_array_equal(found.groups, expected.groups)
        if expected.twins is not None:
            np.testing.assert_array_equal(found.twins.row, expected.twins.row)
            np.testing.assert_array_equal(found.twins.stage, expected.twins.stage)
        if expected.group_weight is not None:
            np.testing.assert_array_equal(found.group_weight, expected.group_weight)


def test_a_journal_of_another_configuration_or_another_input_changes_nothing(tmp_path):
    Concepts(k=5)(items(), engine=Local(journal=tmp_path / "j"), seed=1)
    Concepts(k=7)(items(X[::-1].copy() * 2), engine=Local(journal=tmp_path / "j"))
    found = Concepts(k=7)(items(), engine=Local(journal=tmp_path / "j"))
    expected = Concepts(k=7)(items())
    np.testing.assert_array_equal(found.values, expected.values)
    np.testing.assert_array_equal(found.groups, expected.groups)


def test_a_journal_with_every_record_damaged_changes_nothing(tmp_path):
    folder = tmp_path / "j"
    scorer = Duplicates(k=7, eps=0.02)
    expected = scorer(items(), engine=Local(journal=folder))
    records = sorted(folder.iterdir())
    assert {path.name.split("-")[0] for path in records} == {"train", "assign", "compare"}
    for path in records:
        data = bytearray(path.read_bytes())
        data[len(data) // 2] ^= 255
        path.write_bytes(data)
    found = scorer(items(), engine=Local(journal=folder))
    np.testing.assert_array_equal(found.values, expected.values)
    np.testing.assert_array_equal(found.twins.row, expected.twins.row)


def test_training_goes_on_where_it_stopped(tmp_path):
    expected = fit_centroids(open_vectors(X), 9, iterations=17)
    engine = Local(journal=tmp_path / "j")
    fit_centroids(open_vectors(X), 9, iterations=10, engine=engine)
    before = set((tmp_path / "j").iterdir())
    assert before
    found = fit_centroids(open_vectors(X), 9, iterations=17, engine=engine)
    assert before < set((tmp_path / "j").iterdir())
    np.testing.assert_array_equal(found.centroids, expected.centroids)


def test_a_sample_that_does_not_fit_is_refused_before_it_is_read(monkeypatch):
    monkeypatch.setattr("datapruner.engines.memory.held_bytes", lambda: 300 * 2**20 - 1)
    with pytest.raises(InputError, match=r"training sample of 900 rows .* lower k or points"):
        Concepts(k=7)(items(), engine=Local(memory="300MiB"))


def test_scanning_by_an_engine_is_what_scan_finds():
    x = X.copy()
    x[5, 3], x[77, 0], x[800] = np.nan, np.inf, 0
    keys, bad = scanned(open_vectors(x), Local(block_rows=50))
    plain_keys, plain_bad = scan(open_vectors(x))
    np.testing.assert_array_equal(keys, plain_keys)
    np.testing.assert_array_equal(bad, plain_bad)
    assert bad[[5, 77, 800]].tolist() == [1, 2, 3]
    assert Scan().key == b""


def test_an_assigning_task_travels_and_does_what_assign_does():
    centroids = fit_centroids(open_vectors(X), 9)
    task = Assign(centroids, device="cpu")
    expected = assign(open_vectors(X), centroids)
    task(X[:3])  # its tables are made now, and must not travel
    other = pickle.loads(pickle.dumps(task))
    assert len(pickle.dumps(task)) == len(pickle.dumps(Assign(centroids, device="cpu")))
    labels, distance = other(X)
    np.testing.assert_array_equal(labels, expected.labels)
    np.testing.assert_array_equal(distance, expected.distance)
    assert other.key == task.key
    assert Assign(fit_centroids(open_vectors(X), 9, seed=1)).key != task.key


@pytest.mark.parametrize(
    ("options", "words"),
    [
        ({"block_rows": 0}, "at least one row"),
        ({"threads": 0}, "at least one"),
        ({"memory": "much"}, "write it as"),
    ],
)
def test_settings_that_no_run_could_use_are_refused(options, words):
    with pytest.raises(InputError, match=words):
        Local(**options)


def test_choosing_an_engine(tmp_path, monkeypatch):
    own = Local()
    assert open_engine(own) is own
    made = open_engine("local", memory="1GiB", journal=tmp_path / "j")
    assert isinstance(made, Local)
    assert made.ceiling.total == 2**30
    with pytest.raises(InputError, match=r"no engine 'rya'.*ray"):
        open_engine("rya")
    with pytest.raises(InputError, match="settings of the engine"):
        open_engine(own, memory="1GiB")
    with pytest.raises(InputError, match="Drop journal"):
        open_engine("ray", journal=tmp_path)
    (tmp_path / "file").write_text("")
    with pytest.raises(OutputError, match="is a file"):
        open_engine("local", journal=tmp_path / "file")
