# Copyright (c) 2026, PolarisMesh Maintenance contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""memory_incident: which nodes are large, and what the summary says about their profiles and memory."""

from __future__ import annotations

import subprocess
from typing import Any

import pytest

from ansible_collections.polarismesh.maintenance.plugins.action.polaris_incident import profiles
from ansible_collections.polarismesh.maintenance.plugins.plugin_utils._summaries.memory_incident import summarize
from ansible_collections.polarismesh.maintenance.plugins.plugin_utils._summary import Node, Run, Summary

GIB = 1024**3
GIVEN = {"dest": "/tmp/incident", "min_size": "1G"}
MOMENT = "20260101T120000Z"
GONE = {"unreachable": True, "failed": False, "changed": False, "msg": "Failed to connect by ssh"}
FREED = {"released": GIB, "memory_before": {"heap": 3 * GIB}, "memory_after": {"heap": 2 * GIB}}


def memory(heap: float | None) -> dict[str, int] | None:
    return None if heap is None else {"heap": int(heap * GIB)}


def saved(name: str, heap: float | None, **failure: Any) -> dict[str, Any]:
    files = profiles(memory(heap), "1G", name, MOMENT)
    done = [] if failure else list(files.values())
    return {"memory": memory(heap), "files": files, "folder": "/tmp/incident", "saved": done, **failure}


def node(name: str, heap: float | None, **results: Any) -> Node:
    return Node(name, {"polaris_saved": saved(name, heap), **results})


def summary(*nodes: Node, check_mode: bool = False) -> Summary:
    return summarize(Run(nodes, check_mode, GIVEN))


def texts(of: Summary) -> list[str]:
    return [line.text for line in of.lines]


@pytest.mark.parametrize(("heap", "large"), [(1, True), (0.99, False), (None, False)])
def test_large_is_at_least_the_size_and_without_figures_nothing_is_large(heap: float | None, large: bool) -> None:
    files = {"heap": "a-heap-20260101T120000Z.pb.gz", "goroutine": "a-goroutine-20260101T120000Z.pb.gz"}
    assert profiles(memory(heap), "1G", "a", MOMENT) == (files if large else {})


def test_a_name_of_a_node_is_not_a_path() -> None:
    assert profiles(memory(2), "1G", "../x/é", MOMENT)["heap"] == "..%2Fx%2Fé-heap-20260101T120000Z.pb.gz"


def test_two_nodes_never_share_a_file() -> None:
    names = ["北京", "上海", "a b", "a_b", "a:b", "a%20b"]
    files = {profiles(memory(2), "1G", name, MOMENT)["heap"] for name in names}
    assert len(files) == len(names)
    assert "北京-heap-20260101T120000Z.pb.gz" in files


def test_what_was_saved_and_freed_and_what_was_left_alone() -> None:
    of = summary(node("a", 3, polaris_freed=FREED), node("b", 0.5), node("c", None))
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
    lines = texts(summary(node("a", 3, polaris_freed=FREED), check_mode=True))
    assert lines[0].startswith("Polaris memory incident (check mode: nothing was saved or freed): 1 of 1 node ")
    assert lines[1].startswith("would free on a: 1.0 GiB would be returned")
    assert lines[2].startswith("profiles would be in /tmp/incident")


def test_a_node_whose_profiles_are_not_saved_was_not_freed() -> None:
    of = summary(node("a", 3, polaris_saved=saved("a", 3, failed=True, msg="cut")))
    assert "FAILED on a: profiles not saved, nothing was freed: cut" in texts(of)
    assert not any(".pb.gz" in text for text in texts(of))
    assert of.data["profiles"] == of.data["freed"] == {}
    half = saved("a", 3, failed=True, msg="cut", saved=["a-heap.pb.gz"])
    line = "FAILED on a: only a-heap.pb.gz is saved, nothing was freed: cut"
    assert line in texts(summary(node("a", 3, polaris_saved=half)))


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
    of = summary(node("a", 3, **({} if freed is None else {"polaris_freed": freed})))
    assert line in texts(of)
    assert of.data["released"] == 0
    assert any(".pb.gz" in text for text in texts(of))


def test_a_node_that_could_not_be_read_says_why() -> None:
    of = summary(Node("a", {"polaris_saved": GONE}), node("b", 0.5))
    assert "FAILED on a: Failed to connect by ssh" in texts(of)


def test_how_much_was_returned_may_be_unknown() -> None:
    unknown = {"released": None, "memory_before": None, "memory_after": None}
    of = summary(node("a", 3, polaris_freed=unknown))
    assert "freed on a: its heap took 3.0 GiB; how much was returned is unknown" in texts(of)


def test_many_nodes_share_their_lines_and_every_file_is_named() -> None:
    unknown = {"released": None, "memory_before": None, "memory_after": None}
    names = ["fd00::1", *(f"node{number}" for number in range(2, 13))]
    of = summary(*(node(name, 3, polaris_freed=unknown if name == "node2" else FREED) for name in names))
    lines = texts(of)
    each = ", ".join(f"{name} 1.0 GiB" for name in names if name != "node2")
    assert lines[1:3] == [f"freed on 11: {each}", "freed on 1 (node2): how much was returned is unknown"]
    assert len(lines) == 5
    expanded = subprocess.run(["bash", "-c", f"printf '%s\n' {lines[4]}"], capture_output=True, text=True, check=True)
    files = [file for saved_there in of.data["profiles"].values() for file in saved_there.values()]
    assert sorted(expanded.stdout.split()) == sorted(files)
    assert len(files) == 24
