"""LlamaIndex: a query engine whose nodes are pruned before a model reads them.

Needs ``pip install "datapruner[llama-index]"``; no network, no model to download. The model is
LlamaIndex's mock, which answers with the prompt that it was given.
"""

from __future__ import annotations

import argparse

from llama_index.core.llms import MockLLM
from llama_index.core.query_engine import RetrieverQueryEngine
from llama_index.core.retrievers import BaseRetriever
from llama_index.core.schema import NodeWithScore, QueryBundle, TextNode

from datapruner.integrations.llama_index import ContextPostprocessor

ATLAS = {
    "Italy": "Rome is the capital of Italy. It lies on the Tiber. Its people like ice cream.",
    "France": "The capital of France is Paris. It lies on the Seine. Its people like bread.",
    "Cats": "Cats purr. Nobody quite knows why. They sleep for two thirds of their lives.",
}


class Atlas(BaseRetriever):
    """Returns every page; take the retriever of your own index instead."""

    def _retrieve(self, query_bundle: QueryBundle) -> list[NodeWithScore]:
        return [
            NodeWithScore(node=TextNode(text=text, metadata={"title": title}, id_=title), score=0.5)
            for title, text in ATLAS.items()
        ]


def main() -> None:
    """Ask, prune and show what is left."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--query", default="What is the capital of France?")
    parser.add_argument("--budget", default="8 tokens")
    options = parser.parse_args()
    pruner = ContextPostprocessor(budget=options.budget, method="lexical", deadline=5.0)
    engine = RetrieverQueryEngine.from_args(Atlas(), llm=MockLLM(), node_postprocessors=[pruner])
    answer = engine.query(options.query)
    for found in answer.source_nodes:
        print(found.node.node_id, found.score, found.node.metadata["datapruner"])
    print(answer)


if __name__ == "__main__":
    main()
