# Copyright (c) 2026, PolarisMesh Maintenance contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Private to this collection. The typed values that _api returns."""

from __future__ import annotations

import typing as t
from dataclasses import dataclass

# --- connections of clients ------------------------------------------------------------------------------------------


@dataclass(frozen=True)
class HostConnections:
    """The connections of one client address to one server, from its statistics.

    :param amount: the number of open ones; 0 for a host that disconnected a short while ago.
    :param last_access: when the server accepted the newest of them, in its local time (RFC 3339).
    :param actives: the client's end of each, ``host:port``.
    """

    host: str
    amount: int
    last_access: t.Optional[str]
    actives: t.Tuple[str, ...]

    @property
    def ports(self) -> t.FrozenSet[int]:
        """The ports of ``actives``."""
        ports = (address.rpartition(":")[2] for address in self.actives if address.rpartition(":")[0] == self.host)
        return frozenset(int(port) for port in ports if port.isdecimal())


@dataclass(frozen=True)
class ConnStats:
    """The connections of one protocol.

    :param listener_total: the server's own total for that listener, regardless of filters; 0 if its maxConnLimit is 0
        (polaris v1.18.1 common/conn/limit/listener.go).
    :param own: our end of the connection that carried this answer, ``host:port``.
    """

    protocol: str
    listener_total: int
    hosts: t.Tuple[HostConnections, ...]
    own: str

    def ports(self, host: str) -> t.FrozenSet[int]:
        """The client ports of the connections of ``host``."""
        return next((entry.ports for entry in self.hosts if entry.host == host), frozenset())

    def as_dict(self) -> t.Dict[str, t.Any]:
        """In the keys of a result. ``total`` is the sum, because the server's own total is 0 without a maxConnLimit."""
        hosts = {entry.host: entry.amount for entry in self.hosts}
        return {
            "protocol": self.protocol,
            "limit_enabled": True,
            "total": sum(hosts.values()),
            "listener_total": self.listener_total,
            "hosts": hosts,
            "stats": [{**vars(entry), "actives": list(entry.actives)} for entry in self.hosts],
        }


# --- one server's own state ------------------------------------------------------------------------------------------


@dataclass(frozen=True)
class Memory:
    """The heap of a server, in bytes.

    :param heap_idle: in spans without objects; ``heap_released`` of it has been returned to the system.
    :param heap_in_use: in spans with objects; everything except ``heap_idle`` if the server does not report this.
    :param sys: all memory that the Go runtime has mapped, including released parts.
    """

    heap_idle: int
    heap_released: int
    heap_in_use: int
    sys: int

    @property
    def releasable(self) -> int:
        """What could be returned to the system. Go does not update both values at once, so the minimum is 0."""
        return max(self.heap_idle - self.heap_released, 0)

    @property
    def heap(self) -> int:
        """The memory of the machine that the heap uses."""
        return self.heap_in_use + self.releasable

    def as_dict(self) -> t.Dict[str, int]:
        """The figures in the keys of a result."""
        return {"heap": self.heap, "releasable": self.releasable, **vars(self)}


@dataclass(frozen=True)
class Leader:
    """A leadership: ``host`` does the job named ``elect_key`` as long as this is ``valid``.

    :param ctime: epoch seconds; None on boltdb, where every node is its own leader.
    """

    elect_key: str
    host: str
    valid: bool
    ctime: t.Optional[int]
    mtime: t.Optional[int]


@dataclass(frozen=True)
class ReportedClient:
    """A client that reports an address for Prometheus, ``host:port``, and its labels."""

    target: str
    labels: t.Dict[str, str]


@dataclass(frozen=True)
class Location:
    """The location of a host."""

    ip: str
    region: str
    zone: str
    campus: str
    region_id: int
    zone_id: int
    campus_id: int


# --- registered instances --------------------------------------------------------------------------------------------


@dataclass(frozen=True)
class Instance:
    """A registered instance as a server lists it, without the token of its service, which servers list as well.

    :param health_check: whether it has to send heartbeats; None if the server does not say.
    :param ttl: the maximum number of seconds between two heartbeats.
    """

    id: str
    service: str
    namespace: str
    vpc_id: t.Optional[str]
    host: str
    port: int
    protocol: t.Optional[str]
    version: t.Optional[str]
    priority: t.Optional[int]
    weight: t.Optional[int]
    healthy: t.Optional[bool]
    isolated: t.Optional[bool]
    health_check: t.Optional[bool]
    ttl: t.Optional[int]
    location: t.Dict[str, str]
    metadata: t.Dict[str, str]


@dataclass(frozen=True)
class Listing:
    """Registered instances, each once.

    :param amount: the number that the server counts.
    :param complete: whether it is certain that none is missing. If not, the list changed while it was read in pages, or
        is longer than the caller wanted to read.
    """

    instances: t.Tuple[Instance, ...]
    amount: int
    complete: bool


@dataclass(frozen=True)
class Heartbeat:
    """What one server node knows about the heartbeats of an instance.

    :param last_heartbeat: epoch seconds by the server's clock; None if this node has seen none.
    :param age_seconds: how long ago that was, by the same clock.
    """

    id: t.Optional[str]
    service: t.Optional[str]
    namespace: t.Optional[str]
    host: t.Optional[str]
    port: t.Optional[int]
    ttl: t.Optional[int]
    last_heartbeat: t.Optional[int]
    age_seconds: t.Optional[int]


#: An instance is overdue after this many times its ttl.
MISSED = 3


def overdue(age: t.Optional[int], ttl: t.Optional[int]) -> t.Optional[bool]:
    """Whether too many heartbeats are missing; None if this is unknown."""
    return None if age is None or ttl is None else age > MISSED * ttl


def ttl_of(entry: t.Mapping[str, t.Any]) -> t.Optional[int]:
    """The maximum seconds between two heartbeats, from an instance as servers write it; None without a check."""
    check = entry.get("healthCheck")
    heartbeats = check.get("heartbeat") if isinstance(check, dict) else None
    ttl = heartbeats.get("ttl") if isinstance(heartbeats, dict) else None
    return ttl if isinstance(ttl, int) else None
