# Copyright (c) 2026, PolarisMesh Maintenance contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The runbook conn_rebalance, as an operator runs it, with real connections of clients that reconnect."""

from __future__ import annotations

import json
import random
import threading
from collections.abc import Callable
from typing import Any

import pytest

from tests.clients import Clients, Connection, ended, until
from tests.simulator import Fault, Fleet, Node
from tests.support import PlaybookRun, inventory_of, owners_inventory, refused_variables

NAME = "polarismesh.maintenance.conn_rebalance"
HOSTS = [f"127.0.0.{number}" for number in range(21, 31)]
Playbook = Callable[..., PlaybookRun]


@pytest.fixture
def cluster(make_fleet: Callable[..., Fleet]) -> Fleet:
    return make_fleet(nodes=3, profile=["v1.18.1", "v1.12.2", "documented"])


def connect(clients: Clients, node: Node, sources: list[str], each: int = 1) -> list[Connection]:
    made = [one for source in sources for one in clients.connect((node.host, node.grpc_port), source, each)]
    assert until(lambda: {one.address for one in made} <= set(node.connections["grpc"]))
    return made


def rebalance(
    playbook: Playbook, hosts: Fleet | dict[str, Any], args: tuple[str, ...] = (), **variables: Any
) -> PlaybookRun:
    hosts = owners_inventory(hosts) if isinstance(hosts, Fleet) else hosts
    return playbook(NAME, hosts, extra_vars=variables, args=list(args))


def asked_to_close(fleet: Fleet) -> list[dict[str, Any]]:
    """The entries of all close requests."""
    return [
        {**entry, "node": request.node}
        for request in fleet.requests
        if request.method == "POST"
        for entry in json.loads(request.body)
    ]


def refused(run: PlaybookRun, fleet: Fleet, *words: str) -> None:
    """Check that the run failed in one task with these words, and that nothing was closed."""
    assert run.returncode == 2, run.output
    failures = [entry for entry in run.results if entry.status == "failed" and entry.action.endswith("polaris_plan")]
    reason = failures[0].result["msg"]
    assert {entry.result["msg"] for entry in failures} == {reason}
    assert all(word in reason for word in words), reason
    assert reason.endswith("Nothing was closed.")
    assert asked_to_close(fleet) == []
    assert "Traceback" not in run.output


def test_closes_the_share_of_the_surplus_one_by_one_spread_over_the_clients(
    cluster: Fleet, clients: Clients, playbook: Playbook
) -> None:
    full, half, _empty = cluster.nodes
    on_full, on_half = connect(clients, full, HOSTS, 3), connect(clients, half, HOSTS[:3])
    run = rebalance(playbook, cluster, settle_seconds=1).ok()
    gone = [each for each in on_full if not each.open]
    assert len(gone) == 6
    assert len({each.host for each in gone}) == 6
    assert all(each.open for each in on_half)
    closes = asked_to_close(cluster)
    assert {(each["Host"], each["Port"]) for each in closes} == {(each.host, each.port) for each in gone}
    assert {each["node"] for each in closes} == {full.index}
    summary = run.one("Summary")["lines"]
    assert summary[0] == (
        "Polaris connections (grpc): 3 nodes, 33 connections, 11.0 on average, up to 12.1 are tolerated"
    )
    assert summary[1] == f"node1      30 {'#' * 20} ->      24 {'#' * 16}     closed 6 of a surplus of 19"
    assert summary[2].split() == ["node2", "3", "##", "->", "3", "##"]
    assert summary[3].split() == ["node3", "0", "->", "0"]
    assert summary[4].startswith("closed 6; it takes about ")


@pytest.mark.slow
def test_a_few_runs_balance_clients_that_reconnect(
    make_fleet: Callable[..., Fleet], clients: Clients, playbook: Playbook
) -> None:
    """From 2 nodes to 3: each client whose connection is closed connects to a random node."""
    cluster = make_fleet(nodes=3)
    connections = [one for node in cluster.nodes[:2] for one in connect(clients, node, HOSTS, 6)]
    chance, over = random.Random(3), threading.Event()

    def come_back() -> None:
        while not over.wait(0.05):
            for number, connection in enumerate(connections):
                if not connection.open:
                    node = chance.choice(cluster.nodes)
                    (connections[number],) = clients.connect((node.host, node.grpc_port), connection.host)

    client_side = threading.Thread(target=come_back)
    client_side.start()
    try:
        for runs in range(1, 13):
            run = rebalance(playbook, cluster, settle_seconds=2).ok()
            counts = [len(node.connections["grpc"]) for node in cluster.nodes]
            assert sum(counts) == len(connections)
            if "no node has too many" in run.one("Summary")["lines"][-1]:
                assert runs >= 3
                break
    finally:
        over.set()
        client_side.join()
    assert max(counts) <= 1.1 * 40


