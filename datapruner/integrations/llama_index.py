"""ContextPostprocessor: the pruner as a node postprocessor of LlamaIndex.

It stands wherever LlamaIndex takes a ``BaseNodePostprocessor``::

    engine = index.as_query_engine(node_postprocessors=[ContextPostprocessor(budget="2048 tokens")])

Interface: llama-index-core, ``postprocessor/types.py`` and ``schema.py``.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from datapruner.context.chunk import Chunk
from datapruner.errors import MissingExtraError
from datapruner.integrations.documents import DETAILS, Piece, Placed, title_of
from datapruner.integrations.fields import PrunerFields

try:
    from llama_index.core.postprocessor.types import BaseNodePostprocessor
    from llama_index.core.schema import (
        ImageNode,
        MetadataMode,
        Node,
        NodeWithScore,
        QueryBundle,
        TextNode,
    )
except ImportError as error:  # pragma: no cover - the tests have it
    raise MissingExtraError(
        'the postprocessor needs LlamaIndex: pip install "datapruner[llama-index]".'
    ) from error

__all__ = ["ContextPostprocessor"]

_RETRIEVED = "retrieval_score"


class ContextPostprocessor(PrunerFields, BaseNodePostprocessor):  # type: ignore[misc]
    """Keeps the sentences of retrieved nodes that answer the query, within one budget.

    Nodes come out as copies: text pruned, ``node_id``, relationships, metadata and character extent
    kept (the extent is that of the source). An embedding is kept too, and is that of the whole
    text. What was done stands in the metadata under ``datapruner``
    (``datapruner.integrations.documents.Piece``), which neither models nor embeddings get to see.
    Nodes without a text, such as images, and calls without a query pass unchanged.

    The score of a node stays what the retriever gave, unless ``order`` asks for another order than
    ``"source"``: then it is the pruner's, and the retriever's goes to ``retrieval_score`` in the
    metadata.

    The fields are those of ``PrunerFields``.

    Raises:
        ValueError: a setting that cannot be used, in the words of the pruner.
        UnknownMethodError: no such method.
    """

    @classmethod
    def class_name(cls) -> str:
        """The name under which LlamaIndex knows it."""
        return cls.__name__

    def _postprocess_nodes(
        self, nodes: list[NodeWithScore], query_bundle: QueryBundle | None = None
    ) -> list[NodeWithScore]:
        if query_bundle is None:
            return nodes
        placed = self._pruner.prune(query_bundle.query_str, self._chunks(nodes))
        return self._rebuilt(nodes, placed)

    async def _apostprocess_nodes(
        self, nodes: list[NodeWithScore], query_bundle: QueryBundle | None = None
    ) -> list[NodeWithScore]:
        if query_bundle is None:
            return nodes
        placed = await self._pruner.aprune(query_bundle.query_str, self._chunks(nodes))
        return self._rebuilt(nodes, placed)

    def _chunks(self, nodes: Sequence[NodeWithScore]) -> list[Chunk | None]:
        return [self._chunk(place, found.node) for place, found in enumerate(nodes)]

    def _chunk(self, place: int, node: Any) -> Chunk | None:
        if not isinstance(node, TextNode | Node) or isinstance(node, ImageNode):
            return None
        # Without the metadata, which other modes put in front of the text.
        text = node.get_content(metadata_mode=MetadataMode.NONE)
        if not text and not isinstance(node, TextNode):
            return None
        return Chunk(place, text, title_of(node.metadata, self.title_key))

    def _rebuilt(self, nodes: Sequence[NodeWithScore], placed: Placed) -> list[NodeWithScore]:
        return [
            nodes[place] if piece is None else self._copy(nodes[place], piece)
            for place, piece in placed
        ]

    def _copy(self, found: NodeWithScore, piece: Piece) -> NodeWithScore:
        node, score = found.node.model_copy(deep=True), found.score
        node.set_content(piece.text)
        ours: dict[str, Any] = {DETAILS: piece.details}
        if self.order != "source" and piece.score is not None:
            ours[_RETRIEVED], score = score, piece.score
        node.metadata.update(ours)
        for excluded in (node.excluded_llm_metadata_keys, node.excluded_embed_metadata_keys):
            excluded.extend(key for key in ours if key not in excluded)
        return found.model_copy(update={"node": node, "score": score})
