# Copyright (c) 2026, PolarisMesh Maintenance contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""One simulated server: its state, its faults, and how it handles a request."""

from __future__ import annotations

import asyncio
import inspect
import logging
import socket
import struct
import sys
import time
import traceback
from collections import deque
from collections.abc import Callable
from dataclasses import dataclass, fields, replace
from datetime import datetime, timedelta, timezone
from functools import lru_cache
from typing import TYPE_CHECKING, Any, Literal, get_args, get_type_hints

from aiohttp import web

from . import control, diagnostics, gojson, instances, maintain, naming
from .auth import INVALID, Accounts, Mode, Refusal
from .connections import Listener
from .faults import Fault, Rule
from .heap import MIB, Heap
from .profiles import Profile
from .store import Row, Store
from .wire import Call, Reply, Router, error, half, parse_query, respond, split_target

if TYPE_CHECKING:
    from .fleet import Fleet

QUIET = logging.getLogger("tests.simulator.quiet")
"""Silence aiohttp, which would log every client that sends nonsense or disconnects, as tests do."""
QUIET.addHandler(logging.NullHandler())
QUIET.propagate = False
MAX_RECORDED = 200_000
MAX_REMEMBERED = 16
CHECKER_SERVICES = ("polaris.checker", "polaris.config", "pole.checker")


@dataclass
class Config:
    """Settings that a test can change at any time, on one node (node.set) or on all (fleet.configure).

    Setting a field of node.config also works, except for connection limits and the heap.
    """

    auth: Mode = "strict"
    latency: float = 0.0
    """Seconds by which every call is delayed."""
    admin: bool = True
    """api.admin: mounts / and /maintain/v1."""
    console: bool = True
    """api.console: mounts /naming/v1 and /core/v1."""
    client: bool = True
    """api.client: mounts /v1."""
    swagger: bool = True
    conn_limit: bool = True
    """openConnLimit on http and grpc; it is off by default on a real server."""
    conn_protocols: str = "http,grpc"
    """The protocols that count connections if the limit is on."""
    max_conn_limit: int = 5120
    """0: no limit, and Total is always 0."""
    max_conn_per_host: int = 1024
    purge_interval: float = 10.0
    purge_expire: float = 5.0
    clock_offset: float = 0.0
    """Seconds by which the node's clock is ahead."""
    timezone: str = "+00:00"
    cache_interval: float = 0.0
    """Seconds between two syncs of the node's caches, 1 on a real server. Until the next one the health check does not
    know a new instance, and a row cleaned in the meantime becomes a ghost. 0: they sync immediately."""
    health_check: Literal["open", "closed", "none"] = "open"
    """none: no checker configured, every heartbeat query is 400140."""
    heartbeat_shared: bool = False
    """The nodes share heartbeats (heartbeatLeader, heartbeatRedis); if not, each has its own (heartbeatMemory)."""
    store_fails: bool = False
    """The store answers with an error."""
    free_latency: float = 0.0
    """Seconds that a memory/free takes; concurrent ones queue."""
    heap_in_use: int = 96 * MIB
    heap_free: int = 224 * MIB
    """Both are the initial values of the heap; for later values see node.heap."""
    pprof: bool = True
    metrics: Literal["", "none", "runtime", "memstats", "both"] = ""
    """The kind of names in /metrics; empty: that of the profile."""
    rate_limit: Literal["", "ip", "api"] = ""
    rate_limit_quota: int = 10
    """Calls that may pass in a burst."""
    rate_limit_refill: float = 1.0
    """Calls per second that may pass on average."""
    record: bool = True
    """Record each request in node.requests."""

    def set(self, key: str, value: Any) -> None:
        """Set one field; text is converted to the field's type."""
        kind = field_types().get(key)
        if kind is None:
            raise ValueError(f"Unknown setting {key!r}; use one of {', '.join(field_types())}.")
        choices = get_args(kind)
        if choices:
            if value not in choices:
                raise ValueError(
                    f"{key} must be one of {', '.join(each or '(empty)' for each in choices)}; got {value!r}."
                )
        elif kind is bool:
            value = as_bool(key, value)
        elif isinstance(value, bool) or not isinstance(value, (int, float, str)):
            raise ValueError(f"{key} must be of type {kind.__name__}; got {value!r}.")
        else:
            value = kind(value)
        if key == "timezone":
            parse_timezone(value)
        setattr(self, key, value)


