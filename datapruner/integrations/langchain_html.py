"""HtmlTransformer: the pruner of web pages as a document transformer of LangChain.

It stands wherever LangChain takes a ``BaseDocumentTransformer``, behind a loader of pages::

    transformer = HtmlTransformer(budget="2048 tokens", to="markdown")
    documents = transformer.transform_documents(loader.load(), query="What does it cost?")

Interface: langchain-core, ``documents/transformers.py``.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from datapruner.errors import MissingExtraError
from datapruner.integrations.documents import DETAILS
from datapruner.integrations.webpages import PagePruner, Placed, page_of, without_html

try:
    from langchain_core.documents import BaseDocumentTransformer, Document
except ImportError as error:  # pragma: no cover - the tests have it
    raise MissingExtraError(
        'the transformer needs LangChain: pip install "datapruner[langchain]".'
    ) from error

__all__ = ["HtmlTransformer"]


class HtmlTransformer(BaseDocumentTransformer):  # type: ignore[misc]
    """Keeps the blocks of web pages that answer the query, within a budget.

    A document's page is its ``metadata["html"]``, where there is one, else its ``page_content``.
    Documents come out as copies: the pruned page as content, ``id`` and metadata kept, without
    ``"html"`` and with two more keys: ``relevance_score``, a float, where blocks were ranked by a
    query, and ``datapruner``, what was done (``datapruner.integrations.webpages``).

    Args:
        query: of calls that bring none; empty: the main content.
        share: ``"joint"``: the pages of a call share the budget; ``"each"``: each has it.
        drop_empty: whether documents of which nothing is left are left out.
        options: those of ``datapruner.prune_html``, by name.

    Raises:
        DataPrunerError: a setting that cannot be used; the message says which.
    """

    def __init__(
        self, query: str = "", *, share: str = "joint", drop_empty: bool = True, **options: Any
    ) -> None:
        self.query = query
        self._pruner = PagePruner(options, share=share, drop_empty=drop_empty)
        self._pruner.warm_up()

    def transform_documents(
        self, documents: Sequence[Document], *, query: str | None = None, **kwargs: Any
    ) -> Sequence[Document]:
        """The documents pruned for the query.

        Args:
            documents: as a loader gives them.
            query: for this call; None: as set.
            kwargs: LangChain's; not used.

        Raises:
            DataPrunerError: a budget that cannot be met.
        """
        asked = self.query if query is None else query
        return _rebuilt(documents, self._pruner.prune(asked, _pages(documents)))

    async def atransform_documents(
        self, documents: Sequence[Document], *, query: str | None = None, **kwargs: Any
    ) -> Sequence[Document]:
        """``transform_documents`` off the event loop.

        Args:
            documents: as ``transform_documents`` has them.
            query: as ``transform_documents`` has it.
            kwargs: LangChain's; not used.
        """
        asked = self.query if query is None else query
        return _rebuilt(documents, await self._pruner.aprune(asked, _pages(documents)))


def _pages(documents: Sequence[Document]) -> list[Any]:
    return [page_of(document.metadata, document.page_content) for document in documents]


def _rebuilt(documents: Sequence[Document], placed: Placed) -> list[Document]:
    made = []
    for place, piece in placed:
        document = documents[place]
        if piece is None:  # pragma: no cover - a document of LangChain always has a text
            continue
        scored = {} if piece.score is None else {"relevance_score": piece.score}
        metadata = {**without_html(document.metadata), **scored, DETAILS: piece.details}
        made.append(document.model_copy(update={"page_content": piece.text, "metadata": metadata}))
    return made
