"""The registry: one row a method, one row a picker; targets are strings, loaded on use."""

from __future__ import annotations

from dataclasses import dataclass
from importlib import import_module
from typing import Any, Literal

from datapruner.errors import UnknownMethodError, nearest

__all__ = [
    "METHODS",
    "PICKERS",
    "TAKE_ROWS",
    "Method",
    "Pick",
    "dataset_method",
    "load",
    "method",
    "picker",
]

Side = Literal["high", "low", "any"]

# How a selection cuts data of any container; a string, for the core knows no containers.
TAKE_ROWS = "datapruner.dataset.prune:take_rows"


@dataclass(frozen=True)
class Method:
    """One method as three choices.

    Attributes:
        name: what users write.
        side: ``"dataset"`` or ``"context"``.
        scorer: target of the scorer class.
        allocate: default allocator.
        pick: default picker, or the target of a function from the kept share to (picker, note).
        needs: feature columns the scorer reads.
        uses: optional packages it profits from.
        paper: where it comes from.
        summary: one line.
        model: the scorer's parameter that names a model which users choose; "" for none.
    """

    name: str
    side: Literal["dataset", "context"]
    scorer: str
    allocate: str
    pick: str
    needs: tuple[str, ...]
    uses: tuple[str, ...]
    paper: str
    summary: str
    model: str = ""


@dataclass(frozen=True)
class Pick:
    """One picker: its target, and which end of the scores it prefers.

    Attributes:
        name: what users write.
        target: the picker function.
        side: the end it keeps, which a threshold refers to; ``"any"`` for neither.
        needs: feature columns it reads.
        summary: one line.
    """

    name: str
    target: str
    side: Side
    needs: tuple[str, ...]
    summary: str