def test_check_mode_shows_the_plan_and_closes_nothing(cluster: Fleet, clients: Clients, playbook: Playbook) -> None:
    held = connect(clients, cluster.nodes[0], HOSTS, 2)
    dry = rebalance(playbook, cluster, ("--check", "--diff")).ok()
    assert all(each.open for each in held)
    assert asked_to_close(cluster) == []
    assert "(check mode: nothing was closed)" in dry.one("Summary")["lines"][0]
    assert "would close 4 of a surplus of 13" in dry.one("Summary")["lines"][1]
    wet = rebalance(playbook, cluster, ("--diff",)).ok()
    assert wet.one("Close the connections", "node1") == dry.one("Close the connections", "node1")
    assert sum(not each.open for each in held) == 4


def test_an_even_cluster_is_left_alone(cluster: Fleet, clients: Clients, playbook: Playbook) -> None:
    for node in cluster.nodes:
        connect(clients, node, HOSTS[:4])
    run = rebalance(playbook, cluster, settle_seconds=9999).ok()
    assert run.one("Summary")["lines"][-1] == "nothing to close: no node has too many"
    assert asked_to_close(cluster) == []
    assert "changed=0" in run.output
    assert run.one("Count the connections again if wanted")["counts"] == {}


def test_counts_again_with_the_account_in_the_vars_of_import_playbook(
    cluster: Fleet, clients: Clients, playbook: Playbook
) -> None:
    """They are variables of the play, which the hostvars of a host lack."""
    connect(clients, cluster.nodes[0], HOSTS)
    given = {"polaris_token": cluster.tokens.owner, "ansible_connection": "local", "settle_seconds": 1}
    run = playbook([{"import_playbook": NAME, "vars": given}], inventory_of(cluster, ansible_connection="ssh")).ok()
    assert run.one("Count the connections again if wanted")["counts"] == {"node1": 8, "node2": 0, "node3": 0}


def test_connections_between_the_nodes_and_spared_hosts_are_not_counted_and_never_closed(
    cluster: Fleet, clients: Clients, playbook: Playbook
) -> None:
    leader, *followers = cluster.nodes
    peers = connect(clients, leader, [node.host for node in followers], 20)
    proxy = connect(clients, leader, ["127.0.0.90"], 20)
    held = connect(clients, leader, HOSTS)
    run = rebalance(playbook, cluster, spare_hosts="127.0.0.90, 127.0.0.91", max_share=1).ok()
    assert all(each.open for each in peers + proxy)
    assert sum(not each.open for each in held) == 6
    assert "3 nodes, 10 connections, 3.3 on average" in run.one("Summary")["lines"][0]
    assert "not counted: 60 of the nodes themselves and of spare_hosts" in run.one("Summary")["lines"]


def test_a_node_that_fails_to_close_does_not_stop_the_others(
    cluster: Fleet, clients: Clients, playbook: Playbook
) -> None:
    held = [connect(clients, node, HOSTS[:5], 4) for node in cluster.nodes[:2]]
    cluster.nodes[0].fault("POST", "*", Fault("status", status=500, body="boom"))
    run = rebalance(playbook, cluster)
    assert run.returncode == 2
    assert all(each.open for each in held[0])
    assert sum(not each.open for each in held[1]) == 4
    summary = run.one("Summary")["lines"]
    assert "closed 4 of 8 planned" in " ".join(summary)
    assert summary[-1].startswith("FAILED on node1: ")
    assert "Of the 4 connections to close: 4 not closed" in summary[-1]
    assert "failed=1" in run.output


def test_a_node_that_cannot_be_read_is_named_and_nothing_is_closed(
    cluster: Fleet, clients: Clients, playbook: Playbook
) -> None:
    connect(clients, cluster.nodes[0], HOSTS)
    hosts = owners_inventory(cluster)
    hosts["polaris_servers"]["hosts"]["node3"] = {"polaris_url": "http://127.0.0.1:1"}
    run = rebalance(playbook, hosts)
    refused(run, cluster, "1 of 3 nodes could not be read", "node3: nothing listens at http://127.0.0.1:1")
    assert "FAILED on node3: nothing listens at http://127.0.0.1:1" in run.output


@pytest.mark.slow
def test_a_node_that_does_not_count_is_named_with_what_to_configure(
    cluster: Fleet, clients: Clients, playbook: Playbook
) -> None:
    connect(clients, cluster.nodes[0], HOSTS)
    cluster.nodes[1].set("conn_limit", False)
    run = rebalance(playbook, cluster)
    refused(run, cluster, "1 of 3 nodes does not count grpc (node2)", "openConnLimit: true")


def test_a_limit_that_leaves_nodes_out_is_refused(cluster: Fleet, clients: Clients, playbook: Playbook) -> None:
    connect(clients, cluster.nodes[0], HOSTS)
    run = rebalance(playbook, cluster, ("--limit", "node1,node3"))
    refused(run, cluster, "1 host is left out of polaris_servers (node2)", "without --limit")
    assert cluster.requests == []


