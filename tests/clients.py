# Copyright (c) 2026, PolarisMesh Maintenance contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Clients of a server, as its connection API sees them: real TCP connections from different addresses.

All of 127.0.0.0/8 is loopback, so one machine can act as many clients.

As a program, for integration targets: ``clients.py SERVER:PORT CLIENT:PORT ...`` keeps these connections open for a
minute, or until the server has closed all of them.
"""

from __future__ import annotations

import contextlib
import socket
import sys
import threading
import time
from collections.abc import Callable
from types import TracebackType
from typing import Self

ALICE, BOB, CAROL = "127.0.0.21", "127.0.0.22", "127.0.0.23"


class Connection:
    """An open TCP connection from ``source`` (any of its ports, or this one)."""

    def __init__(self, server: tuple[str, int], source: str, port: int = 0) -> None:
        self.socket = socket.socket()
        self.socket.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        self.socket.bind((source, port))
        self.socket.connect(server)
        self.socket.setblocking(False)
        self.host, self.port = self.socket.getsockname()
        self.address = f"{self.host}:{self.port}"

    @property
    def open(self) -> bool:
        """Whether the server has not closed it. What it sent (gRPC servers send their settings) is discarded."""
        try:
            while self.socket.recv(65536):
                pass
        except BlockingIOError:
            return True
        except OSError:
            return False
        return False

    def close(self) -> None:
        self.socket.close()


class Clients(contextlib.ExitStack):
    """Opens connections; those that are still open are closed at the end."""

    def connect(self, server: tuple[str, int], source: str, count: int = 1, port: int = 0) -> list[Connection]:
        """New connections, in the order of their ports."""
        made = [self.enter_context(contextlib.closing(Connection(server, source, port))) for _number in range(count)]
        return sorted(made, key=lambda each: each.port)


def ended(connections: list[Connection], seconds: float = 10.0) -> bool:
    """Whether the server closes all of them within this time."""
    return until(lambda: not any(each.open for each in connections), seconds)


def until(condition: Callable[[], bool], seconds: float = 10.0) -> bool:
    deadline = time.monotonic() + seconds
    while not condition():
        if time.monotonic() > deadline:
            return False
        time.sleep(0.01)
    return True


class Translator:
    """A hop that forwards every connection from another address, as a NAT gateway or a proxy does."""

    def __init__(self, server: tuple[str, int], source: str) -> None:
        self.server, self.source = server, source
        self.listener = socket.create_server(("127.0.0.1", 0))
        self.url = f"http://127.0.0.1:{self.listener.getsockname()[1]}"
        self._sockets: list[socket.socket] = []

    def __enter__(self) -> Self:
        threading.Thread(target=self._accept, daemon=True).start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, value: BaseException | None, trace: TracebackType | None
    ) -> None:
        for each in [self.listener, *self._sockets]:
            with contextlib.suppress(OSError):
                each.shutdown(socket.SHUT_RDWR)
            each.close()

    def _accept(self) -> None:
        with contextlib.suppress(OSError):
            while True:
                near = self.listener.accept()[0]
                far = socket.socket()
                far.bind((self.source, 0))
                far.connect(self.server)
                self._sockets += [near, far]
                for one, other in ((near, far), (far, near)):
                    threading.Thread(target=self._pump, args=(one, other), daemon=True).start()

    @staticmethod
    def _pump(one: socket.socket, other: socket.socket) -> None:
        with contextlib.suppress(OSError):
            while data := one.recv(65536):
                other.sendall(data)
        for each in (one, other):
            with contextlib.suppress(OSError):
                each.shutdown(socket.SHUT_RDWR)


def address_of(text: str) -> tuple[str, int]:
    host, port = text.split(":")
    return host, int(port)


def main(server: str, *sources: str) -> None:
    with Clients() as clients:
        held: list[Connection] = []
        for source in sources:
            host, port = address_of(source)
            held += clients.connect(address_of(server), host, port=port)
        ended(held, 60)


if __name__ == "__main__":
    main(*sys.argv[1:])
