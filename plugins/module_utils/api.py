# Copyright (c) 2026, PolarisMesh Maintenance contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""One function per endpoint of a Polaris server.

The only file that knows paths, methods, dialects and JSON shapes. Every function takes a
:class:`~.client.Client`, returns typed values, and raises :class:`~.client.PolarisError`.
"""

from __future__ import annotations

import contextlib
import math
import re
import socket
import typing as t
from dataclasses import dataclass
from datetime import datetime
from urllib.parse import urlsplit

from .client import Client, PolarisError, Query, Reply, expect
from .model import (
    ConnStats,
    Heartbeat,
    HostConnections,
    Instance,
    Leader,
    Listing,
    Location,
    Memory,
    ReportedClient,
    address_order,
)


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
FREE_MEMORY = Route("POST", "/maintain/v1/memory/free")
CLEAN_INSTANCE = Route("POST", "/maintain/v1/instance/clean")
BATCH_CLEAN = Route("POST", "/maintain/v1/instance/batchclean", since="v1.13.0")
GET_HEARTBEAT = Route("GET", "/maintain/v1/instance/heartbeat")
GET_LEADERS = Route("GET", "/maintain/v1/leaders", since="v1.14.0")
RELEASE_LEADER = Route("POST", "/maintain/v1/leaders/release", since="v1.14.0")
GET_CMDB = Route("GET", "/maintain/v1/cmdb/info", since="v1.14.0")
GET_CLIENTS = Route("GET", "/maintain/v1/report/clients", since="v1.16.0")
# In no release yet; the source calls itself v1.19.0-alpha.0.
ENABLE_PPROF = Route("POST", "/maintain/v1/pprof/enable", since="v1.19.0")
GET_FUNCTIONS = Route("GET", "/maintain/v1/server/functions", since="v1.19.0")
GET_AUTH_STATUS = Route("GET", "/core/v1/auth/status")
GET_INSTANCES = Route("GET", "/naming/v1/instances")
COUNT_INSTANCES = Route("GET", "/naming/v1/instances/count")
GET_SERVICES = Route("GET", "/naming/v1/services")

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
    if isinstance(parsed, dict) and (
        reply.status == 401 or (400 <= reply.status < 500 and reply.status != 403 and "code" in parsed)
    ):
        raise reply.error(
            "auth",
            f"{client.url} refused the login of {username!r} ({reply.said()}): correct username "
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
    levels = {scope: level for scope, level in pairs if isinstance(scope, str) and isinstance(level, str)}
    # Every server has scopes: another one that answers {} to everything must not pass for one with nothing to do.
    if not complete or len(levels) < len(pairs) or not any(level in LEVELS for level in levels.values()):
        raise _not_polaris(client, reply)
    return dict(sorted(levels.items()))


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
    # An empty list of Go may be null.
    total, listed = body.get("ActiveConnTotal"), body.get("Stats") or []
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


def close_connections(client: Client, protocol: str, host: str, ports: t.Sequence[int]) -> None:
    """Close these connections of one host, in one request.

    Never for a port that :func:`conn_stats` has not listed in the moment before, nor twice for the same: for a port
    that it does not know the server closes ALL connections of the host (polaris v1.18.1 admin/maintain.go). Its answer
    is the same, and empty, whatever it did.
    """
    body = [{"Protocol": protocol, "Host": host, "Port": port} for port in ports]
    as_published = [{key.lower(): value for key, value in each.items()} for each in body]
    _call(client, CLOSE_CONNECTIONS, body, published=PUBLISHED_CLOSE, published_body=as_published)


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


# --- one server's own state: memory, features, leaders, profiles -----------------------------------------------------

#: What a server can do -> the route that tells. Names as of the modules, where there is one.
FEATURES = {
    "conn_info": CONN_STATS,
    "conn_close": CLOSE_CONNECTIONS,
    "memory_free": FREE_MEMORY,
    "instance_clean": CLEAN_INSTANCE,
    "instance_batch_clean": BATCH_CLEAN,
    "heartbeat_info": GET_HEARTBEAT,
    "log_level": GET_LOG_LEVELS,
    "leader_info": GET_LEADERS,
    "leader_release": RELEASE_LEADER,
    "cmdb_info": GET_CMDB,
    "client_info": GET_CLIENTS,
    "pprof": ENABLE_PPROF,
    "server_functions": GET_FUNCTIONS,
}

#: The release from which the switches of :func:`auth_switches` have consoleOpen among them (and log levels are a list).
CONSOLE_SWITCH_SINCE = "v1.17.2"
#: ... and from which :func:`metrics` have names of the runtime/metrics kind.
RUNTIME_METRICS_SINCE = "v1.11.0"

# The two families of names in /metrics: of runtime/metrics (Polaris from v1.11.0 on), and the classic one; and the
# words of the comment at the end of a heap profile in text. Each: what is summed up to that figure.
_RUNTIME_METRICS = {
    "heap_idle": ("go_memory_classes_heap_free_bytes", "go_memory_classes_heap_released_bytes"),
    "heap_released": ("go_memory_classes_heap_released_bytes",),
    "heap_in_use": ("go_memory_classes_heap_objects_bytes", "go_memory_classes_heap_unused_bytes"),
    "sys": ("go_memory_classes_total_bytes",),
}
_MEMSTATS = {
    "heap_idle": ("go_memstats_heap_idle_bytes",),
    "heap_released": ("go_memstats_heap_released_bytes",),
    "heap_in_use": ("go_memstats_heap_inuse_bytes",),
    "sys": ("go_memstats_sys_bytes",),
}
_HEAP_PROFILE = {
    "heap_idle": ("HeapIdle",),
    "heap_released": ("HeapReleased",),
    "heap_in_use": ("HeapInuse",),
    "sys": ("Sys",),
}
_METRIC = re.compile(r"^(go_mem[a-z_]+) ([0-9.e+]+)$", re.MULTILINE)
_HEAP_COMMENT = re.compile(r"^# (Heap[A-Za-z]+|Sys) = ([0-9]+)$", re.MULTILINE)
_OWN_HOST = re.compile(r'\bpolaris_server_instance="([^"]+)"')

#: Where a server that knows no better says it is (polaris v1.18.1 common/utils/const.go).
DEFAULT_HOST = "127.0.0.1"


def metrics(client: Client) -> t.Optional[str]:
    """What the server shows to Prometheus, and to everybody; None where it shows nothing."""
    reply = client.get("/metrics", accept="*/*")
    return reply.text if reply.status == 200 else None


def memory(client: Client) -> t.Optional[Memory]:
    """What the heap of the server holds, from its metrics or else from pprof; None where it shows neither.

    Both are open to everybody. A collection is never forced by asking (``gc=1`` would spoil the figures).
    """
    figures = _figures(_METRIC, metrics(client) or "")
    for family in (_RUNTIME_METRICS, _MEMSTATS):
        found = _memory(figures, family)
        if found is not None:
            return found
    # Switched off, this is a 404 up to v1.18.1, and an empty 200 after it.
    reply = client.get("/debug/pprof/heap", {"debug": 1}, accept="*/*")
    return _memory(_figures(_HEAP_COMMENT, reply.text), _HEAP_PROFILE) if reply.status == 200 else None


def _figures(line: t.Pattern[str], text: str) -> t.Dict[str, int]:
    figures = {}
    for name, value in line.findall(text):
        try:
            figures[name] = int(float(value))
        except (ValueError, OverflowError):
            continue
    return figures


def _memory(figures: t.Mapping[str, int], family: t.Mapping[str, t.Tuple[str, ...]]) -> t.Optional[Memory]:
    sums = {
        field: sum(figures[name] for name in names) if all(name in figures for name in names) else None
        for field, names in family.items()
    }
    idle, released, in_use, total = (sums[field] for field in ("heap_idle", "heap_released", "heap_in_use", "sys"))
    if idle is None or released is None or total is None:
        return None
    return Memory(idle, released, max(total - idle, 0) if in_use is None else in_use, total)


def free_memory(client: Client) -> None:
    """Collect all garbage and give free memory back to the system. Answers, without figures, when that is finished.

    Calls queue up in the server, and after 60 s it hangs up though the work goes on (its WriteTimeout).
    """
    _call(client, FREE_MEMORY)


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
        raise _route_missing(client, route, reply)


def check_account(client: Client) -> None:
    """Fail, without changing anything, where the server does not have this account, or has no maintenance API.

    Whether the account may also write cannot be found out: for that, released servers only ever look at its role.
    """
    try:
        _call(client, GET_LOG_LEVELS)
    except PolarisError as error:
        # Under access policies (in no release up to v1.18.1) each call is allowed for itself.
        if error.kind != "permission":
            raise


def _look(client: Client, route: Route) -> Reply:
    """GET with an Accept header that no route of the JSON API can meet, so that none is ever run.

    The router answers 404 where there is no such path, 405 for a path that has other methods, and 406 for one that it
    would have run (seen on v1.12.2 to HEAD).
    """
    return client.get(route.path, accept="text/plain")


def auth_switches(client: Client) -> t.Optional[t.Dict[str, bool]]:
    """Which authentication is switched on, by the names of polaris-server.yaml; None where the server does not tell.

    Needs no account. Up to v1.17.1 there is ``auth`` alone, after it also ``clientOpen`` and ``consoleOpen``.
    """
    parsed = client.get(GET_AUTH_STATUS.path).parsed()
    switches = parsed.get("optionSwitch") if isinstance(parsed, dict) else None
    options = switches.get("options") if isinstance(switches, dict) else None
    if not isinstance(options, dict):
        return None
    return {name: str(value).lower() == "true" for name, value in sorted(options.items())}


def server_nodes(client: Client) -> t.Tuple[Instance, ...]:
    """The nodes of the cluster as they registered themselves, sorted by address. Any valid token may read them."""
    nodes = instances(client, namespace="Polaris", service="polaris.checker").instances
    return tuple(sorted(nodes, key=lambda node: (address_order(node.host), node.port)))


def _whole(value: t.Any) -> int:
    return value if isinstance(value, int) else 0


def own_host(client: Client, shown: t.Optional[str], nodes: t.Iterable[str]) -> t.Optional[str]:
    """Under which address the server behind ``client.url`` knows itself (in leaders and polaris.checker), or None.

    :param shown: what :func:`metrics` gave.
    :param nodes: the addresses that polaris.checker lists.
    """
    label = _OWN_HOST.search(shown or "")
    name = urlsplit(client.url).hostname or ""
    addresses = {name}
    with contextlib.suppress(OSError):
        addresses |= {str(info[4][0]) for info in socket.getaddrinfo(name, None)}
    return host_of(label.group(1) if label else None, addresses, nodes)


def host_of(label: t.Optional[str], addresses: t.Iterable[str], nodes: t.Iterable[str]) -> t.Optional[str]:
    """The address of a server among ``nodes``, by the label of its metrics, or by the ``addresses`` of its URL.

    The label is :data:`DEFAULT_HOST` on every server up to v1.16 (polaris v1.14.0 common/metrics/types.go reads it too
    early), and on newer ones that know no better: it says nothing then.
    """
    if label and label != DEFAULT_HOST:
        return label
    both = set(addresses) & set(nodes)
    return both.pop() if len(both) == 1 else None


def leaders(client: Client) -> t.List[Leader]:
    """Who leads what, sorted by key. On boltdb every node has a list of its own, with itself as leader."""
    reply = _call(client, GET_LEADERS)
    listed = reply.parsed()
    if not isinstance(listed, list):
        raise _not_polaris(client, reply)
    found = [_leader(entry) for entry in listed]
    complete = [leader for leader in found if leader is not None]
    if len(complete) != len(listed):
        raise _not_polaris(client, reply)
    return sorted(complete, key=lambda leader: leader.elect_key)


def _leader(entry: t.Any) -> t.Optional[Leader]:
    if not isinstance(entry, dict):
        return None
    key, host, valid = entry.get("ElectKey"), entry.get("Host"), entry.get("Valid")
    if not isinstance(key, str) or not isinstance(host, str) or not isinstance(valid, bool):
        return None
    # Only boltdb has no time of creation (polaris v1.18.1 store/boltdb/admin.go).
    return Leader(key, host, valid, entry.get("Ctime") or None, entry.get("Mtime") or None)


def release_leader(client: Client, elect_key: str) -> None:
    """Let this node give up a leadership. Where it does not lead, the server answers the same, without effect."""
    _call(client, RELEASE_LEADER, {"electKey": elect_key})


def reported_clients(client: Client) -> t.List[ReportedClient]:
    """The SDK clients that report an address for Prometheus, and the server nodes themselves, sorted by address."""
    reply = _call(client, GET_CLIENTS)
    body = _object(client, reply)
    # The status is 200 whatever happens; Code tells.
    if body.get("Code") != 200000:
        raise reply.error(
            "server", f"{client.url} failed in {GET_CLIENTS} with code {body.get('Code')}; look at the server's log."
        )
    found = []
    for entry in body.get("Response") or []:
        targets, labels = (entry.get("targets"), entry.get("labels")) if isinstance(entry, dict) else (None, None)
        if not isinstance(targets, list) or not isinstance(labels, dict):
            raise _not_polaris(client, reply)
        found += [ReportedClient(str(target), {str(k): str(v) for k, v in labels.items()}) for target in targets]
    return sorted(found, key=lambda reported: (address_order(reported.target), sorted(reported.labels.items())))


def cmdb_locations(client: Client) -> t.List[Location]:
    """Where hosts are, as the CMDB plugin of the server knows it, sorted by address; empty without a plugin."""
    reply = _call(client, GET_CMDB)
    listed = reply.parsed()
    if not isinstance(listed, list) or not all(isinstance(entry, dict) for entry in listed):
        raise _not_polaris(client, reply)
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


def profiling(client: Client) -> bool:
    """Whether the server gives profiles. Switched off, it has no such page (v1.18.1 and older) or an empty one."""
    reply = client.get("/debug/pprof/", accept="*/*")
    return reply.status == 200 and "/debug/pprof/" in reply.text


def enable_profiling(client: Client, enabled: bool) -> None:
    """Switch profiles on or off, until the next start of that node. The call asks for no account."""
    _call(client, ENABLE_PPROF, {"enable": enabled})


def how_to_profile(client: Client, enabled: bool = True) -> str:
    """How to switch the profiles of this server on, or off."""
    if has_route(client, ENABLE_PPROF):
        return f"Switch them {'on' if enabled else 'off'} with the module polaris_pprof."
    return (
        f"Set enablePprof to {str(enabled).lower()} in the option of the api-http apiserver in "
        f"polaris-server.yaml, and restart that node."
    )


def profiles_off(client: Client) -> PolarisError:
    """The error of a profile that is asked for where they are switched off."""
    return PolarisError(
        "unsupported",
        f"{client.url} has its profiles switched off. {how_to_profile(client)}",
        method="GET",
        path="/debug/pprof/",
    )


def save_profile(client: Client, kind: str, seconds: t.Optional[int], target: t.BinaryIO) -> None:
    """Write a profile to ``target``, in the form that ``go tool pprof`` (or ``go tool trace``) takes.

    :param seconds: how long the server records, for a CPU profile and a trace.
    """
    query: t.Optional[Query] = None if seconds is None else {"seconds": seconds}
    timeout = client.settings.timeout + (seconds or 0)
    reply = client.download(f"/debug/pprof/{kind}", query, target, timeout=timeout)
    if reply.status == 200 and target.tell() > 0:
        return
    # Switched off, this is a 404 up to v1.18.1, and an empty 200 after it.
    if reply.status not in (200, 404):
        raise expect(reply, client.url).error("protocol", f"{client.url} gave no profile, but {reply.status}.")
    if not profiling(client):
        raise profiles_off(client)
    raise reply.error(
        "unsupported",
        f"{client.url} has no profile of the kind {kind}: traces came with Polaris {ENABLE_PPROF.since}; take the kind "
        f"profile instead.",
    )


# --- registered instances --------------------------------------------------------------------------------------------

#: A list has no more than this in one answer (polaris v1.18.1 common/utils/common.go QueryMaxLimit).
PAGE = 100

#: More are in no registry; who says so is no Polaris server, and must not be asked for all the pages.
MOST_ENTRIES = 10_000_000

# How often a list that changes while it is read is begun again, and how long a beginning of an id may get.
_READINGS = 2
_LONGEST_BEGINNING = 4
_HEX = "0123456789abcdef"

_SUCCESS = 200000
_INVALID_PARAMETER = 400103
_QUERY_TOO_WIDE = 400105


def instances(
    client: Client,
    *,
    namespace: t.Optional[str] = None,
    service: t.Optional[str] = None,
    host: t.Optional[str] = None,
    port: t.Optional[int] = None,
    instance_id: t.Optional[str] = None,
    most_requests: t.Optional[int] = None,
) -> Listing:
    """The registered instances with these properties; deleted ones are not among them. An unknown service has none.

    The answer is as of now: servers ask their store (up to v1.17.1), or bring their cache up to date first (from
    v1.17.2 on, cache/service/instance_query.go).

    :param instance_id: servers up to v1.16 cannot search for it: ``unsupported``.
    :param most_requests: where the list takes more of them, be content with its first page.
    """
    given = {"namespace": namespace, "service": service, "host": host, "port": port, "id": instance_id}
    wanted: Query = {name: value for name, value in given.items() if value is not None}
    try:
        found = _listing(client, wanted, most_requests)
    except PolarisError as error:
        if instance_id is not None and error.code in (_INVALID_PARAMETER, _QUERY_TOO_WIDE):
            error.kind = "unsupported"
            error.msg = (
                f"{client.url} cannot look for an instance by its id, which came with Polaris v1.17.0: name the "
                f"instance by service, namespace, host and port."
            )
            raise
        if error.code != _QUERY_TOO_WIDE:
            raise
        found = _listing_by_service(client, namespace, service)
    # The server takes * as a wildcard and a comma in a host as the end of it.
    kept = tuple(
        entry
        for entry in found.instances
        if (namespace is None or entry.namespace == namespace)
        and (service is None or entry.service == service)
        and (host is None or entry.host == host)
        and (port is None or entry.port == port)
        and (instance_id is None or entry.id == instance_id)
    )
    return Listing(kept, found.amount, found.complete)


def unnoticed_deletions(client: Client) -> int:
    """How many instances the node lists more than its store holds, because its cache missed that they were deleted.

    0 as well where that cannot be told, as on servers up to v1.16, which list out of the store anyway.
    """
    try:
        listed = _console_list(client, GET_INSTANCES, {"limit": 1}, "instances")[0]
        stored = _console_list(client, COUNT_INSTANCES, {}, "instances")[0]
    except PolarisError:
        return 0
    return max(listed - stored, 0)


def _listing(client: Client, wanted: Query, most_requests: t.Optional[int]) -> Listing:
    """All pages of a list, put together so that none of it is missing.

    It is sorted by the time of change, so that an instance that changes while pages are read moves to one that was
    read already. And on a MySQL store, from v1.17.2 on, instances that changed in the same second stand in another
    order in every answer: of 2000 registered at once, 20 pages show some 1300. So pages are only taken for the whole
    list where all say the same amount, and that many instances were in them. Otherwise instances are read by the
    beginning of their id, which mostly is hexadecimal, in answers of one page each.
    """
    first = _page(client, wanted)
    if first.complete or (most_requests is not None and math.ceil(first.amount / PAGE) > most_requests):
        return first
    seen: t.Dict[str, Instance] = {}
    for _reading in range(_READINGS):
        following: t.List[Query] = [{**wanted, "offset": offset} for offset in range(PAGE, first.amount, PAGE)]
        pages = [first, *_pages(client, following)]
        found = _by_id(pages)
        if {page.amount for page in pages} == {len(found)}:
            return Listing(tuple(found.values()), len(found), True)
        found.update(_by_beginning_of_id(client, wanted, first.amount))
        seen.update(found)
        first = _page(client, wanted)
        if len(found) == first.amount:
            return Listing(tuple(found.values()), first.amount, True)
    return Listing(tuple(seen.values()), first.amount, False)


def _by_beginning_of_id(client: Client, wanted: Query, amount: int) -> t.Dict[str, Instance]:
    """Of ``amount`` instances those with hexadecimal ids; what an answer cannot hold is asked for in 16 parts."""
    found: t.Dict[str, Instance] = {}
    beginnings = [] if "id" in wanted else list(_HEX)
    while beginnings:
        try:
            pages = _pages(client, [{**wanted, "id": f"{beginning}*"} for beginning in beginnings])
        except PolarisError as error:
            if error.code == _INVALID_PARAMETER:  # up to v1.16: "id is not allowed"
                break
            raise
        found.update(_by_id(pages))
        full = [
            beginning
            for beginning, page in zip(beginnings, pages)
            # One that holds as many as all do was not narrowed down by its beginning.
            if not page.complete and page.amount < amount and len(beginning) < _LONGEST_BEGINNING
        ]
        beginnings = [beginning + digit for beginning in full for digit in _HEX]
    return found


def _by_id(pages: t.Iterable[Listing]) -> t.Dict[str, Instance]:
    return {entry.id: entry for page in pages for entry in page.instances}


def _pages(client: Client, queries: t.Sequence[Query]) -> t.List[Listing]:
    """The page of each query, read in parallel."""
    return client.collect(lambda query: _page(client, query), queries, "pages of instances read")


def _page(client: Client, wanted: Query) -> Listing:
    try:
        amount, entries = _console_list(client, GET_INSTANCES, wanted, "instances")
    except PolarisError as error:
        # Up to v1.14 a server with a boltdb store crashes in this call where it has no such service (nil dereference
        # in store/boltdb/instance.go GetExpandInstances), and cuts the connection.
        if (
            error.kind == "server"
            and error.status is None
            and "namespace" in wanted
            and "service" in wanted
            and not services(client, str(wanted["namespace"]), str(wanted["service"]))
        ):
            return Listing((), 0, True)
        raise
    found = tuple(_instance(client, entry) for entry in entries)
    return Listing(found, amount, len(found) >= amount)


def _instance(client: Client, entry: t.Dict[str, t.Any]) -> Instance:
    named = [entry.get(key) for key in ("id", "service", "namespace", "host")]
    port = entry.get("port")
    location, metadata = entry.get("location") or {}, entry.get("metadata") or {}
    if (
        not all(isinstance(part, str) for part in named)
        or not isinstance(port, int)
        or not isinstance(location, dict)
        or not isinstance(metadata, dict)
    ):
        raise PolarisError(
            "protocol",
            f"{client.url} lists an instance without id, service, namespace, host or port, or with other parts than "
            f"those of an instance: it is not a Polaris server, or something stands before it.",
            method=GET_INSTANCES.method,
            path=GET_INSTANCES.path,
        )
    return Instance(
        id=str(named[0]),
        service=str(named[1]),
        namespace=str(named[2]),
        vpc_id=entry.get("vpc_id") or None,
        host=str(named[3]),
        port=port,
        protocol=entry.get("protocol") or None,
        version=entry.get("version") or None,
        priority=entry.get("priority"),
        weight=entry.get("weight"),
        healthy=entry.get("healthy"),
        isolated=entry.get("isolate"),
        health_check=entry.get("enableHealthCheck"),
        ttl=_ttl(entry),
        location={key: value for key, value in location.items() if value},
        metadata=dict(metadata),
    )


def _ttl(entry: t.Dict[str, t.Any]) -> t.Optional[int]:
    check = entry.get("healthCheck")
    heartbeats = check.get("heartbeat") if isinstance(check, dict) else None
    ttl = heartbeats.get("ttl") if isinstance(heartbeats, dict) else None
    return ttl if isinstance(ttl, int) else None


def _listing_by_service(client: Client, namespace: t.Optional[str], service: t.Optional[str]) -> Listing:
    """The same, one service after the other, for servers (up to v1.15) that only list those of a service."""
    named: t.List[Query] = [{"namespace": of, "service": name} for of, name in services(client, namespace, service)]
    listings = [_listing(client, each, None) for each in named]
    found = tuple(entry for listing in listings for entry in listing.instances)
    return Listing(found, sum(listing.amount for listing in listings), all(listing.complete for listing in listings))


def services(
    client: Client, namespace: t.Optional[str] = None, name: t.Optional[str] = None
) -> t.List[t.Tuple[str, str]]:
    """The services there are, as (namespace, name), sorted. Pages of a list that changes need not fit together."""
    given = {"namespace": namespace, "name": name}
    wanted: Query = {key: value for key, value in given.items() if value is not None}
    for _reading in range(_READINGS * 4):
        found: t.Set[t.Tuple[str, str]] = set()
        offset, amount = 0, 1
        while offset < amount:
            amount, entries = _console_list(client, GET_SERVICES, {**wanted, "offset": offset}, "services")
            found.update((str(entry.get("namespace")), str(entry.get("name"))) for entry in entries)
            offset += PAGE
        if len(found) == amount:
            return sorted(found)
    raise PolarisError(
        "server",
        f"{client.url} lists other services from moment to moment, so that nobody can tell which there are: run this "
        f"again when fewer are registered at the same time.",
        method=GET_SERVICES.method,
        path=GET_SERVICES.path,
    )


def _console_list(client: Client, route: Route, query: Query, key: str) -> t.Tuple[int, t.List[t.Dict[str, t.Any]]]:
    """The amount of a list of the console API, and a page of it."""
    reply = client.get(route.path, {"limit": PAGE, **query})
    if reply.status in (404, 405):
        raise reply.error(
            "unsupported",
            f"{client.url} has no {route}, which tells what is registered: switch its console API on "
            f"(api.console.enable under the api-http apiserver), or name a node that has it on.",
        )
    body = _object(client, expect(reply, client.url))
    amount, entries = body.get("amount"), body.get(key)
    if not isinstance(amount, int) or amount > MOST_ENTRIES or not isinstance(entries, list):
        raise _not_polaris(client, reply)
    if not all(isinstance(entry, dict) for entry in entries):
        raise _not_polaris(client, reply)
    return amount, entries


def clean_instance(client: Client, instance: t.Dict[str, t.Any]) -> None:
    """Remove a deleted instance from the store for good.

    Only for one that :func:`instances` does not list: the server removes or strips a live one as well, depending on its
    store. Its answer is the same whether there was one or not.

    :param instance: ``id``, or ``service``, ``namespace``, ``host``, ``port`` (and ``vpc_id``), and any other field of
        an instance, by the names of the published API. The server refuses a field that it does not know.
    """
    reply = _call(client, CLEAN_INSTANCE, instance)
    if _object(client, reply).get("code") != _SUCCESS:
        raise _not_polaris(client, reply)


def clean_instances(client: Client, most: int) -> int:
    """Remove up to so many deleted instances from the store for good, whichever they are; how many those were.

    From v1.17.0 on the server spares those that were deleted less than 10 minutes ago (admin/maintain.go).
    """
    reply = _call(client, BATCH_CLEAN, {"batch_size": most})
    affected = _object(client, reply).get("rows_affected")
    if not isinstance(affected, int):
        raise _not_polaris(client, reply)
    return affected


def heartbeat(client: Client, instance_id: str) -> t.Optional[Heartbeat]:
    """What this node knows about the heartbeats of an instance; None where it does not watch that instance.

    That is one that is not registered, or has no health check, or was registered a moment ago, or is a Polaris server
    itself (from v1.14.0 on).
    """
    try:
        reply = _call(client, GET_HEARTBEAT, query={"id": instance_id})
    except PolarisError as error:
        if error.kind == "not_found":
            return None
        if error.kind == "server" and error.status is None and is_polaris(client):
            error.msg = (
                f"{client.url} cut the connection before it had answered {GET_HEARTBEAT}, and is well otherwise: a bug "
                f"of servers up to v1.14.1, which crash in this call for every instance that they watch; update that "
                f"node to v1.14.2 or later."
            )
        raise
    answer = _object(client, reply)
    entry = answer.get("instance")
    metadata = entry.get("metadata") if isinstance(entry, dict) else None
    if not isinstance(entry, dict) or not isinstance(metadata, dict):
        raise _not_polaris(client, reply)
    try:
        last = int(metadata["last-heartbeat-timestamp"]) or None
        age = seconds_between(metadata["last-heartbeat-time"], metadata["system-time"])
    except (KeyError, TypeError, ValueError):
        raise _not_polaris(client, reply) from None
    return Heartbeat(
        id=entry.get("id"),
        service=entry.get("service"),
        namespace=entry.get("namespace"),
        host=entry.get("host"),
        port=entry.get("port"),
        ttl=_ttl(entry),
        last_heartbeat=last,
        age_seconds=None if last is None else age,
    )


def seconds_between(earlier: str, later: str) -> int:
    """The seconds between two local times of a server, which it writes without their offset to UTC.

    Less than none have passed where its zone went back by an hour in between (the end of summer time), or its clock was
    set back a little. Where the zone went forward by an hour there is no telling: that hour counts.
    """
    seconds = int((datetime.fromisoformat(later) - datetime.fromisoformat(earlier)).total_seconds())
    if seconds < -60:
        seconds += 3600
    return max(seconds, 0)


def _call(
    client: Client,
    route: Route,
    body: t.Any = None,
    *,
    query: t.Optional[Query] = None,
    published: t.Optional[Route] = None,
    published_body: t.Any = None,
    timeout: t.Optional[float] = None,
) -> Reply:
    """Send to ``route``, or to its ``published`` form where the server has only that (with a body of its own, if any).

    Falling back is safe: a 404 or 405 comes from the router, before any handler has run.
    """
    forms = [route] if published is None else [route, published]
    # Where all are known to be missing, the last one is asked again, for its answer.
    for form in [form for form in forms if str(form) not in client.missing] or forms[-1:]:
        sent = published_body if form is published and published_body is not None else body
        reply = _send(client, form, sent, query, timeout)
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
        # It may be the damaged answer of a server that did what it was asked for.
        outcome_unknown=reply.method != "GET" and 200 <= reply.status < 300,
    )


def _object(client: Client, reply: Reply) -> t.Dict[str, t.Any]:
    parsed = reply.parsed()
    if not isinstance(parsed, dict):
        raise _not_polaris(client, reply)
    return parsed
