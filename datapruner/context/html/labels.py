"""Where a page comes from, written so that a model sees it and a parser does not stumble."""

from __future__ import annotations

from datapruner.context.html.markup import start_tag, wrappers
from datapruner.context.html.page import Page

__all__ = ["label_of"]


def label_of(page: Page, to: str) -> tuple[str, str]:
    """What stands before and behind one of several pages.

    Args:
        page: with a source; without one it has an empty label.
        to: ``"html"``: a ``section`` with the attribute ``data-source`` and those of the wrappers
            that it replaces (language and direction); ``"markdown"``: a heading; ``"text"``: a
            line.
    """
    name = " ".join(page.source.split())
    if to == "html":
        attributes = {"data-source": name} if name else {}
        for row in wrappers(page.tree):
            attributes.update(page.tree.attributes[row] or {})
        return start_tag("section", attributes), "</section>"
    if not name:
        return "", ""
    return (f"# {name}\n\n" if to == "markdown" else f"{name}\n\n"), ""
