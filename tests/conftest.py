"""Shared set-up: runtime type checks on the inner core, no network, no deadlines."""

from __future__ import annotations

import socket
from typing import Any

from beartype import BeartypeConf
from beartype.claw import beartype_packages
from hypothesis import HealthCheck, settings

# The inner modules, whose callers are our own: there an annotation is a promise. The doors of the
# library take what users write, and answer a wrong type with an error of their own. Modules that a
# strategy runs stay out, too: the checks look into lists at random, which Hypothesis forbids there.
beartype_packages(
    tuple(
        f"datapruner.{name}"
        for name in (
            "core.allocate",
            "core.apportion",
            "core.archive",
            "core.books",
            "core.floors",
            "core.ledger",
            "core.order",
            "core.report",
            "core.table",
        )
    ),
    conf=BeartypeConf(is_pep484_tower=True),
)


class NetworkUsed(AssertionError):
    """The library tried to reach the network though nobody named one."""


_connect = socket.socket.connect


def _connect_locally(self: socket.socket, address: Any) -> None:
    if self.family != socket.AF_UNIX:
        raise NetworkUsed(f"a connection to {address!r} was tried")
    _connect(self, address)


# For the whole run, imports of the libraries included.
socket.socket.connect = _connect_locally  # type: ignore[method-assign]

settings.register_profile(
    "datapruner",
    deadline=None,
    derandomize=True,
    suppress_health_check=[HealthCheck.too_slow, HealthCheck.data_too_large],
)
settings.load_profile("datapruner")