@pytest.mark.slow
def test_a_limit_that_leaves_nothing_out_and_a_target_pattern_pass(
    cluster: Fleet, clients: Clients, playbook: Playbook
) -> None:
    held = connect(clients, cluster.nodes[0], HOSTS)
    hosts = owners_inventory(cluster)
    hosts["others"] = {"hosts": {"elsewhere": {}}}
    args = ("--limit", "node1,node2,node3")
    rebalance(playbook, hosts, args, target="all:!others").ok()
    assert sum(not each.open for each in held) == 2


def test_a_part_of_the_cluster_is_refused_unless_its_size_is_given(
    cluster: Fleet, clients: Clients, playbook: Playbook
) -> None:
    """As in a slice of an AWX job, which gets an inventory with some of the hosts and no hint of this."""
    held = connect(clients, cluster.nodes[0], HOSTS)
    hosts = owners_inventory(cluster)
    del hosts["polaris_servers"]["hosts"]["node3"]
    refused(rebalance(playbook, hosts), cluster, "The cluster has 3 nodes", "only 2 are hosts of this run", "slices")
    refused(rebalance(playbook, hosts, fleet_size=4), cluster, "The cluster has 4 nodes")
    rebalance(playbook, hosts, fleet_size="2").ok()
    assert sum(not each.open for each in held) == 2


@pytest.mark.slow
def test_hosts_of_several_clusters_are_refused(
    cluster: Fleet, make_fleet: Callable[..., Fleet], clients: Clients, playbook: Playbook
) -> None:
    connect(clients, cluster.nodes[0], HOSTS)
    other = make_fleet(nodes=1, address="127.0.2.1", owner_token=cluster.tokens.owner)
    hosts = owners_inventory(cluster)
    hosts["polaris_servers"]["hosts"]["other"] = {"polaris_url": other.url}
    refused(rebalance(playbook, hosts), cluster, "The hosts belong to several clusters", "target")
    named = owners_inventory(cluster)
    for number, host in enumerate(named["polaris_servers"]["hosts"].values()):
        host["polaris_cluster"] = "eu" if number else "us"
    refused(rebalance(playbook, named), cluster, "The hosts belong to several clusters (eu, us)")


@pytest.mark.slow
def test_a_node_that_is_two_hosts_is_refused(cluster: Fleet, clients: Clients, playbook: Playbook) -> None:
    connect(clients, cluster.nodes[0], HOSTS)
    hosts = owners_inventory(cluster)
    hosts["polaris_servers"]["hosts"]["again"] = {"polaris_url": cluster.url}
    refused(rebalance(playbook, hosts), cluster, "the same node twice", cluster.url)


@pytest.mark.slow
def test_unknown_nodes_are_refused_unless_their_number_is_given(
    cluster: Fleet, clients: Clients, playbook: Playbook
) -> None:
    held = connect(clients, cluster.nodes[0], HOSTS)
    cluster.configure(console=False)
    run = rebalance(playbook, cluster)
    assert run.returncode != 0
    assert "REFUSED: No node lists the nodes of the cluster" in "\n".join(run.one("Summary")["lines"])
    assert all(each.open for each in held)
    rebalance(playbook, cluster, fleet_size=len(cluster.nodes)).ok()
    assert sum(not each.open for each in held) == 2


@pytest.mark.parametrize(
    ("variables", "expected"),
    [
        ({"protocol": ["grpc"]}, "protocol must be text"),
        ({"tolerance": "ten"}, "tolerance must be a number"),
        ({"tolerance": -0.1}, "tolerance must be a number not below 0"),
        ({"max_share": 0}, "max_share must be a number not below 0.001"),
        ({"max_share": 1.5}, "max_share must be a number not below 0.001 and not above 1"),
        ({"max_share": "20%"}, "max_share must be a number"),
        ({"settle_seconds": -1}, "settle_seconds must be a whole number"),
        ({"fleet_size": "all"}, "fleet_size must be a whole number of 1 or more"),
        ({"spare_hosts": 5}, "spare_hosts must be a list"),
    ],
)
def test_bad_variables_are_refused_by_name(variables: dict[str, Any], expected: str) -> None:
    assert refused_variables("conn_rebalance", variables).startswith(f"The variable {expected}")


def test_bad_variables_are_one_sentence_and_no_request(cluster: Fleet, playbook: Playbook) -> None:
    run = rebalance(playbook, cluster, max_share=0)
    assert run.returncode == 2
    assert run.one("Check the variables")["msg"].startswith("The variable max_share must be a number not below 0.001")
    assert "Traceback" not in run.output
    assert cluster.requests == []


def test_empty_answers_of_a_survey_are_the_defaults(cluster: Fleet, clients: Clients, playbook: Playbook) -> None:
    held = connect(clients, cluster.nodes[0], HOSTS)
    empty: dict[str, Any] = dict.fromkeys(["protocol", "tolerance", "max_share", "spare_hosts", "fleet_size"], "")
    rebalance(playbook, cluster, **empty).ok()
    assert ended([each for each in held if not each.open])
    assert sum(not each.open for each in held) == 2
