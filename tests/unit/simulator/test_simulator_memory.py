# Copyright (c) 2026, PolarisMesh Maintenance contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Memory: figures that change when it is freed, and profiles."""

from __future__ import annotations

import gzip
import http.client
import re
import threading
import time
from collections.abc import Callable

import pytest

from tests.simulator import Fleet, Node

from .conftest import Ask

FREE = "/maintain/v1/memory/free"
HEAP = "/debug/pprof/heap"

Make = Callable[..., Fleet]


def figures(ask: Ask, node: Node) -> dict[str, float]:
    answer = ask(node, "GET", "/metrics", token=None)
    assert answer.headers["Content-Type"].startswith("text/plain; version=0.0.4")
    lines = [line.rsplit(" ", 1) for line in answer.text.splitlines() if not line.startswith("#")]
    return {name: float(value) for name, value in lines}


def memstats(ask: Ask, node: Node) -> dict[str, int]:
    text = ask(node, "GET", f"{HEAP}?debug=1", token=None).text
    assert text.startswith("heap profile: ")
    assert "\n# runtime.MemStats\n" in text
    return {name: int(value) for name, value in re.findall(r"^# (\w+) = (\d+)$", text, re.MULTILINE)}


def test_freeing_returns_idle_memory(fleet: Fleet, ask: Ask) -> None:
    node = fleet.nodes[0]
    before, stats = figures(ask, node), memstats(ask, node)
    free, released = "go_memory_classes_heap_free_bytes", "go_memory_classes_heap_released_bytes"
    assert stats["HeapIdle"] == before[free] + before[released]
    assert stats["HeapReleased"] == before[released]
    assert before[free] > 100e6
    assert ask(node, "POST", FREE).status == 200
    after, stats = figures(ask, node), memstats(ask, node)
    assert after[free] < 1e6
    assert after[released] > before[released] + 100e6
    assert after["go_memory_classes_total_bytes"] == before["go_memory_classes_total_bytes"]
    assert after["go_gc_cycles_forced_gc_cycles_total"] == before["go_gc_cycles_forced_gc_cycles_total"] + 1
    assert stats["NumForcedGC"] == 1
    assert stats["HeapIdle"] == after[free] + after[released]


def test_large_numbers_are_written_as_go_writes_them(fleet: Fleet, ask: Ask) -> None:
    text = ask(fleet.nodes[0], "GET", "/metrics").text
    assert re.search(r"^go_memory_classes_heap_free_bytes 2\.34881024e\+08$", text, re.MULTILINE)
    assert re.search(r"^go_gc_cycles_forced_gc_cycles_total 0$", text, re.MULTILINE)


@pytest.mark.parametrize(
    ("setting", "runtime", "classic"),
    [("", True, False), ("memstats", False, True), ("both", True, True)],
)
def test_both_families_of_names(make_fleet: Make, ask: Ask, setting: str, runtime: bool, classic: bool) -> None:
    found = figures(ask, make_fleet(metrics=setting).nodes[0])
    assert ("go_memory_classes_heap_free_bytes" in found) == runtime
    assert ("go_memstats_heap_idle_bytes" in found) == classic


def test_the_first_versions_have_no_metrics(make_fleet: Make, ask: Ask) -> None:
    assert ask(make_fleet(profile="v1.8.0").nodes[0], "GET", "/metrics").status == 404


def test_each_node_has_its_own_heap_which_can_surge(make_fleet: Make, ask: Ask) -> None:
    fleet = make_fleet(nodes=2, heap_free=0)
    fleet.nodes[0].heap.surge(1 << 30)
    assert figures(ask, fleet.nodes[0])["go_memory_classes_heap_free_bytes"] == 1 << 30
    assert figures(ask, fleet.nodes[1])["go_memory_classes_heap_free_bytes"] == 0


def test_frees_queue_and_continue_when_the_client_disconnects(make_fleet: Make, ask: Ask) -> None:
    node = make_fleet(free_latency=0.3).nodes[0]
    started = time.monotonic()
    threads = [threading.Thread(target=ask, args=(node, "POST", FREE)) for _dummy in range(2)]
    for thread in threads:
        thread.start()
    with pytest.raises((TimeoutError, http.client.HTTPException)):
        ask(node, "POST", FREE, timeout=0.1)
    for thread in threads:
        thread.join()
    assert time.monotonic() - started >= 0.6
    deadline = time.monotonic() + 5
    while node.heap.forced < 3 and time.monotonic() < deadline:
        time.sleep(0.01)
    assert node.heap.forced == 3


def raw(node: Node, path: str) -> bytes:
    connection = http.client.HTTPConnection(node.host, node.port, timeout=10)
    try:
        connection.request("GET", path)
        return connection.getresponse().read()
    finally:
        connection.close()


@pytest.mark.parametrize("kind", ["heap", "allocs", "goroutine", "profile?seconds=0.01"])
def test_profiles_are_gzipped_and_name_their_units(fleet: Fleet, kind: str) -> None:
    profile = gzip.decompress(raw(fleet.nodes[0], f"/debug/pprof/{kind}"))
    assert b"count" in profile


def test_traces_exist_on_head_only(make_fleet: Make, ask: Ask) -> None:
    fleet = make_fleet(nodes=2, profile=["v1.18.1", "head"])
    answer = ask(fleet.nodes[0], "GET", "/debug/pprof/trace?seconds=0.01")
    assert (answer.status, answer.text) == (404, "Unknown profile\n")
    assert raw(fleet.nodes[1], "/debug/pprof/trace?seconds=0.01").startswith(b"go 1.")


def test_pprof_switched_off(make_fleet: Make, ask: Ask) -> None:
    fleet = make_fleet(nodes=2, profile=["v1.18.1", "head"], pprof=False)
    old = ask(fleet.nodes[0], "GET", HEAP)
    assert (old.status, old.text) == (404, "404: Page Not Found")
    new = ask(fleet.nodes[1], "GET", HEAP)
    assert (new.status, new.text) == (200, "")
    assert "Content-Type" not in new.headers
    assert ask(fleet.nodes[1], "POST", "/maintain/v1/pprof/enable", {"enable": True}, token=None).text == '"ok"'
    assert memstats(ask, fleet.nodes[1])
    assert ask(fleet.nodes[0], "POST", "/maintain/v1/pprof/enable", {"enable": True}).status == 404


def test_pprof_pages(fleet: Fleet, ask: Ask) -> None:
    node = fleet.nodes[0]
    assert ask(node, "GET", "/debug/pprof").headers["Location"] == "/debug/pprof/"
    assert "heap?debug=1" in ask(node, "GET", "/debug/pprof/").text
    assert ask(node, "GET", "/debug/pprof/goroutine?debug=1").text.startswith("goroutine profile: total")
    assert ask(node, "GET", "/debug/pprof/nothing").headers["X-Go-Pprof"] == "1"
