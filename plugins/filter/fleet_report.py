# Copyright (c) 2026, PolarisMesh Maintenance contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

DOCUMENTATION = r"""
name: fleet_report
short_description: Put together what the nodes of a Polaris fleet told of themselves
version_added: 0.1.0
description:
  - Makes the report of the playbook C(polarismesh.maintenance.fleet_report) from the results that its tasks registered.
  - A node that could not be read is in the report, too, with the reason.
  - Compares the nodes and so finds the log level that deviates, the version that differs, and what needs attention.
author:
  - PolarisMesh Maintenance contributors (@polarismesh)
options:
  _input:
    description:
      - The variables of each host. Used are C(inventory_hostname), and where they are there the registered results
        C(polaris_fleet_server), C(polaris_fleet_levels), C(polaris_fleet_connections), C(polaris_fleet_memory),
        C(polaris_fleet_heartbeats), C(polaris_fleet_leaders) and C(polaris_fleet_probes).
    type: list
    elements: dict
    required: true
  generated:
    description: When that was, in UTC.
    type: str
    default: ""
  namespace:
    description: The namespace whose heartbeats were read. Empty where none were.
    type: str
    default: ""
  service:
    description: The service whose heartbeats were read. Empty where those of the whole namespace were.
    type: str
    default: ""
  limit:
    description: What the play was limited to. Empty where it ran over the whole fleet.
    type: str
    default: ""
"""

EXAMPLES = r"""
- name: Show what needs attention
  ansible.builtin.debug:
    msg: "{{ (ansible_play_hosts_all | map('extract', hostvars) | polarismesh.maintenance.fleet_report).warnings }}"
"""

RETURN = r"""
_value:
  description:
    - The report. It has C(schema), C(generated), C(limit), C(summary), C(nodes), C(versions), C(connections),
      C(memory), C(log_levels), C(heartbeats), C(leaders), C(warnings) and C(registered) (the addresses under which
      servers registered themselves).
    - Memory is in bytes, times are epoch seconds.
  type: dict
"""

import re
import typing as t
from collections import Counter
from urllib.parse import urlsplit

from ansible_collections.polarismesh.maintenance.plugins.filter.newest_heartbeats import newest_heartbeats
from ansible_collections.polarismesh.maintenance.plugins.module_utils.model import address_order

Values = t.Dict[str, t.Any]

SCHEMA = 1
#: Where most nodes have no level in common, the first of these that as many nodes have as any other is the usual one:
#: the level that servers ship with, then the quieter ones, so that the noisy node is the one that stands out.
LEVELS = ("info", "warn", "error", "fatal", "none", "debug")
SEVERITIES = ("critical", "warning", "note")
LOGIN_PATH = "/core/v1/user/login"
_LOOPBACK = ("127.0.0.1", "::1", "localhost", "0.0.0.0")  # noqa: S104
# What neither HTML nor JSON readers take: control characters, and halves of characters.
_UNPRINTABLE = re.compile("[\x00-\x08\x0b\x0c\x0e-\x1f\x7f-\x9f\ud800-\udfff\ufffe\uffff]")


def fleet_report(
    hosts: t.Iterable[t.Mapping[str, t.Any]],
    generated: str = "",
    namespace: str = "",
    service: str = "",
    limit: str = "",
) -> Values:
    """The report; ``hosts`` are the variables of each."""
    variables = list(hosts)
    nodes = [node_of(each, bool(namespace)) for each in variables]
    levels = log_levels(nodes)
    mark_deviating(nodes, levels)
    heartbeats = heartbeats_of(variables, nodes, namespace, service)
    leaders = leaders_of(nodes)
    report: Values = {
        "schema": SCHEMA,
        "generated": generated,
        "limit": limit,
        "summary": {},
        "nodes": nodes,
        "versions": versions_of(nodes),
        "connections": connections_of(nodes),
        "memory": memory_of(nodes),
        "log_levels": levels,
        "heartbeats": heartbeats,
        "leaders": leaders,
        "warnings": [],
    }
    report["warnings"] = warnings_of(report, variables)
    # Each node lists all of them, which is a square: once is enough.
    report["registered"] = sorted({str(host) for node in nodes for host in node.pop("registered")})
    report["summary"] = summary_of(report)
    return t.cast(Values, clean(report))


