# Copyright (c) 2026, PolarisMesh Maintenance contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""conn_rebalance: from the nodes' answers to the plan, and the summary."""

from __future__ import annotations

from typing import Any

import pytest

from ansible_collections.polarismesh.maintenance.plugins.plugin_utils._plans import rebalance, rebalance_hosts
from ansible_collections.polarismesh.maintenance.plugins.plugin_utils._rebalance import RefusedError
from ansible_collections.polarismesh.maintenance.plugins.plugin_utils._summaries.conn_rebalance import summarize
from ansible_collections.polarismesh.maintenance.plugins.plugin_utils._summary import Node, Run, Summary

GIVEN = {
    "protocol": "grpc",
    "tolerance": 0.1,
    "max_share": 0.2,
    "spare_hosts": [],
    "fleet_size": None,
    "settle_seconds": 0,
}
UNREACHABLE = {"unreachable": True, "failed": False, "changed": False, "msg": "Failed to connect by ssh"}
# As `failed_when: false` leaves it.
TOLERATED = {"failed": False, "failed_when_result": False, "msg": "no", "error": {"kind": "timeout"}}


def said(number: int, count: int, **changes: Any) -> dict[str, Any]:
    """The result of polaris_conn_info there, with this many clients with one connection each."""
    actives = [f"10.9.{client // 250}.{client % 250}:80" for client in range(count)]
    stats = [{"host": active.partition(":")[0], "actives": [active]} for active in actives]
    return {
        "url": f"http://10.0.0.{number}:8090",
        "limit_enabled": True,
        "hint": "",
        "stats": stats,
        "total": count,
        "node_hosts": None,
        **changes,
    }


def node(number: int, count: int, registered: int = 3, **results: Any) -> Node:
    node_hosts = [f"10.0.0.{other}" for other in range(1, registered + 1)]
    return Node(f"node{number}", {"polaris_before": said(number, count, node_hosts=node_hosts), **results})


def run(*nodes: Node, check_mode: bool = False, **given: Any) -> Run:
    return Run(nodes, check_mode, {**GIVEN, **given})


def summary(*nodes: Node, check_mode: bool = False, **given: Any) -> Summary:
    """The summary for the plan, or the refusal, from these nodes."""
    registered: dict[str, Any]
    try:
        registered = {"plan": rebalance(run(*nodes, check_mode=check_mode, **given))}
    except RefusedError as refused:
        registered = {"failed": True, "msg": str(refused)}
    planned = [Node(each.name, {**each.results, "polaris_plan": registered}) for each in nodes]
    return summarize(run(*planned, check_mode=check_mode, **given))


def texts(of: Summary) -> list[str]:
    return [line.text for line in of.lines]


def closed(count: int) -> dict[str, Any]:
    return {"connections": [{"protocol": "grpc", "host": "10.9.0.0", "port": port} for port in range(count)]}


def test_how_they_were_spread_and_what_was_closed() -> None:
    of = summary(node(1, 30, polaris_closed=closed(6)), node(2, 3), node(3, 0))
    assert texts(of) == [
        "Polaris connections (grpc): 3 nodes, 33 connections, 11.0 on average, up to 12.1 are tolerated",
        f"node1      30 {'#' * 20} closed 6 of a surplus of 19",
        "node2       3 ##",
        "node3       0",
        "closed 6; it takes about 7 runs like this",
    ]
    assert of.data["closed"] == {"node1": 6}
    assert of.data["before"] == {"node1": 30, "node2": 3, "node3": 0}


def test_a_second_look_shows_both() -> None:
    counted = {"changed": False, "counts": {"node1": 24, "node2": None}}
    of = summary(
        node(1, 30, polaris_closed=closed(6), polaris_counted_again=counted), node(2, 3), node(3, 0), settle_seconds=5
    )
    assert texts(of)[1:4] == [
        f"node1      30 {'#' * 20} ->      24 {'#' * 16}     closed 6 of a surplus of 19",
        f"node2       3 {'##':<20} ->       ? could not be read",
        f"node3       0 {'':<20} ->       ? not counted again",
    ]
    # The number of runs cannot be computed from part of the cluster: the plan's number stays.
    assert texts(of)[-1] == "closed 6; it takes about 7 runs like this"
    assert of.data["after"] == {"node1": 24}


@pytest.mark.parametrize("lost", [UNREACHABLE, TOLERATED])
def test_a_second_look_that_failed_shows_nothing(lost: dict[str, Any]) -> None:
    of = summary(
        node(1, 30, polaris_closed=closed(6), polaris_counted_again=lost), node(2, 3), node(3, 0), settle_seconds=5
    )
    assert texts(of)[-1] == "closed 6; it takes about 7 runs like this"
    assert of.data["after"] == {}


