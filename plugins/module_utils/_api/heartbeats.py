# Copyright (c) 2026, PolarisMesh Maintenance contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Private to this collection. What a node knows about heartbeats of instances."""

from __future__ import annotations

import typing as t
from datetime import datetime

from .._client import Client
from .._errors import PolarisError
from .._model import Heartbeat, ttl_of
from .routes import Route, call, is_polaris, json_object, not_polaris

GET_HEARTBEAT = Route("GET", "/maintain/v1/instance/heartbeat")


def last(client: Client, instance_id: str) -> t.Optional[Heartbeat]:
    """What this node knows about the heartbeats of an instance; None if it does not watch that instance.

    A node does not watch an instance that is not registered, has no health check, was registered a moment ago, or (from
    v1.14.0 on) is a Polaris server itself.
    """
    try:
        reply = call(client, GET_HEARTBEAT, query={"id": instance_id})
    except PolarisError as error:
        if error.kind == "not_found":
            return None
        if error.kind == "server" and error.status is None and is_polaris(client):
            error.msg = (
                f"{client.url} closed the connection before it answered {GET_HEARTBEAT}, but answers other calls: "
                f"servers up to v1.14.1 have a bug that crashes this call for every instance that they watch; update "
                f"that node to v1.14.2 or later."
            )
        raise
    answer = json_object(client, reply)
    entry = answer.get("instance")
    metadata = entry.get("metadata") if isinstance(entry, dict) else None
    if not isinstance(entry, dict) or not isinstance(metadata, dict):
        raise not_polaris(client, reply)
    try:
        last = int(metadata["last-heartbeat-timestamp"]) or None
        age = seconds_between(metadata["last-heartbeat-time"], metadata["system-time"])
    except (KeyError, TypeError, ValueError):
        raise not_polaris(client, reply) from None
    return Heartbeat(
        id=entry.get("id"),
        service=entry.get("service"),
        namespace=entry.get("namespace"),
        host=entry.get("host"),
        port=entry.get("port"),
        ttl=ttl_of(entry),
        last_heartbeat=last,
        age_seconds=None if last is None else age,
    )


def seconds_between(earlier: str, later: str) -> int:
    """The seconds between two local times of a server, which writes them without an offset to UTC.

    The difference is negative if the time zone went back by an hour in between (the end of summer time), or the clock
    was set back a little. If the zone went forward by an hour, this cannot be detected, and that hour is counted.
    """
    seconds = int((datetime.fromisoformat(later) - datetime.fromisoformat(earlier)).total_seconds())
    if seconds < -60:
        seconds += 3600
    return max(seconds, 0)
