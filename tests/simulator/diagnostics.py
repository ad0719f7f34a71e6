# Copyright (c) 2026, PolarisMesh Maintenance contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Routes on Go's mux, outside go-restful: /metrics and /debug/pprof (polaris v1.18.1 apiserver/httpserver/server.go).

No token, no rules about Accept or Content-Type, any method. HEAD always mounts pprof and answers an empty 200 while it
is switched off (HEAD apiserver/httpserver/third_access.go).
"""

from __future__ import annotations

import asyncio
import gzip
import time
from collections.abc import Iterable

from .heap import MIB, number
from .wire import JSON, Call, Handler, Reply, entity, error

METRICS_TYPE = "text/plain; version=0.0.4; charset=utf-8"
BINARY = "application/octet-stream"
NO_SNIFF = {"X-Content-Type-Options": "nosniff"}
# The garbage that a profile leaves in the heap (seen: some MiB on a small v1.18.1).
PROFILE_GARBAGE = 4 * MIB
# name -> (sample types with units, period type with unit, period)
PROFILES: dict[str, tuple[tuple[tuple[str, str], ...], tuple[str, str], int]] = {
    "heap": (
        (("alloc_objects", "count"), ("alloc_space", "bytes"), ("inuse_objects", "count"), ("inuse_space", "bytes")),
        ("space", "bytes"),
        524288,
    ),
    "goroutine": ((("goroutine", "count"),), ("goroutine", "count"), 1),
    "profile": ((("samples", "count"), ("cpu", "nanoseconds")), ("cpu", "nanoseconds"), 10000000),
}
PROFILES["allocs"] = PROFILES["heap"]
PROFILES["block"] = PROFILES["mutex"] = (
    (("contentions", "count"), ("delay", "nanoseconds")),
    ("contentions", "count"),
    1,
)
PROFILES["threadcreate"] = ((("threadcreate", "count"),), ("threadcreate", "count"), 1)


def metrics(call: Call) -> Reply:
    """GET /metrics."""
    node = call.node
    family = node.config.metrics or node.profile.metrics
    if family == "none":
        return error(404, "404: Page Not Found")
    figures: dict[str, float] = {"go_goroutines": 582, "go_threads": 12}
    if family in ("runtime", "both"):
        figures.update(node.heap.figures())
        figures["go_memstats_last_gc_time_seconds"] = node.heap.last_cycle
    if family in ("memstats", "both"):
        figures.update(node.heap.memstats())
    lines: list[str] = []
    for name, value in sorted(figures.items()):
        kind = "counter" if name.endswith("_total") else "gauge"
        lines += [f"# HELP {name} Simulated.", f"# TYPE {name} {kind}", f"{name} {number(value)}"]
    label = f'{{polaris_server_instance="{node.advertised}"}}'
    instances = sum(1 for row in list(node.store.rows.values()) if row.live)
    for name, count in (
        ("discovery_conn_total", len(node.listeners["grpc"].addresses())),
        ("instance_count", instances),
    ):
        lines += [f"# HELP {name} Simulated.", f"# TYPE {name} gauge", f"{name}{label} {count}"]
    return Reply(200, ("\n".join(lines) + "\n").encode(), METRICS_TYPE)


async def pprof(call: Call) -> Reply:
    """GET /debug/pprof/<name>."""
    node = call.node
    if not node.config.pprof:
        return Reply(200) if node.profile.pprof_off_empty else error(404, "404: Page Not Found")
    name = call.path.removeprefix("/debug/pprof/")
    debug = call.query.get("debug", "0")
    if name == "":
        rows = "".join(
            f"<tr><td>1</td><td><a href='{each}?debug=1'>{each}</a></td></tr>\n" for each in sorted(PROFILES)
        )
        head = "<html>\n<head>\n<title>/debug/pprof/</title>\n</head>\n<body>\n<table>\n"
        page = f"{head}{rows}</table>\n</body>\n</html>\n"
        return Reply(200, page.encode(), "text/html; charset=utf-8", NO_SNIFF)
    if name == "cmdline":
        return Reply(200, b"./polaris-server\x00start", "text/plain; charset=utf-8", NO_SNIFF)
    if name == "symbol":
        return Reply(200, b"num_symbols: 1\n", "text/plain; charset=utf-8", NO_SNIFF)
    if name in ("profile", "trace") and (name == "profile" or node.profile.pprof_trace):
        await asyncio.sleep(seconds(call.query.get("seconds", ""), 30.0 if name == "profile" else 1.0))
        body = recording(name, node.heap.live) if name == "profile" else b"go 1.22 trace\x00\x00\x00"
        return Reply(200, body, BINARY, {**NO_SNIFF, "Content-Disposition": f'attachment; filename="{name}"'})
    if name not in PROFILES or name == "profile":
        return Reply(404, b"Unknown profile\n", "text/plain; charset=utf-8", {**NO_SNIFF, "X-Go-Pprof": "1"})
    if call.query.get("gc", "0") not in ("", "0") and name == "heap":
        node.heap.garbage = 0
    if debug not in ("", "0"):
        if name in ("heap", "allocs"):
            text = node.heap.pprof_text()
        else:
            text = f"{name} profile: total 582\n582 @ 0x48d5ee 0x469d45\n"
            text += "#\t0x469d44\tsimulated.worker+0x194\tworker.go:243\n"
        return Reply(200, text.encode(), "text/plain; charset=utf-8", NO_SNIFF)
    body = recording(name, node.heap.live)
    node.heap.garbage += PROFILE_GARBAGE
    return Reply(200, body, BINARY, {**NO_SNIFF, "Content-Disposition": f'attachment; filename="{name}"'})


def seconds(text: str, default: float) -> float:
    """The number in the query; like Go, the default if it is not a number."""
    try:
        value = float(text)
    except ValueError:
        return default
    return value if value > 0 else default


def recording(name: str, size: int) -> bytes:
    """A small but valid profile in pprof's format (google/pprof proto/profile.proto), gzipped."""
    types, period_type, period = PROFILES[name]
    strings = [""]

    def text(value: str) -> int:
        if value not in strings:
            strings.append(value)
        return strings.index(value)

    def value_type(pair: tuple[str, str]) -> bytes:
        return _number(1, text(pair[0])) + _number(2, text(pair[1]))

    values = [size if unit == "bytes" else size // 96 if unit == "count" else 10000000 for _dummy, unit in types]
    parts = [_bytes(1, value_type(pair)) for pair in types]
    parts.append(_bytes(2, _number(1, 1) + _bytes(2, b"".join(_varint(value) for value in values))))
    parts.append(_bytes(4, _number(1, 1) + _bytes(4, _number(1, 1) + _number(2, 84))))
    parts.append(_bytes(5, _number(1, 1) + _number(2, text("simulated.(*InstanceCache).Update"))))
    parts.append(_number(9, int(time.time() * 1e9)))
    parts.append(_number(10, 1000000000))
    parts.append(_bytes(11, value_type(period_type)))
    parts.append(_number(12, period))
    parts += [_bytes(6, each.encode()) for each in strings]
    return gzip.compress(b"".join(parts))


def _varint(value: int) -> bytes:
    out = bytearray()
    while value > 127:
        out.append(value & 127 | 128)
        value >>= 7
    out.append(value)
    return bytes(out)


def _number(tag: int, value: int) -> bytes:
    return _varint(tag << 3) + _varint(value)


def _bytes(tag: int, value: bytes) -> bytes:
    return _varint(tag << 3 | 2) + _varint(len(value)) + value


def apidocs(routes: Iterable[tuple[str, str]]) -> Handler:
    """GET /apidocs.json: the routes as swagger names them."""
    paths: dict[str, dict[str, object]] = {}
    for method, path in sorted(routes, key=lambda route: route[1]):
        paths.setdefault(path, {})[method.lower()] = {"consumes": [JSON], "produces": [JSON]}

    def handler(call: Call) -> Reply:
        return entity({"swagger": "2.0", "paths": paths})

    return handler
