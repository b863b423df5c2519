import importlib.util
import logging
import os
import subprocess
import sys

import numpy as np
import pytest

from datapruner.errors import InputError, MissingExtraError, UnknownMethodError
from datapruner.vectors import embed as module
from datapruner.vectors.cache import EmbeddingCache
from datapruner.vectors.embed import (
    Embedder,
    cached_snapshot,
    embed_texts,
    find_minilm,
    resolve_embedder,
)
from datapruner.vectors.offline import HashedEmbedder
from datapruner.vectors.store import VectorWriter, open_vectors


class Letters:
    """Counts of three letters; remembers what it was asked."""

    def __init__(self):
        self.asked = []

    def encode(self, texts):
        self.asked.extend(texts)
        return [[float(text.count(letter)) for letter in "abc"] for text in texts]


class Marked(Letters):
    fingerprint = "letters-v1"
    name = "letters"
    dimensions = 3

    def count_tokens(self, texts):
        return np.array([len(text) for text in texts])

    def encode(self, texts):
        return np.array(super().encode(texts), dtype=np.float32)


def needs_sentence_transformers():
    if importlib.util.find_spec("sentence_transformers") is None:  # importing it takes ten seconds
        pytest.skip("sentence-transformers is not installed")


def no_models(monkeypatch, tmp_path):
    monkeypatch.setenv("HF_HUB_CACHE", str(tmp_path / "hub"))
    monkeypatch.setattr(module, "MINILM_PACKAGE", "no_such_package_here")


def fake_snapshot(hub, model, complete=True):
    repo = hub / f"models--{model.replace('/', '--')}"
    (repo / "refs").mkdir(parents=True)
    (repo / "refs" / "main").write_text("abc123\n")
    folder = repo / "snapshots" / "abc123"
    folder.mkdir(parents=True)
    (folder / "modules.json").write_text("[]")
    if complete:
        (folder / "model.safetensors").write_bytes(b"")
    return folder


def test_auto_falls_back_to_the_offline_embedder_and_says_so(monkeypatch, tmp_path, caplog):
    no_models(monkeypatch, tmp_path)
    with caplog.at_level(logging.INFO, "datapruner"):
        chosen = resolve_embedder()
    assert isinstance(chosen, HashedEmbedder)
    assert chosen.name in caplog.text
    monkeypatch.setattr(module, "find_spec", lambda _: None)
    assert isinstance(resolve_embedder("auto"), HashedEmbedder)


def test_auto_takes_minilm_where_it_is(monkeypatch, tmp_path):
    needs_sentence_transformers()
    no_models(monkeypatch, tmp_path)
    folder = fake_snapshot(tmp_path / "hub", module.MINILM)
    chosen = resolve_embedder()
    assert (chosen.name, chosen.folder) == ("all-MiniLM-L6-v2", folder)


def test_the_cache_comes_before_the_package_and_must_be_complete(monkeypatch, tmp_path):
    monkeypatch.setenv("HF_HUB_CACHE", str(tmp_path / "hub"))
    package = tmp_path / "fake_minilm_package" / "model"
    package.mkdir(parents=True)
    (package.parent / "__init__.py").write_text("raise RuntimeError('never imported')")
    monkeypatch.syspath_prepend(str(tmp_path))
    monkeypatch.setattr(module, "MINILM_PACKAGE", "fake_minilm_package")
    assert find_minilm() is None
    (package / "modules.json").write_text("[]")
    (package / "model.safetensors").write_bytes(b"")
    assert find_minilm() == package
    fake_snapshot(tmp_path / "hub", module.MINILM, complete=False)
    assert find_minilm() == package


def test_the_hub_cache_is_found_where_its_variables_say(monkeypatch, tmp_path):
    monkeypatch.delenv("HF_HUB_CACHE", raising=False)
    monkeypatch.setenv("HF_HOME", str(tmp_path))
    folder = fake_snapshot(tmp_path / "hub", "a/b")
    assert cached_snapshot("a/b") == folder
    assert cached_snapshot("a/c") is None
    monkeypatch.delenv("HF_HOME")
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "xdg"))
    assert cached_snapshot("a/b") is None


def test_names_lead_to_the_right_embedder_or_a_clear_error(monkeypatch, tmp_path):
    needs_sentence_transformers()
    no_models(monkeypatch, tmp_path)
    assert isinstance(resolve_embedder("offline"), HashedEmbedder)
    with pytest.raises(MissingExtraError, match="minilm"):
        resolve_embedder("minilm")
    with pytest.raises(UnknownMethodError, match='Did you mean "offline"'):
        resolve_embedder("offlin")
    folder = fake_snapshot(tmp_path / "hub", "owner/model")
    assert resolve_embedder("owner/model").folder == folder
    assert resolve_embedder(folder).name == "abc123"
    monkeypatch.setattr("datapruner.vectors.sentence.fetch", lambda _: folder)
    assert resolve_embedder("owner/other", batch_size=4).batch_size == 4
    fake_snapshot(tmp_path / "hub", module.MINILM)
    assert resolve_embedder("minilm").name == "all-MiniLM-L6-v2"
    monkeypatch.setattr(module, "find_spec", lambda _: None)
    with pytest.raises(MissingExtraError, match=r'pip install "datapruner\[cpu\]"'):
        resolve_embedder("minilm")


