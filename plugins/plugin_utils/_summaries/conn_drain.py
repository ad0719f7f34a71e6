# Copyright (c) 2026, PolarisMesh Maintenance contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Private to this collection. The summary of conn_drain: what happened to the client's connections on each node."""

from __future__ import annotations

import typing as t

from ...module_utils._errors import listed
from .._rebalance import open_ports
from .._summary import OWN_LINES, Line, Node, Result, Run, Summarizer, Summary, dry, failed_data, failures, on, plan_of
from .._text import counted

#: How many ports of a client are listed.
PORTS = 10
#: What a node that counts grpc does not count (polaris v1.18.1 common/conn/limit: both apiservers report grpc).
NOT_COUNTED = (
    "not counted, and still open: IPv6 connections, and those to config-grpc where service-grpc is counted (or the "
    "other way round)"
)


def summarize(run: Run) -> Summary:
    client, protocol = run.given.get("client_host"), run.given.get("protocol")
    counts = run.answers("polaris_counted")
    plan, refusal = plan_of([node for node, _answer in counts])
    to_close: t.Mapping[str, t.Sequence[Result]] = (plan or {}).get("close", {})
    chosen = [node for node, _answer in counts if node.name in to_close]
    done = {node: answer for node, answer in ((node, node.answer("polaris_closed")) for node in chosen) if answer}
    failed = {node: not_read(node) for node in run.unanswered("polaris_counted")}
    failed.update({node: node.reason("polaris_closed") for node in chosen if node not in done})
    closed = {node: ports(answer["connections"]) for node, answer in done.items() if answer["connections"]}
    remaining = {node: ports(answer["remaining"]) for node, answer in done.items() if answer.get("remaining")}
    gone = {node: ports(to_close[node.name]) for node in done if node not in closed}
    listed_there = {node: len(open_ports(answer["stats"]).get(str(client), ())) for node, answer in counts}
    opened = {node: count for node, count in listed_there.items() if count}
    none_open = [node.name for node, count in listed_there.items() if not count]

    verb = "would close" if run.check_mode else "closed"
    total = sum(map(len, closed.values()))
    lines = [
        Line(
            f"Polaris connections of {client} ({protocol}){dry(run, 'closed')}: {verb} {total} on {len(closed)} of "
            f"{counted(len(run.nodes), 'node')}"
        )
    ]
    if refusal:
        lines.append(Line(f"REFUSED: {refusal}", failure=True))
        lines.append(Line("open: " + ", ".join(f"{node.name} {count}" for node, count in opened.items())))
    elif closed and protocol == "grpc" and plan and not plan["nodes_known"]:
        lines.append(Line(f"NOT CHECKED whether {client} is a node of the cluster: no node is registered there"))
    lines += port_lines(verb, closed)
    lines += port_lines("STILL LISTED", remaining, failure=True)
    lines += port_lines("ended by the client itself", gone)
    lines += failures("FAILED", failed)
    if none_open:
        lines.append(Line(f"none open {on(none_open)}"))
    if protocol == "grpc" and counts and not refusal:
        lines.append(Line(NOT_COUNTED))
    data = {
        "closed": {node.name: found for node, found in closed.items()},
        "count": total,
        "remaining": {node.name: found for node, found in remaining.items()},
        "open": {node.name: count for node, count in opened.items()},
        "refused": refusal,
        "failed": failed_data(failed),
    }
    return Summary(lines, data)


def not_read(node: Node) -> str:
    """Why the connections of a node are unknown. The result of a node that does not count them has no message."""
    result = node.result("polaris_counted")
    if result.get("limit_enabled") is False:
        return f"{result['url']} does not count the connections of {result['protocol']!r}. {result['hint']}"
    return node.reason("polaris_counted")


def ports(connections: t.Sequence[Result]) -> t.List[int]:
    return [int(connection["port"]) for connection in connections]


def port_lines(what: str, found: t.Mapping[Node, t.Sequence[int]], *, failure: bool = False) -> t.List[Line]:
    """What happened to which ports: a line for each node; if there are many, one line with the number on each."""
    if len(found) <= OWN_LINES:
        lines = [f"{what} on {node.name}: {len(numbers)} ({port_list(numbers)})" for node, numbers in found.items()]
    else:
        lines = [f"{what}: " + ", ".join(f"{node.name} {len(numbers)}" for node, numbers in found.items())]
    return [Line(line, failure) for line in lines]


def port_list(found: t.Sequence[int]) -> str:
    return f"{'port' if len(found) == 1 else 'ports'} {listed(found, PORTS)}"


SUMMARY = Summarizer(("polaris_counted", "polaris_plan", "polaris_closed"), summarize)
