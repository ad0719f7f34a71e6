# Copyright (c) 2026, PolarisMesh Maintenance contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The store that the nodes of a fleet share: instances, live ones and soft-deleted ones.

polaris v1.18.1 store/boltdb/instance.go, store/mysql/instance.go; ids as common/utils/common.go computes them.
"""

from __future__ import annotations

import hashlib
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any, Literal

Kind = Literal["boltdb", "mysql"]
KINDS: tuple[Kind, ...] = ("boltdb", "mysql")


def instance_id(namespace: str, service: str, host: str, port: int, vpc_id: str = "") -> str:
    """The id of an instance that did not bring its own."""
    parts = [namespace, service, *([vpc_id] if vpc_id else []), host, str(port)]
    return hashlib.sha1("##".join(parts).encode(), usedforsecurity=False).hexdigest()


@dataclass
class Row:
    """One instance."""

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
    """Of its health check; None when it has none."""
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
    rendered: bytes | None = field(default=None, repr=False, compare=False)
    """Its JSON as the list shows it, until it changes."""

    def as_dict(self) -> dict[str, Any]:
        """Plain values, for /_simulator/instances."""
        return {key: value for key, value in vars(self).items() if key != "rendered"}


class Store:
    """All rows, by id and by service."""

    def __init__(self, kind: Kind = "boltdb", now: Callable[[], float] = time.time) -> None:
        if kind not in KINDS:
            raise ValueError(f"There is no store {kind!r}; take one of {', '.join(KINDS)}.")
        self.kind = kind
        self.now = now
        self.rows: dict[str, Row] = {}
        self.by_service: dict[tuple[str, str], dict[str, Row]] = {}
        self.generation = 0
        """Counts changes: what was computed from the rows holds as long as it stays the same."""

    def register(
        self,
        service: str,
        namespace: str = "default",
        host: str = "127.0.0.1",
        port: int = 8080,
        *,
        id: str = "",  # the server's own word
        vpc_id: str = "",
        **values: Any,
    ) -> Row:
        """Registers an instance, over an older one of the same id if there is one."""
        now = self.now()
        row = Row(
            id=id or instance_id(namespace, service, host, port, vpc_id),
            namespace=namespace,
            service=service,
            host=host,
            port=port,
            vpc_id=vpc_id,
            **values,
        )
        row.created = row.created or now
        row.modified = row.modified or now
        row.revision = row.revision or hashlib.md5(f"{row.id}{now}".encode(), usedforsecurity=False).hexdigest()
        row.service_token = row.service_token or hashlib.md5(service.encode(), usedforsecurity=False).hexdigest()
        self.rows[row.id] = row
        self.by_service.setdefault((namespace, service), {})[row.id] = row
        self.generation += 1
        return row

    def deregister(self, id: str, *, ago: float = 0.0) -> bool:
        """Soft-deletes a row, `ago` seconds in the past; False when there is no live one."""
        row = self.rows.get(id)
        if row is None or not row.live:
            return False
        row.live = False
        row.modified = self.now() - ago
        row.rendered = None
        self.generation += 1
        return True

    def remove(self, id: str) -> None:
        """Takes a row away for good."""
        row = self.rows.pop(id, None)
        if row is not None:
            self.by_service[(row.namespace, row.service)].pop(id, None)
            self.generation += 1
