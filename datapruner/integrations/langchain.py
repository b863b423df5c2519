"""ContextCompressor: the pruner as a document compressor of LangChain.

It stands wherever LangChain takes a ``BaseDocumentCompressor``, for one in a
``ContextualCompressionRetriever``, and as a runnable in a chain::

    compressor = ContextCompressor(budget="2048 tokens", deadline=0.5)
    chain = {"query": RunnablePassthrough(), "documents": retriever} | compressor.as_runnable()

Interface: langchain-core, ``documents/compressor.py`` and ``documents/base.py``.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from datapruner.context.chunk import Chunk
from datapruner.errors import InputError, MissingExtraError
from datapruner.integrations.documents import DETAILS, Piece, Placed, title_of
from datapruner.integrations.fields import PrunerFields

try:
    from langchain_core.documents import BaseDocumentCompressor, Document
    from langchain_core.runnables import Runnable, RunnableLambda
except ImportError as error:  # pragma: no cover - the tests have it
    raise MissingExtraError(
        'the compressor needs LangChain: pip install "datapruner[langchain]".'
    ) from error

__all__ = ["ContextCompressor"]


class ContextCompressor(PrunerFields, BaseDocumentCompressor):  # type: ignore[misc]
    """Keeps the sentences of retrieved documents that answer the query, within one budget.

    Documents come out as copies: text pruned, ``id`` and metadata kept, with two more keys in the
    metadata: ``relevance_score``, a float, where documents were ranked, and ``datapruner``, what
    was done (``datapruner.integrations.documents.Piece``). Documents that come in stay as they are.

    The fields are those of ``PrunerFields``.

    Raises:
        ValueError: a setting that cannot be used, in the words of the pruner.
        UnknownMethodError: no such method.
    """

    def compress_documents(
        self, documents: Sequence[Document], query: str, callbacks: Any = None
    ) -> Sequence[Document]:
        """The documents pruned for the query.

        Args:
            documents: as a retriever returns them.
            query: what they were retrieved for.
            callbacks: LangChain's; there are no inner runs to report to them.

        Raises:
            DataPrunerError: a budget that these documents cannot meet, because of pins or floors.
        """
        return _rebuilt(documents, self._pruner.prune(query, self._chunks(documents)))

    async def acompress_documents(
        self, documents: Sequence[Document], query: str, callbacks: Any = None
    ) -> Sequence[Document]:
        """``compress_documents`` off the event loop.

        Args:
            documents: as ``compress_documents`` has them.
            query: as ``compress_documents`` has it.
            callbacks: as ``compress_documents`` has them.
        """
        return _rebuilt(documents, await self._pruner.aprune(query, self._chunks(documents)))

    def as_runnable(self) -> Runnable:
        """A runnable from ``{"query": str, "documents": [Document]}`` to the pruned documents.

        It has ``invoke``, ``batch`` and their asynchronous forms, as runnables do.
        """
        return RunnableLambda(self._invoke, afunc=self._ainvoke, name=type(self).__name__)

    def _invoke(self, given: Mapping[str, Any]) -> Sequence[Document]:
        query, documents = _parts(given)
        return self.compress_documents(documents, query)

    async def _ainvoke(self, given: Mapping[str, Any]) -> Sequence[Document]:
        query, documents = _parts(given)
        return await self.acompress_documents(documents, query)

    def _chunks(self, documents: Sequence[Document]) -> list[Chunk | None]:
        return [
            Chunk(place, document.page_content, title_of(document.metadata, self.title_key))
            for place, document in enumerate(documents)
        ]


def _parts(given: Mapping[str, Any]) -> tuple[str, Sequence[Document]]:
    if not isinstance(given, Mapping) or not {"query", "documents"} <= given.keys():
        told = sorted(map(str, given)) if isinstance(given, Mapping) else type(given).__name__
        raise InputError(
            f'the runnable was given {told}; it takes {{"query": text, "documents": documents}}.'
        )
    return given["query"], given["documents"]


def _rebuilt(documents: Sequence[Document], placed: Placed) -> list[Document]:
    return [_copy(documents[place], piece) for place, piece in placed if piece is not None]


def _copy(document: Document, piece: Piece) -> Document:
    scored = {} if piece.score is None else {"relevance_score": piece.score}
    metadata = {**document.metadata, **scored, DETAILS: piece.details}
    return document.model_copy(update={"page_content": piece.text, "metadata": metadata})
