# Copyright (c) 2026, PolarisMesh Maintenance contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Private to this collection. What needs attention in a fleet: one table of rules."""

from __future__ import annotations

import json
import re
import shlex
import typing as t
from dataclasses import dataclass
from statistics import median
from urllib.parse import urlsplit

from ..module_utils._addresses import PLACEHOLDERS, host_and_port
from ._heartbeats import named
from ._rebalance import Rules, bounds, closing
from ._report import SEVERITIES, Fleet, Node, Values

COLLECTION = "polarismesh.maintenance"
#: A heap is far larger than the others if it has more than this many times their median, and this many bytes more.
HEAP_TIMES, HEAP_BYTES = 2, 256 * 1024 * 1024
#: Connections of this protocol open and close with each request, so they say nothing about the spread.
_SHORT_LIVED = "http"
#: The scope names that are safe in a command. A server could return one that means something else there.
_PLAIN_SCOPE = re.compile(r"[A-Za-z0-9_.-]+")

Where = t.Callable[[Fleet], t.Sequence[str]]
Command = t.Callable[[Fleet, t.Sequence[str]], str]
Found = t.Callable[[Fleet], str]
#: Whether enough of a node was read to make a finding; the node as in the data file.
WasRead = t.Callable[[t.Mapping[str, t.Any]], bool]


def all_of_it(node: t.Mapping[str, t.Any]) -> bool:
    """The whole node was read."""
    return bool(node["status"] == "ok")


def part(key: str) -> WasRead:
    """The whole node was read, or at least this part of it."""
    return lambda node: all_of_it(node) or node.get(key) is not None


def probe(key: str) -> WasRead:
    """This was tried on the node."""
    return lambda node: node["probes"][key] is not None


@dataclass(frozen=True)
class Rule:
    """Something that needs attention if ``where`` finds anything.

    :param advice: what it means and what to do; ``{found}`` in it is replaced by the text of ``found``.
    :param where: the nodes concerned, or what ``noun`` says.
    :param command: the command that helps, or that checks afterwards.
    :param was_read: whether the parts of a node that the rule needs were read.
    :param alone: whether each node is judged by itself. If not, the nodes are compared.
    """

    severity: str
    id: str
    title: str
    advice: str
    where: Where
    command: Command
    found: t.Optional[Found] = None
    noun: str = "node"
    was_read: WasRead = all_of_it
    alone: bool = False

    def apply(self, fleet: Fleet) -> t.Optional[Values]:
        where = list(self.where(fleet))
        if not where:
            return None
        found = self.found(fleet) if self.found else ""
        return {
            "severity": self.severity,
            "id": self.id,
            "title": self.title,
            "advice": self.advice.replace("{found}", found),
            "found": found,
            "noun": self.noun,
            "where": where,
            "command": self.command(fleet, where),
        }


def warnings_of(fleet: Fleet) -> t.List[Values]:
    """What needs attention, the worst first."""
    found = [warning for warning in (rule.apply(fleet) for rule in RULES) if warning is not None]
    return sorted(found, key=lambda warning: SEVERITIES.index(warning["severity"]))


# --- where -----------------------------------------------------------------------------------------------------------


def nodes(test: t.Callable[[Node], t.Any]) -> Where:
    """The names of the nodes with this property."""
    return lambda fleet: [node.name for node in fleet.nodes if test(node)]


def rare_versions(fleet: Fleet) -> t.List[str]:
    return [name for _version, names in known_versions(fleet)[1:] for name in names]


def known_versions(fleet: Fleet) -> t.List[t.Tuple[str, t.List[str]]]:
    """The versions, without nodes that may be newer than what could be read of them shows."""
    known = {
        node.name for node in fleet.nodes if node.version or all(each.what == "heartbeats" for each in node.failures)
    }
    parts = [
        (version, [name for name in names if name in known]) for version, names in fleet.versions if version is not None
    ]
    return sorted((part for part in parts if part[1]), key=lambda part: -len(part[1]))


def deviating(fleet: Fleet) -> t.List[str]:
    names = {name for scope in fleet.scopes for others in scope.deviating.values() for name in others}
    return [node.name for node in fleet.nodes if node.name in names]


def usually(level: str) -> Where:
    """The nodes whose levels are known, if any scope usually has this level."""
    return lambda fleet: [node.name for node in fleet.nodes if node.levels] if scopes_at(fleet, level) else []


