# Copyright (c) 2026, PolarisMesh Maintenance contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Private to this collection. Routes of a server: call one, check that it exists, recognise foreign answers."""

from __future__ import annotations

import typing as t
from dataclasses import dataclass

from .._answers import Json, Query, Reply, Request, expect, is_rate_limited
from .._client import Client
from .._errors import PolarisError

Method = t.Literal["GET", "PUT", "POST"]


@dataclass(frozen=True)
class Route:
    """A route of the server, and how a request to it may be sent.

    :param since: the first release that has it.
    :param fresh: each call uses a new connection, because it is sent once, and rarely.
    """

    method: Method
    path: str
    since: str = "v1.8.0"
    fresh: bool = False

    def __str__(self) -> str:
        return f"{self.method} {self.path}"

    @property
    def repeatable(self) -> bool:
        """True for reading and for setting an absolute value, never for closing, removing, freeing or releasing."""
        return self.method != "POST"

    def request(self, query: t.Optional[Query] = None, body: Json = None, **more: t.Any) -> Request:
        """A request to this route; ``more`` are the other fields of Request."""
        return Request(self.method, self.path, query, body, repeatable=self.repeatable, fresh=self.fresh, **more)


_BANNER_PAGE = Route("GET", "/")
_BANNER = "Polaris Server"


def call(
    client: Client,
    route: Route,
    body: Json = None,
    *,
    query: t.Optional[Query] = None,
    published: t.Optional[Route] = None,
    published_body: Json = None,
) -> Reply:
    """Send to ``route``, or to its ``published`` form (with its own body, if any) if the server has only that one.

    Falling back is safe: a 404 or 405 comes from the router, before any handler has run.
    """
    forms = [route] if published is None else [route, published]
    # If all are known to be missing, the last one is called again to get its answer.
    for form in [form for form in forms if str(form) not in client.missing] or forms[-1:]:
        sent = published_body if form is published and published_body is not None else body
        reply = client.send(form.request(query, sent))
        if reply.status not in (404, 405):
            return expect(reply, client.url)
        client.missing.add(str(form))
    raise route_missing(client, route, reply)


def has_route(client: Client, route: Route) -> t.Optional[bool]:
    """Whether the server has a route, without running it; None if a proxy in front of it answers instead."""
    reply = _look(client, route)
    if reply.status in (401, 403, 407) or reply.status >= 500:
        return None
    return reply.status != 404


def require(client: Client, route: Route) -> None:
    """For check mode: fail like a call if the server does not have the route, without running it."""
    reply = _look(client, route)
    if reply.status == 404:
        raise route_missing(client, route, reply)


def _look(client: Client, route: Route) -> Reply:
    """GET with an Accept header that no route of the JSON API can satisfy, so that none is ever run.

    The router answers 404 for an unknown path, 405 for a path with other methods only, and 406 for one that it would
    have run (seen on v1.12.2 to HEAD).
    """
    return client.send(Request("GET", route.path, repeatable=True, accept="text/plain"))


def route_missing(client: Client, route: Route, reply: Reply) -> PolarisError:
    """Why the server has no such route: it is too old, the API is switched off, or it is not Polaris."""
    if reply.status == 405 or is_polaris(client):
        return reply.error(
            "unsupported",
            f"{client.url} has no {route}, which needs Polaris {route.since} or later: this server is older (or a "
            f"proxy in front of it hides the call).",
        )
    if _is_not_mounted(reply):
        return reply.error(
            "unsupported",
            f"{client.url} has its maintenance API switched off: set api.admin.enable to true under the api-http "
            f"apiserver in polaris-server.yaml and restart that node (or this is another port of the node: the HTTP "
            f"API uses 8090 by default).",
        )
    return not_polaris(client, reply)


def is_polaris(client: Client) -> bool:
    """Whether ``GET /`` returns the banner, as it does if the maintenance API is switched on."""
    # The route declares no content type, so any Accept but */* is refused with 406 (seen on v1.12.2 to HEAD).
    reply = client.send(_BANNER_PAGE.request(accept="*/*"))
    if reply.status >= 500 or is_rate_limited(reply):
        expect(reply, client.url)
    return reply.status == 200 and reply.text == _BANNER


def require_polaris(client: Client) -> None:
    """Fail if this is not a Polaris server, not even one with its maintenance API switched off."""
    reply = client.send(_BANNER_PAGE.request(accept="*/*"))
    if (reply.status == 200 and reply.text == _BANNER) or _is_not_mounted(reply):
        return
    if reply.status != 404:
        expect(reply, client.url)
    raise not_polaris(client, reply)


def _is_not_mounted(reply: Reply) -> bool:
    """Whether this is the text of go-restful, or of Go, for a path that is not mounted."""
    text = reply.text.lower()
    return reply.status == 404 and (text.startswith("404: ") or text == "404 page not found")


def not_polaris(client: Client, reply: Reply) -> PolarisError:
    return reply.error(
        "protocol",
        f"{client.url} is not a Polaris server, or a proxy or gateway in front of it answered: the answer to "
        f"{reply.method} {reply.path} ({reply.status}) is not one that Polaris gives; give the URL of its HTTP API "
        f"(port 8090 by default).",
        # It may be the damaged answer of a server that did what the request asked for.
        outcome_unknown=reply.method != "GET" and 200 <= reply.status < 300,
    )


def json_object(client: Client, reply: Reply) -> t.Dict[str, t.Any]:
    parsed = reply.parsed()
    if not isinstance(parsed, dict):
        raise not_polaris(client, reply)
    return parsed
