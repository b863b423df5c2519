"""The ceiling on memory: how it is read, what follows, what is refused."""

from __future__ import annotations

import numpy as np
import pytest

from datapruner.engines import memory
from datapruner.engines.memory import GIB, MIB, Ceiling, held_bytes, in_words, parse_memory
from datapruner.errors import InputError


@pytest.mark.parametrize(
    ("text", "size"),
    [
        ("4GiB", 4 * GIB),
        (" 1.5 gib ", 3 * GIB // 2),
        ("512MiB", 512 * MIB),
        ("8GB", 8 * 10**9),
        ("1tb", 10**12),
        ("1073741824B", GIB),
        (GIB, GIB),
    ],
)
def test_sizes_are_read(text, size):
    assert parse_memory(text) == size


@pytest.mark.parametrize("text", ["4", "four GiB", "GiB", "-4GiB", "4 gigs", "", True, "1e3GiB"])
def test_what_is_no_size_is_refused(text):
    with pytest.raises(InputError, match="write it as"):
        parse_memory(text)


@pytest.mark.parametrize("size", ["10MiB", 0, -1, "0GiB"])
def test_too_little_for_anything_is_refused(size):
    with pytest.raises(InputError, match="alone need 256 MiB"):
        parse_memory(size)


def test_words():
    assert in_words(3 * GIB // 2) == "1.5 GiB"
    assert in_words(230 * MIB) == "230 MiB"


@pytest.mark.parametrize("total", [None, 256 * MIB, GIB, 64 * GIB])
@pytest.mark.parametrize("threads", [1, 2, 16])
def test_blocks_stay_within_their_part(total, threads):
    ceiling = Ceiling(total)
    block, batch = ceiling.block_bytes(threads), ceiling.batch_bytes(threads)
    assert MIB <= block <= 16 * MIB
    assert 4 * MIB <= batch <= 256 * MIB
    if total is not None:
        assert threads * block <= max(total // 64, threads * MIB)
        assert threads * batch <= max(total // 16, threads * 4 * MIB)


def test_what_does_not_fit_is_refused_with_what_would_help(monkeypatch):
    monkeypatch.setattr(memory, "held_bytes", lambda: 300 * MIB)
    Ceiling(None).reserve("the sample", 10**15, "lower k")
    Ceiling(GIB).reserve("the sample", 700 * MIB, "lower k")
    with pytest.raises(InputError) as refused:
        Ceiling(GIB).reserve("the sample", 800 * MIB, "lower k")
    assert str(refused.value) == (
        "memory: the sample takes 800 MiB beside the 300 MiB that are in use, which is more than "
        "the 1.0 GiB allowed. Allow 1.2 GiB (--memory), or lower k."
    )


def test_held_memory_grows_with_an_array():
    before = held_bytes()
    if not before:
        pytest.skip("this system does not tell")
    held = np.ones(64 * MIB // 8)
    assert held_bytes() - before > 60 * MIB
    assert held.sum()


def test_where_the_system_does_not_tell_nothing_is_held(monkeypatch):
    monkeypatch.setattr(memory.sys, "platform", "plan9")
    assert held_bytes() == 0
