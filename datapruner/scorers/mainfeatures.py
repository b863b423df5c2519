"""What tells a page's own text from what surrounds it, as numbers a row of one page."""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property

import numpy as np

from datapruner.core.types import AnyArray, FloatArray, IntArray
from datapruner.scorers.mainsums import Inside, Table, around, shifted, together
from datapruner.scorers.marks import CUES, Marks, Outline

__all__ = ["FIRST", "WINDOWS", "Sheet", "first_features", "in_columns"]

WINDOWS = (1, 3, 8)
"""How many neighbours on either side are looked at."""

_LEVELS = (0, 1, 2)
_UP = ("words", "share", "prose share", "linked", "mean", "density")
# Nearly every page has these everywhere, whatever part of it they stand in.
_PLAIN = ("paragraph", "link", "item", "inline")
_SCOPED = tuple(place for place, name in enumerate(CUES) if name not in _PLAIN)

_OF_TEXT = (
    *("words", "linked", "stops", "commas", "ends", "digits", "capitals", "word length"),
    *("phrases", "dated", "lower", "quoted", "repeated", "place"),
)
_OF_RUN = ("run words", "run linked", "run stops", "is part", "is whole")
_OF_HEADINGS = (
    *("section", "section share", "section rows", "section linked", "heading phrase"),
    *("headings", "main headings", "titled", "after title", "from title"),
)
_OF_READERS = ("in best", "best", "best share", "holder share", "in net", "net size")
_OF_NEIGHBOURS = (
    *(f"{what} within {width}" for what in ("prose", "linked", "words") for width in WINDOWS),
    *("words before", "words after", "linked before", "linked after"),
)

FIRST: tuple[str, ...] = (
    *_OF_TEXT,
    *_OF_RUN,
    *_OF_HEADINGS,
    *(f"up {level} {what}" for level in _LEVELS for what in _UP),
    *_OF_READERS,
    *_OF_NEIGHBOURS,
    *(f"far {name}" for name in CUES),
    *(f"scope {CUES[place]}" for place in _SCOPED),
)
"""Names of the columns of ``first_features``."""

_STOP = re.compile(r"[.!?…。！？।؟]")
_COMMA = re.compile(r"[,;:،؛、，；：]")
_DIGIT = re.compile(r"\d")
_CAPITAL = re.compile(r"\b[A-ZÀ-ÖØ-ÞА-Я]")
_END = re.compile(r"[.!?…。！？।؟:][\"'”’»)\]]*\Z")
_DATE = re.compile(r"(?:19|20)\d\d|\d{1,2}[:.]\d\d")
_PHRASE = re.compile(
    r"©|copyright|all rights|cookie|newsletter|subscri|sign up|log ?in|read more|share (?:this|on)|"
    r"follow us|advertis|comment|kommentar|anzeige|privacy|datenschutz|impressum|weiterlesen|"
    r"e-?mail|click here|terms of|posted (?:by|in|on)|related|facebook|twitter|instagram|register|"
    r"abonnier|teilen|antworten|\breply\b"
)
"""What stands around texts in words, in the two languages of most training pages."""
_HEADING = re.compile(
    r"relat|more|comment|kommentar|repl|share|also|recommend|popular|trending|latest|recent|"
    r"newsletter|subscri|follow|about|author|contact|mehr|weiter|antwort|categor|kategor|archiv|"
    r"tags?\b|links|leave|sponsor|auch|beitr|artikel|search|navigation|menu|footer|meist|\btop "
)
_QUOTES = frozenset("\"'“„«‘»")

_LONG = 8.0
"""Words from which a row counts for the container that holds it."""
_LEAST_PROSE = 0.35
"""Prose a word that an element must have to count for the page's text."""
_BEFORE, _BEHIND, _NOWHERE = -50, 200, -60
"""Rows from the title: the bounds, and what stands where no heading says it."""


