# Copyright (c) 2026, PolarisMesh Maintenance contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Who is connected: the module's result from the server's statistics."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest

from ansible_collections.polarismesh.maintenance.plugins.module_utils._addresses import address_order
from ansible_collections.polarismesh.maintenance.plugins.module_utils._client import Client
from ansible_collections.polarismesh.maintenance.plugins.module_utils._errors import PolarisError
from ansible_collections.polarismesh.maintenance.plugins.module_utils._model import ConnStats, HostConnections
from ansible_collections.polarismesh.maintenance.plugins.modules.polaris_conn_info import described, run
from tests.clients import ALICE, BOB, Clients, until
from tests.simulator import Fleet

MakeClient = Callable[..., Client]


def read(client: Client, **options: Any) -> dict[str, Any]:
    params = {"protocol": "grpc", "host": None, "min_connections": None, "node_hosts": False, **options}
    return run(client, params, False)


def test_the_total_is_a_sum_over_the_hosts_not_what_the_server_says() -> None:
    stats = ConnStats(
        "grpc",
        0,
        (
            HostConnections("10.0.0.7", 2, "2024-01-02T03:04:05+08:00", ("10.0.0.7:51324", "10.0.0.7:51326")),
            HostConnections("10.0.0.9", 1, None, ("10.0.0.9:40000",)),
            HostConnections("10.0.0.10", 0, None, ()),
        ),
        "",
    )
    assert described(stats, "grpc") == {
        "protocol": "grpc",
        "limit_enabled": True,
        "hint": "Servers count IPv4 clients only: they do not list a client that connects by IPv6.",
        "total": 3,
        "listener_total": 0,
        "hosts": {"10.0.0.7": 2, "10.0.0.9": 1, "10.0.0.10": 0},
        "stats": [
            {
                "host": "10.0.0.7",
                "amount": 2,
                "last_access": "2024-01-02T03:04:05+08:00",
                "actives": ["10.0.0.7:51324", "10.0.0.7:51326"],
            },
            {"host": "10.0.0.9", "amount": 1, "last_access": None, "actives": ["10.0.0.9:40000"]},
            {"host": "10.0.0.10", "amount": 0, "last_access": None, "actives": []},
        ],
    }


@pytest.mark.parametrize(
    ("protocol", "words"),
    [
        (
            "grpc",
            (
                "service-grpc or config-grpc",
                "openConnLimit: true",
                "purgeCounterInterval",
                "purgeCounterExpire ",
                "maxConnPerHost: 1",
                "misspells the last key as purgeCounterExpired",
                "Only one of service-grpc and config-grpc",
            ),
        ),
        ("http", ("apiserver api-http in", "openConnLimit: true")),
        ("service-grpc", ("no protocol 'service-grpc'", "grpc for service-grpc")),
        ("HTTP", ("no protocol 'HTTP'", "lower case")),
    ],
)
def test_a_protocol_that_is_not_counted_is_not_a_failure_and_says_what_to_configure(
    protocol: str, words: tuple[str, ...]
) -> None:
    result = described(None, protocol)
    assert (result["limit_enabled"], result["total"], result["listener_total"]) == (False, 0, None)
    assert (result["hosts"], result["stats"]) == ({}, [])
    for word in words:
        assert word in result["hint"]


def test_one_host_or_the_large_ones(fleet: Fleet, make_client: MakeClient, clients: Clients) -> None:
    node = fleet.nodes[0]
    grpc = (node.host, node.grpc_port)
    two, one = clients.connect(grpc, ALICE, 2), clients.connect(grpc, BOB)
    assert until(lambda: len(node.connections["grpc"]) == 3)
    client = make_client(node, token=fleet.tokens.owner)

    everything = read(client)
    assert everything["hosts"] == {ALICE: 2, BOB: 1}
    assert everything["total"] == everything["listener_total"] == 3
    assert everything["stats"][0]["actives"] == [each.address for each in two]
    assert [read(client, host=BOB)[key] for key in ("hosts", "total", "listener_total")] == [{BOB: 1}, 1, 3]
    assert read(client, host=BOB)["stats"][0]["actives"] == [one[0].address]
    assert read(client, min_connections="2")["hosts"] == {ALICE: 2}
    assert read(client, min_connections=0)["hosts"] == {ALICE: 2, BOB: 1}
    assert read(client, host="10.9.9.9")["hosts"] == {}


def test_a_server_that_counts_nothing(make_fleet: Callable[..., Fleet], make_client: MakeClient) -> None:
    fleet = make_fleet(conn_limit=False)
    result = read(make_client(fleet.nodes[0], token=fleet.tokens.owner))
    assert result["limit_enabled"] is False
    assert result["changed"] is False


@pytest.mark.parametrize(
    ("options", "sentence"),
    [
        ({"protocol": ""}, "protocol is missing or empty"),
        ({"host": ""}, "host is missing or empty"),
        (
            {"host": "::1"},
            "host is ::1, an IPv6 address: Polaris servers count, list and close the connections of IPv4",
        ),
        ({"host": "[2001:db8::7]"}, "an IPv6 address"),
        ({"host": "::ffff:10.0.0.7"}, "servers list it as 10.0.0.7; give that address"),
        ({"host": "client.example"}, "host is 'client.example', which is not an IPv4 address"),
        ({"host": "10.0.0.7:80"}, "the port is a separate option"),
        ({"host": "010.0.0.7"}, "not an IPv4 address"),
        ({"min_connections": -1}, "min_connections must be a whole number of 0 or more; got '-1'"),
        ({"min_connections": "many"}, "got 'many'"),
        ({"min_connections": True}, "got 'True'"),
        ({"min_connections": 1.5}, "got '1.5'"),
    ],
)
def test_bad_input_is_refused_before_any_request(
    options: dict[str, Any], sentence: str, fleet: Fleet, make_client: MakeClient
) -> None:
    with pytest.raises(PolarisError) as caught:
        read(make_client(fleet.nodes[0], token=fleet.tokens.owner), **options)
    assert caught.value.kind == "refused"
    assert sentence in caught.value.msg
    assert fleet.requests == []


def test_addresses_are_sorted_as_numbers() -> None:
    mixed = ["10.0.0.10:80", "10.0.0.9:1000", "10.0.0.9:99", "fe80::1", "10.0.0.9"]
    assert sorted(mixed, key=address_order) == ["10.0.0.9", "10.0.0.9:99", "10.0.0.9:1000", "10.0.0.10:80", "fe80::1"]


def test_the_ports_of_a_host_are_those_of_its_own_addresses() -> None:
    odd = ("10.0.0.7:51324", "10.0.0.71:51325", "10.0.0.7:x", "10.0.0.7", "10.0.0.7:51326")
    assert HostConnections("10.0.0.7", 2, None, odd).ports == {51324, 51326}


def test_the_nodes_are_only_read_on_request(make_fleet: Callable[..., Fleet], make_client: MakeClient) -> None:
    fleet = make_fleet(nodes=2)
    client = make_client(fleet.nodes[0], token=fleet.tokens.owner)
    assert "node_hosts" not in read(client)
    assert len(fleet.requests) == 1
    assert read(client, node_hosts=True)["node_hosts"] == [node.host for node in fleet.nodes]


def test_nodes_that_cannot_be_read_hide_no_connections(fleet: Fleet, make_client: MakeClient) -> None:
    fleet.nodes[0].set("console", False)
    result = read(make_client(fleet.nodes[0], token=fleet.tokens.owner), node_hosts=True)
    assert result["limit_enabled"]
    assert result["node_hosts"] is None
