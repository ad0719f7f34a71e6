# Copyright (c) 2026, PolarisMesh Maintenance contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Private to this collection. What a runbook does after it has read the nodes: a plan, or a refusal.

Each function takes a Run, returns the plan as plain values, and raises RefusedError with one sentence.
"""

from __future__ import annotations

import typing as t
from dataclasses import dataclass
from urllib.parse import urlsplit

from ..module_utils._addresses import PLACEHOLDERS
from . import _heartbeats
from ._host_variables import is_local
from ._rebalance import Answer, RefusedError, Rules, check_hosts, decide, open_ports
from ._report_changes import absolute, is_data, read_earlier
from ._summary import Node, Run
from ._text import counted

Plan = t.Dict[str, t.Any]


@dataclass(frozen=True)
class Planner:
    """The plan of one runbook.

    :param registers: the variables of each host that it needs.
    """

    registers: t.Tuple[str, ...]
    plan: t.Callable[[Run], Plan]


def address(result: t.Mapping[str, t.Any]) -> str:
    """The host of the URL in this result."""
    return urlsplit(str(result.get("url") or "")).hostname or ""


# --- conn_rebalance --------------------------------------------------------------------------------------------------


def rebalance_hosts(run: Run) -> Plan:
    """Check, before the first request, everything that can be checked without an answer."""
    check_hosts(run.left_out, run.target, [str(name) for name in given_values(run, "polaris_cluster")])
    return {}


def given_values(run: Run, name: str) -> t.List[t.Any]:
    return [node.results[name] for node in run.nodes if node.results.get(name) is not None]


def rebalance(run: Run) -> Plan:
    given = run.given
    decision = decide(
        [rebalance_answer(node) for node in run.nodes],
        Rules.of(given["tolerance"], given["max_share"], given["spare_hosts"]),
        given["protocol"],
        given["fleet_size"],
    )
    plan = decision.plan
    return {
        **plan.figures(),
        "nodes": {
            name: {"count": node.count, "spared": node.spared, "surplus": node.surplus}
            for name, node in plan.nodes.items()
        },
        "close": {
            name: [{"protocol": given["protocol"], "host": host, "port": port} for host, port in node.close]
            for name, node in plan.nodes.items()
            if node.close
        },
        "whole": decision.whole,
        "spare": sorted(decision.rules.spare),
        "settle_seconds": given["settle_seconds"] if plan.count and not run.check_mode else 0,
    }


def rebalance_answer(node: Node) -> Answer:
    found = node.answer("polaris_before")
    if found is None:
        return Answer(node.name, place=node.name, problem=node.reason("polaris_before"))
    counted_here = found["limit_enabled"]
    return Answer(
        name=node.name,
        place=place(node, str(found["url"])),
        address=address(found),
        ports=open_ports(found["stats"]) if counted_here else None,
        hint=None if counted_here else str(found.get("hint") or ""),
        registered=None if found["node_hosts"] is None else frozenset(map(str, found["node_hosts"])),
    )


def place(node: Node, url: str) -> str:
    """The server that a URL means: 127.0.0.1 is a different node on each host that is reached over SSH."""
    if is_local(node.results.get("ansible_connection")) or urlsplit(url).hostname not in PLACEHOLDERS:
        return url
    return f"{node.results.get('ansible_host') or node.name} {url}"


# --- conn_drain ------------------------------------------------------------------------------------------------------


def drain(run: Run) -> Plan:
    """What to close on each node, by its name.

    :raises RefusedError: there are more than allowed, or the client is, or may be, a node of the cluster.
    """
    given = run.given
    client, protocol, limit = given["client_host"], given["protocol"], given["max_connections"]
    counts = run.answers("polaris_counted")
    opened = {node.name: open_ports(answer["stats"]).get(client, []) for node, answer in counts}
    close = {
        name: [{"protocol": protocol, "host": client, "port": port} for port in ports]
        for name, ports in opened.items()
        if ports
    }
    total = sum(map(len, close.values()))
    # The hosts of this run are nodes even if the cluster does not list them.
    lists = [answer["node_hosts"] for _node, answer in counts if answer["node_hosts"] is not None]
    registered = frozenset(str(host) for found in lists for host in found)
    nodes = (registered | {address(answer) for _node, answer in counts}) - PLACEHOLDERS
    if protocol == "grpc" and total and not given["drain_node"] and (client in nodes or not lists):
        what, unless = f"{client} is a node of this cluster", "you mean these connections"
        if client not in nodes:
            what = f"No node lists the nodes of the cluster, so {client} may be one of them"
            unless = "it is a client"
        raise RefusedError(
            f"{what}, and nodes do not reopen the connections over which they forward heartbeats. Nothing was closed. "
            f"If {unless}, set drain_node=true."
        )
    if limit is not None and total > limit:
        raise RefusedError(
            f"{counted(total, 'connection is', 'connections are')} open, and max_connections allows "
            f"{limit}. Nothing was closed."
        )
    return {"close": close, "count": total, "nodes_known": bool(registered)}


# --- fleet_report ----------------------------------------------------------------------------------------------------


def report_files(run: Run) -> Plan:
    """The files of the report, checked before any server is asked."""
    page = absolute(run.given["dest"])
    named = bool(page.name) and not str(run.given["dest"]).endswith("/")
    data = page.with_suffix(".json") if named else page
    # The report must not replace a folder, a device or a FIFO.
    other = any(path.exists() and not path.is_file() for path in (page, data))
    if other or not page.parent.is_dir() or page == data:
        raise RefusedError(
            f"dest must be a file for the page, such as report.html, in a folder that exists on the machine that runs "
            f"this playbook (not .json, which is the name of the data file); got {run.given['dest']}. No server "
            f"was asked."
        )
    # The user did not name this file, which may be the inventory.
    if data.exists() and not is_data(data):
        raise RefusedError(
            f"dest: the data of the report would replace {data}, which is not the data of a fleet report: choose "
            f"another name for the page. No server was asked."
        )
    if run.given["compare"] is not None:
        try:
            read_earlier(run.given["compare"], [node.name for node in run.nodes])
        except ValueError as error:
            raise RefusedError(f"{error} No server was asked.") from error
    return {"page": str(page), "data": str(data), "generated": run.given["moment"]}


# --- heartbeats, for heartbeat_audit and fleet_report ----------------------------------------------------------------


def heartbeats(run: Run) -> Plan:
    """Which instances to ask the other nodes for, after the leader has answered."""
    return _heartbeats.plan(run.nodes, run.given["polaris_namespace"], run.given["service"])


PLANS: t.Dict[str, Planner] = {
    "conn_rebalance_hosts": Planner(("polaris_cluster",), rebalance_hosts),
    "conn_rebalance": Planner(("polaris_before", "ansible_connection", "ansible_host"), rebalance),
    "conn_drain": Planner(("polaris_counted",), drain),
    "fleet_report": Planner((), report_files),
    "heartbeat_audit": Planner(("polaris_led",), heartbeats),
    "fleet_report_heartbeats": Planner(("polaris_fleet_server",), heartbeats),
}
