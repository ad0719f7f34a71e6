#!/usr/bin/python
# Copyright (c) 2026, PolarisMesh Maintenance contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

DOCUMENTATION = r"""
module: polaris_conn_close
short_description: Close connections of clients to a Polaris server
version_added: 1.0.0
description:
  - Closes single connections of a client, or all connections from one client address, on one Polaris server.
  - Looks up which connections are open, then closes these, each by its host and port. If none is open, nothing is sent.
  - A connection that the client opens meanwhile is left alone, so a client that reconnects at once is not disconnected
    twice.
  - Connections belong to one server node. To close the connections of a client in a whole fleet, run this task on every
    node, or use the playbook C(polarismesh.maintenance.conn_drain).
extends_documentation_fragment:
  - polarismesh.maintenance.connection
  - polarismesh.maintenance.attributes
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
      - Without O(port), the connections of a client that has reconnected are closed again.
options:
  protocol:
    description:
      - The protocol, under the name that servers use for it. This is V(grpc) (SDK clients), V(http), V(eureka) or
        V(xdsv3), in lower case.
      - Either this and O(host), or O(connections), is required.
    type: str
  host:
    description:
      - The IPv4 address of the client.
      - An IPv6 address is refused, because servers can neither see nor close the connections of such a client.
    type: str
  port:
    description:
      - The client's port, from V(1) to V(65535), to close this one connection.
      - Without it, all connections of the host are closed.
    type: int
  min_connections:
    description: Close only if the host has at least this many connections. V(0) disables this check.
    type: int
    aliases: [amount]
  connections:
    description:
      - Several connections or hosts.
      - All are checked before the first request. An error names the position in the list, which starts at V(0).
      - A connection or host that is named twice counts once, with the larger O(connections[].min_connections).
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
    description: Fail with C(error.kind=guard), and close nothing, if more connections than this would be closed.
    type: int
notes:
  - A server that is asked to close a port it does not know closes B(all) connections of that host, and the response
    does not say so. Therefore this task only names ports that the server has just listed, all ports of a host in one
    request. One risk remains. If the client itself ends one of these connections while that request is on its way, the
    server closes all connections of that client. A warning says where this may have happened.
  - For V(http), the connection of this task itself is one of the connections of its host. It is left open, with a
    warning, unless its port is given. If addresses are translated on the way to the server, the task cannot recognize
    it. If it is then closed with the others, the response is lost, and the task looks up what was closed.
  - Connections from other nodes of the cluster are closed like those of any client. With the heartbeat checker
    C(heartbeatLeader), a node does not open such a V(grpc) connection again until it is restarted, and healthy
    instances become unhealthy. The playbooks C(polarismesh.maintenance.conn_drain) and
    C(polarismesh.maintenance.conn_rebalance) leave these connections open.
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

- name: Close all connections of a client that has suspiciously many, but never more than 200
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
  description: The connections that were closed or, in check mode, would be closed.
  type: list
  elements: dict
  returned: success, and a failure while closing
  contains: &connection
    protocol:
      description: Its protocol.
      type: str
      sample: grpc
    host:
      description: The address of the client.
      type: str
      sample: 10.0.0.7
    port:
      description: The port of the client.
      type: int
      sample: 51324
count:
  description: The number of RV(connections).
  type: int
  returned: success, and a failure while closing
  sample: 1
remaining:
  description: Those of RV(connections) that the server still lists after up to two seconds.
  type: list
  elements: dict
  returned: success
  contains: *connection
not_closed:
  description: The connections and hosts that the task named but did not close, and why.
  type: list
  elements: dict
  returned: success, and a failure while closing
  contains:
    protocol:
      description: Its protocol.
      type: str
      sample: grpc
    host:
      description: The address of the client.
      type: str
      sample: 10.0.0.8
    port:
      description: The port of the client, or V(null) if the task named the whole host.
      type: int
      sample: 51330
    reason:
      description:
        - V(not_open) - there is no such connection, or the client ended it.
        - V(below_min_connections) - the host has fewer than O(min_connections).
        - V(own_connection) - this is the connection of the task itself.
        - V(failed) - the task failed before this connection was closed.
        - V(unknown) - the task failed, and it is unknown whether this connection was closed.
      type: str
      sample: not_open
error:
  description: What failed. The notes describe its keys and kinds.
  type: dict
  returned: failure
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
    untyped,
)
from ansible_collections.polarismesh.maintenance.plugins.module_utils._runner import Result, run_module

_CONNECTION: Spec = {
    "protocol": {"type": "str"},
    "host": {"type": "str"},
    "port": {"type": "int"},
    "min_connections": {"type": "int", "aliases": ["amount"]},
}

SPEC = spec(
    {
        **_CONNECTION,
        "connections": {"type": "list", "elements": "dict", "options": untyped(_CONNECTION)},
        "max_connections": {"type": "int"},
    },
    mutually_exclusive=[("connections", option) for option in _CONNECTION],
    required_together=[("protocol", "host")],
    required_one_of=[("connections", "host")],
    required_by={"port": ("host",), "min_connections": ("host",)},
)

#: Up to this number of hosts, each is looked up separately. For more, one look-up reads all hosts, and the server scans
#: all its connections.
FEW_HOSTS = 8
#: Connections in one request. The server closes them within milliseconds, before a client that drops all connections
#: when it loses one can react. One request for each connection would give the client that time.
BATCH = 100
#: Seconds to wait before each new read of the server's list, until the closed connections have disappeared from it.
PAUSES = (0.05, 0.1, 0.2, 0.4, 0.8)
#: How many hosts there are between two lines of progress.
PROGRESS_HOSTS = 100

#: Protocol and host.
Key = t.Tuple[str, str]


class Connection(t.NamedTuple):
    protocol: str
    host: str
    port: int

    @property
    def key(self) -> Key:
        return (self.protocol, self.host)

    @property
    def address(self) -> str:
        return f"{self.host}:{self.port}"


class Ports:
    """Connections, as ports by protocol and host, in the order in which the hosts were added."""

    def __init__(self, ports: t.Optional[t.Mapping[Key, t.Iterable[int]]] = None) -> None:
        self._ports: t.Dict[Key, t.Set[int]] = {}
        for key, some in (ports or {}).items():
            self.add(key, some)

    def add(self, key: Key, ports: t.Iterable[int]) -> None:
        """Add ports of one host. A host without ports is not added."""
        added = set(ports)
        if added:
            self._ports.setdefault(key, set()).update(added)

    def of(self, key: Key) -> t.FrozenSet[int]:
        return frozenset(self._ports.get(key, ()))

    def hosts(self) -> t.List[Key]:
        return list(self._ports)

    def __iter__(self) -> t.Iterator[Connection]:
        return (Connection(*key, port) for key, ports in self._ports.items() for port in sorted(ports))

    def __len__(self) -> int:
        """How many connections these are."""
        return sum(len(ports) for ports in self._ports.values())

    def __contains__(self, connection: Connection) -> bool:
        return connection.port in self._ports.get(connection.key, ())

    def __sub__(self, other: Ports) -> Ports:
        return Ports({key: ports - other.of(key) for key, ports in self._ports.items()})

    def __or__(self, other: Ports) -> Ports:
        return Ports({key: self.of(key) | other.of(key) for key in [*self._ports, *other._ports]})

    def as_list(self) -> t.List[t.Dict[str, t.Any]]:
        """In the form of a result."""
        return [connection._asdict() for connection in self]


@dataclass(frozen=True)
class Selection:
    """What a task asks for: one connection, or (without a port) all connections of a host."""

    protocol: str
    host: str
    port: t.Optional[int]
    min_connections: int

    @property
    def key(self) -> Key:
        return (self.protocol, self.host)


class LeftOut(t.NamedTuple):
    """A connection, or (without a port) a host, that the task names and does not close, and why."""

    protocol: str
    host: str
    port: t.Optional[int]
    reason: str


@dataclass(frozen=True)
class View:
    """The connections of some hosts, as the server lists them at one moment.

    :param own: the one that carried the answer, if it is listed.
    """

    hosts: t.Dict[Key, HostConnections]
    own: t.Optional[Connection] = None

    def ports(self, key: Key) -> t.FrozenSet[int]:
        return self.hosts[key].ports if key in self.hosts else frozenset()

    def listed(self, ports: Ports) -> Ports:
        """Those of ``ports`` that are listed."""
        return Ports({key: ports.of(key) & self.ports(key) for key in ports.hosts()})


# --- decisions -------------------------------------------------------------------------------------------------------


def selected(params: Params) -> t.List[Selection]:
    """What the task asks for, validated, each connection and host once, with the largest min_connections."""
    if params["connections"] is None:
        return [_selection(params, "")]
    if not params["connections"]:
        raise PolarisError(
            "refused", "connections is empty: name at least one connection by protocol, host and port, or leave it out."
        )
    found: t.Dict[t.Tuple[Key, t.Optional[int]], Selection] = {}
    for index, item in enumerate(params["connections"]):
        selection = _selection(item, f"connections[{index}].")
        same = found.get((selection.key, selection.port))
        if same is None or same.min_connections < selection.min_connections:
            found[selection.key, selection.port] = selection
    return list(found.values())


def _selection(item: Params, prefix: str) -> Selection:
    return Selection(
        client_protocol(item["protocol"], f"{prefix}protocol"),
        client_host(item["host"], f"{prefix}host"),
        client_port(item["port"], f"{prefix}port"),
        at_least_zero(item["min_connections"], f"{prefix}min_connections"),
    )


@dataclass(frozen=True)
class Plan:
    """What to close, what to leave out, and what the operator should know about it."""

    close: Ports
    left_out: t.List[LeftOut]
    warnings: t.List[str]


def planned(selections: t.Sequence[Selection], view: View) -> Plan:
    """The open connections that match the selections."""
    close = Ports()
    left_out: t.List[LeftOut] = []
    own_meant = False
    for each in selections:
        ports = view.ports(each.key)
        if not ports or (each.port is not None and each.port not in ports):
            left_out.append(LeftOut(each.protocol, each.host, each.port, "not_open"))
        elif view.hosts[each.key].amount < each.min_connections:
            left_out.append(LeftOut(each.protocol, each.host, each.port, "below_min_connections"))
        elif each.port is not None:
            close.add(each.key, {each.port})
        else:
            own = {view.own.port} if view.own and view.own.key == each.key else set()
            own_meant = own_meant or bool(own)
            close.add(each.key, ports - own)
    if view.own is None or not own_meant or view.own in close:
        return Plan(close, left_out, [])
    left_out.append(LeftOut(*view.own, "own_connection"))
    spared = f"{view.own.address} is the connection of this task itself and was left open; it ends with the task."
    return Plan(close, left_out, [spared])


def check_limit(close: Ports, limit: t.Optional[int]) -> None:
    """Fail if more than ``limit`` connections would be closed."""
    if limit is None or len(close) <= limit:
        return
    hosts = close.hosts()
    largest = sorted(hosts, key=lambda key: (-len(close.of(key)), key))[:5]
    shown = ", ".join(f"{len(close.of(key))} of {key[1]} ({key[0]})" for key in largest)
    raise PolarisError(
        "guard",
        f"{len(close)} connections would be closed, and max_connections allows {limit}: nothing was closed. They are "
        f"{shown}{' and others' if len(hosts) > len(largest) else ''}; name fewer, or raise max_connections if you "
        f"mean all of them.",
    )


def may_have_hit_bystanders(bystanders: Ports, after: View) -> t.List[Key]:
    """The hosts whose bystanders are all gone: the server may have been asked for a port that had just closed.

    If one bystander is left, the server has not closed all connections of the host.
    """
    return sorted(key for key in bystanders.hosts() if not bystanders.of(key) & after.ports(key))


def addresses(view: View, keys: t.Iterable[Key], without: t.Optional[Ports] = None) -> t.Dict[str, t.List[str]]:
    """Protocol -> all addresses of these hosts, for the diff."""
    shown: t.Dict[str, t.List[str]] = {}
    for key in sorted(set(keys), key=lambda key: (key[0], address_order(key[1]))):
        left = view.ports(key) - (without.of(key) if without else set())
        shown.setdefault(key[0], []).extend(f"{key[1]}:{port}" for port in sorted(left))
    return shown


# --- the task --------------------------------------------------------------------------------------------------------


@dataclass
class Report:
    """The outcome of a plan so far.

    :param unknown: sent, but the answer was lost.
    :param bystanders: other connections of the same hosts, as listed before the last request for that host.
    """

    left_out: t.List[LeftOut]
    warnings: t.List[str]
    closed: Ports = field(default_factory=Ports)
    unknown: Ports = field(default_factory=Ports)
    bystanders: t.Dict[Key, t.FrozenSet[int]] = field(default_factory=dict)

    def result(self) -> Result:
        return {
            "changed": bool(self.closed or self.unknown),
            "connections": self.closed.as_list(),
            "count": len(self.closed),
            "not_closed": [entry._asdict() for entry in self.left_out],
            "warnings": self.warnings,
        }


def look(client: Client, keys: t.Iterable[Key]) -> View:
    """The connections of these hosts, as the server lists them now."""
    names_of: t.Dict[str, t.List[str]] = {}
    for protocol, host in keys:
        names_of.setdefault(protocol, []).append(host)
    hosts: t.Dict[Key, HostConnections] = {}
    own = None
    for protocol, names in names_of.items():
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
            # The connection that carries the request is one of this protocol only.
            if protocol == "http":
                host, port = stats.own.rpartition(":")[::2]
                if port and int(port) in stats.ports(host):
                    own = Connection(protocol, host, int(port))
    return View(hosts, own)


def close_all(client: Client, close: Ports, report: Report) -> None:
    hosts = close.hosts()
    for number, key in enumerate(hosts, 1):
        close_host(client, key, close.of(key), report)
        if number % PROGRESS_HOSTS == 0:
            client.progress(f"closed {len(report.closed)} connections of {number} of {len(hosts)} hosts")


def close_host(client: Client, key: Key, ports: t.FrozenSet[int], report: Report) -> None:
    """Close these connections of one host: each batch directly after its own look-up, and none of them twice."""
    waiting = ports
    while waiting:
        view = look(client, [key])
        report.left_out.extend(LeftOut(*key, gone, "not_open") for gone in sorted(waiting - view.ports(key)))
        waiting &= view.ports(key)
        batch = sorted(waiting)[:BATCH]
        if not batch:
            return
        report.bystanders[key] = view.ports(key) - waiting
        close_batch(client, key, batch, view, report)
        waiting -= set(batch)


def close_batch(client: Client, key: Key, batch: t.List[int], view: View, report: Report) -> None:
    """One request, never repeated. If its answer is lost, a new look-up must show that all of them are gone."""
    try:
        connections.close(client, key[0], key[1], batch)
    except PolarisError as error:
        if not error.outcome_unknown:
            raise
        report.unknown = Ports({key: batch})
        try:
            left = settled(client, [key], report.unknown).listed(report.unknown)
        except PolarisError:
            raise error from None
        if left:
            raise
        late = ""
        if view.own is not None and view.own in report.unknown:
            lost = f"{view.own.address} was the connection of this task itself, so the answer was cut off"
        elif key[0] == "http" and error.kind == "server":
            lost = (
                "the answer was cut off, as happens when the connection of this task itself is closed with the others "
                "(it could not be recognized, because something on the way translates addresses)"
            )
        else:
            lost = f"the answer to a request was lost ({error.msg.rstrip('.')})"
            others = len(report.bystanders[key])
            if others:
                # The server may still act on the request, and may not find a port that the client has just closed.
                late = (
                    f" If the client itself ended one of them, {client.url} may still close all other connections of "
                    f"{key[1]} ({key[0]}, {others})."
                )
        report.unknown = Ports()
        report.warnings.append(f"{lost}; a new look-up shows none of the {len(batch)} connections of {key[1]}.{late}")
    report.closed.add(key, batch)


def settled(client: Client, keys: t.Sequence[Key], closed: Ports) -> View:
    """The server's list once none of the closed connections is in it any more, or after the last pause."""
    view = look(client, keys)
    for pause in PAUSES:
        if not view.listed(closed):
            break
        time.sleep(pause)
        view = look(client, keys)
    return view