@pytest.mark.parametrize(
    ("count", "runs", "outlook"), [(11, 0, "no node has too many any more"), (30, 3, "it takes about 3 more runs")]
)
def test_a_second_look_at_all_nodes_shows_how_many_more_runs_it_takes(count: int, runs: int, outlook: str) -> None:
    counted = {"changed": False, "counts": {"node1": count, "node2": 11, "node3": 11}}
    of = summary(
        node(1, 30, polaris_closed=closed(6), polaris_counted_again=counted), node(2, 3), node(3, 0), settle_seconds=5
    )
    assert texts(of)[-1] == f"closed 6; {outlook}"
    assert of.data["runs"] == runs


def test_check_mode_looks_once_and_says_would_close() -> None:
    of = summary(node(1, 30, polaris_closed=closed(6)), node(2, 3), node(3, 0), check_mode=True, settle_seconds=5)
    assert "(check mode: nothing was closed)" in texts(of)[0]
    assert texts(of)[1].endswith("would close 6 of a surplus of 19")
    assert of.data["after"] is None


@pytest.mark.parametrize("lost", [UNREACHABLE, {"failed": True, "msg": "boom"}, None])
def test_a_node_that_did_not_close_is_a_failure(lost: dict[str, Any] | None) -> None:
    results: dict[str, Any] = {} if lost is None else {"polaris_closed": lost}
    lines = texts(summary(node(1, 30, **results), node(2, 3), node(3, 0)))
    assert lines[-2].startswith("closed 0 of 6 planned; ")
    assert lines[-1] == f"FAILED on node1: {(lost or {}).get('msg', 'no answer')}"


@pytest.mark.parametrize("lost", [UNREACHABLE, {"failed": True, "msg": "boom"}, None])
def test_a_node_that_could_not_be_read_refuses_all(lost: dict[str, Any] | None) -> None:
    gone = Node("node3", {} if lost is None else {"polaris_before": lost})
    of = summary(node(1, 30, polaris_closed=closed(6)), node(2, 3), gone)
    assert texts(of)[0] == "Polaris connections (grpc): 3 nodes, nothing was closed"
    assert texts(of)[1].startswith("REFUSED: 1 of 3 nodes could not be read, ")
    assert of.data["count"] == 0
    assert of.data["refused"] in texts(of)[1]


def test_a_node_that_does_not_count_refuses_all() -> None:
    uncounted = Node("node3", {"polaris_before": said(3, 0, limit_enabled=False, hint="Set connLimit.")})
    assert "does not count grpc (node3)" in texts(summary(node(1, 30), node(2, 3), uncounted))[1]


def test_an_even_cluster() -> None:
    of = summary(node(1, 5), node(2, 5), node(3, 5))
    assert texts(of)[-1] == "nothing to close: no node has too many"


def test_a_cluster_that_cannot_be_balanced_says_why() -> None:
    assert "it will not even out" in texts(summary(node(1, 4), node(2, 0), node(3, 0)))[-1]


def test_connections_of_the_nodes_are_not_counted_but_reported() -> None:
    stats = [{"host": "10.0.0.2", "actives": ["10.0.0.2:80", "10.0.0.2:81"]}]
    of = summary(
        Node("node1", {"polaris_before": said(1, 0, stats=stats, node_hosts=["10.0.0.1", "10.0.0.2", "10.0.0.3"])}),
        node(2, 3),
        node(3, 3),
    )
    assert "not counted: 2 of the nodes themselves" in texts(of)


def test_a_cluster_that_registers_no_node_is_reported() -> None:
    lines = texts(summary(node(1, 3, registered=0), node(2, 3, registered=0)))
    assert any(line.startswith("NOT CHECKED whether these are all nodes") for line in lines)


def test_a_large_cluster_is_a_few_lines() -> None:
    nodes = [node(number, 10 + number, registered=61) for number in range(1, 62)]
    lines = texts(summary(*nodes))
    assert len(lines) == 14
    assert lines[1].startswith("node61      71 ####")
    assert lines[11] == "and 51 other nodes with 11 to 61 connections"


def test_one_address_is_many_nodes_by_ssh_and_one_node_here() -> None:
    def local(number: int, connection: str) -> Node:
        url = "http://127.0.0.1:8090"
        answer = said(number, 3, url=url)
        return Node(
            f"node{number}",
            {"polaris_before": answer, "ansible_connection": connection, "ansible_host": f"10.0.0.{number}"},
        )

    assert rebalance(run(local(1, "ssh"), local(2, "ssh"), fleet_size=2))["count"] == 0
    with pytest.raises(RefusedError, match="the same node twice"):
        rebalance(run(local(1, "local"), local(2, "local")))


def test_what_can_be_refused_before_the_first_request() -> None:
    of = Run([Node("a", {"polaris_cluster": "eu"}), Node("b", {"polaris_cluster": "us"})], target="all")
    with pytest.raises(RefusedError, match=r"several clusters \(eu, us\)"):
        rebalance_hosts(of)
    with pytest.raises(RefusedError, match="1 host is left out of all"):
        rebalance_hosts(Run([Node("a")], target="all", left_out=["b"]))
