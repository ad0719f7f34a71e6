# Copyright (c) 2026, PolarisMesh Maintenance contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""One simulated server: its state, its faults, and the way of a request through it."""

from __future__ import annotations

import asyncio
import inspect
import time
from collections import deque
from dataclasses import dataclass, fields, replace
from datetime import datetime, timedelta, timezone
from functools import lru_cache
from typing import TYPE_CHECKING, Any

from aiohttp import web

from . import control, maintain, naming
from .auth import MODES, Accounts, Mode, Refusal
from .faults import Fault, Rule
from .profiles import Profile
from .store import Store
from .wire import Call, Reply, Router, error, parse_query, split_target

if TYPE_CHECKING:
    from .fleet import Fleet

MAX_RECORDED = 200_000


@dataclass
class Config:
    """What a test may change at any time, on one node or on all (`fleet.configure`)."""

    auth: Mode = "strict"
    latency: float = 0.0
    """Seconds that every call takes longer."""
    admin: bool = True
    """api.admin: mounts / and /maintain/v1."""
    console: bool = True
    """api.console: mounts /naming/v1 and /core/v1."""
    clock_offset: float = 0.0
    """Seconds that the node's clock is ahead."""
    timezone: str = "+00:00"
    record: bool = True
    """Keep each request in node.requests."""

    def set(self, key: str, value: Any) -> None:
        """Sets one field; text is converted to the field's type."""
        known = {field.name: field for field in fields(self)}
        if key not in known:
            raise ValueError(f"There is no setting {key!r}; take one of {', '.join(known)}.")
        current = getattr(self, key)
        if key == "auth" and value not in MODES:
            raise ValueError(f"auth is one of {', '.join(MODES)}, not {value!r}.")
        if isinstance(value, str) and not isinstance(current, str):
            if isinstance(current, bool):
                if value.lower() not in ("true", "false", "yes", "no", "on", "off", "1", "0"):
                    raise ValueError(f"{key} is true or false, not {value!r}.")
                value = value.lower() in ("true", "yes", "on", "1")
            else:
                value = type(current)(value)
        if key == "timezone":
            parse_timezone(value)
        setattr(self, key, value)


@lru_cache(maxsize=32)
def parse_timezone(text: str) -> timezone:
    """+08:00 as a zone."""
    try:
        sign, hours, minutes = text[0], int(text[1:3]), int(text[4:6] or 0)
        return timezone((-1 if sign == "-" else 1) * timedelta(hours=hours, minutes=minutes))
    except (ValueError, IndexError):
        raise ValueError(f"A time zone looks like +08:00, not {text!r}.") from None


@dataclass(slots=True)
class Recorded:
    """A request that came in, and the status it got (0: none)."""

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


@lru_cache(maxsize=64)
def router_of(profile: Profile, admin: bool, console: bool) -> Router:
    """The routes of a profile with these APIs switched on."""
    routes: dict[tuple[str, str], Any] = {}
    if admin:
        routes["GET", "/"] = maintain.index
        for route in profile.routes:
            if route in maintain.HANDLERS:
                routes[route] = maintain.HANDLERS[route]
    if console:
        routes.update(naming.HANDLERS)
    return Router(routes, {}, profile.old_router)


