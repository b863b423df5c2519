"""The suite runs without a network, and would notice if somebody used one."""

from __future__ import annotations

import socket

import pytest


def test_a_connection_to_the_network_fails_the_suite():
    with socket.socket() as plug, pytest.raises(AssertionError, match="connection"):
        plug.connect(("127.0.0.1", 9))
