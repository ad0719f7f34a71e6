#!/usr/bin/python
# Copyright (c) 2026, PolarisMesh Maintenance contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

DOCUMENTATION = r"""
module: polaris_conn_close
short_description: Close connections of clients to a Polaris server
version_added: 0.1.0
description:
  - Closes single connections of a client, or all that one client address holds, on one Polaris server.
  - Looks first, counts, and only then closes what is open, each connection by its host and port. Where nothing of what
    was asked for is open, nothing is sent.
  - What was counted is what is closed. A connection that the client opens meanwhile is left alone, so that a client
    which connects again at once is not closed twice.
  - Connections belong to one server node. To close those of a client in a whole fleet, run this task on every node, or
    use the playbook C(polarismesh.maintenance.conn_drain).
extends_documentation_fragment:
  - polarismesh.maintenance.connection
  - polarismesh.maintenance.attributes
  - polarismesh.maintenance.attributes.action_group
  - polarismesh.maintenance.attributes.in_process
attributes:
  check_mode:
    support: full
  diff_mode:
    support: full
    details: Shows all connections of the hosts asked for, before and after.
  idempotent:
    support: partial
    details:
      - A connection that is closed is not closed again.
      - A client that has connected again since is closed again where O(port) is not given.
options:
  protocol:
    description:
      - The protocol, by the name that servers count it under, which is V(grpc) (SDK clients), V(http), V(eureka),
        V(xdsv3) or V(nacos-http), in lower case.
      - Either this and O(host), or O(connections), is required.
    type: str
  host:
    description:
      - The IPv4 address of the client.
      - A client that connects by IPv6 is refused, because servers can neither see nor close its connections.
    type: str
  port:
    description:
      - The client's port, from V(1) to V(65535), to close this one connection.
      - Without it, all connections that the host holds are closed.
    type: raw
  min_connections:
    description: Only where the host holds at least so many connections. V(0) is no condition.
    type: raw
    aliases: [amount]
  connections:
    description:
      - Several of those, in any mixture.
      - All are checked before the first request. One that is wrong is named by its place in the list, from V(0) on.
      - The same connection, or the same host, twice is refused.
    type: list
    elements: dict
    suboptions:
      protocol:
        description: As O(protocol). Required.
        type: str
      host:
        description: As O(host). Required.
        type: str
      port:
        description: As O(port).
        type: raw
      min_connections:
        description: As O(min_connections).
        type: raw
        aliases: [amount]
  max_connections:
    description:
      - Fail, with RV(error.kind=guard) and nothing closed, where more connections than this would be closed.
    type: raw
notes:
  - A server that is asked to close a port it does not know closes B(all) connections of that host, and no answer tells.
    This task asks only for ports that the server has listed in the moment before, all ports of a host in one request.
    What remains is the time that one request needs. Where the client itself ends a connection just then, the server
    closes all connections of that client. Where this may have happened, a warning says so.
  - In V(http), the connection of this task itself is one of its host's. It is left open, with a warning, unless its
    port is given. Where something between here and the server translates addresses, it cannot be told from others. If
    it is closed then, its answer is lost, and a new look tells what was closed.
  - Connections from other nodes of the cluster are closed like those of any client. With the heartbeat checker
    C(heartbeatLeader), a node does not open such a V(grpc) connection again before it is restarted, and healthy
    instances become unhealthy. The playbooks C(polarismesh.maintenance.conn_drain) and
    C(polarismesh.maintenance.conn_rebalance) spare them.
  - A request to close is never repeated.
seealso:
  - module: polarismesh.maintenance.polaris_conn_info
author:
  - PolarisMesh Maintenance contributors (@polarismesh)
"""

EXAMPLES = r"""
- name: Close one connection
  polarismesh.maintenance.polaris_conn_close:
    url: http://127.0.0.1:8090
    token: "{{ polaris_token }}"
    protocol: grpc
    host: 127.0.0.21
    port: 51324

- name: Close all connections of a client that holds suspiciously many, but never more than 200
  polarismesh.maintenance.polaris_conn_close:
    url: http://127.0.0.1:8090
    token: "{{ polaris_token }}"
    protocol: grpc
    host: 127.0.0.21
    min_connections: 2
    max_connections: 200

- name: Close several
  polarismesh.maintenance.polaris_conn_close:
    url: http://127.0.0.1:8090
    token: "{{ polaris_token }}"
    connections:
      - {protocol: grpc, host: 127.0.0.22, port: 51326}
      - {protocol: grpc, host: 127.0.0.23}
"""

