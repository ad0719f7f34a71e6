# Copyright (c) 2026, PolarisMesh Maintenance contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""When memory is freed, what is reported, also if no answer comes."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest

from ansible_collections.polarismesh.maintenance.plugins.module_utils._client import Client
from ansible_collections.polarismesh.maintenance.plugins.module_utils._errors import PolarisError
from ansible_collections.polarismesh.maintenance.plugins.module_utils._model import Memory
from ansible_collections.polarismesh.maintenance.plugins.modules.polaris_memory_free import (
    report,
    run,
    size_in_bytes,
    worth_it,
    would_be,
)
from tests.simulator import Fault, Fleet

MIB = 1024 * 1024
MakeClient = Callable[..., Client]
FREE = "/maintain/v1/memory/free"


def heap(idle: int, released: int) -> Memory:
    return Memory(heap_idle=idle, heap_released=released, heap_in_use=300, sys=5000)


def free(client: Client, check_mode: bool = False, **options: Any) -> dict[str, Any]:
    return run(client, {"min_releasable": "32M", "force": False, **options}, check_mode)


def posts(fleet: Fleet) -> int:
    return sum(request.method == "POST" for request in fleet.requests)


@pytest.mark.parametrize(
    ("text", "size"),
    [("0", 0), ("1048576", MIB), ("512K", 512 * 1024), ("64M", 64 * MIB), ("1.5G", 1536 * MIB), ("1GB", 1024 * MIB)],
)
def test_sizes_are_binary_as_in_all_of_ansible(text: str, size: int) -> None:
    assert size_in_bytes(text) == size


@pytest.mark.parametrize("text", ["", "much", "-1", "64Mb", "1,5G", "12 apples", "nan"])
def test_an_invalid_size_is_refused_by_name_before_any_request(
    text: str, fleet: Fleet, make_client: MakeClient
) -> None:
    with pytest.raises(PolarisError) as caught:
        free(make_client(fleet.nodes[0]), min_releasable=text)
    assert caught.value.kind == "refused"
    assert f"min_releasable is not a size: {text!r}" in caught.value.msg
    assert not fleet.requests


def test_the_threshold_is_what_could_be_returned_not_what_is_idle() -> None:
    assert worth_it(heap(1000, 900), 100, force=False)
    assert not worth_it(heap(1000, 900), 101, force=False)
    assert worth_it(heap(1000, 900), 101, force=True)
    assert worth_it(None, 10**12, force=False)


def test_releasable_memory_is_never_negative() -> None:
    # Read between two updates of the server's runtime.
    assert heap(900, 1000).releasable == 0
    assert would_be(heap(900, 1000)) == heap(900, 1000)


def test_what_was_released_is_the_growth_of_what_the_system_has() -> None:
    assert report(heap(1000, 200), heap(1100, 950))["released"] == 750
    # The server allocated memory again, before we could read the figures.
    assert report(heap(1000, 200), heap(400, 100))["released"] == 0
    assert report(None, heap(1, 1))["released"] is None
    assert report(heap(1, 1), None)["released"] is None
    assert report(heap(1000, 200), heap(1000, 200))["memory_before"] == {
        "heap": 1100,
        "heap_idle": 1000,
        "heap_released": 200,
        "heap_in_use": 300,
        "releasable": 800,
        "sys": 5000,
    }


@pytest.mark.parametrize("metrics", ["runtime", "memstats", "none"])
def test_figures_from_either_family_of_metrics_or_from_pprof(
    metrics: str, make_fleet: Callable[..., Fleet], make_client: MakeClient
) -> None:
    fleet = make_fleet(metrics=metrics)
    node = fleet.nodes[0]
    node.heap.free, node.heap.garbage, node.heap.released = 100 * MIB, 10 * MIB, 5 * MIB
    result = free(make_client(node, token=fleet.tokens.owner))
    assert result["changed"]
    assert result["memory_before"]["releasable"] == 100 * MIB
    assert result["memory_before"]["heap_released"] == 5 * MIB
    assert result["memory_before"]["heap_in_use"] == node.heap.live + 10 * MIB + node.heap.unused
    assert result["memory_after"]["heap_released"] == node.heap.released
    assert result["released"] == node.heap.released - 5 * MIB
    assert result["released"] > 100 * MIB
    again = free(make_client(node, token=fleet.tokens.owner))
    assert not again["changed"]
    assert again["released"] == 0
    assert again["memory_after"] == again["memory_before"]
    assert posts(fleet) == 1


@pytest.mark.parametrize("profile", ["v1.18.1", "head"])
def test_without_figures_memory_is_freed_with_a_warning(
    profile: str, make_fleet: Callable[..., Fleet], make_client: MakeClient
) -> None:
    # If switched off, pprof is a 404 on one version and an empty page on the other.
    fleet = make_fleet(profile=profile, metrics="none", pprof=False)
    result = free(make_client(fleet.nodes[0], token=fleet.tokens.owner), min_releasable="100G")
    assert result["changed"]
    assert result["memory_before"] is None
    assert result["memory_after"] is None
    assert result["released"] is None
    assert "min_releasable is ignored" in result["warnings"][0]
    assert fleet.nodes[0].heap.forced == 1