METHODS: dict[str, Method] = {
    m.name: m
    for m in (
        Method(
            name="prototypes",
            side="dataset",
            scorer="datapruner.scorers.prototypes:Prototypes",
            allocate="whole",
            pick="datapruner.scorers.prototypes:end_to_keep",
            needs=("embedding",),
            uses=("faiss", "sentence-transformers"),
            paper="arXiv:2206.14486",
            summary="distance to the nearest self-supervised prototype",
        ),
        Method(
            name="concepts",
            side="dataset",
            scorer="datapruner.scorers.concepts:Concepts",
            allocate="weighted",
            pick="high",
            needs=("embedding",),
            uses=("faiss", "sentence-transformers"),
            paper="arXiv:2401.04578",
            summary="distance to the centre of a concept, each concept cut by its complexity",
        ),
        Method(
            name="duplicates",
            side="dataset",
            scorer="datapruner.scorers.duplicates:Duplicates",
            allocate="whole",
            pick="distinct",
            needs=("embedding",),
            uses=("faiss", "sentence-transformers"),
            paper="arXiv:2303.09540",
            summary="similarity to an earlier row of the same cluster",
        ),
        Method(
            name="density",
            side="dataset",
            scorer="datapruner.scorers.density:Density",
            allocate="weighted",
            pick="high",
            needs=("embedding",),
            uses=("faiss", "sentence-transformers"),
            paper="arXiv:2401.04578",
            summary="duplicates out, poor rows out, then each concept cut by its complexity",
        ),
        Method(
            name="el2n",
            side="dataset",
            scorer="datapruner.scorers.difficulty:EL2N",
            allocate="whole",
            pick="datapruner.scorers.prototypes:end_to_keep",
            needs=("logits", "label_codes"),
            uses=(),
            paper="arXiv:2107.07075",
            summary="distance of the probabilities from the label, early in training",
        ),
        Method(
            name="grand",
            side="dataset",
            scorer="datapruner.scorers.difficulty:GraNd",
            allocate="whole",
            pick="datapruner.scorers.prototypes:end_to_keep",
            needs=("logits", "label_codes", "features"),
            uses=(),
            paper="arXiv:2107.07075",
            summary="length of the last layer's gradient, early in training",
        ),
        Method(
            name="forgetting",
            side="dataset",
            scorer="datapruner.scorers.forgetting:Forgetting",
            allocate="whole",
            pick="datapruner.scorers.prototypes:end_to_keep",
            needs=("logits", "label_codes"),
            uses=(),
            paper="arXiv:1812.05159",
            summary="how often a row was learnt and then forgotten",
        ),
        Method(
            name="margin",
            side="dataset",
            scorer="datapruner.scorers.uncertainty:Margin",
            allocate="whole",
            pick="datapruner.scorers.prototypes:end_to_keep",
            needs=("logits",),
            uses=(),
            paper="arXiv:1906.11829",
            summary="the lead of the most probable class, small ones high",
        ),
        Method(
            name="entropy",
            side="dataset",
            scorer="datapruner.scorers.uncertainty:Entropy",
            allocate="whole",
            pick="datapruner.scorers.prototypes:end_to_keep",
            needs=("logits",),
            uses=(),
            paper="arXiv:1906.11829",
            summary="entropy of the probabilities",
        ),
        Method(
            name="confidence",
            side="dataset",
            scorer="datapruner.scorers.uncertainty:Confidence",
            allocate="whole",
            pick="datapruner.scorers.prototypes:end_to_keep",
            needs=("logits",),
            uses=(),
            paper="arXiv:1906.11829",
            summary="one minus the largest probability",
        ),
        Method(
            name="aum",
            side="dataset",
            scorer="datapruner.scorers.difficulty:AUM",
            allocate="whole",
            pick="datapruner.scorers.prototypes:end_to_keep",
            needs=("logits", "label_codes"),
            uses=(),
            paper="arXiv:2001.10528",
            summary="how much other classes were preferred to the label during training",
        ),
        Method(
            name="memorisation",
            side="dataset",
            scorer="datapruner.scorers.memorisation:Memorisation",
            allocate="whole",
            pick="datapruner.scorers.prototypes:end_to_keep",
            needs=("logits", "label_codes", "held_in"),
            uses=(),
            paper="arXiv:2008.03703",
            summary="how much training on the row itself helped",
        ),
        Method(
            name="random",
            side="dataset",
            scorer="datapruner.scorers.draw:Draw",
            allocate="whole",
            pick="high",
            needs=(),
            uses=(),
            paper="the control every other method must beat",
            summary="a number drawn for every row from its id and the seed",
        ),
        Method(
            name="lexical",
            side="context",
            scorer="datapruner.scorers.lexical:Lexical",
            allocate="whole",
            pick="high",
            needs=("text",),
            uses=(),
            paper="Robertson et al. 1994",
            summary="BM25 of sentences and chunks, and of chunks that good sentences name",
        ),
        Method(
            name="semantic",
            side="context",
            scorer="datapruner.scorers.semantic:Semantic",
            allocate="whole",
            pick="high",
            needs=("text",),
            uses=("sentence-transformers",),
            paper="arXiv:1908.10084",
            summary="cosine of a sentence and the question, from a bi-encoder",
            model="embedder",
        ),
        Method(
            name="crossencoder",
            side="context",
            scorer="datapruner.scorers.crossencoder:CrossEncoder",
            allocate="whole",
            pick="high",
            needs=("text",),
            uses=("sentence-transformers",),
            paper="arXiv:2407.03627",
            summary="relevance of each sentence by itself, from a reranker that you name",
            model="model",
        ),
        Method(
            name="sentences",
            side="context",
            scorer="datapruner.scorers.labeller:Sentences",
            allocate="whole",
            pick="high",
            needs=("text",),
            uses=("onnxruntime",),
            paper="arXiv:2501.16214",
            summary="probability that a sentence answers, read together with its chunk",
            model="model",
        ),
        Method(
            name="paths",
            side="context",
            scorer="datapruner.scorers.generative:GenerativePaths",
            allocate="whole",
            pick="high",
            needs=("text",),
            uses=("torch", "transformers"),
            paper="arXiv:2411.02959",
            summary="chance that a block is the answer, by a language model that you name",
            model="model",
        ),
        Method(
            name="main",
            side="context",
            scorer="datapruner.scorers.maincontent:MainContent",
            allocate="whole",
            pick="high",
            needs=("text",),
            uses=(),
            paper="Kohlschütter et al. 2010",
            summary="main content of a page, and not what surrounds it; reads no query",
        ),
    )
}