RETURN = r"""
url:
  description: The server.
  type: str
  returned: always
  sample: http://127.0.0.1:8090
connections:
  description: The connections that were closed or, in check mode, would be.
  type: list
  elements: dict
  returned: success, and a failure while closing
  contains: &connection
    protocol:
      description: Its protocol.
      type: str
      returned: success
      sample: grpc
    host:
      description: The address of the client.
      type: str
      returned: success
      sample: 10.0.0.7
    port:
      description: The port of the client.
      type: int
      returned: success
      sample: 51324
count:
  description: How many RV(connections) are.
  type: int
  returned: success, and a failure while closing
  sample: 1
remaining:
  description: Those of RV(connections) that the server still listed after a wait of up to two seconds.
  type: list
  elements: dict
  returned: success
  contains: *connection
not_closed:
  description: What was asked for and not closed, and why.
  type: list
  elements: dict
  returned: success, and a failure while closing
  contains:
    protocol:
      description: Its protocol.
      type: str
      returned: success
      sample: grpc
    host:
      description: The address of the client.
      type: str
      returned: success
      sample: 10.0.0.8
    port:
      description: The port of the client, or V(null) where the whole host was asked for.
      type: int
      returned: success
      sample: 51330
    reason:
      description:
        - V(not_open) - there is no such connection, or the client ended it itself.
        - V(below_min_connections) - the host holds fewer than O(min_connections).
        - V(own_connection) - it is the connection of this task itself.
        - V(failed) - the task failed, and this one was still open then.
        - V(unknown) - the task failed, and nobody knows whether this one was closed.
      type: str
      returned: success
      sample: not_open
error:
  description: What failed.
  type: dict
  returned: failure
  contains:
    kind:
      description: One of the kinds listed in the README.
      type: str
      returned: failure
      sample: guard
  sample: {kind: guard, status: null, code: null, info: null, method: null, path: null}
"""

import time
import typing as t
from dataclasses import dataclass, field

from ansible_collections.polarismesh.maintenance.plugins.module_utils._addresses import address_order
from ansible_collections.polarismesh.maintenance.plugins.module_utils._advice import how_to_count
from ansible_collections.polarismesh.maintenance.plugins.module_utils._api import connections
from ansible_collections.polarismesh.maintenance.plugins.module_utils._client import Client
from ansible_collections.polarismesh.maintenance.plugins.module_utils._errors import PolarisError
from ansible_collections.polarismesh.maintenance.plugins.module_utils._model import HostConnections
from ansible_collections.polarismesh.maintenance.plugins.module_utils._options import (
    Params,
    Spec,
    at_least_zero,
    client_host,
    client_port,
    client_protocol,
    spec,
)
from ansible_collections.polarismesh.maintenance.plugins.module_utils._runner import Result, run_module

_CONNECTION: Spec = {
    "protocol": {"type": "str"},
    "host": {"type": "str"},
    "port": {"type": "raw"},
    "min_connections": {"type": "raw", "aliases": ["amount"]},
}

SPEC = spec(
    {
        **_CONNECTION,
        "connections": {"type": "list", "elements": "dict", "options": _CONNECTION},
        "max_connections": {"type": "raw"},
    },
    mutually_exclusive=[("connections", option) for option in _CONNECTION],
    required_together=[("protocol", "host")],
    required_one_of=[("connections", "host")],
    required_by={"port": ("host",), "min_connections": ("host",)},
)

#: So many hosts are looked up one by one; for more, all are read at once, which costs the server a scan of everything.
FEW_HOSTS = 8
#: Connections in one request. The server closes them within some milliseconds, before a client that gives up all its
#: connections when it loses one can have done so: a request each would leave it the time.
BATCH = 100
#: Seconds between the looks that wait for closed connections to leave the server's list.
PAUSES = (0.05, 0.1, 0.2, 0.4, 0.8)
#: After so many hosts, a line of progress.
PROGRESS_HOSTS = 100

#: Protocol and host.
Key = t.Tuple[str, str]
#: Ports by protocol and host.
Ports = t.Dict[Key, t.Set[int]]


