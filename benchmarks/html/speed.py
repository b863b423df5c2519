"""What pruning a page costs: beside bare parsing, beside htmlrag, as pages grow, and in memory."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import numpy as np
from lxml import html as lxml_html

from benchmarks.common.loaders import DataAbsentError
from benchmarks.html.articles import ARTICLES, read_articles
from benchmarks.html.methods import ONE_THREAD, tokenizer_folder
from benchmarks.html.records import manual_folder, read
from datapruner.context.html.prune import HtmlPruner

QUERY = "Why does the price of a company rise or fall, and how is it measured?"
BUDGET = 1024
REPEATS = 5
PAGES = 25
SIBLINGS = (1, 10, 100, 1_000, 10_000, 100_000)
DEPTHS = (1, 10, 100, 1_000, 10_000)
LARGE = 1_000
"""Sizes from here on make the slope; below, a call costs what a call costs."""

HTMLRAG_PAGES = 8
HTMLRAG_LARGEST = 300_000
"""Bytes of a page that htmlrag is given at most: it takes minutes for one of a megabyte."""
TINY = "<p>a tiny page</p><p>to load what is loaded late</p>"
MIB = 2**20


def measure(python: str | None) -> dict[str, Any]:
    """All figures; those beside htmlrag where there is an interpreter with it."""
    sets = dict(page_sets())
    found: dict[str, Any] = {"query": QUERY, "budget": BUDGET, "repeats": REPEATS}
    found["ratios"] = [ratios(name, pages) for name, pages in sets.items()]
    found["growth"] = [
        growth("siblings", SIBLINGS, lambda n: b"<html><body>" + b"<p>one of them</p>" * n),
        growth("depth", DEPTHS, lambda n: b"<html><body>" + b"<div>in" * n + b"</div>" * n),
    ]
    largest = {name: max(pages, key=len) for name, pages in sets.items() if pages}
    largest["many siblings"] = b"<html><body>" + b"<p>one of them</p>" * 100_000
    found["memory"] = [memory(name, page) for name, page in largest.items()]
    if python is not None:
        found["htmlrag"] = [
            beside_htmlrag(name, few(pages), python) for name, pages in sets.items()
        ]
    return found


def page_sets() -> Iterator[tuple[str, list[bytes]]]:
    """Real pages by set, small and large; sets that are not here are left out."""
    readers: dict[str, Callable[[], list[bytes]]] = {
        name: lambda name=name: [one.html for one in read_articles(name)]  # type: ignore[misc]
        for name in ARTICLES
    }
    readers["crag_html"] = lambda: [p.html for record in read("crag_html") for p in record.pages]
    readers["python_manual"] = _manual_pages
    for name, reader in readers.items():
        try:
            pages = sorted(reader(), key=len)
        except DataAbsentError as absent:
            print(f"skipped {name}: {absent}", file=sys.stderr)
            continue
        # Even steps through the sizes, the largest among them.
        places = np.unique(np.linspace(0, len(pages) - 1, min(PAGES, len(pages))).round())
        yield name, [pages[place] for place in places.astype(int).tolist()]


def _manual_pages() -> list[bytes]:
    return [path.read_bytes() for path in sorted(manual_folder().rglob("*.html"))]


def medians(*calls: Callable[[], Any], repeats: int = REPEATS) -> list[float]:
    """Median CPU seconds of each call, the calls taking turns, after one that warms up."""
    taken = np.empty((repeats, len(calls)))
    for call in calls:
        call()
    for row in taken:
        for place, call in enumerate(calls):
            begun = time.process_time()
            call()
            row[place] = time.process_time() - begun
    return [float(value) for value in np.median(taken, axis=0)]


def ratios(name: str, pages: list[bytes]) -> dict[str, Any]:
    """CPU time of the whole lexical pipeline over that of bare parsing, on the same bytes."""
    pruner = HtmlPruner(budget=f"{BUDGET} tokens", method="lexical")
    seconds = np.array(
        [
            medians(
                lambda p=page: pruner(p, QUERY), lambda p=page: lxml_html.document_fromstring(p)
            )  # type: ignore[misc]
            for page in pages
        ]
    )
    each = seconds[:, 0] / seconds[:, 1]
    return {
        "set": name,
        "pages": len(pages),
        "kb": round(sum(map(len, pages)) / 1000),
        "ratio": round(float(seconds[:, 0].sum() / seconds[:, 1].sum()), 2),
        "median": round(float(np.median(each)), 2),
        "worst": round(float(each.max()), 2),
        "worst_kb": round(len(pages[int(each.argmax())]) / 1000),
        "largest": round(float(each[-1]), 2),
        "mb_per_s": round(sum(map(len, pages)) / 1e6 / float(seconds[:, 0].sum()), 2),
    }


def growth(shape: str, sizes: tuple[int, ...], page: Callable[[int], bytes]) -> dict[str, Any]:
    """CPU time as a page grows, and the slope of its logarithm over that of the size."""
    pruner = HtmlPruner(budget=f"{BUDGET} tokens", method="lexical")
    taken = []
    for size in sizes:
        content = page(size)
        repeats = 1 if size > 10_000 else REPEATS
        taken.append(medians(lambda c=content: pruner(c, "them"), repeats=repeats)[0])  # type: ignore[misc]
    large = [place for place, size in enumerate(sizes) if size >= LARGE]
    slope = np.polyfit(
        np.log([sizes[place] for place in large]), np.log([taken[place] for place in large]), 1
    )[0]
    times = {str(n): round(1000 * t, 2) for n, t in zip(sizes, taken, strict=True)}
    return {"shape": shape, "cpu_ms": times, "slope": round(float(slope), 3)}


def memory(name: str, page: bytes) -> dict[str, Any]:
    """Peak memory of one call in a process of its own, above what a tiny page needs."""
    with tempfile.NamedTemporaryFile(suffix=".html") as file:
        file.write(page)
        file.flush()
        done = subprocess.run(
            [sys.executable, "-m", "benchmarks.html.speed", file.name],
            capture_output=True,
            text=True,
            check=True,
            env={**os.environ, **ONE_THREAD},
            cwd=Path(__file__).resolve().parents[2],
        )
    grown = json.loads(done.stdout)["grown"]
    return {
        "page": name,
        "kb": round(len(page) / 1000),
        "peak_mib": round(grown / MIB, 1),
        "per_byte": round(grown / len(page), 2),
    }


def peak() -> int:
    """Bytes, the highest so far of this very process; ru_maxrss would carry over the parent's."""
    status = Path("/proc/self/status").read_text()
    line = next(text for text in status.splitlines() if text.startswith("VmHWM"))
    return int(line.split()[1]) * 1024


