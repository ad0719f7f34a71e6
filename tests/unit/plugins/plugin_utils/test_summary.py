# Copyright (c) 2026, PolarisMesh Maintenance contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The common parts of all summaries of runbooks."""

from __future__ import annotations

from typing import Any

import pytest

from ansible_collections.polarismesh.maintenance.plugins.plugin_utils._summary import (
    Node,
    failures,
    grouped,
    is_answer,
    reason,
)

GOOD = {"changed": False, "levels": {}}


@pytest.mark.parametrize(
    ("result", "answer"),
    [
        (GOOD, True),
        ({**GOOD, "failed": False}, True),
        (None, False),
        ("text", False),
        ({"failed": True, "msg": "no"}, False),
        # ansible-core up to 2.20, then 2.21
        ({"unreachable": True, "msg": "no"}, False),
        ({"unreachable": True, "failed": False, "msg": "no"}, False),
        ({"skipped": True, "changed": False}, False),
        # with failed_when: false
        ({"failed": False, "failed_when_result": False, "msg": "no", "error": {"kind": "timeout"}}, False),
        ({"failed": False, "failed_when_result": False, "msg": "no", "exception": "Traceback"}, False),
        ({"changed": False, "results": [GOOD, GOOD]}, True),
        ({"changed": False, "results": [GOOD, {"unreachable": True}]}, False),
        ({"changed": False, "results": [GOOD, {"failed": True}]}, False),
    ],
)
def test_only_what_is_there_and_did_not_fail_is_an_answer(result: Any, answer: bool) -> None:
    assert is_answer(result) is answer


@pytest.mark.parametrize(
    ("result", "why"),
    [
        (None, "no answer"),
        ({"failed": True}, "no answer"),
        ({"failed": True, "msg": "too\r\n  late"}, "too late"),
        ({"unreachable": True, "msg": "Task failed: Failed to connect"}, "Failed to connect"),
        ({"failed": True, "msg": "One or more items failed", "results": [GOOD, {"failed": True, "msg": "b"}]}, "b"),
    ],
)
def test_a_reason_is_one_line(result: Any, why: str) -> None:
    assert reason(result) == why


def node(number: int) -> Node:
    return Node(f"node{number}", own=(f"http://10.0.0.{number}:8090", f"10.0.0.{number}"))


def test_equal_failures_are_one_line_whatever_the_node_is_called() -> None:
    reasons = {node(number): f"nothing listens at http://10.0.0.{number}:8090: start it" for number in (1, 2, 10)}
    reasons[node(3)] = "10.0.0.3 (node3) refused the token"
    reasons[node(4)] = "10.0.0.4 (node4) refused the token"
    reasons[node(5)] = "http://10.0.0.5:8090 answered 500"
    lines = failures("FAILED", reasons)
    assert [line.text for line in lines] == [
        "FAILED on 3 (node1, node2, node10): nothing listens at this node: start it",
        "FAILED on 2 (node3, node4): this node (node3) refused the token",
        "FAILED on node5: http://10.0.0.5:8090 answered 500",
    ]
    assert all(line.failure for line in lines)


def test_another_address_in_a_reason_is_another_reason() -> None:
    """10.0.0.1 does not match in 10.0.0.11, and a node that is called `a` does not match the word in a sentence."""
    reasons = {Node("a", own=("10.0.0.1",)): "a proxy at 10.0.0.11 refused", Node("b"): "a proxy at 10.0.0.11 refused"}
    assert len(failures("FAILED", {**reasons, Node("c", own=("10.0.0.11",)): "a proxy at 10.0.0.11 refused"})) == 3
    lines = failures("FAILED", {Node("a"): "a proxy refused a", Node("b"): "b proxy refused b"})
    assert [line.text for line in lines] == ["FAILED on 2 (a, b): a proxy refused a"]


def test_groups() -> None:
    assert grouped([(node(1), "x"), (node(2), "y"), (node(3), "x")]) == {"x": ["node1", "node3"], "y": ["node2"]}
