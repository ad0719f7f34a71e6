# Copyright (c) 2026, PolarisMesh Maintenance contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What has changed since an earlier report, and which file is none."""

from __future__ import annotations

import json
from typing import Any

import pytest

from ansible_collections.polarismesh.maintenance.plugins.plugin_utils._report import (
    SCHEMA,
    Failure,
    Fleet,
    Node,
    Probes,
    report_of,
)
from ansible_collections.polarismesh.maintenance.plugins.plugin_utils._report_changes import (
    changes_of,
    earlier_report,
)
from ansible_collections.polarismesh.maintenance.plugins.plugin_utils._report_rules import warnings_of


def node(name: str, grpc: int = 100, **changes: Any) -> Node:
    told: dict[str, Any] = {
        "is_polaris": True,
        "version": "v1.18.1",
        "oldest_version": "v1.17.2",
        "protocols": ("grpc",),
        "connections": {"grpc": grpc},
        "levels": {"naming": "info", "store": "info"},
        "memory": {"heap_in_use": 100, "releasable": 10, "sys": 0},
    }
    return Node(name, **{**told, **changes})


def report(*nodes: Node, generated: str = "2026-01-01T00:00:00Z") -> dict[str, Any]:
    fleet = Fleet(nodes, generated)
    return report_of(fleet, warnings_of(fleet))


def test_nothing_has_changed() -> None:
    now = report(node("a"), node("b"))
    changes = changes_of(now, report(node("a"), node("b")))
    assert changes.pop("since") == "2026-01-01T00:00:00Z"
    figures = changes.pop("figures")
    assert all(each["before"] == each["now"] for each in figures.values())
    assert not any(changes.values())


def test_nodes_that_came_and_went() -> None:
    changes = changes_of(report(node("a"), node("c")), report(node("a"), node("b")))
    assert (changes["nodes_came"], changes["nodes_gone"]) == (["c"], ["b"])


def test_figures_of_the_fleet_and_of_each_node() -> None:
    changes = changes_of(report(node("a", 150), node("b")), report(node("a"), node("b")))
    assert changes["figures"]["connections"] == {"before": 200, "now": 250}
    assert changes["connections"] == {"a": {"before": 100, "now": 150}}
    assert changes["memory"] == {}


def test_levels_versions_and_states_that_changed() -> None:
    now = report(node("a", levels={"naming": "debug", "store": "info"}), node("b", version="v1.19.0"), Node("c"))
    changes = changes_of(now, report(node("a"), node("b"), node("c")))
    assert changes["levels"] == [{"node": "a", "scope": "naming", "before": "info", "now": "debug"}]
    assert changes["versions"]["b"] == {"before": "v1.18.1", "now": "v1.19.0"}
    assert changes["status"] == {"c": {"before": "ok", "now": "failed"}}


def test_levels_that_were_not_read_before_did_not_change() -> None:
    assert changes_of(report(node("a")), report(node("a", levels=None)))["levels"] == []


def test_findings_are_new_and_gone_by_their_place() -> None:
    before = report(node("a", protocols=()), node("b"))
    now = report(node("a"), node("b", protocols=()))
    changes = changes_of(now, before)
    assert [(entry["id"], entry["where"]) for entry in changes["warnings_new"]] == [("limits_off", ["b"])]
    assert [(entry["id"], entry["where"]) for entry in changes["warnings_gone"]] == [("limits_off", ["a"])]


@pytest.mark.parametrize(
    ("now", "gone", "unchecked"),
    [
        ({"a": "asked", "b": "asked"}, ["default_password"], []),
        ({"a": "asked", "b": "not probed"}, [], ["default_password"]),
        ({"a": "asked"}, [], ["default_password"]),
        ({"a": "asked", "b": "down"}, [], ["default_password"]),
    ],
)
def test_a_finding_that_was_not_checked_again_is_not_gone(
    now: dict[str, str], gone: list[str], unchecked: list[str]
) -> None:
    probes = {"asked": Probes(False, False, False), "not probed": Probes()}
    before = report(node("a"), node("b", probes=Probes(False, False, True)))
    later = report(*(Node(name) if how == "down" else node(name, probes=probes[how]) for name, how in now.items()))
    changes = changes_of(later, before)
    assert [entry["id"] for entry in changes["warnings_gone"]] == gone
    assert [(entry["id"], entry["where"]) for entry in changes["warnings_unchecked"]] == [
        (each, ["b"]) for each in unchecked
    ]


