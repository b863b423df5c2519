"""ContextDocumentPruner: the pruner as a component of Haystack.

It stands between a retriever and a prompt builder::

    pipeline.add_component("pruner", ContextDocumentPruner(budget="2048 tokens"))
    pipeline.connect("retriever.documents", "pruner.documents")

Haystack reads a saved pipeline with components of other packages only where they are allowed:
``Pipeline.loads(text, allowed_modules=["datapruner.*"])``, or the environment variable
``HAYSTACK_DESERIALIZATION_ALLOWLIST``.

Interface: haystack-ai, ``core/component/component.py`` and ``dataclasses/document.py``.
"""

# No "from __future__ import annotations": Haystack 2 compares the annotations of run as they stand.
from collections.abc import Sequence
from typing import Any

from datapruner.context.chunk import Chunk
from datapruner.errors import MissingExtraError
from datapruner.integrations.documents import OPTIONS, DocumentPruner, Placed, title_of
from datapruner.integrations.haystack_parts import SavedComponent, rebuilt

try:
    from haystack import Document, component
except ImportError as error:  # pragma: no cover - the tests have it
    raise MissingExtraError(
        'the component needs Haystack: pip install "datapruner[haystack]".'
    ) from error

__all__ = ["ContextDocumentPruner"]


@component
class ContextDocumentPruner(SavedComponent):
    """Keeps the sentences of retrieved documents that answer the query, within one budget.

    Documents come out as copies: content pruned, ``id`` and meta kept, ``score`` the pruner's where
    documents were ranked, and what was done under ``datapruner`` in the meta
    (``datapruner.integrations.documents.Piece``). An embedding is kept, and is that of the whole
    text. Documents without content pass unchanged.

    Args:
        deadline: seconds for a run, after which documents come back unpruned; None: no deadline.
        drop_empty: whether documents of which nothing is left are left out.
        title_key: the key in a document's meta under which its title stands; None: no titles.

    All others are those of ``datapruner.prune_chunks``. Settings are read, and models loaded, by
    ``warm_up``, or by the first run.
    """

    _pruner: DocumentPruner

    def __init__(
        self,
        budget: Any = OPTIONS["budget"],
        *,
        threshold: float | None = OPTIONS["threshold"],
        price: float | None = OPTIONS["price"],
        method: Any = OPTIONS["method"],
        counter: Any = OPTIONS["counter"],
        order: str = OPTIONS["order"],
        pick: str = OPTIONS["pick"],
        fill: str = OPTIONS["fill"],
        pins: Any = OPTIONS["pins"],
        neighbours: int = OPTIONS["neighbours"],
        antecedents: bool = OPTIONS["antecedents"],
        on_empty: str | None = OPTIONS["on_empty"],
        separator: str = OPTIONS["separator"],
        gap: str = OPTIONS["gap"],
        hidden: str = OPTIONS["hidden"],
        language: str | None = OPTIONS["language"],
        longest: int = OPTIONS["longest"],
        seed: int = OPTIONS["seed"],
        deadline: float | None = None,
        drop_empty: bool = True,
        title_key: str | None = "title",
    ) -> None:
        options = {
            "budget": budget,
            "threshold": threshold,
            "price": price,
            "method": method,
            "counter": counter,
            "order": order,
            "pick": pick,
            "fill": fill,
            "pins": pins,
            "neighbours": neighbours,
            "antecedents": antecedents,
            "on_empty": on_empty,
            "separator": separator,
            "gap": gap,
            "hidden": hidden,
            "language": language,
            "longest": longest,
            "seed": seed,
        }
        others = {"deadline": deadline, "drop_empty": drop_empty, "title_key": title_key}
        self._given = {**options, **others}
        self._title_key = title_key
        self._pruner = DocumentPruner(options, deadline=deadline, drop_empty=drop_empty)

    @component.output_types(documents=list[Document])  # type: ignore[untyped-decorator]
    def run(
        self,
        query: str,
        documents: list[Document],
        budget: str | float | None = None,
        threshold: float | None = None,
    ) -> dict[str, list[Document]]:
        """The documents pruned for the query.

        Args:
            query: what they were retrieved for.
            documents: as a retriever returns them.
            budget: for this run in place of the component's; None: as set.
            threshold: for this run in place of the component's; None: as set.

        Returns:
            ``{"documents": [...]}``.

        Raises:
            DataPrunerError: settings that cannot be used, or a budget that these documents cannot
                meet, because of pins or floors.
        """
        chunks = self._chunks(documents)
        placed = self._pruner.prune(query, chunks, budget=budget, threshold=threshold)
        return {"documents": _rebuilt(documents, placed)}

    @component.output_types(documents=list[Document])  # type: ignore[untyped-decorator]
    async def run_async(
        self,
        query: str,
        documents: list[Document],
        budget: str | float | None = None,
        threshold: float | None = None,
    ) -> dict[str, list[Document]]:
        """``run`` off the event loop.

        Args:
            query: as ``run`` has it.
            documents: as ``run`` has them.
            budget: as ``run`` has it.
            threshold: as ``run`` has it.
        """
        chunks = self._chunks(documents)
        placed = await self._pruner.aprune(query, chunks, budget=budget, threshold=threshold)
        return {"documents": _rebuilt(documents, placed)}

    def _chunks(self, documents: Sequence[Document]) -> list[Chunk | None]:
        return [
            None
            if document.content is None
            else Chunk(place, document.content, title_of(document.meta, self._title_key))
            for place, document in enumerate(documents)
        ]


def _rebuilt(documents: Sequence[Document], placed: Placed) -> list[Document]:
    return rebuilt(documents, [document.meta for document in documents], placed)
