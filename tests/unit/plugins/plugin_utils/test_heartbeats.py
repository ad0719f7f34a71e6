# Copyright (c) 2026, PolarisMesh Maintenance contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The newest of what several nodes know about heartbeats."""

from __future__ import annotations

from typing import Any

import pytest

from ansible_collections.polarismesh.maintenance.plugins.plugin_utils._heartbeats import (
    final_result,
    newest_heartbeats,
    plan,
)
from ansible_collections.polarismesh.maintenance.plugins.plugin_utils._summary import Node


def seen(age: int | None, at: int | None = None, **values: Any) -> dict[str, Any]:
    """An instance as polaris_heartbeat_info returns it."""
    entry = {
        "id": "a",
        "service": "payments",
        "namespace": "default",
        "host": "10.0.0.7",
        "port": 8080,
        "found": True,
        "health_check": True,
        "last_heartbeat": at if at is not None or age is None else 1700000000 - age,
        "age_seconds": age,
        "ttl": 5,
        "overdue": None if age is None else age > 15,
    }
    return {**entry, **values}


def merged(**nodes: dict[str, Any]) -> dict[str, Any]:
    found = newest_heartbeats({node: [entry] for node, entry in nodes.items()})
    assert len(found) == 1
    return found[0]


def facts(entry: dict[str, Any]) -> tuple[Any, ...]:
    return entry["node"], entry["age_seconds"], entry["overdue"]


@pytest.mark.parametrize("order", ["known first", "known last"])
def test_the_newest_counts(order: str) -> None:
    nodes = {"old": seen(600), "new": seen(3), "none": seen(None)}
    if order == "known last":
        nodes = dict(reversed(nodes.items()))
    assert facts(merged(**nodes)) == ("new", 3, False)


def test_ages_count_and_not_times() -> None:
    """node1's clock is a day ahead, but its 600 seconds are still long ago."""
    entry = merged(node1=seen(600, at=1700086400), node2=seen(3, at=1700000000))
    assert (entry["node"], entry["last_heartbeat"]) == ("node2", 1700000000)


def test_overdue_on_every_node() -> None:
    assert facts(merged(node1=seen(600), node2=seen(500))) == ("node2", 500, True)


def test_no_node_has_a_heartbeat() -> None:
    entry = merged(node1=seen(None), node2=seen(None))
    assert facts(entry) == (None, None, None)
    assert entry["found"] is True


def test_found_on_any_node() -> None:
    absent = seen(None, found=False, health_check=None, ttl=None, host=None)
    for nodes in ({"node1": absent, "node2": seen(3)}, {"node1": seen(3), "node2": absent}):
        entry = merged(**nodes)
        assert facts(entry) == ("node2" if nodes["node1"] is absent else "node1", 3, False)
        assert (entry["found"], entry["health_check"], entry["ttl"], entry["host"]) == (True, True, 5, "10.0.0.7")


def test_the_ttl_of_one_node_and_the_age_of_another() -> None:
    assert facts(merged(node1=seen(None), node2=seen(600, ttl=None))) == ("node2", 600, True)


def test_without_a_health_check() -> None:
    absent = seen(None, found=False, health_check=False, ttl=None)
    entry = merged(node1=absent, node2=absent)
    assert (entry["found"], entry["health_check"], entry["overdue"]) == (False, False, None)


def test_each_instance_once_in_the_order_of_the_first_node() -> None:
    found = newest_heartbeats({"n1": [seen(1, id="b"), seen(2)], "n2": [seen(3), seen(4, id="c"), seen(5, id="b")]})
    assert [entry["id"] for entry in found] == ["b", "a", "c"]
    assert [entry["age_seconds"] for entry in found] == [1, 2, 4]


def test_the_input_is_not_changed() -> None:
    entry = seen(3)
    before = dict(entry)
    merged(node1=entry, node2=seen(1))
    assert entry == before


def test_no_nodes() -> None:
    assert newest_heartbeats({}) == []
    assert newest_heartbeats({"node1": []}) == []


LEADER = {"host": "10.0.0.1", "ctime": 1704135845}


def led(name: str, leader: dict[str, Any] | None, *instances: dict[str, Any], leads: bool = False) -> Node:
    answer = {"leads": leads, "leader": leader, "complete": True, "instances": list(instances)}
    return Node(name, {"polaris_led": answer})


def test_the_others_are_asked_only_for_what_their_leader_has_not_heard_of() -> None:
    leader = led("a", LEADER, seen(1), seen(600, id="late"), leads=True)
    asked = plan([leader, led("b", LEADER)], "default", None)
    assert (asked["led_by"], asked["rest"], asked["not_asked"]) == (["a"], [{"id": "late"}], ["a"])


def test_the_report_reads_the_leader_with_everything_else() -> None:
    nodes = [
        Node(each.name, {"polaris_fleet_server": {"is_polaris": True, "heartbeats": each.results["polaris_led"]}})
        for each in (led("a", LEADER, seen(600), leads=True), led("b", LEADER))
    ]
    nodes.append(Node("c", {"polaris_fleet_server": {"is_polaris": False, "heartbeats": None}}))
    cut = {"failed": True, "msg": "cut"}
    nodes.append(Node("d", {"polaris_fleet_server": {"is_polaris": True, "heartbeats": cut}}))
    asked = plan(nodes, "default", None)
    assert (asked["led_by"], asked["not_asked"]) == (["a"], ["a", "c", "d"])
    assert final_result(nodes[3]) == cut


@pytest.mark.parametrize("other", [None, {"host": "10.9.9.9", "ctime": 1}])
def test_a_node_of_another_cluster_is_asked_for_everything(other: dict[str, Any] | None) -> None:
    asked = plan([led("a", LEADER, seen(1), leads=True), led("b", other)], "default", "payments")
    assert (asked["led_by"], asked["ask"], asked["not_asked"]) == ([], "ask_heartbeats", ["a"])
    assert (asked["namespace"], asked["service"]) == ("default", "payments")