def clean(value: t.Any) -> t.Any:
    """``value`` as plain dicts, lists, numbers and text that every encoding and every page can hold."""
    if isinstance(value, t.Mapping):
        return {clean(key): clean(each) for key, each in value.items()}
    if isinstance(value, (list, tuple)):
        return [clean(each) for each in value]
    if value is None or isinstance(value, (bool, int, float)):
        return value
    return _UNPRINTABLE.sub("\ufffd", str(value))


# --- one node --------------------------------------------------------------------------------------------------------


def result(host: t.Mapping[str, t.Any], name: str) -> t.Optional[Values]:
    """A registered result; None where the task did not run."""
    registered = host.get("polaris_fleet_" + name)
    if not isinstance(registered, t.Mapping) or registered.get("skipped"):
        return None
    return dict(registered)


def read(host: t.Mapping[str, t.Any], name: str, key: str) -> t.Any:
    """``key`` of a registered result; None where the task failed, or did not run."""
    return (result(host, name) or {}).get(key)


def failure(what: str, registered: t.Mapping[str, t.Any]) -> Values:
    error = registered.get("error")
    kind = error.get("kind") if isinstance(error, t.Mapping) else None
    if kind is None and registered.get("unreachable"):
        kind = "unreachable"
    return {"what": what, "kind": kind, "msg": str(registered.get("msg") or "no answer")}


def node_of(host: t.Mapping[str, t.Any], heartbeats_wanted: bool) -> Values:
    """What one node told, and what it did not."""
    server = result(host, "server") or {}
    is_polaris = bool(server.get("is_polaris"))
    node: Values = {
        "name": str(host.get("inventory_hostname")),
        "url": server.get("url"),
        "status": "failed",
        "failures": [],
        "notes": [],
        "version": server.get("version"),
        "oldest_version": server.get("oldest_version"),
        "own_host": server.get("own_host"),
        "auth": server.get("auth"),
        "pprof": (server.get("features") or {}).get("profile"),
        "pprof_switchable": (server.get("features") or {}).get("pprof"),
        "protocols": server.get("protocols"),
        "registered": [entry.get("host") for entry in server.get("nodes") or ()],
        "connections": None,
        "connections_total": None,
        "memory": None,
        "levels": None,
        "deviating": {},
        "leaders": None,
        "probes": probes_of(result(host, "probes")),
    }
    if not is_polaris:
        if "is_polaris" in server:
            server = {"msg": "{} answers, but is not a Polaris server.".format(server.get("url"))}
        node["failures"] = [failure("server", server)]
        return node
    node["notes"] = [str(warning) for warning in server.get("warnings") or ()]
    node["levels"] = take(node, "log levels", result(host, "levels"), "levels")
    node["memory"] = take(node, "memory", result(host, "memory"), "memory_before")
    node["leaders"] = take(node, "leaders", result(host, "leaders"), "leaders")
    if heartbeats_wanted:
        take(node, "heartbeats", result(host, "heartbeats"), "instances")
    node["connections"] = connections_read(node, result(host, "connections"))
    if node["connections"] is not None:
        node["connections_total"] = sum(node["connections"].values())
    # What server_info looked for and did not find out stands in its warnings.
    unknown = server.get("protocols") is None or server.get("nodes") is None
    node["status"] = "partial" if node["failures"] or unknown else "ok"
    return node


def take(node: Values, what: str, registered: t.Optional[Values], key: str) -> t.Any:
    """A value of a result; a failure is kept with the node."""
    if registered is None:
        return None
    if key not in registered:
        node["failures"].append(failure(what, registered))
        return None
    return registered[key]


