# Copyright (c) 2026, PolarisMesh Maintenance contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Private to this collection. Combines what several nodes know about the same instances."""

from __future__ import annotations

import typing as t

from ansible_collections.polarismesh.maintenance.plugins.module_utils._model import overdue

Entry = t.Dict[str, t.Any]


def newest_heartbeats(known: t.Mapping[str, t.Sequence[t.Mapping[str, t.Any]]]) -> t.List[Entry]:
    """Each instance once, as seen by the node with its newest heartbeat.

    :param known: node -> the ``instances`` of polaris_heartbeat_info there.
    :raises ValueError: ``known`` is something else.
    """
    newest: t.Dict[str, Entry] = {}
    for node, instances in known.items():
        try:
            for instance in instances:
                seen = newest.get(instance["id"])
                newest[instance["id"]] = merged(seen, dict(instance), node)
        except (KeyError, TypeError, ValueError) as error:
            raise ValueError(f"what {node} has is not from polaris_heartbeat_info: {error!r}.") from error
    return list(newest.values())


def merged(seen: t.Optional[Entry], instance: Entry, node: str) -> Entry:
    """What the nodes before know about an instance, combined with what this one knows."""
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
