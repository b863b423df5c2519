"""Pages with a known main text, and how near an extractor comes to it.

Three sets: *html_articles* and *html_readability* have the main text of each page,
*html_boilerplate* has snippets that must stay and snippets that must go. All are split by site: no
site of the test part was seen when the weights of the scorer ``main`` were fitted.
"""

from __future__ import annotations

import re
from collections import Counter
from dataclasses import dataclass
from typing import Any
from urllib.parse import urlsplit

from benchmarks.common.loaders import DataAbsentError, data_folder
from benchmarks.html.records import squeezed, words
from datapruner import rng

__all__ = ["ARTICLES", "SNIPPETS", "Article", "overlap", "read_articles", "snippets_right"]

ARTICLES = ("html_articles", "html_readability")
SNIPPETS = "html_boilerplate"
TRAINING = 0.4
"""Share of the sites whose pages the weights are fitted on."""


@dataclass(frozen=True)
class Article:
    """One page.

    Attributes:
        set: name of the set.
        id: as in the set.
        site: the name that hosts go by, without their domain: pages of one site share a part.
        part: ``"train"`` or ``"test"``.
        html: bytes.
        main: the main text; "" where the set has none.
        keep, drop: snippets.
    """

    set: str
    id: str
    site: str
    part: str
    html: bytes
    main: str
    keep: tuple[str, ...]
    drop: tuple[str, ...]


def read_articles(name: str) -> list[Article]:
    """The pages of a set, in the order of its file; those without a main text or snippet left out.

    Raises:
        DataAbsentError: the set is not on this machine.
    """
    import polars as pl

    path = data_folder() / name / "pages.parquet"
    if not path.is_file():
        raise DataAbsentError(f"{name}/pages.parquet is not in the data folder")
    rows = list(pl.read_parquet(path).iter_rows(named=True))
    sites = [_site(row) for row in rows]
    drawn = rng.unit_interval(rng.mix(rng.hash_strings(sites), 6))
    found = []
    for row, site, draw in zip(rows, sites, drawn.tolist(), strict=True):
        part = "train" if draw < TRAINING else "test"
        snippets = [tuple(row[key] or ()) for key in ("keep", "drop")]
        main = row["main_text"] or ""
        if main.strip() or any(snippets):
            content = row["html"].encode("utf-8", "surrogatepass")
            found.append(Article(name, row["id"], site, part, content, main, *snippets))
    return found


def _site(row: dict[str, Any]) -> str:
    """``nytimes`` of ``www.nytimes.com`` and of the page ``nytimes-2``."""
    host = urlsplit(row["url"] or "").hostname
    if host:
        labels = host.removeprefix("www.").split(".")
        return max(labels[:-1] or labels, key=len)
    return re.sub(r"[-_]?\d*\Z", "", row["id"]) or str(row["id"])


def overlap(made: str, gold: str) -> tuple[float, float, float]:
    """Precision, recall and F1 of the words of two texts as bags; all 0 where none is shared."""
    ours, theirs = Counter(words(made)), Counter(words(gold))
    shared = sum((ours & theirs).values())
    if not shared:
        return 0.0, 0.0, 0.0
    precision, recall = shared / ours.total(), shared / theirs.total()
    return precision, recall, 2 * precision * recall / (precision + recall)


def snippets_right(made: str, page: Article) -> tuple[float, float]:
    """Share of the snippets to keep that are there, and of those to drop that are not."""
    text = squeezed(made)
    kept = [squeezed(snippet) in text for snippet in page.keep]
    gone = [squeezed(snippet) not in text for snippet in page.drop]
    return _mean(kept), _mean(gone)


def _mean(found: list[bool]) -> float:
    return sum(found) / len(found) if found else 1.0
