# Copyright (c) 2026, PolarisMesh Maintenance contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The summary of debug_window: who is restored, and who goes on where a node is not."""

from __future__ import annotations

from typing import Any

import pytest

from ansible_collections.polarismesh.maintenance.plugins.plugin_utils._summaries.debug_window import (
    SUMMARY,
    is_raised,
    without_switch,
)
from ansible_collections.polarismesh.maintenance.plugins.plugin_utils._summary import Node, Run

PLANNED = {"previous": {"naming": "info"}, "levels": {"naming": "debug"}, "url": "http://10.0.0.1:8090"}
LOST = {"failed": True, "msg": "the host could not be reached"}
ANSWER = {"changed": True}


def node(name: str, **results: Any) -> Node:
    return Node(name, {"polaris_planned": PLANNED, "polaris_raised": ANSWER, **results})


def lines(*nodes: Node) -> list[str]:
    return [line.text for line in SUMMARY.summarize(Run(nodes)).lines]


def test_a_node_that_stays_raised_is_named_with_who_restores_it_later() -> None:
    """The job on it, the process that watches, or whoever runs the command."""
    switch = {"name": "5d41", "until": "2026-11-26T04:00:00Z"}
    watched = {"released": False, "left": ["b"]}
    found = lines(
        node("a", polaris_restored=LOST, polaris_raised={"switch": switch}, polaris_released=watched),
        node("b", polaris_restored=LOST, polaris_released=watched, polaris_watch={"pid": 4711}),
        node("c", polaris_restored=LOST, polaris_released=watched),
        node("d", polaris_restored=ANSWER),
    )
    runbook = "ansible-playbook polarismesh.maintenance.log_level"
    by_hand = f'Restore it with: {runbook} -e \'{{"levels": {{"naming": "info"}}}}\' --limit'
    assert found[1:] == [
        "restored on 1 (d)",
        f"STILL RAISED on a: {LOST['msg']}. The job on the node restores it at {switch['until']}. {by_hand} a",
        f"STILL RAISED on b: {LOST['msg']}. Process 4711 on this machine tries again after the play. {by_hand} b",
        f"STILL RAISED on c: {LOST['msg']}. {by_hand} c",
    ]


@pytest.mark.parametrize("late", [{"unknown_scopes": ["naming"]}, {"outcome_unknown": True}])
def test_a_change_that_the_server_may_still_make_is_not_over(late: dict[str, Any]) -> None:
    """It had not answered in time, or the host was lost, so it may set the level after the restore."""
    raised = {**LOST, **late}
    lost = node("a", polaris_raised=raised, polaris_restored=ANSWER, polaris_released={"left": ["a"]})
    assert is_raised(lost)
    assert [text for text in lines(lost) if text.startswith("restored")] == []
    assert any(text.startswith("MAY BE RAISED on a: ") and '{"naming": "info"}' in text for text in lines(lost))


def test_nodes_without_a_switch_are_one_line_for_each_reason() -> None:
    missing = [node(name, polaris_raised={"switch": {"missing": "no pipelining"}}) for name in "ab"]
    with_one = node("c", polaris_raised={"switch": {"name": "5d41", "until": ""}})
    assert without_switch([*missing, with_one, node("d")]) == [
        "If this play is killed or loses its network, the levels stay raised on 2 (a, b): no pipelining"
    ]