def scopes_at(fleet: Fleet, level: str) -> t.List[str]:
    return sorted(scope.scope for scope in fleet.scopes if scope.usual == level)


def overloaded(fleet: Fleet) -> t.List[str]:
    """The nodes on which conn_rebalance would close connections."""
    names: t.Set[str] = set()
    for protocol in {each for node in fleet.nodes for each in node.connections or ()} - {_SHORT_LIVED}:
        held = {node.name: (node.connections or {}).get(protocol) for node in fleet.nodes}
        counts = {name: count for name, count in held.items() if count is not None}
        mean, limit = bounds(counts.values(), Rules.tolerance)
        names.update(name for name, count in counts.items() if closing(count, mean, limit, Rules.max_share))
    return [node.name for node in fleet.nodes if node.name in names]


def large_heaps(fleet: Fleet) -> t.List[str]:
    heaps = [node.heap for node in fleet.nodes if node.heap is not None]
    if len(heaps) < 3:
        return []
    usual = median(heaps)
    most = max(HEAP_TIMES * usual, usual + HEAP_BYTES)
    return [node.name for node in fleet.nodes if node.heap is not None and node.heap > most]


def vacant(fleet: Fleet) -> t.List[t.Tuple[str, str]]:
    """Elected jobs without a valid leader, and the address of the last one, or else the nodes that say so."""
    return [
        (entry["elect_key"], where)
        for entry in fleet.leaders
        for leader in entry["leaders"]
        if not leader["valid"]
        for where in ([leader["host"]] if leader["host"] else leader["said_by"])
    ]


def unlisted(fleet: Fleet) -> t.List[str]:
    """Addresses in the registry that belong to no host of the play."""
    if fleet.limit:
        return []
    ours: t.Set[str] = set(PLACEHOLDERS)
    for node in fleet.nodes:
        addresses = (node.name, node.own_host, node.address, urlsplit(str(node.url or "")).hostname)
        ours.update(str(address) for address in addresses if address)
    return sorted(set(fleet.registered) - ours)


def unlisted_by(fleet: Fleet) -> t.List[str]:
    """The nodes that did not list their part of the cluster, or else all of them, if the list is not complete."""
    if fleet.limit or not fleet.unread:
        return []
    return [node.name for node in fleet.nodes if not node.registered] or [node.name for node in fleet.nodes]


# --- commands --------------------------------------------------------------------------------------------------------


def ansible(program: str, fleet: Fleet, *words: str) -> str:
    """A command that can be pasted into a shell."""
    inventories = [word for each in fleet.inventory for word in ("-i", each)]
    return shlex.join([program, *words[:1], *inventories, *words[1:]])


def pattern(fleet: Fleet, where: t.Sequence[str]) -> str:
    """Hosts for a command: their names, or the target if these are all of them."""
    return fleet.target if fleet.target and not fleet.limit and len(where) == len(fleet.nodes) else ",".join(where)


def module(name: str, *arguments: str) -> Command:
    """An ad-hoc command on the nodes concerned."""

    def command(fleet: Fleet, where: t.Sequence[str]) -> str:
        words = [pattern(fleet, where), "-m", f"{COLLECTION}.{name}"]
        return ansible("ansible", fleet, *words, *(("-a", " ".join(arguments)) if arguments else ()))

    return command


def everywhere(name: str, *arguments: str) -> Command:
    """An ad-hoc command on the whole fleet, for a finding that names no hosts."""
    return lambda fleet, where: module(name, *arguments)(fleet, [node.name for node in fleet.nodes])


def runbook(name: str, *words: str, whole: bool = False) -> Command:
    """A runbook, on the nodes concerned or on the whole fleet."""

    def command(fleet: Fleet, where: t.Sequence[str]) -> str:
        hosts = pattern(fleet, [node.name for node in fleet.nodes] if whole else where)
        target = () if hosts == "polaris_servers" else ("-e", f"target={hosts}")
        return ansible("ansible-playbook", fleet, f"{COLLECTION}.{name}", *words, *target)

    return command


def usual_levels(fleet: Fleet, where: t.Sequence[str]) -> str:
    return log_level(fleet, where, {scope.scope: scope.usual for scope in fleet.scopes if scope.deviating})


