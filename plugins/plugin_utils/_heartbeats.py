# Copyright (c) 2026, PolarisMesh Maintenance contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Private to this collection. Combines what several nodes know about the same instances."""

from __future__ import annotations

import typing as t

from ..module_utils._model import overdue
from ._summary import Node, Result, is_answer

Entry = t.Dict[str, t.Any]

#: What tasks/other_heartbeats.yml registers: the plan for the nodes that do not lead, and their answers.
REGISTERS = ("polaris_ask", "polaris_heartbeats")


def plan(nodes: t.Sequence[Node], namespace: str, service: t.Optional[str]) -> t.Dict[str, t.Any]:
    """Which other nodes to ask for which instances, after the leader of the health checks was asked for all of them.

    A leader writes to the store every few seconds, so its list of instances is current, and the other nodes are only
    asked, by id, for the instances that it has not heard from lately. If no node leads, the leader did not answer, its
    list may be incomplete, or the nodes name different leaders, every node is asked for everything.
    """
    answers = {node.name: answer for node in nodes for answer in [leader_result(node)] if answer and is_answer(answer)}
    full = {name: answer for name, answer in answers.items() if answer["leads"] and answer["complete"]}
    # A node of another cluster, or one that does not say who leads, may know instances that these leaders do not know.
    leaders = [answer["leader"] for answer in full.values()]
    known = full if all(answer["leader"] in leaders for answer in answers.values()) else {}
    rest = [
        {"id": one["id"]}
        for one in newest_heartbeats(instances_of(known))
        # Instances that need not send heartbeats are not asked for.
        if one["overdue"] is not False and one["health_check"] is not False
    ]
    return {
        "led_by": list(known),
        "rest": rest,
        "namespace": None if known else namespace,
        "service": None if known else service,
        "ask": "nothing" if known and not rest else "ask_heartbeats",
        "not_asked": [node.name for node in nodes if node.name in full or node.name not in answers],
    }


def leader_result(node: Node) -> Result:
    """The result of the question to leaders only, from heartbeat_audit or fleet_report; empty if it was not asked."""
    return node.result("polaris_led") or node.result("polaris_fleet_server").get("heartbeats") or {}


def final_result(node: Node) -> Result:
    """The result with the heartbeats that a node knows, or with the reason why it returned none."""
    first = leader_result(node)
    if first and not is_answer(first):
        return first
    planned = node.result("polaris_ask").get("plan") or {}
    if first and (planned.get("ask") == "nothing" or node.name in planned.get("not_asked", ())):
        return first
    return node.result("polaris_heartbeats") or {"failed": True, "msg": "no answer"}


def named(instance: t.Mapping[str, t.Any]) -> str:
    """How messages name an instance: ``payments 10.0.0.7:8080``."""
    return f"{instance['service']} {instance['host']}:{instance['port']}"


def instances_of(answers: t.Mapping[str, Result]) -> t.Dict[str, t.Sequence[t.Mapping[str, t.Any]]]:
    return {name: answer["instances"] for name, answer in answers.items()}


def newest_heartbeats(known: t.Mapping[str, t.Sequence[t.Mapping[str, t.Any]]]) -> t.List[Entry]:
    """Each instance once, as seen by the node with its newest heartbeat.

    :param known: node -> the ``instances`` of polaris_heartbeat_info there.
    """
    newest: t.Dict[str, Entry] = {}
    for node, instances in known.items():
        for instance in instances:
            newest[instance["id"]] = merged(newest.get(instance["id"]), dict(instance), node)
    return list(newest.values())


def merged(seen: t.Optional[Entry], instance: Entry, node: str) -> Entry:
    """What earlier nodes know about an instance, combined with what this one knows."""
    age = instance["age_seconds"]
    instance["node"] = None if age is None else node
    if seen is not None:
        newer = age is not None and (seen["age_seconds"] is None or age < seen["age_seconds"])
        best, other = (instance, seen) if newer else (seen, instance)
        instance = {key: other.get(key) if value is None else value for key, value in best.items()}
        # These belong together: all of them come from one node.
        for key in ("age_seconds", "last_heartbeat", "node"):
            instance[key] = best[key]
        instance["found"] = best["found"] or other["found"]
        instance["health_check"] = best["health_check"] or other["health_check"]
    return {**instance, "overdue": overdue(instance["age_seconds"], instance["ttl"])}
