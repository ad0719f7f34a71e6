# Copyright (c) 2026, PolarisMesh Maintenance contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Private to this collection. The heap of a server."""

from __future__ import annotations

import re
import typing as t

from .._answers import Reply, expect
from .._client import Client
from .._model import Memory
from .routes import Route, call, not_polaris

FREE_MEMORY = Route("POST", "/maintain/v1/memory/free", fresh=True)
METRICS = Route("GET", "/metrics")
HEAP_PROFILE = Route("GET", "/debug/pprof/heap")

#: The first release in which :func:`metrics` uses the names of runtime/metrics.
RUNTIME_METRICS_SINCE = "v1.11.0"

# Figure -> the values whose sum it is: in /metrics, by the names of runtime/metrics (Polaris from v1.11.0 on) or by the
# classic ones; in a heap profile in text form, by those of the comment at its end.
_RUNTIME_METRICS = {
    "heap_idle": ("go_memory_classes_heap_free_bytes", "go_memory_classes_heap_released_bytes"),
    "heap_released": ("go_memory_classes_heap_released_bytes",),
    "heap_in_use": ("go_memory_classes_heap_objects_bytes", "go_memory_classes_heap_unused_bytes"),
    "sys": ("go_memory_classes_total_bytes",),
}
_MEMSTATS = {
    "heap_idle": ("go_memstats_heap_idle_bytes",),
    "heap_released": ("go_memstats_heap_released_bytes",),
    "heap_in_use": ("go_memstats_heap_inuse_bytes",),
    "sys": ("go_memstats_sys_bytes",),
}
_HEAP_PROFILE = {
    "heap_idle": ("HeapIdle",),
    "heap_released": ("HeapReleased",),
    "heap_in_use": ("HeapInuse",),
    "sys": ("Sys",),
}
_METRIC = re.compile(r"^(go_mem[a-z_]+) ([0-9.e+]+)$", re.MULTILINE)
_HEAP_COMMENT = re.compile(r"^# (Heap[A-Za-z]+|Sys) = ([0-9]+)$", re.MULTILINE)


def metrics(client: Client) -> t.Optional[str]:
    """The server's metrics for Prometheus, which need no account; None if it has none, or a proxy hides them."""
    return _shown(client, client.send(METRICS.request(accept="*/*")))


def read(client: Client, shown: t.Optional[str] = None) -> t.Optional[Memory]:
    """The heap figures of the server, from its metrics or else from pprof; None if it has neither.

    Neither needs an account. Reading never forces a garbage collection (``gc=1`` would change the figures).

    :param shown: what :func:`metrics` returned, if it was already called.
    """
    figures = _figures(_METRIC, shown or metrics(client) or "")
    for family in (_RUNTIME_METRICS, _MEMSTATS):
        found = _memory(figures, family)
        if found is not None:
            return found
    # If switched off: 404 up to v1.18.1, an empty 200 in later versions.
    profile = _shown(client, client.send(HEAP_PROFILE.request({"debug": 1}, accept="*/*")))
    return _memory(_figures(_HEAP_COMMENT, profile or ""), _HEAP_PROFILE)


def _shown(client: Client, reply: Reply) -> t.Optional[str]:
    """The page; None if the server has none. If the server fails, this is unknown, so that is an error."""
    if reply.status >= 500:
        expect(reply, client.url)
    return reply.text if reply.status == 200 else None


def _figures(line: t.Pattern[str], text: str) -> t.Dict[str, int]:
    figures = {}
    for name, value in line.findall(text):
        try:
            figures[name] = int(float(value))
        except (ValueError, OverflowError):
            continue
    return figures


def _memory(figures: t.Mapping[str, int], family: t.Mapping[str, t.Tuple[str, ...]]) -> t.Optional[Memory]:
    sums = {
        field: sum(figures[name] for name in names) if all(name in figures for name in names) else None
        for field, names in family.items()
    }
    idle, released, in_use, total = (sums[field] for field in ("heap_idle", "heap_released", "heap_in_use", "sys"))
    if idle is None or released is None or total is None:
        return None
    return Memory(idle, released, max(total - idle, 0) if in_use is None else in_use, total)


def free(client: Client) -> None:
    """Collect all garbage and return free memory to the system. The answer comes when this is done, without figures.

    Calls queue up in the server. After 60 s (its WriteTimeout) it closes the connection, although the work continues.
    """
    reply = call(client, FREE_MEMORY)
    # Polaris sends an empty body. A web site with a page for every path must not be taken for Polaris.
    if reply.body:
        error = not_polaris(client, reply)
        error.outcome_unknown = False
        raise error
