"""A table as aligned plain text: names to the left, numbers to the right."""

from __future__ import annotations

from collections.abc import Iterable, Sequence

__all__ = ["aligned"]


def aligned(head: Sequence[str], rows: Iterable[Sequence[str]]) -> list[str]:
    """Lines of a table; the first column is flush left, the others flush right."""
    lines = [tuple(head), *(tuple(row) for row in rows)]
    widths = [max(len(line[c]) for line in lines) for c in range(len(head))]
    return [
        "  ".join(
            cell.ljust(width) if c == 0 else cell.rjust(width)
            for c, (cell, width) in enumerate(zip(line, widths, strict=True))
        ).rstrip()
        for line in lines
    ]
