"""Haystack: a pipeline of BM25 retriever, pruner and prompt builder, saved and read again.

Needs ``pip install "datapruner[haystack]"``; no network, no model to download.
"""

from __future__ import annotations

import argparse

from haystack import Document, Pipeline
from haystack.components.builders import PromptBuilder
from haystack.components.retrievers import InMemoryBM25Retriever
from haystack.document_stores.in_memory import InMemoryDocumentStore

from datapruner.integrations.haystack import ContextDocumentPruner

ATLAS = {
    "Italy": "Rome is the capital of Italy. It lies on the Tiber. Its people like ice cream.",
    "France": "The capital of France is Paris. It lies on the Seine. Its people like bread.",
    "Cats": "Cats purr. Nobody quite knows why. They sleep for two thirds of their lives.",
}
TEMPLATE = """{% for d in documents %}{{ d.content | trim }}

{% endfor %}Question: {{ query }}"""


def build(budget: str) -> Pipeline:
    """The pipeline from a query to a prompt."""
    store = InMemoryDocumentStore()
    store.write_documents(
        [Document(id=title, content=text, meta={"title": title}) for title, text in ATLAS.items()]
    )
    pruner = ContextDocumentPruner(budget=budget, method="lexical", deadline=5.0)
    pipeline = Pipeline()
    pipeline.add_component("retriever", InMemoryBM25Retriever(store))
    pipeline.add_component("pruner", pruner)
    pipeline.add_component("prompt", PromptBuilder(TEMPLATE, required_variables="*"))
    pipeline.connect("retriever.documents", "pruner.documents")
    pipeline.connect("pruner.documents", "prompt.documents")
    return pipeline


def main() -> None:
    """Ask, prune and show what is left."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--query", default="What is the capital of France?")
    parser.add_argument("--budget", default="8 tokens")
    options = parser.parse_args()
    pipeline = build(options.budget)
    made = pipeline.run(
        {name: {"query": options.query} for name in ("retriever", "pruner", "prompt")},
        include_outputs_from={"pruner"},
    )
    for document in made["pruner"]["documents"]:
        print(document.id, document.score, document.meta["datapruner"])
    print(made["prompt"]["prompt"])
    # Haystack reads components of other packages only where they are allowed by name.
    again = Pipeline.loads(pipeline.dumps(), allowed_modules=["datapruner.*"])
    print(
        "saved and read:",
        again.get_component("pruner").to_dict() == pipeline.to_dict()["components"]["pruner"],
    )


if __name__ == "__main__":
    main()
