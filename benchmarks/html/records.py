"""Questions on web pages in one form: a question, whole pages, and what the output must hold.

Five sets. *faq_html*: the pages of health agencies; the gold is the section that answers. *websrc*:
small pages with tables; the gold is a short string. *crag_html*: five pages of search results a
question; the gold is the names in the reference answer, and the sentences of the search engine's
snippets. *python_faq*: the FAQ of the Python manual; a heading that is a question is asked, and its
section is the gold. *python_faq_untitled*: the same with that heading taken out of the page.

One rule says whether an answer is in an output, whatever method and format it comes from: see
``holds``.
"""

from __future__ import annotations

import json
import os
import re
from collections.abc import Iterator
from dataclasses import dataclass
from html import unescape
from pathlib import Path
from typing import Any

from lxml import etree, html

from benchmarks.common.loaders import DataAbsentError, data_folder
from datapruner import rng

__all__ = [
    "SETS",
    "SPLIT",
    "Page",
    "Record",
    "holds",
    "is_training",
    "read",
    "share_held",
    "visible_text",
]

SETS = ("faq_html", "websrc", "crag_html", "python_faq", "python_faq_untitled")
SPLIT = ("faq_html", "python_faq", "python_faq_untitled")
"""Sets of which one half of the questions served to choose defaults: the other half is reported."""

KEY_WORDS = 20
"""Words of a gold section, from its start to the end of a sentence, that must be in the output."""

SHINGLE = 5

CRAG_NAMES = {
    "1645bfaf": ("hess midstream", "xerox", "at&t"),
    "55b219e5": ("salesforce",),
    "6a9a6e0f": ("aniston", "kardashian", "selena gomez"),
}
"""Names in the reference answers of crag_html; the other three are yes, a code, or on no page."""

_SENTENCE = re.compile(r"(?<=[.!?:;])\s+")
_NOT_WORD = re.compile(r"[\W_]+")
_GAP = re.compile(r"\s*(?:\.\.\.|·)\s*")
_SILENT = ("script", "style", "noscript", "template", "head", "title")


@dataclass(frozen=True)
class Page:
    """One page as a crawler hands it over.

    Attributes:
        source: where it is from.
        title: as the search engine or the page says; "" where it is not known.
        html: the bytes, UTF-8.
    """

    source: str
    title: str
    html: bytes


@dataclass(frozen=True)
class Record:
    """One question.

    Attributes:
        set: name of the set.
        id: as in the set.
        question: the question.
        pages: one or several pages that share a budget.
        answers: all of them must be in the output (see ``holds``); never empty.
        gold: text of the gold section or passages, for ``share_held``; "" where there is none.
    """

    set: str
    id: str
    question: str
    pages: tuple[Page, ...]
    answers: tuple[str, ...]
    gold: str


def squeezed(text: str) -> str:
    """Letters and digits in lower case, nothing between them."""
    return _NOT_WORD.sub("", text).lower()


def words(text: str) -> list[str]:
    """Words in lower case."""
    return _NOT_WORD.sub(" ", text).lower().split()


def visible_text(output: str) -> str:
    """The text of an output in HTML: tags become spaces, comments and scripts go."""
    if not output.strip():
        return ""
    try:
        root = html.document_fromstring(output.encode("utf-8", "replace"), parser=_parser())
    except etree.ParserError:  # nothing but comments
        return ""
    return text_of(root)


def text_of(element: html.HtmlElement) -> str:
    """Text of an element, pieces apart by spaces, without what no browser shows."""
    pieces = []
    for event, node in etree.iterwalk(element, events=("start", "end")):
        if event == "end":
            pieces.append((node.tail or "") if node is not element else "")
        elif node.tag not in _SILENT:
            pieces.append(node.text or "")
    return " ".join(filter(None, pieces))


def holds(text: str, answer: str) -> bool:
    """Whether an answer stands in a text.

    Five words or more: as a run of letters and digits, whatever stands between the words, so that
    no method loses for how it renders a link or a list. Fewer: as whole words.
    """
    if len(words(answer)) >= SHINGLE:
        return squeezed(answer) in squeezed(text)
    return f" {' '.join(words(answer))} " in f" {' '.join(words(text))} "


def share_held(text: str, gold: str) -> float:
    """Share of the gold's runs of five words that stand in a text; 1 where the gold is empty."""
    wanted = _shingles(gold)
    return len(wanted & _shingles(text)) / len(wanted) if wanted else 1.0


def _shingles(text: str) -> set[tuple[str, ...]]:
    found = words(text)
    return {tuple(found[i : i + SHINGLE]) for i in range(max(len(found) - SHINGLE + 1, 1))}


def opening(text: str) -> str:
    """The first sentences of a section, as many as make ``KEY_WORDS`` words, or all of it."""
    taken: list[str] = []
    for sentence in _SENTENCE.split(text.strip()):
        taken.append(sentence)
        if len(words(" ".join(taken))) >= KEY_WORDS:
            break
    # One endless sentence would ask for more than a small budget holds.
    return " ".join(" ".join(taken).split()[: 3 * KEY_WORDS])


def is_training(record: Record) -> bool:
    """Whether a question is of the half that defaults were chosen on, by a hash of its id."""
    key = rng.mix(rng.hash_strings([record.id]), 23)
    return record.set in SPLIT and bool(rng.unit_interval(key)[0] < 0.5)


