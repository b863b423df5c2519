"""HtmlDocumentPruner: the pruner of web pages as a component of Haystack.

It stands behind a fetcher or a retriever of pages::

    pipeline.add_component("pruner", HtmlDocumentPruner(budget="2048 tokens", to="markdown"))
    pipeline.connect("fetcher.streams", "pruner.streams")

A saved pipeline is read as ``datapruner.integrations.haystack`` says.

Interface: haystack-ai, ``core/component/component.py``, ``dataclasses/document.py`` and
``dataclasses/byte_stream.py``.
"""

# No "from __future__ import annotations": Haystack 2 compares the annotations of run as they stand.
from collections.abc import Sequence
from typing import Any

from datapruner.errors import MissingExtraError
from datapruner.integrations.haystack_parts import SavedComponent, rebuilt
from datapruner.integrations.webpages import (
    PAGE_OPTIONS,
    PagePruner,
    Placed,
    page_of,
    without_html,
)

try:
    from haystack import Document, component
    from haystack.dataclasses import ByteStream
except ImportError as error:  # pragma: no cover - the tests have it
    raise MissingExtraError(
        'the component needs Haystack: pip install "datapruner[haystack]".'
    ) from error

__all__ = ["HtmlDocumentPruner"]


@component
class HtmlDocumentPruner(SavedComponent):
    """Keeps the blocks of web pages that answer the query, within a budget.

    A document's page is its ``meta["html"]``, where there is one, else its content; a stream's are
    its bytes. Documents come out as copies: the pruned page as content, ``id`` and meta kept,
    without ``"html"``, ``score`` the pruner's where there was a query, and what was done under
    ``datapruner`` in the meta (``datapruner.integrations.webpages``). Streams come out as documents
    behind the others, with their meta. Documents without content pass unchanged.

    Args:
        share: ``"joint"``: the pages of a run share the budget; ``"each"``: each has it.
        drop_empty: whether documents of which nothing is left are left out.

    All others are those of ``datapruner.prune_html``. Settings are read by ``warm_up``, or by the
    first run.
    """

    _pruner: PagePruner

    def __init__(
        self,
        budget: Any = PAGE_OPTIONS["budget"],
        *,
        threshold: float | None = PAGE_OPTIONS["threshold"],
        method: Any = PAGE_OPTIONS["method"],
        counter: Any = PAGE_OPTIONS["counter"],
        to: str = PAGE_OPTIONS["to"],
        level: str = PAGE_OPTIONS["level"],
        block_tokens: int | None = PAGE_OPTIONS["block_tokens"],
        keep: Any = PAGE_OPTIONS["keep"],
        pick: str = PAGE_OPTIONS["pick"],
        prior: float = PAGE_OPTIONS["prior"],
        fill: str = PAGE_OPTIONS["fill"],
        encoding: str | None = PAGE_OPTIONS["encoding"],
        seed: int = PAGE_OPTIONS["seed"],
        share: str = "joint",
        drop_empty: bool = True,
    ) -> None:
        options = {
            "budget": budget,
            "threshold": threshold,
            "method": method,
            "counter": counter,
            "to": to,
            "level": level,
            "block_tokens": block_tokens,
            "keep": keep,
            "pick": pick,
            "prior": prior,
            "fill": fill,
            "encoding": encoding,
            "seed": seed,
        }
        self._given = {**options, "share": share, "drop_empty": drop_empty}
        self._pruner = PagePruner(options, share=share, drop_empty=drop_empty)

    @component.output_types(documents=list[Document])  # type: ignore[untyped-decorator]
    def run(
        self,
        query: str = "",
        documents: list[Document] | None = None,
        streams: list[ByteStream] | None = None,
        budget: str | float | None = None,
        threshold: float | None = None,
    ) -> dict[str, list[Document]]:
        """The pages pruned for the query.

        Args:
            query: what the reader will be asked; empty: the main content.
            documents: pages.
            streams: pages as bytes.
            budget: for this run in place of the component's; None: as set.
            threshold: for this run in place of the component's; None: as set.

        Returns:
            ``{"documents": [...]}``.

        Raises:
            DataPrunerError: settings that cannot be used, or a budget that cannot be met.
        """
        given, pages = _read(documents, streams)
        placed = self._pruner.prune(query, pages, budget=budget, threshold=threshold)
        return {"documents": _rebuilt(given, placed)}

    @component.output_types(documents=list[Document])  # type: ignore[untyped-decorator]
    async def run_async(
        self,
        query: str = "",
        documents: list[Document] | None = None,
        streams: list[ByteStream] | None = None,
        budget: str | float | None = None,
        threshold: float | None = None,
    ) -> dict[str, list[Document]]:
        """``run`` off the event loop.

        Args:
            query: as ``run`` has it.
            documents: as ``run`` has them.
            streams: as ``run`` has them.
            budget: as ``run`` has it.
            threshold: as ``run`` has it.
        """
        given, pages = _read(documents, streams)
        placed = await self._pruner.aprune(query, pages, budget=budget, threshold=threshold)
        return {"documents": _rebuilt(given, placed)}


def _read(
    documents: Sequence[Document] | None, streams: Sequence[ByteStream] | None
) -> tuple[list[Document], list[Any]]:
    """All documents, those of streams with nothing in them yet, and their pages."""
    given = list(documents or [])
    pages = [page_of(document.meta, document.content) for document in given]
    for stream in streams or []:
        given.append(Document(content="", meta=dict(stream.meta)))
        pages.append(page_of(without_html(stream.meta), stream.data))
    return given, pages


def _rebuilt(documents: Sequence[Document], placed: Placed) -> list[Document]:
    return rebuilt(documents, [without_html(document.meta) for document in documents], placed)
