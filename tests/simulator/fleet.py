# Copyright (c) 2026, PolarisMesh Maintenance contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""A fleet of simulated servers, with its thread and event loop."""

from __future__ import annotations

import asyncio
import contextlib
import errno
import ipaddress
import resource
import secrets
import socket
import ssl
import threading
import time
from collections.abc import Awaitable, Callable, Sequence
from types import TracebackType
from typing import Any, Self

from .auth import Accounts, Tokens
from .elections import Elections
from .node import Config, GrpcProtocol, Node, NodeServer, Recorded
from .profiles import Profile, named
from .store import Kind, Store

PORT_TRIES = 20
#: Below those that Linux gives to outgoing connections: a fleet that starts again on its port finds it free.
PORTS = range(20000, 32768)
BACKLOG = 1024


class PortInUseError(Exception):
    """An address that the fleet should listen on is in use."""


class Fleet:
    """`with Fleet(nodes=3) as fleet:` serves three nodes until the block ends.

    `profile` is a name, a Profile, or a list of them that the nodes use in turn. `loopback` registers the nodes with
    127.0.0.1, as a default installation does; `version` registers them with this version instead of the one in most
    builds. `ipv6` makes the first node also listen on ::1. `options` are fields of node.Config.
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
        owner_token: str = "",
        version: str = "",
        seed_instances: int = 0,
        loopback: bool = False,
        ipv6: bool = False,
        election_tick: float = 2.0,
        **options: Any,
    ) -> None:
        if nodes < 1:
            raise ValueError("A fleet needs at least one node.")
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
        self.accounts = Accounts(owner_token=owner_token)
        self.loopback = loopback
        self.ipv6 = ipv6
        try:
            first = ipaddress.IPv4Address(address)
            ipaddress.IPv4Address(int(first) + nodes - 1)
        except ValueError:
            raise ValueError(f"The address of the first node must be an IPv4 address; got {address!r}.") from None
        self.nodes: list[Node] = [
            Node(self, index, str(first + index), named(profiles[index % len(profiles)]), config)
            for index in range(nodes)
        ]
        self.version = version
        self.store.unaware = lambda since: frozenset(node.index for node in self.nodes if not node.synced_since(since))
        self.elections = Elections(self.nodes[0].profile.elections, nodes, election_tick)
        self.seed_instances = seed_instances
        self.loop: asyncio.AbstractEventLoop | None = None
        self.stopping = asyncio.Event()
        self._thread: threading.Thread | None = None
        self._context: ssl.SSLContext | None = None
        self._background: set[asyncio.Task[None]] = set()

    @property
    def tokens(self) -> Tokens:
        return self.accounts.tokens

    @property
    def url(self) -> str:
        """The URL of the first node."""
        return self.nodes[0].url

    @property
    def urls(self) -> list[str]:
        return [node.url for node in self.nodes]

    @property
    def requests(self) -> list[Recorded]:
        """All requests of all nodes, oldest first."""
        return sorted((record for node in self.nodes for record in list(node.requests)), key=lambda r: r.time)

    def clear_requests(self) -> None:
        for node in self.nodes:
            node.requests.clear()

    def configure(self, **settings: Any) -> None:
        for node in self.nodes:
            for key, value in settings.items():
                node.set(key, value)

    # Running

    async def start(self) -> None:
        """Listen on all addresses; PortInUseError if one is in use."""
        self.loop = asyncio.get_running_loop()
        self._context = self._ssl_context()
        hosts = [node.host for node in self.nodes]
        raise_file_limit(4 * len(hosts) + 4096)
        http, port = bind_all(hosts, self.wanted_port)
        try:
            grpc, grpc_port = bind_all(hosts, self.wanted_grpc_port)
        except PortInUseError:
            for each in http:
                each.close()
            raise
        for node, http_socket, grpc_socket in zip(self.nodes, http, grpc, strict=True):
            node.port, node.grpc_port = port, grpc_port
            await self._serve(node, http_socket, grpc_socket)
        if self.ipv6:
            http6, _dummy = bind_all(["::1"], port)
            grpc6, _dummy = bind_all(["::1"], grpc_port)
            await self._serve(self.nodes[0], http6[0], grpc6[0])
        self._seed()

    async def _serve(self, node: Node, http: socket.socket, grpc: socket.socket) -> None:
        assert self.loop is not None
        node.server = node.server or NodeServer(node)
        if self._context is None:
            node.listening.append(await self.loop.create_server(node.server, sock=http, backlog=BACKLOG))
        else:
            http.setblocking(False)
            task = self.loop.create_task(accept_tls(self.loop, http, node.server, self._context))
            node.tls_listening.append(task)
        listener = node.listeners["grpc"]
        grpc_server = await self.loop.create_server(lambda: GrpcProtocol(listener), sock=grpc, backlog=BACKLOG)
        node.listening.append(grpc_server)

    async def bring_up(self, node: Node) -> None:
        """Make a node that was shut down listen again."""
        if not node.listening:
            http, _dummy = bind_all([node.host], node.port)
            grpc, _dummy = bind_all([node.host], node.grpc_port)
            await self._serve(node, http[0], grpc[0])

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
            version = self.version or node.profile.version
            for service in node.profile.checker_services:
                self.store.register(
                    service,
                    node.profile.checker_namespace,
                    node.advertised,
                    node.grpc_port,
                    protocol="grpc",
                    version=version,
                    metadata={"build-revision": version, "polaris_service": service},
                )
        now = time.time()
        for number in range(self.seed_instances):
            # A second apart, so that no two have the same mtime and pages are consistent.
            host = f"10.{number >> 16 & 255}.{number >> 8 & 255}.{number & 255}"
            row = self.store.register(
                "seeded",
                "default",
                host,
                8080,
                modified=now - self.seed_instances + number,
                metadata={"n": str(number)},
            )
            self.nodes[number % len(self.nodes)].beat(row.id)

    async def stop(self) -> None:
        self.stopping.set()
        tasks = [task for node in self.nodes for task in node.tls_listening]
        for node in self.nodes:
            node.shut_down()
        servers = [node.server for node in self.nodes if node.server is not None]
        await asyncio.gather(*(server.shutdown(0.1) for server in servers))
        await asyncio.gather(*tasks, return_exceptions=True)

    def run(self, action: Callable[[], Awaitable[None] | None]) -> None:
        """Run something in the fleet's loop, which owns its connections; wait for it in another thread."""

        async def finish(result: Awaitable[None] | None) -> None:
            if result is not None:
                await result

        async def act() -> None:
            await finish(action())

        if self.loop is None:
            raise RuntimeError("The fleet is not running.")
        if self._thread is None or threading.current_thread() is self._thread:
            task = self.loop.create_task(finish(action()))
            self._background.add(task)
            task.add_done_callback(self._background.discard)
        else:
            asyncio.run_coroutine_threadsafe(act(), self.loop).result(10)

    def request_stop(self) -> None:
        """Ask the fleet to end; the code that waits for `stopping` stops it."""
        if self.loop is not None:
            self.loop.call_soon_threadsafe(self.stopping.set)

    def __enter__(self) -> Self:
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
    """Raise the limit of open files: a thousand nodes need more than a shell allows by default."""
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    if soft != resource.RLIM_INFINITY and soft < wanted:
        limit = wanted if hard == resource.RLIM_INFINITY else min(wanted, hard)
        with contextlib.suppress(ValueError, OSError):
            resource.setrlimit(resource.RLIMIT_NOFILE, (max(soft, limit), hard))


