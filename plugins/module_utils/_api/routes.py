# Copyright (c) 2026, PolarisMesh Maintenance contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Private to this collection. Routes of a server: call one, see whether it is there, recognise a foreign answer."""

from __future__ import annotations

import typing as t
from dataclasses import dataclass

from .._answers import Json, Query, Reply, Request, expect
from .._client import Client
from .._errors import PolarisError

Method = t.Literal["GET", "PUT", "POST"]


@dataclass(frozen=True)
class Route:
    """A route of the server, and how a request to it may be sent.

    :param since: the first release that has it.
    :param fresh: each call takes a new connection: it is sent once, and rarely.
    """

    method: Method
    path: str
    since: str = "v1.8.0"
    fresh: bool = False

    def __str__(self) -> str:
        return f"{self.method} {self.path}"

    @property
    def repeatable(self) -> bool:
        """Reading, and setting an absolute value; never what closes, removes, frees or releases something."""
        return self.method != "POST"

    def request(self, query: t.Optional[Query] = None, body: Json = None, **more: t.Any) -> Request:
        """A request to this route; ``more`` are the further fields of Request."""
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
    """Send to ``route``, or to its ``published`` form where the server has only that (with a body of its own, if any).

    Falling back is safe: a 404 or 405 comes from the router, before any handler has run.
    """
    forms = [route] if published is None else [route, published]
    # Where all are known to be missing, the last one is asked again, for its answer.
    for form in [form for form in forms if str(form) not in client.missing] or forms[-1:]:
        sent = published_body if form is published and published_body is not None else body
        reply = client.send(form.request(query, sent))
        if reply.status not in (404, 405):
            return expect(reply, client.url)
        client.missing.add(str(form))
    raise route_missing(client, route, reply)


def has_route(client: Client, route: Route) -> t.Optional[bool]:
    """Whether the server has a route, found without running it; None where something before it answers instead."""
    reply = _look(client, route)
    if reply.status in (401, 403, 407) or reply.status >= 500:
        return None
    return reply.status != 404


def require(client: Client, route: Route) -> None:
    """Fail as a call of the route would where the server has none, without running it. For check mode."""
    reply = _look(client, route)
    if reply.status == 404:
        raise route_missing(client, route, reply)


def _look(client: Client, route: Route) -> Reply:
    """GET with an Accept header that no route of the JSON API can meet, so that none is ever run.

    The router answers 404 where there is no such path, 405 for a path that has other methods, and 406 for one that it
    would have run (seen on v1.12.2 to HEAD).
    """
    return client.send(Request("GET", route.path, repeatable=True, accept="text/plain"))


def route_missing(client: Client, route: Route, reply: Reply) -> PolarisError:
    """Why the server has no such route: too old, switched off, or no Polaris at all."""
    if reply.status == 405 or is_polaris(client):
        return reply.error(
            "unsupported",
            f"{client.url} has no {route}: that call came with Polaris {route.since}; this server is older (or "
            f"something before it hides the call).",
        )
    # go-restful's and Go's own words for a path that is not mounted.
    if reply.text.lower().startswith("404: ") or reply.text.lower() == "404 page not found":
        return reply.error(
            "unsupported",
            f"{client.url} has its maintenance API switched off: set api.admin.enable to true under the api-http "
            f"apiserver in polaris-server.yaml and restart that node (or this is another port of the node: the HTTP "
            f"API has 8090 by default).",
        )
    return not_polaris(client, reply)


def is_polaris(client: Client) -> bool:
    """Whether ``GET /`` gives the banner, which it does where the maintenance API is switched on."""
    # The route declares no form of answer, so that any Accept but */* is refused with 406 (seen on v1.12.2 to HEAD).
    reply = client.send(_BANNER_PAGE.request(accept="*/*"))
    return reply.status == 200 and reply.text == _BANNER


def not_polaris(client: Client, reply: Reply) -> PolarisError:
    return reply.error(
        "protocol",
        f"{client.url} is not a Polaris server, or something stands before it: the answer to {reply.method} "
        f"{reply.path} ({reply.status}) is not what Polaris answers; give the URL of its HTTP API (port 8090 by "
        f"default).",
        # It may be the damaged answer of a server that did what it was asked for.
        outcome_unknown=reply.method != "GET" and 200 <= reply.status < 300,
    )


def json_object(client: Client, reply: Reply) -> t.Dict[str, t.Any]:
    parsed = reply.parsed()
    if not isinstance(parsed, dict):
        raise not_polaris(client, reply)
    return parsed
