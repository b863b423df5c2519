"""LangChain: a retriever, the compressor behind it, and the prompt that a model would read.

Needs ``pip install "datapruner[langchain]"``; no network, no model to download.
"""

from __future__ import annotations

import argparse
from typing import Any

from langchain_core.documents import Document
from langchain_core.prompts import PromptTemplate
from langchain_core.retrievers import BaseRetriever
from langchain_core.runnables import RunnablePassthrough

from datapruner.integrations.langchain import ContextCompressor

ATLAS = {
    "Italy": "Rome is the capital of Italy. It lies on the Tiber. Its people like ice cream.",
    "France": "The capital of France is Paris. It lies on the Seine. Its people like bread.",
    "Cats": "Cats purr. Nobody quite knows why. They sleep for two thirds of their lives.",
}


class Atlas(BaseRetriever):
    """Returns every page; take the retriever of your own vector store instead."""

    def _get_relevant_documents(self, query: str, *, run_manager: Any) -> list[Document]:
        return [
            Document(text, metadata={"title": title}, id=title) for title, text in ATLAS.items()
        ]


def joined(documents: list[Document]) -> str:
    """The context as the prompt shows it."""
    return "\n\n".join(document.page_content.strip() for document in documents)


def main() -> None:
    """Ask, prune and show what is left."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--query", default="What is the capital of France?")
    parser.add_argument("--budget", default="8 tokens")
    options = parser.parse_args()
    compressor = ContextCompressor(budget=options.budget, method="lexical", deadline=5.0)
    found = {
        "query": RunnablePassthrough(),
        "documents": Atlas(),
    } | compressor.as_runnable()
    documents = found.invoke(options.query)
    for document in documents:
        print(document.id, document.metadata["relevance_score"], document.metadata["datapruner"])
    prompt = PromptTemplate.from_template("{context}\n\nQuestion: {query}")
    print(prompt.format(context=joined(documents), query=options.query))


if __name__ == "__main__":
    main()