def test_reading_figures_never_collects(make_fleet: Callable[..., Fleet], make_client: MakeClient) -> None:
    fleet = make_fleet(metrics="none")
    free(make_client(fleet.nodes[0], token=fleet.tokens.owner), min_releasable="100G")
    assert fleet.nodes[0].heap.garbage > 0
    assert all("gc" not in request.query for request in fleet.requests)


def test_check_mode_sends_no_post_and_says_what_would_be(fleet: Fleet, make_client: MakeClient) -> None:
    client = make_client(fleet.nodes[0], token=fleet.tokens.owner)
    dry = free(client, check_mode=True)
    assert posts(fleet) == 0
    wet = free(client)
    assert dry.keys() == wet.keys()
    assert dry["changed"]
    assert dry["memory_before"] == wet["memory_before"]
    assert dry["memory_after"]["releasable"] == 0
    # The garbage collection adds to it.
    assert dry["released"] == dry["memory_before"]["releasable"] <= wet["released"]


@pytest.mark.parametrize(("options", "kind"), [({"token": "no-such-token"}, "auth"), ({"admin": False}, "unsupported")])
def test_check_mode_fails_where_the_run_would(
    options: dict[str, Any], kind: str, fleet: Fleet, make_client: MakeClient
) -> None:
    fleet.configure(admin=options.get("admin", True))
    client = make_client(fleet.nodes[0], token=options.get("token", fleet.tokens.owner))
    for check_mode in (True, False):
        with pytest.raises(PolarisError) as caught:
            free(client, check_mode=check_mode)
        assert caught.value.kind == kind
    assert fleet.nodes[0].heap.forced == 0


@pytest.mark.parametrize(
    ("fault", "words"),
    [
        (Fault("delay", seconds=3), "it took too long"),
        (Fault("drop"), "it closed the connection"),
        (Fault("cut"), "it closed the connection"),
    ],
)
def test_without_an_answer_the_outcome_is_unknown_and_the_call_is_not_repeated(
    fault: Fault, words: str, fleet: Fleet, make_client: MakeClient
) -> None:
    node = fleet.nodes[0]
    node.fault("POST", FREE, fault)
    released = node.heap.released
    with pytest.raises(PolarisError) as caught:
        free(make_client(node, token=fleet.tokens.owner, timeout=1.0, retries=3))
    assert "the outcome is unknown" in caught.value.msg
    assert words in caught.value.msg
    assert caught.value.partial["outcome_unknown"] is True
    assert caught.value.partial["changed"] is True
    assert caught.value.partial["memory_before"]["heap_released"] == released
    # Read again, so that the failure shows whether memory was returned.
    assert caught.value.partial["memory_after"]["heap_released"] == node.heap.released or fault.kind == "delay"
    assert caught.value.partial["released"] == caught.value.partial["memory_after"]["heap_released"] - released
    assert posts(fleet) == 1


def test_without_an_answer_and_without_figures_after_it(fleet: Fleet, make_client: MakeClient) -> None:
    node = fleet.nodes[0]
    node.fault("POST", FREE, Fault("cut"))
    node.fault("GET", "/metrics", Fault("cut"), skip=1)
    with pytest.raises(PolarisError) as caught:
        free(make_client(node, token=fleet.tokens.owner))
    assert caught.value.path == FREE
    assert caught.value.partial["memory_before"]["releasable"] > 0
    assert caught.value.partial["memory_after"] is None
    assert caught.value.partial["released"] is None


def test_after_a_refusal_the_outcome_is_known(fleet: Fleet, make_client: MakeClient) -> None:
    with pytest.raises(PolarisError) as caught:
        free(make_client(fleet.nodes[0], token=fleet.tokens.sub))
    assert caught.value.kind == "permission"
    assert caught.value.partial == {}


def test_memory_that_was_freed_stays_so_when_figures_fail_after_it(fleet: Fleet, make_client: MakeClient) -> None:
    node = fleet.nodes[0]
    node.fault("GET", "/metrics", Fault("cut"), skip=1)
    result = free(make_client(node, token=fleet.tokens.owner))
    assert result["changed"]
    assert result["memory_before"]["releasable"] > 0
    assert result["memory_after"] is None
    assert result["released"] is None
    assert "Memory was freed, but the figures afterwards are unknown" in result["warnings"][0]


def test_the_figures_that_the_decision_needs_are_enough(fleet: Fleet, make_client: MakeClient) -> None:
    text = "go_memstats_heap_idle_bytes 5e+06\ngo_memstats_heap_released_bytes 4e+06\ngo_memstats_sys_bytes 9e+06\n"
    fleet.nodes[0].fault("GET", "/metrics", Fault("status", 200, text))
    result = free(make_client(fleet.nodes[0], token=fleet.tokens.owner))
    assert not result["changed"]
    assert result["memory_before"] == {
        "heap": 5000000,
        "heap_idle": 5000000,
        "heap_released": 4000000,
        "heap_in_use": 4000000,
        "releasable": 1000000,
        "sys": 9000000,
    }
    assert posts(fleet) == 0