PICKERS: dict[str, Pick] = {
    p.name: p
    for p in (
        Pick("high", "datapruner.pickers.ranked:high", "high", (), "highest scores first"),
        Pick("low", "datapruner.pickers.ranked:low", "low", (), "lowest scores first"),
        Pick(
            "distinct",
            "datapruner.pickers.ranked:distinct",
            "low",
            (),
            "lowest scores first, without rows that duplicate another",
        ),
        Pick("middle", "datapruner.pickers.ranked:middle", "any", (), "nearest the median first"),
        Pick(
            "mixed",
            "datapruner.pickers.ranked:mixed",
            "any",
            (),
            "even steps along the ranking, both ends included",
        ),
        Pick(
            "uniform",
            "datapruner.pickers.sampled:uniform",
            "any",
            (),
            "a fair draw that looks at no score",
        ),
        Pick(
            "weighted",
            "datapruner.pickers.sampled:weighted",
            "any",
            (),
            "a draw with chances in proportion to the scores",
        ),
        Pick(
            "ccs",
            "datapruner.pickers.strata:ccs",
            "any",
            (),
            "as many from every level of the score, drawn inside it",
        ),
        Pick(
            "kcentre",
            "datapruner.pickers.diverse:kcentre",
            "any",
            ("embedding",),
            "farthest point first: cover the embedding space",
        ),
        Pick(
            "moderate",
            "datapruner.pickers.moderate:moderate",
            "any",
            ("embedding",),
            "nearest the median distance from the centre of the class first",
        ),
        Pick(
            "herding",
            "datapruner.pickers.diverse:herding",
            "any",
            ("embedding",),
            "the row that keeps the mean of what is kept near the mean of all",
        ),
        Pick(
            "facility",
            "datapruner.pickers.facility:facility",
            "any",
            ("embedding",),
            "the row by which all rows are best represented",
        ),
        Pick(
            "d2",
            "datapruner.pickers.graph:d2",
            "any",
            ("embedding",),
            "high scores among high ones first, then away from what is kept",
        ),
    )
}


def method(name: str) -> Method:
    """The method of that name.

    Raises:
        UnknownMethodError: there is none; the message names the nearest.
    """
    if name not in METHODS:
        raise UnknownMethodError(f"there is no method {name!r}. {nearest(name, METHODS)}")
    return METHODS[name]


def dataset_method(name: str) -> Method:
    """The method of that name, if it chooses rows of a data set.

    Raises:
        UnknownMethodError: there is none, or it is for contexts; the message says who takes it.
    """
    known = [entry.name for entry in METHODS.values() if entry.side == "dataset"]
    if name in known:
        return METHODS[name]
    if name in METHODS:
        raise UnknownMethodError(
            f"method {name!r} is for contexts: it needs a query, and scores the sentences of "
            "chunks. Use `datapruner chunks` (datapruner.prune_chunks), or a method for data "
            f"sets: {', '.join(known)}."
        )
    raise UnknownMethodError(f"there is no method {name!r}. {nearest(name, known)}")


def picker(name: str) -> Pick:
    """The picker of that name.

    Raises:
        UnknownMethodError: there is none; the message names the nearest.
    """
    if name not in PICKERS:
        raise UnknownMethodError(f"there is no pick {name!r}. {nearest(name, PICKERS)}")
    return PICKERS[name]


def load(target: str) -> Any:
    """The object behind ``"module:name"``."""
    module, _, name = target.partition(":")
    return getattr(import_module(module), name)
