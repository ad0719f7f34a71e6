# Copyright (c) 2026, PolarisMesh Maintenance contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Private to this collection. The server as a whole: nodes, features, clients, locations."""

from __future__ import annotations

import contextlib
import re
import typing as t
from dataclasses import replace

from .._addresses import address_among, address_order, addresses_of
from .._client import Client
from .._errors import PolarisError
from .._model import Instance, Listing, Location, ReportedClient
from . import cleaning, connections, elections, heartbeats, instances, log_levels, memory, profiles
from .routes import Route, call, json_object, not_polaris

GET_CMDB = Route("GET", "/maintain/v1/cmdb/info", since="v1.14.0")
GET_CLIENTS = Route("GET", "/maintain/v1/report/clients", since="v1.16.0")
# In no release yet; the source reports v1.19.0-alpha.0 as its version.
GET_FUNCTIONS = Route("GET", "/maintain/v1/server/functions", since="v1.19.0")

#: Feature -> the route that shows whether the server has it. Features have the name of their module, if there is one.
FEATURES = {
    "conn_info": connections.CONN_STATS,
    "conn_close": connections.CLOSE_CONNECTIONS,
    "memory_free": memory.FREE_MEMORY,
    "instance_clean": cleaning.CLEAN_INSTANCE,
    "instance_batch_clean": cleaning.BATCH_CLEAN,
    "heartbeat_info": heartbeats.GET_HEARTBEAT,
    "log_level": log_levels.GET_LOG_LEVELS,
    "leader_info": elections.GET_LEADERS,
    "leader_release": elections.RELEASE_LEADER,
    "cmdb_info": GET_CMDB,
    "client_info": GET_CLIENTS,
    "pprof": profiles.ENABLE_PPROF,
    "server_functions": GET_FUNCTIONS,
}

# The service as which every node of a cluster registers itself.
_NAMESPACE, _SERVICE = "Polaris", "polaris.checker"

_OWN_HOST = re.compile(r'\bpolaris_server_instance="([^"]+)"')


def nodes(client: Client) -> t.Tuple[Instance, ...]:
    """The nodes of the cluster as they registered themselves, sorted by address. Any valid token may read them."""
    return node_listing(client).instances


def node_listing(client: Client, share: t.Optional[t.Tuple[int, int]] = None) -> Listing:
    """The nodes of the cluster, sorted by address.

    :param share: (3, 200) for the part that the third of 200 tasks reads; None for the whole list.
    """
    if share is None:
        found = instances.find(client, namespace=_NAMESPACE, service=_SERVICE)
    else:
        found = instances.read_together(client, *share, namespace=_NAMESPACE, service=_SERVICE)
    return replace(found, instances=_sorted(found.instances))


def with_own_entry(client: Client, listing: Listing, shown: t.Optional[str]) -> Listing:
    """A part of the list of nodes, and the entry of the server at ``client.url``.

    :param shown: what :func:`.memory.metrics` returned.
    """
    label = own_address(client, shown, ())
    others = ({label} if label else addresses_of(client.url)) - {node.host for node in listing.instances}
    entries = [
        node
        for host in sorted(others)
        for node in instances.find(client, namespace=_NAMESPACE, service=_SERVICE, host=host).instances
    ]
    return replace(listing, instances=_sorted([*listing.instances, *entries]))


def _sorted(found: t.Iterable[Instance]) -> t.Tuple[Instance, ...]:
    return tuple(sorted(found, key=lambda node: (address_order(node.host), node.port)))


def own_address(client: Client, shown: t.Optional[str], nodes_listed: t.Iterable[str]) -> t.Optional[str]:
    """The address of the server at ``client.url`` in leaders and polaris.checker; None if that is unknown.

    :param shown: what :func:`.memory.metrics` returned.
    :param nodes_listed: the addresses that polaris.checker lists.
    """
    label = _OWN_HOST.search(shown or "")
    return address_among(label.group(1) if label else None, addresses_of(client.url), nodes_listed)


def address_beside(client: Client, leader: str) -> t.Optional[str]:
    """The address of the server at ``client.url``, from as few requests as possible.

    :param leader: the address of a leader. The list of all nodes is only read if this is not the server's.
    """
    shown = memory.metrics(client)
    own = own_address(client, shown, [leader])
    if own is None:
        # Without the list, the address stays unknown, which the caller decides about.
        with contextlib.suppress(PolarisError):
            own = own_address(client, shown, [node.host for node in nodes(client)])
    return own


def reported_clients(client: Client) -> t.List[ReportedClient]:
    """The SDK clients that report an address for Prometheus, and the server nodes themselves, sorted by address."""
    reply = call(client, GET_CLIENTS)
    body = json_object(client, reply)
    # The status is always 200; only Code shows a failure.
    if not isinstance(body.get("Code"), int):
        raise not_polaris(client, reply)
    if body.get("Code") != 200000:
        raise reply.error(
            "server", f"{client.url} failed in {GET_CLIENTS} with code {body.get('Code')}; look at the server's log."
        )
    found = []
    for entry in body.get("Response") or []:
        targets, labels = (entry.get("targets"), entry.get("labels")) if isinstance(entry, dict) else (None, None)
        if not isinstance(targets, list) or not isinstance(labels, dict):
            raise not_polaris(client, reply)
        found += [ReportedClient(str(target), {str(k): str(v) for k, v in labels.items()}) for target in targets]
    return sorted(found, key=lambda reported: (address_order(reported.target), sorted(reported.labels.items())))


def cmdb_locations(client: Client) -> t.List[Location]:
    """The locations of hosts, from the CMDB plugin of the server, sorted by address; empty without a plugin."""
    reply = call(client, GET_CMDB)
    listed = reply.parsed()
    if not isinstance(listed, list) or not all(isinstance(entry, dict) for entry in listed):
        raise not_polaris(client, reply)
    found = [
        Location(
            ip=str(entry.get("IP") or ""),
            region=str(entry.get("Region") or ""),
            zone=str(entry.get("Zone") or ""),
            campus=str(entry.get("Campus") or ""),
            region_id=_whole(entry.get("RegionID")),
            zone_id=_whole(entry.get("ZoneID")),
            campus_id=_whole(entry.get("CampusID")),
        )
        for entry in listed
    ]
    return sorted(found, key=lambda location: address_order(location.ip))


def functions(client: Client) -> t.Dict[str, t.List[str]]:
    """The groups of functions that access policies can allow, with their functions, sorted. Needs no account."""
    reply = call(client, GET_FUNCTIONS)
    listed = reply.parsed()
    if not isinstance(listed, list):
        raise not_polaris(client, reply)
    groups: t.Dict[str, t.List[str]] = {}
    for entry in listed:
        name, members = (entry.get("name"), entry.get("functions") or []) if isinstance(entry, dict) else (None, None)
        if not isinstance(name, str) or not isinstance(members, list):
            raise not_polaris(client, reply)
        groups[name] = sorted(str(member) for member in members)
    return dict(sorted(groups.items()))


def _whole(value: t.Any) -> int:
    return value if isinstance(value, int) else 0
