# Copyright (c) 2026, PolarisMesh Maintenance contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""conn_drain: what is closed, when nothing is closed, and the summary."""

from __future__ import annotations

from typing import Any

import pytest

from ansible_collections.polarismesh.maintenance.plugins.plugin_utils._plans import drain
from ansible_collections.polarismesh.maintenance.plugins.plugin_utils._rebalance import RefusedError
from ansible_collections.polarismesh.maintenance.plugins.plugin_utils._summaries.conn_drain import (
    NOT_COUNTED,
    summarize,
)
from ansible_collections.polarismesh.maintenance.plugins.plugin_utils._summary import Node, Run, Summary

CLIENT = "10.9.9.9"
GIVEN = {"protocol": "grpc", "client_host": CLIENT, "max_connections": None, "drain_node": False}
UNREACHABLE = {"unreachable": True, "failed": False, "changed": False, "msg": "Failed to connect by ssh"}


def connections(*ports: int) -> list[dict[str, Any]]:
    return [{"protocol": "grpc", "host": CLIENT, "port": port} for port in ports]


def node(
    number: int, *ports: int, nodes: tuple[str, ...] | None = ("10.0.0.1",), client: str = CLIENT, **results: Any
) -> Node:
    """A node where the client has connections from these ports, and that lists the nodes of its cluster."""
    counted = {
        "url": f"http://10.0.0.{number}:8090",
        "limit_enabled": True,
        "stats": [{"host": client, "actives": [f"{client}:{port}" for port in ports]}],
        "node_hosts": None if nodes is None else list(nodes),
    }
    return Node(f"node{number}", {"polaris_counted": counted, **results})


def run(*nodes: Node, check_mode: bool = False, **given: Any) -> Run:
    return Run(nodes, check_mode, {**GIVEN, **given})


# --- the plan --------------------------------------------------------------------------------------------------------


def test_exactly_what_was_counted_is_closed_node_by_node() -> None:
    plan = drain(run(node(1, 80, 81), node(2), node(3, 90)))
    assert plan["close"] == {"node1": connections(80, 81), "node3": connections(90)}


@pytest.mark.parametrize(("limit", "refused"), [(3, False), (2, True), (0, True), (None, False)])
def test_too_many_in_all(limit: int | None, refused: bool) -> None:
    of = run(node(1, 80, 81), node(2, 90), max_connections=limit)
    if not refused:
        assert drain(of)["count"] == 3
        return
    with pytest.raises(RefusedError, match=rf"3 connections are open, and max_connections allows {limit}. Nothing"):
        drain(of)


def test_no_connections_are_never_too_many() -> None:
    assert drain(run(node(1), max_connections=0))["close"] == {}


@pytest.mark.parametrize(
    ("given", "nodes", "refused"),
    [
        ({}, [CLIENT], True),
        ({"drain_node": True}, [CLIENT], False),
        # Connections of other protocols are reopened.
        ({"protocol": "http"}, [CLIENT], False),
        ({}, ["10.0.0.1"], False),
        # No node is registered.
        ({}, [], False),
        # The address of a host of the run, although the cluster does not list it.
        ({"client_host": "10.0.0.2"}, ["10.0.0.1"], True),
        # 127.0.0.1 is the address of every machine.
        ({"client_host": "127.0.0.1"}, ["127.0.0.1"], False),
    ],
)
def test_a_node_of_the_cluster_is_refused_as_a_client(given: dict[str, Any], nodes: list[str], refused: bool) -> None:
    client = given.get("client_host", CLIENT)
    of = run(node(1, 80, nodes=tuple(nodes), client=client), node(2, nodes=tuple(nodes)), **given)
    if refused:
        with pytest.raises(RefusedError, match=r"is a node of this cluster.* Nothing was closed"):
            drain(of)
    else:
        assert drain(of)["count"] == 1


def test_one_node_that_lists_the_nodes_is_enough() -> None:
    with pytest.raises(RefusedError, match="is a node of this cluster"):
        drain(run(node(1, 80, nodes=None), node(2, nodes=("10.0.0.1", CLIENT))))


def test_where_no_node_lists_the_nodes_the_client_may_be_one() -> None:
    of = node(1, 80, nodes=None)
    with pytest.raises(RefusedError, match=r"No node lists the nodes of the cluster.* Nothing was closed"):
        drain(run(of))
    assert drain(run(of, drain_node=True))["count"] == 1
    assert drain(run(of, protocol="http"))["count"] == 1
    assert drain(run(node(1, nodes=None)))["count"] == 0


@pytest.mark.parametrize("lost", [UNREACHABLE, {"failed": True, "msg": "no"}, {}])
def test_a_node_that_could_not_be_counted_is_not_in_the_plan(lost: dict[str, Any]) -> None:
    gone = Node("node2", {"polaris_counted": lost} if lost else {})
    assert drain(run(node(1, 80), gone))["close"] == {"node1": connections(80)}


# --- the summary -----------------------------------------------------------------------------------------------------


def summary(*nodes: Node, plan: Any = None, check_mode: bool = False, **given: Any) -> Summary:
    """The summary for the plan from these nodes, or for the plan that is passed."""
    registered = {"plan": drain(run(*nodes, **given))} if plan is None else plan
    with_plan = [Node(each.name, {**each.results, "polaris_plan": registered}) for each in nodes]
    return summarize(run(*with_plan, check_mode=check_mode, **given))