def read(name: str) -> list[Record]:
    """The questions of a set, in the order of its files; those whose answer is on no page left out.

    Raises:
        DataAbsentError: the set is not on this machine.
    """
    made = {
        "faq_html": _faq,
        "websrc": _websrc,
        "crag_html": _crag,
        "python_faq": _manual,
        "python_faq_untitled": _manual_untitled,
    }[name]()
    known: dict[bytes, str] = {}
    found = []
    for record in made:
        for page in record.pages:
            if page.html not in known:
                known[page.html] = visible_text(page.html.decode("utf-8", "replace"))
        whole = " ".join(known[page.html] for page in record.pages)
        if all(holds(whole, answer) for answer in record.answers):
            found.append(record)
    return found


def _parser() -> html.HTMLParser:
    return html.HTMLParser(encoding="utf-8", huge_tree=True, remove_comments=True)


def _rows(file: str) -> list[dict[str, Any]]:
    import polars as pl

    path = data_folder() / f"{file}.parquet"
    if not path.is_file():
        raise DataAbsentError(f"{file}.parquet is not in the data folder")
    return list(pl.read_parquet(path).iter_rows(named=True))


def _pages(name: str) -> dict[str, Page]:
    return {
        row["id"]: Page(row["url"] or row["id"], row["title"] or "", row["html"].encode())
        for row in _rows(f"{name}/pages")
    }


def _faq() -> Iterator[Record]:
    pages = _pages("faq_html")
    trees = {
        name: html.document_fromstring(page.html, parser=_parser()) for name, page in pages.items()
    }
    for row in _rows("faq_html/questions"):
        section = json.loads(row["extra"])["section_id"]
        found = trees[row["page_id"]].xpath(f"//section[@id='{section}']")
        gold = text_of(found[0]) if found else ""
        if words(gold):
            page = (pages[row["page_id"]],)
            yield Record("faq_html", row["id"], row["question"], page, (opening(gold),), gold)


def _websrc() -> Iterator[Record]:
    pages = _pages("websrc")
    for row in _rows("websrc/questions"):
        # Yes and no, and answers that are a whole page, have no place of their own.
        if json.loads(row["extra"])["element_tid"] != "-1":
            page = (pages[row["page_id"]],)
            yield Record("websrc", row["id"], row["question"], page, tuple(row["answers"]), "")


def _crag() -> Iterator[Record]:
    pages = _pages("crag_html")
    for row in _rows("crag_html/questions"):
        mine = {name: page for name, page in pages.items() if name.startswith(row["id"])}
        seen: dict[bytes, Page] = {}
        for page in mine.values():  # a search may give the same page twice
            seen.setdefault(page.html, page)
        whole = " ".join(visible_text(page.html.decode()) for page in seen.values())
        names = tuple(n for n in CRAG_NAMES.get(row["id"][:8], ()) if holds(whole, n))
        if names:
            gold = _snippet_gold(json.loads(row["extra"])["snippets"], squeezed(whole))
            yield Record("crag_html", row["id"], row["question"], (*seen.values(),), names, gold)


def _snippet_gold(snippets: list[str], whole: str) -> str:
    """Sentences of the snippets that stand on the pages (squeezed), each once."""
    kept: dict[str, None] = {}
    for snippet in snippets:
        plain = unescape(re.sub(r"</?strong>", "", snippet))
        for stretch in _GAP.split(plain):
            for sentence in _SENTENCE.split(stretch):
                if len(words(sentence)) >= 2 * SHINGLE and squeezed(sentence) in whole:
                    kept.setdefault(sentence)
    return " ".join(kept)


def manual_folder() -> Path:
    """Where the HTML of the Python manual is: ``$DATAPRUNER_MANUAL``, else the Debian package's.

    Raises:
        DataAbsentError: it is not there; says which package brings it.
    """
    folder = Path(os.environ.get("DATAPRUNER_MANUAL", "/usr/share/doc/python3.11/html"))
    if not (folder / "faq").is_dir():
        raise DataAbsentError(f"no manual in {folder}; apt-get install python3.11-doc")
    return folder


def _manual() -> Iterator[Record]:
    """The pages as they are."""
    for path in sorted((manual_folder() / "faq").glob("*.html")):
        root = html.document_fromstring(path.read_bytes(), parser=_parser())
        page = Page(f"faq/{path.name}", root.findtext(".//title") or "", path.read_bytes())
        for place, heading in enumerate(_questions(root)):
            section = heading.getparent()
            section.remove(heading)
            if words(text_of(section)):
                yield _of_manual("python_faq", f"{path.stem}-{place}", heading, section, page)


def _manual_untitled() -> Iterator[Record]:
    """The heading of each question is taken out of the page that it is asked of."""
    for path in sorted((manual_folder() / "faq").glob("*.html")):
        content = path.read_bytes()
        number = len(_questions(html.document_fromstring(content, parser=_parser())))
        for place in range(number):
            # The tree is made again for every question, for it is changed.
            root = html.document_fromstring(content, parser=_parser())
            heading = _questions(root)[place]
            section = heading.getparent()
            section.remove(heading)
            page = Page(f"faq/{path.name}", root.findtext(".//title") or "", _bytes(root))
            if words(text_of(section)):
                name = f"{path.stem}-{place}"
                yield _of_manual("python_faq_untitled", name, heading, section, page)


def _of_manual(
    name: str, place: str, heading: html.HtmlElement, section: html.HtmlElement, page: Page
) -> Record:
    question = heading.text_content().rstrip("¶ \n")
    gold = text_of(section)
    return Record(name, place, question, (page,), (opening(gold),), gold)


def _questions(root: html.HtmlElement) -> list[html.HtmlElement]:
    """Headings of sections that are questions. The tables of contents keep them, as on any page."""
    found = root.xpath("//section/h2 | //section/h3")
    return [heading for heading in found if "?" in heading.text_content()]


def _bytes(root: html.HtmlElement) -> bytes:
    made: bytes = etree.tostring(root, method="html", encoding="utf-8", doctype="<!DOCTYPE html>")
    return made