def to_info(level: str) -> Command:
    return lambda fleet, where: log_level(fleet, where, dict.fromkeys(scopes_at(fleet, level), "info"))


def log_level(fleet: Fleet, where: t.Sequence[str], levels: t.Mapping[str, str]) -> str:
    plain = {scope: level for scope, level in levels.items() if _PLAIN_SCOPE.fullmatch(scope + level)}
    if not plain:
        return ""
    return runbook("log_level", "-e", json.dumps({"levels": plain}, sort_keys=True))(fleet, where)


def audit(fleet: Fleet, where: t.Sequence[str]) -> str:
    """heartbeat_audit for the instances that the report was asked for."""
    words = [f"polaris_namespace={fleet.namespace}"] + ([f"service={fleet.service}"] if fleet.service else [])
    return runbook("heartbeat_audit", *(part for word in words for part in ("-e", word)), whole=True)(fleet, where)


# --- the table -------------------------------------------------------------------------------------------------------

RULES: t.Tuple[Rule, ...] = (
    Rule(
        "critical",
        "no_authentication",
        "The maintenance API does not ask for an account",
        "Anyone who reaches the port can close connections, change log levels and clean instances. Set consoleOpen: "
        "true under auth in polaris-server.yaml and restart, or close the port to others.",
        nodes(lambda node: node.probes.anyone and not node.authenticates),
        module("polaris_server_info"),
        was_read=probe("anyone"),
        alone=True,
    ),
    Rule(
        "warning",
        "anyone_reads",
        "The maintenance API can be read without a valid token",
        "Anyone who reaches the port can list clients, log levels and instances. Set consoleStrict: true (strict: true "
        "up to v1.17.1) under auth in polaris-server.yaml and restart. The command fails once it is fixed.",
        nodes(lambda node: node.probes.anyone and node.authenticates),
        module("polaris_log_level_info", "token=invalid"),
        was_read=probe("anyone"),
        alone=True,
    ),
    Rule(
        "critical",
        "default_password",
        "The default account still has its published password",
        "Anyone who reaches the port can log in as the main account. Change its password, then refresh its token. The "
        "command fails once it is fixed.",
        nodes(lambda node: node.probes.default_password),
        module("polaris_log_level_info", "username=polaris", "password=polaris"),
        was_read=probe("default_password"),
        alone=True,
    ),
    Rule(
        "critical",
        "default_token",
        "The default account still has its published token",
        "The token is in the public source of Polaris. Refresh the token of the main account; a new password alone "
        "does not change the token.",
        nodes(lambda node: node.probes.default_token),
        runbook("fleet_report", "-e", "heartbeats=false", "-e", "dest=report.html", whole=True),
        was_read=probe("default_token"),
        alone=True,
    ),
    Rule(
        "warning",
        "pprof_open",
        "Profiles are open to everyone",
        "/debug/pprof needs no account: it shows the command line and the source paths, and a CPU profile costs time. "
        "Set enablePprof: false under the api-http apiserver, or close the port to others.",
        nodes(lambda node: node.pprof),
        module("polaris_server_info"),
        was_read=part("pprof"),
        alone=True,
    ),
    Rule(
        "note",
        "pprof_switchable",
        "Anyone can switch profiles on",
        "POST /maintain/v1/pprof/enable needs no account on these versions. Close the port to others.",
        nodes(lambda node: node.pprof_switchable and not node.pprof),
        module("polaris_server_info"),
        was_read=part("pprof_switchable"),
        alone=True,
    ),
    Rule(
        "critical",
        "not_read",
        "Nodes could not be read",
        "They are missing from every sum of this report. The reasons are listed under Not read.",
        nodes(lambda node: node.status == "failed"),
        module("polaris_server_info"),
        was_read=part("status"),
        alone=True,
    ),
    Rule(
        "warning",
        "read_in_part",
        "Nodes could be read only in part",
        "What is missing is listed under Not read.",
        nodes(lambda node: node.status == "partial"),
        module("polaris_server_info"),
        was_read=part("status"),
        alone=True,
    ),
    Rule(
        "warning",
        "limits_off",
        "Connection limits are off",
        "Nothing limits how many connections one client opens, and connections can be neither seen nor closed. Set "
        "connLimit in polaris-server.yaml. The shipped file misspells purgeCounterExpire: with that misspelling the "
        "server exits at startup.",
        nodes(lambda node: node.protocols == ()),
        module("polaris_conn_info", "protocol=grpc"),
        was_read=part("protocols"),
        alone=True,
    ),
    Rule(
        "note",
        "grpc_not_counted",
        "The connections of SDK clients are not counted",
        "Other protocols are counted, grpc is not. Set connLimit under service-grpc in polaris-server.yaml.",
        nodes(lambda node: node.protocols and "grpc" not in node.protocols),
        module("polaris_conn_info", "protocol=grpc"),
        was_read=part("protocols"),
        alone=True,
    ),
    Rule(
        "warning",
        "overloaded",
        "Nodes hold far more connections than the others",
        "They hold more than 10 % above the average. After a scale-out, clients stay where they are until their "
        "connection ends. The command shows what would be closed; without --check it closes the surplus.",
        overloaded,
        runbook("conn_rebalance", "--check", whole=True),
        was_read=part("connections"),
    ),
    Rule(
        "warning",
        "large_heap",
        "The heap is far larger than on the other nodes",
        "It takes more than twice the median of all nodes. The command saves profiles of the nodes whose heap is above "
        "1G and then frees memory there; min_size changes that size.",
        large_heaps,
        runbook("memory_incident", "-e", "dest=profiles"),
        was_read=part("memory"),
    ),
    Rule(
        "warning",
        "mixed_versions",
        "The nodes run different versions",
        "Found: {found}. Finish the upgrade.",
        rare_versions,
        module("polaris_server_info"),
        found=lambda fleet: ", ".join(f"{version} ({len(names)})" for version, names in known_versions(fleet)),
        was_read=part("oldest_version"),
    ),
    Rule(
        "warning",
        "deviating_levels",
        "Log levels deviate from those of the other nodes",
        "A debug window may still be open. Levels are lost at a restart; the command sets the usual levels now.",
        deviating,
        usual_levels,
        was_read=part("levels"),
    ),
    Rule(
        "warning",
        "silenced_scopes",
        "Log scopes are silent, errors included",
        "At none: {found}.",
        usually("none"),
        to_info("none"),
        found=lambda fleet: ", ".join(scopes_at(fleet, "none")),
        was_read=part("levels"),
    ),
    Rule(
        "note",
        "debug_everywhere",
        "Log scopes are at debug on most nodes",
        "At debug: {found}.",
        usually("debug"),
        to_info("debug"),
        found=lambda fleet: ", ".join(scopes_at(fleet, "debug")),
        was_read=part("levels"),
    ),
    Rule(
        "warning",
        "nobody_leads",
        "An elected job has no leader",
        "No valid leader for {found}. Look at the logs of those nodes; on a boltdb store only a restart brings the "
        "leader back.",
        lambda fleet: sorted({where for _key, where in vacant(fleet)}),
        everywhere("polaris_leader_info"),
        found=lambda fleet: ", ".join(sorted({key for key, _where in vacant(fleet)})),
        noun="address",
        was_read=part("leaders"),
    ),
    Rule(
        "warning",
        "overdue_heartbeats",
        "Instances have been silent for more than three times their ttl",
        "They are listed under Heartbeats.",
        lambda fleet: [named(entry) for entry in fleet.heartbeats.overdue],
        audit,
        noun="instance",
    ),
    Rule(
        "warning",
        "not_in_inventory",
        "Nodes of the cluster are not in this inventory",
        "They are registered as servers, and were not asked. Add them, or let the inventory plugin "
        "polarismesh.maintenance.polaris find them.",
        unlisted,
        lambda fleet, where: ansible("ansible-inventory", fleet, "--graph"),
        noun="address",
    ),
    Rule(
        "note",
        "not_listed",
        "The cluster has nodes that could not be listed",
        "Each node lists a part of a large cluster, and too few did: {found} addresses are unknown. If such a node is "
        "not in this inventory, no warning says so. Run fleet_report again when more nodes answer.",
        unlisted_by,
        module("polaris_server_info"),
        found=lambda fleet: str(fleet.unread),
    ),
    Rule(
        "note",
        "loopback",
        "Nodes are registered as 127.0.0.1",
        "Others cannot find them by that address. Set self_address (from v1.17.2 on) or probe_address in "
        "polaris-server.yaml.",
        nodes(lambda node: any(host_and_port(address)[0] in PLACEHOLDERS for address in node.registered)),
        module("polaris_server_info"),
    ),
)