@dataclass(frozen=True)
class Target:
    """What a task asks for: one connection, or (without a port) all of a host."""

    protocol: str
    host: str
    port: t.Optional[int]
    min_connections: int

    @property
    def key(self) -> Key:
        return (self.protocol, self.host)


@dataclass(frozen=True)
class View:
    """What the server lists of some hosts at one moment.

    :param own: the connection by which it was asked, where that is one of them.
    """

    hosts: t.Dict[Key, HostConnections]
    own: t.Optional[t.Tuple[Key, int]] = None

    def ports(self, key: Key) -> t.FrozenSet[int]:
        return self.hosts[key].ports if key in self.hosts else frozenset()

    def of(self, ports: Ports) -> Ports:
        """Those of ``ports`` that are listed."""
        listed = {key: wanted & self.ports(key) for key, wanted in ports.items()}
        return {key: found for key, found in listed.items() if found}


@dataclass
class Report:
    """What became of it so far."""

    closed: Ports = field(default_factory=dict)
    not_closed: t.List[t.Dict[str, t.Any]] = field(default_factory=list)
    # Asked for, and no answer came.
    unknown: Ports = field(default_factory=dict)
    # Those of the same hosts that nobody asked for, as listed in the moment before.
    bystanders: Ports = field(default_factory=dict)
    warnings: t.List[str] = field(default_factory=list)

    def leave(self, target: t.Union[Target, t.Tuple[Key, int]], reason: str) -> None:
        if isinstance(target, Target):
            protocol, host, port = target.protocol, target.host, target.port
        else:
            (protocol, host), port = target
        self.not_closed.append({"protocol": protocol, "host": host, "port": port, "reason": reason})


# --- decisions -------------------------------------------------------------------------------------------------------


def wanted(params: Params) -> t.List[Target]:
    """What the task asks for, all of it checked."""
    if params["connections"] is None:
        return [_target(params, "")]
    if not params["connections"]:
        raise PolarisError(
            "refused", "connections is empty: name at least one connection by protocol, host and port, or leave it out."
        )
    first: t.Dict[t.Tuple[Key, t.Optional[int]], int] = {}
    targets = []
    for index, item in enumerate(params["connections"]):
        target = _target(item, f"connections[{index}].")
        earlier = first.setdefault((target.key, target.port), index)
        if earlier != index:
            port = "" if target.port is None else f":{target.port}"
            raise PolarisError(
                "refused",
                f"connections[{index}] is the same as connections[{earlier}] ({target.protocol} {target.host}{port}): "
                f"name each connection once. Nothing was closed.",
            )
        targets.append(target)
    return targets


def _target(item: Params, prefix: str) -> Target:
    return Target(
        client_protocol(item["protocol"], f"{prefix}protocol"),
        client_host(item["host"], f"{prefix}host"),
        client_port(item["port"], f"{prefix}port"),
        at_least_zero(item["min_connections"], f"{prefix}min_connections"),
    )


def planned(targets: t.Sequence[Target], view: View, report: Report) -> Ports:
    """The open connections that the targets mean; the report gets what is left out, and why."""
    todo: Ports = {}
    spared = False
    for target in targets:
        ports = view.ports(target.key)
        if not ports or (target.port is not None and target.port not in ports):
            report.leave(target, "not_open")
        elif view.hosts[target.key].amount < target.min_connections:
            report.leave(target, "below_min_connections")
        elif target.port is not None:
            todo.setdefault(target.key, set()).add(target.port)
        else:
            own = {view.own[1]} if view.own and view.own[0] == target.key else set()
            spared = spared or bool(own)
            if ports - own:
                todo.setdefault(target.key, set()).update(ports - own)
    if spared and view.own and view.own[1] not in todo.get(view.own[0], ()):
        report.leave(view.own, "own_connection")
        report.warnings.append(
            f"{address(*view.own)} is the connection of this task itself and was left open; it ends with the task."
        )
    return todo


def check_limit(todo: Ports, limit: t.Optional[int]) -> None:
    count = size(todo)
    if limit is not None and count > limit:
        largest = sorted(todo, key=lambda key: (-len(todo[key]), key))[:5]
        shown = ", ".join(f"{len(todo[key])} of {key[1]} ({key[0]})" for key in largest)
        raise PolarisError(
            "guard",
            f"{count} connections would be closed, and max_connections allows {limit}: nothing was closed. They are "
            f"{shown}{' and others' if len(todo) > len(largest) else ''}; name fewer, or raise max_connections if all "
            f"of them are meant.",
        )