def afterthoughts(url: str, report: Report, after: View, remaining: Ports) -> t.List[str]:
    """The warnings of a success."""
    bystanders = Ports(report.bystanders)
    warnings = [
        f"all other connections of {key[1]} ({key[0]}, {len(bystanders.of(key))}) ended at the same time: either the "
        f"client ended them itself, or it ended one of those named just before the request came, in which case {url} "
        f"closes all connections of a host."
        for key in may_have_hit_bystanders(bystanders, after)
    ]
    if remaining:
        warnings.append(
            f"{url} still lists {len(remaining)} of the closed connections: check again; the client may have reopened "
            f"them from the same ports."
        )
    return warnings


def interrupted(client: Client, error: PolarisError, close: Ports, report: Report) -> None:
    """Add the outcome for each connection to the error of a task that stopped halfway."""
    if report.unknown:
        try:
            left = look(client, report.unknown.hosts()).listed(report.unknown)
        except PolarisError:
            pass
        else:
            report.closed |= report.unknown - left
            report.unknown = Ports()
    known = {entry[:3] for entry in report.left_out}
    not_closed = [connection for connection in close - report.closed if connection not in known]
    report.left_out.extend(
        LeftOut(*connection, "unknown" if connection in report.unknown else "failed") for connection in not_closed
    )
    failed = len(not_closed) - len(report.unknown)
    counts = ((len(report.closed), "closed"), (failed, "not closed"), (len(report.unknown), "unknown"))
    outcome = ", ".join(f"{count} {name}" for count, name in counts if count) or "none was closed"
    late = " A request whose answer was lost may still take effect." if error.outcome_unknown and failed else ""
    error.msg = f"{error.msg.rstrip('.')}. Of the {len(close)} connections to close: {outcome}.{late}"
    error.partial = report.result()


def run(client: Client, params: Params, check_mode: bool) -> Result:
    selections = selected(params)
    limit = params["max_connections"]
    if limit is not None:
        limit = at_least_zero(limit, "max_connections")
    keys = list(dict.fromkeys(each.key for each in selections))
    before = look(client, keys)
    plan = planned(selections, before)
    check_limit(plan.close, limit)
    report = Report(list(plan.left_out), list(plan.warnings))
    after, remaining = before, Ports()
    if check_mode:
        report.closed = plan.close
    elif plan.close:
        try:
            close_all(client, plan.close, report)
            after = settled(client, keys, report.closed)
        except PolarisError as error:
            interrupted(client, error, plan.close, report)
            raise
        remaining = after.listed(report.closed)
        report.warnings += afterthoughts(client.url, report, after, remaining)
    diff_after = addresses(after, keys, without=plan.close if check_mode else None)
    return {
        **report.result(),
        "remaining": remaining.as_list(),
        "diff": {"before": addresses(before, keys), "after": diff_after},
    }


def main() -> None:
    run_module(SPEC, run)


if __name__ == "__main__":
    main()
