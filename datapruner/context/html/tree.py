"""A page as columns: one row an element, in document order, so that no depth is too deep."""

from __future__ import annotations

from array import array
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import Any

import numpy as np
import numpy.typing as npt

from datapruner.core.types import IntArray

__all__ = ["Tree", "packed"]


def packed(numbers: npt.NDArray[np.signedinteger[Any]], code: str = "i") -> array[int]:
    """Whole numbers as a plain array: unlike one of numpy's it gives plain numbers, and faster.

    Args:
        numbers: any that the code has room for.
        code: ``"i"`` for 32 bits, ``"q"`` for 64.
    """
    return array(code, numbers.astype(code, copy=False).tobytes())


@dataclass(frozen=True, eq=False)
class Tree:
    """Elements in document order; row 0 is the root, and always there.

    Lists and not arrays: they hold text, and every pass over them is a loop over plain values.
    Nothing in here recurses, and no pass changes a tree: it makes a new one.

    Attributes:
        tags: lower-case names.
        parents: row of the parent; -1 of the root.
        texts: text between the start tag and the first child, or the end tag.
        tails: text behind the end tag, up to the next sibling or the parent's end; "" of the root.
        attributes: by lower-case name, in source order; None where there are none.
        origins: row of the tree as it was parsed that each row stands for.
    """

    tags: Sequence[str]
    parents: Sequence[int]
    texts: Sequence[str]
    tails: Sequence[str]
    attributes: Sequence[Mapping[str, str] | None]
    origins: Sequence[int]

    def __len__(self) -> int:
        """Number of elements."""
        return len(self.tags)

    @cached_property
    def ends(self) -> array[int]:
        """One past the last row inside each row: ``range(row, ends[row])`` is its subtree."""
        n = len(self.tags)
        ends = array("i", range(1, n + 1))
        parents = self.parents
        for row in range(n - 1, 0, -1):
            above = parents[row]
            if ends[row] > ends[above]:
                ends[above] = ends[row]
        return ends

    def knowing(self, ends: IntArray) -> Tree:
        """This tree, told its ``ends`` by who made it from another: it need not look for them.

        Args:
            ends: shape (n,), what the property would give.
        """
        self.__dict__["ends"] = packed(ends)
        return self

    def path(self, row: int) -> str:
        """The XPath of a row in this tree, such as ``/html/body/div[2]/p``.

        A step has a number where the parent has several children of that name. Made for one row
        when it is asked for: all paths of a deep page together grow with the square of its depth.
        """
        places, counts = self._places
        steps = []
        while row >= 0:
            tag, above = self.tags[row], self.parents[row]
            steps.append(f"{tag}[{places[row]}]" if counts[above, tag] > 1 else tag)
            row = above
        return "/" + "/".join(reversed(steps))

    @cached_property
    def _places(self) -> tuple[list[int], dict[tuple[int, str], int]]:
        """The number of each row among its siblings of the same name; how many such there are."""
        counts: dict[tuple[int, str], int] = {}
        places = []
        for key in zip(self.parents, self.tags, strict=True):
            counts[key] = counts.get(key, 0) + 1
            places.append(counts[key])
        return places, counts
