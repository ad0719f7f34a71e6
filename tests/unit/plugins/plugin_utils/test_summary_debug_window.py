# Copyright (c) 2026, PolarisMesh Maintenance contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The summary of debug_window: who is restored, and who goes on where a node is not."""

from __future__ import annotations

import json
import shlex
from typing import Any

import pytest

from ansible_collections.polarismesh.maintenance.plugins.plugin_utils._summaries.debug_window import (
    SUMMARY,
    before_wait,
    is_late,
    is_raised,
    overtime,
)
from ansible_collections.polarismesh.maintenance.plugins.plugin_utils._summary import Node, Run

PLAN = {"levels": {"naming": "info"}, "set": {"naming": "debug"}, "url": "http://10.0.0.1:8090"}
LOST = {"failed": True, "msg": "the host could not be reached"}
ANSWER = {"changed": True, "plan": PLAN}


def node(name: str, **results: Any) -> Node:
    return Node(name, {"polaris_raised": ANSWER, **results})


def lines(*nodes: Node) -> list[str]:
    return [line.text for line in SUMMARY.summarize(Run(nodes)).lines]


def test_a_node_that_stays_raised_is_named_with_who_restores_it_later() -> None:
    """The job on it, the process that watches, or whoever runs the command."""
    switch = {"name": "5d41", "until": "2026-11-26T04:00:00Z"}
    watched = {"released": False, "left": ["b"]}
    found = lines(
        node("a", polaris_restored=LOST, polaris_raised={**ANSWER, "switch": switch}, polaris_released=watched),
        node("b", polaris_restored=LOST, polaris_released=watched, polaris_watch={"pid": 4711}),
        node("c", polaris_restored=LOST, polaris_released=watched),
        node("d", polaris_restored=ANSWER),
    )
    runbook = "Restore it with: ansible-playbook polarismesh.maintenance.log_level"
    by_hand = {
        name: f"{runbook} -e '{json.dumps({'levels': {'naming': 'info'}, 'target': name})}'" for name in ("a", "b", "c")
    }
    assert found[1:] == [
        "restored on 1 (d)",
        f"STILL RAISED on a: {LOST['msg']}. The job on the node restores it at {switch['until']}. {by_hand['a']}",
        f"STILL RAISED on b: {LOST['msg']}. Process 4711 on this machine tries again after the play. {by_hand['b']}",
        f"STILL RAISED on c: {LOST['msg']}. {by_hand['c']}",
    ]


def test_a_shell_understands_the_remedy_for_every_name() -> None:
    (command,) = (line for line in lines(node("o'neil 北", polaris_restored=LOST)) if "STILL RAISED" in line)
    words = shlex.split(command.partition("Restore it with: ")[2])
    assert words[:3] == ["ansible-playbook", "polarismesh.maintenance.log_level", "-e"]
    assert json.loads(words[3])["target"] == "o'neil 北"


def test_a_node_that_did_not_answer_may_be_raised() -> None:
    found = lines(
        node("a", polaris_raised={**LOST, "plan": PLAN}, polaris_restored=LOST),
        node(
            "b", polaris_raised={**LOST, "plan": PLAN, "changed": True, "outcome_unknown": True}, polaris_restored=LOST
        ),
        node("c", polaris_raised={**LOST, "plan": PLAN, "changed": True}, polaris_restored=LOST),
    )
    assert [text.partition(" on ")[0] for text in found[1:4]] == ["MAY BE RAISED", "MAY BE RAISED", "STILL RAISED"]


def test_a_change_that_the_server_may_still_make_is_not_over() -> None:
    """It had not answered in time, so it may set the level after the restore."""
    late = node("a", polaris_restored={**ANSWER, "late": True}, polaris_released={"left": ["a"]})
    assert is_raised(late)
    assert [text for text in lines(late) if text.startswith("restored")] == []
    assert any(text.startswith("MAY BE RAISED on a: ") and '{"naming": "info"}' in text for text in lines(late))


def test_without_a_watch_the_results_are_those_of_an_earlier_window() -> None:
    """Nothing was raised in this one."""
    refused = {"failed": True, "msg": "the process could not be started"}
    found = lines(node("a", polaris_watch=refused, polaris_restored={"changed": False}))
    assert found[1:] == ["never raised on 1 (a)", "FAILED on a: the process could not be started"]


