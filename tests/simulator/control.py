# Copyright (c) 2026, PolarisMesh Maintenance contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""/_simulator: what a playbook, an integration target or a person with curl may see and change while the fleet runs.

These calls are not Polaris's, need no token and are not recorded.
"""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

from .faults import Fault
from .wire import JSON, Call, Reply

if TYPE_CHECKING:
    from .node import Node


def answer(value: Any, status: int = 200) -> Reply:
    """Compact JSON."""
    return Reply(status, json.dumps(value).encode(), JSON)


async def handle(call: Call) -> Reply:
    """One call, for this node, or with ?all=true for all nodes."""
    try:
        body = json.loads(call.body) if call.body else None
        return route(call, call.path.removeprefix("/_simulator").strip("/"), body)
    except (ValueError, TypeError, KeyError) as problem:
        return answer({"error": f"{type(problem).__name__}: {problem}"}, 400)


def route(call: Call, name: str, body: Any) -> Reply:
    """The part of /_simulator that was asked for."""
    node = call.node
    nodes = node.fleet.nodes if call.query.get("all") == "true" else [node]
    what = (call.method, name)
    if what == ("GET", "state"):
        return answer(state(node))
    if what == ("GET", "requests"):
        return answer([record.as_dict() for each in nodes for record in list(each.requests)])
    if what == ("DELETE", "requests"):
        for each in nodes:
            each.requests.clear()
        return answer({})
    if what == ("PATCH", "config"):
        for each in nodes:
            for key, value in body.items():
                each.config.set(key, value)
        return answer(vars(node.config))
    if what == ("POST", "faults"):
        wanted = dict(body)
        rule = {key: wanted.pop(key) for key in ("times", "skip", "containing") if key in wanted}
        method, path = wanted.pop("method", "*"), wanted.pop("path", "*")
        for each in nodes:
            each.fault(method, path, Fault(**wanted), **rule)
        return answer({})
    if what == ("DELETE", "faults"):
        for each in nodes:
            each.clear_faults()
        return answer({})
    if what == ("PUT", "levels"):
        for each in nodes:
            each.levels.update(body)
        return answer(node.levels)
    if what == ("POST", "shutdown"):
        node.fleet.request_stop()
        return answer({})
    return answer({"error": f"There is no {call.method} /_simulator/{name}."}, 404)


def state(node: Node) -> dict[str, Any]:
    """All there is to know of a node."""
    return {
        "node": node.index,
        "url": node.url,
        "profile": node.profile.name,
        "store": node.store.kind,
        "config": vars(node.config),
        "levels": node.levels,
        "requests": len(node.requests),
        "faults": len(node.rules),
        "instances": len(node.store.rows),
    }