def few(pages: list[bytes]) -> list[bytes]:
    """Some pages, in even steps through the sizes of those that are not too large for htmlrag."""
    small = [page for page in pages if len(page) <= HTMLRAG_LARGEST]
    places = np.unique(np.linspace(0, len(small) - 1, min(HTMLRAG_PAGES, len(small))).round())
    return [small[place] for place in places.astype(int).tolist()]


def beside_htmlrag(name: str, pages: list[bytes], python: str) -> dict[str, Any]:
    """CPU seconds end to end with BM25, both with the same tokenizer and budget, imports apart."""
    texts = [TINY, *(page.decode("utf-8", "replace") for page in pages)]
    lines = [json.dumps({"question": QUERY, "pages": [t], "budgets": [BUDGET]}) for t in texts]
    outside = str(Path(__file__).with_name("outside.py"))
    done = subprocess.run(
        [python, outside, "htmlrag-bm25", tokenizer_folder()],
        input="\n".join(lines),  # the first one warms up
        capture_output=True,
        text=True,
        check=True,
        env={**os.environ, **ONE_THREAD},
    )
    theirs = sum(json.loads(line)["cpu_s"] for line in done.stdout.splitlines()[1:])
    pruner = HtmlPruner(budget=f"{BUDGET} tokens", method="lexical", counter=tokenizer_folder())
    ours = sum(medians(lambda p=page: pruner(p, QUERY), repeats=1)[0] for page in pages)  # type: ignore[misc]
    return {
        "set": name,
        "pages": len(pages),
        "kb": round(sum(map(len, pages)) / 1000),
        "ours_s": round(ours, 3),
        "htmlrag_s": round(theirs, 2),
        "times": round(theirs / ours, 1),
    }


if __name__ == "__main__":
    given = Path(sys.argv[1]).read_bytes()
    one = HtmlPruner(budget=f"{BUDGET} tokens", method="lexical")
    one(b"<p>a tiny page to load what is loaded late</p>", QUERY)
    before = peak()
    one(given, QUERY)
    print(json.dumps({"grown": peak() - before}))
