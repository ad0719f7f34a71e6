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
from .model import ConnStats, HostConnections, address_order


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
CONN_STATS = Route("GET", "/maintain/v1/apiserver/conn/stats")
CLOSE_CONNECTIONS = Route("POST", "/maintain/v1/apiserver/conn/close")
# What the published documentation says instead; a released server has only GET there.
PUBLISHED_CLOSE = Route("POST", "/maintain/v1/apiserver/conn")

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


# --- connections of clients ------------------------------------------------------------------------------------------

#: Protocol -> the apiservers in polaris-server.yaml whose listeners count under that name (GetProtocol of each in
#: polaris v1.18.1 apiserver/). The name is case-sensitive, and not that of the apiserver.
COUNTED_BY = {
    "http": ("api-http",),
    "grpc": ("service-grpc", "config-grpc"),
    "eureka": ("service-eureka",),
    "xdsv3": ("xds-v3",),
    "nacos-http": ("service-nacos",),
    "prometheus": ("prometheus-sd",),  # v1.8 to v1.12 only
}


def conn_stats(
    client: Client, protocol: str, host: t.Optional[str] = None, min_connections: int = 0
) -> t.Optional[ConnStats]:
    """The open connections of a protocol, by host; None where the server does not count them.

    With ``host`` the server looks up that host alone. It keeps hosts of at least ``min_connections`` (0: all).
    """
    query: Query = {"protocol": protocol}
    if host is not None:
        query["host"] = host
    if min_connections > 0:
        query["amount"] = min_connections
    try:
        reply = _call(client, CONN_STATS, query=query)
    except PolarisError as error:
        # The same words from v1.8.0 (maintain/maintain.go) to HEAD (admin/maintain.go).
        if error.status == 400 and error.info == "not found the protocol":
            return None
        raise
    body = _object(client, reply)
    total, listed = body.get("ActiveConnTotal"), body.get("Stats")
    if not isinstance(total, int) or not isinstance(listed, list):
        raise _not_polaris(client, reply)
    stats = [_host_connections(entry) for entry in listed]
    hosts = sorted((entry for entry in stats if entry is not None), key=lambda entry: address_order(entry.host))
    if len(hosts) != len(listed):
        raise _not_polaris(client, reply)
    return ConnStats(protocol, total, tuple(hosts), reply.local_address)


def _host_connections(entry: t.Any) -> t.Optional[HostConnections]:
    """One of the stats; None where it is no such thing."""
    if not isinstance(entry, dict):
        return None
    host, amount, last_access = entry.get("Host"), entry.get("Amount"), entry.get("LastAccess")
    actives = entry.get("Actives")
    if not isinstance(host, str) or not isinstance(amount, int) or not isinstance(actives, list):
        return None
    if not all(isinstance(address, str) for address in actives):
        return None
    return HostConnections(
        host,
        amount,
        last_access if isinstance(last_access, str) else None,
        tuple(sorted(actives, key=address_order)),
    )


def close_connections(client: Client, protocol: str, host: str, ports: t.Sequence[int]) -> None:
    """Close these connections of one host, in one request.

    Never for a port that :func:`conn_stats` has not listed in the moment before, nor twice for the same: for a port
    that it does not know the server closes ALL connections of the host (polaris v1.18.1 admin/maintain.go). Its answer
    is the same, and empty, whatever it did.
    """
    body = [{"Protocol": protocol, "Host": host, "Port": port} for port in ports]
    _call(client, CLOSE_CONNECTIONS, body, published=PUBLISHED_CLOSE)


def how_to_count(protocol: str) -> str:
    """What to configure, so that a server counts the connections of a protocol."""
    servers = COUNTED_BY.get(protocol)
    if servers is None:
        return (
            f"Released servers have no protocol {protocol!r} to count. Its name is one of {', '.join(COUNTED_BY)}, in "
            f"lower case (grpc for service-grpc and config-grpc, http for api-http)."
        )
    hint = (
        f"To count {protocol}, set under connLimit of the apiserver {' or '.join(servers)} in polaris-server.yaml: "
        f"openConnLimit: true, maxConnPerHost: 1 or more, purgeCounterInterval (such as 10s) and purgeCounterExpire "
        f"(such as 5s); then restart that node. The shipped file misspells the last key as purgeCounterExpired, and "
        f"with that the server ends at its start."
    )
    if len(servers) > 1:
        hint += f" Only one of {' and '.join(servers)} can be counted; with both, the server ends at its start, too."
    return hint


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
