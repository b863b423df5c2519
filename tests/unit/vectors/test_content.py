import numpy as np
import pytest

from datapruner.vectors.content import bad_rows, row_dot, row_keys, scan, unit_rows
from datapruner.vectors.store import open_vectors

rng = np.random.default_rng(1)
X = rng.standard_normal((1500, 37)).astype(np.float32)


@pytest.mark.parametrize("d", [1, 2, 7, 384, 4097, 9001])
@pytest.mark.parametrize("dtype", [np.float32, np.float64])
def test_a_row_product_ignores_its_neighbours(d, dtype):
    left, right = rng.standard_normal((2, 12, d)).astype(dtype)
    whole = row_dot(left, right)
    for m in (1, 3, 5):
        parts = [row_dot(left[i : i + m], right[i : i + m]) for i in range(0, 12, m)]
        np.testing.assert_array_equal(np.concatenate(parts), whole)
    exact = (left.astype(np.float64) * right).sum(1)
    np.testing.assert_allclose(whole, exact, rtol=0, atol=1e-3)


def test_keys_follow_content_not_position():
    order = rng.permutation(len(X))
    np.testing.assert_array_equal(row_keys(X[order]), row_keys(X)[order])
    np.testing.assert_array_equal(np.concatenate([row_keys(X[:7]), row_keys(X[7:])]), row_keys(X))
    assert len(np.unique(row_keys(X))) == len(X)


def test_the_sign_of_zero_does_not_change_a_key():
    block = np.array([[0.0, 1.0], [-0.0, 1.0], [0.0, -1.0]], np.float32)
    keys = row_keys(block)
    assert keys[0] == keys[1] != keys[2]
    assert np.signbit(block[1, 0])


def test_rows_of_few_distinct_values_do_not_collide():
    bits = (np.arange(2**16)[:, None] >> np.arange(16)) & 1
    for low, high in ((0.0, 1.0), (-1.0, 1.0), (0.0, 1024.0)):
        block = np.where(bits, np.float32(high), np.float32(low)).astype(np.float32)
        assert len(np.unique(row_keys(block))) == 2**16


def test_keys_are_frozen():
    """Caches and manifests hold them: a change of the hash must be deliberate."""
    block = np.arange(6, dtype=np.float32).reshape(2, 3)
    assert row_keys(block).tolist() == [541141311791324373, 2028494426103498512]
    assert row_keys(np.zeros((0, 3), np.float32)).shape == (0,)


def test_bad_rows_are_told_apart():
    block = np.ones((6, 3), np.float32)
    block[1, 2] = np.nan
    block[2] = [np.inf, np.nan, 0]
    block[3, 0] = -np.inf
    block[4] = [0, -0.0, 0]
    block[5] = 1e30
    assert bad_rows(block).tolist() == [0, 1, 1, 2, 3, 0]


def test_unit_rows_have_length_one_whatever_the_scale():
    for scale in (1.0, 1e30, 1e-30, 1e38, 1e-42):
        with np.errstate(under="ignore"):
            unit, _ = unit_rows((X[:20] / 5 * np.float32(scale)).astype(np.float32))
        np.testing.assert_allclose(np.linalg.norm(unit.astype(np.float64), axis=1), 1, atol=3e-7)


def test_unit_rows_ignore_their_neighbours_and_leave_the_input():
    before = X.copy()
    unit, norms = unit_rows(X)
    np.testing.assert_array_equal(
        np.concatenate([unit_rows(X[i : i + 1])[0] for i in range(9)]), unit[:9]
    )
    np.testing.assert_allclose(norms, np.linalg.norm(X, axis=1), rtol=1e-6)
    np.testing.assert_array_equal(X, before)


def test_bad_rows_become_zero():
    block = np.array([[np.nan, 1], [np.inf, 1], [0, 0], [3, 4]], np.float32)
    unit, _ = unit_rows(block)
    np.testing.assert_allclose(unit, [[0, 0], [0, 0], [0, 0], [0.6, 0.8]], atol=1e-7)


def test_a_scan_sees_every_row_once_and_reports():
    block = X.copy()
    block[3] = 0
    calls = []
    keys, bad = scan(open_vectors(block), lambda *call: calls.append(call))
    np.testing.assert_array_equal(keys, row_keys(block))
    assert np.flatnonzero(bad).tolist() == [3]
    assert calls == [("scan", 1500, 1500)]