def connections_read(node: Values, registered: t.Optional[Values]) -> t.Optional[t.Dict[str, int]]:
    """Protocol -> open connections; None where that could not be read. A protocol that fails is left out."""
    if node["protocols"] is None:
        return None
    found: t.Dict[str, int] = {}
    for each in (registered or {}).get("results") or ():
        if "total" not in each:
            node["failures"].append(failure("{} connections".format(each.get("item")), each))
        elif each.get("limit_enabled"):
            found[str(each["protocol"])] = int(each["total"])
    return found if found or not node["protocols"] else None


def probes_of(registered: t.Optional[Values]) -> t.Dict[str, t.Optional[bool]]:
    """Probe -> whether the server let it in; None where that was not found out, or not tried."""
    found: t.Dict[str, t.Optional[bool]] = dict.fromkeys(("anyone", "default_token", "default_password"))
    for each in (registered or {}).get("results") or ():
        name = each["item"].get("name") if isinstance(each.get("item"), t.Mapping) else None
        if name in found:
            error = each.get("error") or {}
            let_in = "levels" in each
            if name == "default_password" and error.get("kind") == "unsupported":
                # The login went well, and then the maintenance API was switched off.
                let_in = error.get("path") != LOGIN_PATH
            found[name] = True if let_in else (False if error.get("kind") in ("auth", "permission") else None)
    if found["anyone"]:
        # A server that asks nobody for a token says nothing about this one.
        found["default_token"] = None
    return found


# --- all nodes -------------------------------------------------------------------------------------------------------


def version_label(node: t.Mapping[str, t.Any]) -> t.Optional[str]:
    """What is known of the version, in words."""
    if node["version"]:
        return str(node["version"])
    return "{} or newer".format(node["oldest_version"]) if node["oldest_version"] else None


def versions_of(nodes: t.Sequence[Values]) -> t.List[Values]:
    """Which versions there are, the most frequent first."""
    counted: t.Dict[t.Optional[str], t.List[str]] = {}
    for node in nodes:
        counted.setdefault(version_label(node), []).append(node["name"])
    listed = [{"version": version, "count": len(names), "nodes": names} for version, names in counted.items()]
    return sorted(
        listed, key=lambda entry: (entry["version"] is None, -int(str(entry["count"])), str(entry["version"]))
    )


def connections_of(nodes: t.Sequence[Values]) -> Values:
    """Sums over the nodes that were read."""
    totals: t.Dict[str, int] = {}
    for node in nodes:
        for protocol, count in (node["connections"] or {}).items():
            totals[protocol] = totals.get(protocol, 0) + count
    counting = [node["connections_total"] for node in nodes if node["connections"]]
    return {
        "protocols": sorted(totals, key=lambda protocol: (-totals[protocol], protocol)),
        "totals": dict(sorted(totals.items())),
        "total": sum(totals.values()),
        "nodes": len(counting),
        "mean": round(sum(counting) / len(counting), 1) if counting else None,
        "most": max(counting) if counting else None,
    }


def memory_of(nodes: t.Sequence[Values]) -> Values:
    """Sums over the nodes that showed figures, in bytes."""
    read_from = [node["memory"] for node in nodes if node["memory"]]
    return {
        "nodes": len(read_from),
        "in_use": sum(int(memory["heap_in_use"]) for memory in read_from),
        "releasable": sum(int(memory["releasable"]) for memory in read_from),
        "most": max([int(memory["heap_in_use"]) + int(memory["releasable"]) for memory in read_from], default=0),
    }


def usual_level(levels: t.Mapping[str, int]) -> str:
    """The level that most nodes have, by level -> number of nodes."""
    most = max(levels.values())
    tied = [level for level, count in levels.items() if count == most]
    return min(tied, key=lambda level: (LEVELS.index(level) if level in LEVELS else len(LEVELS), level))


