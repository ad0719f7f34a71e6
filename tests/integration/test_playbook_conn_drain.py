# Copyright (c) 2026, PolarisMesh Maintenance contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The runbook conn_drain, as an operator runs it, with real connections on every node."""

from __future__ import annotations

import threading
from collections.abc import Callable
from typing import Any

import pytest

from tests.clients import ALICE, BOB, Clients, Connection, ended, until
from tests.simulator import Fault, Fleet, Node
from tests.support import PlaybookRun, owners_inventory, refused_variables

NAME = "polarismesh.maintenance.conn_drain"
DRAIN = {"protocol": "grpc", "client_host": ALICE}
Playbook = Callable[..., PlaybookRun]


@pytest.fixture
def mixed(make_fleet: Callable[..., Fleet]) -> Fleet:
    return make_fleet(nodes=3, profile=["v1.18.1", "v1.12.2", "documented"])


def connect(clients: Clients, node: Node, source: str, count: int) -> list[Connection]:
    made = clients.connect((node.host, node.grpc_port), source, count)
    assert until(lambda: {each.address for each in made} <= set(node.connections["grpc"]))
    return made


def test_every_node_is_drained_and_every_bystander_stays(mixed: Fleet, clients: Clients, playbook: Playbook) -> None:
    first, second = mixed.nodes[:2]
    alice = [connect(clients, first, ALICE, 2), connect(clients, second, ALICE, 1)]
    bob = [connect(clients, node, BOB, 1)[0] for node in mixed.nodes]
    run = playbook(NAME, owners_inventory(mixed), extra_vars={**DRAIN, "max_connections": 3}).ok()
    assert ended([*alice[0], *alice[1]])
    assert all(each.open for each in bob)
    assert f"Polaris connections of {ALICE} (grpc): closed 3 on 2 of 3 nodes" in run.output
    assert f"closed on node1: 2 (ports {alice[0][0].port}, {alice[0][1].port})" in run.output
    assert f"closed on node2: 1 (port {alice[1][0].port})" in run.output
    assert "none open on 1 (node3)" in run.output

    again = playbook(NAME, owners_inventory(mixed), extra_vars=DRAIN).ok()
    assert "closed 0 on 0 of 3 nodes" in again.output
    assert "none open on 3 (node1, node2, node3)" in again.output
    assert "changed=0" in again.output


def test_too_many_in_total_closes_none_on_any_node(mixed: Fleet, clients: Clients, playbook: Playbook) -> None:
    alice = [each for node in mixed.nodes for each in connect(clients, node, ALICE, 2)]
    run = playbook(NAME, owners_inventory(mixed), extra_vars={**DRAIN, "max_connections": "5"})
    assert run.returncode == 2
    assert "REFUSED: 6 connections are open, and max_connections allows 5. Nothing was closed." in run.output
    assert "open: node1 2, node2 2, node3 2" in run.output
    assert {request.method for request in mixed.requests} == {"GET"}
    assert all(each.open for each in alice)


def test_check_mode_closes_nothing_and_names_the_same(mixed: Fleet, clients: Clients, playbook: Playbook) -> None:
    alice = connect(clients, mixed.nodes[0], ALICE, 2)
    dry = playbook(NAME, owners_inventory(mixed), extra_vars=DRAIN, args=["--check", "--diff"]).ok()
    assert all(each.open for each in alice)
    assert {request.method for request in mixed.requests} == {"GET"}
    assert "(check mode: nothing was closed): would close 2 on 1 of 3 nodes" in dry.output
    assert dry.output.count(f'-        "{alice[0].address}"') == 1
    wet = playbook(NAME, owners_inventory(mixed), extra_vars=DRAIN, args=["--diff"]).ok()
    assert ended(alice)
    assert wet.one("Close the connections", "node1") == dry.one("Close the connections", "node1")


def test_a_client_that_reconnects_meanwhile_is_not_closed_twice(
    mixed: Fleet, clients: Clients, playbook: Playbook
) -> None:
    first = mixed.nodes[0]
    alice = connect(clients, first, ALICE, 1)
    late: list[Connection] = []
    # It connects to the other node after its connections were counted there and before they are closed here.
    first.fault("POST", "*", Fault("delay", seconds=1.5))

    def count_is_over() -> bool:
        return any(request.method == "POST" for request in first.requests)

    def reconnect() -> None:
        if until(count_is_over, 60):
            late.extend(clients.connect((mixed.nodes[1].host, mixed.nodes[1].grpc_port), ALICE))

    watcher = threading.Thread(target=reconnect)
    watcher.start()
    run = playbook(NAME, owners_inventory(mixed), extra_vars=DRAIN).ok()
    watcher.join()
    assert ended(alice)
    assert late[0].open
    assert "closed 1 on 1 of 3 nodes" in run.output


