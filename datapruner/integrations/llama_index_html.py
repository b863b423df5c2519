"""HtmlPostprocessor: the pruner of web pages as a node postprocessor of LlamaIndex.

It stands wherever LlamaIndex takes a ``BaseNodePostprocessor``, and, called with nodes, as a step
of an ingestion pipeline does::

    engine = index.as_query_engine(node_postprocessors=[HtmlPostprocessor(budget="2048 tokens")])

Interface: llama-index-core, ``postprocessor/types.py`` and ``schema.py``.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from datapruner.errors import MissingExtraError
from datapruner.integrations.documents import DETAILS, Piece
from datapruner.integrations.webpages import (
    HTML_KEY,
    PAGE_OPTIONS,
    PagePruner,
    Placed,
    page_of,
)

try:
    from llama_index.core.postprocessor.types import BaseNodePostprocessor
    from llama_index.core.schema import (
        ImageNode,
        MetadataMode,
        NodeWithScore,
        QueryBundle,
        TextNode,
    )
    from pydantic import ConfigDict, Field, PrivateAttr
except ImportError as error:  # pragma: no cover - the tests have it
    raise MissingExtraError(
        'the postprocessor needs LlamaIndex: pip install "datapruner[llama-index]".'
    ) from error

__all__ = ["HtmlPostprocessor"]

_SCORE = "relevance_score"


class HtmlPostprocessor(BaseNodePostprocessor):  # type: ignore[misc]
    """Keeps the blocks of web pages that answer the query, within a budget.

    A node's page is its ``metadata["html"]``, where there is one, else its text. Nodes come out as
    copies: the pruned page as text, ``node_id``, relationships, metadata and the retriever's score
    kept, without ``"html"``. What was done stands in the metadata under ``datapruner``
    (``datapruner.integrations.webpages``), and the pruner's score, where there was a query, under
    ``relevance_score``; neither models nor embeddings get to see them. Images pass unchanged.

    Attributes:
        share: ``"joint"``: the pages of a call share the budget; ``"each"``: each has it.
        drop_empty: whether nodes of which nothing is left are left out.

    All others are those of ``datapruner.prune_html``.

    Raises:
        ValueError: a setting that cannot be used, in the words of the pruner.
        UnknownMethodError: no such method.
    """

    model_config = ConfigDict(arbitrary_types_allowed=True, extra="forbid")

    budget: Any = Field(PAGE_OPTIONS["budget"], frozen=True)
    threshold: Any = Field(PAGE_OPTIONS["threshold"], frozen=True)
    method: Any = Field(PAGE_OPTIONS["method"], frozen=True)
    counter: Any = Field(PAGE_OPTIONS["counter"], frozen=True)
    to: Any = Field(PAGE_OPTIONS["to"], frozen=True)
    level: Any = Field(PAGE_OPTIONS["level"], frozen=True)
    block_tokens: Any = Field(PAGE_OPTIONS["block_tokens"], frozen=True)
    keep: Any = Field(PAGE_OPTIONS["keep"], frozen=True)
    pick: Any = Field(PAGE_OPTIONS["pick"], frozen=True)
    prior: Any = Field(PAGE_OPTIONS["prior"], frozen=True)
    fill: Any = Field(PAGE_OPTIONS["fill"], frozen=True)
    encoding: Any = Field(PAGE_OPTIONS["encoding"], frozen=True)
    seed: Any = Field(PAGE_OPTIONS["seed"], frozen=True)
    share: Any = Field("joint", frozen=True)
    drop_empty: bool = Field(True, frozen=True)

    _pruner: PagePruner = PrivateAttr()

    def model_post_init(self, context: Any, /) -> None:
        """Make the pruner, so that a wrong setting is refused before there is any work."""
        super().model_post_init(context)
        options = {name: getattr(self, name) for name in PAGE_OPTIONS}
        self._pruner = PagePruner(options, share=self.share, drop_empty=self.drop_empty)
        self._pruner.warm_up()

    @classmethod
    def class_name(cls) -> str:
        """The name under which LlamaIndex knows it."""
        return cls.__name__

    def __call__(self, nodes: Sequence[Any], **kwargs: Any) -> list[Any]:
        """Nodes without scores, as a step of an ingestion pipeline takes them: main content.

        Args:
            nodes: pages.
            kwargs: ``query``, if there is one; others are LlamaIndex's and not used.
        """
        found = [NodeWithScore(node=node) for node in nodes]
        placed = self._pruner.prune(kwargs.get("query") or "", _pages(found))
        return [made.node for made in _rebuilt(found, placed)]

    def _postprocess_nodes(
        self, nodes: list[NodeWithScore], query_bundle: QueryBundle | None = None
    ) -> list[NodeWithScore]:
        return _rebuilt(nodes, self._pruner.prune(_query(query_bundle), _pages(nodes)))

    async def _apostprocess_nodes(
        self, nodes: list[NodeWithScore], query_bundle: QueryBundle | None = None
    ) -> list[NodeWithScore]:
        return _rebuilt(nodes, await self._pruner.aprune(_query(query_bundle), _pages(nodes)))


def _query(bundle: QueryBundle | None) -> str:
    return "" if bundle is None else str(bundle.query_str)


def _pages(nodes: Sequence[NodeWithScore]) -> list[Any]:
    made = []
    for found in nodes:
        node = found.node
        is_text = isinstance(node, TextNode) and not isinstance(node, ImageNode)
        # Without the metadata, which other modes put in front of the text.
        text = node.get_content(metadata_mode=MetadataMode.NONE) if is_text else None
        made.append(page_of(node.metadata, text) if is_text else None)
    return made


def _rebuilt(nodes: Sequence[NodeWithScore], placed: Placed) -> list[NodeWithScore]:
    return [
        nodes[place] if piece is None else _copy(nodes[place], piece) for place, piece in placed
    ]


def _copy(found: NodeWithScore, piece: Piece) -> NodeWithScore:
    node = found.node.model_copy(deep=True)
    node.set_content(piece.text)
    node.metadata.pop(HTML_KEY, None)
    ours: dict[str, Any] = {DETAILS: piece.details}
    if piece.score is not None:
        ours[_SCORE] = piece.score
    node.metadata.update(ours)
    for excluded in (node.excluded_llm_metadata_keys, node.excluded_embed_metadata_keys):
        excluded.extend(key for key in ours if key not in excluded)
    return found.model_copy(update={"node": node})
