# Copyright (c) 2026, PolarisMesh Maintenance contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""One function per endpoint of a Polaris server.

The only file that knows paths, methods, dialects and JSON shapes. Every function takes a
:class:`~.client.Client`, returns typed values, and raises :class:`~.client.PolarisError`.
"""

from __future__ import annotations

import typing as t
from dataclasses import dataclass

from .client import Client, PolarisError, Query, Reply, expect, shorten


@dataclass(frozen=True)
class Route:
    """A route of the server and the first release that has it."""

    method: str
    path: str
    since: str = "v1.8.0"

    def __str__(self) -> str:
        return f"{self.method} {self.path}"


# Route lists of polaris v1.8.0 apiserver/httpserver/maintain_access.go to v1.18.1 apiserver/httpserver/admin_access.go.
GET_LOG_LEVELS = Route("GET", "/maintain/v1/log/outputlevel")
PUT_LOG_LEVEL = Route("PUT", "/maintain/v1/log/outputlevel")
# What the published documentation says instead; no released server has it.
PUBLISHED_LOG_LEVEL = Route("POST", "/maintain/v1/log/outputlevel")
LOGIN = Route("POST", "/core/v1/user/login")

#: The levels a scope can have, from the most to the least (polaris v1.8.0 ... HEAD common/log/options.go).
LEVELS = ("debug", "info", "warn", "error", "fatal", "none")

_BANNER = "Polaris Server"


def login(client: Client, username: str, password: str, owner: t.Optional[str] = None) -> str:
    """The token of an account. Wrong name or password is an ``auth`` error."""
    body = {"name": username, "password": password}
    if owner:
        body["owner"] = owner
    reply = client.post(LOGIN.path, body)
    if reply.status in (404, 405):
        raise reply.error(
            "unsupported",
            f"{client.url} has no login ({LOGIN}): switch its console API on (api.console.enable under the api-http "
            f"apiserver), or give a token instead of username and password.",
        )
    parsed = reply.parsed()
    # 400312 unknown user, 401001 wrong password (polaris v1.18.1 auth/defaultauth/server.go).
    if isinstance(parsed, dict) and (reply.status == 401 or (400 <= reply.status < 500 and "code" in parsed)):
        raise reply.error(
            "auth",
            f"{client.url} refused the login of {username!r} ({shorten(str(parsed.get('info')))}): correct username "
            f"and password; for a sub-account, owner is the name of its main account.",
        )
    expect(reply, client.url)
    answer = _object(client, reply).get("loginResponse")
    token = answer.get("token") if isinstance(answer, dict) else None
    if not isinstance(token, str) or not token:
        raise _not_polaris(client, reply)
    return token


def log_levels(client: Client) -> t.Dict[str, str]:
    """Scope -> level, sorted by scope.

    Takes both forms: an object up to v1.17.1, a list of Name and Level in random order from v1.17.2 on.
    """
    reply = _call(client, GET_LOG_LEVELS)
    parsed = reply.parsed()
    if isinstance(parsed, list):
        pairs = [(entry.get("Name"), entry.get("Level")) for entry in parsed if isinstance(entry, dict)]
        complete = len(pairs) == len(parsed)
    else:
        pairs = list(parsed.items()) if isinstance(parsed, dict) else []
        complete = isinstance(parsed, dict)
    if not complete or not all(isinstance(scope, str) and isinstance(level, str) for scope, level in pairs):
        raise _not_polaris(client, reply)
    return dict(sorted(pairs))


def set_log_level(client: Client, scope: str, level: str) -> None:
    """Set one scope; the server checks the scope first, then the level (polaris v1.18.1 common/log/logger.go)."""
    _call(client, PUT_LOG_LEVEL, {"scope": scope, "level": level}, published=PUBLISHED_LOG_LEVEL)


def _call(
    client: Client,
    route: Route,
    body: t.Any = None,
    *,
    query: t.Optional[Query] = None,
    published: t.Optional[Route] = None,
    timeout: t.Optional[float] = None,
) -> Reply:
    """Send to ``route``, or to its ``published`` form where the server has only that.

    Falling back is safe: a 404 or 405 comes from the router, before any handler has run.
    """
    for form in (route, published):
        if form is None or str(form) in client.missing:
            continue
        reply = _send(client, form, body, query, timeout)
        if reply.status not in (404, 405):
            return expect(reply, client.url)
        client.missing.add(str(form))
    raise _route_missing(client, route, reply)


def _send(client: Client, route: Route, body: t.Any, query: t.Optional[Query], timeout: t.Optional[float]) -> Reply:
    if route.method == "GET":
        return client.get(route.path, query, timeout=timeout)
    if route.method == "PUT":
        return client.put(route.path, body)
    return client.post(route.path, body, timeout=timeout)


def _route_missing(client: Client, route: Route, reply: Reply) -> PolarisError:
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
    return _not_polaris(client, reply)


def is_polaris(client: Client) -> bool:
    """Whether ``GET /`` gives the banner, which it does where the maintenance API is switched on."""
    # The route declares no form of answer, so that any Accept but */* is refused with 406 (seen on v1.12.2 to HEAD).
    reply = client.get("/", accept="*/*")
    return reply.status == 200 and reply.text == _BANNER


def _not_polaris(client: Client, reply: Reply) -> PolarisError:
    return reply.error(
        "protocol",
        f"{client.url} is not a Polaris server, or something stands before it: the answer to {reply.method} "
        f"{reply.path} ({reply.status}) is not what Polaris answers; give the URL of its HTTP API (port 8090 by "
        f"default).",
    )


def _object(client: Client, reply: Reply) -> t.Dict[str, t.Any]:
    parsed = reply.parsed()
    if not isinstance(parsed, dict):
        raise _not_polaris(client, reply)
    return parsed
