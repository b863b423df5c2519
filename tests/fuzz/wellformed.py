"""Whether HTML is well formed, by the parser of the standard library, which repairs nothing."""

from __future__ import annotations

from html.parser import HTMLParser

__all__ = ["faults", "plain"]

VOID = {
    "area", "base", "basefont", "bgsound", "br", "col", "embed", "frame", "hr", "img", "input",
    "keygen", "link", "meta", "param", "source", "track", "wbr",
}  # fmt: skip


class _Strict(HTMLParser):
    """Counts on every end tag to close the element that was opened last."""

    # Nothing that comes out of the pruner is raw text: there is no element of that kind.
    CDATA_CONTENT_ELEMENTS = ()
    RCDATA_CONTENT_ELEMENTS = ()

    def __init__(self) -> None:
        super().__init__(convert_charrefs=True)
        self.open: list[str] = []
        self.text: list[str] = []
        self.faults: list[str] = []

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        names = [name for name, _ in attrs]
        if len(set(names)) < len(names):
            self.faults.append(f"<{tag}> has an attribute twice: {names}")
        if any(value is None for _, value in attrs):
            self.faults.append(f"<{tag}> has an attribute without a value: {attrs}")
        if tag not in VOID:
            self.open.append(tag)

    def handle_endtag(self, tag: str) -> None:
        if not self.open or self.open.pop() != tag:
            self.faults.append(f"</{tag}> closes nothing")

    def handle_data(self, data: str) -> None:
        self.text.append(data)

    def handle_comment(self, data: str) -> None:
        self.faults.append(f"a comment: {data[:30]!r}")

    def handle_decl(self, decl: str) -> None:
        self.faults.append(f"a declaration: {decl[:30]!r}")

    def unknown_decl(self, data: str) -> None:
        self.faults.append(f"a declaration: {data[:30]!r}")

    def handle_pi(self, data: str) -> None:
        self.faults.append(f"an instruction: {data[:30]!r}")


def _read(html: str) -> _Strict:
    reader = _Strict()
    reader.feed(html)
    reader.close()
    return reader


def faults(html: str) -> list[str]:
    """What is wrong: tags that close nothing or stay open, attributes twice, comments."""
    reader = _read(html)
    still = [f"<{tag}> is never closed" for tag in reader.open]
    bare = html.count("<") - sum(html.count(f"<{c}") for c in "abcdefghijklmnopqrstuvwxyz/")
    return reader.faults + still + ([f"{bare} bare angle brackets"] if bare else [])


def plain(html: str) -> str:
    """The text between the tags, references resolved."""
    return "".join(_read(html).text)
