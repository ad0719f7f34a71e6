# Copyright (c) 2026, PolarisMesh Maintenance contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Calls, replies and routing: what go-restful and Go's net/http do before and after a handler.

Routing follows go-restful v3.9.0 curly.go and jsr311.go (detectRoute); v2.15.0 differs only in its answer to a POST
without a body (it has no rule for a missing Content-Length).
"""

from __future__ import annotations

import re
from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any
from urllib.parse import parse_qsl, unquote

from aiohttp import web

from . import gojson

if TYPE_CHECKING:
    from .node import Node

JSON = "application/json"
TEXT = "text/plain; charset=utf-8"


@dataclass(slots=True)
class Call:
    """One request as a handler sees it."""

    node: Node
    method: str
    path: str
    query: dict[str, str]
    headers: Mapping[str, str]
    body: bytes
    peer: tuple[str, int]
    raw_query: str = ""

    @property
    def token(self) -> str:
        """The token of the caller; empty if there is none."""
        return self.headers.get("X-Polaris-Token", "")


@dataclass(slots=True)
class Reply:
    """One response; `abort` closes the connection instead, as a panic in a Go handler does."""

    status: int = 200
    body: bytes = b""
    content_type: str = ""
    headers: dict[str, str] | None = None
    abort: bool = False


Handler = Callable[[Call], Reply | Awaitable[Reply]]


def entity(value: Any) -> Reply:
    """WriteEntity / WriteAsJson."""
    return Reply(200, gojson.dumps(value), JSON)


def error(status: int, text: str, headers: dict[str, str] | None = None) -> Reply:
    """WriteErrorString: no Content-Type is set, so net/http sniffs plain text."""
    return Reply(status, text.encode(), TEXT if text else "", headers)


def parse_query(raw: str) -> dict[str, str]:
    """ParseQueryParams of polaris: the first value of a key counts, but keys and values are joined."""
    if not raw:
        return {}
    result: dict[str, str] = {}
    for key, value in parse_qsl(raw, keep_blank_values=True):
        if key not in result:
            result[key] = value
        elif key in ("keys", "values"):
            result[key] += "," + value
    return result


def split_target(target: str) -> tuple[str, str]:
    """Decoded path and raw query of a request target, without the origin of an absolute one."""
    if not target.startswith("/"):
        target = re.sub(r"^[a-z]+://[^/?]*", "", target) or "/"
    path, _dummy, raw_query = target.partition("?")
    return (unquote(path) if "%" in path else path), raw_query


class Router:
    """The routes of one profile. `plain` routes are on Go's mux, outside the rules of go-restful."""

    def __init__(
        self,
        routes: Mapping[tuple[str, str], Handler],
        plain: Mapping[str, Handler],
        old: bool,
        services: tuple[str, ...],
    ) -> None:
        self.old = old
        self.plain = plain
        self.services = services
        self.by_path: dict[str, dict[str, Handler]] = {}
        for (method, path), handler in routes.items():
            self.by_path.setdefault(path, {})[method] = handler

    def is_plain(self, path: str) -> Handler | None:
        """The handler for a path on Go's mux: an exact match, or a prefix if it ends with a slash."""
        for prefix, handler in self.plain.items():
            if path == prefix or (prefix.endswith("/") and path.startswith(prefix)):
                return handler
        return None

    def select(self, call: Call) -> Handler | Reply:
        """The handler for a call, or the answer of the routing itself."""
        path = call.path
        plain = self.is_plain(path)
        if plain is not None:
            return plain
        if UNCLEAN.search(path):
            return moved(path)
        if path + "/" in self.plain:
            return moved(path + "/")
        methods = self.by_path.get("/" + path.strip("/"))
        if methods is None:
            # The index service gets every path that no other service has; without it, Go's mux answers.
            if "/" in self.by_path or path.startswith(self.services or ("//",)):
                return error(404, "404: Page Not Found")
            return error(404, "404 page not found\n", {"X-Content-Type-Options": "nosniff"})
        handler = methods.get(call.method)
        if handler is None:
            allow = ", ".join(methods)
            if call.method == "OPTIONS":  # the CORS filter of the container
                cors = dict.fromkeys(("Access-Control-Allow-Headers", "Access-Control-Allow-Origin"), "")
                return Reply(200, b"", "", {"Allow": allow, "Access-Control-Allow-Methods": allow, **cors})
            return error(405, "405: Method Not Allowed", {"Allow": allow})
        if path == "/":
            # This route declares no content type, so only */* matches it.
            return handler if accepts(call.headers.get("Accept", ""), gives=()) else self._not_acceptable(call, "")
        return self._content(call) or handler

    def _content(self, call: Call) -> Reply | None:
        headers = call.headers
        if not consumes(call.method, headers.get("Content-Type", "")):
            if call.body and "Content-Length" in headers:
                return error(415, "415: Unsupported Media Type")
            return self._not_acceptable(call, "")
        if not accepts(headers.get("Accept", "")):
            return self._not_acceptable(call, JSON)
        return None

    def _not_acceptable(self, call: Call, available: str) -> Reply:
        shown = f"\n\nAvailable representations: {available}"
        if not self.old and call.method in ("POST", "PUT", "PATCH") and not call.headers.get("Content-Length"):
            return error(415, f"415: Unsupported Media Type{shown}")
        return error(406, f"406: Not Acceptable{shown}")


UNCLEAN = re.compile(r"//|/\.\.?(/|$)")


def moved(path: str) -> Reply:
    """Go's ServeMux redirects a path that is not clean."""
    parts: list[str] = []
    for part in path.split("/"):
        if part == "..":
            parts = parts[:-1]
        elif part not in ("", "."):
            parts.append(part)
    clean = "/" + "/".join(parts) + ("/" if parts and path.endswith("/") else "")
    body = f'<a href="{clean}">Moved Permanently</a>.\n\n'
    return Reply(301, body.encode(), "text/html; charset=utf-8", {"Location": clean})


def consumes(method: str, content_type: str) -> bool:
    """matchesContentType of a route that accepts JSON."""
    if content_type == JSON:
        return True
    if not content_type:
        return method in ("GET", "HEAD", "OPTIONS", "DELETE", "TRACE")
    return any(part.partition(";")[0].strip(" ") == JSON for part in content_type.split(","))


def accepts(accept: str, gives: tuple[str, ...] = (JSON,)) -> bool:
    """matchesAccept of a route; ranges like application/* do not count."""
    return not accept or any(part.partition(";")[0].strip(" ") in ("*/*", *gives) for part in accept.split(","))


class Response(web.Response):
    """Remove the header that aiohttp adds and Go does not send."""

    async def _prepare_headers(self) -> None:
        await super()._prepare_headers()
        self.headers.pop("Server", None)


def respond(reply: Reply) -> Response:
    """A reply as an aiohttp response."""
    headers = reply.headers or {}
    if reply.content_type:
        headers = {**headers, "Content-Type": reply.content_type}
    return Response(status=reply.status, body=reply.body, headers=headers)


def half(reply: Reply) -> bytes:
    """The bytes of a response that ends in the middle of its body."""
    head = f"HTTP/1.1 {reply.status} OK\r\nContent-Type: {reply.content_type or TEXT}\r\n"
    length = max(len(reply.body), 2)
    return f"{head}Content-Length: {length}\r\n\r\n".encode() + reply.body[: length // 2]
