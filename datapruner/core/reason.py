"""Why a row was kept or dropped: one byte a row, one sentence for the user."""

from __future__ import annotations

from enum import IntEnum

__all__ = ["Reason"]


class Reason(IntEnum):
    """Why a row was kept (below 10) or dropped; one byte a row."""

    ADMITTED = 0
    PINNED = 1
    ANCESTOR = 2
    NEIGHBOUR = 3
    FALLBACK = 4
    NOT_OFFERED = 10
    COUNT = 11
    COST = 12
    GROUP = 13
    FLOOR = 14
    THRESHOLD = 15
    VETO = 16
    STOPPED = 17
    SHELL = 18
    EARLIER_STAGE = 19
    DUPLICATE = 20
    BAD_ROW = 21
    QUALITY = 22

    @property
    def is_kept(self) -> bool:
        """Whether a row with this reason is part of the answer."""
        return self < Reason.NOT_OFFERED
