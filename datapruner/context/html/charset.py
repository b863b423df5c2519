"""The text of a page from its bytes: which encoding it is in, whatever it says of itself."""

from __future__ import annotations

import codecs
import re
from dataclasses import dataclass

from datapruner.errors import InputError

__all__ = ["Decoded", "decode", "encode"]

_LOOKED_AT = 4096
_COMMENT = re.compile(rb"<!--.*?-->", re.DOTALL)
_META = re.compile(rb"<meta\b[^>]{0,2000}?charset\s*=\s*[\"']?\s*([\w.:-]+)", re.IGNORECASE)
_PROLOG = re.compile(rb"\s*<\?xml[^>]{0,200}?encoding\s*=\s*[\"']([\w.:-]+)", re.IGNORECASE)
# The byte order marks, longest first: that of UTF-32 begins with that of UTF-16.
_MARKS = (
    (codecs.BOM_UTF8, "utf-8"),
    (codecs.BOM_UTF32_LE, "utf-32-le"),
    (codecs.BOM_UTF32_BE, "utf-32-be"),
    (codecs.BOM_UTF16_LE, "utf-16-le"),
    (codecs.BOM_UTF16_BE, "utf-16-be"),
)
# What browsers read where a page says otherwise (WHATWG Encoding, 4.2): the larger relative.
_LARGER = {
    "ascii": "windows-1252",
    "iso8859-1": "windows-1252",
    "cp1252": "windows-1252",
    "iso8859-9": "cp1254",
    "iso8859-11": "cp874",
    "tis-620": "cp874",
    "gb2312": "gb18030",
    "gbk": "gb18030",
    "shift_jis": "cp932",
    "euc_kr": "cp949",
    "big5": "big5hkscs",
}
# Encodings of texts that a page may name. Codecs such as utf-7, idna or unicode_escape, which turn
# plain letters into others, are none.
_KNOWN = re.compile(
    r"utf-(8|16|32)(-le|-be)?|cp(12\d\d|8\d\d|437|7\d\d|932|949|950|10000|10007)|windows-\d+"
    r"|iso8859-\d+|koi8[-_].|mac-?\w+|gb\w+|hz|big5\w*|euc_\w+|shift_\w+|iso2022_\w+|johab"
    r"|ptcp154|kz1048|tis-620|ascii"
)
_SINGLE = re.compile(r"windows-1252|cp125\d|iso8859-\d+|mac-\w+")


@dataclass(frozen=True)
class Decoded:
    """The text of a page.

    Attributes:
        data: the page in UTF-8, without a byte order mark; always valid.
        encoding: what it was read as; "unicode" for a page that came as text.
        notes: what was wrong with the encoding, in words.
    """

    data: bytes
    encoding: str
    notes: tuple[str, ...] = ()


def encode(text: str) -> Decoded:
    """A page that is text already.

    Surrogates that stand for one character together become it; others become U+FFFD.
    """
    text = text.removeprefix("\ufeff")
    try:
        return Decoded(text.encode("utf-8"), "unicode")
    except UnicodeEncodeError:
        paired = text.encode("utf-16-le", "surrogatepass").decode("utf-16-le", "replace")
        note = "lone surrogates were replaced by U+FFFD"
        return Decoded(paired.encode("utf-8"), "unicode", (note,) * ("\ufffd" in paired))


def decode(page: bytes, encoding: str | None = None) -> Decoded:
    """The page in UTF-8.

    In this order: the encoding that is given; a byte order mark; zero bytes as UTF-16 has them;
    what a ``meta`` element or an XML prolog in the first 4096 bytes says, unless the bytes tell
    otherwise; UTF-8 if it is that; windows-1252. Bytes that are none of the encoding become U+FFFD.

    Args:
        page: a page of HTML.
        encoding: what it is in, by any name that Python knows; None to find out.

    Raises:
        InputError: the given encoding is unknown, or no encoding of texts.
    """
    if encoding is not None:
        known = _known(encoding)
        if known is None:
            raise InputError(
                f"encoding {encoding!r} is no known encoding of text. Name one such as 'utf-8' or "
                "'windows-1252', or leave it out: it is then found out."
            )
        mark = next((m for m, name in _MARKS if page.startswith(m) and name == known), b"")
        return _read(page[len(mark) :], known)
    for mark, name in _MARKS:
        if page.startswith(mark):
            return _read(page[len(mark) :], name)
    if page[:4:2] == b"\0\0" and b"\0" not in page[1:4:2]:
        return _read(page, "utf-16-be")
    if page[1:4:2] == b"\0\0" and b"\0" not in page[:4:2]:
        return _read(page, "utf-16-le")
    return _as_declared(page)


def _as_declared(page: bytes) -> Decoded:
    declared = _declared(page[:_LOOKED_AT])
    known = None if declared is None else _known(declared)
    if known is not None and known.startswith(("utf-16", "utf-32")):
        known = None  # the declaration could be read byte by byte: it cannot be true
    notes: tuple[str, ...] = ()
    if declared is not None and known is None:
        notes = (f"the page says it is in {declared!r}, which it cannot be",)
    if known is None or known == "utf-8" or _SINGLE.fullmatch(known):
        try:
            page.decode("utf-8")
        except UnicodeDecodeError as error:
            if known in (None, "utf-8"):
                return _broken(page, error, known, notes)
        else:
            if known not in (None, "utf-8") and not page.isascii():
                notes = (f"the page says it is in {declared!r}, but it is UTF-8",)
            return Decoded(page, "utf-8", notes)
    assert known is not None
    return _read(page, known)


def _broken(
    page: bytes, error: UnicodeDecodeError, known: str | None, notes: tuple[str, ...]
) -> Decoded:
    """A page that is not quite UTF-8: that with errors, or windows-1252.

    A page in windows-1252 has hardly a sequence of bytes that is a character of UTF-8; a page in
    UTF-8 with some bytes broken has plenty.
    """
    text = page.decode("utf-8", "replace")
    wrong = text.count("\ufffd")
    right = len(text) - sum(map(text.count, _ASCII)) - wrong
    if right > wrong:
        note = f"{wrong} places are no UTF-8, the first at byte {error.start}"
        return Decoded(text.encode("utf-8"), "utf-8", (*notes, note))
    if known is not None:
        notes = ("the page says it is in UTF-8, but it is not; read as windows-1252",)
    return Decoded(_text(page, "windows-1252").encode("utf-8"), "windows-1252", notes)


_ASCII = [chr(code) for code in range(128)]


def _declared(head: bytes) -> str | None:
    """What the page says its encoding is."""
    prolog = _PROLOG.match(head)
    if b"<!--" in head:
        head = _COMMENT.sub(b"", head)
    found = _META.search(head) or prolog
    return found[1].decode("ascii", "replace") if found else None


def _known(name: str) -> str | None:
    """The encoding that is meant by a name; None where there is none."""
    try:
        found = codecs.lookup(name.strip().replace(":", "-")).name
    except (LookupError, ValueError):
        return None
    if not _KNOWN.fullmatch(found):
        return None
    return _LARGER.get(found, found)


def _read(page: bytes, encoding: str) -> Decoded:
    text = _text(page, encoding)
    wrong = text.count("\ufffd")
    notes = (f"{wrong} places are no {encoding}",) if wrong else ()
    if encoding == "utf-8" and not wrong:
        return Decoded(page, encoding)
    return Decoded(text.encode("utf-8", "replace"), encoding, notes)


def _text(page: bytes, encoding: str) -> str:
    text = page.decode(encoding, "replace")
    return text.removeprefix("\ufeff")