def test_a_finding_is_gone_if_only_something_else_of_its_node_was_not_read() -> None:
    """Up to v1.14.1, no node shows its heartbeats."""
    failed = (Failure("heartbeats", "server", "no answer"),)
    before = report(node("a", pprof=True, failures=failed), node("b", version="v1.19.0"), node("c"))
    changes = changes_of(report(node("a", pprof=False, failures=failed), node("b"), node("c")), before)
    assert [entry["id"] for entry in changes["warnings_gone"]] == ["pprof_open", "mixed_versions"]
    unread = changes_of(report(node("a", pprof=None, failures=failed), node("b"), Node("c")), before)
    assert [entry["id"] for entry in unread["warnings_unchecked"]] == ["pprof_open", "mixed_versions"]


@pytest.mark.parametrize(
    ("changed", "gone"),
    [({}, True), ({"limit": "a"}, False), ({"namespace": ""}, False), ({"service": "other"}, False)],
)
def test_overdue_instances_are_gone_only_if_all_nodes_were_asked_for_them(changed: dict[str, Any], gone: bool) -> None:
    late = {"id": "i", "namespace": "default", "service": "pay", "host": "10.0.0.1", "port": 1, "found": True}
    late = {**late, "overdue": True, "age_seconds": 99, "ttl": 5, "health_check": True, "last_heartbeat": "x"}
    told = Fleet((node("a", heartbeats=(late,)),), "", namespace="default")
    fleet = Fleet((node("a", heartbeats=()),), "", **{"namespace": "default", **changed})
    changes = changes_of(report_of(fleet, warnings_of(fleet)), report_of(told, warnings_of(told)))
    found = changes["warnings_gone" if gone else "warnings_unchecked"]
    assert [(entry["id"], entry["where"]) for entry in found] == [("overdue_heartbeats", ["pay 10.0.0.1:1"])]


def test_a_report_survives_its_file() -> None:
    written = report(node("a"))
    assert earlier_report(json.dumps(written), "r.json", ["a", "z"]) == written


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("", "is not the JSON file of a fleet report"),
        ("<html>", "is not the JSON file of a fleet report"),
        ("[]", "is not the JSON file of a fleet report"),
        ('{"nodes": [], "schema": 1}', f"has schema 1, and this version of the collection reads schema {SCHEMA}"),
        (json.dumps({"schema": SCHEMA, "nodes": [{"name": "x"}]}), "is a report of another fleet"),
        (json.dumps({"schema": SCHEMA, "nodes": []}), "is not the JSON file of a fleet report"),
        (json.dumps({"schema": SCHEMA, "nodes": ["a"]}), "is not the JSON file of a fleet report"),
        (json.dumps({"schema": SCHEMA, "nodes": [{"name": "a"}]}), "is not the JSON file of a fleet report"),
        ("[" * 100_000, "is not the JSON file of a fleet report"),
    ],
)
def test_what_cannot_be_compared_is_refused_in_a_sentence(text: str, expected: str) -> None:
    with pytest.raises(ValueError, match=rf"^compare: r.json {expected}"):
        earlier_report(text, "r.json", ["a"])


@pytest.mark.parametrize("damage", [{"warnings": [1]}, {"warnings": [{}]}, {"summary": {"connections": "many"}}])
def test_a_damaged_report_is_refused(damage: dict[str, Any]) -> None:
    text = json.dumps({**report(node("a")), **damage})
    with pytest.raises(ValueError, match="is not the JSON file of a fleet report"):
        earlier_report(text, "r.json", ["a"])
