# Copyright (c) 2026, PolarisMesh Maintenance contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""memory_incident: which nodes are large, and what the summary says about their profiles and memory."""

from __future__ import annotations

from typing import Any

import pytest

from ansible_collections.polarismesh.maintenance.plugins.plugin_utils._plans import incident
from ansible_collections.polarismesh.maintenance.plugins.plugin_utils._summaries.memory_incident import summarize
from ansible_collections.polarismesh.maintenance.plugins.plugin_utils._summary import Node, Run, Summary

GIB = 1024**3
GIVEN = {"dest": "/tmp/incident", "min_size": "1G", "moment": "20260101T120000Z"}
GONE = {"unreachable": True, "failed": False, "changed": False, "msg": "Failed to connect by ssh"}
SAVED = {"results": [{"changed": True}, {"changed": True}]}
FREED = {"released": GIB, "memory_before": {"heap": 3 * GIB}, "memory_after": {"heap": 2 * GIB}}


def node(name: str, heap: float | None, connection: str = "local", **results: Any) -> Node:
    looked = {"memory": None if heap is None else {"heap": int(heap * GIB)}}
    return Node(name, {"polaris_memory": looked, "ansible_connection": connection, **results})


def summary(*nodes: Node, check_mode: bool = False) -> Summary:
    plan = {"plan": incident(Run(nodes, given=GIVEN))}
    planned = [Node(each.name, {**each.results, "polaris_plan": plan}) for each in nodes]
    return summarize(Run(planned, check_mode, GIVEN))


def texts(of: Summary) -> list[str]:
    return [line.text for line in of.lines]


def test_large_is_at_least_the_size_and_without_figures_nothing_is_large() -> None:
    plan = incident(Run([node("a", 1), node("b", 0.99), node("c", None), node("d", 5, "ssh")], given=GIVEN))
    assert plan["save"] == {"a": "save_profiles", "d": "save_profiles_by_ssh"}
    assert plan["files"]["a"] == {
        "heap": "a-heap-20260101T120000Z.pb.gz",
        "goroutine": "a-goroutine-20260101T120000Z.pb.gz",
    }


def test_a_name_of_a_node_is_not_a_path() -> None:
    plan = incident(Run([node("../x/é", 2)], given=GIVEN))
    assert plan["files"]["../x/é"]["heap"] == ".._x__-heap-20260101T120000Z.pb.gz"


def test_what_was_saved_and_freed_and_what_was_left_alone() -> None:
    of = summary(node("a", 3, polaris_saved=SAVED, polaris_freed=FREED), node("b", 0.5), node("c", None))
    assert texts(of) == [
        "Polaris memory incident: 1 of 3 nodes with a heap of 1G or more, 1.0 GiB returned to the system",
        "freed on a: 1.0 GiB returned, heap 3.0 GiB -> 2.0 GiB",
        "left alone, they show no memory figures: c",
        "left alone, smaller: b 512 MiB",
        "profiles are in /tmp/incident (go tool pprof -top FILE):",
        "  a-heap-20260101T120000Z.pb.gz  a-goroutine-20260101T120000Z.pb.gz",
    ]
    assert of.data["freed"] == {"a": GIB}


def test_check_mode_says_what_would_be() -> None:
    lines = texts(summary(node("a", 3, polaris_saved=SAVED, polaris_freed=FREED), check_mode=True))
    assert lines[0].startswith("Polaris memory incident (check mode: nothing was saved or freed): 1 of 1 node ")
    assert lines[1].startswith("would free on a: 1.0 GiB would be returned")
    assert lines[2].startswith("profiles would be in /tmp/incident")


@pytest.mark.parametrize("lost", [GONE, {"failed": True, "msg": "cut"}, None])
@pytest.mark.parametrize("at", ["polaris_place", "polaris_saved", "polaris_fetched"])
def test_a_node_lost_while_saving_has_no_profiles_and_was_not_freed(lost: dict[str, Any] | None, at: str) -> None:
    done: dict[str, Any] = {"polaris_place": {"path": "/tmp/x"}, "polaris_saved": SAVED, "polaris_fetched": SAVED}
    done[at] = lost
    of = summary(node("a", 3, "ssh", **done))
    reason = (lost or {}).get("msg", "no answer")
    assert f"FAILED on a: profiles not saved, nothing was freed: {reason}" in texts(of)
    assert not any(".pb.gz" in text for text in texts(of))
    assert of.data["profiles"] == of.data["freed"] == {}


def test_one_profile_of_two_is_not_saved() -> None:
    half = {"results": [{"changed": True}, {"unreachable": True, "msg": "lost"}]}
    assert "FAILED on a: profiles not saved, nothing was freed: lost" in texts(
        summary(node("a", 3, polaris_saved=half))
    )


@pytest.mark.parametrize(
    ("freed", "line"),
    [
        ({"failed": True, "msg": "no"}, "FAILED on a: profiles saved, nothing was freed: no"),
        ({"failed": True, "outcome_unknown": True, "msg": "late"}, "OUTCOME UNKNOWN on a: profiles saved: late"),
        (GONE, "OUTCOME UNKNOWN on a: profiles saved: Failed to connect by ssh"),
        (None, "FAILED on a: profiles saved, nothing was freed: no answer"),
    ],
)
def test_what_was_not_freed_for_certain_is_not_said_to_be(freed: dict[str, Any] | None, line: str) -> None:
    results = {"polaris_saved": SAVED} if freed is None else {"polaris_saved": SAVED, "polaris_freed": freed}
    of = summary(node("a", 3, **results))
    assert line in texts(of)
    assert of.data["released"] == 0
    assert any(".pb.gz" in text for text in texts(of))


def test_a_node_that_could_not_be_read_says_why() -> None:
    of = summary(Node("a", {"polaris_memory": GONE}), node("b", 0.5))
    assert "FAILED on a: Failed to connect by ssh" in texts(of)


def test_how_much_was_returned_may_be_unknown() -> None:
    unknown = {"released": None, "memory_before": None, "memory_after": None}
    of = summary(node("a", 3, polaris_saved=SAVED, polaris_freed=unknown))
    assert "freed on a: its heap took 3.0 GiB; how much was returned is unknown" in texts(of)


def test_check_mode_over_ssh_saves_nothing_and_fails_nothing() -> None:
    skipped = {"skipped": True, "changed": False}
    registered = {"polaris_place": skipped, "polaris_saved": SAVED, "polaris_fetched": skipped, "polaris_freed": FREED}
    of = summary(node("a", 3, "ssh", **registered), check_mode=True)
    assert not any(line.failure for line in of.lines)
    assert summary(node("a", 3, "ssh", **registered)).data["failed"]