def test_a_node_that_fails_is_named_and_does_not_stop_the_others(
    mixed: Fleet, clients: Clients, playbook: Playbook
) -> None:
    alice = [connect(clients, node, ALICE, 1) for node in mixed.nodes]
    mixed.nodes[0].set("conn_limit", False)
    mixed.nodes[1].fault("POST", "*", Fault("status", status=500, body="boom"))
    hosts = owners_inventory(mixed)
    hosts["polaris_servers"]["hosts"]["gone"] = {"polaris_url": "http://127.0.0.1:1"}
    run = playbook(NAME, hosts, extra_vars=DRAIN)
    assert run.returncode == 2
    assert ended(alice[2])
    assert alice[0][0].open
    assert alice[1][0].open
    assert "closed 1 on 1 of 4 nodes" in run.output
    assert f"FAILED on node1: {mixed.nodes[0].url} does not count the connections of 'grpc'" in run.output
    assert "FAILED on node2: " in run.output
    assert "Of the 1 connections to close: 1 not closed" in run.output
    assert "FAILED on gone: nothing listens at http://127.0.0.1:1" in run.output


@pytest.mark.slow
def test_a_large_fleet_prints_two_lines_for_each_node(
    make_fleet: Callable[..., Fleet], clients: Clients, playbook: Playbook
) -> None:
    fleet = make_fleet(nodes=41)
    for node in fleet.nodes[:-1]:
        connect(clients, node, ALICE, 1)
    fleet.nodes[-1].fault("*", "*", Fault("status", status=500, body="disk full"))
    run = playbook(NAME, owners_inventory(fleet), extra_vars=DRAIN)
    assert "closed 40 on 40 of 41 nodes" in run.output
    lines = run.output.partition("PLAY RECAP")[0].splitlines()
    assert len(lines) <= 2 * 41 + 12 + 40, run.output


def test_limit_drains_the_named_node_alone(mixed: Fleet, clients: Clients, playbook: Playbook) -> None:
    alice = [connect(clients, node, ALICE, 1) for node in mixed.nodes]
    playbook(NAME, owners_inventory(mixed), extra_vars={**DRAIN, "max_connections": ""}, args=["--limit", "node2"]).ok()
    assert ended(alice[1])
    assert alice[0][0].open
    assert alice[2][0].open


def test_a_node_of_the_cluster_is_refused_as_a_client(mixed: Fleet, clients: Clients, playbook: Playbook) -> None:
    first, second = mixed.nodes[:2]
    first.set("console", False)
    between = connect(clients, first, second.host, 1)
    drain = {"protocol": "grpc", "client_host": second.host}
    # The client is not a host of this run, and the first node does not list the nodes.
    run = playbook(NAME, owners_inventory(mixed), extra_vars=drain, args=["--limit", "node1,node3"])
    assert run.returncode == 2
    assert f"REFUSED: {second.host} is a node of this cluster" in run.output
    assert "open: node1 1" in run.output
    assert between[0].open
    assert {request.method for request in mixed.requests} == {"GET"}
    assert (
        "closed 1 on 1 of 3 nodes"
        in playbook(NAME, owners_inventory(mixed), extra_vars={**drain, "drain_node": "yes"}).ok().output
    )
    assert ended(between)


def test_where_no_node_lists_the_nodes_a_client_may_be_one(mixed: Fleet, clients: Clients, playbook: Playbook) -> None:
    mixed.configure(console=False)
    alice = connect(clients, mixed.nodes[0], ALICE, 1)
    run = playbook(NAME, owners_inventory(mixed), extra_vars=DRAIN)
    assert run.returncode == 2
    assert f"REFUSED: No node lists the nodes of the cluster, so {ALICE} may be one of them" in run.output
    assert alice[0].open
    playbook(NAME, owners_inventory(mixed), extra_vars={**DRAIN, "drain_node": True}).ok()
    assert ended(alice)


@pytest.mark.parametrize(
    ("variables", "expected"),
    [
        ({}, "Give the variable protocol: grpc, http"),
        ({"protocol": "grpc"}, "Give the variable client_host: an IPv4 address"),
        ({"client_host": ALICE}, "Give the variable protocol: "),
        ({"protocol": "", "client_host": ALICE}, "Give the variable protocol: "),
        ({"protocol": "grpc", "client_host": "::1"}, "The variable client_host must be an IPv4 address"),
        ({"protocol": "grpc", "client_host": "client.example"}, "The variable client_host must be an IPv4 address"),
        ({"protocol": "grpc", "client_host": "10.0.0.256"}, "The variable client_host must be an IPv4 address"),
        ({**DRAIN, "max_connections": "many"}, "The variable max_connections must be a whole number"),
        ({**DRAIN, "max_connections": -1}, "The variable max_connections must be a whole number of 0 or more"),
        ({**DRAIN, "drain_node": "perhaps"}, "The variable drain_node must be true or false"),
    ],
)
def test_bad_variables_are_refused_by_name(variables: dict[str, Any], expected: str) -> None:
    assert refused_variables("conn_drain", variables).startswith(expected)


def test_bad_variables_are_one_sentence_and_no_request(mixed: Fleet, playbook: Playbook) -> None:
    run = playbook(NAME, mixed, extra_vars={"protocol": "grpc"})
    assert run.returncode == 2
    assert run.one("Check the variables")["msg"].startswith("Give the variable client_host")
    assert "Traceback" not in run.output
    assert mixed.requests == []