@dataclass(frozen=True, eq=False)
class Sheet:
    """One page as both judgements see it, n rows in document order.

    Attributes:
        texts: of the rows.
        titles: the headings above each, `` > `` between them; "" for none.
        marks: of each.
        section: shape (n,), equal for the rows under the same heading.
    """

    texts: Sequence[str]
    titles: Sequence[str]
    marks: Marks
    section: IntArray

    @cached_property
    def outline(self) -> Outline:
        """The elements of the page."""
        return self.marks.outlines[int(self.marks.page[0])]

    @cached_property
    def words(self) -> FloatArray:
        """Shape (n,): length of each row; where no spaces are, twelve letters are a word."""
        return np.array(
            [max(text.count(" ") + 1.0, len(text) / 12.0) if text else 0.0 for text in self.texts]
        )

    @cached_property
    def prose(self) -> FloatArray:
        """Shape (n,): how much like prose each row is, in [0, 1): long, and no link."""
        made: FloatArray = np.tanh(self.words / 20.0) * (1.0 - self.marks.linked)
        return made

    @cached_property
    def inside(self) -> Inside:
        """The elements that the rows stand in."""
        return Inside(self.outline, self.marks.element, self.marks.whole)

    @cached_property
    def run_code(self) -> IntArray:
        """Shape (n,): numbers of the runs, from 0."""
        code: IntArray = np.unique(self.marks.run, return_inverse=True)[1]
        return code

    @cached_property
    def section_code(self) -> IntArray:
        """Shape (n,): numbers of the sections, from 0."""
        code: IntArray = np.unique(self.section, return_inverse=True)[1]
        return code


def first_features(sheet: Sheet) -> Table:
    """What each row says of itself, and what stands around it.

    Args:
        sheet: a page of n rows, at least one.

    Returns:
        n rows of len(FIRST) columns.
    """
    marks = sheet.marks
    made = in_columns(_groups(sheet), FIRST[: -len(CUES) - len(_SCOPED)], len(sheet.texts))
    return Table((made, marks.far, marks.scope[:, _SCOPED]))


def _groups(sheet: Sheet) -> Iterator[dict[str, AnyArray | float]]:
    of_text = _of_text(sheet)
    yield of_text
    yield _of_run(sheet, np.asarray(of_text["stops"]))
    yield _of_headings(sheet)
    yield _of_holders(sheet)
    yield _of_readers(sheet)
    yield _of_neighbours(sheet)


def in_columns(
    groups: Iterable[Mapping[str, AnyArray | float]], names: Sequence[str], rows: int
) -> FloatArray:
    """The named columns beside each other.

    Args:
        groups: columns of shape (n,) each, or one number for all rows; read one after another.
        names: of all of them, in the order that they are to have.
        rows: n.

    Returns:
        Shape (n, len(names)), float32.
    """
    made = np.empty((rows, len(names)), dtype=np.float32)
    place = {name: column for column, name in enumerate(names)}
    for group in groups:
        for name, values in group.items():
            made[:, place.pop(name)] = values
    assert not place, f"no such columns were made: {sorted(place)}"
    return made


def _found(pattern: re.Pattern[str], texts: Sequence[str]) -> FloatArray:
    return np.array([len(pattern.findall(text)) for text in texts], dtype=np.float64)


def _of_text(sheet: Sheet) -> dict[str, AnyArray | float]:
    texts, words = sheet.texts, sheet.words
    size = np.maximum(words, 1.0)
    seen: dict[str, int] = {}
    for text in texts:
        seen[text] = seen.get(text, 0) + 1
    return {
        "words": words,
        "linked": sheet.marks.linked,
        "stops": _found(_STOP, texts) / size,
        "commas": _found(_COMMA, texts) / size,
        "ends": np.array([bool(_END.search(text.rstrip())) for text in texts]),
        "digits": _found(_DIGIT, texts) / size,
        "capitals": _found(_CAPITAL, texts) / size,
        "word length": np.array([len(text) for text in texts]) / size,
        "phrases": _found(_PHRASE, [text.lower() for text in texts]) / np.sqrt(size),
        "dated": np.array([bool(_DATE.search(text)) for text in texts]) & (words < 12),
        "lower": np.array([text[:1].islower() for text in texts]),
        "quoted": np.array([text[:1] in _QUOTES for text in texts]),
        "repeated": np.array([seen[text] > 1 for text in texts]),
        "place": (np.cumsum(words) - words / 2) / max(float(words.sum()), 1.0),
    }


