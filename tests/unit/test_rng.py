"""Named streams, and hashes that stand in for chance."""

from __future__ import annotations

import hashlib

import numpy as np
import pytest

from datapruner.rng import hash_strings, mix, stream, subseed, unit_interval


def test_streams_depend_on_seed_and_name_alone() -> None:
    assert stream(1, "a").random() == stream(1, "a").random()
    assert len({stream(s, n).random() for s in (0, 1, -1) for n in ("a", "b")}) == 6
    assert 0 <= subseed(-(10**30), "x") < 2**64


def test_streams_are_what_they_were_in_earlier_versions() -> None:
    # Frozen: a change here changes every user's draws.
    assert subseed(0, "kmeans") == int.from_bytes(
        hashlib.blake2b(b"0\x1fkmeans", digest_size=8).digest(), "little"
    )
    assert mix(np.array([0, 1, 2])).tolist() == [
        16294208416658607535,
        10451216379200822465,
        10905525725756348110,
    ]


def test_mix_is_the_published_splitmix64() -> None:
    def literal(key: int) -> int:
        z = (key + 0x9E3779B97F4A7C15) % 2**64
        z = (z ^ (z >> 30)) * 0xBF58476D1CE4E5B9 % 2**64
        z = (z ^ (z >> 27)) * 0x94D049BB133111EB % 2**64
        return z ^ (z >> 31)

    keys = [0, 1, 2**63 - 1, 12345]
    assert mix(np.array(keys)).tolist() == [literal(k) for k in keys]
    assert mix(np.array([-1])).tolist() == [literal(2**64 - 1)]


@pytest.mark.parametrize("dtype", [np.int8, np.int32, np.int64, np.uint64])
def test_mix_takes_any_integers_and_leaves_them_alone(dtype: type) -> None:
    keys = np.arange(100, dtype=dtype)
    mixed = mix(keys, seed=3)
    assert mixed.dtype == np.uint64
    assert len(set(mixed.tolist())) == 100
    assert keys.tolist() == list(range(100))
    assert mix(keys, seed=4).tolist() != mixed.tolist()


def test_hashes_of_text_are_blake2b_and_know_surrogates() -> None:
    expected = int.from_bytes(hashlib.blake2b(b"abc", digest_size=8).digest(), "little")
    assert hash_strings(["abc"]).tolist() == [expected]
    assert hash_strings([]).tolist() == []
    assert len(set(hash_strings(["", "a", "\ud800", "\ud801"]).tolist())) == 4


def test_the_unit_interval_has_no_ends() -> None:
    numbers = unit_interval(np.array([0, 2**63, 2**64 - 1], dtype=np.uint64))
    assert 0 < numbers[0] < numbers[1] < numbers[2] < 1
    assert numbers[1] == pytest.approx(0.5)
