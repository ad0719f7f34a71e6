# Copyright (c) 2026, PolarisMesh Maintenance contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The runbook memory_free, as an operator runs it."""

from __future__ import annotations

from collections.abc import Callable
from itertools import pairwise
from typing import Any

import pytest

from tests.simulator import Fault, Fleet
from tests.support import PlaybookRun, owners_inventory

NAME = "polarismesh.maintenance.memory_free"
MIB = 1024 * 1024
Playbook = Callable[..., PlaybookRun]


@pytest.fixture
def uneven(make_fleet: Callable[..., Fleet]) -> Fleet:
    """Three nodes with much, some and little memory to return."""
    fleet = make_fleet(nodes=3, profile=["v1.18.1", "v1.12.2", "head"])
    for node, free in zip(fleet.nodes, (300, 40, 10), strict=True):
        node.heap.free, node.heap.garbage, node.heap.released = free * MIB, 0, 0
    return fleet


def test_freed_where_it_is_worth_it_and_summed_up(uneven: Fleet, playbook: Playbook) -> None:
    run = playbook(NAME, owners_inventory(uneven)).ok()
    assert [node.heap.forced for node in uneven.nodes] == [1, 1, 0]
    assert "Polaris memory: freed on 2 of 3 nodes, 340 MiB returned to the system" in run.output
    assert "freed on node1: 300 MiB returned, heap 402 MiB -> 102 MiB" in run.output
    assert "freed on node2: 39.9 MiB returned" in run.output
    assert "less than 32M to free on 1 (node3 10.0 MiB)" in run.output

    again = playbook(NAME, owners_inventory(uneven)).ok()
    assert "freed on 0 of 3 nodes, 0 B returned" in again.output
    assert "changed=0" in again.output
    assert [node.heap.forced for node in uneven.nodes] == [1, 1, 0]


@pytest.mark.sample
@pytest.mark.parametrize("least", ["0", 0])
def test_the_operator_sets_the_threshold(least: Any, uneven: Fleet, playbook: Playbook) -> None:
    playbook(
        NAME, owners_inventory(uneven), extra_vars={"min_releasable": "100M"}, args=["--limit", "node1,node2"]
    ).ok()
    assert [node.heap.forced for node in uneven.nodes] == [1, 0, 0]
    playbook(NAME, owners_inventory(uneven), extra_vars={"min_releasable": least}).ok()
    assert [node.heap.forced for node in uneven.nodes] == [2, 1, 1]


def test_never_two_nodes_at_a_time(make_fleet: Callable[..., Fleet], playbook: Playbook) -> None:
    fleet = make_fleet(nodes=4)
    for node in fleet.nodes:
        node.fault("POST", "*", Fault("delay", seconds=0.7))
    playbook(NAME, owners_inventory(fleet), args=["--forks", "4"]).ok()
    begun = [request.time for request in fleet.requests if request.method == "POST"]
    assert len(begun) == 4
    assert all(later - earlier >= 0.7 for earlier, later in pairwise(begun))


def test_check_mode_says_it_and_does_nothing(uneven: Fleet, playbook: Playbook) -> None:
    run = playbook(NAME, owners_inventory(uneven), args=["--check", "--diff"]).ok()
    assert {request.method for request in uneven.requests} == {"GET"}
    assert "(check mode: nothing was freed): would free on 2 of 3 nodes" in run.output
    assert "at least 340 MiB would be returned" in run.output
    assert '-    "releasable": 314572800' in run.output


def test_a_node_that_fails_is_named_and_does_not_stop_the_others(uneven: Fleet, playbook: Playbook) -> None:
    uneven.nodes[0].fault("POST", "*", Fault("drop"))
    hosts = owners_inventory(uneven)
    hosts["polaris_servers"]["hosts"]["gone"] = {"polaris_url": "http://127.0.0.1:1"}
    run = playbook(NAME, hosts)
    assert run.returncode == 2
    # Its answer was lost: it may have freed memory, and the request was not repeated.
    assert f"OUTCOME UNKNOWN on node1: {uneven.nodes[0].url} received the call to free memory" in run.output
    assert sum(request.method == "POST" for request in uneven.nodes[0].requests) == 1
    assert "freed on node2: 39.9 MiB returned" in run.output
    assert "FAILED on gone: nothing listens at http://127.0.0.1:1" in run.output
    assert uneven.nodes[1].heap.forced == 1


def test_without_figures_it_says_that_this_is_unknown(make_fleet: Callable[..., Fleet], playbook: Playbook) -> None:
    fleet = make_fleet(metrics="none", pprof=False)
    run = playbook(NAME, owners_inventory(fleet)).ok()
    assert "freed on node1: how much was returned is unknown" in run.output
    assert fleet.nodes[0].heap.forced == 1


@pytest.mark.sample
@pytest.mark.parametrize("least", ["much", [1]])
def test_an_invalid_size_is_one_sentence_and_no_request(least: Any, uneven: Fleet, playbook: Playbook) -> None:
    run = playbook(NAME, owners_inventory(uneven), extra_vars={"min_releasable": least})
    assert run.returncode == 2
    assert run.one("Check the variables")["msg"].startswith("The variable min_releasable must be a size")
    assert not uneven.requests


def test_the_token_is_never_shown(uneven: Fleet, playbook: Playbook) -> None:
    run = playbook(NAME, owners_inventory(uneven), args=["-vvv", "--diff"]).ok()
    assert uneven.tokens.owner not in run.output
