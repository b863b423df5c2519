"""ContextCompressor inside LangChain: documents, runnables, batches, and a deadline."""

from __future__ import annotations

import asyncio
import copy
import inspect
import pickle
import subprocess
import sys
import threading
from pathlib import Path
from typing import Any

import numpy as np
import pytest

import datapruner as dp
from datapruner.core.items import Items
from datapruner.core.scores import Scores
from datapruner.integrations.documents import OPTIONS

pytest.importorskip("langchain_core", reason='pip install "datapruner[langchain]"')

from langchain_core.documents import BaseDocumentCompressor, Document
from langchain_core.retrievers import BaseRetriever
from langchain_core.runnables import RunnablePassthrough

from datapruner.integrations.langchain import ContextCompressor

QUERY = "What is the capital of France?"


def documents() -> list[Document]:
    return [
        Document("Rome is the capital of Italy. It lies on the Tiber.", id="it", metadata={"n": 1}),
        Document(
            "Paris is the capital of France. It lies on the Seine.",
            id="fr",
            metadata={"source": {"page": 7}, "relevance_score": 0.25},
        ),
        Document("Cats purr."),
    ]


def compressor(**options: Any) -> ContextCompressor:
    return ContextCompressor(**{"budget": "8 tokens", "method": "lexical", **options})


def compress(made: ContextCompressor, given: list[Document], how: str) -> list[Document]:
    if how == "sync":
        return list(made.compress_documents(given, QUERY))
    return list(asyncio.run(made.acompress_documents(given, QUERY)))


both = pytest.mark.parametrize("how", ["sync", "async"])


@both
def test_documents_keep_id_and_metadata_and_gain_a_score(how: str) -> None:
    [made] = compress(compressor(), documents(), how)
    direct = dp.prune_chunks(
        QUERY, [d.page_content for d in documents()], budget="8 tokens", method="lexical"
    )
    assert made.page_content == direct.text
    assert made.id == "fr"
    assert made.metadata["source"] == {"page": 7}
    assert type(made.metadata["relevance_score"]) is float
    assert made.metadata["relevance_score"] == direct.chunks[1].score
    details = made.metadata["datapruner"]
    assert (details["kept"], details["total"], details["spans"]) == (1, 2, [[0, 32]])


@both
@pytest.mark.parametrize("deadline", [None, 30.0])
def test_what_comes_in_stays_as_it_is(how: str, deadline: float | None) -> None:
    given = documents()
    before = copy.deepcopy(given)
    made = compress(compressor(drop_empty=False, deadline=deadline), given, how)
    assert given == before
    assert [d.id for d in made] == ["it", "fr", None]
    assert all(new is not old for new, old in zip(made, given, strict=True))


@both
def test_a_subclass_of_document_stays_one(how: str) -> None:
    class Page(Document):
        number: int = 0

    made = compress(
        compressor(), [Page(page_content="Paris is the capital of France.", number=4)], how
    )
    assert type(made[0]) is Page
    assert made[0].number == 4


def test_titles_come_from_the_metadata() -> None:
    given = [
        Document("It is the capital. Cats purr.", metadata={"title": "Italy"}),
        Document("It is the capital. Cats purr.", metadata={"title": "France"}),
    ]
    seen: list[Any] = []

    def scorer(items: Items, *, query: str | None = None, seed: int = 0) -> Scores:
        seen.append(list(items.features.get("title", [])))
        return Scores(np.ones(items.n), items, "told", "told")

    compress(compressor(method=scorer), given, "sync")
    compress(compressor(method=scorer, title_key="name"), given, "sync")
    assert seen == [["Italy", "Italy", "France", "France"], ["", ""]]


@both
def test_no_documents_are_no_documents(how: str) -> None:
    assert compress(compressor(), [], how) == []


@both
def test_a_slow_scorer_fails_open_with_a_flag(how: str) -> None:
    go = threading.Event()

    def slow(items: Items, *, query: str | None = None, seed: int = 0) -> Scores:
        assert go.wait(30)
        return Scores(np.ones(items.n), items, "slow", "slow")

    made = compress(compressor(method=slow, deadline=0.05), documents(), how)
    go.set()
    assert [d.page_content for d in made] == [d.page_content for d in documents()]
    assert [d.metadata["datapruner"]["flags"] for d in made] == [["deadline"]] * 3
    assert [d.metadata.get("relevance_score") for d in made] == [None, 0.25, None]


@both
def test_details_are_those_of_the_last_call(how: str) -> None:
    once = compress(compressor(), documents(), how)
    [made] = compress(compressor(), once, how)
    assert made.metadata["datapruner"]["total"] == 1
    assert once[0].metadata["datapruner"]["total"] == 2


def test_the_runnable_invokes_batches_and_awaits() -> None:
    run = compressor().as_runnable()
    assert run.get_name() == "ContextCompressor"
    given = {"query": QUERY, "documents": documents()}
    expected = compress(compressor(), documents(), "sync")
    assert run.invoke(given) == expected
    assert run.batch([given] * 3) == [expected] * 3
    assert asyncio.run(run.ainvoke(given)) == expected
    assert asyncio.run(run.abatch([given] * 3)) == [expected] * 3


