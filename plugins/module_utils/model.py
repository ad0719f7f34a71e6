# Copyright (c) 2026, PolarisMesh Maintenance contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The typed values that api.py returns."""

from __future__ import annotations

import ipaddress
import typing as t
from dataclasses import dataclass

# --- connections of clients ------------------------------------------------------------------------------------------


@dataclass(frozen=True)
class HostConnections:
    """The connections that one client address holds to one server, as its statistics show them.

    :param amount: how many are open; 0 for a host that left a short while ago.
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

    :param listener_total: the server's own total of that listener, which no filter touches, and which is 0 where its
        maxConnLimit is 0 (polaris v1.18.1 common/conn/limit/listener.go).
    :param own: our end of the connection that carried this answer, ``host:port``.
    """

    protocol: str
    listener_total: int
    hosts: t.Tuple[HostConnections, ...]
    own: str

    def ports(self, host: str) -> t.FrozenSet[int]:
        """The ports from which ``host`` holds connections."""
        return next((entry.ports for entry in self.hosts if entry.host == host), frozenset())


def address_order(address: str) -> t.Tuple[int, str, int]:
    """Sorts ``host`` and ``host:port`` as numbers, and what is no IPv4 address after all that are."""
    host, port = address.partition(":")[::2]
    number = int(port) if port.isdecimal() else 0
    try:
        return (int(ipaddress.IPv4Address(host)), "", number)
    except ValueError:
        return (1 << 32, address, number)
