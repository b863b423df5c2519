import logging
import os
import threading

import numpy as np
import pytest

from datapruner.errors import InputError, OutputError
from datapruner.vectors import cache as module
from datapruner.vectors.cache import EmbeddingCache, default_folder, text_keys

rng = np.random.default_rng(0)
KEYS = text_keys([f"text {i}" for i in range(50)], "model")
X = rng.standard_normal((50, 6)).astype(np.float32)


def only_segment(folder):
    (path,) = folder.glob("*.safetensors")
    return path


def test_what_was_put_is_got_also_by_another_process(tmp_path):
    first = EmbeddingCache(tmp_path / "deep" / "cache")
    first.put(KEYS[:30], X[:30])
    first.put(KEYS[30:40], X[30:40])
    order = rng.permutation(50)

    for cache in (first, EmbeddingCache(tmp_path / "deep" / "cache")):
        known, vectors = cache.get(KEYS[order])
        np.testing.assert_array_equal(known, np.flatnonzero(order < 40))
        np.testing.assert_array_equal(vectors, X[order[known]])
        assert len(cache) == 40


def test_an_empty_cache_knows_nothing(tmp_path):
    known, vectors = EmbeddingCache(tmp_path).get(KEYS)
    assert known.shape == (0,)
    assert vectors.shape == (0, 0)


def test_putting_nothing_writes_nothing(tmp_path):
    EmbeddingCache(tmp_path).put(KEYS[:0], X[:0])
    assert os.listdir(tmp_path) == []


def test_keys_differ_by_text_and_by_model():
    texts = ["a", "b", "", "\ud800"]
    keys = np.concatenate([text_keys(texts, "m1"), text_keys(texts, "m2")])
    assert len(np.unique(keys, axis=0)) == 8
    assert text_keys([], "m1").shape == (0, 2)


def test_many_small_segments_are_merged_and_still_found(tmp_path, monkeypatch):
    monkeypatch.setattr(module, "LOOSE_SEGMENTS", 3)
    cache = EmbeddingCache(tmp_path)
    for i in range(10):
        cache.put(KEYS[i : i + 1], X[i : i + 1])
    known, vectors = cache.get(KEYS)
    assert known.tolist() == list(range(10))
    np.testing.assert_array_equal(vectors, X[:10])


def test_a_key_put_twice_is_returned_once(tmp_path):
    cache = EmbeddingCache(tmp_path)
    cache.put(KEYS[:2], X[:2])
    cache.put(KEYS[1:3], X[1:3])
    known, vectors = cache.get(KEYS[:4])
    assert known.tolist() == [0, 1, 2]
    np.testing.assert_array_equal(vectors, X[:3])


def test_widths_are_never_mixed(tmp_path):
    cache = EmbeddingCache(tmp_path)
    cache.put(KEYS[:2], X[:2])
    cache.put(KEYS[2:4], X[2:4, :3])
    known, vectors = cache.get(KEYS[:4])
    assert len(known) == 2
    assert len(vectors) == 2


@pytest.mark.parametrize("damage", ["truncated", "empty", "keys changed", "foreign"])
def test_a_damaged_segment_is_left_out_with_a_warning(damage, tmp_path, caplog):
    EmbeddingCache(tmp_path).put(KEYS, X)
    path = only_segment(tmp_path)
    data = path.read_bytes()
    if damage == "truncated":
        data = data[: len(data) // 2]
    elif damage == "empty":
        data = b""
    elif damage == "keys changed":
        at = data.index(KEYS.tobytes())
        data = data[:at] + bytes([data[at] ^ 1]) + data[at + 1 :]
    else:
        from safetensors.numpy import save

        data = save({"keys": KEYS, "vectors": X})
    path.write_bytes(data)
    with caplog.at_level(logging.WARNING, "datapruner"):
        assert len(EmbeddingCache(tmp_path)) == 0
    assert "left out" in caplog.text


@pytest.mark.parametrize("damage", ["flipped", "gone"])
def test_damaged_vectors_are_never_returned(damage, tmp_path, caplog):
    EmbeddingCache(tmp_path).put(KEYS, X)
    cache = EmbeddingCache(tmp_path)
    path = only_segment(tmp_path)
    if damage == "flipped":
        data = bytearray(path.read_bytes())
        data[bytes(data).index(X.tobytes()) + 5] ^= 64
        path.write_bytes(bytes(data))
    else:
        path.unlink()
    with caplog.at_level(logging.WARNING, "datapruner"):
        known, _ = cache.get(KEYS)
    assert len(known) == 0
    assert "damaged" in caplog.text


def test_a_half_written_segment_of_a_killed_run_is_not_seen(tmp_path):
    (tmp_path / "abc.tmp").write_bytes(b"half")
    assert len(EmbeddingCache(tmp_path)) == 0


def test_writers_side_by_side_lose_nothing(tmp_path):
    def write(part):
        cache = EmbeddingCache(tmp_path)
        for i in range(part * 10, part * 10 + 10):
            cache.put(KEYS[i : i + 1], X[i : i + 1])

    threads = [threading.Thread(target=write, args=(part,)) for part in range(5)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    known, vectors = EmbeddingCache(tmp_path).get(KEYS)
    assert len(known) == 50
    np.testing.assert_array_equal(vectors, X)


def test_a_failing_write_is_an_output_error_and_leaves_nothing(tmp_path, monkeypatch):
    cache = EmbeddingCache(tmp_path)

    def full(_):
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(os, "fsync", full)
    with pytest.raises(OutputError, match="No space left"):
        cache.put(KEYS, X)
    assert os.listdir(tmp_path) == []


def test_a_folder_that_cannot_be_made_is_an_output_error(tmp_path):
    (tmp_path / "file").write_text("x")
    with pytest.raises(OutputError, match="Cannot make"):
        EmbeddingCache(tmp_path / "file" / "cache")


def test_shapes_that_do_not_fit_are_refused(tmp_path):
    with pytest.raises(InputError, match="do not fit"):
        EmbeddingCache(tmp_path).put(KEYS[:3], X[:2])


def test_the_default_folder_is_one_per_model(monkeypatch, tmp_path):
    monkeypatch.delenv("DATAPRUNER_CACHE", raising=False)
    assert ".cache" in default_folder("m").parts
    monkeypatch.setenv("DATAPRUNER_CACHE", str(tmp_path))
    assert default_folder("m").is_relative_to(tmp_path)
    assert default_folder("m") != default_folder("n")