def test_what_is_awaited_never_runs_on_the_plain_path() -> None:
    class Awaited(ContextCompressor):
        def compress_documents(self, *given: Any, **more: Any) -> Any:
            pytest.fail("called")

    run = Awaited(budget="8 tokens", method="lexical").as_runnable()
    made = asyncio.run(run.ainvoke({"query": QUERY, "documents": documents()}))
    assert [d.id for d in made] == ["fr"]


@pytest.mark.parametrize(
    ("wrong", "told"), [({"query": QUERY}, r"given \['query'\]"), (QUERY, "given str")]
)
def test_the_runnable_says_what_it_takes(wrong: Any, told: str) -> None:
    with pytest.raises(dp.InputError, match=f"{told}; it takes .*documents"):
        compressor().as_runnable().invoke(wrong)


def test_the_runnable_stands_behind_a_retriever() -> None:
    class Fixed(BaseRetriever):
        def _get_relevant_documents(self, query: str, *, run_manager: Any) -> list[Document]:
            return documents()

    chain = {"query": RunnablePassthrough(), "documents": Fixed()} | compressor().as_runnable()
    assert [d.id for d in chain.invoke(QUERY)] == ["fr"]
    assert [d.id for d in asyncio.run(chain.ainvoke(QUERY))] == ["fr"]


def test_it_is_a_compressor_and_takes_callbacks_by_name() -> None:
    made = compressor()
    assert isinstance(made, BaseDocumentCompressor)
    for name in ("compress_documents", "acompress_documents"):
        ours = inspect.signature(getattr(ContextCompressor, name)).parameters
        theirs = inspect.signature(getattr(BaseDocumentCompressor, name)).parameters
        assert list(ours) == list(theirs)
    assert made.compress_documents(documents(), QUERY, callbacks=[])[0].id == "fr"


def test_the_fields_are_the_options_of_the_pruner() -> None:
    fields = {name: field.default for name, field in ContextCompressor.model_fields.items()}
    others = {"deadline": None, "drop_empty": True, "title_key": "title"}
    assert fields == {**OPTIONS, **others}
    assert all(field.frozen for field in ContextCompressor.model_fields.values())


def test_wrong_settings_are_refused_in_the_pruners_words() -> None:
    with pytest.raises(ValueError, match="bananas"):
        compressor(budget="8 bananas")
    with pytest.raises(ValueError, match="number of seconds above 0"):
        compressor(deadline=0)
    with pytest.raises(dp.UnknownMethodError, match="lexical"):
        compressor(method="lexicle")
    with pytest.raises(ValueError, match="budgit"):
        compressor(budgit="8 tokens")
    with pytest.raises(ValueError, match="frozen"):
        compressor().budget = "9 tokens"


def test_copies_and_pickles_prune_by_their_own_fields() -> None:
    made = compressor()
    expected = compress(made, documents(), "sync")
    for other in (
        copy.deepcopy(made),
        pickle.loads(pickle.dumps(made)),
        made.model_copy(deep=True),
    ):
        assert compress(other, documents(), "sync") == expected
    holder = compressor(pins=["numbers"])
    assert holder.model_copy().pins is holder.pins
    assert holder.model_copy(deep=True).pins is not holder.pins
    wide = made.model_copy(update={"budget": "100% of tokens"})
    assert len(compress(wide, documents(), "sync")) == 3
    assert compress(made, documents(), "sync") == expected


def test_the_example_shows_the_sentence_that_answers() -> None:
    script = Path(__file__).parents[3] / "examples" / "langchain_chunks.py"
    done = subprocess.run([sys.executable, str(script)], capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    assert "The capital of France is Paris." in done.stdout
    assert "Tiber" not in done.stdout


class _Words(BaseRetriever):
    """The documents that share most words with the query, first."""

    kept: list[Document]

    def _get_relevant_documents(self, query: str, *, run_manager: Any) -> list[Document]:
        asked = set(query.lower().split())
        return sorted(
            self.kept, key=lambda one: -len(asked & set(one.page_content.lower().split()))
        )[:2]


@both
def test_it_compresses_behind_the_retriever_that_langchain_has_for_it(how: str) -> None:
    reason = "pip install langchain-classic"
    retrievers = pytest.importorskip("langchain_classic.retrievers", reason=reason)
    kept = documents()
    made = retrievers.ContextualCompressionRetriever(
        base_compressor=compressor(), base_retriever=_Words(kept=kept)
    )
    found = made.invoke(QUERY) if how == "sync" else asyncio.run(made.ainvoke(QUERY))
    assert [(one.id, one.page_content.strip()) for one in found] == [
        ("fr", "Paris is the capital of France.")
    ]
    assert found[0].metadata["source"] == {"page": 7}
    assert kept == documents()
