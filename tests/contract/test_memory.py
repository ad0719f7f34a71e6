# Copyright (c) 2026, PolarisMesh Maintenance contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Memory: the figures that servers show, and how freeing memory changes them."""

from __future__ import annotations

import re

import pytest

from ansible_collections.polarismesh.maintenance.plugins.module_utils._api import account, memory
from ansible_collections.polarismesh.maintenance.plugins.module_utils._errors import PolarisError
from tests.contract.server import Server

FREE = "/maintain/v1/memory/free"


def metric(server: Server, name: str) -> int | None:
    """Use a request that shares no code with the code under test."""
    found = re.search(rf"^{name} (\S+)$", server.call("GET", "/metrics", token=None).text, re.MULTILINE)
    return int(float(found.group(1))) if found else None


def test_a_free_collects_and_returns_memory(server: Server) -> None:
    client = server.client(timeout=90)
    collections = metric(server, "go_gc_cycles_forced_gc_cycles_total")
    before = memory.read(client)
    memory.free(client)
    after = memory.read(client)
    assert before is not None
    assert after is not None
    assert before.sys >= before.heap_in_use + before.heap_idle
    assert before.heap == before.heap_in_use + before.releasable > 0
    # Idle memory was returned, except what the server allocated again between the two requests.
    assert after.releasable < max(before.releasable, 8 * 1024 * 1024)
    if collections is not None:
        assert metric(server, "go_gc_cycles_forced_gc_cycles_total") == collections + 1


def test_reading_figures_forces_no_collection(server: Server) -> None:
    collections = metric(server, "go_gc_cycles_forced_gc_cycles_total")
    for _dummy in range(3):
        assert memory.read(server.client(token=None)) is not None
    assert metric(server, "go_gc_cycles_forced_gc_cycles_total") == collections


def test_metrics_and_pprof_show_the_same_heap(server: Server) -> None:
    text = server.call("GET", "/debug/pprof/heap", params={"debug": "1"}, token=None, headers={"Accept": "*/*"}).text
    found = memory.read(server.client())
    profile = memory._memory(memory._figures(memory._HEAP_COMMENT, text), memory._HEAP_PROFILE)
    assert found is not None
    assert profile is not None
    # Some time passes between the two.
    for one, other in ((found.sys, profile.sys), (found.heap_in_use, profile.heap_in_use)):
        assert one == pytest.approx(other, rel=0.25)


def test_the_answer_is_empty(server: Server) -> None:
    reply = server.call("POST", FREE)
    assert (reply.status_code, reply.content) == (200, b"")


def test_who_may_free(server: Server) -> None:
    with pytest.raises(PolarisError) as caught:
        memory.free(server.client("no-such-token"))
    assert caught.value.kind == "auth"
    with pytest.raises(PolarisError) as caught:
        memory.free(server.client(server.sub_token()))
    assert caught.value.kind == "permission"
    account.check(server.client())
    with pytest.raises(PolarisError) as caught:
        account.check(server.client("no-such-token"))
    assert caught.value.kind == "auth"