@lru_cache(maxsize=1)
def field_types() -> dict[str, Any]:
    hints = get_type_hints(Config)
    return {field.name: hints[field.name] for field in fields(Config)}


def as_bool(key: str, value: Any) -> bool:
    """A boolean, possibly as text."""
    if isinstance(value, bool):
        return value
    known = {"true": True, "yes": True, "on": True, "1": True, "false": False, "no": False, "off": False, "0": False}
    if str(value).lower() not in known:
        raise ValueError(f"{key} must be true or false; got {value!r}.")
    return known[str(value).lower()]


@lru_cache(maxsize=32)
def parse_timezone(text: str) -> timezone:
    """A time zone such as +08:00."""
    try:
        offset = datetime.strptime(text, "%z").utcoffset() or timedelta(0)
    except ValueError:
        raise ValueError(f"A time zone must look like +08:00; got {text!r}.") from None
    return timezone(offset)


@lru_cache(maxsize=4096)
def wall_clock(second: int, zone: str) -> str:
    """Cached, because the same few seconds are printed repeatedly."""
    return datetime.fromtimestamp(second, parse_timezone(zone)).strftime("%Y-%m-%d %H:%M:%S")


def first_levels(profile: Profile) -> dict[str, str]:
    """The levels after startup."""
    return {**dict.fromkeys(profile.scopes, "info"), **dict(profile.raised_levels)}


@dataclass(slots=True)
class Recorded:
    """A received request, and the status of its response (0: none)."""

    node: int
    method: str
    path: str
    query: dict[str, str]
    headers: dict[str, str]
    body: str
    peer: str
    time: float
    status: int = 0

    def as_dict(self) -> dict[str, Any]:
        """Plain values, for /_simulator/requests."""
        return {key: getattr(self, key) for key in self.__slots__}


@lru_cache(maxsize=128)
def router_of(profile: Profile, admin: bool, console: bool, client: bool, swagger: bool, pprof: bool) -> Router:
    """The routes of a profile with these switches."""
    routes: dict[tuple[str, str], Any] = {}
    if admin:
        routes["GET", "/"] = maintain.index
        routes.update({route: maintain.HANDLERS[route] for route in profile.routes})
    if console:
        routes.update(naming.HANDLERS)
        routes["POST", profile.login_path] = naming.login
        if profile.auth_status_path is not None:
            routes["GET", profile.auth_status_path] = naming.auth_status
        if profile.prometheus_clients:
            routes["GET", "/prometheus/v1/clients"] = maintain.get_prometheus_clients
    if client:
        routes.update(naming.CLIENT_HANDLERS)
    if swagger and profile.swagger:
        routes["GET", "/apidocs.json"] = diagnostics.apidocs(routes)
    plain: dict[str, Any] = {"/metrics": diagnostics.metrics}
    if pprof or profile.pprof_off_empty:
        plain["/debug/pprof/"] = diagnostics.pprof
    return Router(routes, plain, profile.old_router, ("/naming/v1", "/core/v1") if console else ())


class NodeServer(web.Server):
    """aiohttp's server, whose connections a Listener counts."""

    def __init__(self, node: Node) -> None:
        # Go accepts request lines and headers of 1 MiB; aiohttp's default is 8 KiB. Bodies have no limit.
        super().__init__(
            node.handle,
            access_log=None,
            logger=QUIET,
            max_line_size=1 << 20,
            max_field_size=1 << 20,
            lingering_time=0,
        )
        self.node = node
        self.request_factory = self._unlimited

    def _unlimited(self, message: Any, payload: Any, protocol: Any, writer: Any, task: Any) -> web.BaseRequest:
        return web.BaseRequest(message, payload, protocol, writer, task, self._loop, client_max_size=0)

    def connection_made(self, handler: Any, transport: asyncio.Transport) -> None:
        super().connection_made(handler, transport)
        if not self.node.listeners["http"].accept(transport):
            transport.abort()

    def connection_lost(self, handler: Any, exc: BaseException | None = None) -> None:
        transport = self._connections.get(handler)
        if transport is not None:
            self.node.listeners["http"].lost(transport)
        super().connection_lost(handler, exc)


