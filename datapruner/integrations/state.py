"""What a state of a ``ScheduleSampler`` must be, before anything is done with it."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np

from datapruner.errors import FormatError

__all__ = ["VERSION", "read_state"]

VERSION = 1


def read_state(state: Any, has_losses: bool) -> tuple[int, int]:
    """What a state says, once it is known to be one.

    Args:
        state: what was loaded, whatever it is.
        has_losses: whether its schedule follows losses.

    Returns:
        (round, rows of it that are confirmed), both 0 or more.

    Raises:
        FormatError: it is none, or of another version, or a number in it cannot be.
    """
    if not isinstance(state, Mapping):
        raise FormatError(
            f"a {type(state).__name__} is no state of a ScheduleSampler. Give what state_dict() "
            "returned."
        )
    needed = ["schedule", "round", "consumed", *(["losses"] if has_losses else [])]
    lacking = [name for name in needed if name not in state]
    if state.get("version") != VERSION or lacking:
        raise FormatError(
            f"this is no state of a ScheduleSampler of version {VERSION}: it has "
            f"{sorted(map(str, state))}. Give what state_dict() returned."
        )
    for name in ("round", "consumed"):
        value = state[name]
        is_whole = isinstance(value, int | np.integer) and not isinstance(value, bool)
        if not is_whole or value < 0:
            raise FormatError(
                f"the state has {name} {value!r}; it must be a whole number of 0 or more. It was "
                "changed since state_dict() returned it: load an earlier checkpoint."
            )
    return int(state["round"]), int(state["consumed"])
