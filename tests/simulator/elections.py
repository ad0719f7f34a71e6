# Copyright (c) 2026, PolarisMesh Maintenance contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Leader elections (polaris v1.18.1 store/mysql/admin.go, store/boltdb/admin.go).

On boltdb each node has its own map, and a released leadership never comes back. On MySQL the nodes share one row per
key; a released leader steps down at its next tick and does not run for 15 more, and after the lease of 5 ticks another
node takes over.
"""

from __future__ import annotations

import time
from collections.abc import Sequence
from dataclasses import dataclass

LEASE_TICKS = 5
ABSTAIN_TICKS = 15


@dataclass
class Election:
    """One key of a MySQL store."""

    leader: int
    since: float
    released: float = 0.0
    """When the leader was told to step down; 0 if it was not."""


class Elections:
    """All keys of a fleet."""

    def __init__(self, keys: Sequence[str], nodes: int, tick: float = 2.0) -> None:
        now = time.time()
        self.nodes = nodes
        self.tick = tick
        self.shared = {key: Election(index % nodes, now) for index, key in enumerate(keys)}
        self.local: list[dict[str, bool]] = [dict.fromkeys(keys, True) for _dummy in range(nodes)]

    def release_local(self, node: int, key: str) -> bool:
        """boltdb; False if the key is unknown there."""
        if key not in self.local[node]:
            return False
        self.local[node][key] = False
        return True

    def release_shared(self, node: int, key: str) -> bool:
        """MySQL; a follower's release is discarded at its next tick."""
        election = self.current(key)
        if election is None:
            return False
        if election.leader == node and not election.released:
            election.released = time.time()
        return True

    def current(self, key: str) -> Election | None:
        """The current state of a shared key."""
        election = self.shared.get(key)
        if election is None or not election.released:
            return election
        down = election.released + self.tick
        others_take_over = down + LEASE_TICKS * self.tick
        it_comes_back = down + ABSTAIN_TICKS * self.tick
        now = time.time()
        if self.nodes > 1 and now >= others_take_over:
            election.leader, election.since, election.released = (election.leader + 1) % self.nodes, now, 0.0
        elif self.nodes == 1 and now >= it_comes_back:
            election.since, election.released = now, 0.0
        return election

    def modified(self, election: Election) -> float:
        """The row's mtime: a leader renews it at every tick, a released leader no longer does."""
        now = time.time()
        return min(now, election.released + self.tick) if election.released else now