class Node:
    """One server of a fleet."""

    def __init__(self, fleet: Fleet, index: int, host: str, profile: Profile, config: Config) -> None:
        self.fleet = fleet
        self.index = index
        self.host = host
        self.port = 0
        self.grpc_port = 0
        self.profile = profile
        self.config = replace(config)
        self.levels: dict[str, str] = dict.fromkeys(profile.scopes, "info")
        self.requests: deque[Recorded] = deque(maxlen=MAX_RECORDED)
        self.rules: list[Rule] = []
        self.server: web.Server | None = None

    @property
    def url(self) -> str:
        """Base URL of its HTTP API."""
        return f"{self.fleet.scheme}://{self.host}:{self.port}"

    @property
    def store(self) -> Store:
        """The fleet's."""
        return self.fleet.store

    @property
    def accounts(self) -> Accounts:
        """The fleet's."""
        return self.fleet.accounts

    def now(self) -> float:
        """Epoch seconds on this node's clock."""
        return time.time() + self.config.clock_offset

    def local_time(self, moment: float) -> str:
        """As polaris common/time/time.go prints it: the node's zone, no offset."""
        return datetime.fromtimestamp(moment, parse_timezone(self.config.timezone)).strftime("%Y-%m-%d %H:%M:%S")

    def check(self, call: Call, function: str, writes: bool = False) -> Refusal | None:
        """May the caller do that here?"""
        return self.accounts.check(
            call.token, mode=self.config.auth, policies=self.profile.policies, writes=writes, function=function
        )

    def fault(
        self, method: str, path: str, fault: Fault, times: int | None = None, *, skip: int = 0, containing: str = ""
    ) -> Rule:
        """Lets requests fail: those of that method ("*": any) and path ("*", or a prefix before "*").

        `times` limits how many, `skip` spares the first ones, `containing` picks those with that text in query or body.
        """
        rule = Rule(method, path, fault, times, skip, containing)
        self.rules.append(rule)
        return rule

    def clear_faults(self) -> None:
        """All works again."""
        self.rules.clear()

    async def handle(self, request: web.BaseRequest) -> web.StreamResponse:
        """One request, from its first byte to its answer."""
        body = await request.read() if request.body_exists else b""
        path, raw_query = split_target(request.raw_path)
        peername = request.transport.get_extra_info("peername") if request.transport else None
        peer = (peername[0], peername[1]) if peername else ("", 0)
        call = Call(self, request.method, path, parse_query(raw_query), request.headers, body, peer, raw_query)
        if path.startswith("/_simulator"):
            return respond(await control.handle(call))
        record: Recorded | None = None
        if self.config.record:
            headers = {name.lower(): value for name, value in request.headers.items()}
            text = body.decode("utf-8", "replace")
            record = Recorded(
                self.index, call.method, path, call.query, headers, text, f"{peer[0]}:{peer[1]}", time.time()
            )
            self.requests.append(record)
        if self.config.latency:
            await asyncio.sleep(self.config.latency)
        rule = self._rule(call) if self.rules else None
        if rule is not None and (answer := await self._before(rule.fault, request)) is not None:
            if record is not None:
                record.status = answer.status
            return answer
        found = router_of(self.profile, self.config.admin, self.config.console).select(call)
        if not isinstance(found, Reply):
            result = found(call)
            found = await result if inspect.isawaitable(result) else result
        if found.abort or (rule is not None and rule.fault.kind in ("drop", "truncate")):
            cut = None if found.abort or (rule is not None and rule.fault.kind == "drop") else half(found)
            return hang_up(request, cut)
        if record is not None:
            record.status = found.status
        return respond(found)

    def _rule(self, call: Call) -> Rule | None:
        text = call.raw_query + "\n" + call.body.decode("utf-8", "replace")
        return next((rule for rule in list(self.rules) if rule.meets(call.method, call.path, text)), None)

    async def _before(self, fault: Fault, request: web.BaseRequest) -> web.StreamResponse | None:
        """What a fault does before the work is done; None lets the work go on."""
        if fault.seconds:
            await asyncio.sleep(fault.seconds)
        if fault.kind == "status":
            reply = error(fault.status or 503, fault.body, dict(fault.headers))
            if "Content-Type" in fault.headers:
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


class Response(web.Response):
    """Without the headers that aiohttp adds and Go does not send."""

    async def _prepare_headers(self) -> None:
        await super()._prepare_headers()
        self.headers.pop("Server", None)


def respond(reply: Reply) -> Response:
    """A reply as aiohttp takes it."""
    headers = reply.headers or {}
    if reply.content_type:
        headers = {**headers, "Content-Type": reply.content_type}
    return Response(status=reply.status, body=reply.body, headers=headers)


def half(reply: Reply) -> bytes:
    """The bytes of a response that breaks off in the middle of its body."""
    head = f"HTTP/1.1 {reply.status} OK\r\nContent-Type: {reply.content_type or 'text/plain'}\r\n"
    length = max(len(reply.body), 2)
    return f"{head}Content-Length: {length}\r\n\r\n".encode() + reply.body[: length // 2]


def hang_up(request: web.BaseRequest, last_words: bytes | None = None) -> Response:
    """Closes the connection, after these bytes if there are any; the response returned goes nowhere."""
    transport = request.transport
    if transport is not None:
        if last_words:
            transport.write(last_words)
            transport.close()
        else:
            transport.abort()
    response = Response(status=499)
    response.force_close()
    return response