def log_levels(nodes: t.Sequence[Values]) -> t.List[Values]:
    """Each scope: its usual level, and the nodes that have another. The most divided scopes come first."""
    by_scope: t.Dict[str, t.Dict[str, t.List[str]]] = {}
    for node in nodes:
        for scope, level in (node["levels"] or {}).items():
            by_scope.setdefault(str(scope), {}).setdefault(str(level), []).append(node["name"])
    listed = []
    for scope, levels in by_scope.items():
        counts = {level: len(names) for level, names in levels.items()}
        usual = usual_level(counts)
        listed.append(
            {
                "scope": scope,
                "usual": usual,
                "nodes": sum(counts.values()),
                "majority": counts[usual] * 2 > sum(counts.values()),
                "deviating": [
                    {"level": level, "nodes": names} for level, names in sorted(levels.items()) if level != usual
                ],
            }
        )
    return sorted(listed, key=lambda entry: (-deviations(entry), str(entry["scope"])))


def deviations(entry: t.Mapping[str, t.Any]) -> int:
    return sum(len(each["nodes"]) for each in entry["deviating"])


def mark_deviating(nodes: t.Sequence[Values], levels: t.Sequence[Values]) -> None:
    by_name = {node["name"]: node for node in nodes}
    for entry in levels:
        for each in entry["deviating"]:
            for name in each["nodes"]:
                by_name[name]["deviating"][entry["scope"]] = each["level"]


def heartbeats_of(
    hosts: t.Sequence[t.Mapping[str, t.Any]], nodes: t.Sequence[Values], namespace: str, service: str
) -> Values:
    """The newest heartbeat of each instance that any node knows: a node may keep what it hears to itself."""
    answers = {str(host["inventory_hostname"]): read(host, "heartbeats", "instances") for host in hosts}
    asked = {name: instances for name, instances in answers.items() if instances is not None}
    known = newest_heartbeats(asked)
    watched = [entry for entry in known if entry["found"]]
    overdue = [listed(entry) for entry in watched if entry["overdue"]]
    silent = [listed(entry) for entry in watched if entry["age_seconds"] is None]
    return {
        "namespace": namespace or None,
        "service": service or None,
        "asked": len(asked),
        "complete": len(asked) == len(nodes),
        "instances": len(known),
        "watched": len(watched),
        "overdue": sorted(overdue, key=lambda entry: (-entry["age_seconds"], *place(entry))),
        "silent": sorted(silent, key=place),
    }


def place(entry: t.Mapping[str, t.Any]) -> t.Tuple[t.Any, ...]:
    """Sorts instances by service and address, addresses as numbers."""
    return (str(entry["service"]), *address_order(f"{entry['host']}:{entry['port']}"), str(entry["id"]))


def listed(instance: t.Mapping[str, t.Any]) -> Values:
    keys = ("id", "namespace", "service", "host", "port", "last_heartbeat", "age_seconds", "ttl", "node")
    return {key: instance.get(key) for key in keys}


def leaders_of(nodes: t.Sequence[Values]) -> t.List[Values]:
    """Who leads what. Without a shared store every node leads for itself: that is one line for each work."""
    by_key: t.Dict[str, t.Dict[t.Tuple[str, bool], t.List[str]]] = {}
    alone: t.Dict[str, bool] = {}
    for node in nodes:
        for leader in node["leaders"] or ():
            key = str(leader["elect_key"])
            says = (str(leader["host"]), bool(leader["valid"]))
            by_key.setdefault(key, {}).setdefault(says, []).append(node["name"])
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


# --- what needs attention --------------------------------------------------------------------------------------------


def warning(
    severity: str, name: str, title: str, advice: str, where: t.Sequence[str], noun: str = "node"
) -> t.List[Values]:
    """A warning about these nodes (or what ``noun`` says), where there are any."""
    entry: Values = {"severity": severity, "id": name, "title": title, "advice": advice, "noun": noun}
    return [{**entry, "where": list(where)}] if where else []


def warnings_of(report: t.Mapping[str, t.Any], hosts: t.Sequence[t.Mapping[str, t.Any]]) -> t.List[Values]:
    """What needs attention, the worst first."""
    nodes: t.Sequence[Values] = report["nodes"]
    found = access_warnings(nodes) + state_warnings(report) + registry_warnings(report, hosts)
    return sorted(found, key=lambda entry: SEVERITIES.index(entry["severity"]))


