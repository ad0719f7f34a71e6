# Copyright (c) 2026, PolarisMesh Maintenance contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Private. The report on a fleet: what each node reported, and how it compares with the others.

Memory is in bytes, times are epoch seconds, ages are seconds.
"""

from __future__ import annotations

import re
import typing as t
from collections import Counter
from collections.abc import Mapping
from dataclasses import asdict, dataclass, field
from functools import cached_property

from ..module_utils._addresses import address_order, host_and_port
from ._heartbeats import newest_heartbeats

Values = t.Dict[str, t.Any]
Given = t.Mapping[str, t.Any]

#: When this changes, `compare` cannot read older files.
SCHEMA = 2
#: If several levels are equally frequent, the usual level is the first of them in this list: the default of servers,
#: then the quieter ones, so that the noisy node is the one that stands out.
PREFERRED_LEVELS = ("info", "warn", "error", "fatal", "none", "debug")
SEVERITIES = ("critical", "warning", "note")
#: The report's names for what polaris_server_info could not read.
NAMES = {"levels": "log levels", "nodes": "nodes of the cluster", "features": "what the server can do"}
# What HTML and JSON readers do not accept: control characters, and unpaired surrogates.
_UNPRINTABLE = re.compile("[\x00-\x08\x0b\x0c\x0e-\x1f\x7f-\x9f\ud800-\udfff\ufffe\uffff]")


# --- one node --------------------------------------------------------------------------------------------------------


@dataclass(frozen=True)
class Failure:
    """Something that could not be read, and why; ``kind`` is one of the error kinds, or None."""

    what: str
    kind: t.Optional[str]
    msg: str


@dataclass(frozen=True)
class Probes:
    """Whether the server accepted these; None if that is unknown.

    :param anyone: requests without a valid token.
    :param default_token: the published token of the default account.
    :param default_password: its published password.
    """

    anyone: t.Optional[bool] = None
    default_token: t.Optional[bool] = None
    default_password: t.Optional[bool] = None


@dataclass(frozen=True)
class Node:
    """One node. What could not be read is None.

    :param is_polaris: whether a Polaris server answered.
    :param unsure: whether server_info could not find out something.
    :param registered: addresses of nodes of the cluster, with ports: the part of the list that this task read.
    :param cluster_size: how many of these addresses the cluster has.
    :param connections: protocol -> open connections, without those of this report, unless ``counts_own``.
    :param heartbeats: what it knows of each instance, as polaris_heartbeat_info returns it.
    """

    name: str
    address: str = ""
    is_polaris: bool = False
    unsure: bool = False
    url: t.Optional[str] = None
    failures: t.Tuple[Failure, ...] = ()
    notes: t.Tuple[str, ...] = ()
    version: t.Optional[str] = None
    oldest_version: t.Optional[str] = None
    own_host: t.Optional[str] = None
    auth: t.Optional[t.Dict[str, bool]] = None
    pprof: t.Optional[bool] = None
    pprof_switchable: t.Optional[bool] = None
    protocols: t.Optional[t.Tuple[str, ...]] = None
    registered: t.Tuple[str, ...] = ()
    cluster_size: t.Optional[int] = None
    connections: t.Optional[t.Dict[str, int]] = None
    counts_own: bool = False
    memory: t.Optional[t.Dict[str, int]] = None
    levels: t.Optional[t.Dict[str, str]] = None
    leaders: t.Optional[t.Tuple[Values, ...]] = None
    probes: Probes = field(default_factory=Probes)
    heartbeats: t.Optional[t.Tuple[Given, ...]] = None

    @property
    def status(self) -> str:
        if not self.is_polaris:
            return "failed"
        return "partial" if self.failures or self.unsure else "ok"

    @property
    def connections_total(self) -> t.Optional[int]:
        return None if self.connections is None else sum(self.connections.values())

    @property
    def heap(self) -> t.Optional[int]:
        """The memory of the machine that the heap takes up."""
        return None if self.memory is None else int(self.memory["heap_in_use"]) + int(self.memory["releasable"])

    @property
    def version_label(self) -> t.Optional[str]:
        """What is known about the version, as text."""
        return self.version or (f"{self.oldest_version} or newer" if self.oldest_version else None)

    @property
    def authenticates(self) -> bool:
        """Whether authentication is on, presumed true if unknown. If there are two switches, the newer one counts."""
        switches = self.auth or {}
        return bool(switches.get("consoleOpen", switches.get("auth", True)))


def read_node(name: str, address: str, results: Given) -> Node:
    """A node, from the results of its tasks, each under the name of what it read.

    A result that is missing or skipped was not asked for; one that failed, or whose host is unreachable, is a failure.
    """
    server = result(results, "server") or {}
    if not server.get("is_polaris"):
        if "is_polaris" in server:
            server = {**server, "msg": f"{server.get('url')} answers, but is not a Polaris server."}
        return Node(name, address, url=server.get("url"), failures=(failure("server", server),))
    failures = [
        Failure(NAMES.get(str(each["what"]), str(each["what"])), each.get("kind"), str(each.get("msg") or "no answer"))
        for each in server.get("not_read") or ()
    ]
    features = server.get("features") or {}
    protocols = server.get("protocols")
    registered = server.get("node_addresses")
    return Node(
        name=name,
        address=address,
        is_polaris=True,
        # The warnings of server_info say what it could not find out.
        unsure=protocols is None or registered is None,
        url=server.get("url"),
        # A warning about something that is already a failure would say the same.
        notes=tuple(
            str(warning)
            for warning in server.get("warnings") or ()
            if not any(each.msg in str(warning) for each in failures)
        ),
        version=server.get("version"),
        oldest_version=server.get("oldest_version"),
        own_host=server.get("own_host"),
        auth=server.get("auth"),
        pprof=features.get("profile"),
        pprof_switchable=features.get("pprof"),
        protocols=None if protocols is None else tuple(protocols),
        registered=tuple(map(str, registered or ())),
        cluster_size=server.get("node_count"),
        levels=server.get("levels"),
        memory=server.get("memory"),
        leaders=tuple(server["leaders"]) if server.get("leaders") is not None else None,
        connections=connections_read(server.get("connections"), server.get("own_connections")),
        counts_own="http" in (protocols or ()) and server.get("own_connections") is None,
        heartbeats=heartbeats_read(failures, result(results, "heartbeats")),
        probes=Probes(**(server.get("lets_in") or {})),
        failures=tuple(failures),
    )


def result(results: Given, name: str) -> t.Optional[Given]:
    """A registered result; None if the task did not run."""
    registered = results.get(name)
    return None if not isinstance(registered, Mapping) or registered.get("skipped") else registered


def failure(what: str, registered: Given) -> Failure:
    error = registered.get("error")
    kind = error.get("kind") if isinstance(error, t.Mapping) else None
    if kind is None and registered.get("unreachable"):
        kind = "unreachable"
    return Failure(what, kind, str(registered.get("msg") or "no answer"))


def heartbeats_read(failures: t.List[Failure], registered: t.Optional[Given]) -> t.Optional[t.Tuple[Given, ...]]:
    """What the node knows about each instance; None if it was not asked. A failure is added to ``failures``."""
    if registered is None:
        return None
    if "instances" not in registered:
        failures.append(failure("heartbeats", registered))
        return None
    return tuple(registered["instances"])


def connections_read(gathered: t.Optional[Given], own: t.Optional[int]) -> t.Optional[t.Dict[str, int]]:
    """Protocol -> open connections; None if that could not be read. Protocols that are not counted are left out.

    :param own: how many of those over http carried the requests of this report; None if that is unknown.
    """
    if gathered is None:
        return None
    totals = {str(name): int(found["total"]) for name, found in gathered.items() if found is not None}
    return {name: total - (own or 0) if name == "http" else total for name, total in totals.items()}


# --- all nodes -------------------------------------------------------------------------------------------------------


@dataclass(frozen=True)
class Scope:
    """One log scope: its usual level, and the nodes with another level.

    :param nodes: how many nodes have it.
    :param deviating: level -> names of nodes.
    """

    scope: str
    usual: str
    nodes: int
    majority: bool
    deviating: t.Dict[str, t.List[str]]

    @property
    def deviations(self) -> int:
        return sum(map(len, self.deviating.values()))


@dataclass(frozen=True)
class Heartbeats:
    """The newest heartbeat of each instance on any node, because nodes may not share the heartbeats that they receive.

    :param asked: how many nodes answered.
    :param complete: whether all did.
    :param watched: how many instances have to send heartbeats.
    :param silent: watched instances without a heartbeat on any node.
    """

    namespace: t.Optional[str]
    service: t.Optional[str]
    asked: int
    complete: bool
    instances: int
    watched: int
    overdue: t.List[Values]
    silent: t.List[Values]


@dataclass(frozen=True)
class Fleet:
    """Everything that the nodes reported, and the variables and options of the run.

    :param limit: the value of ``--limit``.
    :param target: the host pattern of the play.
    :param inventory: the inventories, as given with ``-i``.
    """

    nodes: t.Tuple[Node, ...]
    generated: str = ""
    namespace: str = ""
    service: str = ""
    limit: str = ""
    target: str = ""
    inventory: t.Tuple[str, ...] = ()

    @cached_property
    def scopes(self) -> t.List[Scope]:
        """The most divided first."""
        by_scope: t.Dict[str, t.Dict[str, t.List[str]]] = {}
        for node in self.nodes:
            for scope, level in (node.levels or {}).items():
                by_scope.setdefault(str(scope), {}).setdefault(str(level), []).append(node.name)
        listed = []
        for scope, levels in by_scope.items():
            counts = {level: len(names) for level, names in levels.items()}
            usual, nodes = usual_level(counts), sum(counts.values())
            others = {level: names for level, names in sorted(levels.items()) if level != usual}
            listed.append(Scope(scope, usual, nodes, counts[usual] * 2 > nodes, others))
        return sorted(listed, key=lambda each: (-each.deviations, each.scope))

    @cached_property
    def versions(self) -> t.List[t.Tuple[t.Optional[str], t.List[str]]]:
        """Which versions there are, and on which nodes: the most frequent first, unknown ones last."""
        found: t.Dict[t.Optional[str], t.List[str]] = {}
        for node in self.nodes:
            found.setdefault(node.version_label, []).append(node.name)
        return sorted(found.items(), key=lambda each: (each[0] is None, -len(each[1]), str(each[0])))

    @cached_property
    def registered(self) -> t.List[str]:
        """The hosts of those nodes of the cluster whose addresses were read."""
        return sorted({host_and_port(address)[0] for node in self.nodes for address in node.registered})

    @cached_property
    def unread(self) -> int:
        """How many addresses of the cluster's nodes were not read, usually because nodes did not answer.

        An inventory may have nodes of several clusters. Lists with a common address belong to one cluster.
        """
        clusters: t.List[t.Tuple[int, t.Set[str]]] = []
        for node in self.nodes:
            size, addresses = node.cluster_size or 0, set(node.registered)
            same = [cluster for cluster in clusters if cluster[1] & addresses]
            clusters = [cluster for cluster in clusters if cluster not in same]
            sizes, lists = [each for each, _list in same], [each for _size, each in same]
            clusters.append((max([size, *sizes]), addresses.union(*lists)))
        return sum(max(size - len(addresses), 0) for size, addresses in clusters)

    @cached_property
    def heartbeats(self) -> Heartbeats:
        asked = {node.name: node.heartbeats for node in self.nodes if self.namespace and node.heartbeats is not None}
        known = newest_heartbeats(asked)
        watched = [entry for entry in known if entry["found"]]
        overdue = [values_of(entry) for entry in watched if entry["overdue"]]
        silent = [values_of(entry) for entry in watched if entry["age_seconds"] is None]
        return Heartbeats(
            namespace=self.namespace or None,
            service=self.service or None,
            asked=len(asked),
            complete=len(asked) == len(self.nodes),
            instances=len(known),
            watched=len(watched),
            overdue=sorted(overdue, key=lambda entry: (-entry["age_seconds"], *place(entry))),
            silent=sorted(silent, key=place),
        )

    @cached_property
    def leaders(self) -> t.List[Values]:
        """Who leads what, one entry for each key. Without a shared store, every node leads for itself."""
        by_key: t.Dict[str, t.Dict[t.Tuple[str, bool], t.List[str]]] = {}
        alone: t.Dict[str, bool] = {}
        for node in self.nodes:
            for leader in node.leaders or ():
                key = str(leader["elect_key"])
                says = (str(leader["host"]), bool(leader["valid"]))
                by_key.setdefault(key, {}).setdefault(says, []).append(node.name)
                alone[key] = alone.get(key, True) and leader.get("ctime") is None
        return [
            {
                "elect_key": key,
                "each_node_for_itself": alone[key],
                "leaders": [
                    {"host": host, "valid": valid, "said_by": names} for (host, valid), names in sorted(says.items())
                ],
            }
            for key, says in sorted(by_key.items())
        ]


def usual_level(levels: t.Mapping[str, int]) -> str:
    """The level that most nodes have, from level -> number of nodes."""
    most = max(levels.values())
    tied = [level for level, count in levels.items() if count == most]
    order = {level: at for at, level in enumerate(PREFERRED_LEVELS)}
    return min(tied, key=lambda level: (order.get(level, len(order)), level))


def place(entry: Given) -> t.Tuple[t.Any, ...]:
    """Sorts instances by service and address, addresses as numbers."""
    return (str(entry["service"]), *address_order(f"{entry['host']}:{entry['port']}"), str(entry["id"]))


def values_of(instance: Given) -> Values:
    keys = ("id", "namespace", "service", "host", "port", "last_heartbeat", "age_seconds", "ttl", "node")
    return {key: instance.get(key) for key in keys}


# --- the report as data ----------------------------------------------------------------------------------------------


def report_of(fleet: Fleet, warnings: t.Sequence[Values]) -> Values:
    """The report, as it is written to a file. ``warnings`` are those of the rules."""
    scopes = fleet.scopes
    report: Values = {
        "schema": SCHEMA,
        "generated": fleet.generated,
        "limit": fleet.limit,
        "summary": {},
        "nodes": [node_values(node, scopes) for node in fleet.nodes],
        "versions": [{"version": version, "count": len(names), "nodes": names} for version, names in fleet.versions],
        "connections": connection_sums(fleet.nodes),
        "memory": memory_sums(fleet.nodes),
        "log_levels": [
            {
                "scope": scope.scope,
                "usual": scope.usual,
                "nodes": scope.nodes,
                "majority": scope.majority,
                "deviating": [{"level": level, "nodes": names} for level, names in scope.deviating.items()],
            }
            for scope in scopes
        ],
        "heartbeats": asdict(fleet.heartbeats),
        "leaders": fleet.leaders,
        "registered": fleet.registered,
        "warnings": list(warnings),
        "changes": None,
    }
    report["summary"] = summary_of(report, scopes)
    return t.cast(Values, clean(report))


def node_values(node: Node, scopes: t.Sequence[Scope]) -> Values:
    return {
        "name": node.name,
        "url": node.url,
        "status": node.status,
        "failures": [asdict(each) for each in node.failures],
        "notes": list(node.notes),
        "version": node.version,
        "oldest_version": node.oldest_version,
        "own_host": node.own_host,
        "auth": node.auth,
        "pprof": node.pprof,
        "pprof_switchable": node.pprof_switchable,
        "protocols": node.protocols,
        "connections": node.connections,
        "connections_total": node.connections_total,
        "memory": node.memory,
        "levels": node.levels,
        "deviating": {
            scope.scope: level for scope in scopes for level, names in scope.deviating.items() if node.name in names
        },
        "leaders": node.leaders,
        "probes": asdict(node.probes),
    }


def connection_sums(nodes: t.Sequence[Node]) -> Values:
    """Sums over the nodes that were read."""
    totals: t.Dict[str, int] = {}
    for node in nodes:
        for protocol, count in (node.connections or {}).items():
            totals[protocol] = totals.get(protocol, 0) + count
    counting = [sum(node.connections.values()) for node in nodes if node.connections]
    return {
        "protocols": sorted(totals, key=lambda protocol: (-totals[protocol], protocol)),
        "totals": dict(sorted(totals.items())),
        "total": sum(totals.values()),
        "nodes": len(counting),
        "mean": round(sum(counting) / len(counting), 1) if counting else None,
        "most": max(counting) if counting else None,
        "with_own": [node.name for node in nodes if node.counts_own],
    }


def memory_sums(nodes: t.Sequence[Node]) -> Values:
    """Sums over the nodes that showed figures."""
    figures = [node.memory for node in nodes if node.memory is not None]
    return {
        "nodes": len(figures),
        "in_use": sum(int(memory["heap_in_use"]) for memory in figures),
        "releasable": sum(int(memory["releasable"]) for memory in figures),
        "most": max((node.heap or 0 for node in nodes), default=0),
    }


def summary_of(report: Given, scopes: t.Sequence[Scope]) -> Values:
    status = Counter(node["status"] for node in report["nodes"])
    severities = Counter(entry["severity"] for entry in report["warnings"])
    return {
        "nodes": len(report["nodes"]),
        "read": status["ok"],
        "partial": status["partial"],
        "failed": status["failed"],
        "connections": report["connections"]["total"] if report["connections"]["nodes"] else None,
        "memory_in_use": report["memory"]["in_use"] if report["memory"]["nodes"] else None,
        "memory_releasable": report["memory"]["releasable"] if report["memory"]["nodes"] else None,
        "deviating_levels": sum(scope.deviations for scope in scopes) if scopes else None,
        "overdue": len(report["heartbeats"]["overdue"]) if report["heartbeats"]["asked"] else None,
        "warnings": {severity: severities[severity] for severity in SEVERITIES},
    }


def clean(value: t.Any) -> t.Any:
    """``value`` as plain dicts, lists, numbers, and text that every encoding and every page can contain."""
    if value is None or isinstance(value, (bool, int, float)):
        return value
    if isinstance(value, Mapping):
        return {clean(key): clean(each) for key, each in value.items()}
    if isinstance(value, (list, tuple)):
        return [clean(each) for each in value]
    return _UNPRINTABLE.sub("\ufffd", str(value))