class GrpcProtocol(asyncio.Protocol):
    """Accept anything and keep it open; answer HTTP/1 as grpc-go does, with a SETTINGS frame and a close."""

    SETTINGS = b"\x00\x00\x06\x04\x00\x00\x00\x00\x00\x00\x05\x00\x00@\x00"

    def __init__(self, listener: Listener) -> None:
        self.listener = listener
        self.transport: asyncio.Transport | None = None

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        assert isinstance(transport, asyncio.Transport)
        self.transport = transport
        if not self.listener.accept(transport):
            transport.abort()

    def data_received(self, data: bytes) -> None:
        if self.transport is not None and data.startswith((b"GET ", b"POST ", b"PUT ", b"HEAD ", b"DELETE ")):
            self.transport.write(self.SETTINGS)
            connection = self.transport.get_extra_info("socket")
            connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))  # close with a reset
            self.transport.close()

    def connection_lost(self, exc: BaseException | None) -> None:
        if self.transport is not None:
            self.listener.lost(self.transport)


class Node:
    def __init__(self, fleet: Fleet, index: int, host: str, profile: Profile, config: Config) -> None:
        self.fleet = fleet
        self.index = index
        self.host = host
        self.port = 0
        self.grpc_port = 0
        self.profile = profile
        self.config = replace(config)
        self.started = time.time()
        """When its caches were loaded."""
        self.synced = self.started
        """When a list last forced its cache to sync."""
        self.levels: dict[str, str] = first_levels(profile)
        self.requests: deque[Recorded] = deque(maxlen=MAX_RECORDED)
        self.rules: list[Rule] = []
        self.beats: dict[str, float] = {}
        self.heap = Heap(live=config.heap_in_use, free=config.heap_free)
        self.free_lock = asyncio.Lock()
        self.server: NodeServer | None = None
        self.listening: list[asyncio.Server] = []
        self.tls_listening: list[asyncio.Task[None]] = []
        self.listeners = {
            protocol: Listener(
                protocol,
                max_total=config.max_conn_limit,
                max_per_host=config.max_conn_per_host,
                purge_interval=config.purge_interval,
                purge_expire=config.purge_expire,
            )
            for protocol in ("http", "grpc")
        }
        self._remembered: dict[Any, tuple[int, list[Row]]] = {}
        self._tokens: dict[str, tuple[float, float]] = {}

    # What a test inspects and changes

    @property
    def url(self) -> str:
        return f"{self.fleet.scheme}://{self.host}:{self.port}"

    @property
    def advertised(self) -> str:
        """The address that it registers."""
        return "127.0.0.1" if self.fleet.loopback else self.host

    @property
    def store(self) -> Store:
        """The fleet's."""
        return self.fleet.store

    @property
    def accounts(self) -> Accounts:
        """The fleet's."""
        return self.fleet.accounts

    @property
    def connections(self) -> dict[str, list[str]]:
        """The open connections per protocol, as "ip:port"."""
        return {protocol: listener.addresses() for protocol, listener in self.listeners.items()}

    def set(self, key: str, value: Any) -> None:
        """Change a setting, and what depends on it."""
        self.config.set(key, value)
        value = getattr(self.config, key)
        if key == "heap_in_use":
            self.heap.live = value
        elif key == "heap_free":
            self.heap.free = value
        for listener in self.listeners.values():
            listener.max_total = self.config.max_conn_limit
            listener.max_per_host = self.config.max_conn_per_host
            listener.purge_interval = self.config.purge_interval
            listener.purge_expire = self.config.purge_expire

    def fault(
        self, method: str, path: str, fault: Fault, times: int | None = None, *, skip: int = 0, containing: str = ""
    ) -> Rule:
        """Make requests fail: those with this method ("*": any) and path ("*", or a prefix before "*").

        `times` limits their number, `skip` leaves out the first ones, `containing` selects those with that text in
        query or body.
        """
        rule = Rule(method, path, fault, times, skip, containing)
        self.rules.append(rule)
        return rule

    def clear_faults(self) -> None:
        self.rules.clear()

    def beat(self, row_id: str, at: float | None = None) -> None:
        """Record a heartbeat of that instance here, now or at that epoch second (by this node's clock)."""
        beats = self.store.beats if self.config.heartbeat_shared else self.beats
        beats[row_id] = self.now() if at is None else at

    def stop(self, spare: str = "") -> None:
        """Like a process that exited: ports refuse, connections are closed, its memory is lost.

        `spare` is the address of a connection that stays open to get its answer.
        """
        self.fleet.run(lambda: self.shut_down(spare))

    def start(self) -> None:
        """Start a stopped node again, on its old ports."""
        self.fleet.run(self._come_back)

    async def _come_back(self) -> None:
        await self.fleet.bring_up(self)
        self._forget()

    def shut_down(self, spare: str = "") -> None:
        """Same as `stop`, but called in the fleet's loop."""
        for server in self.listening:
            server.close()
        for task in self.tls_listening:
            task.cancel()
        self.listening, self.tls_listening = [], []
        for listener in self.listeners.values():
            listener.close_all(spare)

    def restart(self, spare: str = "") -> None:
        """Like a restarted process: connections, levels, beats and caches are reset."""

        def forget() -> None:
            for listener in self.listeners.values():
                listener.close_all(spare)
            self._forget()

        self.fleet.run(forget)

    def _forget(self) -> None:
        self.started = time.time()
        self.levels = first_levels(self.profile)
        self.beats.clear()
        self.heap = Heap(live=self.config.heap_in_use, free=self.config.heap_free)
        self._remembered.clear()
        for row in list(self.store.rows.values()):
            row.text = None

    # What handlers use

    def now(self) -> float:
        """Epoch seconds by this node's clock."""
        return time.time() + self.config.clock_offset

    def local_time(self, moment: float) -> str:
        """A time as polaris common/time/time.go prints it: in the node's zone, without an offset."""
        return wall_clock(int(moment), self.config.timezone)

    def rfc3339(self, moment: float) -> str:
        """A time as Go prints a time.Time, in the node's zone."""
        return maintain.zoned(moment, parse_timezone(self.config.timezone))

    def check(self, call: Call, function: str, writes: bool = False) -> Refusal | None:
        """Why the caller may not do that here; None if allowed."""
        if self.profile.loses_tokens and self.config.auth != "open" and call.path.startswith("/maintain/"):
            return None if function == "CleanInstance" else INVALID
        return self.accounts.check(
            call.token, mode=self.config.auth, policies=self.profile.policies, writes=writes, function=function
        )

    def counted(self, protocol: str) -> Listener | None:
        """The listener that counts the connections of that protocol; None if there is none."""
        if (
            not self.profile.counts_connections
            or not self.config.conn_limit
            or protocol not in self.config.conn_protocols.split(",")
        ):
            return None
        return self.listeners.get(protocol)

    def last_beat(self, row_id: str) -> float:
        """Epoch seconds; 0 if this node knows no heartbeat."""
        return (self.store.beats if self.config.heartbeat_shared else self.beats).get(row_id, 0)

    def synced_since(self, moment: float) -> bool:
        """Whether the cache has been synced since that time."""
        interval = self.config.cache_interval
        if interval <= 0 or self.synced >= moment:
            return True
        return (time.time() - self.started) // interval > (moment - self.started) // interval

    def visible(self, service: str, namespace: str, row_id: str) -> list[Row]:
        """The rows that a list shows: those of the store, or of the cache, with its ghosts."""
        found = [row for row in self.store.candidates(service, namespace, row_id) if row.live]
        if self.profile.list_cached and self.store.ghosts:
            found += self.store.ghosts_on(self.index, self.started)
        return found

    def checked_row(self, row_id: str) -> Row | None:
        """The instance if it is in this node's health-check cache."""
        row = self.store.rows.get(row_id)
        if row is None:
            row = next((each for each in self.store.ghosts_on(self.index, self.started) if each.id == row_id), None)
        elif row.live != self.synced_since(row.written):
            row = None
        if row is None or row.ttl is None or instances.is_stripped(row, self.profile, self.started):
            return None
        own = row.namespace == self.profile.checker_namespace and row.service in CHECKER_SERVICES
        return None if own and self.profile.own_instances_hidden else row

    def remembered(self, query: dict[str, str], compute: Callable[[], tuple[list[Row], bool]]) -> list[Row]:
        """The rows of a query, computed once for all its pages until something changes."""
        key = frozenset(item for item in query.items() if item[0] not in ("offset", "limit"))
        known = self._remembered.get(key)
        if known is not None and known[0] == self.store.generation:
            return known[1]
        generation = self.store.generation
        rows, stable = compute()
        if stable:
            if len(self._remembered) >= MAX_REMEMBERED:
                self._remembered.clear()
            self._remembered[key] = (generation, rows)
        return rows

    def rendered(self, row: Row, beats: bool) -> str:
        """The JSON of a row as an element of the list; nodes that show it the same way share it."""
        stripped = instances.is_stripped(row, self.profile, self.started)
        look = (self.profile.list_cached, self.config.timezone, stripped)
        if row.text is not None and row.look == look and not beats:
            return row.text
        shown = instances.listed(row, self.profile, self.local_time, stripped, self.store.kind == "mysql")
        beat = self.last_beat(row.id)
        if beats and beat:
            times = {"last-heartbeat-time": self.local_time(beat), "last-heartbeat-timestamp": str(int(beat))}
            return "\n  " + gojson.pretty({**shown, "metadata": {**shown["metadata"], **times}}, "\n  ", True)
        row.text, row.look = "\n  " + gojson.pretty(shown, "\n  ", True), look
        return row.text

    def take_token(self, key: str, now: float) -> bool:
        """A token bucket; the rate limit plugin has one per address or per call."""
        quota, refill = self.config.rate_limit_quota, self.config.rate_limit_refill
        left, at = self._tokens.get(key, (float(quota), now))
        left = min(float(quota), left + (now - at) * refill)
        self._tokens[key] = (left - 1 if left >= 1 else left, now)
        return left >= 1

    # Handling of a request

    async def handle(self, request: web.BaseRequest) -> web.StreamResponse:
        """One request, from its first byte to its answer."""
        body = await request.read() if request.body_exists else b""
        path, raw_query = split_target(request.raw_path)
        peername = request.transport.get_extra_info("peername") if request.transport else None
        peer = (peername[0], peername[1]) if peername else ("", 0)
        call = Call(self, request.method, path, parse_query(raw_query), request.headers, body, peer, raw_query)
        if path.startswith("/_simulator"):
            return respond(control.handle(call))
        record: Recorded | None = None
        if self.config.record:
            headers = {name.lower(): value for name, value in request.headers.items()}
            text, address = body.decode("utf-8", "replace"), f"{peer[0]}:{peer[1]}"
            record = Recorded(self.index, call.method, path, call.query, headers, text, address, time.time())
            self.requests.append(record)
        if self.config.latency:
            await asyncio.sleep(self.config.latency)
        rule = self._rule(call) if self.rules else None
        if rule is not None and (answer := await self._before(rule.fault, request)) is not None:
            if record is not None and answer.status != NOTHING:
                record.status = answer.status
            return answer
        try:
            reply = await self._answer(call)
        except Exception:
            # A bug in the simulator must not look like a fault of a server.
            traceback.print_exc(file=sys.stderr)
            reply = error(500, "the simulator failed: " + traceback.format_exc(limit=1))
        if reply.abort or (rule is not None and rule.fault.kind == "drop"):
            return hang_up(request)
        if rule is not None and rule.fault.kind == "truncate":
            return hang_up(request, half(reply))
        if record is not None:
            record.status = reply.status
        return respond(reply)

    async def _answer(self, call: Call) -> Reply:
        config = self.config
        router = router_of(self.profile, config.admin, config.console, config.client, config.swagger, config.pprof)
        found = router.select(call)
        if isinstance(found, Reply):
            return found
        if config.rate_limit and not router.is_plain(call.path):
            refused = naming.limited(call)
            if refused is not None:
                return refused
        result = found(call)
        return await result if inspect.isawaitable(result) else result

    def _rule(self, call: Call) -> Rule | None:
        text = call.raw_query + "\n" + call.body.decode("utf-8", "replace")
        return next((rule for rule in list(self.rules) if rule.meets(call.method, call.path, text)), None)

    async def _before(self, fault: Fault, request: web.BaseRequest) -> web.StreamResponse | None:
        """The effect of a fault before the work is done; None to do the work."""
        if fault.seconds:
            await asyncio.sleep(fault.seconds)
        if fault.kind == "status":
            reply = error(fault.status or 503, fault.body, dict(fault.headers))
            if any(name.lower() == "content-type" for name in fault.headers):
                reply.content_type = ""
            return respond(reply)
        if fault.kind == "redirect":
            return respond(error(fault.status or 302, fault.body, {"Location": fault.location, **fault.headers}))
        if fault.kind == "cut":
            return hang_up(request)
        if fault.kind == "garbage":
            return hang_up(request, fault.body.encode() or b"\x15\x03\x01\x00\x02\x02\x50 this is no HTTP\r\n\r\n")
        if fault.kind == "hang":
            await self.fleet.stopping.wait()
            return hang_up(request)
        return None


NOTHING = 499
"""The status of the response that is never sent."""


def hang_up(request: web.BaseRequest, last_words: bytes = b"") -> web.StreamResponse:
    """Close the connection, after sending these bytes, if any; the returned response is not sent."""
    if request.transport is not None:
        if last_words:
            request.transport.write(last_words)
        request.transport.close()
    response = respond(Reply(NOTHING))
    response.force_close()
    return response
