# Copyright (c) 2026, PolarisMesh Maintenance contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Counted TCP connections of one listener (polaris v1.18.1 common/conn/limit/listener.go)."""

from __future__ import annotations

import random
import time
from asyncio import Transport
from dataclasses import dataclass, field


@dataclass
class Host:
    """One client address: its open connections, by "ip:port"."""

    last_access: float
    emptied: float = 0.0
    """When its last connection was closed."""
    open: dict[str, Transport] = field(default_factory=dict)


class Listener:
    """The connections of one protocol, as conn, conn/stats and conn/close see them."""

    def __init__(
        self,
        protocol: str,
        *,
        max_total: int = 5120,
        max_per_host: int = 1024,
        purge_interval: float = 10.0,
        purge_expire: float = 5.0,
        started: float = 0.0,
    ) -> None:
        self.protocol = protocol
        self.max_total = max_total
        self.max_per_host = max_per_host
        self.purge_interval = purge_interval
        self.purge_expire = purge_expire
        self.hosts: dict[str, Host] = {}
        self.uncounted: set[Transport] = set()
        """Connections of IPv6 peers: their address does not split at ':' into two parts, so they are not counted."""
        self._started = started or time.time()

    @property
    def total(self) -> int:
        """The counter of the whole listener, which is only maintained with a limit."""
        return sum(len(host.open) for host in list(self.hosts.values())) if self.max_total > 0 else 0

    def accept(self, transport: Transport) -> bool:
        """Count a new connection; False if a limit refuses it."""
        peer = transport.get_extra_info("peername")
        if peer is None or ":" in peer[0]:
            self.uncounted.add(transport)
            return True
        self._purge()
        if 0 < self.max_total <= self.total:
            return False
        host = self.hosts.get(peer[0])
        if host is None:
            host = self.hosts[peer[0]] = Host(time.time())
        elif len(host.open) >= self.max_per_host:
            return False
        host.last_access = time.time()
        host.open[f"{peer[0]}:{peer[1]}"] = transport
        return True

    def lost(self, transport: Transport) -> None:
        """Forget a closed connection; its host stays listed with 0 until the next purge."""
        self.uncounted.discard(transport)
        peer = transport.get_extra_info("peername")
        if peer is None:
            return
        host = self.hosts.get(peer[0])
        address = f"{peer[0]}:{peer[1]}"
        if host is not None and host.open.get(address) is transport:
            del host.open[address]
            if not host.open:
                host.emptied = time.time()

    def _purge(self) -> None:
        """Do what the ticker of the server would have done by now."""
        now = time.time()
        tick = self._started + (now - self._started) // self.purge_interval * self.purge_interval
        for name, host in list(self.hosts.items()):
            if not host.open and host.emptied <= tick and tick - host.last_access > self.purge_expire:
                del self.hosts[name]

    def counts(self) -> dict[str, int]:
        """Connections per host."""
        self._purge()
        return {name: len(host.open) for name, host in sorted(self.hosts.items())}

    def addresses(self, host: str = "") -> list[str]:
        """The open connections as "ip:port", of one host or of all."""
        return [address for name, each in list(self.hosts.items()) if host in ("", name) for address in list(each.open)]

    def stats(self, host: str = "") -> list[tuple[str, float, list[str]]]:
        """Host, last accept and addresses, in the random order of Go's maps."""
        self._purge()
        result = []
        for name, each in list(self.hosts.items()):
            if host in ("", name):
                addresses = list(each.open)
                random.shuffle(addresses)
                result.append((name, float(int(each.last_access)), addresses))
        random.shuffle(result)
        return result

    def close(self, host: str, port: int) -> None:
        """Close host:port; a port that is 0 or not open closes ALL connections of the host, as on the server."""
        known = self.hosts.get(host)
        if known is None:
            return
        one = known.open.get(f"{host}:{port}") if port else None
        for transport in [one] if one is not None else list(known.open.values()):
            self.lost(transport)  # decremented immediately, as in Conn.Close
            transport.close()

    def close_all(self, spare: str = "") -> None:
        """End every connection immediately, counted or not, except the one from that address."""
        for host in list(self.hosts.values()):
            for address, transport in list(host.open.items()):
                if address != spare:
                    transport.abort()
        for transport in list(self.uncounted):
            transport.abort()
