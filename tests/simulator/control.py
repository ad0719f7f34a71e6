# Copyright (c) 2026, PolarisMesh Maintenance contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""/_simulator: what a playbook, an integration target or a person with curl can see and change while the fleet runs.

These calls are not part of Polaris, need no token and are not recorded. Each applies to the node it is sent to, or to
all nodes with ?all=true; instances, clients and locations are in the store and so shared by all nodes.

    GET    state                 everything about the node
    GET    requests              the requests it got; DELETE forgets them
    PATCH  config                {setting: value, ...}, see node.Config
    POST   faults                {method, path, kind, status, body, headers, seconds, location, times, skip, containing}
    DELETE faults                everything works again
    PUT    levels                {scope: level, ...}, without any check
    GET    instances             all rows; POST registers, deregisters, removes, beats (see `change_instances`)
    PUT    heap                  {live, garbage, free, released, ...} in bytes
    POST   clients, locations    [{...}], what report/clients and cmdb/info list
    POST   restart               resets connections, levels, beats and caches
    POST   stop                  ends this node: its ports refuse; POST start, to another node, starts all stopped ones
    POST   shutdown              ends the whole fleet
"""

from __future__ import annotations

import dataclasses
import json
from collections.abc import Callable
from typing import TYPE_CHECKING, Any

from .faults import Fault
from .wire import JSON, Call, Reply

if TYPE_CHECKING:
    from .node import Node


def answer(value: Any, status: int = 200) -> Reply:
    """Compact JSON."""
    return Reply(status, json.dumps(value).encode(), JSON)


def handle(call: Call) -> Reply:
    try:
        body = json.loads(call.body) if call.body else None
        return route(call, call.path.removeprefix("/_simulator").strip("/"), body)
    except (ValueError, TypeError, KeyError, AttributeError) as problem:
        return answer({"error": f"{type(problem).__name__}: {problem}"}, 400)


Action = Callable[["Node", Any], Any]


def set_config(node: Node, body: Any) -> Any:
    """Return all settings of the node."""
    for key, value in body.items():
        node.set(key, value)
    return vars(node.config)


def add_fault(node: Node, body: Any) -> None:
    """Method and path default to any."""
    wanted = dict(body)
    rule = {key: wanted.pop(key) for key in ("times", "skip", "containing") if key in wanted}
    method, path = wanted.pop("method", "*"), wanted.pop("path", "*")
    node.fault(method, path, Fault(**wanted), **rule)


def set_levels(node: Node, body: Any) -> Any:
    """Return all levels of the node."""
    node.levels.update(body)
    return node.levels


def set_heap(node: Node, body: Any) -> Any:
    """Return the whole heap."""
    node.heap = dataclasses.replace(node.heap, **body)
    return vars(node.heap)


def shut_down(node: Node, body: Any) -> None:
    """Stop the whole fleet, not only this node."""
    node.fleet.request_stop()


def start_nodes(node: Node, body: Any) -> None:
    """Start all stopped nodes; they cannot receive calls themselves."""
    for each in node.fleet.nodes:
        if not each.listening:
            each.start()


def change_instances(node: Node, body: Any) -> dict[str, Any]:
    """{register: [{service, host, port, ...}], deregister: [id or {id, ago}], remove: [id], beats: {id: ago}}.

    A bare list contains instances to register. A registration may contain `deleted_ago` (soft-deleted that many seconds
    ago), `beat_ago` and any field of store.Row; `repeat: n` creates n of it, on hosts 10.x.y.z. Returns the ids.
    """
    ids: list[str] = []
    if isinstance(body, list):
        body = {"register": body}
    for item in body.get("register", []):
        values = dict(item)
        repeat, deleted, beat = (
            values.pop("repeat", None),
            values.pop("deleted_ago", None),
            values.pop("beat_ago", None),
        )
        for number in range(1 if repeat is None else repeat):
            if repeat is not None:
                values["host"] = f"10.{number >> 16 & 255}.{number >> 8 & 255}.{number & 255}"
            row = node.store.register(**values)
            ids.append(row.id)
            if deleted is not None:
                node.store.deregister(row.id, ago=deleted)
            if beat is not None:
                node.beat(row.id, node.now() - beat)
    for item in body.get("deregister", []):
        row_id, ago = (item, 0.0) if isinstance(item, str) else (item["id"], item.get("ago", 0.0))
        node.store.deregister(row_id, ago=ago)
    for row_id in body.get("remove", []):
        node.store.remove(row_id)
    for row_id, ago in body.get("beats", {}).items():
        node.beat(row_id, node.now() - ago)
    return {"ids": ids}


PER_NODE: dict[tuple[str, str], Action] = {
    ("GET", "state"): lambda node, _: state(node),
    ("GET", "requests"): lambda node, _: [record.as_dict() for record in list(node.requests)],
    ("DELETE", "requests"): lambda node, _: node.requests.clear(),
    ("PATCH", "config"): set_config,
    ("POST", "faults"): add_fault,
    ("DELETE", "faults"): lambda node, _: node.clear_faults(),
    ("PUT", "levels"): set_levels,
    ("PUT", "heap"): set_heap,
}
ONCE: dict[tuple[str, str], Action] = {
    ("GET", "instances"): lambda node, _: [row.as_dict() for row in list(node.store.rows.values())],
    ("POST", "instances"): change_instances,
    ("POST", "clients"): lambda node, body: node.store.clients.extend(body),
    ("POST", "locations"): lambda node, body: node.store.locations.extend(body),
    ("POST", "start"): start_nodes,
    ("POST", "shutdown"): shut_down,
}


def route(call: Call, name: str, body: Any) -> Reply:
    """The requested part of /_simulator; with ?all=true the answer is a list with one entry per node."""
    node, what = call.node, (call.method, name)
    if what in ONCE:
        return answer(ONCE[what](node, body))
    everywhere = call.query.get("all") == "true"
    nodes = node.fleet.nodes if everywhere else [node]
    if what in (("POST", "restart"), ("POST", "stop")):
        for each in nodes:
            end = each.restart if name == "restart" else each.stop
            end(f"{call.peer[0]}:{call.peer[1]}")
        return Reply(200, b"{}", JSON, {"Connection": "close"})
    if what not in PER_NODE:
        return answer({"error": f"There is no {call.method} /_simulator/{name}."}, 404)
    if everywhere:
        return answer([PER_NODE[what](each, body) for each in nodes])
    return answer(PER_NODE[what](node, body))


def state(node: Node) -> dict[str, Any]:
    return {
        "node": node.index,
        "url": node.url,
        "grpc": f"{node.host}:{node.grpc_port}",
        "profile": node.profile.name,
        "store": node.store.kind,
        "config": vars(node.config),
        "levels": node.levels,
        "connections": node.connections,
        "heap": vars(node.heap),
        "beats": len(node.beats),
        "requests": len(node.requests),
        "faults": len(node.rules),
        "instances": {
            "live": sum(row.live for row in list(node.store.rows.values())),
            "deleted": sum(not row.live for row in list(node.store.rows.values())),
        },
    }