def _of_run(sheet: Sheet, stops: FloatArray) -> dict[str, AnyArray | float]:
    """What is so of the whole run that a row was cut from."""
    words, code = sheet.words, sheet.run_code
    whole = together(words, code)
    return {
        "run words": whole,
        "run linked": together(words * sheet.marks.linked, code) / np.maximum(whole, 1.0),
        "run stops": together(stops * np.maximum(words, 1.0), code),
        "is part": together(np.ones(words.size), code) > 1,
        "is whole": sheet.marks.whole,
    }


def _of_headings(sheet: Sheet) -> dict[str, AnyArray | float]:
    words, code = sheet.words, sheet.section_code
    n = words.size
    # Text between elements stands behind those before it, though it is in the one around them.
    element = np.maximum.accumulate(sheet.marks.element)
    prose = together(sheet.prose * words, code)
    above = [title.rpartition(" > ") for title in sheet.titles]
    outline = sheet.outline
    after, away = np.zeros(n), np.full(n, float(_NOWHERE))
    if outline.title >= 0:
        after = np.sign(element - outline.title)
        begin = np.searchsorted(element, outline.title)
        away = np.clip(np.arange(n) - begin, _BEFORE, _BEHIND).astype(np.float64)
    return {
        "section": np.log1p(prose),
        "section share": prose / max(float(prose.max()), 1.0),
        "section rows": together(np.ones(n), code),
        "section linked": together(words * sheet.marks.linked, code)
        / np.maximum(together(words, code), 1.0),
        "heading phrase": np.array([bool(o and _HEADING.search(t.lower())) for _, o, t in above]),
        "headings": np.array([title.count(" > ") for title in sheet.titles]),
        "main headings": np.minimum(np.searchsorted(outline.mains, element), 3),
        "titled": outline.likeness,
        "after title": after,
        "from title": away,
    }


def _of_holders(sheet: Sheet) -> dict[str, AnyArray | float]:
    """How long, how linked and how much like prose the elements above each row are."""
    words, inside = sheet.words, sheet.inside
    n = words.size
    prose = sheet.prose * words
    every, good = inside.sums(words), inside.sums(prose)
    linked, rows = inside.sums(words * sheet.marks.linked), inside.sums(np.ones(n))
    all_words, all_prose = max(float(words.sum()), 1.0), max(float(prose.sum()), 1.0)
    made: dict[str, AnyArray | float] = {}
    for level, up in enumerate(inside.up):
        length = np.maximum(every[up], 1.0)
        made |= {
            f"up {level} words": np.log1p(np.maximum(every[up], 0.0)),
            f"up {level} share": every[up] / all_words,
            f"up {level} prose share": good[up] / all_prose,
            f"up {level} linked": linked[up] / length,
            f"up {level} mean": every[up] / np.maximum(rows[up], 1.0),
            f"up {level} density": good[up] / length,
        }
    return made


def _of_readers(sheet: Sheet) -> dict[str, AnyArray | float]:
    """The container that readers' views would take, and the element with most prose to spare."""
    words, inside = sheet.words, sheet.inside
    prose = sheet.prose * words
    every = inside.sums(words)
    linked = inside.sums(words * sheet.marks.linked) / np.maximum(every, 1.0)
    score = inside.lifted(np.where(words >= _LONG, prose, 0.0)) * (1.0 - linked)
    most = max(float(score.max()), 1e-9)
    highest = inside.highest(score)
    net = int(inside.sums(prose - _LEAST_PROSE * words).argmax())
    return {
        "in best": inside.holds(int(score.argmax())),
        "best": np.log1p(np.maximum(highest, 0.0)),
        "best share": highest / most,
        "holder share": score[inside.up[0]] / most,
        "in net": inside.holds(net),
        "net size": float(every[net]) / max(float(words.sum()), 1.0),
    }


def _of_neighbours(sheet: Sheet) -> dict[str, AnyArray | float]:
    words, linked = sheet.words, sheet.marks.linked
    made: dict[str, AnyArray | float] = {}
    for what, values in (("prose", sheet.prose), ("linked", linked), ("words", words)):
        made |= {f"{what} within {width}": around(values, words, width) for width in WINDOWS}
    made["words before"], made["words after"] = shifted(words)
    made["linked before"], made["linked after"] = shifted(linked)
    return made
