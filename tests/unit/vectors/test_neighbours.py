import numpy as np
import pytest

from datapruner.errors import InputError
from datapruner.vectors import neighbours as module
from datapruner.vectors.content import row_dot
from datapruner.vectors.neighbours import NeighbourIndex, make_index

rng = np.random.default_rng(0)
X = rng.standard_normal((700, 16)).astype(np.float32)
Q = rng.standard_normal((300, 16)).astype(np.float32)


@pytest.fixture(params=["faiss", "sklearn"])
def index(request):
    pytest.importorskip(request.param)
    return make_index(16, backend=request.param, device="cpu")


def oracle(x, rows, k):
    """Row by row: similarities as the library defines them, falling, ties by row."""
    value = np.stack([row_dot(np.repeat(q[None], len(rows), 0), rows) for q in x])
    order = np.stack([np.lexsort((np.arange(len(rows)), -v)) for v in value])[:, :k]
    return np.take_along_axis(value, order, 1), order


def test_it_finds_what_a_full_sort_finds(index):
    index.add(X[:100])
    index.add(X[100:])
    assert isinstance(index, NeighbourIndex)
    assert len(index) == 700
    similarity, rows = index.search(Q, 9)
    value, order = oracle(Q, X, 9)
    np.testing.assert_array_equal(rows, order)
    np.testing.assert_array_equal(similarity, value)
    np.testing.assert_allclose(similarity[:, 0], (Q.astype(float) @ X.T).max(1), atol=1e-5)
    assert similarity.dtype == np.float32
    assert rows.dtype == np.int64


def test_equal_similarities_come_in_the_order_of_their_rows(index):
    index.add(np.repeat(X[:3], 50, 0))
    similarity, rows = index.search(X[:3], 60)
    value, order = oracle(X[:3], np.repeat(X[:3], 50, 0), 60)
    np.testing.assert_array_equal(rows, order)
    np.testing.assert_array_equal(similarity, value)


def test_missing_neighbours_are_minus_one(index):
    index.add(X[:2])
    similarity, rows = index.search(Q[:3], 4)
    assert (rows[:, 2:] == -1).all()
    assert (similarity[:, 2:] == -np.inf).all()
    assert (np.sort(rows[:, :2], axis=1) == [0, 1]).all()


def test_an_empty_index_and_no_queries_are_no_errors(index):
    similarity, rows = index.search(Q[:2], 3)
    assert (rows == -1).all()
    assert (similarity == -np.inf).all()
    assert [len(part) for part in index.range(Q, 0.0)] == [0, 0, 0]
    index.add(X)
    assert index.search(Q[:0], 3)[1].shape == (0, 3)


def test_a_range_holds_every_pair_from_the_threshold_on(index):
    index.add(X)
    value = np.stack([row_dot(np.repeat(q[None], len(X), 0), X) for q in Q])
    threshold = float(np.sort(value, axis=None)[-500])  # inclusive: exactly this value counts
    query, row, similarity = index.range(Q, threshold)
    expected = np.nonzero(value >= np.float32(threshold))
    np.testing.assert_array_equal(query, expected[0])
    np.testing.assert_array_equal(row, expected[1])
    np.testing.assert_array_equal(similarity, value[expected])
    assert len(query) == 500


def test_what_does_not_fit_is_refused(index):
    with pytest.raises(InputError, match="width 16"):
        index.add(np.zeros((2, 3), np.float32))
    with pytest.raises(InputError, match="k=0"):
        index.search(Q, 0)
    bad = Q.copy()
    bad[7, 1] = np.nan
    with pytest.raises(InputError, match="Row 7"):
        index.search(bad, 1)


def test_the_gpu_calls_exist_and_fall_back_where_the_gpu_has_none(monkeypatch):
    """No GPU here: FAISS's CPU index stands in behind the same calls."""
    faiss = pytest.importorskip("faiss")
    monkeypatch.setattr(faiss, "get_num_gpus", lambda: 1)
    monkeypatch.setattr(faiss, "StandardGpuResources", object, raising=False)
    monkeypatch.setattr(faiss, "index_cpu_to_gpu", lambda _, device, index: index, raising=False)
    monkeypatch.setattr(module, "GPU_MOST", 20)
    index = make_index(16, device="cuda")
    index.add(X)
    for k in (5, 40):
        np.testing.assert_array_equal(index.search(Q[:9], k)[1], oracle(Q[:9], X, k)[1])
    query, row, _ = index.range(Q[:9], 8.0)
    expected = np.nonzero(Q[:9] @ X.T >= 8.0)
    np.testing.assert_array_equal(np.stack([query, row]), expected)


@pytest.mark.gpu
def test_the_gpu_agrees_with_the_cpu():
    faiss = pytest.importorskip("faiss")
    if not getattr(faiss, "get_num_gpus", lambda: 0)():
        pytest.skip("no GPU that FAISS sees")
    made = []
    for device in ("cpu", "cuda"):
        index = make_index(16, device=device)
        index.add(X)
        made.append(index.search(Q, 9))
    np.testing.assert_array_equal(made[0][0], made[1][0])
    np.testing.assert_array_equal(made[0][1], made[1][1])
