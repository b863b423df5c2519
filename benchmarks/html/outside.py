"""What other packages make of the same pages; runs in the interpreter that has them.

``python outside.py TOOL TOKENIZER < jobs.jsonl > made.jsonl``. A job is ``{"question", "pages":
[html], "budgets": [int]}``; a line comes out for each: ``{"texts": {budget: text}, "cpu_s"}``.
Imports nothing of this repository. Tools: ``trafilatura`` (no budget: its text is cut by the
caller), ``htmlrag-bm25`` and ``htmlrag-minilm`` as released, and the same with ``-fixed``: its own
cleaning, blocks and ranking, but blocks are deleted from the worst upwards, as its authors'
research code does and the released package does not.
"""

from __future__ import annotations

import json
import logging
import sys
import time
import warnings
from collections.abc import Callable
from typing import Any

BLOCK_WORDS = 128

Tool = Callable[[dict[str, Any]], dict[str, str]]


def trafilatura_tool() -> Tool:
    from trafilatura import extract

    known: dict[str, str] = {}

    def run(job: dict[str, Any]) -> dict[str, str]:
        for page in job["pages"]:
            if page not in known:
                known[page] = extract(page, include_comments=False) or ""
        return {"all": "\n\n".join(known[page] for page in job["pages"])}

    return run


class Remembering:
    """An embedder that remembers the vectors of texts: the blocks of a page come back."""

    def __init__(self, inner: Any) -> None:
        self.inner = inner
        self.known: dict[str, list[float]] = {}

    def embed_documents(self, texts: list[str]) -> list[list[float]]:
        new = [text for text in dict.fromkeys(texts) if text not in self.known]
        if new:
            self.known.update(zip(new, self.inner.embed_documents(new), strict=True))
        return [self.known[text] for text in texts]

    def embed_query(self, text: str) -> list[float]:
        return list(self.inner.embed_query(text))

    def __call__(self, text: str) -> list[float]:
        return self.embed_query(text)


def fixed(html: str, blocks: Any, ranking: list[int], tokenizer: Any, budget: int) -> str:
    """Delete the worst block until the rest fits: the package's steps in the order meant."""
    import bs4
    from htmlrag.html_utils import simplify_html, trim_path, truncate_input

    soup = bs4.BeautifulSoup(html, "html.parser")
    paths = []
    for _, path, is_leaf in (blocks[place] for place in ranking):
        tag: Any = soup
        for step in path:
            children = (child for child in tag.contents if getattr(child, "name", None) == step)
            tag = next(children)
        length = len(tokenizer.encode(str(tag), add_special_tokens=False))
        paths.append({"tag": tag, "is_leaf": is_leaf, "length": length})
    total = sum(path["length"] for path in paths)
    while total > budget and len(paths) > 1:
        worst = paths.pop()
        total -= worst["length"]
        trim_path(worst)
    made = simplify_html(soup)
    while len(tokenizer.encode(made, add_special_tokens=False)) > budget and len(paths) > 1:
        trim_path(paths.pop())
        made = simplify_html(soup)
    if len(tokenizer.encode(made, add_special_tokens=False)) > budget:
        made = truncate_input(made, tokenizer, budget)
    return str(made)


def htmlrag_tool(ranker: str, folder: str, is_fixed: bool) -> Tool:
    from htmlrag import BM25HTMLPruner, EmbedHTMLPruner, build_block_tree, clean_html
    from transformers import AutoTokenizer

    tokenizer = AutoTokenizer.from_pretrained(folder)
    if ranker == "bm25":
        pruner = BM25HTMLPruner()
    else:
        pruner = EmbedHTMLPruner(embed_model=folder)
        pruner.embedder = Remembering(pruner.embedder)

    known: dict[tuple[str, ...], Any] = {}

    def run(job: dict[str, Any]) -> dict[str, str]:
        pages = tuple(job["pages"])
        if pages not in known:  # one at a time: questions on a page follow each other
            known.clear()
            cleaned = "\n".join(clean_html(page) for page in pages)
            known[pages] = build_block_tree(cleaned, max_node_words=BLOCK_WORDS)
        blocks, html = known[pages]
        ranking = pruner.calculate_block_rankings(job["question"], html, blocks)
        made = {}
        for budget in job["budgets"]:
            try:
                if is_fixed:
                    text = fixed(html, blocks, ranking, tokenizer, budget)
                else:
                    text = pruner.prune_HTML(html, blocks, ranking, tokenizer, budget)
            except (AssertionError, IndexError, StopIteration):  # known failures of the package
                text = ""
            made[str(budget)] = text
        return made

    return run


def main() -> None:
    name, folder = sys.argv[1], sys.argv[2]
    warnings.simplefilter("ignore")
    logging.disable(logging.ERROR)
    if name == "trafilatura":
        tool = trafilatura_tool()
    else:
        parts = name.split("-")
        tool = htmlrag_tool(parts[1], folder, "fixed" in parts)
    for line in sys.stdin:
        begun = time.process_time()
        texts = tool(json.loads(line))
        spent = time.process_time() - begun
        print(json.dumps({"texts": texts, "cpu_s": round(spent, 4)}), flush=True)


if __name__ == "__main__":
    main()