def bind_all(hosts: Sequence[str], port: int) -> tuple[list[socket.socket], int]:
    """One bound socket per host, all on the same port; port 0 finds one that is free on all."""
    for _dummy in range(PORT_TRIES):
        sockets: list[socket.socket] = []
        chosen = port or secrets.choice(PORTS)
        try:
            for host in hosts:
                family = socket.AF_INET6 if ":" in host else socket.AF_INET
                bound = socket.socket(family, socket.SOCK_STREAM)
                sockets.append(bound)
                if family == socket.AF_INET6:
                    bound.setsockopt(socket.IPPROTO_IPV6, socket.IPV6_V6ONLY, 1)
                bound.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
                bound.bind((host, chosen))
                bound.listen(BACKLOG)  # only from now on, no other process can take it
            return sockets, chosen
        except OSError as problem:
            for bound in sockets:
                bound.close()
            if problem.errno != errno.EADDRINUSE:
                raise PortInUseError(
                    f"Cannot listen on {host}: {problem.strerror}. Choose another --address."
                ) from None
            if port:
                raise PortInUseError(
                    f"Port {port} on {host} is in use. Choose another with --port and --grpc-port (0 picks a free one)."
                ) from None
    raise PortInUseError(f"No port is free on all of {hosts[0]} to {hosts[-1]}.")


async def accept_tls(
    loop: asyncio.AbstractEventLoop, listening: socket.socket, server: NodeServer, context: ssl.SSLContext
) -> None:
    """Accept connections on a TLS port. Go answers plain HTTP with a 400; asyncio's own TLS server does not."""
    starting: set[asyncio.Task[None]] = set()
    try:
        while True:
            connection, _dummy = await loop.sock_accept(listening)
            task = loop.create_task(start_tls(loop, connection, server, context))
            starting.add(task)
            task.add_done_callback(starting.discard)
    finally:
        listening.close()
        for task in starting:
            task.cancel()


async def start_tls(
    loop: asyncio.AbstractEventLoop, connection: socket.socket, server: NodeServer, context: ssl.SSLContext
) -> None:
    """Peek at the first byte without consuming it: 22 starts a TLS handshake."""
    readable = asyncio.Event()
    loop.add_reader(connection, readable.set)
    try:
        await readable.wait()
    finally:
        loop.remove_reader(connection)
    try:
        first = connection.recv(1, socket.MSG_PEEK)
        if first == b"\x16":
            await loop.connect_accepted_socket(server, connection, ssl=context)
            return
        if first:
            text = b"Client sent an HTTP request to an HTTPS server.\n"
            connection.recv(65536)  # unread bytes would turn the close into a reset
            await loop.sock_sendall(connection, b"HTTP/1.0 400 Bad Request\r\n\r\n" + text)
    except (OSError, ssl.SSLError):
        pass  # a client that does not trust us, or has disconnected
    connection.close()