def names(nodes: t.Iterable[t.Mapping[str, t.Any]], test: t.Callable[[t.Any], t.Any]) -> t.List[str]:
    return [str(node["name"]) for node in nodes if test(node)]


def console_open(node: t.Mapping[str, t.Any]) -> bool:
    """Whether authentication is on, as far as the node tells: the newer switch counts where there are both."""
    switches = node["auth"] or {}
    return bool(switches.get("consoleOpen", switches.get("auth", True)))


def access_warnings(nodes: t.Sequence[Values]) -> t.List[Values]:
    """Who can do what without an account of his own."""
    return [
        *warning(
            "critical",
            "no_authentication",
            "The maintenance API asks nobody for an account",
            "Everybody who reaches the port can close connections, change log levels and clean instances. Set "
            "consoleOpen: true under auth in polaris-server.yaml and restart, or keep the port away from others.",
            names(nodes, lambda node: node["probes"]["anyone"] and not console_open(node)),
        ),
        *warning(
            "warning",
            "anyone_reads",
            "The maintenance API can be read without a valid token",
            "Everybody who reaches the port can list clients, log levels and instances. Set consoleStrict: true "
            "(strict: true up to v1.17.1) under auth in polaris-server.yaml and restart.",
            names(nodes, lambda node: node["probes"]["anyone"] and console_open(node)),
        ),
        *warning(
            "critical",
            "default_password",
            "The default account still has its published password",
            "Everybody who reaches the port can log in as the main account. Change its password, then refresh its "
            "token.",
            names(nodes, lambda node: node["probes"]["default_password"]),
        ),
        *warning(
            "critical",
            "default_token",
            "The default account still has its published token",
            "It stands in the public source of Polaris. Refresh the token of the main account; a new password alone "
            "leaves the token as it is.",
            names(nodes, lambda node: node["probes"]["default_token"]),
        ),
        *warning(
            "warning",
            "pprof_open",
            "Profiles are open to all",
            "/debug/pprof needs no account: it shows the command line and the source paths, and a CPU profile costs "
            "time. Set enablePprof: false under the api-http apiserver, or keep the port away from others.",
            names(nodes, lambda node: node["pprof"]),
        ),
        *warning(
            "note",
            "pprof_switchable",
            "Everybody can switch profiles on",
            "POST /maintain/v1/pprof/enable needs no account on these versions: keep the port away from others.",
            names(nodes, lambda node: node["pprof_switchable"] and not node["pprof"]),
        ),
    ]


def state_warnings(report: t.Mapping[str, t.Any]) -> t.List[Values]:
    """How the nodes are, each and among each other."""
    nodes: t.Sequence[Values] = report["nodes"]
    versions = [entry for entry in report["versions"] if entry["version"] is not None]
    silent_scopes = sorted(entry["scope"] for entry in report["log_levels"] if entry["usual"] == "none")
    debug_scopes = sorted(entry["scope"] for entry in report["log_levels"] if entry["usual"] == "debug")
    read_nodes = names(nodes, lambda node: node["levels"])
    return [
        *warning(
            "critical",
            "not_read",
            "Nodes could not be read",
            "They are missing in every sum of this report. The reasons stand under Not read.",
            names(nodes, lambda node: node["status"] == "failed"),
        ),
        *warning(
            "warning",
            "read_in_part",
            "Nodes could be read in part only",
            "What is missing stands under Not read.",
            names(nodes, lambda node: node["status"] == "partial"),
        ),
        *warning(
            "warning",
            "limits_off",
            "Connection limits are off",
            "Nothing bounds how many connections one client opens, and nobody can see or close them. Set connLimit in "
            "polaris-server.yaml; mind that the shipped file misspells purgeCounterExpire, and that the server ends at "
            "its start then.",
            names(nodes, lambda node: node["protocols"] == []),
        ),
        *warning(
            "note",
            "grpc_not_counted",
            "The connections of SDK clients are not counted",
            "Other protocols are, grpc is not. Set connLimit under service-grpc in polaris-server.yaml.",
            names(nodes, lambda node: node["protocols"] and "grpc" not in node["protocols"]),
        ),
        *warning(
            "warning",
            "mixed_versions",
            "The nodes have different versions",
            "Found: {}. Finish the upgrade, or know why not.".format(
                ", ".join("{} on {}".format(entry["version"], entry["count"]) for entry in versions)
            ),
            [name for entry in versions[1:] for name in entry["nodes"]],
        ),
        *warning(
            "warning",
            "deviating_levels",
            "Log levels deviate from those of the other nodes",
            "A window that nobody closed? Levels are lost at a restart; the playbook log_level makes them equal now.",
            names(nodes, lambda node: node["deviating"]),
        ),
        *warning(
            "warning",
            "silenced_scopes",
            "Log scopes are silent, errors included",
            "At none: {}.".format(", ".join(silent_scopes)),
            read_nodes if silent_scopes else [],
        ),
        *warning(
            "note",
            "debug_everywhere",
            "Log scopes are at debug on most nodes",
            "At debug: {}.".format(", ".join(debug_scopes)),
            read_nodes if debug_scopes else [],
        ),
    ]


