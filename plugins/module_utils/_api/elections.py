# Copyright (c) 2026, PolarisMesh Maintenance contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Private to this collection. Which node leads which elected job."""

from __future__ import annotations

import typing as t

from .._addresses import DEFAULT_HOST
from .._client import Client
from .._model import Leader
from .routes import Route, call, not_polaris

GET_LEADERS = Route("GET", "/maintain/v1/leaders", since="v1.14.0")
RELEASE_LEADER = Route("POST", "/maintain/v1/leaders/release", since="v1.14.0", fresh=True)

#: The election of the node that decides on the health of all instances.
HEALTH_CHECKS = "polaris.checker"


def leads(leader: Leader, own: t.Optional[str]) -> t.Optional[bool]:
    """Whether a node is the leader; None if that is unknown.

    :param own: the node's own address, as known to that node; None if it is unknown here.
    """
    if not leader.valid:
        return False
    # On boltdb a node only knows itself.
    if leader.ctime is None:
        return True
    # All nodes without a configured address have this one.
    if own is None or leader.host == DEFAULT_HOST:
        return None
    return leader.host == own


def leaders(client: Client) -> t.List[Leader]:
    """The leader of each elected job, sorted by key. On boltdb every node has its own list, with itself as leader."""
    reply = call(client, GET_LEADERS)
    listed = reply.parsed()
    if not isinstance(listed, list):
        raise not_polaris(client, reply)
    found = [_leader(entry) for entry in listed]
    complete = [leader for leader in found if leader is not None]
    if len(complete) != len(listed):
        raise not_polaris(client, reply)
    return sorted(complete, key=lambda leader: leader.elect_key)


def _leader(entry: t.Any) -> t.Optional[Leader]:
    if not isinstance(entry, dict):
        return None
    key, host, valid = entry.get("ElectKey"), entry.get("Host"), entry.get("Valid")
    if not isinstance(key, str) or not isinstance(host, str) or not isinstance(valid, bool):
        return None
    # On MySQL, a new key is valid before any node has taken it: for some 10 s it has no host (seen on v1.18.1).
    # Only boltdb stores no creation time (polaris v1.18.1 store/boltdb/admin.go).
    return Leader(key, host, valid and bool(host), entry.get("Ctime") or None, entry.get("Mtime") or None)


def release(client: Client, elect_key: str) -> None:
    """Release a leadership of this node. If it does not lead, the server gives the same answer and does nothing."""
    call(client, RELEASE_LEADER, {"electKey": elect_key})
