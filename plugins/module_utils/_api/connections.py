# Copyright (c) 2026, PolarisMesh Maintenance contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Private to this collection. The connections that clients hold to a server."""

from __future__ import annotations

import typing as t

from .._addresses import address_order
from .._answers import Query
from .._client import Client
from .._errors import PolarisError
from .._model import ConnStats, HostConnections
from .routes import Route, call, json_object, not_polaris

CONN_STATS = Route("GET", "/maintain/v1/apiserver/conn/stats")
CLOSE_CONNECTIONS = Route("POST", "/maintain/v1/apiserver/conn/close")
# The published documentation describes this one instead; released servers have only GET there.
PUBLISHED_CLOSE = Route("POST", "/maintain/v1/apiserver/conn")


def stats(
    client: Client, protocol: str, host: t.Optional[str] = None, min_connections: int = 0
) -> t.Optional[ConnStats]:
    """The open connections of a protocol, by host; None if the server does not count them.

    With ``host`` the server looks up only that host. It returns hosts with at least ``min_connections`` (0: all).
    """
    query: Query = {"protocol": protocol}
    if host is not None:
        query["host"] = host
    if min_connections > 0:
        query["amount"] = min_connections
    try:
        reply = call(client, CONN_STATS, query=query)
    except PolarisError as error:
        # The same text from v1.8.0 (maintain/maintain.go) to HEAD (admin/maintain.go).
        if error.status == 400 and error.info == "not found the protocol":
            return None
        raise
    body = json_object(client, reply)
    # Go may encode an empty list as null.
    total, listed = body.get("ActiveConnTotal"), body.get("Stats") or []
    if not isinstance(total, int) or not isinstance(listed, list):
        raise not_polaris(client, reply)
    listed_hosts = [_host_connections(entry) for entry in listed]
    hosts = sorted((entry for entry in listed_hosts if entry is not None), key=lambda entry: address_order(entry.host))
    if len(hosts) != len(listed):
        raise not_polaris(client, reply)
    return ConnStats(protocol, total, tuple(hosts), reply.local_address)


def _host_connections(entry: t.Any) -> t.Optional[HostConnections]:
    """One entry of the statistics; None if it is not one."""
    if not isinstance(entry, dict):
        return None
    host, amount, last_access = entry.get("Host"), entry.get("Amount"), entry.get("LastAccess")
    actives = entry.get("Actives") or []
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


def close(client: Client, protocol: str, host: str, ports: t.Sequence[int]) -> None:
    """Close these connections of one host, in one request.

    Only for ports that :func:`stats` has just listed, and never twice for the same port: for an unknown port the server
    closes ALL connections of the host (polaris v1.18.1 admin/maintain.go). Its answer is always empty, whatever it did.
    """
    body = [{"Protocol": protocol, "Host": host, "Port": port} for port in ports]
    as_published = [{key.lower(): value for key, value in each.items()} for each in body]
    call(client, CLOSE_CONNECTIONS, body, published=PUBLISHED_CLOSE, published_body=as_published)
