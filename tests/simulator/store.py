# Copyright (c) 2026, PolarisMesh Maintenance contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The store that the nodes of a fleet share: live and soft-deleted instances, and other data.

polaris v1.18.1 store/boltdb/instance.go and admin.go, store/mysql/instance.go and admin.go, cache/service/instance.go;
ids as common/utils/common.go computes them.
"""

from __future__ import annotations

import hashlib
import itertools
import time
from collections.abc import Callable, Iterable
from dataclasses import dataclass, field
from typing import Any, Literal, get_args

from .profiles import Profile

Kind = Literal["boltdb", "mysql"]
KINDS: tuple[Kind, ...] = get_args(Kind)


def instance_id(namespace: str, service: str, host: str, port: int, vpc_id: str = "") -> str:
    """The id of an instance registered without one."""
    parts = [namespace, service, *([vpc_id] if vpc_id else []), host, str(port)]
    return hashlib.sha1("##".join(parts).encode(), usedforsecurity=False).hexdigest()


@dataclass
class Row:
    id: str
    namespace: str
    service: str
    host: str
    port: int
    vpc_id: str = ""
    protocol: str = ""
    version: str = ""
    priority: int = 0
    weight: int = 100
    ttl: int | None = 5
    """The TTL of its health check; None without one."""
    healthy: bool = True
    isolate: bool = False
    logic_set: str = ""
    location: dict[str, str] | None = None
    metadata: dict[str, str] = field(default_factory=dict)
    service_token: str = ""
    live: bool = True
    """False: soft-deleted (flag = 1), waiting to be cleaned."""
    created: float = 0.0
    modified: float = 0.0
    revision: str = ""
    stripped: float = 0.0
    """When a clean on MySQL removed the metadata and health check of the live row."""
    strip_seen: bool = False
    """Whether the row was recent enough for the caches to read it again; if not, they keep the old one till restart."""
    written: float = 0.0
    """When the row was actually written or deleted, regardless of `created` and `modified`."""
    text: str | None = field(default=None, repr=False, compare=False)
    """Its JSON in the list until something changes (assign fields; do not edit its metadata in place)."""
    look: tuple[Any, ...] = field(default=(), repr=False, compare=False)
    """The other values that this JSON depends on."""
    store: Store | None = field(default=None, repr=False, compare=False)

    def __setattr__(self, name: str, value: Any) -> None:
        object.__setattr__(self, name, value)
        if name not in ("text", "look", "store") and getattr(self, "store", None) is not None:
            object.__setattr__(self, "text", None)
            assert self.store is not None
            self.store.generation += 1

    @property
    def tetrad(self) -> dict[str, Any]:
        """The four parts by which a task names an instance."""
        return {"service": self.service, "namespace": self.namespace, "host": self.host, "port": self.port}

    def as_dict(self) -> dict[str, Any]:
        """Plain values, for /_simulator/instances."""
        return {key: value for key, value in vars(self).items() if key not in ("text", "look", "store")}


@dataclass
class Ghost:
    """A row that was removed before a cache noticed its deletion: the node lists it until it restarts."""

    row: Row
    removed: float
    nodes: frozenset[int] | None
    """The nodes that did not notice; None: all."""


TOO_LARGE = 1 << 30
"""Of a batch: boltdb allocates 16 bytes for each before it counts the rows."""
SYNC_WINDOW = 5.0
"""A cache reads rows again that changed up to this many seconds before its last sync (cache/service/instance.go)."""


class Store:
    """All rows, by id and by service; any node or test can change them."""

    def __init__(self, kind: Kind = "boltdb") -> None:
        if kind not in KINDS:
            raise ValueError(f"Unknown store {kind!r}; use one of {', '.join(KINDS)}.")
        self.kind = kind
        self.rows: dict[str, Row] = {}
        self.by_service: dict[tuple[str, str], dict[str, Row]] = {}
        self.ghosts: dict[str, Ghost] = {}
        self.unaware: Callable[[float], frozenset[int]] = lambda since: frozenset()
        """The nodes that have not synced since then; set by the fleet."""
        self.beats: dict[str, float] = {}
        """Last heartbeats if the checker shares them (heartbeatLeader, heartbeatRedis)."""
        self.locations: list[dict[str, str]] = []
        """The entries of GET /maintain/v1/cmdb/info."""
        self.clients: list[dict[str, Any]] = []
        """SDK clients with a Prometheus port: id, host, port, path."""
        self.generation = 0
        """Counts changes: cached results are valid as long as this stays the same."""

    def register(
        self,
        service: str,
        namespace: str = "default",
        host: str = "127.0.0.1",
        port: int = 8080,
        *,
        id: str = "",  # noqa: A002  the server's own name
        vpc_id: str = "",
        live: bool = True,
        **values: Any,
    ) -> Row:
        """Register an instance, replacing one with the same id."""
        now = time.time()
        if self.kind == "mysql":
            values["modified"] = float(int(values.get("modified") or now))  # a DATETIME column has no fractions
        row = Row(
            id=id or instance_id(namespace, service, host, port, vpc_id),
            namespace=namespace,
            service=service,
            host=host,
            port=port,
            vpc_id=vpc_id,
            live=live,
            written=now,
            **values,
        )
        row.created = row.created or now
        row.modified = row.modified or now
        row.revision = row.revision or hashlib.md5(f"{row.id}{now}".encode(), usedforsecurity=False).hexdigest()
        token = hashlib.md5(f"{namespace}/{service}".encode(), usedforsecurity=False).hexdigest()
        row.service_token = row.service_token or token
        row.store = self
        self.ghosts.pop(row.id, None)
        self.rows[row.id] = row
        self.by_service.setdefault((namespace, service), {})[row.id] = row
        self.generation += 1
        return row

    def deregister(self, row_id: str, *, ago: float = 0.0) -> bool:
        """Soft-delete a row, `ago` seconds in the past; False if there is no live one."""
        row = self.rows.get(row_id)
        if row is None or not row.live:
            return False
        row.live = False
        row.modified = time.time() - ago
        row.written = time.time()
        return True

    def remove(self, row_id: str) -> None:
        row = self.rows.pop(row_id, None)
        if row is not None:
            self.by_service[row.namespace, row.service].pop(row_id, None)
            self.generation += 1

    def clean(self, row_id: str, profile: Profile) -> None:
        """POST /maintain/v1/instance/clean: the effect depends on store and version, the answer does not."""
        row = self.rows.get(row_id)
        if row is None:
            return
        if self.kind == "mysql":
            if not row.live:
                self._bury(row)
            elif profile.mysql_strips_live:
                row.strip_seen = time.time() - row.modified <= SYNC_WINDOW
                row.stripped = time.time()
        elif profile.boltdb_removes:
            self._bury(row)
        elif row.live:
            row.live = False  # without a new mtime
            row.written = time.time()

    def batch_clean(self, size: int, profile: Profile) -> int:
        """POST /maintain/v1/instance/batchclean: remove soft-deleted rows that are old enough.

        A size that boltdb cannot allocate crashes the server, if there is anything to remove: MemoryError.
        """
        limit = size if self.kind == "mysql" else max(size, 1)  # boltdb counts after it has removed one
        youngest = time.time() - profile.batch_clean_age
        old = (row for row in list(self.rows.values()) if not row.live and row.modified <= youngest)
        found = list(itertools.islice(old, limit))
        if self.kind == "boltdb" and found and size >= TOO_LARGE:
            raise MemoryError
        for row in found:
            self._bury(row)
        return len(found)

    def _bury(self, row: Row) -> None:
        """Remove a row, leaving a ghost on nodes that had not noticed its deletion."""
        nodes = None if row.live else self.unaware(row.written)
        if nodes is None or nodes:
            self.ghosts[row.id] = Ghost(row, time.time(), nodes)
        self.remove(row.id)

    def candidates(self, service: str, namespace: str, row_id: str) -> Iterable[Row]:
        """The rows that can match these exact values (empty: any), from the most selective index."""
        if row_id:
            row = self.rows.get(row_id)
            return [] if row is None else [row]
        if service and namespace:
            return list(self.by_service.get((namespace, service), {}).values())
        return list(self.rows.values())

    def ghosts_on(self, node: int, started: float) -> list[Row]:
        """The removed rows that a node still lists."""
        return [
            ghost.row
            for ghost in list(self.ghosts.values())
            if ghost.removed > started and (ghost.nodes is None or node in ghost.nodes)
        ]

    def services(self) -> dict[tuple[str, str], list[Row]]:
        """All services that ever had an instance, with their live instances."""
        return {key: [row for row in list(rows.values()) if row.live] for key, rows in list(self.by_service.items())}