def texts(of: Summary) -> list[str]:
    return [line.text for line in of.lines]


def test_what_was_closed_and_where_none_was_open() -> None:
    of = summary(
        node(1, 80, 81, polaris_closed={"connections": connections(80, 81)}),
        node(2),
        node(3),
    )
    assert texts(of) == [
        f"Polaris connections of {CLIENT} (grpc): closed 2 on 1 of 3 nodes",
        "closed on node1: 2 (ports 80, 81)",
        "none open on 2 (node2, node3)",
        NOT_COUNTED,
    ]
    assert of.data["closed"] == {"node1": [80, 81]}
    assert not any(line.failure for line in of.lines)


def test_check_mode_says_would_close() -> None:
    of = summary(node(1, 80, polaris_closed={"connections": connections(80)}), check_mode=True)
    assert texts(of)[0].endswith("(check mode: nothing was closed): would close 1 on 1 of 1 node")


@pytest.mark.parametrize("lost", [UNREACHABLE, {"failed": True, "msg": "boom"}, None])
def test_a_node_lost_between_count_and_close_is_not_a_client_that_left(lost: dict[str, Any] | None) -> None:
    registered: dict[str, Any] = {} if lost is None else {"polaris_closed": lost}
    of = summary(node(1, 80, **registered), node(2))
    assert f"FAILED on node1: {(lost or {}).get('msg', 'no answer')}" in texts(of)
    assert not any("ended by the client" in text for text in texts(of))
    assert of.data["count"] == 0
    assert list(of.data["failed"]) == ["node1"]


def test_what_the_client_ended_itself_was_not_closed() -> None:
    of = summary(node(1, 80, polaris_closed={"connections": []}))
    assert "ended by the client itself on node1: 1 (port 80)" in texts(of)
    assert of.data["count"] == 0


def test_what_is_still_listed_is_reported() -> None:
    of = summary(node(1, 80, polaris_closed={"connections": connections(80), "remaining": connections(80)}))
    assert "STILL LISTED on node1: 1 (port 80)" in texts(of)
    many = {"connections": connections(80), "remaining": connections(80)}
    of = summary(*(node(number, 80, polaris_closed=many) for number in range(1, 12)))
    each = ", ".join(f"node{number} 1" for number in range(1, 12))
    assert texts(of)[1:3] == [f"closed: {each}", f"STILL LISTED: {each}"]


def test_a_refusal_and_what_is_open() -> None:
    refusal = {"failed": True, "msg": "2 connections are open, and max_connections allows 1. Nothing was closed."}
    of = summary(node(1, 80), node(2, 81), node(3), plan=refusal)
    assert texts(of)[:3] == [
        f"Polaris connections of {CLIENT} (grpc): closed 0 on 0 of 3 nodes",
        f"REFUSED: {refusal['msg']}",
        "open: node1 1, node2 1",
    ]
    assert NOT_COUNTED not in texts(of)
    assert of.data["refused"] == refusal["msg"]
    assert of.data["open"] == {"node1": 1, "node2": 1}


def test_a_result_of_an_earlier_import_of_the_playbook_counts_for_nothing() -> None:
    stale = {"connections": connections(80)}
    of = summary(
        node(1, polaris_closed=stale), Node("node2", {"polaris_counted": UNREACHABLE, "polaris_closed": stale})
    )
    assert of.data["closed"] == {}
    assert "none open on 1 (node1)" in texts(of)


def test_equal_failures_are_one_line() -> None:
    lost = [Node(f"n{number}", {"polaris_counted": UNREACHABLE}) for number in range(57)]
    failed = [text for text in texts(summary(*lost)) if text.startswith("FAILED")]
    assert len(failed) == 1
    assert failed[0].startswith("FAILED on 57 (n0, n1, ")


def test_on_many_nodes_the_closed_connections_are_one_line() -> None:
    nodes = [node(number, 80, polaris_closed={"connections": connections(80)}) for number in range(1, 12)]
    assert texts(summary(*nodes))[1:] == [
        "closed: " + ", ".join(f"node{number} 1" for number in range(1, 12)),
        NOT_COUNTED,
    ]


def test_what_is_not_counted_is_said_wherever_grpc_was_counted() -> None:
    """An SDK client also has connections to config-grpc. They stay open, whatever was closed."""
    closed = node(1, 80, polaris_closed={"connections": connections(80)})
    assert NOT_COUNTED in texts(summary(closed))
    assert NOT_COUNTED not in texts(summary(closed, protocol="http"))
    assert NOT_COUNTED not in texts(summary(Node("node1", {"polaris_counted": UNREACHABLE})))


def test_a_node_that_does_not_count_has_failed_with_the_way_to_count() -> None:
    result = {"url": "http://10.0.0.1:8090", "protocol": "grpc", "limit_enabled": False, "hint": "Switch it on."}
    of = summary(Node("node1", {"polaris_counted": {**result, "failed": True}}), node(2))
    assert "FAILED on node1: http://10.0.0.1:8090 does not count the connections of 'grpc'. Switch it on." in texts(of)