def registry_warnings(report: t.Mapping[str, t.Any], hosts: t.Sequence[t.Mapping[str, t.Any]]) -> t.List[Values]:
    """What the nodes say of each other."""
    nodes: t.Sequence[Values] = report["nodes"]
    heartbeats = report["heartbeats"]
    vacant = [
        (entry["elect_key"], leader["host"])
        for entry in report["leaders"]
        for leader in entry["leaders"]
        if not leader["valid"]
    ]
    overdue = ["{}:{}".format(entry["host"], entry["port"]) for entry in heartbeats["overdue"]]
    return [
        *warning(
            "warning",
            "nobody_leads",
            "Work that one node has to do is done by nobody",
            "No valid leader for {}. Look at the logs of those nodes; on a boltdb store only a restart brings it "
            "back.".format(", ".join(sorted({key for key, _host in vacant}))),
            sorted({host for _key, host in vacant}),
            "address",
        ),
        *warning(
            "warning",
            "overdue_heartbeats",
            "Instances have not been heard of for more than three times their ttl",
            "They are listed under Heartbeats.",
            overdue,
            "instance",
        ),
        *warning(
            "warning",
            "not_in_inventory",
            "Nodes of the cluster are not in this inventory",
            "They registered themselves as servers, and nobody asked them: add them, or let the inventory plugin "
            "polarismesh.maintenance.polaris find them.",
            [] if report["limit"] else unlisted(nodes, hosts),
            "address",
        ),
        *warning(
            "note",
            "loopback",
            "Nodes registered themselves as 127.0.0.1",
            "Nobody else can find them by that. Set self_address, or probe_address, in polaris-server.yaml.",
            names(nodes, lambda node: any(host in _LOOPBACK for host in node["registered"])),
        ),
    ]


def unlisted(nodes: t.Sequence[Values], hosts: t.Sequence[t.Mapping[str, t.Any]]) -> t.List[str]:
    """Addresses in the registry that belong to no host of the play."""
    ours: t.Set[str] = set(_LOOPBACK)
    for node, host in zip(nodes, hosts):
        addresses = (
            node["name"],
            node["own_host"],
            host.get("ansible_host"),
            urlsplit(str(node["url"] or "")).hostname,
        )
        ours.update(str(address) for address in addresses if address)
    return sorted({str(host) for node in nodes for host in node["registered"]} - ours)


def summary_of(report: t.Mapping[str, t.Any]) -> Values:
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
        "deviating_levels": sum(deviations(entry) for entry in report["log_levels"]),
        "overdue": len(report["heartbeats"]["overdue"]) if report["heartbeats"]["asked"] else None,
        "warnings": {severity: severities[severity] for severity in SEVERITIES},
    }


class FilterModule:
    """The filter, for Ansible."""

    def filters(self) -> t.Dict[str, t.Callable[..., t.Any]]:
        return {"fleet_report": fleet_report}