def test_any_object_with_encode_becomes_an_embedder():
    wrapped = resolve_embedder(Letters())
    assert isinstance(wrapped, Embedder)
    assert wrapped.name == "Letters"
    assert wrapped.fingerprint.startswith("unknown:")
    assert wrapped.dimensions == wrapped.dimensions == 3
    assert wrapped.encode(["abba", ""]).tolist() == [[2, 2, 0], [0, 0, 0]]
    assert not hasattr(wrapped, "count_tokens")


def test_a_whole_embedder_is_taken_as_it_is():
    brought = Marked()
    assert resolve_embedder(brought) is brought


def test_what_is_known_of_an_object_is_kept():
    class Half(Letters):
        fingerprint = "f"
        count_tokens = Marked.count_tokens
        dimensions = 3

    wrapped = resolve_embedder(Half())
    assert (wrapped.name, wrapped.fingerprint, wrapped.dimensions) == ("Half", "f", 3)
    assert wrapped.count_tokens(["abc"]).tolist() == [3]


def test_tensors_are_accepted():
    torch = pytest.importorskip("torch")

    class Tensors:
        def encode(self, texts):
            return torch.ones(len(texts), 2, requires_grad=True).to(torch.bfloat16)

    assert resolve_embedder(Tensors()).encode(["a"]).tolist() == [[1, 1]]


def test_objects_that_do_not_fit_are_refused():
    class Flat:
        def encode(self, texts):
            return np.zeros(len(texts))

    with pytest.raises(InputError, match=r"shape \(2,\) for 2 texts"):
        resolve_embedder(Flat()).encode(["a", "b"])
    with pytest.raises(InputError, match="no encode"):
        resolve_embedder(3)


def corpus(n):
    return [f"{'ab' * (i % 7)}c{i % 900}" for i in range(n)]


@pytest.mark.parametrize("cached", [False, True])
def test_vectors_come_out_in_order_whatever_the_batches(cached, tmp_path):
    texts = corpus(2500)
    cache = EmbeddingCache(tmp_path / "cache") if cached else None
    calls = []
    batches = [texts[:3], [], texts[3:1900], texts[1900:]]
    with VectorWriter(tmp_path / "v.npy", 3) as writer:
        done = embed_texts(
            batches, Marked(), writer, cache=cache, progress=lambda *c: calls.append(c)
        )
    assert done == 2500
    assert calls == [("embed", 1024, 0), ("embed", 2048, 0), ("embed", 2500, 0)]
    np.testing.assert_array_equal(
        open_vectors(tmp_path / "v.npy").take(np.arange(2500)), Marked().encode(texts)
    )


def test_equal_texts_and_known_texts_are_not_embedded_again(tmp_path):
    texts = corpus(2500)
    first = Marked()
    embed_texts([texts], first, None, cache=EmbeddingCache(tmp_path))
    assert sorted(first.asked) == sorted(set(texts))
    second = Marked()
    with VectorWriter(tmp_path / "v.npy", 3) as writer:
        embed_texts([[*texts, "new"]], second, writer, cache=EmbeddingCache(tmp_path))
    assert second.asked == ["new"]
    np.testing.assert_array_equal(np.load(tmp_path / "v.npy"), Marked().encode([*texts, "new"]))


def test_a_killed_run_goes_on_where_it_stopped(tmp_path):
    texts = [f"text {i}" for i in range(2500)]

    class Killed(Marked):
        def encode(self, texts):
            if len(self.asked) >= 2048:
                raise KeyboardInterrupt
            return super().encode(texts)

    with pytest.raises(KeyboardInterrupt):
        embed_texts([texts], Killed(), None, cache=EmbeddingCache(tmp_path))
    again = Marked()
    embed_texts([texts], again, None, cache=EmbeddingCache(tmp_path))
    assert again.asked == texts[2048:]


def test_a_model_without_a_fingerprint_is_never_cached(tmp_path):
    cache = EmbeddingCache(tmp_path)
    embed_texts([["a"]], resolve_embedder(Letters()), None, cache=cache)
    assert os.listdir(tmp_path) == []


def test_nothing_heavy_is_imported_with_the_modules():
    names = (
        "store sources content centroids proposals assign kmeans neighbours embed offline sentence "
        "cache"
    )
    code = "import sys\n" + "".join(f"import datapruner.vectors.{n}\n" for n in names.split())
    code += (
        "heavy = {'faiss', 'torch', 'sentence_transformers', 'transformers', 'sklearn', 'scipy', "
        "'pyarrow', 'polars', 'safetensors', 'datasets'}\n"
        "sys.exit(str(heavy & set(sys.modules)) if heavy & set(sys.modules) else 0)"
    )
    subprocess.run([sys.executable, "-c", code], check=True, timeout=60)