def may_have_hit_bystanders(bystanders: Ports, after: View) -> t.List[Key]:
    """The hosts of which nothing is left that was open before: that is what a port just gone does.

    Where one of the bystanders is still there, the server has not closed all of that host.
    """
    return sorted(key for key, ports in bystanders.items() if ports and not ports & after.ports(key))


def address(key: Key, port: int) -> str:
    return f"{key[1]}:{port}"


def size(ports: Ports) -> int:
    return sum(len(some) for some in ports.values())


def as_list(ports: Ports) -> t.List[t.Dict[str, t.Any]]:
    return [
        {"protocol": protocol, "host": host, "port": port}
        for (protocol, host), some in ports.items()
        for port in sorted(some)
    ]


def addresses(view: View, keys: t.Iterable[Key], without: t.Optional[Ports] = None) -> t.Dict[str, t.List[str]]:
    """Protocol -> all addresses of these hosts, for the diff."""
    shown: t.Dict[str, t.List[str]] = {}
    for key in sorted(set(keys), key=lambda key: (key[0], address_order(key[1]))):
        left = view.ports(key) - (without or {}).get(key, set())
        shown.setdefault(key[0], []).extend(address(key, port) for port in sorted(left))
    return shown


def merged(first: Ports, second: Ports) -> Ports:
    return {key: first.get(key, set()) | second.get(key, set()) for key in [*first, *second]}


# --- the way of a task -----------------------------------------------------------------------------------------------


def run(client: Client, params: Params, check_mode: bool) -> Result:
    targets = wanted(params)
    limit = None
    if params["max_connections"] is not None:
        limit = at_least_zero(params["max_connections"], "max_connections")
    keys = list(dict.fromkeys(target.key for target in targets))
    report = Report()
    before = look(client, keys)
    todo = planned(targets, before, report)
    check_limit(todo, limit)
    remaining: Ports = {}
    if check_mode:
        report.closed, after = todo, addresses(before, keys, without=todo)
    elif not todo:
        after = addresses(before, keys)
    else:
        try:
            close_all(client, todo, report)
            view = settled(client, keys, report.closed)
        except PolarisError as error:
            raise interrupted(client, error, todo, report) from error
        remaining, after = view.of(report.closed), addresses(view, keys)
        report.warnings.extend(afterthoughts(client, report, view, remaining))
    return {
        "changed": bool(report.closed),
        "connections": as_list(report.closed),
        "count": size(report.closed),
        "remaining": as_list(remaining),
        "not_closed": report.not_closed,
        "diff": {"before": addresses(before, keys), "after": after},
        "warnings": report.warnings,
    }


def look(client: Client, keys: t.Iterable[Key]) -> View:
    """What the server lists of these hosts now."""
    wanted_hosts: t.Dict[str, t.List[str]] = {}
    for protocol, host in keys:
        wanted_hosts.setdefault(protocol, []).append(host)
    hosts: t.Dict[Key, HostConnections] = {}
    own = None
    for protocol, names in wanted_hosts.items():
        lookups: t.Sequence[t.Optional[str]] = names if len(names) <= FEW_HOSTS else [None]
        for name in lookups:
            stats = connections.stats(client, protocol, name)
            if stats is None:
                raise PolarisError(
                    "unsupported",
                    f"{client.url} does not count the connections of {protocol!r}, so none can be seen or closed. "
                    f"{how_to_count(protocol)}",
                )
            hosts.update({(protocol, entry.host): entry for entry in stats.hosts})
            # What we ask over is itself a connection of this protocol only.
            if protocol == "http":
                host, port = stats.own.rpartition(":")[::2]
                if port and int(port) in stats.ports(host):
                    own = ((protocol, host), int(port))
    return View(hosts, own)


def close_all(client: Client, todo: Ports, report: Report) -> None:
    for number, (key, ports) in enumerate(todo.items(), 1):
        close_host(client, key, ports, report)
        if number % PROGRESS_HOSTS == 0:
            client.progress(f"closed {size(report.closed)} connections of {number} of {len(todo)} hosts")


