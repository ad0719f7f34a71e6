# Copyright (c) 2026, PolarisMesh Maintenance contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The rules of the fleet report: when a rule applies, to which nodes, and its command."""

from __future__ import annotations

import json
import shlex
from typing import Any

import pytest

from ansible_collections.polarismesh.maintenance.plugins.plugin_utils._report import SEVERITIES, Fleet, Node, Probes
from ansible_collections.polarismesh.maintenance.plugins.plugin_utils._report_rules import RULES, warnings_of

MIB = 1024 * 1024


def node(index: int, **changes: Any) -> Node:
    told: dict[str, Any] = {
        "name": f"node{index}",
        "is_polaris": True,
        "url": f"http://10.0.0.{index}:8090",
        "version": "v1.18.1",
        "protocols": ("grpc", "http"),
        "connections": {"grpc": 100, "http": 3},
        "levels": {"naming": "info"},
        "memory": memory(200),
    }
    return Node(**{**told, **changes})


def memory(in_use: int, releasable: int = 0) -> dict[str, int]:
    return {"heap_in_use": in_use * MIB, "releasable": releasable * MIB, "sys": 0}


def fleet(first: Node, others: int = 4, **changes: Any) -> Fleet:
    return Fleet((first, *(node(index) for index in range(2, 2 + others))), target="polaris_servers", **changes)


def found(of: Fleet) -> dict[str, list[str]]:
    return {warning["id"]: warning["where"] for warning in warnings_of(of)}


def command(of: Fleet, rule: str) -> list[str]:
    return shlex.split(next(warning["command"] for warning in warnings_of(of) if warning["id"] == rule))


def test_every_rule_has_its_own_id_and_a_known_severity() -> None:
    assert len({rule.id for rule in RULES}) == len(RULES)
    assert {rule.severity for rule in RULES} <= set(SEVERITIES)
    assert all(("{found}" in rule.advice) == (rule.found is not None) for rule in RULES)


def test_a_healthy_fleet_has_none() -> None:
    assert found(fleet(node(1))) == {}


@pytest.mark.parametrize(
    ("grpc", "expected"),
    [(100, {}), (112, {}), (115, {"overloaded": ["node1"]}), (900, {"overloaded": ["node1"]})],
)
def test_a_node_is_overloaded_where_conn_rebalance_would_close(grpc: int, expected: dict[str, list[str]]) -> None:
    assert found(fleet(node(1, connections={"grpc": grpc, "http": 3}))) == expected


def test_connections_that_come_and_go_do_not_overload_a_node() -> None:
    assert found(fleet(node(1, connections={"grpc": 100, "http": 900}))) == {}


def test_a_node_that_does_not_count_is_not_one_without_connections() -> None:
    uncounted = [node(index, connections={"http": 3}) for index in (6, 7, 8)]
    assert "overloaded" not in found(Fleet((*fleet(node(1)).nodes, *uncounted)))


@pytest.mark.parametrize(
    ("heap", "expected"),
    [
        (memory(400), {}),
        (memory(455), {}),  # more than twice the others, but not much more
        (memory(457), {"large_heap": ["node1"]}),
        (memory(100, 400), {"large_heap": ["node1"]}),
        (None, {}),
    ],
)
def test_a_heap_far_above_the_others(heap: dict[str, int] | None, expected: dict[str, list[str]]) -> None:
    assert found(fleet(node(1, memory=heap))) == expected


def test_two_heaps_show_no_usual_size() -> None:
    assert found(fleet(node(1, memory=memory(9000)), others=1)) == {}


def test_the_worst_comes_first() -> None:
    bad = node(1, levels={"naming": "debug"}, probes=Probes(default_password=True), pprof_switchable=True)
    assert [warning["severity"] for warning in warnings_of(fleet(bad))] == ["critical", "warning", "note"]


# --- commands --------------------------------------------------------------------------------------------------------


def test_the_command_names_the_nodes_concerned_and_the_inventory() -> None:
    of = fleet(node(1, levels={"naming": "debug"}), inventory=("/etc/my inventory.yml",))
    words = command(of, "deviating_levels")
    assert words[:5] == ["ansible-playbook", "polarismesh.maintenance.log_level", "-i", "/etc/my inventory.yml", "-e"]
    assert json.loads(words[5]) == {"levels": {"naming": "info"}}
    assert words[6:] == ["-e", "target=node1"]


def test_the_command_for_all_nodes_names_the_target() -> None:
    probes = Probes(anyone=True)
    of = Fleet(tuple(node(index, probes=probes) for index in (1, 2)), target="polaris_servers")
    assert command(of, "anyone_reads")[:2] == ["ansible", "polaris_servers"]
    limited = Fleet(of.nodes, target="polaris_servers", limit="node1,node2")
    assert command(limited, "anyone_reads")[:2] == ["ansible", "node1,node2"]


def test_a_scope_that_a_server_made_up_is_in_no_command() -> None:
    evil = "{{ lookup('pipe', 'id') }}"
    of = fleet(node(1, levels={"naming": "debug", evil: "debug"}))
    of = Fleet((*of.nodes, *(node(index, levels={"naming": "info", evil: "info"}) for index in range(7, 20))))
    assert evil not in " ".join(command(of, "deviating_levels"))


def test_a_name_of_a_node_is_one_word_in_a_shell() -> None:
    name = "a; rm -rf $HOME '\""
    assert command(fleet(node(1, name=name, is_polaris=False)), "not_read")[1] == name


def test_the_audit_is_for_what_the_report_was_asked_for() -> None:
    late = {
        "id": "a",
        "namespace": "shop",
        "service": "pay",
        "host": "10.9.9.9",
        "port": 80,
        "found": True,
        "health_check": True,
        "last_heartbeat": 1,
        "age_seconds": 99,
        "ttl": 5,
    }
    words = command(fleet(node(1, heartbeats=(late,)), namespace="shop", service="pay"), "overdue_heartbeats")
    assert words == [
        "ansible-playbook",
        "polarismesh.maintenance.heartbeat_audit",
        "-e",
        "polaris_namespace=shop",
        "-e",
        "service=pay",
    ]