def test_a_node_without_any_result_is_known_from_the_journal() -> None:
    """Its host was lost in the raise, and again in the restore."""
    released = {"left": [], "plans": {"a": PLAN}}
    lost = Node("a", {"polaris_raised": LOST, "polaris_restored": LOST, "polaris_released": released})
    assert any(text.startswith("MAY BE RAISED on a: ") and '{"naming": "info"}' in text for text in lines(lost))


@pytest.mark.parametrize("result", [{"unknown_scopes": ["naming"]}, {"outcome_unknown": True}])
def test_a_raise_without_an_answer_is_late(result: dict[str, Any]) -> None:
    assert is_late({**LOST, **result})
    assert not is_late({**LOST, "unknown_scopes": []})


def test_a_node_that_was_restored_before_the_play_came_to_it_is_named() -> None:
    """The job there did not hear that the window is open, and may have ended it early."""
    found = lines(node("a", polaris_restored={**ANSWER, "changed": False}), node("b", polaris_restored=ANSWER))
    assert found[1:] == [
        "restored on 2 (a, b)",
        "already restored on 1 (a), by the job there or by somebody else",
    ]
    deaf = {"switch": {"name": "5d41", "until": "early", "ends": 99, "missing": "it is not running"}}
    assert before_wait([node("a", polaris_raised=deaf)], 100) == [
        "The job there restores the levels up to 1 s before the window ends on a: it is not running"
    ]
    assert before_wait([node("a", polaris_raised=deaf)], 98) == []


def ending(name: str, ends: float, **result: Any) -> Node:
    return node(name, polaris_raised={**result, "switch": {"name": name * 4, "until": "", "ends": ends}})


def test_a_node_that_is_restored_before_the_end_of_the_window_is_named() -> None:
    """The play took long to raise the others. Each has had the levels for the seconds of the window by then."""
    missing = node("c", polaris_raised={"switch": {"missing": "no pipelining"}})
    assert before_wait([ending("a", 100), ending("b", 150), node("d")], 100) == []
    failed = ending("e", 1, failed=True, msg="disk full")
    assert before_wait([ending("a", 99.5), ending("b", 73.8), missing, ending("d", 100), failed], 100)[1:] == [
        (
            "The job there restores the levels up to 27 s before the window ends on 2 (a, b): the play took too long "
            "to contact the other nodes"
        )
    ]


def test_a_job_that_is_known_to_be_gone_restores_nothing() -> None:
    """And no other one could be started on the node."""
    raised = node("a", polaris_raised={**ANSWER, "switch": {"name": "5d41", "missing": "no space"}})
    assert before_wait([raised], 100) == [
        "If this play is killed or loses its network, the levels stay raised on a: no space"
    ]
    lost = node("a", polaris_raised=raised.result("polaris_raised"), polaris_restored=LOST)
    assert not any("The job on the node restores it" in text for text in lines(lost))


def test_a_job_waits_for_the_rounds_of_nodes_after_its_own() -> None:
    """Not longer than 5 s where there is one round of a few nodes."""
    assert [overtime(position, 6, 2, 1) for position in range(6)] == [24, 24, 14, 14, 4, 4]
    assert [overtime(position, 5, 2, 1) for position in range(5)] == [24, 24, 14, 14, 4]
    assert [overtime(0, hosts, 100, 1) for hosts in (1, 3, 7, 61, 100, 200)] == [4, 4, 5, 19, 29, 39]


def test_a_job_waits_longer_where_the_rounds_before_were_slow() -> None:
    """30 s for two rounds: with half as much again, 23 s for the one that is left."""
    assert overtime(3, 6, 2, 30) == 4 + 23
    assert overtime(5, 6, 2, 90) == 4


def test_nodes_without_a_switch_are_one_line_for_each_reason() -> None:
    missing = [node(name, polaris_raised={"switch": {"missing": "no pipelining"}}) for name in "ab"]
    with_one = node("c", polaris_raised={"switch": {"name": "5d41", "until": ""}})
    assert before_wait([*missing, with_one, node("d")], 100) == [
        "If this play is killed or loses its network, the levels stay raised on 2 (a, b): no pipelining"
    ]
