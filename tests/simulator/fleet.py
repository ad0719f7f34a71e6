# Copyright (c) 2026, PolarisMesh Maintenance contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""A fleet of simulated servers, and the thread and event loop it runs in."""

from __future__ import annotations

import asyncio
import contextlib
import errno
import ipaddress
import resource
import socket
import ssl
import threading
from collections.abc import Sequence
from types import TracebackType
from typing import Any

from aiohttp import web

from .auth import Accounts, Tokens
from .node import Config, Node, Recorded
from .profiles import Profile, named
from .store import Kind, Store

PORT_TRIES = 20


class PortInUse(Exception):
    """An address that the fleet should listen on is taken."""


class Fleet:
    """`with Fleet(nodes=3) as fleet:` serves three nodes until the block ends.

    `profile` is a name, a Profile, or a list of them that the nodes take in turn. `options` are fields of node.Config.
    """

    def __init__(
        self,
        nodes: int = 1,
        profile: str | Profile | Sequence[str | Profile] = "v1.18.1",
        *,
        address: str = "127.0.1.1",
        port: int = 0,
        grpc_port: int = 0,
        store: Kind = "boltdb",
        tls: tuple[str, str] | None = None,
        client_ca: str | None = None,
        accounts: Accounts | None = None,
        seed_instances: int = 0,
        **options: Any,
    ) -> None:
        if nodes < 1:
            raise ValueError("A fleet has at least one node.")
        config = Config()
        for key, value in options.items():
            config.set(key, value)
        profiles = [profile] if isinstance(profile, (str, Profile)) else list(profile)
        self.wanted_port = port
        self.wanted_grpc_port = grpc_port
        self.tls = tls
        self.client_ca = client_ca
        self.scheme = "https" if tls else "http"
        self.store = Store(store)
        self.accounts = accounts or Accounts()
        first = ipaddress.IPv4Address(address)
        self.nodes = [
            Node(self, index, str(first + index), named(profiles[index % len(profiles)]), config)
            for index in range(nodes)
        ]
        self.seed_instances = seed_instances
        self.loop: asyncio.AbstractEventLoop | None = None
        self.stopping = asyncio.Event()
        self._thread: threading.Thread | None = None
        self._servers: list[asyncio.Server] = []

    @property
    def tokens(self) -> Tokens:
        """One token of each kind."""
        return self.accounts.tokens

    @property
    def url(self) -> str:
        """The first node's."""
        return self.nodes[0].url

    @property
    def urls(self) -> list[str]:
        """All nodes'."""
        return [node.url for node in self.nodes]

    @property
    def requests(self) -> list[Recorded]:
        """All requests of all nodes, oldest first."""
        return sorted((record for node in self.nodes for record in list(node.requests)), key=lambda r: r.time)

    def clear_requests(self) -> None:
        """Forgets the requests so far."""
        for node in self.nodes:
            node.requests.clear()

    def configure(self, **settings: Any) -> None:
        """The same settings on every node."""
        for node in self.nodes:
            for key, value in settings.items():
                node.config.set(key, value)

    # Running

    async def start(self) -> None:
        """Listens on all addresses; PortInUse when one is taken."""
        self.loop = asyncio.get_running_loop()
        hosts = [node.host for node in self.nodes]
        raise_file_limit(4 * len(hosts) + 4096)
        http, port = bind_all(hosts, self.wanted_port)
        try:
            grpc, grpc_port = bind_all(hosts, self.wanted_grpc_port)
        except PortInUse:
            for each in http:
                each.close()
            raise
        context = self._ssl_context()
        for node, http_socket, grpc_socket in zip(self.nodes, http, grpc, strict=True):
            node.port, node.grpc_port = port, grpc_port
            node.server = web.Server(node.handle, access_log=None)
            self._servers.append(
                await self.loop.create_server(node.server, sock=http_socket, ssl=context, backlog=1024)
            )
            self._servers.append(await self.loop.create_server(asyncio.Protocol, sock=grpc_socket, backlog=1024))
        self._seed()

    def _ssl_context(self) -> ssl.SSLContext | None:
        if self.tls is None:
            return None
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        context.load_cert_chain(*self.tls)
        if self.client_ca:
            context.load_verify_locations(self.client_ca)
            context.verify_mode = ssl.CERT_REQUIRED
        return context

    def _seed(self) -> None:
        for node in self.nodes:
            for service in node.profile.checker_services:
                self.store.register(
                    service,
                    "Polaris",
                    node.host,
                    node.grpc_port,
                    protocol="grpc",
                    version=node.profile.version,
                    metadata={"build-revision": "simulated", "polaris_service": service},
                )
        for number in range(self.seed_instances):
            self.store.register(
                "seeded", "default", f"10.{number >> 16 & 255}.{number >> 8 & 255}.{number & 255}", 8080
            )

    async def stop(self) -> None:
        """Closes every listener and every connection."""
        self.stopping.set()
        for server in self._servers:
            server.close()
        for node in self.nodes:
            if node.server is not None:
                for connection in node.server.connections:
                    connection.force_close()
                await node.server.shutdown(0.1)

    def request_stop(self) -> None:
        """Asks the fleet to end; whoever waits for `stopping` stops it."""
        if self.loop is not None:
            self.loop.call_soon_threadsafe(self.stopping.set)

    def __enter__(self) -> Fleet:
        ready = threading.Event()
        failure: list[BaseException] = []

        async def serve() -> None:
            try:
                await self.start()
            except BaseException as problem:
                failure.append(problem)
                ready.set()
                return
            ready.set()
            await self.stopping.wait()
            await self.stop()

        self._thread = threading.Thread(target=lambda: asyncio.run(serve()), name="polaris-simulator", daemon=True)
        self._thread.start()
        ready.wait()
        if failure:
            self._thread.join()
            raise failure[0]
        return self

    def __exit__(
        self, kind: type[BaseException] | None, value: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.request_stop()
        if self._thread is not None:
            self._thread.join(10)


def raise_file_limit(wanted: int) -> None:
    """A thousand nodes need more open files than a shell allows by default."""
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    if soft != resource.RLIM_INFINITY and soft < wanted:
        limit = wanted if hard == resource.RLIM_INFINITY else min(wanted, hard)
        with contextlib.suppress(ValueError, OSError):
            resource.setrlimit(resource.RLIMIT_NOFILE, (max(soft, limit), hard))


def bind_all(hosts: Sequence[str], port: int) -> tuple[list[socket.socket], int]:
    """A bound socket per host, all on one port; port 0 finds one that is free on all."""
    for _ in range(PORT_TRIES):
        sockets: list[socket.socket] = []
        chosen = port
        try:
            for host in hosts:
                bound = socket.socket(socket.AF_INET, socket.SOCK_STREAM)
                sockets.append(bound)
                bound.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
                bound.bind((host, chosen))
                chosen = bound.getsockname()[1]
            return sockets, chosen
        except OSError as problem:
            for bound in sockets:
                bound.close()
            if problem.errno != errno.EADDRINUSE:
                raise PortInUse(f"Cannot listen on {host}: {problem.strerror}. Choose another --address.") from None
            if port:
                raise PortInUse(
                    f"Port {port} on {host} is in use. Choose another one with --port and --grpc-port (0 picks a free one)."
                ) from None
    raise PortInUse(f"No port is free on all of {hosts[0]} to {hosts[-1]}.")