def close_host(client: Client, key: Key, ports: t.Set[int], report: Report) -> None:
    """Close these connections of one host: each batch only after a look of its own, and none of them twice."""
    waiting = set(ports)
    while waiting:
        view = look(client, [key])
        for gone in sorted(waiting - view.ports(key)):
            report.leave((key, gone), "not_open")
        waiting &= view.ports(key)
        batch = sorted(waiting)[:BATCH]
        if not batch:
            return
        report.bystanders[key] = set(view.ports(key)) - waiting
        close_batch(client, key, batch, view, report)
        waiting -= set(batch)


def close_batch(client: Client, key: Key, batch: t.List[int], view: View, report: Report) -> None:
    """One request, never repeated. Where its answer is lost, a new look must show that all of them are gone."""
    try:
        connections.close(client, key[0], key[1], batch)
    except PolarisError as error:
        if not error.outcome_unknown:
            raise
        report.unknown[key] = set(batch)
        try:
            left = settled(client, [key], report.unknown).of(report.unknown)
        except PolarisError:
            raise error from None
        if left:
            raise
        del report.unknown[key]
        if view.own is not None and view.own[0] == key and view.own[1] in batch:
            lost = f"{address(*view.own)} was the connection of this task itself, so that the answer was cut off"
        elif key[0] == "http" and error.kind == "server":
            lost = (
                "the answer was cut off, as happens where the connection of this task itself is closed with the others "
                "(it could not be told from them, because something on the way translates addresses)"
            )
        else:
            lost = f"the answer to a request was lost ({error.msg.rstrip('.')})"
        report.warnings.append(f"{lost}; a new look shows none of the {len(batch)} connections of {key[1]} any more.")
    report.closed.setdefault(key, set()).update(batch)


def settled(client: Client, keys: t.Sequence[Key], closed: Ports) -> View:
    """The last look, once none of the closed connections is listed any more, or after the last pause."""
    view = look(client, keys)
    for pause in PAUSES:
        if not view.of(closed):
            break
        time.sleep(pause)
        view = look(client, keys)
    return view


def afterthoughts(client: Client, report: Report, after: View, remaining: Ports) -> t.List[str]:
    """What whoever runs the task should know about a success."""
    warnings = []
    for key in may_have_hit_bystanders(report.bystanders, after):
        warnings.append(
            f"all other connections of {key[1]} ({key[0]}, {len(report.bystanders[key])}) ended at the same time: "
            f"either the client ended them itself, or it ended one of those named just before the request came, in "
            f"which case {client.url} closes all of a host."
        )
    if remaining:
        warnings.append(
            f"{client.url} still lists {size(remaining)} of the closed connections: look again, they may have been "
            f"opened anew from the same ports."
        )
    return warnings


def interrupted(client: Client, error: PolarisError, todo: Ports, report: Report) -> PolarisError:
    """The error of a task that stopped half way, with what became of each connection."""
    unknown = report.unknown
    if unknown:
        try:
            left = look(client, unknown).of(unknown)
        except PolarisError:
            pass
        else:
            report.closed = merged(report.closed, {key: ports - left.get(key, set()) for key, ports in unknown.items()})
            unknown = {}
    known = {(entry["protocol"], entry["host"], entry["port"]) for entry in report.not_closed}
    for key, ports in todo.items():
        for port in sorted(ports - report.closed.get(key, set())):
            if (*key, port) not in known:
                report.leave((key, port), "unknown" if port in unknown.get(key, ()) else "failed")
    failed = sum(entry["reason"] == "failed" for entry in report.not_closed)
    counts = ((size(report.closed), "closed"), (failed, "not closed"), (size(unknown), "unknown"))
    told = ", ".join(f"{count} {name}" for count, name in counts if count) or "none was closed"
    late = " A request whose answer was lost may still take effect." if error.outcome_unknown and failed else ""
    error.msg = f"{error.msg.rstrip('.')}. Of the {size(todo)} connections to close: {told}.{late}"
    error.partial = {
        "changed": bool(report.closed or unknown),
        "connections": as_list(report.closed),
        "count": size(report.closed),
        "not_closed": report.not_closed,
        "warnings": report.warnings,
    }
    return error


def main() -> None:
    run_module(SPEC, run)


if __name__ == "__main__":
    main()
