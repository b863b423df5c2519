"""What elements are for: block or inline, headings and what else names, atoms, wrappers."""

from __future__ import annotations

from datapruner.context.html.display import BLOCK, INLINE_BLOCK

__all__ = [
    "APART",
    "BARE",
    "HEADINGS",
    "LABELS",
    "LEAKS",
    "MEDIA",
    "PREFORMATTED",
    "is_block",
]

HEADINGS = {f"h{level}": level for level in range(1, 7)}
"""Levels of headings."""

LABELS = {"caption": 7, "figcaption": 7, "legend": 7, "summary": 7, "thead": 8, "dt": 9}
"""What names the rest of its parent as a heading does; a dt gives way to the next dt alone."""

LEAKS = frozenset(("thead",))
"""A heading inside any other element names nothing behind its end."""

PREFORMATTED = frozenset(("listing", "plaintext", "pre", "textarea", "xmp"))
"""White space counts, and cuts fall on line ends only."""

MEDIA = frozenset(("img", "picture", "video", "audio"))
"""Content without text; where cleaning leaves it, somebody wants it."""

BARE = frozenset(("html", "head", "body"))
"""Wrappers that any parser puts back, so that they are written only where they say something."""

APART = BLOCK | INLINE_BLOCK | {"br"}
"""Elements that part the words around them."""


def is_block(tag: str) -> bool:
    """Whether an element stands on lines of its own by the style sheet of HTML.

    Args:
        tag: a lower-case name; unknown ones are inline.
    """
    return tag in BLOCK
