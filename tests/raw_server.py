# Copyright (c) 2026, PolarisMesh Maintenance contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""A socket server that answers exactly the given bytes, for behaviour of no well-behaved server."""

from __future__ import annotations

import contextlib
import socket
import ssl
import threading
import time
from collections.abc import Callable, Iterable
from dataclasses import dataclass, field

#: Bytes are sent, numbers are pauses in seconds; after the last part the connection is closed.
Part = bytes | float


@dataclass(frozen=True)
class Request:
    """A received request; header names in lower case."""

    method: str
    target: str
    headers: dict[str, str]
    body: bytes


Answer = Callable[[Request], Iterable[Part]]


def response(body: bytes = b"{}", status: int = 200, *headers: str) -> bytes:
    """A whole response, after which the server closes the connection."""
    lines = [f"HTTP/1.1 {status} Text", f"Content-Length: {len(body)}", "Connection: close", *headers]
    return "\r\n".join([*lines, "", ""]).encode() + body


@dataclass
class RawServer:
    """Listens on a loopback port until it is closed; every connection carries one request."""

    answer: Answer
    tls: ssl.SSLContext | None = None
    requests: list[Request] = field(default_factory=list)

    def __post_init__(self) -> None:
        self.listener = socket.create_server(("127.0.0.1", 0), backlog=64)
        self.port: int = self.listener.getsockname()[1]
        self._threads = [threading.Thread(target=self._accept, daemon=True)]
        self._threads[0].start()

    @property
    def url(self) -> str:
        return f"{'https' if self.tls else 'http'}://127.0.0.1:{self.port}"

    @property
    def methods(self) -> list[str]:
        return [request.method for request in self.requests]

    def close(self) -> None:
        """From now on, refuse connections."""
        with contextlib.suppress(OSError):
            self.listener.shutdown(socket.SHUT_RDWR)
        self.listener.close()

    def join(self) -> None:
        self.close()
        for thread in self._threads:
            thread.join(10)

    def _accept(self) -> None:
        with contextlib.suppress(OSError):
            while True:
                connection, _dummy = self.listener.accept()
                thread = threading.Thread(target=self._serve, args=(connection,), daemon=True)
                self._threads.append(thread)
                thread.start()

    def _serve(self, connection: socket.socket) -> None:
        with connection, contextlib.suppress(OSError, ValueError):
            connection.settimeout(10)
            if self.tls is None:
                self._talk(connection)
            else:
                with self.tls.wrap_socket(connection, server_side=True) as secured:
                    self._talk(secured)

    def _talk(self, connection: socket.socket) -> None:
        with connection.makefile("rb") as incoming:
            request = read_request(incoming)
        self.requests.append(request)
        for part in self.answer(request):
            if isinstance(part, bytes):
                connection.sendall(part)
            else:
                time.sleep(part)


def read_request(incoming: Iterable[bytes]) -> Request:
    """Read one request; ValueError if it is not one."""
    method, target, _dummy = next(iter(incoming)).decode("latin-1").split(" ", 2)
    headers: dict[str, str] = {}
    for line in incoming:
        if not line.strip():
            break
        name, _dummy, value = line.decode("latin-1").partition(":")
        headers[name.lower()] = value.strip()
    length = int(headers.get("content-length", 0))
    body = incoming.read(length) if length else b""  # type: ignore[attr-defined]
    return Request(method, target, headers, body)
