# Copyright (c) 2026, PolarisMesh Maintenance contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Fixtures of the simulator's own tests: a client that sends exactly what it is given, and plain sockets."""

from __future__ import annotations

import contextlib
import http.client
import json
import socket
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Any

import pytest

from tests.simulator import Node

DEFAULT = object()


@dataclass
class Answer:
    status: int
    headers: dict[str, str]
    text: str

    def json(self) -> Any:
        """The body, whatever its content type."""
        return json.loads(self.text)


Ask = Callable[..., Answer]


@pytest.fixture
def ask() -> Ask:
    """Send one request with only these headers; by default the owner's token and the JSON content types."""

    def send(
        node: Node,
        method: str,
        path: str,
        body: Any = None,
        *,
        token: Any = DEFAULT,
        headers: dict[str, str] | None = None,
        timeout: float = 10,
    ) -> Answer:
        data = body.encode() if isinstance(body, str) else None if body is None else json.dumps(body).encode()
        sent = {"Content-Type": "application/json"} if headers is None else dict(headers)
        if token is not None:
            sent["X-Polaris-Token"] = node.fleet.tokens.owner if token is DEFAULT else token
        if data is not None:
            sent["Content-Length"] = str(len(data))
        connection = http.client.HTTPConnection(node.host, node.port, timeout=timeout)
        with contextlib.closing(connection):
            connection.putrequest(method, path, skip_accept_encoding=True)
            for name, value in sent.items():
                connection.putheader(name, value)
            connection.endheaders(data)
            response = connection.getresponse()
            return Answer(response.status, dict(response.getheaders()), response.read().decode())

    return send


@pytest.fixture
def dial() -> Iterator[Callable[..., socket.socket]]:
    """Open TCP connections from chosen loopback addresses; all are closed at the end of the test."""
    with contextlib.ExitStack() as stack:

        def connect(host: str, port: int, source: str = "127.0.0.1") -> socket.socket:
            family = socket.AF_INET6 if ":" in host else socket.AF_INET
            connection = stack.enter_context(socket.socket(family, socket.SOCK_STREAM))
            connection.settimeout(5)
            if family == socket.AF_INET:
                connection.bind((source, 0))
            connection.connect((host, port))
            return connection

        yield connect


def is_open(connection: socket.socket) -> bool:
    """Whether the other side has left the connection open. Waits a moment for data."""
    connection.settimeout(0.1)
    try:
        return connection.recv(1) != b""
    except TimeoutError:
        return True
    except ConnectionError:
        return False


@pytest.fixture
def still_open() -> Callable[[socket.socket], bool]:
    return is_open


@pytest.fixture
def eventually() -> Callable[[Callable[[], bool]], None]:
    """Wait until a condition is true; fail if it does not become true."""

    def wait(condition: Callable[[], bool]) -> None:
        for _dummy in range(500):
            if condition():
                return
            time.sleep(0.01)
        raise AssertionError("It did not happen.")

    return wait
